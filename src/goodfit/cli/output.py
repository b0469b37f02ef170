"""What every command prints with: JSON on stdout, numbers and commands in words."""

from __future__ import annotations

import json
import math
import shlex
from typing import Any

import typer


def print_json(value: Any) -> None:
    """Print one JSON object on stdout; numbers that are not finite become the texts NaN and Infinity."""
    typer.echo(json.dumps(_speakable(value), indent=1))


def _speakable(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _speakable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_speakable(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def digits(value: Any) -> str:
    """Return a score or difference as text: four decimals below 10, else five digits."""
    number = float(value)  # a recorded "NaN" too
    return f"{number:.4f}" if abs(number) < 10 else f"{number:.5g}"


def interval(found: dict[str, Any], key: str = "score") -> str:
    """Return ``0.9778 [0.9560, 0.9889]``."""
    return f"{digits(found[key])} [{digits(found['low'])}, {digits(found['high'])}]"


def command(*words: str) -> str:
    """Return a command that can be copied into a shell."""
    return shlex.join(words)


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 network`` or ``1,200 networks``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
