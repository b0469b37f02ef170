"""The table of verdicts, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_STYLE = {"holds": "green", "does": "red", "cannot": "yellow"}


def show_verdicts(found: dict[str, Any], folder: str, notes: Sequence[str] = ()) -> None:
    """Print each comparison's claims with what the data say and the verdict, and where the page is."""
    console = Console(highlight=False)
    for note in notes:
        console.print(Text(note, style="dim"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, ratio in (("", 1), ("claim", 10), ("what the data say", 12), ("verdict", 4)):
        table.add_column(name, ratio=ratio, overflow="fold")
    for one in found["comparisons"].values():
        if "skipped" in one:
            table.add_row(one["id"], Text("left out", style="dim"), Text(one["skipped"], style="dim"), "")
        for place, claim in enumerate(one["claims"]):
            verdict = claim["verdict"]
            style = _STYLE[verdict.split()[0]]
            table.add_row(
                one["id"] if place == 0 else "",
                Text(claim["says"]),
                Text(claim["found"]),
                Text(verdict, style=style),
            )
    console.print(Padding(table, (0, 0, 1, 0)))
    drawn = max(
        (c["corrected_for"] for one in found["comparisons"].values() for c in one["claims"]), default=0
    )
    if drawn:
        console.print(
            Text(
                f"95 % intervals over seeds, corrected for {drawn} claims. {found['seconds']:.0f} s of "
                f"training."
            )
        )
    if found.get("interrupted"):
        console.print(Text("Interrupted: the same command goes on with what is missing.", style="yellow"))
    console.print(Text(f"Page: {folder}/lab.html"))
