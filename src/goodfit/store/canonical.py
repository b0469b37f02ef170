"""JSON that is the same text for the same content: sorted keys, no spaces, ASCII, every float exact.

JSON knows no NaN and no infinity; they are kept as the texts "NaN", "Infinity" and "-Infinity" and come back
as floats. A text that reads like one of these is kept with a leading "~", so that nothing changes its type.
"""

from __future__ import annotations

import json
import math
from typing import Any

_NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def dumps(value: Any) -> str:
    """Return the JSON text of dicts, lists, tuples, texts, numbers (NumPy's too), booleans and None.

    Raises:
        TypeError: another type.
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def loads(text: str | bytes) -> Any:
    """Return what `dumps` was given, tuples as lists.

    Raises:
        ValueError: not JSON, a bare NaN, a key that occurs twice, nesting without end.
    """
    try:
        return restored(json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def plain(value: Any) -> Any:
    """Return the value in JSON types alone: NumPy's become Python's, non-finite floats become texts."""
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        value = value.tolist()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str) and value.lstrip("~") in _NOT_FINITE:
        return "~" + value
    return value


def restored(value: Any) -> Any:
    """Return what `plain` was given: texts for non-finite floats become floats again."""
    if isinstance(value, dict):
        return {k: restored(v) for k, v in value.items()}
    if isinstance(value, list):
        return [restored(v) for v in value]
    if isinstance(value, str) and value.lstrip("~") in _NOT_FINITE:
        return value[1:] if value.startswith("~") else float(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key occurs twice")
    return made


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
