"""The house rules that a machine can check: import order, sizes, light start, public names."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import goodfit
from goodfit import errors

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "goodfit"
LAYERS = (
    "errors", "stats", "store", "data", "techniques", "recipe", "network", "engine", "ensemble", "search", "model",
    "job", "rerun", "cli", "__main__",
)  # fmt: skip
MODULES = sorted(SOURCE.rglob("*.py"))
HEAVY = ("jax", "sklearn", "pandas", "matplotlib", "scipy", "pyarrow", "optax")


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every layer of goodfit that a module imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("goodfit.")} & set(LAYERS)


@pytest.mark.parametrize("path", [m for m in MODULES if layer_of(m) != "__init__"], ids=lambda p: p.stem)
def test_a_module_imports_only_from_layers_above_its_own(path):
    own = LAYERS.index(layer_of(path))
    below = [name for name in imports(path) if LAYERS.index(name) > own]
    assert not below, f"{path.name} in {layer_of(path)} imports from {below}"


def test_no_import_cycles_between_modules():
    graph = {}
    names = {".".join(("goodfit", *m.relative_to(SOURCE).with_suffix("").parts)) for m in MODULES}
    for module in MODULES:
        tree = ast.parse(module.read_text())
        top = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module]
        name = ".".join(("goodfit", *module.relative_to(SOURCE).with_suffix("").parts))
        graph[name] = {n.module for n in top} & names

    def visit(name, path):
        assert name not in path, f"import cycle: {' -> '.join((*path, name))}"
        for other in graph.get(name, ()):
            visit(other, (*path, name))

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_modules_and_functions_stay_small(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 400, f"{path.name} has {len(lines)} lines"
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False) or ""
            size = node.end_lineno - node.lineno + 1 - len(docstring.splitlines()) - len(node.args.kwonlyargs)
            assert size <= 50, f"{path.name}: {node.name} has {size} lines"


def test_there_is_no_drawer_for_everything():
    assert not [m for m in MODULES if m.stem in ("utils", "util", "helpers", "misc", "common")]


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sys.modules), file=sys.__stdout__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_import_is_light():
    assert not loaded_by("import goodfit; goodfit.__version__") & set(HEAVY)


def test_help_is_light():
    code = "from goodfit.cli.main import main\nfor a in (['--help'], ['fit', '--help']): main(a)"
    assert not loaded_by(code) & {*HEAVY, "numpy"}


@pytest.mark.parametrize("name", goodfit.__all__)
def test_public_names_resolve_and_are_documented(name):
    value = getattr(goodfit, name)
    assert isinstance(value, str) or value.__doc__
    assert name in dir(goodfit)


def test_unknown_names_raise():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        goodfit.nothing  # noqa: B018


def test_every_exception_derives_from_the_base():
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)]
    assert len(kinds) >= 5
    assert all(issubclass(kind, errors.GoodfitError) for kind in kinds)


def test_package_files_hold_only_a_docstring():
    for module in MODULES:
        if module.name == "__init__.py" and module.parent != SOURCE:
            body = ast.parse(module.read_text()).body
            assert len(body) == 1, f"{module.parent.name}/__init__.py holds code"
            importlib.import_module(f"goodfit.{module.parent.name}")
