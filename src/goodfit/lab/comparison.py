"""What a comparison is: a question, arms that are run and recorded, claims that the record is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.lab.data import LabData
from goodfit.lab.training import Bench
from goodfit.stats.intervals import mean_interval
from goodfit.stats.verdict import Verdict, exact, judge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from goodfit.report.page import Table

Numbers = np.ndarray | float


@dataclass(frozen=True)
class Plan:
    """How a comparison is run: on which data, with how many seeds, quickly or at the book's settings."""

    data: LabData
    seeds: tuple[int, ...]
    quick: bool = False

    def length(self, full: int) -> int:
        """Return a number of steps or epochs, a quarter of it for a first look."""
        return max(1, full // 4) if self.quick else full


@dataclass(frozen=True)
class Record:
    """What a run left: settings and facts (JSON types), and named arrays. Figures need nothing else."""

    info: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the order of the arrays' first axis."""
        return list(self.info["arms"])

    def of(self, name: str, arm: str) -> np.ndarray:
        """Return an arm's part of an array whose first axis is arms."""
        return self.arrays[name][self.arms.index(arm)]


@dataclass(frozen=True)
class Claim:
    """One sentence that can be right or wrong, as numbers a − b, seed by seed.

    Args:
        says: the sentence, as the book or the chapter has it.
        measure: what a and b are, in a few words with the unit.
        a, b: from a record to (seeds,) numbers, NaN for a diverged network; b may be one number.
        inside: the range in which a − b lies if the claim holds.
        more_is_better: whether larger numbers are better; matters where networks diverged.
        drawn: False if nothing is drawn at random: then there are no seeds and no interval.
    """

    says: str
    measure: str
    a: Callable[[Record], Numbers]
    b: Callable[[Record], Numbers] = lambda record: 0.0
    inside: tuple[float, float] = (0.0, math.inf)
    more_is_better: bool = True
    drawn: bool = True

    def judged(self, record: Record, claims: int) -> Verdict:
        """Return the verdict of a record, corrected for how many claims are looked at together."""
        a, b = self.a(record), self.b(record)
        if not self.drawn:
            return exact(float(np.asarray(a)), float(np.asarray(b)), inside=self.inside)
        return judge(np.asarray(a), b, inside=self.inside, claims=claims, more_is_better=self.more_is_better)

    def found(self, verdict: Verdict) -> str:
        """Return what the data say, in words and numbers."""
        sides = zip(verdict.diverged, ("the first", "the second"), strict=True)
        gone = " and ".join(f"{count} of {side}" for count, side in sides if count)
        diverged = f"; diverged: {gone}" if gone else ""
        if math.isnan(verdict.difference):
            return f"{self.measure}: not comparable{diverged}"
        if verdict.claims == 0:
            return f"{self.measure}: {number(verdict.difference)} (exact: nothing is drawn)"
        pairs = f"{verdict.n} seeds"
        ends = f" [{number(verdict.low)}, {number(verdict.high)}]" if math.isfinite(verdict.low) else ""
        return f"{self.measure}: {number(verdict.difference)}{ends}, {pairs}{diverged}"


@dataclass(frozen=True)
class Comparison:
    """One comparison of the chapter.

    Args:
        id: ``1a`` … ``5b``.
        title: a few words.
        question: one sentence.
        reading: how to read the figure and what it means, a few sentences; may differ by data.
        run: trains or computes; returns the record's arrays and facts about them.
        claims: what the record is asked.
        figure, tables: drawn from a record alone; the figures by name, the first one is "figure".
        needs: "nothing" (no data at all), "rows" (no target), "target", or "classes".
        alt: what the figure shows, for those who cannot see it.
    """

    id: str
    title: str
    question: str
    reading: str
    run: Callable[[Plan, Bench], tuple[dict[str, np.ndarray], dict[str, Any]]]
    claims: tuple[Claim, ...]
    figure: Callable[[Record], dict[str, Figure]]
    tables: Callable[[Record], tuple[Table, ...]]
    alt: str
    needs: str = "classes"
    notes: tuple[str, ...] = field(default=())

    def refuses(self, data: LabData) -> str:
        """Return why this comparison makes no sense on the data, or an empty text."""
        if self.needs in ("target", "classes") and data.y is None:
            return "it needs a target, and none is named (--target COL)"
        if self.needs == "classes" and not data.is_classes:
            return "it counts right and wrong classes, and the target holds numbers"
        return ""


def number(value: float) -> str:
    """Return a number with three or four telling digits."""
    if not math.isfinite(value):
        return "n/a" if math.isnan(value) else "∞" if value > 0 else "−∞"
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e5):
        text = f"{value:.2e}"
    else:
        text = f"{value:.3f}" if size < 10 else f"{value:.4g}"
    return text.replace("-", "−")


def mean_of_seeds(values: np.ndarray) -> str:
    """Return ``mean [low, high]`` of (seeds,) numbers, with the diverged ones counted, not averaged."""
    values = np.asarray(values, np.float64)
    alive = values[~np.isnan(values)]
    gone = f"{len(values) - len(alive)} of {len(values)} diverged"
    if not len(alive):
        return gone
    mean, low, high = mean_interval(alive)
    ends = f" [{number(low)}, {number(high)}]" if len(alive) > 1 else " (one seed: no interval)"
    return f"{number(mean)}{ends}" + (f"; {gone}" if len(alive) < len(values) else "")
