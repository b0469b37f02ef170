"""The one way to predict: a network's forward pass in NumPy, float64.

Estimators, the command line and the final exam all come here; JAX only trains. Rows are computed in blocks
of one size, the last one padded to a power of two: the same table has the same bits whenever it is predicted.
A row alone and the same row in a table may differ in the last digits (about 1e-15): a matrix product rounds
differently with a row's place. Sums made exact by cutting factors into whole numbers removed even that, at
7 to 100 times the cost (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from goodfit.model.blocks import each_block
from goodfit.model.convolve import convolve, max_pool
from goodfit.numpy_layers import activated, embed_categories, embed_numbers, sigmoid

BLOCK = 512  # rows computed at once: enough to fill a core, few enough to stay in the cache
IMAGES = 64  # the same for convolutions

Arrays = Mapping[str, np.ndarray]


HEADS = ("softmax", "sigmoid", "identity", "exp")


def forward(architecture: Mapping[str, Any], params: Arrays, running: Arrays, x: np.ndarray) -> np.ndarray:
    """Return the outputs before the head, float64 (rows, outputs), of encoded rows ``x`` (rows, inputs)."""
    return _in_blocks(architecture, params, running, x, "identity")


def apply_head(head: str, outputs: np.ndarray) -> np.ndarray:
    """Return probabilities (softmax or sigmoid), exp(outputs), or the outputs (identity), float64."""
    if head == "softmax":
        raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)
    if head == "exp":
        return np.exp(outputs)
    return sigmoid(outputs) if head == "sigmoid" else outputs


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
    size = IMAGES if architecture["conv"] else BLOCK

    def compute(start: int) -> None:
        rows = x[start : start + size]
        padded = min(size, max(16, 1 << (len(rows) - 1).bit_length()))
        block = np.zeros((padded, architecture["inputs"]))
        block[: len(rows)] = rows
        out[start : start + size] = apply_head(head, _forward_block(architecture, wide, block))[: len(rows)]

    each_block(compute, range(0, len(x), size))
    return out


def _forward_block(architecture: Mapping[str, Any], wide: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    h = _entered(architecture, wide, x * architecture["input_scale"])
    if architecture["conv"]:
        h = h.reshape(len(h), *architecture["image"])
        for i in range(len(architecture["conv"])):
            h = convolve(h, wide[f"conv.{i}.weight"], wide[f"conv.{i}.bias"])
            h = max_pool(_activated(architecture, wide, f"conv.{i}", h))
        h = h.reshape(len(h), -1)
    if architecture["submodels"] > 1:
        h = h[:, None, :] * wide["submodels.scale"].reshape(architecture["submodels"], -1)
        h = h.reshape(-1, h.shape[2])
    for i in range(len(architecture["hidden"])):
        h = h @ wide[f"hidden.{i}.weight"] + wide[f"hidden.{i}.bias"]
        h = _activated(architecture, wide, f"hidden.{i}", h) * architecture["hidden_scale"]
    weight, bias = wide["output.weight"], wide["output.bias"]
    return h @ weight + bias if architecture["submodels"] == 1 else _heads(architecture, weight, bias, h)


def _heads(
    architecture: Mapping[str, Any], weight: np.ndarray, bias: np.ndarray, h: np.ndarray
) -> np.ndarray:
    """Return outputs (rows, outputs) that give the mean of the submodels' answers; h (rows·k, n)."""
    k, head = architecture["submodels"], architecture["head"]
    each = h.reshape(-1, k, h.shape[1]).transpose(1, 0, 2) @ weight.reshape(len(weight), k, -1).swapaxes(0, 1)
    outputs = each + bias.reshape(k, 1, -1)  # (k, rows, outputs)
    mean = apply_head(head, outputs.reshape(-1, outputs.shape[2])).reshape(outputs.shape).mean(axis=0)
    if head == "identity":
        return mean
    with np.errstate(divide="ignore"):  # of a probability of 0 or 1
        return np.log(mean) - np.log1p(-mean) if head == "sigmoid" else np.log(mean)


def _entered(architecture: Mapping[str, Any], wide: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return what the first layer sees: numbers and categories embedded, where the network does that."""
    numbers, categories = architecture["numbers"], architecture["categories"]
    if numbers:
        parts = [wide[f"numbers.{name}"] for name in ("frequency", "phase", "weight", "bias")]
        x = np.concatenate([embed_numbers(x[:, :numbers], *parts), x[:, numbers:]], axis=1)
    if categories:
        split = x.shape[1] - len(categories)
        starts = list(accumulate(categories[:-1], initial=0))
        looked_up = embed_categories(x[:, split:], wide["categories.table"], starts)
        x = np.concatenate([x[:, :split], looked_up], axis=1)
    return x


def _activated(
    architecture: Mapping[str, Any], wide: dict[str, np.ndarray], layer: str, h: np.ndarray
) -> np.ndarray:
    """Return a layer's outputs (rows, …, n) after the activation, and the norm before or after it."""
    norm, before = architecture["norm"], architecture["norm_position"] == "before"
    if norm and before:
        h = _normalized(architecture, wide, layer, h)
    h = activated(architecture["activation"], h, wide.get(f"{layer}.activation"))
    return _normalized(architecture, wide, layer, h) if norm and not before else h


def _normalized(
    architecture: Mapping[str, Any], wide: dict[str, np.ndarray], layer: str, h: np.ndarray
) -> np.ndarray:
    name = f"{layer}.norm"
    if architecture["norm"] == "batch":
        gain = wide[f"{name}.scale"] / np.sqrt(wide[f"{name}.var"] + architecture["norm_epsilon"])
        return h * gain + (wide[f"{name}.shift"] - wide[f"{name}.mean"] * gain)
    mean, var = h.mean(axis=1, keepdims=True), h.var(axis=1, keepdims=True)
    centred = (h - mean) / np.sqrt(var + architecture["norm_epsilon"])
    return centred * wide[f"{name}.scale"] + wide[f"{name}.shift"]
