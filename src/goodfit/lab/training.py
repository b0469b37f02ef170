"""All arms × seeds of a comparison as one population, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from goodfit.engine.plan import flops_per_step
from goodfit.engine.population import Legs, Member, Population
from goodfit.lab.data import LabData
from goodfit.recipe import Recipe

WAVE = 256  # members whose states are held at once


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: a recipe, and which of the training rows its members see (None: all)."""

    recipe: Recipe
    rows: np.ndarray | None = None
    sets: np.ndarray | None = None  # (S, E) weights of the evaluation rows; None: the comparison's own
    shift: int = 0  # added to every seed

    def member(self, seed: int, steps: int, replacement: bool) -> Member:
        """Return a new member of this side."""
        return Member(
            self.recipe,
            seed + self.shift,
            rows=self.rows,
            sets=self.sets,
            horizon=steps,
            replacement=replacement,
        )


@dataclass(frozen=True)
class Watch:
    """What is looked at: every ``every`` steps, the error and loss on sets of rows.

    ``x`` (E, inputs), ``y`` (E,), ``sets`` (S, E) weights. ``norms``: Σ‖W‖² too.
    """

    every: int
    x: np.ndarray
    y: np.ndarray
    sets: np.ndarray
    norms: bool = False
    losses: bool = False  # keep the training loss of every step


@dataclass(frozen=True)
class Curves:
    """What became of arms × seeds.

    ``steps`` (looks,); ``loss`` and ``error`` (arms, seeds, looks, sets), NaN from the step at which a member
    diverged; ``norm`` (arms, seeds, looks) or empty; ``losses`` (arms, seeds, steps) or empty; ``diverged``
    (arms, seeds), the step or −1.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: np.ndarray
    loss: np.ndarray
    error: np.ndarray
    norm: np.ndarray
    losses: np.ndarray
    diverged: np.ndarray

    def arrays(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Return the arrays by name, for a record; empty ones are left out."""
        names = ("steps", "loss", "error", "norm", "losses", "diverged")
        return {prefix + name: array for name in names if (array := getattr(self, name)).size}


@dataclass
class Bench:
    """Where comparisons train: counts what was done, tells how far it is, and stops when asked."""

    tell: Callable[[float], None] = lambda share: None
    should_stop: Callable[[], bool] = lambda: False
    chunk: int | None = None
    lanes: int | None = None
    members: int = field(default=0, init=False)
    diverged: int = field(default=0, init=False)
    steps: int = field(default=0, init=False)
    work: list[dict[str, Any]] = field(default_factory=list, init=False)  # what was trained, by structure

    def train(
        self,
        data: LabData,
        arms: Mapping[str, Arm | Callable[[int], Arm]],
        seeds: Sequence[int],
        *,
        steps: int,
        watch: Watch | None = None,
        rows: int | None = None,
        replacement: bool = True,
        after: Callable[[str, int, Member], None] | None = None,
        share: tuple[float, float] = (0.0, 1.0),
    ) -> Curves:
        """Train every arm with every seed for ``steps`` updates; the arms of one seed share their batches.

        Args:
            arms: an arm by name, or a function from the seed to it where the seeds differ in more.
            data: the rows; the first ``rows`` of them are trained on (None: all).
            replacement: draw batches with replacement, as the book's code does.
            after: called with arm, seed and trained member before its state is let go.
            share: where this training lies within the comparison, for the progress told.

        Raises:
            KeyboardInterrupt: ``should_stop()`` turned true; what was trained is lost.
        """
        assert data.y is not None
        n = len(data.x) if rows is None else rows
        holdout = None if watch is None else (watch.x, watch.y, watch.sets)
        population = Population(
            data.network, data.x[:n], data.y[:n], holdout=holdout, chunk=self.chunk, lanes=self.lanes
        )

        def arm_of(name: str, seed: int) -> Arm:
            arm = arms[name]
            return arm if isinstance(arm, Arm) else arm(seed)

        kept = _Kept(arms, seeds, steps, watch)
        jobs = [(name, seed) for name in arms for seed in seeds]
        cost = {name: flops_per_step(data.network, arm_of(name, seeds[0]).recipe) for name in arms}
        progress = _Progress(self.tell, share, steps * sum(cost[name] for name, _ in jobs))
        for first in range(0, len(jobs), WAVE):
            some = jobs[first : first + WAVE]
            wave = {(name, seed): arm_of(name, seed).member(seed, steps, replacement) for name, seed in some}
            self._run(population, wave, kept, lambda name, n: progress.add(cost[name] * n))
            for (name, seed), member in wave.items():
                kept.finish(name, seed, member)
                if after is not None:
                    after(name, seed, member)
        self.members += len(jobs)
        self.steps += len(jobs) * steps
        looked = 0 if watch is None else len(watch.x) * len(kept.look)
        self._note_work([arm_of(name, seeds[0]).recipe for name in arms], len(seeds), steps, looked)
        curves = kept.curves()
        self.diverged += int((curves.diverged >= 0).sum())
        return curves

    def _note_work(self, recipes: Sequence[Recipe], seeds: int, steps: int, rows: int) -> None:
        """Note how many members of each structure were trained how long, each evaluated on how many rows."""
        groups: dict[Any, dict[str, Any]] = {}
        for recipe in recipes:
            key = jax.tree.structure(recipe.for_program())
            blank = {"recipe": recipe.to_json(), "members": 0, "steps": steps, "rows": rows}
            groups.setdefault(key, blank)["members"] += seeds
        self.work.extend(groups.values())

    def _run(
        self,
        population: Population,
        wave: Mapping[tuple[str, int], Member],
        kept: _Kept,
        moved: Callable[[str, int], None],
    ) -> None:
        """Train one wave to its end; ``moved(name, steps)`` is told of every stretch."""
        of = {id(member): job for job, member in wave.items()}
        steps = dict.fromkeys(of, 0)

        def told(member: Member) -> None:
            name, seed = of[id(member)]
            kept.note(name, seed, member)
            moved(name, member.step - steps[id(member)])
            steps[id(member)] = member.step

        legs = Legs(kept.total, kept.every, keep_losses=kept.losses.shape[-1] > 0, singly=kept.norm.size > 0)
        population.advance(list(wave.values()), legs, on_leg=told, should_stop=self.should_stop)
        if self.should_stop():
            raise KeyboardInterrupt


class _Progress:
    def __init__(self, tell: Callable[[float], None], share: tuple[float, float], total: float) -> None:
        self._tell, self._share, self._total, self._done = tell, share, total, 0.0

    def add(self, work: float) -> None:
        self._done += work
        low, high = self._share
        self._tell(low + (high - low) * min(1.0, self._done / self._total))


class _Kept:
    """The arrays of `Curves` while they fill."""

    def __init__(self, arms: Iterable[str], seeds: Sequence[int], steps: int, watch: Watch | None) -> None:
        self.arms = {name: i for i, name in enumerate(arms)}
        self.seeds = {seed: i for i, seed in enumerate(seeds)}
        self.total, self.every = steps, steps if watch is None else watch.every
        looks = [*range(self.every, steps, self.every), steps]
        self.look = {step: i for i, step in enumerate(looks)}
        shape = (len(self.arms), len(self.seeds))
        sets = 0 if watch is None else len(watch.sets)
        self.loss = np.full((*shape, len(looks), sets), np.nan, np.float32)
        self.error = self.loss.copy()
        norms = len(looks) if watch is not None and watch.norms else 0
        self.norm = np.full((*shape, norms), np.nan, np.float32)
        self.losses = np.full(
            (*shape, steps if watch is not None and watch.losses else 0), np.nan, np.float32
        )
        self.diverged = np.full(shape, -1, np.int32)

    def note(self, name: str, seed: int, member: Member) -> None:
        if self.norm.size and not member.diverged and member.step in self.look:
            assert member.state is not None
            place = (self.arms[name], self.seeds[seed], self.look[member.step])
            self.norm[place] = squared_weights(member.state.params)

    def finish(self, name: str, seed: int, member: Member) -> None:
        place = (self.arms[name], self.seeds[seed])
        for step, loss, error in member.evaluations:
            at = (*place, self.look[step])
            self.loss[at] = loss
            self.error[at] = np.where(np.isfinite(loss), error, np.nan)
        if self.losses.shape[-1]:
            curve = member.loss_curve
            self.losses[place][: len(curve)] = curve
        if member.diverged:
            self.diverged[place] = member.step
            self.losses[place][member.step :] = np.nan

    def curves(self) -> Curves:
        steps = np.array(list(self.look), np.int32)
        names, seeds = tuple(self.arms), tuple(self.seeds)
        return Curves(names, seeds, steps, self.loss, self.error, self.norm, self.losses, self.diverged)


def squared_weights(params: Mapping[str, Any]) -> float:
    """Return Σ‖W‖² over the weight matrices."""
    return float(sum(np.square(np.asarray(w)).sum() for key, w in params.items() if key.endswith(".weight")))


def watch(
    data: LabData,
    every: int,
    *,
    rows: int | None = None,
    train: bool = True,
    test: bool = True,
    most: int = 10_000,
    norms: bool = False,
    losses: bool = False,
) -> Watch:
    """Return what a comparison looks at: set "training" of the first ``rows`` and set "test", in this order.

    ``most`` bounds the rows of each set.
    """
    assert data.y is not None
    assert data.y_test is not None
    n = min(len(data.x) if rows is None else rows, most) if train else 0
    m = min(len(data.x_test), most) if test else 0
    x = np.concatenate([data.x[:n], data.x_test[:m]])
    y = np.concatenate([data.y[:n], data.y_test[:m]])
    sets = np.zeros((2, n + m), np.float32)
    sets[0, :n], sets[1, n:] = 1, 1
    chosen = [i for i, wanted in enumerate((train, test)) if wanted]
    return Watch(every, x, y, sets[chosen], norms, losses)
