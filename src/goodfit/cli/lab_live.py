"""What a terminal shows while the lab runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from goodfit.lab.run import LabEvent


@contextmanager
def lab_events(count: int) -> Iterator[Callable[[LabEvent], None]]:
    """Return what the lab's events go to; it draws on stderr, and only on a terminal, until the block "
    "ends."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda event: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(30),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("reading the data", total=1.0)
        met = 0
        last = 0.0

        def tell(event: LabEvent) -> None:
            nonlocal met, last
            if event.kind == "begin":
                met += 1
                progress.reset(task, total=1.0, description=f"{event.id} {event.text} ({met} of {count})")
            elif event.kind == "progress" and time.monotonic() - last > 0.1:
                last = time.monotonic()
                progress.update(task, completed=event.share)
            elif event.kind == "done":
                console.print(f"{event.id} done in {event.text}", highlight=False)
            elif event.kind == "skipped":
                met += 1
                console.print(f"{event.id} is left out: {event.text}", highlight=False, markup=False)
            elif event.kind == "drawing":
                progress.update(task, description="judging and drawing", completed=1.0)

        yield tell
