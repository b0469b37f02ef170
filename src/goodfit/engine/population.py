"""A population: many members trained on one data set, in chunks, on lanes.

A chunk is a task: its members' states are stacked once, advance leg by leg without waiting for other chunks,
and are taken apart when they stop. Members of one chunk share the step they stand at. A lane takes one chunk
after another: a thread for each core of a CPU, or for each GPU.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import jax

from goodfit.engine.hardware import memory_errors
from goodfit.engine.legs import Legs, Member
from goodfit.engine.plan import compiling, flops_per_step
from goodfit.engine.program import compilations
from goodfit.engine.runner import Runner
from goodfit.engine.shared import Shared
from goodfit.errors import InputError

Told = Callable[[Member], None]
ShouldStop = Callable[[], bool]


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

        Where memory runs out, chunks are halved from there on, and `on_halved` is called; a member that does
        not fit alone is set aside if `sets_aside` says so.

        ``on_leg(member)`` is called after each call of the program, which may hold several evaluations, maybe
        from a lane's thread, never twice at once.
        When ``should_stop()`` turns true, the members under way rest where they stand, evaluated, and no
        other begins.

        Raises:
            InputError: a member does not fit into memory, not even alone.
            MemoryError: memory ran out, and `on_halved` is None.
        """
        tasks = self._tasks(members, legs)
        lock = threading.Lock()

        def told(member: Member) -> None:
            if on_leg is not None:
                with lock:
                    on_leg(member)

        if not tasks:
            return
        lanes = max(self.plan(chunk[0].recipe).lanes for chunk, _ in tasks)
        free: SimpleQueue[Any] = SimpleQueue()
        for _, device in zip(range(lanes), itertools.cycle(self.devices), strict=False):
            free.put(device)
        if len(tasks) == 1:  # no thread of its own: starting one takes as long as some legs
            self._run_lane(free, *tasks[0], told, should_stop)
            return
        if not compilations():  # lanes would come to their programs in any order: the soonest is made here
            self._make_ready(*tasks[0])
        with ThreadPoolExecutor(lanes, thread_name_prefix="lane") as pool:
            futures = [pool.submit(self._run_lane, free, *task, told, should_stop) for task in tasks]
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

    def _make_ready(self, chunk: list[Member], legs: Legs) -> None:
        """Compile the program of a chunk; where that fails, training it tells."""
        device, size = self.devices[0], self.plan(chunk[0].recipe).chunk
        with self.settings(device), contextlib.suppress(MemoryError), memory_errors():
            Runner(self, chunk, size, device).compile(legs)

    def _run_lane(
        self, free: SimpleQueue[Any], chunk: list[Member], legs: Legs, told: Told, should_stop: ShouldStop
    ) -> None:
        device = free.get()
        try:
            with self.settings(device):
                self._run_chunks(device, chunk, legs, told, should_stop)
        finally:
            free.put(device)

    def _run_chunks(
        self, device: Any, members: list[Member], legs: Legs, told: Told, should_stop: ShouldStop
    ) -> None:
        """Train members of one structure and step, in as many chunks as memory asks for."""
        size = self.plan(members[0].recipe).chunk
        for chunk in (members[i : i + size] for i in range(0, len(members), size)):
            try:
                with memory_errors():
                    self._run_chunk(device, size, chunk, legs, told, should_stop)
            except MemoryError as error:
                if self.on_halved is None:
                    raise
                if size == 1:
                    self._cannot(chunk[0], error)
                    continue
                self._halve(size)
                left = [m for m in chunk if self._goes_on(m, legs)]
                self._run_chunks(device, left, legs, told, should_stop)

    def _cannot(self, member: Member, error: MemoryError) -> None:
        """Set aside a member that does not fit into memory."""
        if not self.sets_aside:
            raise InputError(
                f"The network {member.recipe.text()} does not fit into the memory of {self.devices[0]}, not "
                f"even alone: take a narrower one, smaller batches or fewer rows ({error})."
            ) from None
        member.failed = "out of memory"

    def _halve(self, size: int) -> None:
        """Let chunks have half of ``size`` members at most from now on, unless another lane saw to that."""
        with self._halving:
            if self.most is None or self.most >= size:
                self.most = size // 2
                if self.on_halved is not None:
                    self.on_halved(self.most)

    def _run_chunk(
        self,
        device: Any,
        size: int,
        chunk: list[Member],
        legs: Legs,
        told: Told,
        should_stop: ShouldStop,
    ) -> None:
        runner: Runner | None = None
        active = {id(m): i for i, m in enumerate(chunk)}
        while active:
            if should_stop():  # all stand evaluated, or have not begun: nothing is made ready for them
                return
            runner = runner or Runner(self, chunk, size, device)
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
