"""A light start, and public names that are declared once, resolve and explain themselves."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import goodfit
from goodfit import errors

HEAVY = {"jax", "jaxlib", "sklearn", "pandas", "matplotlib", "scipy", "optax", "optuna", "pyarrow"}


def loaded_by(code: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after ``code``."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


def command(*words: str) -> str:
    return (
        "from goodfit.cli.main import app\n"
        f"try: app({list(words)!r})\n"
        "except SystemExit as end: assert not end.code, end.code"
    )


@pytest.mark.parametrize("code", ["import goodfit", "import goodfit; dir(goodfit); goodfit.__version__"])
def test_import_is_light(code):
    assert not loaded_by(code) & {*HEAVY, "numpy", "typer", "rich"}


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("fit", "--help"), ("predict", "--help")])
def test_help_is_light(words):
    assert not loaded_by(command(*words)) & {*HEAVY, "numpy", "rich"}


def test_loading_a_model_needs_no_jax():
    assert not loaded_by("from goodfit import load_model") & (HEAVY | {"safetensors"})


def test_the_list_can_fail():
    assert "numpy" in loaded_by("from goodfit import load_model")


@pytest.mark.parametrize("name", goodfit.__all__)
def test_public_names_resolve_and_are_documented(name):
    value = getattr(goodfit, name)
    assert isinstance(value, str) or inspect.getdoc(value)
    assert name in dir(goodfit)


def test_what_editors_see_is_what_is_loaded():
    tree = ast.parse(Path(goodfit.__file__).read_text())
    shown = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("goodfit."):
            shown |= {alias.name: node.module for alias in node.names}
    assert shown == goodfit._HOME_OF
    assert sorted([*shown, "__version__"]) == sorted(goodfit.__all__)


def test_unknown_names_raise():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        goodfit.nothing  # noqa: B018
    with pytest.raises(ImportError):
        from goodfit import nothing  # noqa: F401


def test_every_exception_derives_from_the_base_and_is_drawn_in_the_tree():
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)]
    assert len(kinds) >= 5
    for kind in kinds:
        assert issubclass(kind, errors.GoodfitError)
        assert kind.__name__ in errors.__doc__
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.ModelFileError, ValueError)
