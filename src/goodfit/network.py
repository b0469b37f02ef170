"""One network: its first parameters and its outputs, built from techniques.

Parameters of one member are a flat dictionary, the same names here, in the optimisers and in the model file:
``hidden.{i}.weight`` (n_in, n_out), ``hidden.{i}.bias`` (n_out,), with a norm ``hidden.{i}.norm.scale`` and
``hidden.{i}.norm.shift`` (n_out,), then ``output.weight`` and ``output.bias``. Running statistics of batch
norm are a second one: ``hidden.{i}.norm.mean`` and ``hidden.{i}.norm.var`` (n_out,).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.errors import must_be, nearest
from goodfit.recipe import Recipe
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.linear import linear
from goodfit.techniques.losses import LOSSES
from goodfit.techniques.normalization import (
    BatchNorm,
    Moments,
    batch_moments,
    corrected,
    layer_moments,
    normalize,
    update_running,
)
from goodfit.techniques.regularization import apply_dropout, fold_in

Array = jax.Array
Params = dict[str, Any]
INIT, DROPOUT = 1, 2  # purposes of a member's random keys


class Training(NamedTuple):
    """What a forward pass in training needs beside parameters and rows."""

    valid: Array  # (B,) 1 for a real row, 0 for padding
    key: Array  # uint32, fresh at every step
    step: Array  # 0-based


@dataclasses.dataclass(frozen=True)
class Network:
    """The shape of the problem: how wide the input is, how many outputs, which loss.

    Args:
        inputs: columns of ``x``.
        outputs: columns of the last layer: classes, or targets.
        loss: softmax_cross_entropy, binary_cross_entropy, squared_error or absolute_error.
        input_scale: ``x`` is multiplied by it (1/255 for pixels kept as uint8).
    """

    inputs: int
    outputs: int
    loss: str = "softmax_cross_entropy"
    input_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise must_be("loss", f"one of {', '.join(LOSSES)}{nearest(self.loss, LOSSES)}", self.loss)

    def init(self, recipe: Recipe, seed: int) -> tuple[Params, Params]:
        """Return first parameters and running statistics of a member, float32 NumPy arrays.

        They depend on recipe and seed alone. Biases and shifts start at 0, scales at 1.
        """
        params: Params = {}
        running: Params = {}
        widths = (self.inputs, *recipe.hidden)
        start = 0.0 if isinstance(recipe.norm, BatchNorm) else None
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            self._draw_layer(params, f"hidden.{i}", i, n_in, n_out, recipe, seed)
            if recipe.norm is not None:
                params[f"hidden.{i}.norm.scale"] = np.ones(n_out, np.float32)
                params[f"hidden.{i}.norm.shift"] = np.zeros(n_out, np.float32)
            if start is not None:
                running[f"hidden.{i}.norm.mean"] = np.zeros(n_out, np.float32)
                running[f"hidden.{i}.norm.var"] = np.zeros(n_out, np.float32)
        self._draw_layer(params, "output", len(recipe.hidden), widths[-1], self.outputs, recipe, seed)
        return params, running

    @staticmethod
    def _draw_layer(
        params: Params, name: str, layer: int, n_in: int, n_out: int, recipe: Recipe, seed: int
    ) -> None:
        rng = np.random.Generator(np.random.Philox(key=np.array([seed, INIT * 2**32 + layer], np.uint64)))
        params[f"{name}.weight"] = recipe.initializer.draw(rng, n_in, n_out)
        params[f"{name}.bias"] = np.zeros(n_out, np.float32)

    def apply(
        self,
        recipe: Recipe,
        params: Params,
        running: Params,
        x: Array,
        *,
        training: Training | None = None,
        step: Array | int = 0,
        tap: Callable[[Array, Array], Array] | None = None,
    ) -> tuple[Array, Params]:
        """Return outputs (B, outputs) before the head, and the running statistics after the pass.

        ``x`` is (B, inputs), float32 or uint8, cast to the parameters' type. In evaluation
        (``training=None``) ``step`` is the number of updates made (batch norm's bias correction needs it) and
        running statistics come back as they are. ``tap(before, after)`` is shown each hidden layer's values
        before and after its activation function, (B, n), and returns what goes on from there.
        """
        activate = ACTIVATIONS[recipe.activation]
        drop, norm = recipe.drop, recipe.norm
        h = x.astype(jnp.result_type(params["output.weight"]))  # float64 only in gradient checks
        h = h * self.input_scale if self.input_scale != 1.0 else h
        new_running = dict(running)
        for i in range(len(recipe.hidden)):
            h = linear(h, params[f"hidden.{i}.weight"], params[f"hidden.{i}.bias"])
            if norm is not None and norm.position == "before":
                h = _normalized(norm, params, running, new_running, i, h, training, step)
            before, h = h, activate(h)
            h = h if tap is None else tap(before, h)
            if norm is not None and norm.position == "after":
                h = _normalized(norm, params, running, new_running, i, h, training, step)
            if drop is not None and training is not None:
                h = apply_dropout(drop, h, fold_in(training.key, i))
            elif drop is not None:
                h = h * drop.test_factor()
        return linear(h, params["output.weight"], params["output.bias"]), new_running

    def architecture(self, recipe: Recipe) -> dict[str, Any]:
        """Return what prediction needs to know, as plain JSON types (see `goodfit.model.predict`)."""
        norm, drop = recipe.norm, recipe.drop
        return {
            "activation": recipe.activation,
            "head": LOSSES[self.loss].head,
            "hidden": list(recipe.hidden),
            "hidden_scale": 1.0 if drop is None else float(drop.test_factor()),
            "input_scale": float(self.input_scale),
            "inputs": self.inputs,
            "norm": None if norm is None else "batch" if isinstance(norm, BatchNorm) else "layer",
            "norm_epsilon": 0.0 if norm is None else float(norm.epsilon),
            "norm_position": "before" if norm is None else norm.position,
            "outputs": self.outputs,
        }

    @staticmethod
    def final_running(recipe: Recipe, running: Params, step: int) -> Params:
        """Return the running statistics that prediction uses after ``step`` updates, NumPy arrays."""
        norm = recipe.norm
        if not isinstance(norm, BatchNorm):
            return {}
        final: Params = {}
        for i in range(len(recipe.hidden)):
            moments = corrected(_running(running, i), norm, np.float32(step))  # type: ignore[arg-type]
            final |= {f"hidden.{i}.norm.{name}": np.asarray(m) for name, m in moments._asdict().items()}
        return final


def _running(running: Params, layer: int) -> Moments:
    return Moments(running[f"hidden.{layer}.norm.mean"], running[f"hidden.{layer}.norm.var"])


def _normalized(norm, params, running, new_running, i, h, training, step):
    """Normalise ``h`` (B, n) of layer ``i``; in training, batch norm also moves its running statistics."""
    if not isinstance(norm, BatchNorm):
        moments = layer_moments(h)
    elif training is None:
        moments = corrected(_running(running, i), norm, step)
    else:
        moments = batch_moments(h, training.valid)
        moved = update_running(_running(running, i), moments, norm.momentum)
        new_running[f"hidden.{i}.norm.mean"], new_running[f"hidden.{i}.norm.var"] = moved
    return normalize(
        h, moments, params[f"hidden.{i}.norm.scale"], params[f"hidden.{i}.norm.shift"], norm.epsilon
    )
