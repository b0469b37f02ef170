"""Row (h): comparisons of the book's chapter, as `goodfit lab run --quick` runs them and in the book's way.

The book's seconds are an estimate, made as `benchmarks/lab.py` makes it: of each structure an update and an
evaluated row are timed in the book's way, and multiplied by how many the lab's records tell of.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from race.first_score import command
from race.worker import Answer, on_clock

NAMES = ("1b", "2d", "3b", "4a", "5a")
TIMING = 0.3  # seconds for each structure


def _folder() -> Path:
    """Return where the lab's records lie: both contestants of the row know it."""
    return Path(os.environ["RACE_FOLDER"]) / "lab"


def goodfit(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of the whole command: start, compiling, training, figures."""
    words = command("lab", "run", *(("2d", "--seeds", "1") if quick else NAMES), "--quick")

    def race() -> Answer:
        from goodfit.lab.records import records_of

        out = ["--out", str(_folder())]
        answer = on_clock(
            lambda: subprocess.run([*words, *out], check=True, capture_output=True), judge=lambda _: []
        )
        parts = {one.id: record.info["seconds"] for one, record in records_of(_folder())}
        return answer | {"parts": parts}

    return race


def book(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of the book's way, estimated from the lab's records."""

    def race() -> Answer:
        from goodfit.lab.data import default_data
        from goodfit.lab.records import records_of
        from lab import book_seconds

        data, parts = default_data(), {}
        for one, record in records_of(_folder()):
            parts[one.id] = book_seconds(one.id, record.info["work"], data, TIMING)[0]
        return {"seconds": sum(parts.values()), "fraction": 1.0, "scores": [], "parts": parts}

    return race
