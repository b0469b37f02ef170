"""What every command prints with: JSON on stdout, numbers and commands in words."""

from __future__ import annotations

import json
import math
import shlex
from typing import Any

import typer

from goodfit.report import text

digits, interval, count = text.digits, text.interval, text.count  # the page's words, too


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


def command(*words: str) -> str:
    """Return a command that can be copied into a shell."""
    return shlex.join(words)
