"""A run that is half way, and what brings it to its end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from goodfit.search.story import JOURNAL

ENDS = ("DONE", "result.json", "insights.json", "model.safetensors")


@pytest.fixture
def half(hostile_run: Path, tmp_path: Path) -> Path:
    """A run whose journal ends before its search does."""
    folder = tmp_path / "half"
    shutil.copytree(hostile_run, folder)
    for name in ENDS:
        (folder / name).unlink()
    journal = folder / JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    return folder


@pytest.fixture
def bring_to_its_end(half: Path, hostile_run: Path) -> Callable[[], None]:
    """What gives the half run the rest of its journal, its result and its model."""

    def bring() -> None:
        for name in (*ENDS, JOURNAL):
            shutil.copy(hostile_run / name, half / name)

    return bring
