"""Where a search looked: its ranges round by round, and how far what it drew there came."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from goodfit.report.palette import MUTED, PALETTE
from goodfit.report.scales import limits, linear_ticks, log_ticks
from goodfit.report.style import house, new_figure, small_print
from goodfit.report.text import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _PANEL = 8.4, 2.0  # inches; a panel is at least so high
_ROW = 0.16  # inches a round
_HALF = 0.38  # of a row, that a box fills
_STEPS = 9  # of the axis of rounds: up to eight rounds are all named


@dataclass(frozen=True)
class BoxRound:
    """One round of a search, seen on one range.

    Args:
        low, high: the ends of the range then; NaN if it was not searched.
        values: (n,) what was drawn.
        reached: (n,) how far the networks came: from 0, begun, to 1, a full run; NaN: diverged.
        harvest: whether the draws were close to the best points.
    """

    low: float
    high: float
    values: np.ndarray
    reached: np.ndarray
    harvest: bool = False


def boxes(
    places: Mapping[str, Sequence[BoxRound]],
    *,
    logs: Sequence[str] = (),
    best: tuple[int, Mapping[str, float]] | None = None,
) -> Figure:
    """Draw a panel a range: a box a round, the first on top, with a dot for each draw.

    Args:
        places: the rounds by the range's name, all of one length.
        logs: names of ranges on a log scale.
        best: the round that drew the best network, from 0, and its values by name.
    """
    rounds = max((len(found) for found in places.values()), default=1)
    columns = min(2, max(1, len(places)))
    lines = math.ceil(len(places) / columns)
    height = max(_PANEL, _ROW * rounds + 0.9)
    with house():
        figure = new_figure(_WIDTH, height * lines + 0.5)
        axes = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
        for ax in axes[len(places) :]:
            ax.set_visible(False)
        for ax, (name, found) in zip(axes, places.items(), strict=False):
            _panel(ax, found, name in logs)
            if best is not None and name in best[1]:
                _star(ax, best[0] + 1, best[1][name])
            ax.set_title(fitted(name, _WIDTH / columns - 0.6, 10.5))
        axes[0].set_ylim(rounds + 0.6, 0.4)
        linear_ticks(axes[0].yaxis, _STEPS, whole=True)
        for ax in axes[::columns]:
            ax.set_ylabel("round")
        small_print(
            figure,
            "Box: a round's range (hatched: near the best points). Dot: a draw, darker the further it came; "
            "× diverged; ★ the best.",
        )
    return figure


def _panel(ax: Axes, found: Sequence[BoxRound], log: bool) -> None:
    for number, one in enumerate(found, start=1):
        if math.isfinite(one.low) and math.isfinite(one.high):
            ax.barh(
                number, one.high - one.low, 2 * _HALF, left=one.low, color="#dfe9f4", zorder=1,
                hatch="////" if one.harvest else None, edgecolor="#b7cbe0", linewidth=0.6,
            )  # fmt: skip
        rows = np.full(len(one.values), float(number))
        wrecked = np.isnan(one.reached)
        alive = np.where(wrecked, 0.0, one.reached)[~wrecked]
        order = np.argsort(alive)
        ax.scatter(
            one.values[~wrecked][order], rows[~wrecked], s=14, c=0.25 + 0.75 * alive[order], cmap="Blues",
            vmin=0, vmax=1.1, linewidths=0.3, edgecolors=MUTED, zorder=2,
        )  # fmt: skip
        ax.scatter(
            one.values[wrecked],
            rows[wrecked],
            s=18,
            marker="x",
            color=PALETTE["orange"],
            linewidths=1.1,
            zorder=3,
        )
    ends = np.array([end for one in found for end in (one.low, one.high)])
    drawn = np.concatenate([one.values for one in found]) if found else np.empty(0)
    ax.set_xscale("log" if log else "linear")
    low, high = limits([ends, drawn], [ends, drawn], log) or ((0.1, 10.0) if log else (0.0, 1.0))
    ax.set_xlim(low, high)
    if log:
        log_ticks(ax.xaxis, low, high)
    else:
        linear_ticks(ax.xaxis)


def _star(ax: Axes, row: int, value: float) -> None:
    ax.axvline(value, color=PALETTE["gold"], linewidth=1.0, zorder=1.5)
    ax.plot(
        [value], [row], "*", color=PALETTE["gold"], markersize=11, zorder=4, clip_on=False,
        markeredgecolor=PALETTE["ink"], markeredgewidth=0.6,
    )  # fmt: skip
