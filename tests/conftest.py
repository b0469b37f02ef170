"""Fixtures shared by the whole test suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("any machine", deadline=None)  # a busy one must fail no test
settings.load_profile("any machine")

_SIBLING = Path(__file__).resolve().parents[2] / "shared" / "data"


def find_data_folder() -> Path | None:
    """Return the folder with ``mnist/`` and ``tables/``: GOODFIT_DATA, else the sibling of the checkout."""
    named = os.environ.get("GOODFIT_DATA")
    folder = Path(named) if named else _SIBLING
    return folder if (folder / "tables" / "index.json").is_file() else None


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = find_data_folder()
    if folder is None:
        pytest.skip("real tables not at hand: set GOODFIT_DATA to a folder with mnist/ and tables/")
    return folder


@pytest.fixture(scope="session")
def table_path(data_folder):
    """Return a function from the name of a real table to its Parquet file."""
    return lambda name: data_folder / "tables" / f"{name}.parquet"
