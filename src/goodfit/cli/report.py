"""``goodfit report``: the page of a run, drawn from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The folder of a `goodfit fit`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Write report.html of a run anew and print its path.

    Draws from the run's records alone: trains nothing, predicts nothing, reads no data. The page stands alone
    and opens without a network. What the records lack is left out, and the page says so. A run that was
    stopped has a page, too, with what there is.
    """
    from goodfit.cli.output import print_json

    path, left_out = write_report(run)
    if as_json:
        print_json({"run": run, "report": path, "left_out": left_out})
        return
    typer.echo(path)
    for title, reason in left_out.items():
        typer.echo(f"Left out: {title}. {reason}", err=True)


def write_report(run: str, result: dict[str, Any] | None = None) -> tuple[str, dict[str, str]]:
    """Write a run's page if it differs from the one there; return its path, and what was left out and why.

    ``result`` is what the run has just found, unless the records tell.

    Raises:
        RunFolderError: there is no run, its configuration is damaged, or the folder cannot be written.
    """
    from goodfit.report.fit_page import fit_parts, page_of
    from goodfit.report.records import read_records
    from goodfit.store.atomic import write_text
    from goodfit.store.run import RunFolder

    target = RunFolder(run).report
    records = read_records(run, result)
    parts = fit_parts(records)
    page = page_of(records, parts)
    try:
        same = target.read_bytes() == page.encode()
    except OSError:
        same = False
    if not same:
        write_text(target, page)
    return str(target), {part.title: part.left_out for part in parts if part.left_out}


def try_report(result: dict[str, Any], run: str | None = None) -> None:
    """Write the page of a run that has just ended; where that fails, say why and go on: the run is done.

    A finished run that is only shown again keeps the page that it has.
    """
    from goodfit.errors import RunFolderError
    from goodfit.store.run import RunFolder

    folder = RunFolder(run or result["run"])
    try:
        if result["interrupted"] or not _drawn(folder.report, folder.fingerprint()):
            write_report(str(folder.path), result)
    except RunFolderError as error:
        typer.echo(f"No report was written: {error}", err=True)


def _drawn(page: Path, fingerprint: str) -> bool:
    """Tell whether a page is that of the run's end, which it names."""
    try:
        return bool(fingerprint) and fingerprint.encode() in page.read_bytes()
    except OSError:
        return False
