"""One row an arm, or one row a claim: numbers of the seeds, means and intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from goodfit.report.palette import MUTED, PALETTE, styles_for, text_colour
from goodfit.report.scales import limits, linear_ticks, log_ticks
from goodfit.report.style import SMALL, house, new_figure, small_print
from goodfit.report.text import fitted, number, wrapped
from goodfit.stats.intervals import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Interval = tuple[float, float, float]
_WIDTH = 8.4
_JITTER = np.array([0.0, 0.13, -0.13, 0.22, -0.22])  # of a row's height
_LEVEL_LINES = ((0, (2, 2)), (0, (6, 2)), (0, (6, 2, 1, 2)), (0, (1, 1)))
_VERDICTS = {  # by the verdict's first word: marker, filled, colour
    "holds": ("o", True, PALETTE["green"]),
    "exact": ("o", True, PALETTE["green"]),
    "does": ("X", True, PALETTE["orange"]),
    "cannot": ("D", False, MUTED),
}


def dots(
    arms: Mapping[str, np.ndarray],
    *,
    x_label: str,
    intervals: Mapping[str, Interval] | None = None,
    x_log: bool = False,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Draw one row an arm: a dot a seed, the mean with its 95 % interval, and both in figures at the right.

    Args:
        arms: (seeds,) values by label; NaN where a member diverged: counted, never averaged.
        x_label: what the values are, with the unit.
        intervals: (mean, low, high) by label, where not Student's t interval of the finite values.
        x_log: a logarithmic axis; then the means are those of the logarithms.
        levels: labelled vertical lines.
    """
    values = {label: np.asarray(v, float).ravel() for label, v in arms.items()}
    alive = {label: v[np.isfinite(v) & ((v > 0) if x_log else True)] for label, v in values.items()}
    means = {label: (intervals or {}).get(label) or _mean(v, x_log) for label, v in alive.items()}
    styles = styles_for(list(arms))
    with house():
        figure, ax = _rows([wrapped(label, 26) for label in arms], x_label)
        _levels(figure, ax, levels or {})
        for row, label in enumerate(arms):
            color, marker = styles[label]["color"], styles[label]["marker"]
            seeds = np.sort(alive[label])
            ax.plot(seeds, row + _JITTER[np.arange(len(seeds)) % 5], marker, color=color, alpha=0.55,
                    markersize=4.5, markeredgewidth=0, zorder=2)  # fmt: skip
            _interval(ax, row, means[label], text_colour(color), "d", True)
            gone = int((~np.isfinite(values[label])).sum())
            said = [_in_figures(means[label])] if len(seeds) else []
            said += [f"{gone} of {len(values[label])} diverged"] if gone else []
            _remark(ax, row, "\n".join(said), PALETTE["ink"])
            if not len(seeds):
                ax.text(0.5, row, "diverged", transform=ax.get_yaxis_transform(), ha="center", va="center",
                        color=MUTED, style="italic")  # fmt: skip
        ends = [np.array(mean) for mean in means.values()]
        _scale(ax, [*alive.values(), *ends, np.array(list((levels or {}).values()))], x_log)
        kind = "geometric mean" if x_log else "mean"
        small_print(figure, f"Dot: one seed. Diamond and bar: {kind} with 95 % interval.")
    return figure


def effects(claims: Sequence[tuple[str, float, float, float, str]], *, x_label: str) -> Figure:
    """Draw paired differences as a forest plot: a row a claim, its interval, 0, and the verdict in words.

    Args:
        claims: (text, difference, low, high, verdict), NaN where nothing could be subtracted. The marker
            follows the verdict's first word: holds a filled circle, does not hold a cross, cannot tell a
            hollow diamond.
        x_label: what the differences are, with the unit.
    """
    with house():
        figure, ax = _rows([wrapped(claim[0], 40, 3) for claim in claims], x_label)
        ax.axvline(0, color=PALETTE["ink"], linewidth=1.0, zorder=1.5)
        for row, (_, difference, low, high, verdict) in enumerate(claims):
            first = verdict.split()[0].lower().strip(",.:;") if verdict.split() else ""
            marker, filled, color = _VERDICTS.get(first, ("s", True, PALETTE["blue"]))
            _interval(ax, row, (difference, low, high), text_colour(color), marker, filled)
            words = fitted(verdict, 2.0, 8.5)
            said = _in_figures((difference, low, high)) if math.isfinite(difference) else "not comparable"
            _remark(ax, row, f"{words}\n{said}", text_colour(color))
        _scale(ax, [np.array([0.0]), *(np.array(claim[1:4], float) for claim in claims)], log=False)
        small_print(
            figure,
            "Bar: interval of the mean paired difference · ● holds · ✖ does not hold · ◇ cannot tell",
        )
    return figure


def _mean(values: np.ndarray, log: bool) -> Interval:
    if not log:
        return mean_interval(values)
    middle, low, high = (10.0**end for end in mean_interval(np.log10(values)))
    return middle, low, high


def _rows(labels: Sequence[str], x_label: str) -> tuple[Figure, Axes]:
    """Return a figure with a labelled row for each text, the first on top."""
    heights = [0.20 + 0.15 * (label.count("\n") + 1) for label in labels]
    row = max([0.46, *heights])
    figure = new_figure(_WIDTH, row * len(labels) + 1.15)
    ax = figure.subplots()
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_yticks(range(len(labels)), labels, fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(fitted(x_label, 5.0, 9.5))
    return figure, ax


def _interval(ax: Axes, row: int, mean: Interval, color: str, marker: str, filled: bool) -> None:
    middle, low, high = mean
    if math.isfinite(low) and math.isfinite(high):
        ax.plot([low, high], [row, row], color=color, linewidth=2.2, solid_capstyle="butt", zorder=3)
    if math.isfinite(middle):
        face = color if filled else "white"
        ax.plot([middle], [row], marker, color=color, markersize=7.5, zorder=4,
                markerfacecolor=face, markeredgecolor="white" if filled else color,
                markeredgewidth=0.9 if filled else 1.8)  # fmt: skip


def _in_figures(mean: Interval) -> str:
    """Return ``mean [low, high]``, all with as many decimals as the interval's width justifies."""
    middle, low, high = mean
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return number(middle)
    decimals = 1 - math.floor(math.log10(high - low))
    if not 0 <= decimals <= 6:
        return f"{number(middle)} [{number(low)}, {number(high)}]"
    return "{:,.{d}f} [{:,.{d}f}, {:,.{d}f}]".format(*mean, d=decimals).replace("-", "−")


def _remark(ax: Axes, row: int, text: str, color: str) -> None:
    place = ax.get_yaxis_transform()
    ax.text(1.015, row, text, transform=place, va="center", color=color, fontsize=8.5, linespacing=1.25)


def _levels(figure: Figure, ax: Axes, levels: Mapping[str, float]) -> None:
    """Draw vertical lines and name them on top."""
    handles = [
        ax.axvline(
            value, color=MUTED, linewidth=1.2, linestyle=_LEVEL_LINES[i % len(_LEVEL_LINES)], zorder=1.5
        )
        for i, value in enumerate(levels.values())
    ]
    if handles:
        names = [str(i) for i in range(len(handles))]  # a label that starts with _ would be left out
        legend = figure.legend(
            handles, names, loc="outside upper left", ncols=2, fontsize=SMALL + 0.5, handlelength=2.6
        )
        for entry, label in zip(legend.get_texts(), levels, strict=True):
            entry.set_text(fitted(label, 3.2, 8.5))


def _scale(ax: Axes, parts: Sequence[np.ndarray], log: bool) -> None:
    ax.set_xscale("log" if log else "linear")
    low, high = limits(parts, parts, log) or ((0.1, 10.0) if log else (0.0, 1.0))
    ax.set_xlim(low, high)
    if log:
        log_ticks(ax.xaxis, low, high)
    else:
        linear_ticks(ax.xaxis)
    if not any(np.isfinite(part).any() for part in parts):
        ax.set_xticks([])
