"""Axes: ticks that say plain numbers, and limits that one run-away value does not decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from goodfit.report.text import power_of_ten

if TYPE_CHECKING:
    from matplotlib.axis import Axis

_FEW_PLACES, _APART = 8, 0.1  # so few places are ticks themselves, if this share of the axis apart


def decimal(value: float, _place: int | None = None) -> str:
    """Return a tick of a log axis: 0.001 … 10,000 in plain decimals, beyond as 10⁻⁶."""
    if value <= 0 or not math.isfinite(value):
        return ""
    if not 1e-4 < value < 1e5:
        return power_of_ten(value)
    return f"{float(f'{value:.2g}' if value < 10 else f'{value:.4g}'):,.10g}"


def log_ticks(axis: Axis, low: float, high: float, places: Sequence[float] | np.ndarray = ()) -> None:
    """Put ticks on a log axis: at these places if they are few, else at decades or parts of them."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    decades = math.log10(high / low)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(1, math.ceil((last - first) / 7))
    leads = (1,) if decades > 2.5 else (1, 3) if decades > 1.4 else (1, 2, 5)
    ticks = [lead * 10.0**power for power in range(first, last + 1, step) for lead in leads]
    ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    if len(ticks) < 3:
        ticks = _even(low, high)
    if 1 < len(places) <= _FEW_PLACES and np.diff(np.log10(places)).min() > _APART * decades:
        ticks = [float(place) for place in places]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(decimal))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def linear_ticks(axis: Axis, most: int = 6, *, whole: bool = False) -> None:
    """Put at most ``most`` steps on a linear axis, plain numbers with thousands apart, or whole ones only."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    fewest = 1 if whole else 2  # of two ticks, one would be a fraction where a single whole number is in view
    steps = [1, 2, 2.5, 5, 10]
    axis.set_major_locator(MaxNLocator(most, steps=steps, integer=whole, min_n_ticks=fewest))
    low, high = axis.get_view_interval()
    if max(abs(low), abs(high)) < 1e6 and high - low >= 4:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}".replace("-", "−")))


def limits(parts: Sequence[np.ndarray], core: Sequence[np.ndarray], log: bool) -> tuple[float, float] | None:
    """Return limits that show all of ``parts``, unless that would flatten ``core``; None for nothing to show.

    ``core`` is what must be seen (medians), but for 2 % at each end. A side on which ``parts`` reach further
    than one and a half times its width is cut after a third of it.
    """
    whole, inner = _finite(parts, log), _finite(core, log)
    if not len(inner):
        whole = inner = whole if len(whole) else inner
    if not len(inner):
        return None
    low, high = np.percentile(inner, [2, 98])
    width = max(high - low, 0.02 * abs(high), 1e-12)
    low = whole.min() if low - whole.min() <= 1.5 * width else low - 0.35 * width
    high = whole.max() if whole.max() - high <= 1.5 * width else high + 0.35 * width
    room = 0.05 * (high - low) or (0.1 if log else 0.05 * abs(high) or 0.5)
    low, high = low - room, high + room
    return (10.0**low, 10.0**high) if log else (low, high)


def _finite(parts: Sequence[np.ndarray], log: bool) -> np.ndarray:
    values = np.concatenate([np.ravel(part) for part in parts] or [np.empty(0)]).astype(float)
    values = values[np.isfinite(values)]
    return np.log10(values[values > 0]) if log else values


def _even(low: float, high: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high and tick > 0]
