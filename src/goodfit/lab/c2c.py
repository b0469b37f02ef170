"""2c. The same as 2a with ReLU."""

from __future__ import annotations

from functools import partial

import numpy as np

from goodfit.lab.activations import figure, layer, run, tables
from goodfit.lab.comparison import Claim, Comparison, Record
from goodfit.techniques.initializers import Gaussian, He, Initializer, Xavier

RULES: dict[str, Initializer] = {
    "σ = 1": Gaussian(1.0),
    "σ = 0.01": Gaussian(0.01),
    "Xavier": Xavier(),
    "He": He(),
}


def _kept(arm: str):
    """Return the function from a record to std of the last layer ÷ of the first, (seeds,)."""

    def kept(record: Record) -> np.ndarray:
        std = record.of("std", arm)
        return std[:, -1] / std[:, 0]

    return kept


_CLAIMS = (
    Claim(
        "With σ = 0.01 the activations die out.",
        "standard deviation of the last layer ÷ of the first (die out: below 0.01)",
        _kept("σ = 0.01"),
        inside=(-np.inf, 0.01),
    ),
    Claim(
        "With Xavier they skew towards 0 as the layers get deeper.",
        "standard deviation of the last layer ÷ of the first (skew: below ½)",
        _kept("Xavier"),
        inside=(-np.inf, 0.5),
    ),
    Claim(
        "With He the spread is kept.",
        "standard deviation of the last layer ÷ of the first (kept: between ⅔ and 1½)",
        _kept("He"),
        inside=(2 / 3, 3 / 2),
    ),
    Claim(
        "He keeps more than Xavier.",
        "standard deviation of the last layer, He − Xavier",
        layer("std", "He", -1),
        layer("std", "Xavier", -1),
    ),
)

_MEASURES = {
    "std": "Standard deviation of the activations",
    "mean": "Mean of the activations",
    "gradient": "Norm of the gradient at the layer's output",
    "rank": "Effective rank of the activations (of at most 100)",
    "dead": "Share of units that are 0 on all rows",
}

COMPARISON = Comparison(
    "2c",
    "Activations of ReLU layers",
    "What do five ReLU layers of 100 make of their input, for four kinds of initial weights?",
    "ReLU throws half of the values away, so a layer needs twice the variance of Xavier's weights to pass on "
    "what came in: that is He's. The histograms show [0, 1]; with σ = 1 nearly everything lies beyond.",
    partial(run, "relu", RULES),
    _CLAIMS,
    partial(figure, what="activation, up to 1"),
    partial(tables, names=_MEASURES),
    "Histograms of the activations, one row for each kind of initial weights, one column a layer.",
    needs="rows",
)
