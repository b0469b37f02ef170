"""Paths of update rules over the contours of a function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from goodfit.report.palette import MUTED, styles_for
from goodfit.report.scales import linear_ticks
from goodfit.report.style import SMALL, house, new_figure, small_print
from goodfit.report.text import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CONTOURS = 12


def paths(
    height: tuple[np.ndarray, np.ndarray, np.ndarray],
    routes: Mapping[str, np.ndarray],
    *,
    notes: Mapping[str, str] | None = None,
) -> Figure:
    """Draw each route in a panel of its own over the contours of a function of two variables.

    Args:
        height: x (nx,), y (ny,) and the function's values z (ny, nx).
        routes: (points, 2) places by label, from the start on; a route ends where it is not finite.
        notes: a short text under each panel.
    """
    x, y, z = (np.asarray(part, float) for part in height)
    columns = 2 if len(routes) > 1 else 1
    rows = -(-len(routes) // columns)
    ratio = (y[-1] - y[0]) / (x[-1] - x[0])
    equal = 0.3 <= ratio <= 1.5
    tall = 4.3 * (ratio if equal else 0.55)
    styles = styles_for(list(routes))
    with house():
        figure = new_figure(4.9 * columns + 0.1 * (columns == 1), (tall + 0.95) * rows + 0.35)
        axes = figure.subplots(rows, columns, squeeze=False)
        flat = [ax for row in axes for ax in row]
        for i, (ax, (label, route)) in enumerate(zip(flat, routes.items(), strict=False)):
            _contours(ax, x, y, z)
            _route(ax, np.asarray(route, float), styles[label]["color"], (x, y, z))
            ax.set_title(fitted(label, 4.0, 11.0))
            if equal:
                ax.set_aspect("equal")
            note = fitted((notes or {}).get(label, ""), 4.4, 8.5)
            ax.set_xlabel(f"x\n{note}" if note else "x", fontsize=9, linespacing=1.4)
            if i % columns == 0:
                ax.set_ylabel("y", rotation=0, labelpad=10)
        for ax in flat[len(routes) :]:
            ax.set_visible(False)
        small_print(
            figure,
            "● start · ✚ minimum · ○ last point · a dot an update · the darker, the higher the function",
        )
    return figure


def _contours(ax: Axes, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    """Draw lines of equal height, evenly apart for a bowl (heights grow as squares)."""
    from matplotlib import colormaps

    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    levels = low + (high - low or 1.0) * np.linspace(0, 1, _CONTOURS + 1) ** 2
    ax.contourf(x, y, z, levels=levels, cmap=colormaps["Greys"], alpha=0.28).set_rasterized(True)
    ax.contour(x, y, z, levels=levels[1:-1], colors="#9aa0ae", linewidths=0.6)
    ax.grid(False)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])
    linear_ticks(ax.xaxis)
    linear_ticks(ax.yaxis, 5)
    ax.tick_params(labelsize=SMALL)


def _route(
    ax: Axes, route: np.ndarray, color: str, height: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    x, y, z = height
    bad = ~np.isfinite(route[:, 0] + route[:, 1])
    ends = int(np.argmax(bad)) if bad.any() else len(route)
    route = np.clip(route[:ends], -1e6, 1e6)  # far outside all the same
    ax.plot(
        route[:, 0], route[:, 1], color=color, linewidth=1.5, marker="o", markersize=3.4, markeredgewidth=0
    )
    row, column = np.unravel_index(np.nanargmin(z), z.shape)
    ax.plot(x[column], y[row], "P", color="black", markersize=9, markeredgecolor="white", zorder=5)
    if ends:
        ax.plot(*route[0], "o", color="black", markersize=7.5, markeredgecolor="white", zorder=6)
        last = {"markerfacecolor": "white", "markeredgecolor": color, "markeredgewidth": 2}
        ax.plot(*route[-1], "o", **last, markersize=7.5, zorder=7)
    if ends < len(bad):
        said = f"diverged after {max(ends - 1, 0)} updates"
        ax.text(0.98, 0.95, said, transform=ax.transAxes, ha="right", va="top", color=MUTED, style="italic")
