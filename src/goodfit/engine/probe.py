"""One look into a member: what each layer's activations, gradients and weights are on a batch of rows.

The pass is the training pass: the engine's own `Network.apply` and losses, batch norm over the batch,
dropout's mask drawn. Nothing that is seen here goes back into training.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.engine.plan import bucket, padded
from goodfit.network import DROPOUT, Network, Training
from goodfit.recipe import Recipe
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.optimizers import SGD
from goodfit.techniques.regularization import fold_in

Array = Any
ROWS = 512  # rows that are looked at: a unit that is silent on all of them is as good as dead
RANK_ROWS = 256  # of these, rows for the effective rank, whose cost grows with their square
NEAR = 0.05  # a sigmoid is saturated within so much of 0 or 1 (the book's histograms, §6.2.2)
FLAT = 0.05  # a ReLU-like unit is on its flat side where its slope is smaller than this (leaky ReLU: 0.01)
_BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
_NEVER_FLAT = ("sigmoid", "tanh", "identity")


class Look(NamedTuple):
    """What was seen at one step: L hidden layers, and the output layer after them where there are L + 1."""

    loss: float  # mean over the rows, penalty left out
    mean: np.ndarray  # (L,) of the activations: all rows, all units
    std: np.ndarray  # (L,) of the same, the width of the book's histograms
    spread: np.ndarray  # (L,) how far a unit's activation varies from row to row: root mean variance
    saturated: np.ndarray  # (L,) share of sigmoid or tanh activations near their bounds; else NaN
    dead: np.ndarray  # (L,) share of ReLU-like units that are on their flat side in every row; else NaN
    rank: np.ndarray  # (L,) effective rank of the activations
    activation_gradient: np.ndarray  # (L,) norm of the loss's gradient by the layer's activations
    weight_gradient: np.ndarray  # (L + 1,) norm of the loss's gradient by the layer's weight
    weight_norm: np.ndarray  # (L + 1,) Frobenius norm of the layer's weight


@dataclass(frozen=True, eq=False, kw_only=True)
class Course:
    """What was seen of one member over its training: S steps, L hidden layers, then the output layer.

    ``steps`` (S,) are the numbers of updates made. Fields named as in `Look` hold its values, (S,), (S, L) or
    (S, L + 1). ``update_ratio`` (S, L + 1) is ‖ΔW‖/‖W‖ of the update that led to the step, NaN at step 0.
    ``loss_curve`` (updates,) is the training loss of each update's own batch.
    """

    recipe: Recipe
    network: Network
    seed: int
    rows: int  # training rows
    looked_at: int  # of these, rows that were looked at
    planned: int  # updates the member was to make
    diverged_at: int | None  # the step whose loss or gradient was not finite, or None
    nothing: float  # loss of the best constant answer, on the rows looked at
    column_size: np.ndarray  # (inputs,) root mean square of each input column, as the network receives it;
    # NaN for codes of categories, whose size says nothing: they are embedded
    steps: np.ndarray
    loss: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    spread: np.ndarray
    saturated: np.ndarray
    dead: np.ndarray
    rank: np.ndarray
    activation_gradient: np.ndarray
    weight_gradient: np.ndarray
    weight_norm: np.ndarray
    update_ratio: np.ndarray
    loss_curve: np.ndarray
    columns: tuple[str, ...] = ()  # names of the inputs, where they have some

    @property
    def largest_column(self) -> tuple[str, float]:
        """The input column of the largest size, by its name or else its place, and that size."""
        sizes = np.where(np.isnan(self.column_size), 0.0, self.column_size)
        place = int(sizes.argmax())
        return f"column {self.columns[place]!r}" if self.columns else f"column {place}", float(sizes[place])

    @property
    def gradient_ratio(self) -> np.ndarray:
        """Gradient norm at the first hidden layer's activations ÷ that at the last one's, (S,)."""
        if not self.recipe.hidden:
            return np.full(len(self.steps), np.nan)
        return ratio(self.activation_gradient[:, 0], self.activation_gradient[:, -1])


def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a / b``, NaN where ``b`` is 0 or either is not finite."""
    good = np.isfinite(a) & np.isfinite(b) & (b != 0)
    return np.where(good, a / np.where(good, b, 1.0), np.nan)


def weight_names(recipe: Recipe) -> list[str]:
    """Return the names of the weight matrices from the first hidden layer to the output layer."""
    return [*(f"hidden.{i}.weight" for i in range(len(recipe.hidden))), "output.weight"]


def probe_steps(until: int) -> list[int]:
    """Return the steps to look at: 0, 1, 2, 5, 10, 20, 50, … and the last."""
    round_ones = [m * 10**e for e in range(10) for m in (1, 2, 5)]
    return [0, *(step for step in round_ones if step < until), until]


def probe(
    network: Network,
    recipe: Recipe,
    params: dict[str, Array],
    running: dict[str, Array],
    step: int,
    x: np.ndarray,
    y: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    seed: int = 0,
) -> Look:
    """Look once into a network, trained or not: ``params, running, step = member.weights(best=False)``.

    Args:
        network, recipe: the shape of the problem, and what the network was trained with.
        params, running, step: its parameters, batch norm's running statistics, and updates made.
        x, y: rows to look at, as the engine takes them: (rows, inputs), and (rows,) classes or
            (rows, outputs) numbers.
        weight: (rows,) weights in the loss; all 1 unless given.
        seed: of dropout's mask.
    """
    count = len(x)
    size = bucket(count)  # nearby numbers of rows share a program
    weight = np.ones(count) if weight is None else weight
    rows = [padded(np.asarray(a), size) for a in (x, y, np.asarray(weight, np.float32))]
    valid = padded(np.ones(count, np.float32), size)
    key = np.uint32(seed % 2**32)
    bare = replace(recipe.unscheduled(), optimizer=SGD(), clip_norm=None, weight_decay=0.0, batch_size=1)
    out = _passes(network, bare.for_program(), params, running, np.int32(step), *rows, valid, key)
    loss, outputs, slopes, activation_gradient, weight_gradient = jax.tree.map(np.asarray, out)
    layers = [
        _of_layer(recipe.activation, a[:count].astype(np.float64), slope[:count])
        for a, slope in zip(outputs, slopes, strict=True)
    ]
    mean, std, spread, saturated, dead, rank = np.array(layers).reshape(-1, 6).T
    norms = np.array([np.linalg.norm(np.asarray(params[name], np.float64)) for name in weight_names(recipe)])
    by_activations, by_weights = (np.array(a, np.float64) for a in (activation_gradient, weight_gradient))
    return Look(float(loss), mean, std, spread, saturated, dead, rank, by_activations, by_weights, norms)


@functools.partial(jax.jit, static_argnums=0)
def _passes(network, recipe, params, running, step, x, y, weight, valid, key):
    """Return loss, activations (B, n) and slopes (B, n) by layer, and both kinds of gradient norms."""
    training = Training(valid, fold_in(fold_in(key, DROPOUT), step), step)
    weight = weight * valid

    def loss_of(params, nudges):
        before, after = [], []

        def tap(z, a):
            before.append(z)
            after.append(a)
            return a + nudges[len(after) - 1]  # zeros: the loss's gradient by them is that by the activations

        outputs, _ = network.apply(recipe, params, running, x, training=training, tap=tap)
        per_row = network.losses(recipe, outputs, y)
        return jnp.sum(per_row * weight) / jnp.maximum(jnp.sum(weight), 1e-12), (before, after)

    nudges = [jnp.zeros((len(x) * recipe.submodels, width)) for width in recipe.hidden]
    found, gradients = jax.value_and_grad(loss_of, argnums=(0, 1), has_aux=True)(params, nudges)
    (loss, (before, after)), (by_params, by_activations) = found, gradients
    slope = jax.grad(lambda z: jnp.sum(ACTIVATIONS[recipe.activation](z)))
    by_weights = [_norm(by_params[name]) for name in weight_names(recipe)]
    return loss, after, [slope(z) for z in before], [_norm(g) for g in by_activations], by_weights


def _norm(g: Array) -> Array:
    """Return the Frobenius norm; scaled first, for squares of numbers below 1e-19 are 0 in float32."""
    largest = jnp.max(jnp.abs(g))
    safe = jnp.where(largest > 0, largest, 1.0)
    return safe * jnp.sqrt(jnp.sum(jnp.square(g / safe)))


def _of_layer(activation: str, a: np.ndarray, slope: np.ndarray) -> tuple[float, ...]:
    """Return mean, std, spread, saturated, dead and rank of activations ``a`` (rows, n) and slopes."""
    low, high = _BOUNDS.get(activation, (np.nan, np.nan))
    margin = NEAR * (high - low)
    saturated = float(((a < low + margin) | (a > high - margin)).mean()) if np.isfinite(low) else np.nan
    flat = np.nan if activation in _NEVER_FLAT else float((np.abs(slope) < FLAT).all(axis=0).mean())
    with np.errstate(all="ignore"):  # a diverged member's values may be infinite
        moments = float(a.mean()), float(a.std()), float(np.sqrt(a.var(axis=0).mean()))
    return *moments, saturated, flat, effective_rank(a[:RANK_ROWS])


def effective_rank(a: np.ndarray) -> float:
    """Return exp of the entropy of the singular values' shares (Roy and Vetterli 2007).

    ``a`` is (rows, n). The columns' means are taken off first, so that rows which are all alike have rank 0.
    NaN if a value is not finite.
    """
    if not np.isfinite(a).all():
        return float("nan")
    s = np.linalg.svd(a - a.mean(axis=0), compute_uv=False)
    if not s.sum() > 1e-300:
        return 0.0
    share = s[s > 0] / s.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def knowing_nothing(
    network: Network, y: np.ndarray, weight: np.ndarray | None = None, smoothing: float = 0.0
) -> float:
    """Return the loss of the best answer that looks at no input.

    The entropy of the class frequencies (ln K where the K classes are equally common); for squared error half
    the variance of the targets, for absolute error their mean distance from the median.

    Args:
        network: the shape of the problem and its loss.
        y: targets as the engine takes them, (rows,) classes or (rows, outputs) numbers.
        weight: (rows,) weights; all 1 unless given.
        smoothing: label smoothing, a part of the training loss.
    """
    share = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    share = share / max(share.sum(), 1e-12)
    if network.loss == "softmax_cross_entropy":
        p = np.bincount(y, weights=share, minlength=network.outputs)
        return _entropy((1.0 - smoothing) * p + smoothing / network.outputs)
    y = np.asarray(y, np.float64).reshape(len(y), -1)
    mean = share @ y
    if network.loss == "binary_cross_entropy":
        p = (1.0 - smoothing) * mean + 0.5 * smoothing
        return float(np.mean([_entropy(np.array([q, 1.0 - q])) for q in p]))
    if network.loss == "squared_error":
        return float(0.5 * (share @ np.square(y - mean)).mean())
    return float(np.mean([_distance(column, share) for column in y.T]))


def _entropy(p: np.ndarray) -> float:
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def _distance(y: np.ndarray, share: np.ndarray) -> float:
    """Return the mean distance of ``y`` (rows,) from its weighted median."""
    order = np.argsort(y)
    middle = y[order[min(np.searchsorted(np.cumsum(share[order]), 0.5), len(y) - 1)]]
    return float(share @ np.abs(y - middle))


def stacked(looks: Sequence[Look]) -> dict[str, np.ndarray]:
    """Return the fields of several looks with a leading axis of steps."""
    return {name: np.array([getattr(one, name) for one in looks]) for name in Look._fields}
