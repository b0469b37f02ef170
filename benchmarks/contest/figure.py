"""The critical-difference figure (Demšar 2006): mean ranks, bars over what Nemenyi cannot tell apart."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from contest import compare
from contest.compare import Results

INK, GREY, OURS = "#222222", "#777777", "#0b62c4"
ROW = 0.42  # between labels, in inches
TOP = 0.75


def draw(results: Results, path: Path) -> None:
    """Draw the figure and save it."""
    means = compare.ranks(results.by_table()).mean(axis=0)
    order, k = np.argsort(means, kind="stable"), len(means)
    gap = compare.critical_difference(k, len(results.tables))
    bars = compare.groups(means, gap)
    half = (k + 1) // 2
    height = TOP + 0.16 * len(bars) + ROW * half + 0.45
    figure, axes = plt.subplots(figsize=(8, height))
    axes.set_axis_off()
    axes.set_xlim(1 - 0.42 * (k - 1), k + 0.42 * (k - 1))
    axes.set_ylim(-height, 0)
    draw_axis(axes, k, gap)
    for i, (first, last) in enumerate(bars):
        y = -TOP - 0.16 * (i + 1)
        ends = np.sort(means)[[first, last]] + np.array([-0.04, 0.04]) * k / 9
        axes.plot(ends, [y, y], color=INK, linewidth=4, solid_capstyle="round")
    for place, j in enumerate(order):
        left = place < half
        level = place if left else k - 1 - place
        y = -TOP - 0.16 * len(bars) - 0.3 - ROW * level
        draw_label(axes, results.methods[j], float(means[j]), y, k, left)
    chance = compare.friedman(results.by_table())
    note = f"{len(results.tables)} tables" + ("" if chance is None else f"; Friedman p = {chance:.2g}")
    axes.text((1 + k) / 2, -height + 0.08, note, ha="center", va="bottom", fontsize=9, color=GREY)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=160, bbox_inches="tight", facecolor="white")
    plt.close(figure)


def draw_axis(axes: Axes, k: int, gap: float) -> None:
    """Draw the scale of ranks, and the critical difference above its left end."""
    axes.plot([1, k], [-TOP, -TOP], color=INK, linewidth=1)
    for rank in range(1, k + 1):
        axes.plot([rank, rank], [-TOP, -TOP + 0.08], color=INK, linewidth=1)
        axes.text(rank, -TOP + 0.12, str(rank), ha="center", va="bottom", fontsize=9, color=INK)
    end = min(1 + gap, k)
    axes.plot([1, end], [-0.28, -0.28], color=INK, linewidth=1.5)
    for x in (1, end):
        axes.plot([x, x], [-0.33, -0.23], color=INK, linewidth=1.5)
    said = f"critical difference {gap:.2f}" + (" (beyond the scale)" if 1 + gap > k else "")
    axes.text((1 + end) / 2, -0.2, said, ha="center", va="bottom", fontsize=9, color=INK)


def draw_label(axes: Axes, method: str, mean: float, y: float, k: int, left: bool) -> None:
    """Draw a method's line from its rank down to its name."""
    color = OURS if method == "goodfit" else INK
    edge = 1 - 0.08 * (k - 1) if left else k + 0.08 * (k - 1)
    axes.plot([mean, mean, edge], [-TOP, y, y], color=color, linewidth=1)
    weight = "bold" if method == "goodfit" else "normal"
    name = f"{method}  {mean:.2f}" if left else f"{mean:.2f}  {method}"
    x, side = (edge - 0.01 * k, "right") if left else (edge + 0.01 * k, "left")
    axes.text(x, y, name, ha=side, va="center", fontsize=10, color=color, fontweight=weight)
