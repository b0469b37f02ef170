"""2a. What the initial weights do to the activations of sigmoid layers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from goodfit.lab.activations import figure, layer, run, tables
from goodfit.lab.comparison import Claim, Comparison, Record
from goodfit.techniques.initializers import Gaussian, Initializer, Xavier

RULES: dict[str, Initializer] = {"σ = 1": Gaussian(1.0), "σ = 0.01": Gaussian(0.01), "Xavier": Xavier()}


def _vanished(arm: str) -> Any:
    def ratio(record: Record) -> np.ndarray:
        norms = record.of("gradient", arm)
        return np.log10(np.maximum(norms[:, 0], 1e-300) / norms[:, -1])

    return ratio


_CLAIMS = (
    Claim(
        "With σ = 1 the values pile up at 0 and 1.",
        "share of values within 0.05 of 0 or 1 in the last layer (pile up: over ½)",
        layer("extreme", "σ = 1", -1),
        inside=(0.5, np.inf),
    ),
    Claim(
        "With σ = 1 the gradients vanish on their way back.",
        "gradient norm at the first layer ÷ at the last, log10 (vanish: below −1)",
        _vanished("σ = 1"),
        inside=(-np.inf, -1.0),
    ),
    Claim(
        "With σ = 0.01 all values gather near 0.5: limited expressiveness.",
        "standard deviation of the last layer (gathered: below 0.05)",
        layer("std", "σ = 0.01", -1),
        inside=(-np.inf, 0.05),
    ),
    Claim(
        "With σ = 0.01 the gradients do not vanish: no value lies where the sigmoid is flat.",
        "gradient norm at the first layer ÷ at the last, log10 (not vanished: above −1)",
        _vanished("σ = 0.01"),
        inside=(-1.0, np.inf),
    ),
    Claim(
        "Xavier spreads the values well.",
        "standard deviation of the last layer, Xavier − σ = 0.01 (well: over 0.05)",
        layer("std", "Xavier", -1),
        layer("std", "σ = 0.01", -1),
        inside=(0.05, np.inf),
    ),
)

_MEASURES = {
    "std": "Standard deviation of the activations",
    "extreme": "Share within 0.05 of 0 or 1",
    "gradient": "Norm of the gradient at the layer's output",
    "rank": "Effective rank of the activations (of at most 100)",
}

COMPARISON = Comparison(
    "2a",
    "Activations of sigmoid layers",
    "What do five sigmoid layers of 100 make of their input, for three kinds of initial weights?",
    "A sigmoid near 0 or 1 is flat, and all values near 0.5 differ little. The figures correct two things "
    "that are often said. Gradients vanish by the product of slope and weights: with σ = 1 the large "
    "weights make up for the flat slopes, with σ = 0.01 the tiny weights take a factor of forty a layer "
    "though no sigmoid is flat. And the effective rank with σ = 0.01 is that of Xavier: the values still "
    "point in as many directions, it is their size that is lost.",
    partial(run, "sigmoid", RULES),
    _CLAIMS,
    partial(figure, what="activation"),
    partial(tables, names=_MEASURES),
    "Histograms of the activations, one row for each kind of initial weights, one column a layer.",
    needs="rows",
)
