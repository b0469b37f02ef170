"""A trial: one recipe drawn by the search, and what became of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from goodfit.engine.population import Member
from goodfit.recipe import Recipe
from goodfit.search.space import Structure


@dataclass(eq=False)
class Trial:
    """One network of a search: how it was drawn, how far it came, how good it was."""

    number: int
    round: int
    structure: Structure
    values: dict[str, float]
    seed: int
    horizon: int  # steps of a full run
    error: float = math.nan  # of the best state so far, on validation rows
    loss: float = math.nan
    step: int = 0
    result: str = "waiting"
    first_error: float = math.nan  # at the first rung, where all of a round are compared
    first_loss: float = math.nan
    first_step: int = 0  # where that rung stood; 0 if it was not reached
    kept: str | None = None  # name of the member's state in the run folder
    member: Member | None = field(default=None, repr=False)

    @property
    def recipe(self) -> Recipe:
        """The recipe that was drawn."""
        return self.structure.recipe(self.values)

    @property
    def complete(self) -> bool:
        """Whether the full run was made."""
        return self.step >= self.horizon and not self.diverged

    @property
    def diverged(self) -> bool:
        """Whether the network left the finite numbers."""
        return self.result.startswith("diverged")

    def key(self, by_error: bool) -> tuple[float, float]:
        """Return what trials are ranked by, lowest best: error then loss, or loss then error; NaN last."""
        pair = (self.error, self.loss) if by_error else (self.loss, self.error)
        return (math.inf, math.inf) if self.diverged or math.isnan(sum(pair)) else pair

    def take(self, found: dict[str, Any]) -> None:
        """Take over what a rung's record says."""
        self.error, self.loss = float(found["error"]), float(found["loss"])
        self.step, self.result, self.kept = found["step"], found["result"], found["kept"]

    def observe(self, member: Member) -> dict[str, Any]:
        """Return the record of where the member stands, NaN where nothing finite was ever evaluated."""
        best = member.best
        error, loss = (math.nan, math.nan) if best is None else (float(best.error[0]), float(best.loss[0]))
        return {
            "number": self.number,
            "error": error,
            "loss": loss,
            "step": member.step,
            "result": member.result,
            "kept": None,
        }
