"""The linear layer, with the form of its weight gradient that XLA runs fast on a CPU."""

from __future__ import annotations

import jax
import jax.numpy as jnp

Array = jax.Array


def plain_linear(x: Array, weight: Array, bias: Array) -> Array:
    """Return ``x @ weight + bias``: the plain twin that `linear` is tested against."""
    return x @ weight + bias


@jax.custom_vjp
def linear(x: Array, weight: Array, bias: Array) -> Array:
    """Return ``x @ weight + bias``; x (B, n_in), weight (n_in, n_out), bias (n_out,).

    The gradient for the weights, ``xᵀ @ dy``, is taken from an explicit transposed copy of ``x``: as a
    contraction over the batch axis it falls off XLA's fast path on CPUs (4–15 % slower below width 256).
    """
    return x @ weight + bias


def _forward(x: Array, weight: Array, bias: Array):
    return x @ weight + bias, (x, weight)


def _backward(saved, dy: Array):
    x, weight = saved
    transposed = jax.lax.optimization_barrier(x.T)
    return dy @ weight.T, transposed @ dy, jnp.sum(dy, axis=0)


linear.defvjp(_forward, _backward)
