"""The one way to predict: a network's forward pass in NumPy, float64.

Estimators, the command line and the final exam all come here; JAX only trains. Rows are computed in blocks
of one fixed size, the last one padded, so that the same table gives the same bits whenever it is predicted.
A row alone and the same row in a table may differ in the last digits (about 1e-15): a matrix product rounds
differently with a row's place. Sums made exact by cutting factors into whole numbers removed even that, at
7 to 100 times the cost (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

BLOCK = 512  # rows computed at once: enough to fill the cores, few enough to stay in the cache

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
    out = np.empty((len(x), architecture["outputs"]))
    for start in range(0, len(x), BLOCK):
        rows = x[start : start + BLOCK]
        block = np.zeros((BLOCK, architecture["inputs"]))
        block[: len(rows)] = rows
        out[start : start + BLOCK] = apply_head(head, _forward_block(architecture, wide, block))[: len(rows)]
    return out


def _forward_block(architecture: Mapping[str, Any], wide: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    activate = ACTIVATIONS[architecture["activation"]]
    norm, before = architecture["norm"], architecture["norm_position"] == "before"
    h = x * architecture["input_scale"]
    for i in range(len(architecture["hidden"])):
        h = h @ wide[f"hidden.{i}.weight"] + wide[f"hidden.{i}.bias"]
        if norm and before:
            h = _normalized(architecture, wide, i, h)
        h = activate(h)
        if norm and not before:
            h = _normalized(architecture, wide, i, h)
        h = h * architecture["hidden_scale"]
    return h @ wide["output.weight"] + wide["output.bias"]


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
