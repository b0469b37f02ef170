"""The charts of a run's page, each from plain numbers; see `goodfit.report.svg`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goodfit.report.svg import WIDTH, Chart, Scale, around, fits, tidy
from goodfit.report.text import number

_RIGHT = WIDTH - 10.0
_LABELS = 170.0  # units for the names beside a forest


@dataclass(frozen=True)
class Mark:
    """A value with its interval on one line of a forest; NaN ends are not drawn.

    ``kind`` is the class of line and dot: "first", "second", "plain" or "faint".
    """

    value: float
    low: float
    high: float
    kind: str = "first"
    tip: str = ""

    @classmethod
    def of(cls, found: dict[str, Any], key: str, kind: str, tip: str) -> Mark:
        """Return the mark of a record: its value by name, and its low and high."""
        return cls(float(found[key]), float(found["low"]), float(found["high"]), kind, tip)


@dataclass(frozen=True)
class Line:
    """One name of a forest with its marks, the first on top."""

    name: str
    marks: tuple[Mark, ...]


def forest(
    name: str,
    title: str,
    says: str,
    lines: Sequence[Line],
    axis: str,
    *,
    zero: bool = False,
    key: Sequence[tuple[str, str]] = (),
    ends: tuple[float, float] | None = None,
) -> str:
    """Return values with intervals, a line each.

    ``zero`` draws a line at 0, ``key`` names the kinds; values beyond ``ends`` stand as numbers at the edge.
    """
    most = max((len(line.marks) for line in lines), default=1)
    tall = 12.0 + 10.0 * most
    top = 24.0 if key else 6.0
    bottom = top + tall * len(lines)
    chart = Chart(name, title, says, bottom + 38)
    values = [v for line in lines for m in line.marks for v in (m.value, m.low, m.high)]
    scale = Scale(*(ends or around([*values, *([0.0] if zero else [])])), _LABELS, _RIGHT)
    chart.x_axis(scale, bottom, top, axis, 4)
    if zero:
        chart.line(scale(0.0), top, scale(0.0), bottom, "zero")
    _key(chart, key)
    for i, line in enumerate(lines):
        middle = top + tall * (i + 0.5)
        chart.text(_LABELS - 8, middle + 3.5, fits(line.name, _LABELS - 8), "name", "end")
        for k, mark in enumerate(line.marks):
            _mark(chart, scale, middle + 10.0 * (k - (len(line.marks) - 1) / 2), mark, line.name)
    return chart.svg()


def _mark(chart: Chart, scale: Scale, y: float, mark: Mark, name: str) -> None:
    if not math.isfinite(mark.value):
        return
    if mark.value < scale.low:
        chart.text(scale.start + 2, y + 3.5, f"◂ {number(mark.value)}")
    elif mark.value > scale.high:
        chart.text(scale.stop - 2, y + 3.5, f"{number(mark.value)} ▸", anchor="end")
    else:
        if math.isfinite(mark.low) and math.isfinite(mark.high):
            chart.line(scale(mark.low), y, scale(mark.high), y, f"bar {mark.kind}")
        chart.dot(scale(mark.value), y, f"dot {mark.kind}", f"{name}: {mark.tip}", 4)


def _key(chart: Chart, key: Sequence[tuple[str, str]]) -> None:
    x = 8.0
    for kind, words in key:
        chart.line(x, 10, x + 16, 10, f"bar {kind}")
        chart.dot(x + 8, 10, f"dot {kind}", radius=4)
        chart.text(x + 21, 13.5, words)
        x += 34 + 6.2 * len(words)


@dataclass(frozen=True)
class Group:
    """Rows taken together: what was said of them on average, and what was, with its interval."""

    said: float
    was: float
    low: float
    high: float
    tip: str = ""


@dataclass(frozen=True)
class Course:
    """A curve: points (x, y) in order, and its kind: "winner", "member" or "field"."""

    points: tuple[tuple[float, float], ...]
    kind: str
    tip: str = ""


def courses(name: str, title: str, says: str, lines: Sequence[Course], axes: tuple[str, str]) -> str:
    """Return curves over steps on a log scale of y, the winner on top, with a key of the kinds seen."""
    top, bottom, left = 26.0, 236.0, 52.0
    chart = Chart(name, title, says, bottom + 38)
    shown = [y for line in lines for _, y in line.points if math.isfinite(y)]
    log = bool(shown) and min((y for y in shown if y > 0), default=0) > 0
    least = min((y for y in shown if y > 0), default=1.0) if log else 0.0
    floor = least / 2  # where an error of 0 is drawn
    ys = [max(y, floor) if log else y for y in shown]
    y_scale = Scale(*around(_without_runaways(ys), log=log), bottom, top, log)
    x_scale = Scale(0.0, max((x for line in lines for x, _ in line.points), default=1.0), left, _RIGHT)
    chart.y_axis(y_scale, left, _RIGHT, axes[1], 5)
    chart.x_axis(x_scale, bottom, bottom, axes[0], 5)
    order = ("field", "member", "winner")
    for line in sorted(lines, key=lambda one: order.index(one.kind)):
        places = [
            (x_scale(x), y_scale(max(y, floor) if log else y)) for x, y in line.points if math.isfinite(y)
        ]
        if len(places) == 1:
            chart.dot(*places[0], f"point {line.kind}", line.tip, 2)
        else:
            chart.path(places, f"curve {line.kind}", line.tip)
    x = left
    for kind, words in (("winner", "winner"), ("member", "others of the ensemble"), ("field", "the field")):
        if any(line.kind == kind for line in lines):
            chart.line(x, 11, x + 18, 11, f"curve {kind}")
            chart.text(x + 23, 14.5, words)
            x += 38 + 6.0 * len(words)
    return chart.svg()


def _without_runaways(values: Sequence[float]) -> list[float]:
    """Return the values but for the highest that would flatten all others."""
    ordered = sorted(values)
    if len(ordered) < 20:
        return ordered
    return [v for v in ordered if v <= 3 * ordered[int(0.97 * (len(ordered) - 1))] or v <= ordered[0] * 100]


@dataclass(frozen=True)
class Stage:
    """One round of a search on one range: its ends, and (value, how far it came, 0 to 1 or NaN) of draws."""

    low: float
    high: float
    draws: tuple[tuple[float, float], ...]
    harvest: bool = False


def stages(
    name: str, title: str, says: str, found: Sequence[Stage], *, log: bool, best: tuple[int, float] | None
) -> str:
    """Return a range's boxes from round to round, a dot for each draw, and the best network's place."""
    top, bottom, left = 8.0, 128.0, 52.0
    chart = Chart(name, title, says, bottom + 38)
    ends = [v for s in found for v in (s.low, s.high, *(value for value, _ in s.draws))]
    y_scale = Scale(*around(ends, log=log), bottom, top, log)
    wide = (_RIGHT - left) / max(len(found), 1)
    chart.y_axis(y_scale, left, _RIGHT, "", 4)
    every = math.ceil(len(found) / 10)
    for i, stage in enumerate(found):
        middle = left + wide * (i + 0.5)
        half = min(wide * 0.4, 26.0)
        if math.isfinite(stage.low) and stage.high >= stage.low:
            tip = f"round {i + 1}: {number(stage.low)} to {number(stage.high)}"
            y = y_scale(stage.high)
            kind = "stage harvest" if stage.harvest else "stage"
            chart.box(middle - half, y, 2 * half, max(y_scale(stage.low) - y, 1.0), kind, tip)
        count = len(stage.draws)
        for k, (value, reached) in enumerate(stage.draws):
            x = middle + half * 0.8 * (2 * (k + 0.5) / count - 1)
            _draw(chart, x, y_scale(value), value, reached)
        if i % every == 0:
            chart.text(middle, bottom + 14, str(i + 1), anchor="middle")
    if best is not None:
        chart.dot(left + wide * (best[0] + 0.5), y_scale(best[1]), "best", f"best: {number(best[1])}", 5.5)
    chart.line(left, bottom, _RIGHT, bottom, "axis")
    chart.text((left + _RIGHT) / 2, bottom + 30, "round", "label", "middle")
    return chart.svg()


def _draw(chart: Chart, x: float, y: float, value: float, reached: float) -> None:
    if math.isnan(reached):
        for sign in (-1, 1):
            chart.line(x - 2.5, y - 2.5 * sign, x + 2.5, y + 2.5 * sign, "broken")
        return
    kind = "full" if reached >= 1 else "half" if reached > 0.5 else "begun"
    chart.dot(x, y, f"draw {kind}", number(value), 2.4)


def matrix(name: str, title: str, says: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Return rows by true class (down) and given class (across), darker the larger their share of a row."""
    size = len(classes)
    left = min(130.0, 32.0 + 6.3 * max(map(len, classes)))
    cell = min((_RIGHT - left) / size, 64.0)
    tilted = max(map(len, classes)) * 6.0 > cell - 4
    top = min(120.0, 30.0 + 6.3 * max(map(len, classes))) if tilted else 40.0
    chart = Chart(name, title, says, top + cell * size + 8)
    chart.text(left + cell * size / 2, 12, "given", "label", "middle")
    chart.upward(10, top + cell * size / 2, "true")
    for i, label in enumerate(classes):
        x, y = left + cell * i, top + cell * i
        chart.text(left - 5, y + cell / 2 + 3.5, fits(label, left - 24), "name", "end")
        if tilted:
            at = f"{x + cell / 2 + 3.5:g} {top - 5:g}"
            words = fits(label, top - 22)
            chart.parts.append(f'<g transform="translate({at}) rotate(-90)">')
            chart.text(0, 0, words, "name")
            chart.parts.append("</g>")
        else:
            chart.text(x + cell / 2, top - 6, label, "name", "middle")
        total = sum(counts[i])
        for k, count in enumerate(counts[i]):
            _cell(chart, (left + cell * k, y, cell), count, total, i == k, f"{label} given {classes[k]}")
    return chart.svg()


def _cell(
    chart: Chart, place: tuple[float, float, float], count: int, total: int, right: bool, what: str
) -> None:
    x, y, size = place
    share = count / total if total else 0.0
    kind = "right" if right else "wrong"
    strength = 0.0 if not count else 0.15 + 0.85 * (share if right else min(1.0, 2 * share))
    chart.box(x, y, size, size, f"cell {kind}", f"{what}: {count} of {total}", strength)
    if count and size >= 14:
        ink = "on" if strength > 0.6 else "count"
        small = " tiny" if size < 26 or count > 999 else ""
        chart.text(x + size / 2, y + size / 2 + 4, tidy(count), ink + small, "middle")


def patches(
    name: str, title: str, says: str, grid: tuple[int, int], values: Sequence[float], tips: Sequence[str]
) -> str:
    """Return an image's patches, darker the larger their value."""
    down, across = grid
    cell = min(260.0 / down, 380.0 / across)
    left = (WIDTH - cell * across) / 2
    chart = Chart(name, title, says, cell * down + 10)
    largest = max([*values, 1e-12])
    for i, (value, tip) in enumerate(zip(values, tips, strict=True)):
        row, column = divmod(i, across)
        strength = max(value, 0.0) / largest
        chart.box(left + column * cell, 5 + row * cell, cell, cell, "cell right", tip, strength)
    return chart.svg()


def agreement(
    name: str,
    title: str,
    says: str,
    groups: Sequence[Group],
    axes: tuple[str, str],
) -> str:
    """Return what was said (x) against what was (y, with its ends), around the diagonal of being right."""
    top, bottom, left = 8.0, 258.0, 56.0
    chart = Chart(name, title, says, bottom + 38)
    low, high = around(v for one in groups for v in (one.said, one.was, one.low, one.high))
    x_scale, y_scale = Scale(low, high, left, _RIGHT), Scale(low, high, bottom, top)
    chart.y_axis(y_scale, left, _RIGHT, axes[1], 5)
    chart.x_axis(x_scale, bottom, top, axes[0], 5)
    chart.line(x_scale(low), y_scale(low), x_scale(high), y_scale(high), "zero")
    for one in groups:
        x = x_scale(one.said)
        if math.isfinite(one.low) and math.isfinite(one.high):
            chart.line(x, y_scale(one.low), x, y_scale(one.high), "bar first")
        chart.dot(x, y_scale(one.was), "dot first", one.tip, 4)
    return chart.svg()


def scatter(
    name: str, title: str, says: str, points: Sequence[Sequence[float]], axes: tuple[str, str]
) -> str:
    """Return points (x, y) around the diagonal."""
    top, bottom, left = 8.0, 258.0, 56.0
    chart = Chart(name, title, says, bottom + 38)
    low, high = around([v for point in points for v in point])
    x_scale, y_scale = Scale(low, high, left, _RIGHT), Scale(low, high, bottom, top)
    chart.y_axis(y_scale, left, _RIGHT, axes[1], 5)
    chart.x_axis(x_scale, bottom, top, axes[0], 5)
    chart.line(x_scale(low), y_scale(low), x_scale(high), y_scale(high), "zero")
    for x, y in points:
        chart.dot(x_scale(x), y_scale(y), "spot", radius=2.6)
    return chart.svg()


def histogram(
    name: str, title: str, says: str, edges: Sequence[float], counts: Sequence[int], axes: tuple[str, str]
) -> str:
    """Return how many rows fall between the edges, with a line at 0."""
    top, bottom, left = 8.0, 258.0, 56.0
    chart = Chart(name, title, says, bottom + 38)
    x_scale = Scale(*around(edges, room=0.01), left, _RIGHT)
    y_scale = Scale(0.0, max([*counts, 1]) * 1.05, bottom, top)
    chart.y_axis(y_scale, left, _RIGHT, axes[1], 5)
    for first, last, count in zip(edges, edges[1:], counts, strict=False):
        x, y = x_scale(first), y_scale(count)
        tip = f"{number(first)} to {number(last)}: {count} rows"
        chart.box(x + 0.5, y, x_scale(last) - x - 1, bottom - y, "column", tip)
    chart.x_axis(x_scale, bottom, bottom, axes[0], 5)
    if x_scale.low < 0 < x_scale.high:
        chart.line(x_scale(0.0), top, x_scale(0.0), bottom, "zero")
    return chart.svg()
