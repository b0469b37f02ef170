"""Numbers over two hyper-parameters, and distributions over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from goodfit.report.palette import MUTED, luminance, styles_for, text_colour
from goodfit.report.scales import linear_ticks
from goodfit.report.style import SMALL, house, new_figure, small_print
from goodfit.report.text import characters, fitted, shorten, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_MOST_WRITTEN = 200  # cells above which no numbers are written into them
_FLAT = 0.07  # bars are cut if a panel's third-highest is typically less than this share of the highest


def heatmap(
    values: np.ndarray,
    *,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    row_title: str,
    column_title: str,
    value_label: str,
    text_format: str = "{:.3f}",
    mark: np.ndarray | None = None,
    title: str = "",
    top: float | None = None,
) -> Figure:
    """Draw one number over two hyper-parameters as a grid of cells.

    Args:
        values: (rows, columns); NaN is a diverged cell: hatched, and the figure says so.
        row_labels, column_labels: the hyper-parameters' values.
        row_title, column_title: their names.
        value_label: what the numbers are, with the unit.
        text_format: how a number is written into its cell; nothing is written if there are too many cells.
        mark: (rows, columns) bool, cells to outline; say in ``title`` what an outline means.
        title: a few words above.
        top: where the colours end; larger numbers are written, and coloured like it.
    """
    values = np.asarray(values, float)
    values = np.where(np.isfinite(values), values, np.nan)
    rows, columns = values.shape
    written = text_format.format(np.nanmax(values) if np.isfinite(values).any() else 0.0)
    cell = max(0.62, 0.085 * len(written) + 0.12) if values.size <= _MOST_WRITTEN else 0.3
    width, height = np.clip(cell * columns + 2.6, 4.8, 10.5), np.clip(0.42 * rows + 1.6, 2.4, 9.0)
    with house():
        figure = new_figure(float(width), float(height))
        ax = figure.subplots()
        image = _cells(ax, values)
        over = top is not None and bool((values > top).any())
        if over:
            image.set_clim(vmax=top)
        size = min(9.5, 72 * (width - 2.4) / columns / (0.62 * max(len(written), 3)))
        if values.size <= _MOST_WRITTEN and size >= 7.5:
            _write(ax, image, values, text_format, max(size, SMALL))
        _outline(ax, mark)
        ax.set_xticks(range(columns), [shorten(label, 12) for label in column_labels])
        ax.set_yticks(range(rows), [shorten(label, 18) for label in row_labels])
        if max(map(len, map(str, column_labels)), default=0) > 6 + 2 * (columns < 8):
            ax.tick_params(axis="x", labelrotation=40)
        ax.set_xlabel(fitted(column_title, width - 2.2, 9.5))
        ax.set_ylabel(fitted(row_title, height - 1.0, 9.5))
        if title:
            ax.set_title(fitted(title, width - 1.2, 11.0))
        extend = "max" if over else "neither"
        bar = figure.colorbar(image, ax=ax, fraction=0.05, pad=0.02, aspect=18, extend=extend)
        bar.outline.set_visible(False)  # type: ignore[operator]
        bar.set_label(fitted(value_label, height - 0.8, 9.0), fontsize=9)
        small_print(figure, "Hatched: diverged." if np.isnan(values).any() else "")
    return figure


def histograms(
    rows: Mapping[str, Sequence[np.ndarray]],
    edges: np.ndarray | Mapping[str, Sequence[np.ndarray]],
    *,
    x_label: str,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> Figure:
    """Draw a grid of histograms, arms as rows and layers as columns; y is the share of the values in a bin.

    Args:
        rows: for each arm one array of counts (bins,) a layer.
        edges: (bins + 1,) for all, or for each arm one such array a layer.
        x_label: what the values are.
        notes: for each arm a short text a layer.
    """
    layers = max((len(counts) for counts in rows.values()), default=0)
    shares = {arm: [_shares(counts) for counts in each] for arm, each in rows.items()}
    top, cut = _top([share for each in shares.values() for share in each])
    styles = styles_for(list(rows))
    with house():
        width = min(10.6, 1.9 * layers + 1.0)
        figure = new_figure(max(width, 4.5), 1.45 * len(rows) + 1.0)
        axes = figure.subplots(len(rows), layers, squeeze=False, sharey=True)
        for i, arm in enumerate(rows):
            for j in range(layers):
                ax = axes[i][j]
                if j >= len(shares[arm]):
                    ax.set_visible(False)
                    continue
                bins = edges[arm][j] if isinstance(edges, Mapping) else edges
                note = notes[arm][j] if notes and arm in notes and j < len(notes[arm]) else ""
                _histogram(ax, shares[arm][j], np.asarray(bins, float), styles[arm]["color"], top, note)
                if i == 0:
                    ax.set_title(f"layer {j + 1}", fontsize=9.5)
                if i < len(rows) - 1 and not isinstance(edges, Mapping):
                    ax.tick_params(labelbottom=False)
            name = wrapped(arm, 16, 2)
            axes[i][0].set_ylabel(
                name, fontsize=9.5, fontweight="bold", color=text_colour(styles[arm]["color"])
            )
        figure.supylabel("share of the values", fontsize=9)
        axes[-1][layers // 2].set_xlabel(fitted(x_label, 3.6, 9.5))
        clipped = (
            f"Bars above {100 * top:.0f} % are cut off (▲); the panel says how high they are." if cut else ""
        )
        small_print(figure, clipped)
    return figure


def _cells(ax: Axes, values: np.ndarray) -> AxesImage:
    from matplotlib import colormaps

    image = ax.imshow(np.ma.masked_invalid(values), cmap=colormaps["viridis"], aspect="auto")
    rows, columns = values.shape
    ax.grid(False)
    for edge in np.arange(rows + 1) - 0.5:
        ax.axhline(edge, color="white", linewidth=1.5)
    for edge in np.arange(columns + 1) - 0.5:
        ax.axvline(edge, color="white", linewidth=1.5)
    for row, column in np.argwhere(np.isnan(values)):
        ax.add_patch(
            _box(row, column, 0.47, facecolor="#f1f2f5", edgecolor="#a3a7b3", hatch="////", linewidth=0)
        )
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return image


def _box(row: float, column: float, half: float, **look: object):
    """Return a square around a cell's centre, as a patch."""
    from matplotlib.patches import Rectangle

    return Rectangle((column - half, row - half), 2 * half, 2 * half, **look)  # type: ignore[arg-type]


def _write(ax: Axes, image: AxesImage, values: np.ndarray, text_format: str, size: float) -> None:
    """Write each number into its cell, black or white by contrast."""
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        rgb = 255 * np.asarray(image.cmap(image.norm(value)))[:3]
        color = "white" if luminance(list(rgb)) < 0.18 else "black"
        text = text_format.format(value).replace("-", "−")
        ax.text(column, row, text, ha="center", va="center", color=color, fontsize=size)


def _outline(ax: Axes, mark: np.ndarray | None) -> None:
    for row, column in np.argwhere(mark) if mark is not None else ():
        ax.add_patch(_box(row, column, 0.46, fill=False, edgecolor="white", linewidth=4.0, zorder=4))
        ax.add_patch(_box(row, column, 0.46, fill=False, edgecolor="#c1121f", linewidth=2.0, zorder=5))


def _shares(counts: np.ndarray) -> np.ndarray:
    counts = np.nan_to_num(np.asarray(counts, float))
    return counts / max(counts.sum(), 1e-300)


def _top(shares: Sequence[np.ndarray]) -> tuple[float, bool]:
    """Return the y axis' end, and whether it cuts bars: so that one full bin does not flatten all others."""
    peak = max((float(share.max(initial=0.0)) for share in shares), default=0.0) or 1.0
    third = [float(np.sort(share)[-3]) for share in shares if (share > 0).sum() >= 3]
    typical = float(np.median(third)) if third else peak
    if typical > _FLAT * peak:
        return min(1.02, 1.12 * peak), False
    return 5 * typical, True


def _least(shares: np.ndarray, top: float) -> tuple[float, str]:
    """Return place and alignment of a text at the top: right if bars leave room there, else where they do."""
    left, middle, right = (float(part.max(initial=0.0)) for part in np.array_split(shares, 3))
    places = [(right, 0.97, "right"), (left, 0.03, "left"), (middle, 0.5, "center")]
    return next((place for place in places if place[0] < 0.6 * top), min(places))[1:]


def _histogram(ax: Axes, shares: np.ndarray, edges: np.ndarray, color: str, top: float, note: str) -> None:
    ax.stairs(np.minimum(shares, top), edges, fill=True, color=color, alpha=0.85)
    ax.set_ylim(0, top)
    ax.grid(False, axis="x")
    room = 0.02 * (edges[-1] - edges[0])
    ax.set_xlim(edges[0] - room, edges[-1] + room)
    linear_ticks(ax.xaxis, 3)
    linear_ticks(ax.yaxis, 3)
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    ax.tick_params(labelsize=SMALL)
    over = shares > top
    for place in np.flatnonzero(over):
        ax.plot(
            (edges[place] + edges[place + 1]) / 2,
            top,
            "^",
            color=color,
            markersize=6,
            clip_on=False,
            zorder=5,
        )
    peak = f"peak {100 * shares.max():.0f} %" if over.any() else ""
    text = "\n".join(part for part in (shorten(note, characters(1.5, SMALL)), peak) if part)
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
    x, side = _least(shares, top)
    ax.text(x, 0.95, text, transform=ax.transAxes, ha=side, va="top", fontsize=SMALL, bbox=box)
    if not shares.any():
        ax.text(
            0.5,
            0.5,
            "diverged",
            transform=ax.transAxes,
            ha="center",
            va="center",
            color=MUTED,
            style="italic",
        )
