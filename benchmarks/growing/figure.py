"""The figure of growth: measured time by work, beside a line of slope 1, a panel for each series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from goodfit.report.palette import LEVEL, MUTED, PALETTE
from growing.scaling import BATCH, CLASSES, Size, middle, slope, upper_half

COLUMNS, ROWS = 3, 2
FIXED = {"rows": "3 epochs, so more rows are more steps"}


def draw(records: list[dict[str, Any]], path: Path) -> None:
    """Draw the series that there are, at most five, and save the figure."""
    figure, grid = plt.subplots(ROWS, COLUMNS, figsize=(13, 8.2), layout="constrained")
    panels = list(grid.flat)
    for axes, record in zip(panels, records, strict=False):
        draw_series(axes, record)
    for axes in panels[len(records) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    panels[-1].legend(handles, labels, loc="upper left", frameon=False, fontsize=11)
    panels[-1].text(0.03, 0.78, base_in_words(), va="top", fontsize=10, color=MUTED)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, facecolor="white")
    plt.close(figure)


def base_in_words() -> str:
    """Return what is trained where nothing else is said."""
    base = Size()
    widths = "-".join(map(str, (base.columns, *(base.width,) * base.depth, CLASSES)))
    return (
        f"Unless it is what grows: {base.members} networks\n{widths}, batches of {BATCH},\n"
        f"Adam, {base.steps} steps, {base.rows:,} rows.\n"
        "The line goes through the last point;\nslopes are fitted to the filled points."
    )


def draw_series(axes: Axes, record: dict[str, Any]) -> None:
    """Draw one series: each point with its size, the line of slope 1, and the fitted slope."""
    name, points = record["series"], record["points"]
    work, seconds = [p["work"] for p in points], [middle(p) for p in points]
    fitted = {p["value"] for p in upper_half(points)}
    ideal = [seconds[-1] * w / work[-1] for w in work]
    axes.plot(work, ideal, color=MUTED, linestyle=LEVEL, linewidth=1.5, label="slope 1: time grows as work")
    axes.plot(work, seconds, color=PALETTE["blue"], linewidth=1.5, label="measured, median of three")
    faces = [PALETTE["blue"] if p["value"] in fitted else "white" for p in points]
    axes.scatter(work, seconds, c=faces, edgecolors=PALETTE["blue"], s=36, zorder=3)
    for p, x, y in zip(points, work, seconds, strict=True):
        place = {"textcoords": "offset points", "ha": "right", "va": "bottom", "fontsize": 8}
        axes.annotate(f"{p['value']:,}", (x, y), (-4, 4), annotation_clip=False, **place)
    axes.set(xscale="log", yscale="log", xlabel="work, GFLOP", ylabel="seconds")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.margins(0.16, 0.14)  # room for what is written beside the first point
    axes.set_title(f"{name}{', ' + FIXED[name] if name in FIXED else ''}", fontsize=11, loc="left")
    axes.text(0.97, 0.05, f"slope {slope(points):.2f}", transform=axes.transAxes, ha="right", fontsize=11)
    axes.grid(which="major", color="#e4e4ea", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
