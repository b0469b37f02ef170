"""``goodfit inspect``: what a model file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from goodfit.data.column import Column
    from goodfit.data.schema import Schema

_MOST_COLUMNS = 40
_PARTS = {"train": "to train", "valid": "to compare networks", "sealed": "sealed"}


def inspect(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model.safetensors, or the folder of a run.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say what MODEL is: what it predicts, from which columns, how it was trained, how it scored.

    Also told: how often the sealed test rows were opened before the model was written.
    """
    from rich.console import Console
    from rich.text import Text

    from goodfit.cli.output import count, print_json
    from goodfit.cli.show import block, members, score_table
    from goodfit.model.file import load_model

    loaded = load_model(model)
    found = loaded.inspect()
    if as_json:
        print_json(found)
        return
    console = Console(highlight=False)
    console.print(Text(f"{found['task']} of {found['target']!r}", style="bold"))
    if found["classes"]:
        classes = ", ".join(map(repr, found["classes"][:12])) + (", …" if len(found["classes"]) > 12 else "")
        console.print(Text(f"{count(len(found['classes']), 'class', 'classes')}: {classes}"))
    if "baselines" in found:
        console.print(score_table(found))
        console.print(Text(_opened(found["openings"])))
    console.print()
    block(console, f"Ensemble of {count(len(found['members']), 'network')}", members(found["members"]))
    block(console, *_columns(loaded.schema))
    if found["left_out"]:
        block(console, "Left out", [f"{name!r}: {reason}" for name, reason in found["left_out"]])
    block(console, "Trained", _trained(found))


def _opened(times: int) -> str:
    if not times:
        return "The sealed rows had not been opened when this file was written."
    often = "once" if times == 1 else f"{times} times"
    return f"The sealed rows had been opened {often} when this file was written."


def _columns(schema: Schema) -> tuple[str, list[str]]:
    """Return a title and a line for each column: its kind, and how it is encoded."""
    if schema.image_shape is not None:
        size = " × ".join(map(str, schema.image_shape))
        return "Input", [f"images of {size} pixels, 0 to {schema.pixel_max}"]
    shown = [f"{column.name!r}: {_encoding(column)}" for column in schema.inputs[:_MOST_COLUMNS]]
    more = len(schema.inputs) - len(shown)
    title = f"{len(schema.inputs)} columns, {schema.width} numbers a row"
    return title, [*shown, f"and {more} more (--json names all)"] if more > 0 else shown


def _encoding(column: Column) -> str:
    if column.kind == "category":
        each = "+1 or −1" if len(column.features) == 1 else f"{len(column.features)} numbers, 0 or 1"
        form = "a code, embedded" if column.coded else each
        return f"category, {len(column.categories)} known values, as {form}"
    if column.kind == "boolean":
        return "boolean"
    parts = [f"mean {column.center:.4g}, deviation {column.scale:.4g}"]
    parts += ["its rank beside it"] * bool(column.quantiles) + ["missing in some rows"] * column.missing
    return f"{column.kind}, {', '.join(parts)}"


def _trained(found: dict[str, Any]) -> list[str]:
    rows, versions = found.get("rows", {}), found.get("versions", {})
    lines = [", ".join(f"{rows[part]:,} rows {what}" for part, what in _PARTS.items() if part in rows)]
    lines.append(", ".join(f"{name} {version}" for name, version in versions.items()))
    return [line for line in lines if line] or ["not recorded"]
