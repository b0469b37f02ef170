"""Activation functions of hidden layers, by name.

Each maps an array of any shape to one of the same shape, element by element.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from goodfit.errors import must_be, nearest


def mish(x: jax.Array) -> jax.Array:
    """Return ``x * tanh(softplus(x))`` (Misra 2019)."""
    return x * jnp.tanh(jax.nn.softplus(x))


def leaky_relu(x: jax.Array) -> jax.Array:
    """Return ``x`` where positive, else ``0.01 * x``."""
    return jnp.where(x > 0, x, 0.01 * x)


def relu(x: jax.Array) -> jax.Array:
    """Return ``max(x, 0)``; the derivative at 0 is 0, as in the book (§5.5.1)."""
    return jnp.where(x > 0, x, 0.0)


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "gelu": jax.nn.gelu,  # the tanh approximation
    "silu": jax.nn.silu,
    "selu": jax.nn.selu,
    "mish": mish,
    "identity": lambda x: x,
}


def check_activation(name: str) -> None:
    """Raise `InputError` unless ``name`` is a known activation."""
    if name not in ACTIVATIONS:
        raise must_be("activation", f"one of {', '.join(ACTIVATIONS)}{nearest(name, ACTIVATIONS)}", name)
