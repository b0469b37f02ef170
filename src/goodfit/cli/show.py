"""The final table of a run, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from goodfit.cli.output import command, count, interval
from goodfit.errors import RunFolderError
from goodfit.report.words import (
    LOWER_IS_BETTER,
    NO_EFFECTS,
    baselines,
    compared,
    difference,
    hardly_trained,
    how_sure,
    options,
)
from goodfit.search.story import read_story
from goodfit.store.run import RunFolder

_MOST_MEMBERS, _MOST_EFFECTS = 5, 12
_SIGNS = {"good": "✓", "bad": "!", "open": "i"}  # as in the report
_WORTH = "What went with better scores, early in training"


def show_result(result: dict[str, Any], data: str | None = None, *, notes: bool = True) -> None:
    """Print a run's result: scores beside baselines, winner, ensemble, what techniques gave, files.

    ``data`` is what the run was made from, as the user named it; ``notes`` prints the notes, too.
    """
    console = Console(highlight=False)
    rows = result["rows"]
    of = f"{data}: " if data else ""
    folds = result["folds"]
    judges = f"{rows['valid']:,} to compare networks" + (f" ({folds} folds)" if folds else "")
    console.print(
        Text(f"{of}{result['task']}", style="bold"),
        f"{rows['train']:,} rows to train, {judges}, {rows['sealed']:,} sealed",
        sep="\n",
    )
    for note in result["notes"] if notes else ():
        console.print(Text(f"  {note}", style="dim"))
    console.print(score_table(result))
    for said in compared(result, "test" if result["test"] else "validation"):
        console.print(Padding(Text(f"{_SIGNS[said.kind]} {said.text}"), (0, 0, 0, 2)))
    console.print(Text(_about_scores(result)), end="\n\n")
    if len(result["ledger"]) > 1:
        block(console, "Ledger of the sealed rows", list(map(_opening, result["ledger"])))
    block(console, "Winner", [result["winner"]["text"]])
    block(
        console,
        f"Ensemble of {count(len(result['ensemble']), 'network')}" + (f" × {folds} folds" if folds else ""),
        members(result["ensemble"]),
    )
    block(console, "Searched", _searched(result))
    block(console, "How sure is the ranking of single networks?", how_sure(result.get("ranking")))
    if result["contributions"]:
        console.print(_effects(result["contributions"]), end="\n\n")
    else:
        block(console, _WORTH, [NO_EFFECTS])
    _files(result)


def _searched(result: dict[str, Any]) -> list[str]:
    """Return what the search did, a warning first if it ended too soon."""
    diverged = (
        f", {result['diverged']:,} of them diverged (ranked last, in no ensemble)"
        if result["diverged"]
        else ""
    )
    programs = count(result["compilations"], "program")
    searched = (
        f"{count(result['members'], 'network')} in {result['seconds']:.0f} s, {programs} compiled{diverged}"
    )
    lines = [*_hardly_trained(result), searched]
    if result["settled"]:
        lines.append(
            "Ended before its budget: the last rounds gained no more than noise. More: goodfit study extend."
        )
    return lines


def _hardly_trained(result: dict[str, Any]) -> list[str]:
    """Return the warning of `goodfit.report.words.hardly_trained`, from the run's journal if it is there."""
    run = result["run"]
    try:
        found = hardly_trained(run, RunFolder(run).config(), result, read_story(run))
    except RunFolderError:
        return []
    return [f"{_SIGNS[said.kind]} {said.text}" for said in found]


def score_table(result: dict[str, Any]) -> Table:
    """Return the scores of a model and its baselines, each with its interval, as a table."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in (result["metric"], "validation", "sealed test"):
        table.add_column(name)
    test = result["test"]
    table.add_row(
        "this model", interval(result["validation"]), interval(test) if test else "not opened", style="bold"
    )
    for name, found in baselines(result):
        parts = [interval(found[part]) if part in found else "" for part in ("validation", "test")]
        table.add_row(name, *parts)
    return table


def _about_scores(result: dict[str, Any]) -> str:
    better = ", lower is better" if result["metric"] in LOWER_IS_BETTER else ""
    chosen_by = "The validation rows chose the networks"
    if result["folds"]:
        chosen_by = "Each row judged networks that had not seen it, and yet chose among them"
    text = (
        f"In brackets: 95 % intervals{better}. {chosen_by}, so their score flatters; the sealed rows have "
        "chosen nothing."
    )
    if result["test"]:
        times = result["test"]["opened"]
        return (
            f"{text} The sealed rows were opened "
            f"{'once, for this exam' if times == 1 else f'{times} times; this exam was the last'}."
        )
    return text


def _opening(found: dict[str, Any]) -> str:
    score = f"{found['metric']} {interval(found)}" if "score" in found else "no score: the exam was cut short"
    return f"{found['number']}. {found['time']}, model {found['model'][:8]}: {score} ({found['reason']})"


def members(ensemble: list[dict[str, Any]]) -> list[str]:
    """Return a line for each network: its weight, and its recipe."""
    lines = [f"{float(member['weight']):.2f} × {member['text']}" for member in ensemble[:_MOST_MEMBERS]]
    more = len(ensemble) - _MOST_MEMBERS
    return [*lines, f"and {more} more (--json lists all)"] if more > 0 else lines


def block(console: Console, title: str, lines: list[str]) -> None:
    """Print a title and indented lines below it."""
    console.print(Text(title, style="bold"))
    for line in lines:
        console.print(Padding(Text(line), (0, 0, 0, 2)))
    console.print()


def _effects(contributions: list[dict[str, Any]]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{_WORTH} (above 0: better with it)",
        title_justify="left",
        title_style="bold",
    )
    for name in ("technique", "option", "difference, 95 % interval", "networks"):
        table.add_column(name, justify="right" if name == "networks" else "left")
    for found in contributions[:_MOST_EFFECTS]:
        sure = float(found["low"]) > 0 or float(found["high"]) < 0
        cells = (found["technique"], options(found), difference(found), str(found["members"]))
        table.add_row(*map(Text, cells), style="" if sure else "dim")
    return table


def _files(result: dict[str, Any]) -> None:
    """Print paths and commands plainly: a line that is wrapped cannot be copied."""
    run = result["run"]
    typer.echo(f"Model:    {result['model']}")
    if Path(run, "report.html").exists():
        typer.echo(f"Report:   {Path(run, 'report.html')}")
    typer.echo(f"Predict:  {command('goodfit', 'predict', run)} DATA")
    if result.get("interrupted"):
        typer.echo("Interrupted before its budget was spent, so no exam was held: the same command goes on.")
    elif not result["test"]:
        typer.echo(
            f"Exam:     {command('goodfit', 'unseal', run)}   (opens the sealed rows; written in its ledger)"
        )
    else:
        typer.echo(f"Refit:    {command('goodfit', 'refit', run)}   (trains it on all rows, sealed ones too)")
