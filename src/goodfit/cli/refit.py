"""``goodfit refit``: a run's ensemble, trained again on all rows."""

from __future__ import annotations

from typing import Annotated

import typer


def refit(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The folder of a finished `goodfit fit`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train a run's ensemble again on all rows, the sealed ones too.

    Writes refit.safetensors beside the run's model. Its score stays that of the exam, because no row is
    left to measure it on.
    """
    from goodfit.cli.live import live_events
    from goodfit.cli.output import command, count, print_json
    from goodfit.rerun import refit as run_refit

    with live_events() as tell:
        found = run_refit(run, on_event=tell)
    if as_json:
        print_json(found)
        return
    networks, rows = count(found["members"], "network"), count(found["rows"], "row")
    typer.echo(f"{networks} trained again on all {rows}. The score stays that of the exam.")
    typer.echo(f"Model:    {found['model']}")
    typer.echo(f"Predict:  {command('goodfit', 'predict', found['model'])} DATA")
