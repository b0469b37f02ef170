"""A population: many members trained on one data set, in chunks, on lanes.

A chunk is a task: its members' states are stacked once, advance leg by leg without waiting for other chunks,
and are taken apart when they stop. Members of one chunk share the step they stand at.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import jax
import numpy as np

from goodfit.engine.legs import Evaluation, Legs, Member
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
from goodfit.engine.order import STEPS, Batches, BatchOrder
from goodfit.engine.plan import Plan, bucket, compiling, flops_per_step, padded, plan_for
from goodfit.engine.program import compilations, program_for
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.initializers import DataDriven

SAMPLE = 1024  # rows that first weights are made to fit
A_CALL = 0.2  # seconds that one call takes, where it can be chosen: longer than its overheads, soon stopped


class Population:
    """Members trained on one data set.

    Args:
        network: shape of the problem.
        x, y, weight: training rows (N, inputs), (N,) or (N, outputs), and (N,) or None.
        holdout: rows to evaluate on, ``(x, y, sets)`` with weights ``sets`` (S, E), or None.
        chunk, lanes: override the plan.
        dtype: float32, or float64 for members whose first states are handed to them in float64.
        device: where to train; None: JAX's default.
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
        dtype: Any = np.float32,
        device: Any = None,
    ) -> None:
        self.network = network
        self.dtype, self._device = np.dtype(dtype).type, device
        self.rows = np.arange(len(x), dtype=np.int32)
        self._chunk, self._lanes = chunk, lanes
        self._pace: dict[Any, float] = {}  # seconds a step of a chunk, evaluations included, by structure
        weight = np.ones(len(x), self.dtype) if weight is None else np.asarray(weight, self.dtype)
        self._evaluates = holdout is not None
        hx, hy, sets = holdout or (x[:1], y[:1], np.zeros((1, 1), self.dtype))
        self._sets = np.asarray(sets, self.dtype)
        self._everyone = np.arange(len(hx), dtype=np.int32)
        with self.settings():
            size = bucket(len(x))
            self._data = jax.device_put(Data(*(padded(np.asarray(a), size) for a in (x, y, weight))))
            if hx is x and hy is y:  # folds: one copy of the rows serves both
                self._holdout = (self._data.x, self._data.y)
            else:
                size = bucket(len(hx), EVALUATION_ROWS)
                self._holdout = jax.device_put((padded(np.asarray(hx), size), padded(np.asarray(hy), size)))

    @contextlib.contextmanager
    def settings(self) -> Iterator[None]:
        """JAX's settings for type and device; they hold for one thread, so each lane makes them its own."""
        with contextlib.ExitStack() as stack:
            if self.dtype is np.float64:
                stack.enter_context(jax.enable_x64(True))
            if self._device is not None:
                stack.enter_context(jax.default_device(self._device))
            yield

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

        ``on_leg(member)`` is called after each call of the program, which may hold several evaluations, maybe
        from a lane's thread, never twice at once.
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
        if len(tasks) == 1:  # no thread of its own: starting one takes as long as some legs
            self._run_lane(*tasks[0], told, should_stop)
            return
        lanes = max(self.plan(chunk[0].recipe).lanes for chunk, _ in tasks)
        with ThreadPoolExecutor(lanes, thread_name_prefix="lane") as pool:
            futures = [pool.submit(self._run_lane, chunk, legs, told, should_stop) for chunk, legs in tasks]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                raise

    @staticmethod
    def _goes_on(member: Member, legs: Legs) -> bool:
        return not member.stopped and not member.diverged and member.step < legs.end(member)

    def _chunks(self, tasks: Sequence[tuple[Member, Legs]]) -> list[tuple[list[Member], Legs]]:
        """Group members of equal structure, step and legs into chunks, those with most work to do first.

        One chunk of each structure leads, so that lanes come to all programs early; as long as there is none,
        those that are soonest compiled go before the others.
        """

        def work(member: Member, legs: Legs) -> int:
            return flops_per_step(self.network, member.recipe) * (legs.end(member) - member.step)

        groups: dict[Any, list[Member]] = {}
        for member, legs in sorted(tasks, key=lambda task: -work(*task)):
            structure = jax.tree.structure(member.recipe.for_program(self.dtype))
            place = (structure, member.step, legs, legs.end(member), self.judged_size(member))
            groups.setdefault(place, []).append(member)
        first, others, met = [], [], set()
        for (structure, _, legs, _, judged), group in groups.items():
            size = self.plan(group[0].recipe).chunk
            chunks = [(group[i : i + size], legs) for i in range(0, len(group), size)]
            new = (structure, judged) not in met  # a program of its own
            met.add((structure, judged))
            first += chunks[:new]
            others += chunks[new:]
        if not compilations():
            first.sort(key=lambda task: compiling(task[0][0].recipe))
        return first + others

    def order_of(self, member: Member) -> Batches:
        """Return the member's batches."""
        return member.batches or BatchOrder(
            self.rows if member.rows is None else member.rows,
            member.recipe.batch_size,
            member.seed if member.order_seed is None else member.order_seed,
            replacement=member.replacement,
        )

    def first_state(self, member: Member) -> State:
        """Return the member's state before its first step; where data decide it, by its first batches."""
        sample = None
        if isinstance(member.recipe.initializer, DataDriven):
            rows = self.rows if member.rows is None else member.rows
            steps = -(-min(SAMPLE, len(rows)) // member.recipe.batch_size)
            first = self.order_of(member).block(0, steps)
            sample = np.asarray(self._data.x)[first[first >= 0][:SAMPLE]]
        return first_state(self.network, member.recipe, member.seed, sample)

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
        sets = self._sets[:, rows] if member.sets is None else member.sets.astype(self.dtype)
        size = self.judged_size(member)
        return padded(rows, size), padded(sets.T, size).T

    def blocks(self, members: Sequence[Member]) -> int:
        """Return how many blocks of rows an evaluation of these members goes through; 0 without a holdout."""
        most = max(len(self.judges_of(member)) for member in members)
        return -(-most // EVALUATION_ROWS) if self._evaluates else 0

    def _run_lane(self, *task: Any) -> None:
        with self.settings():
            self._run_chunk(*task)

    def _run_chunk(
        self,
        chunk: list[Member],
        legs: Legs,
        told: Callable[[Member], None],
        should_stop: Callable[[], bool],
    ) -> None:
        size = self.plan(chunk[0].recipe).chunk
        places = chunk + [chunk[-1]] * (size - len(chunk))  # dummies fill a chunk that is not full
        runner: _Runner | None = None
        active = {id(m): i for i, m in enumerate(chunk)}
        while active:
            if should_stop():  # all stand evaluated, or have not begun: nothing is made ready for them
                return
            runner = runner or _Runner(self, places)
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
        recipes = self._stack([m.recipe.for_program(population.dtype) for m in places])
        self.recipes = jax.device_put(recipes)  # once, not at each call
        self.step = places[0].step
        self.orders = [population.order_of(m) for m in places]
        self.state = self._stack([m.state or population.first_state(m) for m in places])
        rows, sets = zip(*map(population.judged_by, places), strict=True)
        shared = population._holdout
        self.holdout = Holdout(*shared, *jax.device_put((self._stack(list(rows)), self._stack(list(sets)))))
        self.blocks = population.blocks(places)
        self.structure = (jax.tree.structure(recipes), population.judged_size(places[0]))
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
                self._keep_losses(began, places)
            halted = not looks and should_stop()
        if halted:
            self._call([self.step], self.blocks)
        return halted

    def _looks(self, legs: Legs) -> list[int]:
        """Return the steps at which the next call evaluates; none if the first is too far for one call."""
        end = max(legs.end(self.places[0]), self.step + 1)
        looks = [n for n in islice(legs.looks(self.step, end), LOOKS) if n <= self.step + STEPS]
        pace = self.population._pace.get(self.structure)
        if legs.singly or legs.patience is not None or pace is None:
            return looks[:1]
        return looks[:1] + [n for n in looks[1:] if (n - self.step) * pace <= A_CALL]

    def _call(self, ends: list[int], blocks: int) -> None:
        """Run the program: stretches of steps that end at ``ends``, each with an evaluation if ``blocks``."""
        steps, dtype = ends[-1] - self.step, self.population.dtype
        members = [
            (order.block(self.step, steps), dtype(m.horizon), np.float32(_judged_by(m)), _seed32(m.seed))
            for order, m in zip(self.orders, self.places, strict=True)
        ]
        rows, horizon, by_error, seed = self._stack(members)
        stretches = _stretches(np.array(ends) - self.step, blocks)
        orders = Orders(rows=rows, **stretches, horizon=horizon, by_error=by_error, seed=seed)
        arguments = (self.state, self.recipes, orders, self.population._data, self.holdout)
        if self.program is None:
            self.program = program_for(self.population.network, self.chunk, arguments)
        began = time.perf_counter()
        self.state, self.report = jax.block_until_ready(self.program(*arguments))
        if steps:
            self.population._pace[self.structure] = (time.perf_counter() - began) / steps
        self.step, self.looked = ends[-1], ends if blocks else []
        before = np.ravel(arguments[0].code)
        for place in np.flatnonzero(np.ravel(self.state.code) != before):
            if self.places[place] is not self.places[place - 1] or not place:  # no dummy
                self._go_back(int(place), arguments, steps)

    def _go_back(self, place: int, arguments: tuple[Any, ...], steps: int) -> None:
        """Put a member that diverged in the last call back to its last finite state.

        The call is made again from the state before it, for fewer steps: bit for bit the same ones.
        """
        assert self.program is not None
        before, recipes, orders, data, holdout = arguments
        start = int(np.ravel(before.step)[place])
        until = int(np.ravel(self.state.step)[place]) - start  # as many losses were finite
        kept, low, high = before, 0, min(until + 1, steps)  # whole after so many steps, and not
        tried = until if until < steps else steps - 1
        while high - low > 1:
            again = orders._replace(**_stretches([tried], 0))
            state, _ = jax.block_until_ready(self.program(before, recipes, again, data, holdout))
            if np.ravel(state.code)[place] == DIVERGED:
                high = tried
            else:
                kept, low = state, tried
            tried = high - 1 if high == until else (low + high) // 2
        self._rest(place, kept, start + low)

    def _rest(self, place: int, kept: State, step: int) -> None:
        """Let a member rest at ``step`` as it stands in the state ``kept``; its best state stays."""
        carried = ("params", "slots", "running")
        if self.chunk == 1:
            self.state = self.state._replace(step=np.int32(step), **{n: getattr(kept, n) for n in carried})
            return

        def put(now: Any, then: Any) -> np.ndarray:
            now = np.array(now)
            now[place] = np.asarray(then)[place]
            return now

        changed = {n: jax.tree.map(put, getattr(self.state, n), getattr(kept, n)) for n in carried}
        steps = np.array(self.state.step)
        steps[place] = step
        self.state = self.state._replace(step=steps, **changed)

    def _keep_losses(self, began: int, places: list[int]) -> None:
        assert self.report is not None
        losses = np.asarray(self.report.losses).reshape(self.chunk, -1)
        diverged, reached = np.ravel(self.state.code) == DIVERGED, np.ravel(self.state.step)
        for place in places:  # the loss of the step that failed is a diverged member's last
            until = reached[place] + 1 if diverged[place] else self.step
            self.places[place].losses.append(losses[place, : max(until - began, 0)].copy())

    def note(self, member: Member, place: int) -> None:
        """Hand the member its state, and its evaluations if there were any."""
        best_before = 0 if member.state is None else int(member.state.best_step)
        state, report = self._take((self.state, self.report), place)
        member.state = state
        looks = map(np.array, (report.holdout_loss, report.holdout_error))
        for step, loss, error in zip(self.looked, *looks, strict=False):
            if step <= member.step:  # a diverged member rests at an earlier one
                member.evaluations.append(Evaluation(step, loss, error))
        if int(state.best_step) > best_before:
            member.costs = np.array(report.costs)[: len(self.population.judges_of(member))]


def _stretches(ends: Sequence[int] | np.ndarray, blocks: int) -> dict[str, Any]:
    """Return the fields of `Orders` that say how far: stretches, their ends, and blocks evaluated then."""
    after, looked_at = np.zeros((2, LOOKS), np.int32)
    after[: len(ends)], looked_at[: len(ends)] = ends, blocks
    return {"stretches": np.int32(len(ends)), "ends": after, "blocks": looked_at}


def _judged_by(member: Member) -> int:
    return (1 + member.first_of_ties) if member.by_error else 0


def _seed32(seed: int) -> np.uint32:
    return np.uint32((seed ^ (seed >> 32)) & 0xFFFFFFFF)
