"""Batch and layer normalisation of one batch (the book, §6.3; Ioffe and Szegedy 2015; Ba et al. 2016)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from goodfit.errors import must_be
from goodfit.techniques.base import check_number, structure, technique

Array = jax.Array


class Moments(NamedTuple):
    """Mean and variance by feature, each (n,)."""

    mean: Array
    var: Array


@technique
class BatchNorm:
    """Normalise each feature over the batch, then scale by γ and shift by β, both learned.

    Training: ``μ = mean_B(x)``, ``σ² = mean_B((x−μ)²)``, ``y = γ·(x−μ)/√(σ²+ε) + β``. Evaluation uses
    running moments ``r ← momentum·r + (1−momentum)·batch``, started at 0 and divided by
    ``1 − momentum^t`` (bias correction); ``bias_correction=False`` is the book's form.

    Fields: ``position`` "before" or "after" the activation; ``momentum`` 0.9; ``epsilon`` 1e-5
    (the book: 1e-6). The variance is the biased one, in training and in the running moments.
    """

    position: str = structure(default="before")
    momentum: float = 0.9
    epsilon: float = 1e-5
    bias_correction: bool = structure(default=True)

    def __post_init__(self) -> None:
        if self.position not in ("before", "after"):
            raise must_be("BatchNorm(position=…)", "'before' or 'after' the activation", self.position)
        check_number(self, "momentum", low=0.0, below=1.0)
        check_number(self, "epsilon", above=0.0)


@technique
class LayerNorm:
    """Normalise each row over its features, scale by γ, shift by β; alike in training and evaluation."""

    position: str = structure(default="before")
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.position not in ("before", "after"):
            raise must_be("LayerNorm(position=…)", "'before' or 'after' the activation", self.position)
        check_number(self, "epsilon", above=0.0)


def batch_moments(x: Array, valid: Array) -> Moments:
    """Return the moments of ``x`` over its valid rows; ``valid`` (B,) is 1 or 0.

    ``x`` is (B, n), or images (B, H, W, n) whose pixels count as rows: one mean and variance a channel.
    """
    if x.ndim > 2:
        pixels = x.size // (len(x) * x.shape[-1])
        x, valid = x.reshape(-1, x.shape[-1]), jnp.repeat(valid, pixels)
    count = jnp.maximum(jnp.sum(valid), 1.0)
    mean = jnp.sum(x * valid[:, None], axis=0) / count
    var = jnp.sum(jnp.square(x - mean) * valid[:, None], axis=0) / count
    return Moments(mean, var)


def normalize(x: Array, moments: Moments, scale: Array, shift: Array, epsilon: Array | float) -> Array:
    """Return ``scale·(x − mean)/√(var + epsilon) + shift``; the moments broadcast against ``x`` (…, n)."""
    factor = scale * jax.lax.rsqrt(moments.var + epsilon)
    return (x - moments.mean) * factor + shift


def layer_moments(x: Array) -> Moments:
    """Return the moments of each row of ``x`` (B, n), shaped (B, 1)."""
    mean = jnp.mean(x, axis=-1, keepdims=True)
    return Moments(mean, jnp.mean(jnp.square(x - mean), axis=-1, keepdims=True))


def update_running(running: Moments, batch: Moments, momentum: Array | float) -> Moments:
    """Return ``momentum·running + (1 − momentum)·batch``."""
    return Moments(*(momentum * r + (1.0 - momentum) * b for r, b in zip(running, batch, strict=True)))


def corrected(running: Moments, norm: BatchNorm, step: Array) -> Moments:
    """Return the moments for evaluation after ``step`` updates (mean 0, variance 1 before the first)."""
    if not norm.bias_correction:
        return running
    weight = 1.0 - norm.momentum**step
    seen = step > 0
    safe = jnp.where(seen, weight, 1.0)
    return Moments(jnp.where(seen, running.mean / safe, 0.0), jnp.where(seen, running.var / safe, 1.0))
