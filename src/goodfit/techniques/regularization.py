"""Weight decay and dropout (the book, §6.4).

Dropout's masks come from a counter hash of (seed, step, layer, element): the same bits on every lane and
chunk, and about ten times cheaper on a CPU than `jax.random` (0.27 ns a draw against 4 to 10).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.errors import must_be
from goodfit.techniques.base import check_number, structure, technique

Array = jax.Array


@technique
class Dropout:
    """Keep each hidden unit where ``uniform > ratio``, a fresh mask every step (Srivastava et al. 2014).

    ``scaling="inverted"`` divides by ``1 − ratio`` in training, nothing at test time.
    ``scaling="book"`` leaves training alone and multiplies by ``1 − ratio`` at test time.
    ``scaling="slip"`` multiplies by ``ratio`` at test time: the slip of the study notes, kept to be shown.
    """

    ratio: float = 0.5
    scaling: str = structure(default="inverted")

    def __post_init__(self) -> None:
        check_number(self, "ratio", low=0.0, below=1.0)
        if self.scaling not in ("inverted", "book", "slip"):
            raise must_be("Dropout(scaling=…)", "'inverted', 'book' or 'slip'", self.scaling)

    def test_factor(self) -> Array | float:
        """Return what hidden activations are multiplied by at test time."""
        return {"inverted": 1.0, "book": 1.0 - self.ratio, "slip": self.ratio}[self.scaling]


@technique
class BatchDecay:
    """``½·(decay + alpha/Σw)·Σ‖W‖²`` over weight matrices, Σw the weight of the batch's rows (no weights: B).

    With ``decay`` 0 this is scikit-learn's penalty of its multi-layer perceptrons. Unlike a plain number as a
    recipe's ``weight_decay`` it is part of the reported training loss. A batch without weight has none of it.
    """

    alpha: float = 0.0001
    decay: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "alpha", low=0.0)
        check_number(self, "decay", low=0.0)

    def __mul__(self, factor: Any) -> BatchDecay:
        return BatchDecay(self.alpha * factor, self.decay * factor)

    def strength(self, total: Array) -> Array:
        """Return λ of ``½·λ·Σ‖W‖²`` for a batch whose rows weigh ``total``."""
        shared = self.alpha / jnp.where(total > 0, total, 1.0)
        return jnp.where(total > 0, shared + self.decay, 0.0)


def mix(bits: Array) -> Array:
    """Return a well-mixed uint32 for each uint32 (an invertible multiply–xorshift hash, two rounds)."""
    bits = bits ^ (bits >> 16)
    bits = bits * jnp.uint32(0x21F0AAAD)
    bits = bits ^ (bits >> 15)
    bits = bits * jnp.uint32(0x735A2D97)
    return bits ^ (bits >> 15)


def fold_in(key: Array, number: Array | int) -> Array:
    """Return a new uint32 key made from ``key`` and a whole number."""
    return mix(mix(key + jnp.uint32(0x9E3779B9)) ^ jnp.asarray(number).astype(jnp.uint32))


def uniform(key: Array, shape: tuple[int, ...]) -> Array:
    """Return float32 numbers in [0, 1) with 24 random bits each, a function of key and position alone."""
    index = jax.lax.iota(jnp.uint32, int(np.prod(shape))).reshape(shape)
    bits = mix(index * jnp.uint32(0x9E3779B9) + key)
    return (bits >> 8).astype(jnp.float32) * jnp.float32(2.0**-24)


def apply_dropout(dropout: Dropout, x: Array, key: Array) -> Array:
    """Return ``x`` (B, n) with a fresh mask applied, scaled as the form asks."""
    keep = uniform(key, x.shape) >= dropout.ratio
    if dropout.scaling == "inverted":
        x = x / (1.0 - dropout.ratio)
    return jnp.where(keep, x, 0.0)


def l2_penalty(weights: list[Array], weight_decay: Array | float) -> Array:
    """Return ``½·λ·Σ‖W‖²`` over weight matrices (the book, §6.4.2)."""
    return 0.5 * weight_decay * sum((jnp.sum(jnp.square(w)) for w in weights), start=jnp.zeros(()))
