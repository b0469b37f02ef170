"""``goodfit unseal``: the final exam of a run that was kept sealed."""

from __future__ import annotations

from typing import Annotated

import typer


def unseal(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The folder of a `goodfit fit --keep-sealed`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Hold the final exam of a run that was kept sealed.

    Examines its model on the sealed rows and shows the result with that score. The opening is written to
    the run's ledger first; examining the same model again is the same opening.
    """
    from goodfit.cli.live import live_events
    from goodfit.cli.output import print_json
    from goodfit.cli.report import try_report
    from goodfit.cli.show import show_result
    from goodfit.rerun import unseal as run_unseal

    with live_events() as tell:
        result = run_unseal(run, on_event=tell)
    try_report(result, run)
    if as_json:
        print_json(result)
    else:
        show_result(result)
