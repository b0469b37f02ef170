"""What the terminal shows: progress on stderr while a job runs, the result on stdout at its end."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from goodfit.job import Event


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on stdout; what is not a number there is null."""
    print(json.dumps(_plain(value), sort_keys=True))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and value != value else value


class Progress:
    """Shows a job's events on stderr: notes as lines, and on a terminal a live line of progress."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self.live = None
        if self.console.is_terminal and not quiet:
            self.live = Live(console=self.console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Progress:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *caught: object) -> None:
        if self.live:
            self.live.stop()

    def tell(self, event: Event) -> None:
        """Show an event."""
        if self.quiet:
            return
        if event.kind == "progress":
            if self.live:
                self.live.update(_progress_line(event.data))
            return
        line = _LINES.get(event.kind, lambda data: "")(event.data)
        if line:
            self.console.print(escape(line), style="dim" if event.kind == "note" else None)


def _progress_line(data: dict[str, Any]) -> Table:
    line = Table.grid(padding=(0, 2))
    best = data["best"]
    shown = f"best {best['score']:.4f}  {best['text']}" if best else "no result yet"
    counted = f"{data['members']} networks" + (f", {data['diverged']} diverged" if data["diverged"] else "")
    line.add_row(
        ProgressBar(total=1.0, completed=data["share"], width=24),
        f"{data['seconds']:.0f} s",
        counted,
        escape(shown),
        escape(data["stage"]),
    )
    return line


def _data_line(data: dict[str, Any]) -> str:
    classes = f" of {len(data['classes'])} classes" if data["classes"] else ""
    columns = f"{data['columns']} columns as " if data["columns"] else ""
    return (
        f"{data['name']}: {data['task']}{classes}, target {data['target']!r}, measured by {data['metric']}. "
        f"{data['rows']} rows ({data['train']} train, {data['valid']} validate, {data['sealed']} sealed), "
        f"{columns}{data['features']} inputs."
    )


def _forecast_line(data: dict[str, Any]) -> str:
    return (
        f"Budget {data['budget']}: about {data['members']} networks, {data['structures']} possible structures, "
        f"{data['steps']} steps for a full run, {data['lanes']} at once, {data['bytes'] / 2**20:.0f} MiB."
    )


def _round_line(data: dict[str, Any]) -> str:
    widened = f" Widened: {'; '.join(data['widened'])}." if data["widened"] else ""
    return f"Round {data['round']}: {data['members']} networks so far.{widened}"


_LINES = {
    "note": lambda data: data["text"],
    "data": _data_line,
    "forecast": _forecast_line,
    "round": _round_line,
    "ensemble": lambda data: f"Ensemble of {data['members']}: {data['score']:.4f} on validation rows.",
    "exam": lambda data: f"Final exam on sealed rows: {_interval(data)}.",
}


def _interval(score: dict[str, Any] | None) -> str:
    if score is None:
        return "sealed"
    return f"{score['score']:.4f} [{score['low']:.4f}, {score['high']:.4f}]"


def print_result(result: dict[str, Any]) -> None:
    """Print the final table on stdout."""
    console = Console(highlight=False, soft_wrap=True, file=sys.stdout)
    table = Table(title=f"{result['task']}, {result['metric']} with 95 % intervals", title_justify="left")
    for heading in ("", "validation", "sealed test"):
        table.add_column(heading)
    table.add_row("goodfit", _interval(result["validation"]), _interval(result["test"]), style="bold")
    for name, scores in result["baselines"].items():
        table.add_row(name, _interval(scores["validation"]), _interval(scores.get("test")))
    console.print(table)
    console.print(f"Winner: {escape(result['winner']['text'])}")
    if len(result["ensemble"]) > 1:
        console.print(f"Ensemble of {len(result['ensemble'])} networks; the winner has the largest weight.")
    console.print(
        f"{result['members']} networks in {result['seconds']:.0f} s, {result['diverged']} diverged, "
        f"{result['compilations']} programs compiled. The validation score chose the model and so flatters "
        "it; the sealed score does not."
    )
    _print_contributions(console, result)
    if result["test"] is None and not result["interrupted"]:
        console.print(f"The test set is still sealed. Open it with: goodfit unseal {escape(result['run'])}")
    console.print(f"Model: {escape(result['model'])}")
    console.print(f"Predict: goodfit predict {escape(result['model'])} DATA")


def _print_contributions(console: Console, result: dict[str, Any]) -> None:
    found = result["contributions"][:8]
    if not found:
        return
    table = Table(title="Networks with it against networks without, at equal steps", title_justify="left")
    for heading in ("technique", "option", "difference", "95 % interval", "networks"):
        table.add_column(heading)
    for one in found:
        interval = f"[{one['low']:+.4f}, {one['high']:+.4f}]"
        table.add_row(
            one["technique"],
            one["option"],
            f"{one['difference']:+.4f}",
            escape(interval),
            str(one["members"]),
        )
    console.print(table)
