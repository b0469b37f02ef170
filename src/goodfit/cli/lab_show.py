"""The verdicts of a lab run, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_STYLE = {"holds": "green", "does": "red", "cannot": "yellow"}


def show_verdicts(found: dict[str, Any], folder: str, notes: Sequence[str] = ()) -> None:
    """Print each comparison's claims with verdict and what the data say, and where the page is."""
    console = Console(highlight=False)
    for note in notes:
        console.print(Text(note, style="dim"))
    for one in found["comparisons"].values():
        console.print(Text(f"\n{one['id']}  {one.get('title', '')}".rstrip(), style="bold"))
        if "skipped" in one:
            console.print(Padding(Text(one["skipped"], style="dim"), (0, 0, 0, 4)))
        else:
            console.print(Padding(_claims(one["claims"]), (0, 0, 0, 4)))
    claims = [claim for one in found["comparisons"].values() for claim in one["claims"]]
    drawn = max((claim["corrected_for"] for claim in claims), default=0)
    if drawn:
        took = f"{found['seconds']:.0f} s of training"
        console.print(Text(f"\n95 % intervals over seeds, corrected for {drawn} claims; {took}."))
    if found.get("interrupted"):
        console.print(Text("Interrupted: the same command goes on with what is missing.", style="yellow"))
    console.print(Text(f"Page: {folder}/lab.html"))


def _claims(claims: Sequence[dict[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=13, max_width=13)
    table.add_column(overflow="fold")
    for claim in claims:
        verdict = claim["verdict"]
        words = Text(claim["says"])
        words.append(f"\n{claim['found']}", style="dim")
        table.add_row(Text(verdict.split(" at ")[0], style=_STYLE[verdict.split()[0]]), words)
    return table
