"""What a terminal shows while a job runs: lines that stay, and below them where the search stands.

Everything goes to stderr, and only if that is a terminal: logs and pipes stay clean.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from goodfit.cli.output import count, digits
from goodfit.events import Event


class Display:
    """Shows each event that it is called with; ``visible`` tells whether anybody sees it."""

    def __init__(self, console: Console) -> None:
        self.visible = console.is_terminal
        self._console = console
        self._began = time.time()
        self._state: dict[str, Any] = {"stage": "reading the data", "share": 0.0}

    def __call__(self, event: Event) -> None:
        """Show an event; safe from any thread, because it only replaces references."""
        if event.kind == "progress":
            self._state = event.data
            self._began = time.time() - event.data["seconds"]  # what a resumed run spent before counts too
        elif event.kind in _STAGES:
            self._state = {**self._state, **_STAGES[event.kind]}
        if self.visible and event.kind in _LINES:
            text = _LINES[event.kind](event.data)
            if event.kind == "round":  # there are many: one line each
                self._console.print(Text(text, style="dim"), no_wrap=True, overflow="ellipsis")
            else:
                self._console.print(Text(text))

    def render(self) -> RenderableType:
        """Return the lines that move: budget bar and clock, counts and best score, stage."""
        now = self._state
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            ProgressBar(total=1.0, completed=now["share"], width=40),
            f"{now['share']:.0%} of the budget",
            f"{time.time() - self._began:.0f} s",
        )
        lines = [line for line in (_standing(now), now["stage"]) if line]
        return Group(bar, *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))


@contextmanager
def live_events() -> Iterator[Display]:
    """Return what a job's events go to; it draws on stderr until the block ends."""
    console = Console(stderr=True)
    display = Display(console)
    if not display.visible:
        yield display
        return
    # What is printed on stdout may be a file's content: only stderr is drawn on.
    with Live(
        console=console,
        get_renderable=display.render,
        refresh_per_second=4,
        transient=True,
        redirect_stdout=False,
    ):
        yield display


def _standing(now: dict[str, Any]) -> str:
    if "members" not in now:
        return ""
    parts = [count(now["members"], "network")]
    parts += [f"{now[key]} {key}" for key in ("running", "diverged") if now.get(key)]
    best = now.get("best")
    if best is not None:
        parts.append(f"best so far {digits(best['score'])} ({best['text']})")
    return ", ".join(parts)


def _data(data: dict[str, Any]) -> str:
    classes = data["classes"]
    what = f"{len(classes)} classes of" if classes else "numbers of"
    columns = f"{count(data['columns'], 'column')}, " if data["columns"] else ""
    folds = f" in {data['folds']} folds" if data["folds"] else ""
    return (
        f"{data['name']}: {count(data['rows'], 'row')}, {columns}{data['features']:,} inputs; "
        f"{what} {data['target']!r} by {data['metric']}.\n"
        f"{data['train']:,} rows to train, {data['valid']:,} to compare{folds}, {data['sealed']:,} sealed."
    )


def _forecast(data: dict[str, Any]) -> str:
    size = data["bytes"] / 2**20
    memory = f"{size / 1024:.1f} GiB" if size >= 1024 else f"{size:.0f} MiB"
    networks, lanes = count(data["members"], "network"), count(data["lanes"], "lane")
    if data["platform"] != "cpu":
        lanes = f"{count(data['lanes'], data['platform'].upper())}, {data['chunk']:,} networks a call"
    return (
        f"Budget {data['budget']}: about {networks}, up to {data['steps']:,} steps each, "
        f"{count(data['structures'], 'structure')} to choose from, {lanes}, {memory}."
    )


def _round(data: dict[str, Any]) -> str:
    moved = [f"{how} {', '.join(data[how])}" for how in ("narrowed", "widened") if data[how]]
    return f"Round {data['round']}, {count(data['members'], 'network')}: " + (
        "; ".join(moved) or "no range moved"
    )


_STAGES: dict[str, dict[str, Any]] = {
    "forecast": {"stage": "compiling the first programs"},
    "ensemble": {"stage": "ensemble chosen; final exam", "share": 1.0},
}
_LINES = {"data": _data, "forecast": _forecast, "round": _round, "note": lambda data: data["text"]}
