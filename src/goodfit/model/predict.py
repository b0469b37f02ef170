"""The one way to predict: a network's forward pass in NumPy, float64.

Estimators, the command line and the final exam all come here; JAX only trains. A row's prediction has the
same bits alone and in any table: see `_linear` for the sums; and blocks hold a multiple of 8 rows, so that
exp and tanh meet whole vector registers alone (their scalar remainder may round differently).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

BLOCK = 64  # rows computed at once: as fast as any on one core, and its numbers stay in the cache

Arrays = Mapping[str, np.ndarray]


def _sigmoid(z: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def _gelu(z: np.ndarray) -> np.ndarray:
    return 0.5 * z * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (z + 0.044715 * z**3)))


def _selu(z: np.ndarray) -> np.ndarray:
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0.0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "gelu": _gelu,
    "silu": lambda z: z * _sigmoid(z),
    "selu": _selu,
    "mish": lambda z: z * np.tanh(np.logaddexp(z, 0.0)),
    "identity": lambda z: z,
}
HEADS = ("softmax", "sigmoid", "identity")


def forward(architecture: Mapping[str, Any], params: Arrays, running: Arrays, x: np.ndarray) -> np.ndarray:
    """Return the outputs before the head, float64 (rows, outputs), of encoded rows ``x`` (rows, inputs)."""
    return _in_blocks(architecture, params, running, x, "identity")


def apply_head(head: str, outputs: np.ndarray) -> np.ndarray:
    """Return probabilities (softmax or sigmoid) or the outputs themselves (identity), float64."""
    if head == "softmax":
        raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)
    return _sigmoid(outputs) if head == "sigmoid" else outputs


def member_output(
    architecture: Mapping[str, Any], params: Arrays, running: Arrays, x: np.ndarray
) -> np.ndarray:
    """Return one member's probabilities (rows, K), or numbers (rows,) for a single identity output.

    A single sigmoid output is the probability of the second of two classes: K = 2.
    """
    out = _in_blocks(architecture, params, running, x, architecture["head"])
    if out.shape[1] > 1 or architecture["head"] == "softmax":
        return out
    return out[:, 0] if architecture["head"] == "identity" else np.concatenate([1.0 - out, out], axis=1)


def weighted_mean(outputs: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Return the mean of the members' outputs with weights that need not add up to 1."""
    total = float(sum(weights))
    return sum((w / total * out for w, out in zip(weights, outputs, strict=True)), start=np.zeros(()))


def _in_blocks(
    architecture: Mapping[str, Any], params: Arrays, running: Arrays, x: np.ndarray, head: str
) -> np.ndarray:
    wide = {key: np.asarray(a, np.float64) for key, a in (*params.items(), *running.items())}
    names = [*(f"hidden.{i}" for i in range(len(architecture["hidden"]))), "output"]
    layers = [_cut_layer(wide[f"{name}.weight"], wide[f"{name}.bias"]) for name in names]
    out = np.empty((len(x), architecture["outputs"]))
    for start in range(0, len(x), BLOCK):
        rows = x[start : start + BLOCK]
        block = np.zeros((-(-len(rows) // 8) * 8, architecture["inputs"]))
        block[: len(rows)] = rows
        found = apply_head(head, _forward_block(architecture, layers, wide, block))
        out[start : start + BLOCK] = found[: len(rows)]
    return out


def _forward_block(
    architecture: Mapping[str, Any], layers: list[_Layer], wide: dict[str, np.ndarray], x: np.ndarray
) -> np.ndarray:
    activate = ACTIVATIONS[architecture["activation"]]
    norm, before = architecture["norm"], architecture["norm_position"] == "before"
    h = x * architecture["input_scale"]
    for i, layer in enumerate(layers[:-1]):
        h = _linear(h, layer)
        if norm and before:
            h = _normalized(architecture, wide, i, h)
        h = activate(h)
        if norm and not before:
            h = _normalized(architecture, wide, i, h)
        h = h * architecture["hidden_scale"]
    return _linear(h, layers[-1])


def _normalized(
    architecture: Mapping[str, Any], wide: dict[str, np.ndarray], i: int, h: np.ndarray
) -> np.ndarray:
    name = f"hidden.{i}.norm"
    if architecture["norm"] == "batch":
        mean, var = wide[f"{name}.mean"], wide[f"{name}.var"]
    else:
        mean, var = h.mean(axis=1, keepdims=True), h.var(axis=1, keepdims=True)
    centred = (h - mean) / np.sqrt(var + architecture["norm_epsilon"])
    return centred * wide[f"{name}.scale"] + wide[f"{name}.shift"]


class _Layer(NamedTuple):
    """A layer's weights cut in two: ``(high + low·2^-bits)·unit``, whole numbers times a power of two."""

    high: np.ndarray  # (n_in, n_out)
    low: np.ndarray  # (n_in, n_out)
    unit: np.ndarray  # (1, n_out)
    bits: int
    bias: np.ndarray


def _cut_layer(weight: np.ndarray, bias: np.ndarray) -> _Layer:
    bits = (53 - int(np.ceil(np.log2(max(len(weight), 1))))) // 2
    return _Layer(*_cut(weight, 0, bits), bits, bias)


def _linear(x: np.ndarray, layer: _Layer) -> np.ndarray:
    """Return ``x @ weight + bias`` in an order-free form; x (rows, n_in).

    A matrix product rounds differently with the number of rows, a row's place and the number of threads.
    So both factors are cut into whole numbers so short (21 bits and 21 more for 1,000 inputs) that every
    partial sum stays below 2^53 and is exact: then no order matters, here or on another machine. What is
    cut off is about 1e-12 of the largest term. Three products cost 2 to 3 times the time of one. After
    Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication" (2012).
    """
    high, low, unit = _cut(x, 1, layer.bits)
    cross = high @ layer.low + low @ layer.high
    return (high @ layer.high + cross * 2.0**-layer.bits) * (unit * layer.unit) + layer.bias


def _cut(a: np.ndarray, axis: int, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return whole numbers high <= 2^bits and low <= 2^(bits-1), and the power of two, one along ``axis``."""
    _, exponent = np.frexp(np.abs(a).max(axis=axis, keepdims=True, initial=0.0))
    unit = np.ldexp(1.0, np.maximum(exponent, -900) - bits)  # below, its inverse would not be finite
    rest = a / unit
    high = np.rint(rest)
    rest -= high
    rest *= 2.0**bits
    return high, np.rint(rest, out=rest), unit
