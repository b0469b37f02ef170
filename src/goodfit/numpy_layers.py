"""The elementwise functions and embeddings of a network on NumPy arrays, without JAX.

Prediction is made of them, and first weights that depend on data. `goodfit.techniques` has the same for
training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + exp(−z))``; where the power overflows, 0 is the answer."""
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-z))


def _gelu(z: np.ndarray) -> np.ndarray:
    return 0.5 * z * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (z + 0.044715 * z**3)))


def _mish(z: np.ndarray) -> np.ndarray:
    raised = np.exp(np.minimum(z, 20.0))  # beyond, the factor is 1 in float64
    factor = raised * (raised + 2.0)  # with it tanh(log(1 + exp(z))) has one power and no logarithm
    return z * (factor / (factor + 2.0))


def _selu(z: np.ndarray) -> np.ndarray:
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0.0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "gelu": _gelu,
    "silu": lambda z: z * sigmoid(z),
    "selu": _selu,
    "mish": _mish,
    "identity": lambda z: z,
}


def activated(name: str, z: np.ndarray, amount: np.ndarray | None = None) -> np.ndarray:
    """Return the activation f of ``z`` (B, n), or ``z + amount·(f(z) − z)`` with an ``amount`` (n,)."""
    f = ACTIVATIONS[name](z)
    return f if amount is None else z + amount * (f - z)


def embed_numbers(
    x: np.ndarray, frequency: np.ndarray, phase: np.ndarray, weight: np.ndarray, bias: np.ndarray
) -> np.ndarray:
    """Return each column beside its embedding, (B, n·width); shapes as in `goodfit.techniques.embeddings`."""
    n, f, w = weight.shape
    cycles = frequency.reshape(n, 1, f) * x.T[:, :, None] + phase.reshape(n, 1, f)  # (n, B, F)
    mixed = np.cos(2.0 * np.pi * (cycles - np.rint(cycles))) @ weight + bias.reshape(n, 1, w)
    both = np.concatenate([x.T[:, :, None], mixed], axis=2)  # (n, B, width)
    return both.transpose(1, 0, 2).reshape(len(x), -1)


def embed_categories(codes: np.ndarray, table: np.ndarray, starts: Sequence[int]) -> np.ndarray:
    """Return the table's row for each code, (B, n·width); see `goodfit.techniques.embeddings`."""
    return table[codes.astype(np.int64) + np.asarray(starts, np.int64)].reshape(len(codes), -1)
