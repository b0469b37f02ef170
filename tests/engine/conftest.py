"""The runs that the engine's tests share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from goodfit.engine.program import use_cache

SCRIPT = Path(__file__).parent / "runs.py"


@pytest.fixture(scope="session")
def runs():
    """The module runs.py beside this file; programs are kept between test runs."""
    use_cache()
    spec = importlib.util.spec_from_file_location("engine_runs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["engine_runs"] = module
    spec.loader.exec_module(module)
    return module
