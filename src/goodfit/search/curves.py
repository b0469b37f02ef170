"""The learning curves of a study, read from the states that were kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.errors import RunFolderError
from goodfit.search.story import Story
from goodfit.store.arrays import glance

_WANTED = ("evaluation steps", "evaluation losses", "evaluation errors")


@dataclass(frozen=True, eq=False)
class Curve:
    """What a trial's evaluations on validation rows found, the mean over its folds, (evaluations,) each."""

    number: int
    seed: int
    horizon: int
    recipe: dict[str, Any]
    steps: np.ndarray
    losses: np.ndarray
    errors: np.ndarray


def read_curves(folder: str | Path, story: Story) -> dict[int, Curve]:
    """Return the curves of the trials whose state was kept, by number: those that went on from a stop.

    Files that are gone or damaged are passed over.
    """
    found = {}
    for trial in story.trials:
        if trial.get("kept"):
            try:
                found[trial["number"]] = _read(Path(folder) / "members", trial["number"], trial["kept"])
            except RunFolderError:
                continue
    return {number: curve for number, curve in found.items() if len(curve.steps)}


def _read(folder: Path, number: int, names: Sequence[str]) -> Curve:
    parts = [glance(folder, name, _WANTED) for name in names]
    steps = parts[0][0]["evaluation steps"]
    for arrays, _ in parts[1:]:
        steps = np.intersect1d(steps, arrays["evaluation steps"])
    means = [
        np.mean([_first_set(a[name])[np.isin(a["evaluation steps"], steps)] for a, _ in parts], axis=0)
        for name in _WANTED[1:]
    ]
    record = parts[0][1]
    return Curve(number, record["seed"], record["horizon"], record["recipe"], steps, *means)


def _first_set(values: np.ndarray) -> np.ndarray:
    """Return the numbers of the set that ranks the trials, (evaluations,)."""
    return values.reshape(len(values), -1)[:, 0] if len(values) else np.empty(0)
