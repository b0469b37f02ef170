"""Every kind of figure, by the question that it answers.

curves       what happens while a network trains
dots         one number a seed, arm by arm
heatmap      one number over two hyper-parameters
histograms   how values spread, layer by layer
paths        how an update rule walks down a function of two variables
effects      what the claims' paired differences are, and how sure
boxes        where a search looked, round by round

Each returns a `matplotlib.figure.Figure`; `goodfit.report.style.save` makes files of it.
"""

from __future__ import annotations

from goodfit.report.boxes import BoxRound, boxes
from goodfit.report.curves import Curve, Panel, curves
from goodfit.report.grids import heatmap, histograms
from goodfit.report.rows import dots, effects
from goodfit.report.style import new_figure, save
from goodfit.report.valley import paths

__all__ = [
    "BoxRound",
    "Curve",
    "Panel",
    "boxes",
    "curves",
    "dots",
    "effects",
    "heatmap",
    "histograms",
    "new_figure",
    "paths",
    "save",
]
