"""Words and numbers in figures: fitted to their place."""

from __future__ import annotations

import math
import textwrap
from typing import Any

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ASPECT = 0.56  # mean width of DejaVu Sans ÷ its size


def plain(text: str) -> str:
    """Return a text on one line, without control characters."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in str(text)).split())


def shorten(text: str, most: int) -> str:
    """Return at most ``most`` characters; what is cut is told by an ellipsis."""
    text = plain(text)
    return text if len(text) <= most else text[: max(1, most - 1)].rstrip() + "…"


def wrapped(text: str, width: int, lines: int = 2) -> str:
    """Return a text in lines of at most ``width`` characters, cut by an ellipsis after ``lines``."""
    parts = textwrap.wrap(plain(text), max(2, width)) or [""]
    if len(parts) > lines:
        parts = [*parts[: lines - 1], shorten(" ".join(parts[lines - 1 :]), max(2, width))]
    return "\n".join(parts)


def fitted(text: str, inches: float, size: float, lines: int = 2) -> str:
    """Return a text wrapped and shortened to a place of this width, set in ``size`` points."""
    return wrapped(text, characters(inches, size), lines)


def characters(inches: float, size: float) -> int:
    """Return how many characters of ``size`` points stand side by side in a width."""
    return max(2, int(inches * 72 / (_ASPECT * size)))


def number(value: float) -> str:
    """Return a number with three telling digits and a true minus sign."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and not 1e-4 <= abs(value) < 1e6:
        return power_of_ten(value)
    return f"{float(f'{value:.3g}') + 0.0:,.10g}".replace("-", "−")


def power_of_ten(value: float) -> str:
    """Return a number with an exponent in raised digits: 3·10⁻⁷."""
    lead, power = f"{value:.2e}".split("e")
    lead = lead.rstrip("0").rstrip(".").replace("-", "−")
    raised = "10" + str(int(power)).translate(_RAISED)
    return {"1": raised, "−1": f"−{raised}"}.get(lead, f"{lead}·{raised}")


def digits(value: Any) -> str:
    """Return a score or difference: four decimals below 10, else five digits, whole from 100,000."""
    number = float(value)  # a recorded "NaN" too
    if 1e5 <= abs(number) < 1e12:
        return f"{number:,.0f}"
    return f"{_unsigned_zero(number):.4f}" if abs(number) < 10 else f"{number:.5g}"


def change(value: Any) -> str:
    """Return a difference with its sign and four decimals: ``+0.0123``."""
    return f"{_unsigned_zero(float(value)):+.4f}"


def _unsigned_zero(value: float) -> float:
    """Return a number rounded to four decimals, 0 where that would be −0."""
    return round(value, 4) + 0.0


def interval(found: dict[str, Any], key: str = "score") -> str:
    """Return ``0.9778 [0.9560, 0.9889]``; where no interval is known, the reason."""
    if not all(math.isfinite(float(found[end])) for end in ("low", "high")):
        return f"{digits(found[key])} (no interval: too few rows)"
    return f"{digits(found[key])} [{digits(found['low'])}, {digits(found['high'])}]"


def unbroken(found: dict[str, Any], key: str = "score") -> str:
    """Return the same as `interval`, whose brackets stay on one line."""
    return interval(found, key).replace(", ", ",\u00a0")


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 network`` or ``1,200 networks``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
