"""One chunk's members on their way: their states stacked, and the calls that move them on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import jax
import numpy as np

from goodfit.engine.legs import Evaluation, Legs, Member
from goodfit.engine.member import DIVERGED, LOOKS, Holdout, Orders, Report, State
from goodfit.engine.order import STEPS
from goodfit.engine.plan import compiled_sooner
from goodfit.engine.program import program_for
from goodfit.engine.shared import Shared

A_CALL = 0.2  # seconds that one call takes, where it can be chosen: longer than its overheads, soon stopped


class Runner:
    """The stacked states of one chunk's members and the calls that move them on.

    Args:
        population: what they share.
        members: of equal structure and step.
        chunk: places of the program; the last member fills those that are free.
        device: where to train, which is JAX's default device in this thread.
    """

    def __init__(self, population: Shared, members: list[Member], chunk: int, device: Any) -> None:
        self.population, self.members, self.chunk, self.device = population, members, chunk, device
        recipes = self._stack([m.recipe.for_program(population.dtype) for m in members])
        self.recipes = jax.device_put(recipes)  # once, not at each call
        self.step = members[0].step
        self.orders = [population.order_of(m) for m in members]
        self.state = self._stack([m.state or population.first_state(m) for m in members])
        rows, sets = zip(*map(population.judged_by, members), strict=True)
        self.data, held = population.placed(device)
        self.holdout = Holdout(*held, *jax.device_put((self._stack(list(rows)), self._stack(list(sets)))))
        self.blocks = population.blocks(members)
        self.structure = (jax.tree.structure(recipes), population.judged_size(members[0]))
        self.program: Callable[..., Any] | None = None
        self.report: Report | None = None
        self.looked: list[int] = []  # the steps that the report's first evaluations were made at

    def _stack(self, trees: list[Any]) -> Any:
        """Return one tree of the members' trees, the last one repeated up to the chunk's size."""
        if self.chunk == 1:
            return trees[0]
        places = trees + [trees[-1]] * (self.chunk - len(trees))
        return jax.tree.map(lambda *leaves: np.stack(leaves), *places)

    def _take(self, tree: Any, place: int) -> Any:
        return tree if self.chunk == 1 else jax.tree.map(lambda leaf: np.asarray(leaf)[place], tree)

    def run(self, legs: Legs, should_stop: Callable[[], bool], places: list[int]) -> bool:
        """Go on over one evaluation or several; return whether it was halted on the way."""
        halted, looks = False, []
        while not halted and not looks:
            looks = self._looks(legs)
            began = self.step
            self._call(looks or [began + STEPS], self.blocks if looks else 0)
            if legs.keep_losses:
                self._keep_losses(began, places)
            halted = not looks and should_stop()
        if halted:
            self._call([self.step], self.blocks)
        return halted

    def _looks(self, legs: Legs) -> list[int]:
        """Return the steps at which the next call evaluates; none if the first is too far for one call."""
        end = max(legs.end(self.members[0]), self.step + 1)
        looks = [n for n in islice(legs.looks(self.step, end), LOOKS) if n <= self.step + STEPS]
        pace = self.population.pace.get(self.structure)
        if legs.singly or legs.patience is not None or pace is None:
            return looks[:1]
        return looks[:1] + [n for n in looks[1:] if (n - self.step) * pace <= A_CALL]

    def compile(self, legs: Legs) -> None:
        """Make the program that `run` will use."""
        self._program(self._arguments(self._looks(legs) or [self.step + STEPS], self.blocks))

    def _program(self, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        if self.program is None:
            network, recipe = self.population.network, self.members[0].recipe
            sooner = compiled_sooner(network, recipe)
            self.program = program_for(network, self.chunk, arguments, self.device, sooner)
        return self.program

    def _arguments(self, ends: list[int], blocks: int) -> tuple[Any, ...]:
        """Return the program's: stretches up to ``ends``, each with an evaluation if ``blocks``."""
        steps, dtype = ends[-1] - self.step, self.population.dtype
        members = [
            (order.block(self.step, steps), dtype(m.horizon), np.float32(_judged_by(m)), _seed32(m.seed))
            for order, m in zip(self.orders, self.members, strict=True)
        ]
        rows, horizon, by_error, seed = self._stack(members)
        stretches = _stretches(np.array(ends) - self.step, blocks)
        orders = Orders(rows=rows, **stretches, horizon=horizon, by_error=by_error, seed=seed)
        return self.state, self.recipes, orders, self.data, self.holdout

    def _call(self, ends: list[int], blocks: int) -> None:
        """Run the program, with `_arguments` of these."""
        steps, arguments = ends[-1] - self.step, self._arguments(ends, blocks)
        program = self._program(arguments)
        began = time.perf_counter()
        self.state, self.report = jax.block_until_ready(program(*arguments))
        if steps:
            self.population.pace[self.structure] = (time.perf_counter() - began) / steps
        self.step, self.looked = ends[-1], ends if blocks else []
        before = np.ravel(arguments[0].code)
        for place in np.flatnonzero(np.ravel(self.state.code) != before):
            if place < len(self.members):
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
            self.members[place].losses.append(losses[place, : max(until - began, 0)].copy())

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
