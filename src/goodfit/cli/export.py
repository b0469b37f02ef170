"""``goodfit export``: a model in another format, checked against itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model.safetensors, or the folder of a run.")
    ],
    onnx: Annotated[
        str, typer.Option("--onnx", metavar="FILE", help="Write to this file; its name ends in .onnx.")
    ],
    check: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Compare the answers for these rows, not for made-up ones."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Write MODEL as ONNX: preparation of the columns, every network, and probabilities in one file.

    The answers that onnxruntime gives are compared with the model's own, and the largest difference told.
    Needs `pip install 'goodfit[onnx]'`.
    """
    from dataclasses import replace

    from goodfit.cli.output import print_json
    from goodfit.data.read import read_table
    from goodfit.errors import InputError, must_be
    from goodfit.model.file import load_model
    from goodfit.model.onnx_file import compare_onnx, example_rows, onnx_bytes
    from goodfit.store.atomic import write_bytes

    path = Path(onnx)
    if path.suffix.lower() != ".onnx":
        raise must_be("--onnx", "a file ending in .onnx", onnx)
    if not path.resolve().parent.is_dir():
        raise InputError(f"--onnx {onnx}: there is no folder {path.resolve().parent}; make it first.")
    loaded = load_model(model)
    rows = example_rows(loaded.schema, 1000) if check is None else replace(read_table(check), name=check)
    content = onnx_bytes(loaded)
    found = compare_onnx(loaded, content, rows)
    write_bytes(path, content)
    if as_json:
        print_json({"model": model, "onnx": onnx, "bytes": len(content), "data": check, **found})
        return
    what = "made-up rows" if check is None else f"rows of {check}"
    typer.echo(f"Wrote {onnx} ({len(content) / 1e6:.2f} MB, opset 20).")
    unit = "in standard deviations of the target" if "others" not in found else "of the probabilities"
    typer.echo(f"Largest difference {unit} for {found['rows']:,} {what}: {found['largest']:.1e}.")
    if found.get("others"):
        typer.echo(f"Another label: {found['others']} rows, {found['close']} of them as good as tied.")
