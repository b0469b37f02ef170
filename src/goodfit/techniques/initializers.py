"""Initial weights (the book, §6.2): each rule is a standard deviation for a layer's weight matrix.

Drawing happens on the host with NumPy's counter-based Philox generator, keyed by (seed, purpose, layer):
nothing is compiled, and a member's first weights depend on nothing but its own recipe and seed.
"""

from __future__ import annotations

import math

import numpy as np

from goodfit.errors import InputError
from goodfit.techniques.base import check_number, technique


class Initializer:
    """A rule for the standard deviation of a weight matrix ``(n_in, n_out)``; biases start at 0."""

    def std(self, n_in: int, n_out: int) -> float:
        """Return the standard deviation of the weights of a layer with these widths."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
        """Return a float32 matrix ``(n_in, n_out)`` of normal draws with mean 0 and deviation `std`."""
        return rng.standard_normal((n_in, n_out), dtype=np.float32) * np.float32(self.std(n_in, n_out))


@technique
class Gaussian(Initializer):
    """``std = sigma`` whatever the widths; 1 and 0.01 are the book's bad examples (§6.2.2)."""

    sigma: float = 0.01

    def __post_init__(self) -> None:
        check_number(self, "sigma", low=0.0)

    def std(self, n_in: int, n_out: int) -> float:
        return float(self.sigma)


@technique
class Xavier(Initializer):
    """``std = 1 / sqrt(n_in)``, the book's form (§6.2.2) for sigmoid and tanh."""

    def std(self, n_in: int, n_out: int) -> float:
        return 1.0 / math.sqrt(n_in)


@technique
class Glorot(Initializer):
    """``std = sqrt(2 / (n_in + n_out))`` (Glorot and Bengio 2010, eq. 12)."""

    def std(self, n_in: int, n_out: int) -> float:
        return math.sqrt(2.0 / (n_in + n_out))


@technique
class He(Initializer):
    """``std = sqrt(2 / n_in)`` (He et al. 2015, eq. 10; the book, §6.2.3) for ReLU and its kin."""

    def std(self, n_in: int, n_out: int) -> float:
        return math.sqrt(2.0 / n_in)


@technique
class LeCun(Initializer):
    """``std = sqrt(1 / n_in)`` (LeCun et al. 1998, §4.6): what SELU's fixed point assumes."""

    def std(self, n_in: int, n_out: int) -> float:
        return math.sqrt(1.0 / n_in)


@technique
class DataDriven(LeCun):
    """LeCun's draws, made to fit the data: each unit's output on a sample of training rows has deviation 1.

    Layer by layer each column of W is divided by the deviation of its output on the sample, and each bias is
    minus a random convex combination of the unit's outputs on 5 of the rows, so that the activation's bend
    lies among the data (Holzmüller, Grinsztajn and Steinwart 2024, §3: "std" and "he+5").
    """

    def fitted(
        self, weight: np.ndarray, h: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights (n_in, n_out) and biases (n_out,), float32; ``h`` (S, n_in) are the inputs."""
        std = (h @ weight).std(axis=0)
        weight = (weight / np.where(std > 1e-8, std, 1.0)).astype(np.float32)
        rows = rng.integers(len(h), size=(5, weight.shape[1]))
        shares = rng.standard_exponential(rows.shape)
        outputs = np.take_along_axis(h @ weight, rows, axis=0)
        return weight, -(shares * outputs / shares.sum(axis=0)).sum(axis=0).astype(np.float32)


_RULE: dict[str, Initializer] = {"sigmoid": Xavier(), "tanh": Xavier(), "selu": LeCun(), "identity": LeCun()}


def initializer_for(init: Initializer | str, activation: str) -> Initializer:
    """Return ``init``, or for ``"auto"`` the rule of §6.2: ReLU-like → He, sigmoid and tanh → Xavier.

    Raises:
        InputError: ``init`` is neither ``"auto"`` nor an `Initializer`.
    """
    if isinstance(init, Initializer):
        return init
    if init == "auto":
        return _RULE.get(activation, He())
    raise InputError(
        "init must be 'auto' or an initializer (Gaussian, Xavier, Glorot, He, LeCun, DataDriven), "
        f"got {init!r}."
    )
