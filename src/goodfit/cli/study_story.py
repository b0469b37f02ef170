"""A study, for people."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from goodfit.cli.output import count, digits
from goodfit.cluster.attempts import attempts_in_words
from goodfit.errors import InputError
from goodfit.report.words import ROUND_HEAD, ranks_by_error, reached, round_rows
from goodfit.search.story import Story

MOST_TRIALS, MOST_FAILURES = 10, 8


def show_story(run: str, config: dict[str, Any], story: Story, result: dict[str, Any] | None) -> None:
    """Print a study's rounds, what moved, its best trials, its failures."""
    console = Console(highlight=False)
    more = "".join(
        f" + {e['budget']}" + (" in another space" if e["space"] else "")
        for e in config.get("extensions", [])
    )
    state = "finished" if result else "searched, not concluded" if story.ended else "not finished"
    console.print(Text(f"{run}: {state}", style="bold"))
    began = count(len(story.trials), "trial")
    console.print(f"Budget {config['budget']}{more}; {story.seconds:.0f} s so far, {began} begun.")
    if told := attempts_in_words(run):
        console.print(told)
    if story.settled:
        console.print("It ended before its budget: the last rounds gained no more than noise.")
    console.print(_table("Rounds", ROUND_HEAD, round_rows(story)))
    moved = story.regions()
    if moved:
        console.print(_table("What moved", ("place", "at first", "at last"), moved))
    else:
        console.print("No range has moved yet.\n")
    metric = (result or {}).get("metric") or config.get("identity", {}).get("metric")
    console.print(_best(story, ranks_by_error({"metric": metric})))
    wrecks = [t for one in story.rounds for t in one.diverged]
    if wrecks:
        rows = [(str(t["number"]), t["result"], t["text"]) for t in wrecks[:MOST_FAILURES]]
        title = f"Diverged: {len(wrecks)} of {len(story.trials)} (ranked last)"
        console.print(_table(title, ("trial", "result", "what it was"), rows))


def draw_story(story: Story, folder: str) -> tuple[Path, Path]:
    """Draw where the search looked, round by round, into ``folder``; return the figure's two files.

    Raises:
        InputError: no range was searched, so there is nothing to draw.
        RunFolderError: the folder cannot be written to.
    """
    from goodfit.report.figures import BoxRound, boxes, save

    paths = list(dict.fromkeys(path for one in story.rounds for path in one.region["ranges"]))
    places = {}
    for path in paths:
        found = []
        for one in story.rounds:
            low, high = one.region["ranges"].get(path, (math.nan, math.nan))
            drawn = [t for t in one.trials.values() if path in t["point"]]
            values = np.array([t["point"][path] for t in drawn], float)
            found.append(
                BoxRound(low, high, values, np.array([reached(t) for t in drawn], float), one.harvest)
            )
        if any(len(one.values) and one.low < one.high for one in found):
            places[path] = found
    if not places:
        raise InputError("This search had no range to draw.")
    logs = [path for one in story.rounds for path in one.region["log"]]
    best = next(
        (
            (i, t["point"])
            for t in story.ranked()
            for i, one in enumerate(story.rounds)
            if t["number"] in one.trials
        ),
        None,
    )
    return save(boxes(places, logs=logs, best=best), folder, "boxes")


def _best(story: Story, by_error: bool) -> Table:
    rows = [
        (
            str(t["number"]),
            digits(t["error"]),
            digits(t["loss"]),
            f"{t['step']:,}",
            t["text"],
            _values(t["point"]),
        )
        for t in story.ranked(by_error)[:MOST_TRIALS]
    ]
    head = ("trial", "error", "loss", "step", "what it was", "values")
    measure = "error" if by_error else "loss"
    return _table(f"Best trials by their {measure}, on validation rows that have chosen them", head, rows)


def _values(point: dict[str, float]) -> str:
    numbers = {path: value for path, value in point.items() if isinstance(value, float)}
    return ", ".join(f"{path.rsplit('.', 1)[-1]} {value:.3g}" for path, value in numbers.items())


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        collapse_padding=True,
        pad_edge=False,
    )
    for name in head:
        table.add_column(name)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
