"""``goodfit lab``: the chapter's comparisons, run, judged and drawn."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from goodfit.cli.ending import INTERRUPTED, interrupts_held_back

_Out = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="The folder for page, verdicts and records. Unless given: goodfit-runs/lab-NAME-HASH. "
        "Comparisons that it holds already are not run again.",
    ),
]
_Names = Annotated[list[str], typer.Argument(metavar="ID…", help="Which comparisons, or 'all'.")]
_Data = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help="Your own table or images, as for `goodfit fit`. Unless given: MNIST if GOODFIT_DATA has it, "
        "else scikit-learn's digits.",
    ),
]
_Target = Annotated[str | None, typer.Option(metavar="COL", help="The column to predict in DATA.")]
_Seeds = Annotated[
    int | None,
    typer.Option(metavar="N", help="Networks an arm; unless given 10, with --quick 3. Fewer tell nothing."),
]
_Quick = Annotated[bool, typer.Option("--quick", help="A first look: 3 seeds and a quarter of the updates.")]
_Chunk = Annotated[int | None, typer.Option(metavar="C", help="Networks a call; see `goodfit fit`.")]
_Lanes = Annotated[int | None, typer.Option(metavar="N", help="Calls at once; changes the time alone.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def lab_list(as_json: _AsJson = False) -> None:
    """List the comparisons: id, title, question."""
    from goodfit.cli.output import print_json
    from goodfit.lab.catalogue import IDS, comparison

    found = {name: comparison(name) for name in IDS}
    if as_json:
        print_json({name: {"title": one.title, "question": one.question} for name, one in found.items()})
        return
    for name, one in found.items():
        typer.echo(f"{name}  {one.title}{'' if one.title.endswith('?') else '.'} {one.question}")


def lab_run(
    names: _Names,
    data: _Data = None,
    target: _Target = None,
    seeds: _Seeds = None,
    quick: _Quick = False,
    out: _Out = None,
    chunk: _Chunk = None,
    lanes: _Lanes = None,
    as_json: _AsJson = False,
) -> None:
    """Run comparisons and judge them: every arm with every seed, paired, side by side.

    Leaves lab.html (one page that needs no network), verdicts.json, and a folder of records for each
    comparison. Ctrl-C keeps the comparisons that are done; the same command goes on with the rest.
    """
    with interrupts_held_back():
        from goodfit.cli.lab_live import lab_events
        from goodfit.cli.lab_show import show_verdicts
        from goodfit.cli.output import command, print_json
        from goodfit.events import first_interrupt
        from goodfit.lab.catalogue import chosen
        from goodfit.lab.data import default_data, load_data
        from goodfit.lab.run import QUICK_SEEDS, SEEDS, run_lab

    comparisons = chosen(names)
    rows = default_data() if data is None else load_data(data, target)
    count = seeds if seeds is not None else QUICK_SEEDS if quick else SEEDS
    folder = out or _default_out(rows, count, quick)
    words = ["goodfit", "lab", "run", "{id}", "--seeds", str(count), *(["--quick"] if quick else [])]
    words += [] if data is None else ["--data", data.replace("{", "{{").replace("}", "}}")]
    words += [] if target is None else ["--target", target.replace("{", "{{").replace("}", "}}")]
    with first_interrupt() as asked, lab_events(len(comparisons)) as tell:
        found = run_lab(
            comparisons,
            rows,
            folder,
            seeds=count,
            quick=quick,
            command=command(*words).replace("'{id}'", "{id}"),
            on_event=tell,
            should_stop=asked,
            chunk=chunk,
            lanes=lanes,
        )
    _tell(found, folder, as_json, print_json, show_verdicts, rows.notes)
    if quick and not as_json:
        typer.echo(f"This was a first look: full runs ({SEEDS} seeds, no --quick) tell more.")
    if found["interrupted"]:
        raise typer.Exit(INTERRUPTED)


def lab_draw(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The folder of a lab run.")],
    as_json: _AsJson = False,
) -> None:
    """Draw figures and page again from a lab's records, without training."""
    from goodfit.cli.lab_show import show_verdicts
    from goodfit.cli.output import print_json
    from goodfit.lab.run import publish

    _tell(publish(folder, redraw=True), folder, as_json, print_json, show_verdicts, ())


def _default_out(rows: Any, seeds: int, quick: bool) -> str:
    import hashlib

    key = hashlib.sha256(repr((rows.content, rows.own, seeds, quick)).encode()).hexdigest()[:8]
    return f"goodfit-runs/lab-{rows.name}-{key}"


def _tell(found: dict[str, Any], folder: str, as_json: bool, print_json: Any, show: Any, notes: Any) -> None:
    if as_json:
        print_json({**found, "out": folder})
    else:
        show(found, folder, notes)
