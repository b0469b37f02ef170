"""Move the boxes to where results are good: narrow them, and widen any side at which the winner stands.

Reading a range only inwards fails where the first range misses the best values: started on the book's own
box for comparison 5a, a search that only narrows ends pinned at its upper edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goodfit.search.space import Range

EDGE = 0.1  # a winner within this share of an edge asks for more room there
ROOM = 0.5  # how much room, as a share of the box
NARROWEST = 0.2  # a box is never cut below this share of its width in one round
ENOUGH = 6  # results with a value before its box moves


@dataclass(frozen=True)
class Outcome:
    """What one member's values led to: a rank from 0 (best) up among those compared."""

    values: Mapping[str, float]
    rank: float


@dataclass(frozen=True)
class Move:
    """How a box moved, for the record and the user."""

    name: str
    before: Range
    after: Range
    narrowed: bool
    widened: str  # "", "low", "high" or "low and high"


def zoom(boxes: Mapping[str, Range], outcomes: Sequence[Outcome]) -> tuple[dict[str, Range], list[Move]]:
    """Return the next boxes and what moved.

    The next box holds the best third of the outcomes with a margin of a tenth of the old box; a side where
    the single best value lies within `EDGE` moves outwards by `ROOM`, up to the hard limit.
    """
    after, moves = dict(boxes), []
    for name, box in boxes.items():
        found = sorted((o for o in outcomes if name in o.values), key=lambda o: o.rank)
        if len(found) < ENOUGH or box.low == box.high:
            continue
        good = [box.share(o.values[name]) for o in found[: max(3, len(found) // 3)]]
        low, high = max(0.0, min(good) - 0.1), min(1.0, max(good) + 0.1)
        if high - low < NARROWEST:
            middle = float(np.clip((low + high) / 2, NARROWEST / 2, 1 - NARROWEST / 2))
            low, high = middle - NARROWEST / 2, middle + NARROWEST / 2
        sides = []
        if good[0] < EDGE and box.low > box.floor:
            low = min(low, 0.0) - ROOM
            sides.append("low")
        if good[0] > 1 - EDGE and box.high < box.ceiling:
            high = max(high, 1.0) + ROOM
            sides.append("high")
        after[name] = box.between(low, high)
        narrowed = low > 1e-9 or high < 1 - 1e-9
        if narrowed or sides:
            moves.append(Move(name, box, after[name], narrowed, " and ".join(sides)))
    return after, moves
