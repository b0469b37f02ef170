"""``goodfit unseal`` and ``goodfit refit``: what is done with a finished run."""

from __future__ import annotations

from typing import Annotated

import typer

_RUN = typer.Argument(help="The folder of a run.")
_JSON = typer.Option("--json", help="Print one JSON object on stdout and nothing else.")


def unseal(run: Annotated[str, _RUN], json: Annotated[bool, _JSON] = False) -> None:
    """Examine a run's model on its sealed test set; the opening is written to the run's ledger."""
    from goodfit.cli.show import Progress, print_json, print_result
    from goodfit.rerun import unseal as open_seal

    with Progress(quiet=json) as progress:
        result = open_seal(run, on_event=progress.tell)
    print_json(result) if json else print_result(result)


def refit(run: Annotated[str, _RUN], json: Annotated[bool, _JSON] = False) -> None:
    """Train a run's winner again on all rows, sealed ones too; its score stays the exam's."""
    from goodfit.cli.show import Progress, print_json
    from goodfit.rerun import refit as train_again

    with Progress(quiet=json) as progress:
        result = train_again(run, on_event=progress.tell)
    if json:
        print_json(result)
    else:
        typer.echo(f"{result['members']} networks trained again on {result['rows']} rows: {result['model']}")
