"""What a job tells while it runs, and how it is asked to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Event(NamedTuple):
    """Something worth showing while a job runs."""

    kind: str
    data: dict[str, Any]


Tell = Callable[[Event], None]


def silent(event: Event) -> None:
    """Show nothing."""


@contextmanager
def first_interrupt() -> Iterator[Callable[[], bool]]:
    """Make the first Ctrl-C a wish to end gracefully; the second one interrupts as usual."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
