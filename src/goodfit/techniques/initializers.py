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
        f"init must be 'auto' or an initializer (Gaussian, Xavier, Glorot, He, LeCun), got {init!r}."
    )
