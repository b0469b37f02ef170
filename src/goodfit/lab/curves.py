"""What several comparisons take from their records: curves as panels, and measures at a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from goodfit.lab.comparison import Record, mean_of_seeds
from goodfit.report.figures import Curve
from goodfit.report.page import Table


def smoothed(losses: np.ndarray, window: int = 25) -> np.ndarray:
    """Return running means over ``window`` steps up to each step, along the last axis; NaN stays NaN."""
    sums = np.cumsum(losses.astype(np.float64), axis=-1)
    out = sums.copy()
    out[..., window:] = sums[..., window:] - sums[..., :-window]
    return out / np.minimum(np.arange(1, losses.shape[-1] + 1), window)


def loss_curves(record: Record, points: int = 200) -> dict[str, Curve]:
    """Return each arm's smoothed training loss by update, thinned to about ``points``."""
    losses = smoothed(record["losses"])
    n = losses.shape[-1]
    picked = np.unique(np.linspace(0, n - 1, min(points, n)).astype(int))
    return {arm: Curve(picked + 1, losses[i][:, picked]) for i, arm in enumerate(record.arms)}


def loss_near(record: Record, arm: str, share: float, width: int = 100) -> np.ndarray:
    """Return the mean training loss over ``width`` updates around ``share`` of the way, (seeds,)."""
    losses = record.of("losses", arm)
    n = losses.shape[-1]
    width = min(width, max(1, n // 4))
    middle = round(share * n)
    start = int(np.clip(middle - width // 2, 0, n - width))
    return losses[:, start : start + width].astype(np.float64).mean(axis=1)


def accuracy(record: Record, arm: str, place: int, look: int = -1) -> np.ndarray:
    """Return 1 − error of set ``place`` at a look, (seeds,) float64, NaN where diverged."""
    return 1.0 - record.of("error", arm)[:, look, place].astype(np.float64)


def accuracy_curves(record: Record, arms: Sequence[str], place: int, per: float = 1.0) -> dict[str, Curve]:
    """Return accuracy by look of set ``place``; ``per`` steps are one unit of x (an epoch)."""
    x = record["steps"] / per
    return {arm: Curve(x, 1.0 - record.of("error", arm)[:, :, place].astype(np.float64)) for arm in arms}


def table_of(
    columns: Mapping[str, Mapping[str, np.ndarray]], *, first: str = "arm", caption: str = ""
) -> Table:
    """Return a table: a row an arm, a column a measure given as {measure: {arm: (seeds,)}}."""
    arms = list(next(iter(columns.values())))
    rows = tuple(
        (arm, *(mean_of_seeds(values[arm]) if arm in values else "" for values in columns.values()))
        for arm in arms
    )
    return Table((first, *columns), rows, caption or "Means over seeds with 95 % intervals.")
