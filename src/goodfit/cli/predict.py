"""``goodfit predict``: a model and a table in, predictions out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def predict(
    model: Annotated[str, typer.Argument(help="A model.safetensors, or the folder of a run.")],
    data: Annotated[
        str, typer.Argument(help="The rows: whatever `goodfit fit` reads; the target may be absent.")
    ],
    out: Annotated[
        str | None, typer.Option(help="A .csv or .parquet file; CSV on stdout unless given.")
    ] = None,
    proba: Annotated[
        bool, typer.Option("--proba", help="Add a column of probabilities for each class.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print {prediction: [...], ...} on stdout instead.")
    ] = False,
) -> None:
    """Predict every row of DATA, in order."""
    from goodfit.data.read import read_table
    from goodfit.errors import InputError, must_be
    from goodfit.model.file import load_model

    if out is not None and Path(out).suffix not in (".csv", ".parquet"):
        raise must_be("--out", "a .csv or .parquet file", out)
    if out is not None and not Path(out).absolute().parent.is_dir():
        raise InputError(f"The folder of --out {out} does not exist: make it first.")
    loaded = load_model(model)
    table = read_table(data)
    columns: dict[str, Any] = {"prediction": loaded.predict(table)}
    if proba:
        found = loaded.predict_proba(table)
        columns |= {f"p({label})": found[:, k] for k, label in enumerate(loaded.classes)}
    for name, count in loaded.schema.unseen(table).items():
        typer.echo(f"{count} rows have a value of {name!r} that training never saw.", err=True)
    if json:
        from goodfit.cli.show import print_json

        print_json({name: values.tolist() for name, values in columns.items()})
    elif out is None:
        _write_csv(columns, sys.stdout)
    else:
        _write_file(columns, Path(out))


def _write_csv(columns: dict[str, Any], file: Any) -> None:
    import csv

    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        zip(*(values.tolist() for values in columns.values()), strict=True)
    )  # floats: repr, exact


def _write_file(columns: dict[str, Any], path: Path) -> None:
    import io

    from goodfit.store.atomic import write_bytes, write_text

    if path.suffix == ".parquet":
        import pandas as pd

        buffer = io.BytesIO()
        pd.DataFrame(columns).to_parquet(buffer)
        write_bytes(path, buffer.getvalue())
        return
    text = io.StringIO()
    _write_csv(columns, text)
    write_text(path, text.getvalue())
