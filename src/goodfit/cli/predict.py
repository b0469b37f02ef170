"""``goodfit predict``: a model's answers for new rows, as CSV, Parquet or JSON."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from goodfit.data.table import Table
    from goodfit.model.model import Model

_FORMATS = (".csv", ".parquet")
_Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Rows as `goodfit fit` reads them; the target may be absent. Images may lie in any folder, or "
        "be one PNG or JPEG file.",
    ),
]


def predict(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model.safetensors, or the folder of a run.")
    ],
    data: _Data,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write to this .csv or .parquet file instead of stdout."),
    ] = None,
    proba: Annotated[
        bool, typer.Option("--proba", help="Add the probability of each class, in columns named p(CLASS).")
    ] = False,
    with_input: Annotated[
        bool,
        typer.Option(
            "--with-input", help="Put the columns of DATA, as they stand there, before the answers."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Predict each row of DATA, in its order.

    Prints CSV with the column `prediction`; for image files the column `file` before it says where each lies
    below DATA. Floats are written so that reading them gives the same bits.
    Values that the model has never seen are counted on stderr.
    """
    from dataclasses import replace

    from goodfit.cli.output import print_json
    from goodfit.data.read import read_new
    from goodfit.model.file import load_model

    _check_out(out)
    loaded = load_model(model)
    table = replace(read_new(data), name=data)
    columns = _columns(loaded, table, proba)
    if with_input:
        columns = _beside_input(columns, data, table)
    unseen = loaded.schema.unseen(table)
    for name, cells in unseen.items():
        typer.echo(f"Column {name!r}: {cells} of {table.rows} values were not seen in training.", err=True)
    if sys.stderr.isatty():
        for note in table.notes:
            typer.echo(note, err=True)
    if out is not None:
        _write(Path(out), columns)
    if as_json:
        shown = {} if out is not None else {"columns": columns}
        print_json({"model": model, "data": data, "rows": table.rows, "out": out, "unseen": unseen, **shown})
    elif out is None:
        typer.echo(_as_csv(columns), nl=False)


def _check_out(out: str | None) -> None:
    """Refuse a bad --out before anything is computed."""
    from goodfit.errors import InputError, must_be

    if out is not None and not out.lower().endswith(_FORMATS):
        raise must_be("--out", "a file ending in .csv or .parquet", out)
    if out is not None and not Path(out).resolve().parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {Path(out).resolve().parent}; make it first.")


def _columns(model: Model, table: Table, proba: bool) -> dict[str, list[Any]]:
    """Return the columns to write: files if there are any, prediction, and with ``proba`` one a class."""
    columns: dict[str, list[Any]] = {"file": list(table.files)} if table.files else {}
    columns["prediction"] = model.predict(table).tolist()
    if proba:
        probabilities = model.predict_proba(table)
        columns |= {f"p({label})": probabilities[:, i].tolist() for i, label in enumerate(model.classes)}
    return columns


def _beside_input(columns: dict[str, list[Any]], data: str, table: Table) -> dict[str, list[Any]]:
    """Return the columns of the input, then those of the answers."""
    from goodfit.data.read import columns_as_given
    from goodfit.errors import InputError

    given = columns_as_given(data, table)
    if not given:
        raise InputError(f"--with-input is for tables: {data} has no columns.")
    twice = [name for name in columns if name in given]
    if twice:
        raise InputError(
            f"--with-input: {data} has a column {twice[0]!r} of its own: rename it, or leave the option out."
        )
    return given | columns


def _as_csv(columns: dict[str, list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))  # floats as repr writes them: exact
    return text.getvalue().encode()


def _write(path: Path, columns: dict[str, list[Any]]) -> None:
    from goodfit.store.atomic import write_bytes

    if path.suffix.lower() == ".csv":
        write_bytes(path, _as_csv(columns))
        return
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    write_bytes(path, buffer.getvalue())
