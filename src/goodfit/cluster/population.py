"""A population that trains its chunks on a cluster: attempts counted, results checked, nothing lost.

A task that runs out of memory is tried on, and the third time chunks are halved for good. A task that fails
otherwise is tried again, in halves if it is a chunk of several members, so that one which kills its
workers is soon alone. After `ATTEMPTS` failures alone it waits until the others have finished. It is then set
aside, unless they were lost as often as that might be bad luck: an unlucky network is no deadly one.

A task that is late, on a worker that may be frozen or cut off, is given to an idle one too. The first to come
counts; the other keeps its place until it comes, so that nothing else is sent where it is.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.cluster.adapter import Adapter, Outcome
from goodfit.cluster.attempts import ATTEMPTS_FILE, NOW_EVERY, NOW_FILE, write_now
from goodfit.cluster.packing import name_of, pack_task, take_result
from goodfit.cluster.worker import result_file
from goodfit.engine.legs import Legs, Member
from goodfit.engine.plan import Plan
from goodfit.engine.population import Population
from goodfit.recipe import Recipe
from goodfit.store.journal import Journal

ATTEMPTS, MOST_ATTEMPTS = 3, 100
_CHANCE = 1e-6  # that as many failures are bad luck: asked after each of them, in studies of thousands
LATE, LATE_LEAST = 3.0, 10.0  # a task is late after so many times the longest so far, and so many seconds
_TICK = 0.2  # seconds between looks at whether to stop


def _again(job: _Job) -> str:
    """Return the name of a second attempt at a task."""
    return f"{job.name} again"


def _untold(member: Member) -> None:
    pass


@dataclass(eq=False)
class _Job:
    """A chunk on its way, and how often it was tried."""

    chunk: list[Member]
    legs: Legs
    size: int  # places of the program
    task: bytes
    name: str
    short: int = 0  # how often of memory, while there were neighbours to do without
    failures: int = 0
    began: float = 0.0
    seconds: float = 0.0  # that its attempts took
    last: tuple[str, str] = ("", "")  # kind and text of the last failure
    shared: int = 0  # failures of larger chunks that it was in: its own, or those of a neighbour
    sent: bool = False  # the data, to the worker that lacked them


class ClusterPopulation(Population):
    """Members trained on one data set, on a cluster; ``rows`` are the arguments of `Population`.

    Args:
        adapter: the execution engine.
        problem: the name of the data there.
        folder: where workers may leave results, and where attempts are written down; None: neither.
        tell: what is told of failures, a sentence each.
    """

    def __init__(
        self,
        *args: Any,
        adapter: Adapter,
        problem: str,
        folder: Path | None = None,
        tell: Callable[[str], None] = lambda text: None,
        **rows: Any,
    ) -> None:
        super().__init__(*args, **rows)
        self.adapter, self._problem, self._folder, self._tell_user = adapter, problem, folder, tell
        self.hardware = adapter.hardware()
        self._taken: list[str] = []
        self._attempts, self._failures, self._seconds = 0, 0, 0.0  # of all tasks
        self._write_next = 0.0  # when to write again what is under way
        self._longest = 0.0  # that a task took, of those that were not late
        self._suspects: list[_Job] = []
        self._spare: dict[str, _Job] = {}  # attempts that still run, though another was first
        self.attempts = Journal(folder / ATTEMPTS_FILE) if folder else None

    def plan(self, recipe: Recipe) -> Plan:
        """Return how members of this structure run: as many calls at once as the cluster has threads."""
        return Plan(super().plan(recipe).chunk, max(1, self.adapter.capacity()))

    def advance(
        self,
        members: Sequence[Member],
        legs: Legs | Sequence[Legs],
        *,
        on_leg: Callable[[Member], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train ``members`` on; see `Population.advance`. ``on_leg`` is called when a chunk comes back."""
        self.sweep()
        waiting = deque(self._job(*task) for task in self._tasks(members, legs))
        told = on_leg or _untold
        running: dict[str, _Job] = {}
        resting = False
        self._suspects.clear()
        with self._cancelled_at_the_end(running):
            while waiting or running or self._suspects:
                if not resting and should_stop():
                    resting = True
                    self.adapter.rest()
                if resting:
                    waiting.clear()
                    self._suspects.clear()
                elif not (waiting or running):
                    waiting.extend(self._judged())
                while waiting and len(running) < self._places():
                    self._begin(waiting.popleft(), running, told)
                if not (waiting or resting):
                    self._begin_again(running)
                self._write_now(len(running), len(waiting) + len(self._suspects))
                for outcome in self.adapter.wait(_TICK) if running else ():
                    waiting.extendleft(self._came(outcome, running, told))

    def _write_now(self, running: int, waiting: int) -> None:
        if self._folder is not None and time.monotonic() >= self._write_next:
            write_now(self._folder, self.adapter.capacity(), running, waiting)
            self._write_next = time.monotonic() + NOW_EVERY

    def close(self) -> None:
        """Take away what is of no use when the run has come to its end."""
        self.sweep()
        if self._folder is not None:
            (self._folder / NOW_FILE).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Take away the results that were taken over, once what they led to is written down elsewhere."""
        for name in self._taken:
            with suppress(OSError):
                result_file(self._folder or "", name).unlink()
        self._taken.clear()

    @contextmanager
    def _cancelled_at_the_end(self, running: dict[str, _Job]) -> Iterator[None]:
        try:
            yield
        finally:
            for name in running:
                self.adapter.cancel(name)

    def _job(self, chunk: list[Member], legs: Legs, shared: int = 0) -> _Job:
        size = self.plan(chunk[0].recipe).chunk
        task = pack_task(self._problem, chunk, legs, size)
        return _Job(chunk, legs, size, task, name_of(task), shared=shared)

    def _begin(self, job: _Job, running: dict[str, _Job], told: Callable[[Member], None]) -> None:
        """Take a result that a worker left here before, or submit the task."""
        if self._folder is not None and result_file(self._folder, job.name).exists():
            found = Outcome(job.name, "done", None, "found", "", 0.0)
            if not self._end(job, found, told):
                return
        self.adapter.submit(job.name, job.task)
        running[job.name] = job
        job.began = time.monotonic()

    def _places(self) -> int:
        """Return how many tasks may be under way."""
        return max(1, self.adapter.capacity() - len(self._spare))

    def _begin_again(self, running: dict[str, _Job]) -> None:
        """Give the tasks that are late, and did not fail before, to workers that have nothing to do."""
        long_ago = time.monotonic() - max(LATE_LEAST, LATE * self._longest)
        late = [job for name, job in running.items() if job.began < long_ago and not job.failures]
        for job in late:
            name = _again(job)
            if name not in running and len(running) < self._places():
                self.adapter.submit(name, job.task)
                running[name] = job

    def _came(self, outcome: Outcome, running: dict[str, _Job], told: Callable[[Member], None]) -> list[_Job]:
        """Take an outcome of a task of which there may be two attempts; return what is to be tried again."""
        if outcome.name in self._spare:
            self._note_late(self._spare.pop(outcome.name), outcome)
            return []
        job = running.pop(outcome.name, None)
        if job is None:  # of another population that this adapter served
            return []
        other = next((name for name, one in running.items() if one is job), None)
        if other is None:
            return self._end(job, outcome, told)
        if outcome.kind != "done":
            self._note(job, outcome)
        elif not self._end(job, outcome, told):
            self._spare[other] = running.pop(other)
        return []

    def _note_late(self, job: _Job, outcome: Outcome) -> None:
        """Write down that work was done twice, or was not."""
        if outcome.kind != "done":
            self._note(job, outcome)
            return
        if outcome.content is None:
            self._taken.append(job.name)
        self._note(job, outcome._replace(kind="late"))

    def _end(self, job: _Job, outcome: Outcome, told: Callable[[Member], None]) -> list[_Job]:
        """Take over what came of an attempt; return what is to be tried again."""
        kind, text = outcome.kind, outcome.text
        if kind == "done":
            try:
                take_result(self.network, job.chunk, self._content(job, outcome))
            except (OSError, ValueError) as error:
                kind, text = "lost", f"its result cannot be read ({error})"
        self._attempts += 1
        self._seconds += outcome.seconds
        job.seconds += outcome.seconds
        self._note(job, outcome._replace(kind=kind, text=text))
        if kind == "done":
            if time.monotonic() - job.began < max(LATE_LEAST, LATE * self._longest):
                self._longest = max(self._longest, outcome.seconds)
            for member in job.chunk:
                told(member)
            return []
        if kind == "no data" and not job.sent:  # it is, now
            job.sent = True
            return [job]
        if kind == "oom" and job.size > 1:
            return self._with_less_memory(job)
        job.failures += 1
        self._failures += 1
        if len(job.chunk) > 1:
            half, known = len(job.chunk) // 2, job.shared + job.failures
            return [self._job(part, job.legs, known) for part in (job.chunk[:half], job.chunk[half:])]
        job.last = kind, text
        if not self._is_deadly(job):
            return [job]
        self._suspects.append(job)
        return []

    def _with_less_memory(self, job: _Job) -> list[_Job]:
        """Try it on as it is, for other workers may have more memory; then in smaller chunks."""
        job.short += 1
        if job.short < ATTEMPTS:
            return [job]
        self._halve(job.size)
        size = self.plan(job.chunk[0].recipe).chunk
        return [self._job(job.chunk[i : i + size], job.legs) for i in range(0, len(job.chunk), size)]

    def _judged(self) -> list[_Job]:
        """Set aside those that still look deadly now that the others are done; return the rest."""
        suspects, self._suspects = self._suspects, []
        acquitted = []
        for job in suspects:
            if not self._is_deadly(job):
                acquitted.append(job)
                continue
            kind, text = job.last
            job.chunk[0].failed = f"{kind} {job.failures} times"
            self._tell_user(f"A network is set aside: {kind} {job.failures} times, the last: {text}.")
        return acquitted

    def _is_deadly(self, job: _Job) -> bool:
        """Tell whether a task failed more often than what befalls the others would explain."""
        if not ATTEMPTS <= job.failures < MOST_ATTEMPTS:
            return job.failures >= MOST_ATTEMPTS
        from scipy.special import pdtrc

        others = self._failures - job.failures - job.shared
        tries = job.failures / max(self._attempts - job.failures, 1)
        seconds = job.seconds / max(self._seconds - job.seconds, 1e-9)
        expected = others * max(tries, seconds)
        return bool(pdtrc(job.failures - 1, expected) < _CHANCE)  # Poisson: that many or more

    def _content(self, job: _Job, outcome: Outcome) -> bytes:
        if outcome.content is not None:
            return outcome.content
        assert self._folder is not None, "a worker wrote a result where there is no folder"
        os.listdir(self._folder)  # a network file system may still remember that the file was not there
        content = result_file(self._folder, job.name).read_bytes()
        self._taken.append(job.name)
        return content

    def _note(self, job: _Job, outcome: Outcome) -> None:
        if self.attempts is not None:
            told = {"task": job.name, "members": len(job.chunk), "failures": job.failures}
            told |= {"kind": outcome.kind, "text": outcome.text, "worker": outcome.worker}
            told |= {"seconds": round(outcome.seconds, 3), "at": round(time.time(), 3)}
            self.attempts.append(told)
