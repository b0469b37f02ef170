"""Charts as SVG text that stands in a page: drawn for a phone's width, coloured by the page's style sheet.

A chart is 400 units wide wherever it is shown, so its letters stay readable on a phone and grow a little on
a wide screen. Colours are classes, so that they follow light and dark; nothing has a style of its own, which
the page's policy would refuse. Each chart has a title and a description for those who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from goodfit.report.text import number, shorten

WIDTH = 400
_LETTER = 6.2  # units that a letter is wide, about


@dataclass(frozen=True)
class Scale:
    """Data from ``low`` to ``high`` on the stretch of units from ``start`` to ``stop``; log if told."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value, kept within the stretch."""
        low, high, value = (self._scaled(v) for v in (self.low, self.high, value))
        share = 0.5 if high == low else (value - low) / (high - low)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start), 1)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value

    def ticks(self, most: int = 5) -> list[float]:
        """Return places for at most about so many labels."""
        if self.log and self.high / self.low > 4:
            return _decades(self.low, self.high, most)
        return steps(self.low, self.high, most)


def steps(low: float, high: float, most: int) -> list[float]:
    """Return round numbers from ``low`` to ``high``, at most about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float, most: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    leads = (1, 2, 5) if last - first <= 2 else (1, 3) if last - first <= 3 else (1,)
    stride = max(1, math.ceil((last - first + 1) / most))
    found = [lead * 10.0**power for power in range(first, last + 1, stride) for lead in leads]
    found = [tick for tick in found if low * 0.999 <= tick <= high * 1.001]
    return found if len(found) <= 2 * most else found[:: math.ceil(len(found) / most)]


def around(values: Iterable[float], *, log: bool = False, room: float = 0.05) -> tuple[float, float]:
    """Return limits a little outside of the finite values (of a log axis the positive ones)."""
    seen = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    if not seen:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(seen), max(seen)
    if log:
        wide = max(math.log10(high / low), 0.1) * room
        return low / 10**wide, high * 10**wide
    wide = (high - low or abs(high) or 1.0) * room
    return low - wide, high + wide


@dataclass
class Chart:
    """An SVG in the making: ``name`` begins its ids; ``title`` and ``says`` are for screen readers."""

    name: str
    title: str
    says: str
    height: float
    parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a straight line."""
        self.parts.append(f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>')

    def path(self, points: Sequence[tuple[float, float]], kind: str, tip: str = "") -> None:
        """Draw a line through points."""
        if points:
            d = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
            self.parts.append(_tipped("path", f'class="{kind}" d="{d}"', tip))

    def dot(self, x: float, y: float, kind: str, tip: str = "", radius: float = 3.5) -> None:
        """Draw a round mark."""
        self.parts.append(_tipped("circle", f'class="{kind}" cx="{x:g}" cy="{y:g}" r="{radius:g}"', tip))

    def box(
        self, x: float, y: float, wide: float, high: float, kind: str, tip: str = "", strength: float = 1.0
    ) -> None:
        """Draw a rectangle, ``strength`` of its colour laid on."""
        shade = "" if strength == 1.0 else f' fill-opacity="{strength:.2f}"'
        place = f'x="{x:g}" y="{y:g}" width="{max(wide, 0):g}" height="{max(high, 0):g}"'
        self.parts.append(_tipped("rect", f'class="{kind}" {place}{shade}', tip))

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        """Write one line."""
        mark = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text{mark} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>')

    def upward(self, x: float, y: float, words: str) -> None:
        """Write one line from bottom to top, centred at a place."""
        turn = f'transform="rotate(-90 {x:g} {y:g})"'
        self.parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="middle" {turn}>{escape(words)}</text>')

    def x_axis(self, scale: Scale, y: float, top: float, words: str, most: int = 5) -> None:
        """Draw grid lines, labels below ``y``, and what they are."""
        for tick in scale.ticks(most):
            self.line(scale(tick), top, scale(tick), y, "grid")
            self.text(scale(tick), y + 14, tidy(tick), anchor="middle")
        self.line(scale.start, y, scale.stop, y, "axis")
        self.text((scale.start + scale.stop) / 2, y + 30, words, "label", "middle")

    def y_axis(self, scale: Scale, x: float, right: float, words: str, most: int = 5) -> None:
        """Draw grid lines, labels left of ``x``, and what they are."""
        for tick in scale.ticks(most):
            self.line(x, scale(tick), right, scale(tick), "grid")
            self.text(x - 5, scale(tick) + 3.5, tidy(tick), anchor="end")
        if words:
            self.upward(11, (scale.start + scale.stop) / 2, words)

    def svg(self) -> str:
        """Return the whole chart."""
        return (
            f'<svg viewBox="0 0 {WIDTH} {self.height:g}" role="img" '
            f'aria-labelledby="{self.name}-t {self.name}-d"><title id="{self.name}-t">{escape(self.title)}'
            f'</title><desc id="{self.name}-d">{escape(self.says)}</desc>{"".join(self.parts)}</svg>'
        )


def tidy(value: float) -> str:
    """Return a tick's label: a plain number, thousands as k."""
    if abs(value) < 1e-12:
        return "0"
    if 1e4 <= abs(value) < 1e6:
        return f"{number(value / 1000)}k"
    return number(value)


def fits(words: str, units: float) -> str:
    """Return as much of a text as fits into a width."""
    return shorten(words, max(3, int(units / _LETTER)))


def _tipped(tag: str, attributes: str, tip: str) -> str:
    """Return an element that tells ``tip`` under the pointer."""
    return f"<{tag} {attributes}><title>{escape(tip)}</title></{tag}>" if tip else f"<{tag} {attributes}/>"
