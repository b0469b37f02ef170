"""What a population is handed and hands back: members, and how far to take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import numpy as np

from goodfit.engine.member import DIVERGED, State
from goodfit.engine.order import Batches
from goodfit.recipe import Recipe


class Evaluation(NamedTuple):
    """What one evaluation found; arrays have one number a set."""

    step: int
    loss: np.ndarray
    error: np.ndarray


@dataclass(eq=False)
class Member:
    """One network in training: recipe, seed, rows, and what has become of it so far."""

    recipe: Recipe
    seed: int
    order_seed: int | None = None  # None: the member's seed
    rows: np.ndarray | None = None  # training rows; None: all
    judged: np.ndarray | None = None  # rows of the holdout that it is judged by; None: all
    sets: np.ndarray | None = None  # (S, rows judged by) evaluation weights; None: the population's
    horizon: int = 0  # steps it is meant to run in all
    by_error: bool = True
    first_of_ties: bool = False  # of equal errors; else the last state is the best
    replacement: bool = False  # batches drawn with replacement, as the book's code does
    batches: Batches | None = None  # drawn elsewhere, instead of by order seed and replacement
    state: State | None = None
    evaluations: list[Evaluation] = field(default_factory=list)
    losses: list[np.ndarray] = field(default_factory=list)
    stopped: bool = False  # patience ran out
    failed: str = ""  # why it was set aside: whoever trained it did not survive, again and again
    costs: np.ndarray | None = None  # of the best state: error or loss by row that it is judged by

    @property
    def step(self) -> int:
        """Updates made."""
        return 0 if self.state is None else int(self.state.step)

    @property
    def diverged(self) -> bool:
        """Whether a loss or gradient was not finite; the member then rests at its last finite state."""
        return self.state is not None and int(self.state.code) == DIVERGED

    @property
    def result(self) -> str:
        """What became of it: "diverged at step 12", "set aside: …", "stopped", "trained" or "not begun"."""
        if self.failed:
            return f"set aside: {self.failed}"
        if self.state is None:
            return "not begun"
        if self.diverged:
            return f"diverged at step {self.step}"
        return "stopped" if self.stopped else "trained"

    @property
    def loss_curve(self) -> np.ndarray:
        """Training loss by step (penalty left out), (steps,)."""
        return np.concatenate(self.losses) if self.losses else np.empty(0, np.float32)

    @property
    def best(self) -> Evaluation | None:
        """The evaluation of the best state, or None before the first."""
        step = 0 if self.state is None else int(self.state.best_step)
        return next((e for e in reversed(self.evaluations) if e.step == step), None)

    def weights(self, *, best: bool = True) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], int]:
        """Return parameters, running statistics (as carried) and step of the best or the last state."""
        assert self.state is not None, "the member has not been trained"
        best = best and bool(np.isfinite(self.state.best_key))
        chosen = (
            (self.state.best_params, self.state.best_running, self.state.best_step)
            if best
            else (self.state.params, self.state.running, self.state.step)
        )
        params, running, step = jax.tree.map(np.array, chosen)
        return params, running, int(step)


@dataclass(frozen=True)
class Legs:
    """How far to go: to step ``until``, evaluating every ``every`` steps, with early stopping.

    Without ``until`` a member goes to its ``horizon``, wherever that stands then: what is told of a leg may
    move it, for the members of a chunk alike.
    """

    until: int | None
    every: int
    patience: int | None = None  # steps without a better state; None never stops early
    keep_losses: bool = False
    singly: bool = False  # one evaluation a call, so that ``on_leg`` sees the state of each

    def end(self, member: Member) -> int:
        """Return the step that the member is to reach."""
        return member.horizon if self.until is None else self.until

    def looks(self, step: int, end: int) -> Iterator[int]:
        """Return the steps after ``step`` at which to evaluate, up to the last one."""
        yield from range(step + self.every - step % self.every, end, self.every)
        yield end
