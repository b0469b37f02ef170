"""What is computed of a row's runs: seconds scaled up, ratios by round, medians, whether scores agree.

A *run* is what a contestant answered in one round: ``seconds`` that it was on the clock, the ``fraction`` of
the work that it did in them, and ``scores``, one number for each network or candidate, the first ones first.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

Run = dict[str, Any]


class Spread(NamedTuple):
    """The median and both ends."""

    median: float
    lowest: float
    highest: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def full_seconds(run: Run) -> float:
    """Return the seconds of all the work: those measured, scaled up where it was a fraction."""
    return run["seconds"] / run["fraction"]


def affordable(count: int, seconds_each: float, longest: float) -> int:
    """Return how many of ``count`` equal parts of the work fit into ``longest`` seconds, one at least."""
    return max(1, min(count, int(longest / max(seconds_each, 1e-9))))


def ratios(theirs: dict[int, Run], ours: dict[int, Run]) -> list[float]:
    """Return their seconds by ours, for each round (a key) that both ran in."""
    both = sorted(theirs.keys() & ours.keys())
    return [full_seconds(theirs[i]) / full_seconds(ours[i]) for i in both]


def mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


SUMMARIES = {"mean": mean, "best": max}


def difference(theirs: dict[int, Run], ours: dict[int, Run], by: str) -> float:
    """Return by how much the scores differ at most, over the rounds that both ran in; NaN is infinite.

    By "mean": of as many of our first scores as they have, since a fraction of the work is its first part.
    By "best": of all, each side its highest.
    """
    most = 0.0
    for i in theirs.keys() & ours.keys():
        t, o = theirs[i]["scores"], ours[i]["scores"]
        if by == "mean":
            o = o[: len(t)]
        apart = abs(SUMMARIES[by](t) - SUMMARIES[by](o)) if t and o else 0.0
        most = max(most, apart if math.isfinite(apart) else math.inf)
    return most


def rate_share(work: float, run: Run) -> float:
    """Return the share of the matrix product's peak at which ``work`` (GFLOP) was done."""
    return work / full_seconds(run) / run["peak"]
