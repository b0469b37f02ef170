"""A population: many members trained on one data set, in chunks, on lanes.

A chunk is a task: its members' states are stacked once, advance leg by leg without waiting for other chunks,
and are taken apart when they stop. Members of one chunk share the step they stand at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax

from goodfit.engine.legs import Legs, Member
from goodfit.engine.plan import compiling, flops_per_step
from goodfit.engine.program import compilations
from goodfit.engine.runner import Runner
from goodfit.engine.shared import Shared


class Population(Shared):
    """Members trained on one data set; arguments: see `Shared`."""

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
        tasks = self._tasks(members, legs)
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
        if not compilations():  # lanes would come to their programs in any order: the soonest is made here
            with self.settings():
                self._runner(tasks[0][0]).compile(tasks[0][1])
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

    def _tasks(
        self, members: Sequence[Member], legs: Legs | Sequence[Legs]
    ) -> list[tuple[list[Member], Legs]]:
        """Return the chunks of those that go on, each with how far."""
        each = [legs] * len(members) if isinstance(legs, Legs) else legs
        return self._chunks([(m, one) for m, one in zip(members, each, strict=True) if self._goes_on(m, one)])

    @staticmethod
    def _goes_on(member: Member, legs: Legs) -> bool:
        return not (member.stopped or member.diverged or member.failed) and member.step < legs.end(member)

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

    def _runner(self, chunk: list[Member]) -> Runner:
        size = self.plan(chunk[0].recipe).chunk
        return Runner(self, chunk + [chunk[-1]] * (size - len(chunk)))  # dummies fill one that is not full

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
        runner: Runner | None = None
        active = {id(m): i for i, m in enumerate(chunk)}
        while active:
            if should_stop():  # all stand evaluated, or have not begun: nothing is made ready for them
                return
            runner = runner or self._runner(chunk)
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
