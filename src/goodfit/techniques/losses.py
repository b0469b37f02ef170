"""Losses of one batch, one number a row; the member averages them with the rows' weights.

Shapes: ``outputs`` (B, K) are what the last layer gives, before any softmax or sigmoid. Logarithms are
natural: a classifier that knows nothing stands at ``ln K``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array


def _at_label(values: Array, labels: Array) -> Array:
    """Return each row's value at its label, (B,), from values (B, K)."""
    hit = jnp.arange(values.shape[-1]) == labels[:, None]
    return jnp.sum(jnp.where(hit, values, 0.0), axis=-1)


def softmax_cross_entropy(outputs: Array, labels: Array, smoothing: Array | float = 0.0) -> Array:
    """Return ``-Σ t·log softmax(outputs)`` a row, (B,).

    ``labels`` (B,) whole numbers; the target ``t`` is ``(1 − smoothing)·onehot + smoothing/K``
    (Szegedy et al. 2016, §7).
    """
    log_p = jax.nn.log_softmax(outputs, axis=-1)
    return -(1.0 - smoothing) * _at_label(log_p, labels) - smoothing * jnp.mean(log_p, axis=-1)


def binary_cross_entropy(outputs: Array, targets: Array, smoothing: Array | float = 0.0) -> Array:
    """Return the mean over the K outputs of the cross-entropy of independent sigmoids, (B,).

    ``targets`` (B, K) in [0, 1]; smoothing moves them to ``(1 − smoothing)·t + smoothing/2``.
    """
    t = (1.0 - smoothing) * targets + 0.5 * smoothing
    per_output = jnp.maximum(outputs, 0.0) - outputs * t + jnp.log1p(jnp.exp(-jnp.abs(outputs)))
    return jnp.mean(per_output, axis=-1)


def squared_error(outputs: Array, targets: Array, smoothing: Array | float = 0.0) -> Array:
    """Return ``½·mean_K (outputs − targets)²`` a row, (B,); smoothing has no meaning here."""
    return 0.5 * jnp.mean(jnp.square(outputs - targets), axis=-1)


def multilabel_cross_entropy(outputs: Array, targets: Array, smoothing: Array | float = 0.0) -> Array:
    """Return the sum over the K outputs of the cross-entropy of independent sigmoids, (B,)."""
    return outputs.shape[-1] * binary_cross_entropy(outputs, targets, smoothing)


def summed_squared_error(outputs: Array, targets: Array, smoothing: Array | float = 0.0) -> Array:
    """Return ``½·Σ_K (outputs − targets)²`` a row, (B,)."""
    return 0.5 * jnp.sum(jnp.square(outputs - targets), axis=-1)


def poisson(outputs: Array, targets: Array, smoothing: Array | float = 0.0) -> Array:
    """Return half the Poisson deviance, ``Σ_K exp(o) − t·o + t·ln t − t`` a row, (B,); targets ``t ≥ 0``."""
    whole = jax.scipy.special.xlogy(jnp.maximum(targets, 0.0), jnp.maximum(targets, 1e-30)) - targets
    return jnp.sum(jnp.exp(outputs) - targets * outputs + whole, axis=-1)


def absolute_error(outputs: Array, targets: Array, smoothing: Array | float = 0.0) -> Array:
    """Return ``mean_K |outputs − targets|`` a row, (B,)."""
    return jnp.mean(jnp.abs(outputs - targets), axis=-1)


def _wrong_class(outputs: Array, labels: Array) -> Array:
    """Return ``argmax(outputs) != labels`` as numbers, (B,); NaN is wrong.

    XLA runs ``argmax`` one number at a time on a CPU; here the classes that beat the label are counted.
    """
    picked, before = _at_label(outputs, labels)[:, None], jnp.arange(outputs.shape[-1]) < labels[:, None]
    beaten = jnp.where(before, outputs < picked, outputs <= picked)  # of ties, the first
    return (jnp.sum((~beaten).astype(jnp.float32), axis=-1) > 0).astype(jnp.float32)


def _wrong_bits(outputs: Array, targets: Array) -> Array:
    return jnp.mean(((outputs > 0) != (targets > 0.5)).astype(jnp.float32), axis=-1)


def _any_wrong_bit(outputs: Array, targets: Array) -> Array:
    return jnp.max(((outputs > 0) != (targets > 0.5)).astype(jnp.float32), axis=-1)


def _square(outputs: Array, targets: Array) -> Array:
    return jnp.mean(jnp.square(outputs - targets), axis=-1)


def _square_of_exp(outputs: Array, targets: Array) -> Array:
    return _square(jnp.exp(outputs), targets)


def _mean_exponential(z: Array) -> Array:
    """Return ``log(mean_k exp(z))``, (B, K), of z (B, k, K)."""
    return jax.nn.logsumexp(z, axis=1) - jnp.log(z.shape[1])


class Loss(NamedTuple):
    """A loss, the error that is counted beside it, and what turns outputs into predictions."""

    per_row: Callable[..., Array]
    error: Callable[[Array, Array], Array]  # share of wrong labels, or squared/absolute error, a row
    head: str  # "softmax" | "sigmoid" | "identity" | "exp"

    def mean_of(self, outputs: Array) -> Array:
        """Return outputs (B, K) whose prediction is the mean of those of k outputs, (B, k, K)."""
        if self.head == "softmax":
            return _mean_exponential(jax.nn.log_softmax(outputs, axis=-1))
        if self.head == "sigmoid":
            yes, no = jax.nn.log_sigmoid(outputs), jax.nn.log_sigmoid(-outputs)
            return _mean_exponential(yes) - _mean_exponential(no)
        return _mean_exponential(outputs) if self.head == "exp" else jnp.mean(outputs, axis=1)


LOSSES: dict[str, Loss] = {
    "softmax_cross_entropy": Loss(softmax_cross_entropy, _wrong_class, "softmax"),
    "binary_cross_entropy": Loss(binary_cross_entropy, _wrong_bits, "sigmoid"),
    "multilabel_cross_entropy": Loss(multilabel_cross_entropy, _any_wrong_bit, "sigmoid"),
    "squared_error": Loss(squared_error, _square, "identity"),
    "summed_squared_error": Loss(summed_squared_error, _square, "identity"),
    "poisson": Loss(poisson, _square_of_exp, "exp"),
    "absolute_error": Loss(absolute_error, absolute_error, "identity"),
}
