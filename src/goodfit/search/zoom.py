"""Move the region to where results are good: narrow it where evidence allows, widen it at the best's edge.

A range that only narrows fails where the first range misses the best values: started on the book's own
range for comparison 5a, such a search ends pinned at its upper edge. A range that narrows round the few best
results whatever they owe it throws away good values of what does not matter. So a side moves inwards only if
the results beyond it are worse than those inside by a rank test, and outwards if the best stands at the edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.search.region import Region
from goodfit.search.space import Point, Range

EDGE = 0.1  # a winner within this share of an edge asks for more room there, if another good one is near
ROOM = 0.5  # how much room, as a share of the range
MARGIN = 0.1  # kept beyond the outermost good result, as a share of the range
NARROWEST = 0.2  # a range is never cut below this share of its width in one round
BEYOND = 3  # results beyond a side, at least, before it may move inwards
WORSE = 0.05  # one-sided level at which those results count as worse
DROPPED = 0.01  # the same for an option against all others, shared among the options
WIDE = 0.2  # share of a round's draws that keep looking at the full space
TRIED = 6  # results with an option, at least, before it may be dropped


@dataclass(frozen=True)
class Outcome:
    """What one point led to: a rank from 0 (best) up among those compared."""

    point: Point
    rank: float
    drawn: bool = True  # to explore; else close to the best, which says nothing of the options there


@dataclass(frozen=True)
class Move:
    """How a range moved or which options were dropped, for the record and the user."""

    path: str
    before: Any
    after: Any
    narrowed: bool
    widened: str = ""  # "", "low", "high" or "low and high"

    def __str__(self) -> str:
        how = [
            word
            for word, on in (("narrowed", self.narrowed), (f"widened {self.widened}", self.widened))
            if on
        ]
        return f"{self.path}: {self.before} → {self.after}, {' and '.join(how)}"


def zoom(region: Region, outcomes: Sequence[Outcome]) -> tuple[Region, list[Move]]:
    """Return the next region and what moved; depends on the outcomes alone, not on their order."""
    ordered = sorted(outcomes, key=lambda o: (o.rank, sorted(o.point.items())))
    ranges, options, moves = dict(region.ranges), dict(region.options), []
    for path, box in region.ranges.items():
        found = [(box.share(o.point[path]), o.rank) for o in ordered if path in o.point]
        # Of whole numbers one may be left; results elsewhere can still widen it again.
        if not region.space.ranges[path].fixed and len(found) >= 2 * BEYOND:
            ranges[path], move = _moved(path, box, np.array(found))
            moves += move
    for path, choice in region.space.choices.items():
        found = [(int(o.point[path]), o.rank) for o in ordered if path in o.point and o.drawn]
        if len(choice.options) > 1 and found:
            options[path] = _remaining(len(choice.options), np.array(found))
            if options[path] != region.options[path]:
                before, after = (
                    [choice.label(i) for i in one] for one in (region.options[path], options[path])
                )
                fewer = not set(options[path]) >= set(region.options[path])
                back = "" if set(options[path]) <= set(region.options[path]) else "again"
                moves.append(Move(path, " | ".join(before), " | ".join(after), fewer, back))
    return Region(region.space, ranges, options), moves


def at_large(count: int) -> int:
    """Return how many of a round's draws, after the first round, keep looking at the full space."""
    return max(1, round(WIDE * count))


def good_ones(count: int) -> int:
    """Return how many of ``count`` outcomes, the best, say where the good region is."""
    return max(3, math.ceil(1.5 * math.sqrt(count)))


def _moved(path: str, box: Range, found: np.ndarray) -> tuple[Range, list[Move]]:
    """Return the next range from (share, rank) rows, the best first."""
    shares, ranks = found.T
    good = shares[: good_ones(len(found))]
    low = _cut(shares, ranks, good.min() - MARGIN)
    high = 1.0 - _cut(1.0 - shares, ranks, 1.0 - good.max() - MARGIN)
    if high - low < NARROWEST:
        middle = float(np.clip((low + high) / 2, NARROWEST / 2, 1 - NARROWEST / 2))
        low, high = middle - NARROWEST / 2, middle + NARROWEST / 2
    narrowed = low > 1e-9 or high < 1 - 1e-9
    sides = []
    floor, ceiling = box.limits
    # Of few whole numbers the last lies further than EDGE from the end: its share is that of its middle.
    edge = max(EDGE, box.share(box.low) + 1e-9) if box.whole and box.low < box.high else EDGE
    if _stand_below(shares, edge) and box.low > floor:
        low = min(low, 0.0, shares[0]) - ROOM
        sides.append("low")
    if _stand_below(1.0 - shares, edge) and box.high < ceiling:
        high = max(high, 1.0, shares[0]) + ROOM
        sides.append("high")
    if not narrowed and not sides:
        return box, []
    after = box.between(low, high)
    if (after.low, after.high) == (box.low, box.high):
        return box, []  # whole numbers do not move by halves
    return after, [Move(path, box, after, narrowed, " and ".join(sides))]


def _stand_below(shares: np.ndarray, edge: float) -> bool:
    """Tell whether the best is outside, or below ``edge`` with one of the next two near it."""
    return bool(shares[0] < 0 or (shares[0] < edge and (shares[1:3] < 3 * edge).any()))


def _cut(shares: np.ndarray, ranks: np.ndarray, furthest: float) -> float:
    """Return how far the low side moves inwards: to ``furthest``, half as far, or not at all (0)."""
    for cut in (furthest, furthest / 2):
        beyond = (shares < cut) & (shares >= 0.0)
        inside = (shares >= cut) & (shares <= 1.0)
        if cut > 0 and beyond.sum() >= BEYOND and _worse(ranks[beyond], ranks[inside]) < WORSE:
            return float(cut)
    return 0.0


def _worse(a: np.ndarray, b: np.ndarray) -> float:
    """Return the one-sided p-value of Mann and Whitney's test that ``a`` ranks behind ``b``."""
    from scipy.stats import mannwhitneyu

    if not len(b):
        return 1.0
    return float(mannwhitneyu(a, b, alternative="greater").pvalue)


def _remaining(count: int, found: np.ndarray) -> tuple[int, ...]:
    """Return the options not shown to be worse than the rest, from (option, rank) rows, the best first.

    An option is dropped only after `TRIED` results, none of them among the good ones, at a level shared
    among the options. It comes back once a later draw from the full space puts it among the good ones.
    """
    options, ranks = found[:, 0].astype(int), found[:, 1]
    good = set(options[: good_ones(len(found))].tolist())
    alive = []
    for option in range(count):
        mask = options == option
        worse = mask.sum() >= TRIED and option not in good
        if not (worse and _worse(ranks[mask], ranks[~mask]) < DROPPED / count):
            alive.append(option)
    return tuple(alive)
