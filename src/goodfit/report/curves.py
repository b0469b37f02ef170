"""Curves over steps: the median of the seeds, a band for their spread, a label at each line's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from goodfit.report.labels import End, beside, place_ends, place_note
from goodfit.report.palette import LEVEL, MUTED, PALETTE, for_set, styles_for, text_colour, words
from goodfit.report.scales import limits, linear_ticks, log_ticks
from goodfit.report.style import SMALL, house, new_figure, small_print
from goodfit.report.text import characters, fitted, number, plain, shorten, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DIRECT_PANELS, _DIRECT_ARMS = 4, 9  # more of them share one legend
_FEW_SEEDS = 5  # up to here the band spans all seeds
_TIMES = {
    "update",
    "updates",
    "epoch",
    "epochs",
    "step",
    "steps",
    "iteration",
    "iterations",
    "time",
    "seconds",
}


class Curve(NamedTuple):
    """Values of one arm: x (points,); y (seeds, points), NaN where a member had diverged.

    If x is a time (update, epoch, …), a column before the last that is NaN for every seed was not measured:
    the line passes over it. If x is a setting, the line breaks there.
    """

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Args:
        title: a few words above it; may be empty.
        arms: the curve of each arm, by label.
        x_label, y_label: what the axes say, with the unit.
        x_log, y_log: logarithmic axes; values up to 0 are left out.
        y_limits: lowest and highest y; chosen from the medians and bands if None.
        levels: labelled horizontal lines.
        note: a short text inside. Without one the panel says by itself which members diverged: by the last
            column of a time, from where on of a setting.
        line_of: the label whose colour and marker an arm takes; the line is then dashed if the arm's own
            label says "test", dotted for "validation", else solid.
    """

    title: str
    arms: Mapping[str, Curve]
    x_label: str
    y_label: str
    x_log: bool = False
    y_log: bool = False
    y_limits: tuple[float, float] | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    line_of: Mapping[str, str] = field(default_factory=dict)


class _Line(NamedTuple):
    """What is drawn of one arm, (points,) each; ``diverged`` says in words who did, ``ended`` if all."""

    x: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: int
    diverged: str
    ended: bool


def curves(
    panels: Sequence[Panel], *, columns: int = 1, direct_labels: bool = True, share_y: bool = False
) -> Figure:
    """Draw panels of curves in a grid, row by row.

    A line is the median over the seeds that are left, its band spans all seeds, from the 10th to the 90th
    percentile if there are more than five. Labels stand at the lines' ends; with more than four panels, three
    columns or nine arms one legend on top serves all.

    Args:
        panels: what to draw; at least one.
        columns: panels side by side.
        direct_labels: False for the legend in any case.
        share_y: all panels have the same y axis, labelled at the left only.
    """
    columns = max(1, min(columns, len(panels)))
    rows = -(-len(panels) // columns)
    most = max(len(panel.arms) + len(panel.levels) for panel in panels)
    direct = direct_labels and len(panels) <= _DIRECT_PANELS and columns <= 2 and most <= _DIRECT_ARMS
    styles = _styles(panels)
    lines = [{label: _line(curve, panel) for label, curve in panel.arms.items()} for panel in panels]
    with house():
        entries = {} if direct else _entries(panels, styles)
        figure, axes = _grid(panels, rows, columns, entries, share_y)
        for ax, panel, drawn in zip(axes, panels, lines, strict=True):
            _draw(ax, panel, drawn, styles)
        _scale(axes, panels, lines, share_y)
        if entries:
            _legend(figure, entries)
        small_print(figure, _meaning(lines))
        ends = [
            _ends(ax, p, drawn, styles) if direct else []
            for ax, p, drawn in zip(axes, panels, lines, strict=True)
        ]
        _settle(figure)
        for ax, panel, drawn, labels in zip(axes, panels, lines, ends, strict=True):
            place_ends(ax, labels)
            _note(ax, panel, drawn, columns)
    return figure


def _line(curve: Curve, panel: Panel) -> _Line:
    """Return median and band of an arm over the members that are left."""
    x, y = np.asarray(curve.x, float), np.atleast_2d(np.asarray(curve.y, float)).copy()
    y[~np.isfinite(y)] = np.nan
    time = _is_time(panel)
    said = _diverged(x, y, time)
    ended = bool(y.shape[1]) and bool(np.isnan(y[:, -1]).all())
    if panel.y_log:
        y[y <= 0] = np.nan
    some = ~np.isnan(y).all(axis=0) & np.isfinite(x) & ((x > 0) if panel.x_log else True)
    parts = np.full((3, len(x)), np.nan)  # low, middle, high
    if some.any():
        ends = (0, 50, 100) if len(y) <= _FEW_SEEDS else (10, 50, 90)
        parts[:, some] = np.nanpercentile(y[:, some], ends, axis=0)
        first, last = np.flatnonzero(some)[[0, -1]]
        keep = some if time else slice(first, last + 1)
    else:
        keep = some
    low, middle, high = parts[:, keep]
    return _Line(x[keep], middle, low, high, len(y), said, ended)


def _is_time(panel: Panel) -> bool:
    """Does x say when, not which setting?"""
    return bool(_TIMES & words(panel.x_label))


def _diverged(x: np.ndarray, y: np.ndarray, time: bool) -> str:
    """Return how many members diverged: by the end of a time, or from which setting on; empty if none did."""
    gone = np.isnan(y).sum(axis=0)
    if not gone.any() or (time and not gone[-1]):
        return ""
    most = int(gone[-1] if time else gone.max())
    said = f"{most} of {len(y)} diverged" if len(y) > 1 else "diverged"
    if time or (gone == len(y)).all():
        return said
    places = x[gone > 0]
    where = (
        f"at {number(places[0])}" if len(places) == 1 else f"from {number(places[0])} to {number(places[-1])}"
    )
    return f"{'up to ' if len(places) > 1 and len(y) > 1 else ''}{said} {where}"


def _styles(panels: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    """Return each arm's style, the same in all panels."""
    owner = {arm: panel.line_of.get(arm, arm) for panel in panels for arm in panel.arms}
    base = styles_for(list(owner.values()))
    return {arm: for_set(base[o], arm) if o != arm else base[o] for arm, o in owner.items()}


def _grid(
    panels: Sequence[Panel], rows: int, columns: int, entries: Mapping[str, Any], share_y: bool
) -> tuple[Figure, list[Axes]]:
    width, height = {1: (8.2, 3.7 if rows == 1 else 3.1), 2: (9.6, 3.2), 3: (10.0, 2.7)}.get(
        columns, (10.4, 2.0)
    )
    above = 0.2 * -(-len(entries) // _across(entries, width)) + 0.1 if entries else 0.0
    figure = new_figure(width, height * rows + 0.3 + above)
    share_x = len({(panel.x_label, panel.x_log) for panel in panels}) == 1 and len(panels) > 1
    axes = figure.subplots(rows, columns, squeeze=False, sharex=share_x, sharey=share_y)
    flat = [ax for row in axes for ax in row]
    for i, (ax, panel) in enumerate(zip(flat, panels, strict=False)):
        per = width / columns - (0.3 if share_y else 0.7) - (0 if entries else 1.3)
        size = 10.5 if columns <= 2 else 8.5
        if panel.title:
            ax.set_title(fitted(panel.title, max(per, 1.2), size * 1.08), fontsize=size)
        below, left = i + columns < len(panels), i % columns == 0
        label = 9.5 if columns <= 2 else 8.5
        if not (share_x and below):
            ax.set_xlabel(fitted(panel.x_label, per + 0.7, label), fontsize=label)
        ax.tick_params(labelsize=8.5 if columns <= 2 else SMALL, labelbottom=not (share_x and below))
        ax.tick_params(labelleft=left or not share_y)
        if left or panel.y_label != panels[i - 1].y_label:
            ax.set_ylabel(fitted(panel.y_label, height - 0.4, label), fontsize=label)
    for ax in flat[len(panels) :]:
        ax.set_visible(False)
    return figure, flat[: len(panels)]


def _draw(ax: Axes, panel: Panel, drawn: Mapping[str, _Line], styles: Mapping[str, dict[str, Any]]) -> None:
    for value in panel.levels.values():
        ax.axhline(value, color=MUTED, linewidth=1.0, linestyle=LEVEL, zorder=1.4)
    ax.set_xscale("log" if panel.x_log else "linear")
    ax.set_yscale("log" if panel.y_log else "linear")
    for place, (label, line) in enumerate(drawn.items()):
        style = styles[label]
        if not len(line.x):
            continue
        if line.seeds > 1:
            ax.fill_between(line.x, line.low, line.high, color=style["color"], alpha=0.15, linewidth=0)
        spots = _spots(line.x, panel.x_log, place, len(drawn))
        ax.plot(line.x, line.middle, **style, markevery=spots, markeredgecolor="white", markeredgewidth=0.6)
        if line.ended:
            ax.plot(line.x[-1:], line.middle[-1:], "x", color=style["color"], markersize=7, markeredgewidth=2)


def _spots(x: np.ndarray, log: bool, place: int, arms: int) -> list[int]:
    """Return where a line's markers stand: five or six, evenly on the axis, beside those of other arms."""
    if len(x) <= 8:
        return list(range(len(x)))
    along = np.log(x) if log else x
    span = along[-1] - along[0]
    goals = along[0] + span * (np.arange(6) + (place + 0.5) / arms) / 6
    return sorted({int(np.abs(along - goal).argmin()) for goal in goals})


def _scale(
    axes: Sequence[Axes], panels: Sequence[Panel], lines: Sequence[Mapping[str, _Line]], share_y: bool
) -> None:
    """Set limits and ticks; shared axes span all panels."""
    groups = [list(range(len(panels)))] if share_y else [[i] for i in range(len(panels))]
    for group in groups:
        drawn = [line for i in group for line in lines[i].values()]
        levels = [np.array(list(panels[i].levels.values()), float) for i in group]
        given = [panels[i].y_limits for i in group if panels[i].y_limits]
        core = [line.middle for line in drawn] + levels
        log = panels[group[0]].y_log
        chosen = (
            given[0] if given else limits([*core, *(e for d in drawn for e in (d.low, d.high))], core, log)
        )
        low, high = chosen or ((0.1, 10.0) if log else (0.0, 1.0))
        for i in group:
            axes[i].set_ylim(low, high)
            if log:
                log_ticks(axes[i].yaxis, low, high)
            else:
                linear_ticks(axes[i].yaxis)
    for i, panel in enumerate(panels):
        every = [line.x for j, p in enumerate(panels) if (p.x_label, p.x_log) == (panel.x_label, panel.x_log)
                 for line in lines[j].values() if len(line.x)]  # fmt: skip
        if not every:
            continue
        low, high = min(x.min() for x in every), max(x.max() for x in every)
        if panel.x_log:
            room = (high / low) ** 0.02 if high > low else 1.2
            axes[i].set_xlim(low / room, high * room)
            log_ticks(axes[i].xaxis, low / room, high * room, np.unique(np.concatenate(every)))
        else:
            room = 0.015 * (high - low) or 0.5
            axes[i].set_xlim(low - room, high + room)
            linear_ticks(axes[i].xaxis, whole=_is_time(panel) and high - low > 3)


def _ends(
    ax: Axes, panel: Panel, drawn: Mapping[str, _Line], styles: Mapping[str, dict[str, Any]]
) -> list[End]:
    """Return the labels beside a panel, not placed yet: one an arm that was drawn, one a level."""
    wide = 24 if len(drawn) <= 5 else 20
    ends = []
    for label, line in drawn.items():
        if len(line.x) and plain(label):
            ink = text_colour(styles[label]["color"])
            text = beside(ax, wrapped(label, wide), ink, 9.0)
            ends.append(End(text, line.x[-1], line.middle[-1], ink))
    for label, value in panel.levels.items():
        text = beside(ax, wrapped(label, wide), MUTED, 8.5)
        ends.append(End(text, ax.get_xlim()[1], value, MUTED))
    return ends


def _entries(panels: Sequence[Panel], styles: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what a legend shows: arms, then what solid and dashed lines are, then levels."""
    found: dict[str, dict[str, Any]] = {}
    sets: dict[str, dict[str, Any]] = {}
    for panel in panels:
        for arm in panel.arms:
            owner = panel.line_of.get(arm, arm)
            if plain(owner) and (owner == arm or owner not in found):
                found[owner] = styles[arm] if owner == arm else {**styles[arm], "linestyle": "-"}
            if owner != arm:
                said = next((word for word in ("test", "validation") if word in words(arm)), "training")
                sets[said] = {"color": PALETTE["ink"], "linestyle": styles[arm]["linestyle"]}
    levels = {
        label: {"color": MUTED, "linewidth": 1.0, "linestyle": LEVEL} for p in panels for label in p.levels
    }
    return {**found, **(sets if len(sets) > 1 else {}), **levels}


def _across(entries: Mapping[str, Any], width: float) -> int:
    """Return how many entries of a legend stand side by side in a width in inches."""
    each = 0.55 + max(len(shorten(label, 40)) for label in entries) / characters(1.0, 9.0)
    return int(np.clip(width // each, 1, len(entries)))


def _legend(figure: Figure, entries: Mapping[str, dict[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **style) for style in entries.values()]
    names = [str(i) for i in range(len(handles))]  # a label that starts with _ would be left out
    across = _across(entries, figure.get_figwidth())
    legend = figure.legend(
        handles, names, loc="outside upper left", ncols=across, handlelength=2.4, columnspacing=1.6
    )
    for shown, label in zip(legend.get_texts(), entries, strict=True):
        shown.set_text(shorten(label, 40))


def _meaning(lines: Sequence[Mapping[str, _Line]]) -> str:
    """Return what line and band stand for."""
    seeds = {line.seeds for drawn in lines for line in drawn.values()}
    if not seeds or max(seeds) <= 1:
        return "One seed."
    count = f"{max(seeds)}" if len(seeds) == 1 else f"{min(seeds)}–{max(seeds)}"
    band = "from the lowest to the highest" if max(seeds) <= _FEW_SEEDS else "10th to 90th percentile"
    return f"Line: median of {count} seeds; band: {band}."


def _settle(figure: Figure) -> None:
    """Lay the figure out once and keep it so."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _note(ax: Axes, panel: Panel, drawn: Mapping[str, _Line], columns: int) -> None:
    """Write the panel's note, or which members diverged, where it covers least."""
    size = 8.5 if columns <= 2 else SMALL
    frame = ax.get_window_extent()
    figure = ax.get_figure(root=True)
    assert figure is not None  # an axes of a figure
    inches = frame.width / figure.dpi
    said = [panel.note] if panel.note else []
    if not said:
        named = {shorten(label, 24): line.diverged for label, line in drawn.items() if line.diverged}
        said = [f"{label}: {words}" if label else words for label, words in named.items()]
    if len(said) > 4:
        said = [*said[:3], f"and {number(len(said) - 3)} arms more"]
    if said:
        texts = [
            "\n".join(fitted(text, share * inches, size, lines=3) for text in said) for share in (0.9, 0.5)
        ]
        crowd = [_dense(ax, line.x, part) for line in drawn.values() for part in line[1:4] if len(line.x)]
        place_note(ax, texts, size, np.concatenate(crowd) if crowd else np.empty((0, 2)))


def _dense(ax: Axes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return many points along a drawn line, (points, 2) in pixels."""
    points = ax.transData.transform(np.column_stack([x, y]))
    along = np.linspace(points[0, 0], points[-1, 0], 300)
    return np.column_stack([along, np.interp(along, points[:, 0], points[:, 1])])
