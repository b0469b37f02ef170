"""Texts beside lines and in corners, placed so that they do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

GAP = 11.0  # points between the frame and the labels beside it
_PLACES = [(x, y) for y in (0.97, 0.03, 0.75, 0.25, 0.5) for x in (0.98, 0.02, 0.5)]  # in a panel's own units


@dataclass(frozen=True)
class End:
    """A label for the point (x, y) in data units; the text stands to the right of the frame."""

    text: Text
    x: float
    y: float
    color: str


def spread(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> np.ndarray:
    """Return centres near the wanted ones at which intervals of these sizes do not overlap.

    The sum of squared shifts is least (pooled adjacent violators). Intervals stay within [low, high] if they
    fit there together; if not, they stand without gaps around the middle.
    """
    goal, size = np.asarray(wanted, float), np.asarray(sizes, float)
    if not len(goal):
        return goal
    order = np.argsort(goal, kind="stable")
    size = size[order]
    before = np.cumsum(size) - size / 2  # centres if all were stacked from 0 on
    stacks: list[tuple[float, int]] = []  # (mean of goal - before, members)
    for value in goal[order] - before:
        stack = (float(value), 1)
        while stacks and stacks[-1][0] > stack[0]:
            (mean, n), (other, m) = stacks.pop(), stack
            stack = ((mean * n + other * m) / (n + m), n + m)
        stacks.append(stack)
    shifts = np.concatenate([np.full(n, mean) for mean, n in stacks])
    room = high - low - size.sum()
    shifts = np.clip(shifts, low, low + room) if room > 0 else np.full(len(size), low + room / 2)
    centres = np.empty(len(goal))
    centres[order] = shifts + before
    return centres


def beside(ax: Axes, text: str, color: str, size: float) -> Text:
    """Return a text right of the frame, at a height that `place_ends` will choose."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.get_figure(root=True)
    assert figure is not None  # an axes of a figure
    offset = ScaledTranslation(GAP / 72, 0, figure.dpi_scale_trans)
    return ax.text(
        1.0,
        0.5,
        text,
        transform=ax.transAxes + offset,
        color=color,
        fontsize=size,
        va="center",
        linespacing=1.0,
    )


def place_ends(ax: Axes, ends: Sequence[End]) -> None:
    """Give the labels beside a laid-out panel their heights, and lead a thin line to each from its end."""
    if not ends:
        return
    points = ax.transData.transform([(end.x, end.y) for end in ends])
    frame = ax.get_window_extent()
    wanted = [float(y) for y in np.clip(points[:, 1], frame.y0, frame.y1)]
    heights = [end.text.get_window_extent().height + 2.0 for end in ends]
    centres = spread(wanted, heights, frame.y0 - 8, frame.y1 + 8)
    pixels = frame.width
    scale = _dpi(ax) / 72
    for end, (x, _), y, centre in zip(ends, points, wanted, centres, strict=True):
        middle = (centre - frame.y0) / frame.height
        end.text.set_y(middle)
        start = ((min(x, frame.x1) - frame.x0) / pixels, (y - frame.y0) / frame.height)
        stop = 1 + (GAP - 2) * scale / pixels
        bend = 1 + 1.5 * scale / pixels
        ax.plot(
            [start[0], max(bend, start[0]), stop],
            [start[1], start[1], middle],
            transform=ax.transAxes,
            color=end.color,
            linewidth=0.8,
            alpha=0.65,
            linestyle="-" if start[0] > 0.9 else (0, (1, 2)),
            clip_on=False,
            zorder=1.5,
            scalex=False,
            scaley=False,
        )


def place_note(ax: Axes, texts: Sequence[str], size: float, crowd: np.ndarray) -> Text:
    """Write a note at the edge of a panel where it covers least of ``crowd``, points (n, 2) in pixels.

    ``texts`` are the same words in lines of different lengths; the first that covers least is taken.
    """
    note = ax.text(0.5, 0.5, "", transform=ax.transAxes, fontsize=size, zorder=6, linespacing=1.15)
    note.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5})
    tried = []
    for text in texts:
        for x, y in _PLACES:
            note.set_text(text)
            _into(note, x, y)
            box = note.get_window_extent().padded(3)
            inside = (crowd[:, 0] > box.x0) & (crowd[:, 0] < box.x1)
            covered = int((inside & (crowd[:, 1] > box.y0) & (crowd[:, 1] < box.y1)).sum())
            tried.append((covered, text, x, y))
    _, text, x, y = min(tried, key=lambda place: place[0])
    note.set_text(text)
    _into(note, x, y)
    return note


def _into(note: Text, x: float, y: float) -> None:
    note.set_position((x, y))
    side = "right" if x > 0.5 else "left" if x < 0.5 else "center"
    note.set_horizontalalignment(side)
    note.set_verticalalignment("top" if y > 0.9 else "bottom" if y < 0.1 else "center")
    note.set_multialignment(side)


def _dpi(ax: Axes) -> float:
    figure = ax.get_figure(root=True)
    assert figure is not None  # an axes of a figure
    return figure.dpi
