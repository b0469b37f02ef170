"""What goodfit asks of an execution engine: take a task by name, tell what became of it.

An engine need not be reliable. A task is a pure function of its bytes, so it may be run twice, and what
comes back twice is equal; whoever submits counts attempts and decides what is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from goodfit.engine.hardware import Hardware

Kind = Literal["done", "lost", "oom", "timeout", "error", "no data"]


class Outcome(NamedTuple):
    """What became of one attempt.

    Args:
        name: the task's.
        kind: ``done``; ``lost``, its worker died or was cut off; ``oom``, it ran out of memory; ``timeout``,
            it took too long; ``error``, it raised; ``no data``, its worker has not been sent the rows.
        content: the result of a task that is done; None: it lies in the run folder.
        text: of the error.
        worker: who had it, as far as is known.
        seconds: from submission to outcome.
    """

    name: str
    kind: Kind
    content: bytes | None
    text: str
    worker: str
    seconds: float


class Adapter(Protocol):
    """An execution engine."""

    def offer(self, problem: bytes, folder: Path | None) -> None:
        """Take the data that the tasks to come are about; workers may share the ``folder``, if any."""
        ...

    def capacity(self) -> int:
        """Return how many tasks can run at once now; 0 while there is no worker."""
        ...

    def hardware(self) -> Hardware:
        """Return what the workers train on; it is the same for all."""
        ...

    def submit(self, name: str, task: bytes) -> None:
        """Begin an attempt at a task; a name that is under way may not be submitted."""
        ...

    def wait(self, seconds: float) -> list[Outcome]:
        """Return the outcomes that have come since the last call, after so many seconds at most.

        Raises:
            ClusterError: the engine is gone.
        """
        ...

    def cancel(self, name: str) -> None:
        """Ask no more for a task; no outcome will come."""
        ...

    def rest(self) -> None:
        """Let all tasks under way rest where they stand; they come back as done."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


def overdue(under_way: Iterable[tuple[str, float]], timeout: float) -> list[Outcome]:
    """Return the outcomes of attempts that take longer than ``timeout`` seconds; they are to be cancelled.

    Args:
        under_way: name and beginning, by `time.monotonic`, of each attempt.
        timeout: seconds that one may take.
    """
    now, text = time.monotonic(), f"longer than {timeout:.0f} s"
    return [
        Outcome(name, "timeout", None, text, "", now - began)
        for name, began in under_way
        if now - began > timeout
    ]
