"""A population: many members trained on one data set, in chunks, on lanes.

A chunk is a task: its members' states are stacked once, advance leg by leg without waiting for other chunks,
and are taken apart when they stop. Members of one chunk share the step they stand at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import jax
import numpy as np

from goodfit.engine.member import (
    DIVERGED,
    EVALUATION_ROWS,
    LOOKS,
    Data,
    Holdout,
    Orders,
    Report,
    State,
    first_state,
)
from goodfit.engine.order import STEPS, BatchOrder
from goodfit.engine.plan import Plan, bucket, flops_per_step, plan_for
from goodfit.engine.program import program_for
from goodfit.network import Network
from goodfit.recipe import Recipe

A_CALL = 0.2  # seconds that one call takes, where it can be chosen: longer than its overheads, soon stopped


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
    replacement: bool = False  # batches drawn with replacement, as the book's code does
    state: State | None = None
    evaluations: list[Evaluation] = field(default_factory=list)
    losses: list[np.ndarray] = field(default_factory=list)
    stopped: bool = False  # patience ran out
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
        """What became of it: ``"diverged at step 12"``, ``"stopped"``, ``"trained"`` or ``"not begun"``."""
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
    """How far to go: to step ``until``, evaluating every ``every`` steps, with early stopping."""

    until: int
    every: int
    patience: int | None = None  # steps without a better state; None never stops early
    keep_losses: bool = False
    singly: bool = False  # one evaluation a call, so that ``on_leg`` sees the state of each

    def looks(self, step: int) -> Iterator[int]:
        """Return the steps after ``step`` at which to evaluate."""
        yield from range(step + self.every - step % self.every, self.until, self.every)
        yield self.until


class Population:
    """Members trained on one data set.

    Args:
        network: shape of the problem.
        x, y, weight: training rows (N, inputs), (N,) or (N, outputs), and (N,) or None.
        holdout: rows to evaluate on, ``(x, y, sets)`` with weights ``sets`` (S, E), or None.
        chunk, lanes: override the plan.
    """

    def __init__(
        self,
        network: Network,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None = None,
        *,
        holdout: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
        chunk: int | None = None,
        lanes: int | None = None,
    ) -> None:
        self.network = network
        self.rows = np.arange(len(x), dtype=np.int32)
        self._chunk, self._lanes = chunk, lanes
        self.pace: dict[Any, float] = {}  # seconds a step of a chunk, evaluations included, by structure
        weight = np.ones(len(x), np.float32) if weight is None else np.asarray(weight, np.float32)
        size = bucket(len(x))
        self._data = jax.device_put(Data(*(_padded(np.asarray(a), size) for a in (x, y, weight))))
        self._evaluates = holdout is not None
        hx, hy, sets = holdout or (x[:1], y[:1], np.zeros((1, 1), np.float32))
        self._sets = np.asarray(sets, np.float32)
        self._everyone = np.arange(len(hx), dtype=np.int32)
        if hx is x and hy is y:  # folds: one copy of the rows serves both
            self._holdout = (self._data.x, self._data.y)
        else:
            size = bucket(len(hx), EVALUATION_ROWS)
            self._holdout = jax.device_put((_padded(np.asarray(hx), size), _padded(np.asarray(hy), size)))

    def plan(self, recipe: Recipe) -> Plan:
        """Return how members of this structure run here."""
        return plan_for(recipe, chunk=self._chunk, lanes=self._lanes)

    def advance(
        self,
        members: Sequence[Member],
        legs: Legs | Sequence[Legs],
        *,
        on_leg: Callable[[Member], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train ``members`` on, all as ``legs`` says or each as its own; each is changed in place.

        ``on_leg(member)`` is called after each call of the program, which may hold several evaluations, from
        a lane's thread, never twice at once.
        When ``should_stop()`` turns true, the members under way rest where they stand, evaluated, and no
        other begins.
        """
        each = [legs] * len(members) if isinstance(legs, Legs) else legs
        tasks = self._chunks(
            [(m, one) for m, one in zip(members, each, strict=True) if self._goes_on(m, one)]
        )
        lock = threading.Lock()

        def told(member: Member) -> None:
            if on_leg is not None:
                with lock:
                    on_leg(member)

        if not tasks:
            return
        lanes = max(self.plan(chunk[0].recipe).lanes for chunk, _ in tasks)
        with ThreadPoolExecutor(lanes, thread_name_prefix="lane") as pool:
            futures = [pool.submit(self._run_chunk, chunk, legs, told, should_stop) for chunk, legs in tasks]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                raise

    @staticmethod
    def _goes_on(member: Member, legs: Legs) -> bool:
        return not member.stopped and not member.diverged and member.step < legs.until

    def _chunks(self, tasks: Sequence[tuple[Member, Legs]]) -> list[tuple[list[Member], Legs]]:
        """Group members of equal structure, step and legs into chunks, those with most work to do first.

        One chunk of each structure leads, so that lanes compile different programs at once.
        """

        def work(member: Member, legs: Legs) -> int:
            return flops_per_step(self.network, member.recipe) * (legs.until - member.step)

        groups: dict[Any, list[Member]] = {}
        for member, legs in sorted(tasks, key=lambda task: -work(*task)):
            structure = jax.tree.structure(member.recipe.for_program())
            place = (structure, member.step, legs, self.judged_size(member))
            groups.setdefault(place, []).append(member)
        first, others, met = [], [], set()
        for (structure, _, legs, judged), group in groups.items():
            size = self.plan(group[0].recipe).chunk
            chunks = [(group[i : i + size], legs) for i in range(0, len(group), size)]
            new = (structure, judged) not in met  # a program of its own
            met.add((structure, judged))
            first += chunks[:new]
            others += chunks[new:]
        return first + others

    @property
    def held_out(self) -> int:
        """Rows of the holdout."""
        return len(self._everyone)

    def judges_of(self, member: Member) -> np.ndarray:
        """Return the holdout's rows that the member is judged by."""
        return self._everyone if member.judged is None else member.judged

    def judged_size(self, member: Member) -> int:
        """Return the padded number of rows that the member is judged by."""
        return bucket(len(self.judges_of(member)), EVALUATION_ROWS)

    def judged_by(self, member: Member) -> tuple[np.ndarray, np.ndarray]:
        """Return the holdout's rows that the member is judged by, (V,), and their weights, (S, V), padded."""
        rows = self.judges_of(member).astype(np.int32)
        sets = self._sets[:, rows] if member.sets is None else member.sets.astype(np.float32)
        size = self.judged_size(member)
        return _padded(rows, size), _padded(sets.T, size).T

    def blocks(self, members: Sequence[Member]) -> int:
        """Return how many blocks of rows an evaluation of these members goes through; 0 without a holdout."""
        most = max(len(self.judges_of(member)) for member in members)
        return -(-most // EVALUATION_ROWS) if self._evaluates else 0

    def _run_chunk(
        self,
        chunk: list[Member],
        legs: Legs,
        told: Callable[[Member], None],
        should_stop: Callable[[], bool],
    ) -> None:
        size = self.plan(chunk[0].recipe).chunk
        places = chunk + [chunk[-1]] * (size - len(chunk))  # dummies fill a chunk that is not full
        runner = _Runner(self, places)
        active = {id(m): i for i, m in enumerate(chunk)}
        while active:
            if should_stop():  # all stand evaluated, or have not begun: nothing is compiled for them
                return
            halted = runner.run(legs, should_stop, list(active.values()))
            for member in [m for m in chunk if id(m) in active]:
                place = active[id(member)]
                runner.note(member, place)
                member.stopped = not halted and _out_of_patience(member, legs.patience)
                told(member)
                if halted or not self._goes_on(member, legs):
                    del active[id(member)]


def _out_of_patience(member: Member, patience: int | None) -> bool:
    if patience is None or member.state is None:
        return False
    return member.step - int(member.state.best_step) > patience


class _Runner:
    """The stacked states of one chunk's members and the calls that move them on."""

    def __init__(self, population: Population, places: list[Member]) -> None:
        self.population, self.places, self.chunk = population, places, len(places)
        network = population.network
        self.recipes = self._stack([m.recipe.for_program() for m in places])
        self.state = self._stack([m.state or first_state(network, m.recipe, m.seed) for m in places])
        self.step = places[0].step
        self.orders = [
            BatchOrder(
                population.rows if m.rows is None else m.rows,
                m.recipe.batch_size,
                m.seed if m.order_seed is None else m.order_seed,
                replacement=m.replacement,
            )
            for m in places
        ]
        rows, sets = zip(*map(population.judged_by, places), strict=True)
        shared = population._holdout
        self.holdout = Holdout(*shared, *jax.device_put((self._stack(list(rows)), self._stack(list(sets)))))
        self.blocks = population.blocks(places)
        self.structure = (jax.tree.structure(self.recipes), population.judged_size(places[0]))
        self.program: Callable[..., Any] | None = None
        self.report: Report | None = None
        self.looked: list[int] = []  # the steps that the report's first evaluations were made at

    def _stack(self, trees: list[Any]) -> Any:
        return trees[0] if self.chunk == 1 else jax.tree.map(lambda *leaves: np.stack(leaves), *trees)

    def _take(self, tree: Any, place: int) -> Any:
        return tree if self.chunk == 1 else jax.tree.map(lambda leaf: np.asarray(leaf)[place], tree)

    def run(self, legs: Legs, should_stop: Callable[[], bool], places: list[int]) -> bool:
        """Go on over one evaluation or several; return whether it was halted on the way."""
        halted, looks = False, []
        while not halted and not looks:
            looks = self._looks(legs)
            began, ends = self.step, looks or [self.step + STEPS]
            self._call(ends, self.blocks if looks else 0)
            if legs.keep_losses:
                self._keep_losses(self.step - began, places)
            halted = not looks and should_stop()
        if halted:
            self._call([self.step], self.blocks)
        return halted

    def _looks(self, legs: Legs) -> list[int]:
        """Return the steps at which the next call evaluates; none if the first is too far for one call."""
        looks = [n for n in islice(legs.looks(self.step), LOOKS) if n <= self.step + STEPS]
        pace = self.population.pace.get(self.structure)
        if legs.singly or legs.patience is not None or pace is None:
            return looks[:1]
        return looks[:1] + [n for n in looks[1:] if (n - self.step) * pace <= A_CALL]

    def _call(self, ends: list[int], blocks: int) -> None:
        """Run the program: stretches of steps that end at ``ends``, each with an evaluation if ``blocks``."""
        steps = ends[-1] - self.step
        members = [
            (order.block(self.step, steps), np.float32(m.horizon), np.float32(m.by_error), _seed32(m.seed))
            for order, m in zip(self.orders, self.places, strict=True)
        ]
        rows, horizon, by_error, seed = self._stack(members)
        after, looked_at = np.zeros((2, LOOKS), np.int32)
        after[: len(ends)], looked_at[: len(ends)] = np.array(ends) - self.step, blocks
        orders = Orders(rows, np.int32(len(ends)), after, looked_at, horizon, by_error, seed)
        arguments = (self.state, self.recipes, orders, self.population._data, self.holdout)
        if self.program is None:
            self.program = program_for(self.population.network, self.chunk, arguments)
        began = time.perf_counter()
        self.state, self.report = jax.block_until_ready(self.program(*arguments))
        if steps:
            self.population.pace[self.structure] = (time.perf_counter() - began) / steps
        self.step, self.looked = ends[-1], ends if blocks else []

    def _keep_losses(self, steps: int, places: list[int]) -> None:
        assert self.report is not None
        losses = np.asarray(self.report.losses).reshape(self.chunk, -1)
        diverged, reached = np.ravel(self.state.code) == DIVERGED, np.ravel(self.state.step)
        for place in places:  # the loss of the step that failed is a diverged member's last
            known = reached[place] + 1 - (self.step - steps) if diverged[place] else steps
            self.places[place].losses.append(losses[place, : max(known, 0)].copy())

    def note(self, member: Member, place: int) -> None:
        """Hand the member its state, and its evaluations if there were any."""
        best_before = 0 if member.state is None else int(member.state.best_step)
        state, report = self._take((self.state, self.report), place)
        member.state = state
        for step, loss, error in zip(self.looked, *map(np.array, report[2:4]), strict=False):
            if step <= member.step:  # a diverged member rests at an earlier one
                member.evaluations.append(Evaluation(step, loss, error))
        if int(state.best_step) > best_before:
            member.costs = np.array(report.costs)[: len(self.population.judges_of(member))]


def _seed32(seed: int) -> np.uint32:
    return np.uint32((seed ^ (seed >> 32)) & 0xFFFFFFFF)


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Return ``rows`` with zero rows appended up to ``size``."""
    if len(rows) == size:
        return rows
    out = np.zeros((size, *rows.shape[1:]), rows.dtype)
    out[: len(rows)] = rows
    return out
