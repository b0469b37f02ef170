"""2b. The same as 2a with tanh."""

from __future__ import annotations

from functools import partial

import numpy as np

from goodfit.lab.activations import figure, layer, run, tables
from goodfit.lab.c2a import RULES
from goodfit.lab.comparison import Claim, Comparison

_CLAIMS = (
    Claim(
        "With Xavier and tanh the values are well spread, better than the sigmoid's.",
        "standard deviation of the last layer (well: over 0.2; the sigmoid's is 0.12)",
        layer("std", "Xavier", -1),
        inside=(0.2, np.inf),
    ),
    Claim(
        "tanh is symmetric about 0.",
        "mean of the last layer (symmetric: within 0.05 of 0)",
        layer("mean", "Xavier", -1),
        inside=(-0.05, 0.05),
    ),
    Claim(
        "With σ = 0.01 the activations shrink to nothing.",
        "standard deviation of the last layer (nothing: below 0.001)",
        layer("std", "σ = 0.01", -1),
        inside=(-np.inf, 1e-3),
    ),
    Claim(
        "With σ = 1 the values pile up at −1 and 1.",
        "share of values within 0.1 of −1 or 1 in the last layer (pile up: over ½)",
        layer("extreme", "σ = 1", -1),
        inside=(0.5, np.inf),
    ),
)

_MEASURES = {
    "std": "Standard deviation of the activations",
    "extreme": "Share within 0.1 of −1 or 1",
    "gradient": "Norm of the gradient at the layer's output",
    "rank": "Effective rank of the activations (of at most 100)",
}

COMPARISON = Comparison(
    "2b",
    "Activations of tanh layers",
    "What do five tanh layers of 100 make of their input, for three kinds of initial weights?",
    "tanh passes small values on unchanged, so with σ = 0.01 every layer divides them by ten: after five, "
    "nothing is left. Xavier keeps the size, up to what the bends of tanh take off.",
    partial(run, "tanh", RULES),
    _CLAIMS,
    partial(figure, what="activation"),
    partial(tables, names=_MEASURES),
    "Histograms of the activations, one row for each kind of initial weights, one column a layer.",
    needs="rows",
)
