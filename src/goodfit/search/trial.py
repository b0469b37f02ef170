"""A trial: one point of the space, trained once on each fold, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from goodfit.engine.legs import Evaluation, Member
from goodfit.recipe import Recipe
from goodfit.search.recipes import recipe_of
from goodfit.search.space import Point, Space, Structure
from goodfit.search.story import OUT

Key = tuple[float, float]  # what trials are ranked by, lowest best
WORST: Key = (math.inf, math.inf)


@dataclass(eq=False)
class Trial:
    """One point of a search: how it was drawn, how far it came, how good it was.

    A trial of several folds is complete, diverged, … if each, any, … of its members is.
    """

    number: int
    round: int
    space: Space
    point: Point
    seed: int
    stops: tuple[int, ...]  # steps at which its round compares; the last one ends the full run
    harvest: bool = False  # drawn close to the best, not to explore
    error: float = math.nan  # of the best states so far, over all validation rows
    loss: float = math.nan
    step: int = 0
    result: str = "waiting"
    keys: dict[int, Key] = field(default_factory=dict)  # by stop's number, where it was reached
    rests: list[int] = field(default_factory=list)  # steps at which each wave left it
    kept: Sequence[str] | None = None  # names of the members' states in the run folder
    members: list[Member] = field(default_factory=list, repr=False)
    costs: np.ndarray | None = field(default=None, repr=False)  # (N,) by validation row; NaN: no fold has it
    costs_in: str | None = None  # name of the file in the run folder that holds them

    @property
    def structure(self) -> Structure:
        """The choices that were made."""
        return self.space.structure_of(self.point)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that was drawn."""
        return recipe_of(self.space, self.point)

    @property
    def text(self) -> str:
        """The choices in a few words."""
        return self.space.text(self.structure)

    @property
    def horizon(self) -> int:
        """Steps of a full run."""
        return self.stops[-1]

    @property
    def begun(self) -> bool:
        """Whether every one of its networks has a state."""
        return bool(self.members) and all(m.state is not None for m in self.members)

    @property
    def complete(self) -> bool:
        """Whether the full run was made."""
        return self.step >= self.horizon and not self.out

    @property
    def diverged(self) -> bool:
        """Whether a network left the finite numbers."""
        return self.result.startswith("diverged")

    @property
    def out(self) -> bool:
        """Whether it goes no further: it diverged, or was set aside because its workers do not survive it."""
        return self.result.startswith(OUT)

    def key(self, by_error: bool) -> Key:
        """Return what trials are ranked by, lowest best: error then loss, or loss then error; NaN last."""
        pair = (self.error, self.loss) if by_error else (self.loss, self.error)
        return WORST if self.out or math.isnan(sum(pair)) else pair

    def at_first_stop(self, by_error: bool) -> Key:
        """Return error and loss at the first stop, where all of a round are compared; NaN if not reached."""
        key = self.keys.get(0, WORST)
        error, loss = key if by_error else key[::-1]
        return (error, loss) if math.isfinite(error) else (math.nan, math.nan)

    def take(self, found: Mapping[str, Any]) -> None:
        """Take over what a record says."""
        self.error, self.loss = float(found["error"]), float(found["loss"])
        self.step, self.result = int(found["step"]), found["result"]
        self.keys = {number: tuple(key) for number, key in enumerate(found["keys"])}
        self.kept = found.get("kept") or self.kept

    def observe(self, shares: Sequence[float], by_error: bool) -> dict[str, Any]:
        """Return the record of where the networks stand, NaN where nothing finite was ever evaluated.

        ``shares`` say how much each fold's network counts.
        """
        step = min(m.step for m in self.members)
        wrecks = [m.result for m in self.members if m.diverged or m.failed]
        reached = [stop for stop in self.stops if stop <= step]
        error, loss = self._mean(shares, by_error, step)
        keys = []
        for stop in reached if not wrecks else self.stops:
            pair = self._mean(shares, by_error, stop)
            pair = pair if by_error else pair[::-1]
            keys.append(WORST if wrecks or math.isnan(sum(pair)) else pair)
        return {
            "number": self.number,
            "error": error,
            "loss": loss,
            "step": step,
            "result": wrecks[0] if wrecks else self.members[0].result,
            "keys": keys,
        }

    def _mean(self, shares: Sequence[float], by_error: bool, until: int) -> Key:
        """Return error and loss of the best states up to step ``until``, the mean over the folds."""
        best = [_best(m, by_error, until) for m in self.members]
        if None in best:
            return math.nan, math.nan
        error, loss = np.average(
            [(float(b.error[0]), float(b.loss[0])) for b in best if b], axis=0, weights=shares
        )
        return float(error), float(loss)


def _best(member: Member, by_error: bool, until: int) -> Evaluation | None:
    """Return the evaluation of the best state up to a step, of equals the last, or None before the first."""
    seen = [e for e in member.evaluations if e.step <= until]
    finite = [e for e in seen if math.isfinite((e.error if by_error else e.loss)[0])]
    return min(reversed(finite), key=lambda e: float((e.error if by_error else e.loss)[0]), default=None)


def best_first(trials: Iterable[Trial], by_error: bool) -> list[Trial]:
    """Return the trials by what they are ranked by, the best first, whatever step they stand at."""
    return sorted(trials, key=lambda t: (t.key(by_error), t.number))


def merged_order(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials, the best first, comparing each two at the furthest stop that both have reached.

    All are ordered by their first stop; then those that reached the second share out the places they hold
    among themselves by how they stand there, and so on. So a weak survivor of a weak round does not pass a
    better trial that a strong round dropped.
    """
    order = sorted(trials, key=lambda t: (t.keys.get(0, WORST), t.number))
    stops = {stop for t in trials for stop in t.keys}
    for stop in sorted(stops - {0}):
        places = [i for i, t in enumerate(order) if stop in t.keys]
        there = sorted((order[i] for i in places), key=lambda t: (t.keys[stop], t.number))
        for place, trial in zip(places, there, strict=True):
            order[place] = trial
    return order
