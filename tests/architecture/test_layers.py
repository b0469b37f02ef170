"""House rules about modules: who may import whom, how large they grow, what they are not called."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "goodfit"
LAYERS = (  # a module imports only from lines above its own layer's
    "errors",
    "cores",
    "stats",
    "store",
    "numpy_layers",
    "data",
    "techniques",
    "recipe",
    "network",
    "engine",
    "ensemble",
    "search",
    "neighbours",
    "model",
    "events",
    "result",
    "job",
    "rerun",
    "packed",
    "estimators",
    "cluster",
    "report",
    "lab",
    "watch",
    "cli",
    "__main__",
)
MODULES = {
    ".".join(("goodfit", *path.relative_to(SOURCE).with_suffix("").parts)): path
    for path in sorted(SOURCE.rglob("*.py"))
    if path != SOURCE / "__init__.py"  # the public names: its own test
}
MOST_LINES, MOST_FUNCTION = 400, 50


def imports(tree: ast.AST) -> set[str]:
    """Return the modules of goodfit that a tree imports, at any depth, also for type checkers alone."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: say the whole name of what is imported"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & set(MODULES)) or {str(node.module)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "goodfit"}


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "errors"  # `import goodfit` itself is light


def upwards(module: str, tree: ast.AST) -> list[str]:
    """Return a sentence for each import that a module of this name may not make."""
    own = LAYERS.index(layer(module))
    return [
        f"{module} imports {other}, and the layer {layer(other)!r} does not lie above {layer(module)!r}"
        for other in sorted(imports(tree))
        if LAYERS.index(layer(other)) > own
    ]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_layers_above_its_own(module):
    assert layer(module) in LAYERS, f"{module} has no line in LAYERS: say where its layer stands"
    wrong = upwards(module, ast.parse(MODULES[module].read_text()))
    assert not wrong, "; ".join(wrong)


def test_an_import_upwards_would_be_found():
    hidden = ast.parse("def f():\n    from goodfit.engine.plan import Plan\n    import goodfit.cli.main")
    assert len(upwards("goodfit.data.table", hidden)) == 2
    assert "goodfit.data.table imports goodfit.cli.main" in upwards("goodfit.data.table", hidden)[0]
    assert not upwards("goodfit.job", ast.parse("from goodfit.engine import plan"))


def test_modules_do_not_import_each_other_in_a_ring():
    graph = {name: imports(ast.parse(path.read_text())) & set(MODULES) for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"import ring: {' -> '.join((*path, name))}"
        if name not in done:
            for other in graph[name]:
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines from ``def`` to the end, less the docstring."""
    first = node.body[0]
    docstring = ast.get_docstring(node) is not None
    return node.end_lineno - node.lineno + 1 - (first.end_lineno - first.lineno + 1 if docstring else 0)


@pytest.mark.parametrize("module", MODULES)
def test_modules_and_functions_stay_small(module):
    text = MODULES[module].read_text()
    assert len(text.splitlines()) <= MOST_LINES, f"{module} is longer than {MOST_LINES} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert function_lines(node) <= MOST_FUNCTION, (
                f"{module}.{node.name} is longer than {MOST_FUNCTION} lines"
            )


def test_there_is_no_drawer_for_everything():
    drawers = {"utils", "util", "helpers", "misc", "common"}
    assert not [name for name in MODULES if name.split(".")[-1] in drawers]


def test_package_files_hold_only_a_docstring():
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            assert len(ast.parse(path.read_text()).body) == 1, f"{name} holds code"


def test_exceptions_are_defined_in_one_file():
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            bases = [getattr(base, "id", "") for base in getattr(node, "bases", ())]
            if any(base.endswith(("Error", "Exception")) for base in bases):
                assert name == "goodfit.errors", f"{name} defines {node.name}"
