"""Back-propagated gradients against central differences, in float64 (the book, §5.7.4 and §6.3).

What is checked is what the engine does: the gradient is read off one `train_step` of plain SGD, so batch
norm's training form, dropout's mask, padding, rows' weights, label smoothing and weight decay are those of
training. Only the type is another: float32 leaves central differences three digits, float64 leaves nine.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from goodfit.engine.member import Data, Orders, State, first_state, held, train_step
from goodfit.errors import InputError, must_be
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.optimizers import SGD
from goodfit.techniques.regularization import BatchDecay, l2_penalty

Array = Any
FEWEST_ROWS = 8  # with one row batch norm gives β whatever comes in, and the check would say nothing
SMALL = 1e-3  # an array whose gradient is below this share of the whole is measured against that share
_TOGETHER = 32  # parameters moved at once, up and down: 4 MB of weights for a network of 8,000
_MOVED = 0.1  # deviation by which biases, γ and β leave 0 and 1


def gradient_check(
    network: Network,
    recipe: Recipe,
    x: np.ndarray,
    y: np.ndarray,
    *,
    seed: int = 0,
    weight: np.ndarray | None = None,
    padding: int = 0,
    step: float = 1e-5,
) -> dict[str, float]:
    """Return the relative error of each parameter array's gradient, all in float64.

    With g the back-propagated gradient of an array and n its central differences
    ``(L(w + step) − L(w − step)) / (2·step)``, one parameter at a time, the error is

        ‖g − n‖ / max(‖g‖ + ‖n‖, SMALL·(‖G‖ + ‖N‖))

    where G and N are the gradients of all arrays together. The second term is for arrays whose gradient is 0,
    such as a bias in front of batch norm: the rounding of n is not divided by itself. L is the training loss
    of the whole batch plus ``½·λ·Σ‖W‖²``. A right gradient has errors of 1e-11 to 1e-7, a wrong term gives
    1e-3 to 1. ReLU and its kin have a kink: where the step carries a unit of some row across 0, n is wrong
    and not g. That befell up to 2 in 1,000 checks of 11 units on 12 rows at this step, and is rarer the
    smaller the step; another seed tells the two apart.

    The parameters are a member's first ones, with biases, γ and β moved from 0 and 1 by normal draws, so that
    no term of a gradient hides behind a factor of 0 or 1. Two losses a parameter are computed, so keep the
    network small: 784-10-10-10 takes about a second.

    Args:
        network: the shape of the problem and its loss.
        recipe: what to train with; optimizer, schedules, clipping and batch size play no part.
        x: the batch, (rows, inputs), 8 rows at least; random data or real rows.
        y: (rows,) classes or (rows, outputs) numbers.
        seed: of first weights and dropout's mask.
        weight: (rows,) weights; all 1 unless given.
        padding: how many rows of padding to add, as a short last batch has them.
        step: how far each parameter is moved.

    Returns:
        An error for each key of a network's parameters, ``hidden.0.weight`` … ``output.bias``.

    Raises:
        InputError: fewer than 8 rows, or lengths that differ.
    """
    _check(x, y, weight, padding, step)
    with jax.enable_x64(True):  # for this thread, until the block ends
        plain = dataclasses.replace(recipe.unscheduled(), optimizer=SGD(1.0), clip_norm=None)
        values = jax.tree.map(np.float64, plain.for_program())
        start, orders = _start(network, plain, seed), _orders(len(x), padding, seed)
        data = _batch(network, x, y, weight)
        found = _given_and_numeric(network, values, start, data, orders, np.float64(step))
        given, numeric = jax.tree.map(np.asarray, found)
    return _relative_errors(given, numeric)


def _check(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, padding: int, step: float) -> None:
    if x.ndim != 2 or len(x) < FEWEST_ROWS:
        raise InputError(
            f"A gradient check needs x of shape (rows, inputs), {FEWEST_ROWS} rows at least, got {x.shape}."
        )
    if len(y) != len(x) or (weight is not None and len(weight) != len(x)):
        raise InputError(f"x has {len(x)} rows: y, and weight where given, must have as many.")
    if padding < 0:
        raise must_be("padding", "a whole number >= 0", padding)
    if not 0.0 < step < 1.0:
        raise must_be("step", "a number > 0 and < 1, such as 1e-5", step)


def _start(network: Network, recipe: Recipe, seed: int) -> State:
    """Return a member's first state in float64, its biases, γ and β moved from 0 and 1."""
    first = first_state(network, recipe, seed)
    rng = np.random.default_rng(seed)
    params = {
        key: w if key.endswith(".weight") else w + _MOVED * rng.standard_normal(w.shape)
        for key, w in first.params.items()
    }
    return jax.tree.map(
        lambda a: jnp.asarray(a, jnp.float64 if np.issubdtype(a.dtype, np.floating) else a.dtype),
        first._replace(params=params),
    )


def _orders(rows: int, padding: int, seed: int) -> Orders:
    """Return the orders for one step on all rows, and behind them padding."""
    numbers = np.append(np.arange(rows), np.full(padding, -1)).astype(np.int32)
    return Orders(
        rows=jnp.asarray(numbers[None]),
        stretches=jnp.int32(1),
        ends=jnp.ones(1, jnp.int32),
        blocks=jnp.zeros(1, jnp.int32),
        horizon=jnp.float64(1.0),
        by_error=jnp.int32(1),
        seed=jnp.uint32(seed % 2**32),
    )


def _batch(network: Network, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Data:
    """Return the rows as the engine holds them, numbers in float64; uint8 pixels and classes stay whole."""
    classes = network.loss == "softmax_cross_entropy"
    y = y.astype(np.int32) if classes else y.astype(np.float64).reshape(len(y), -1)
    w = np.ones(len(x)) if weight is None else np.asarray(weight, np.float64)
    return Data(*map(jnp.asarray, (x if x.dtype == np.uint8 else x.astype(np.float64), y, w)))


@functools.partial(jax.jit, static_argnums=0)
def _given_and_numeric(
    network: Network, recipe: Recipe, start: State, data: Data, orders: Orders, step: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the gradient that a step ``w ← w − g`` took, and the central differences of its loss."""

    def one_step(params: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        state = held(recipe, start._replace(params=params))
        after, loss = train_step(network, recipe, state, data, orders.rows[0], orders)
        weights = [w for key, w in params.items() if key.endswith(".weight")]
        decay = recipe.weight_decay
        extra = 0.0 if isinstance(decay, BatchDecay) else l2_penalty(weights, decay)  # else in it already
        return loss + extra, held(recipe, after).params

    flat, unravel = ravel_pytree(start.params)

    def loss(i: Array, shift: Array) -> Array:
        return one_step(unravel(flat.at[i].add(shift)))[
            0
        ]  # what is not used, the step itself, is not computed

    def difference(i: Array) -> Array:
        up, down = jax.vmap(loss, (None, 0))(i, jnp.array([step, -step]))
        return (up - down) / (2.0 * step)

    _, after = one_step(start.params)
    numeric = jax.lax.map(difference, jnp.arange(flat.size), batch_size=_TOGETHER)
    return {key: w - after[key] for key, w in start.params.items()}, unravel(numeric)


def _relative_errors(given: dict[str, np.ndarray], numeric: dict[str, np.ndarray]) -> dict[str, float]:
    sizes = {key: float(np.linalg.norm(g) + np.linalg.norm(numeric[key])) for key, g in given.items()}
    whole = sum(
        float(np.linalg.norm(np.concatenate([a.ravel() for a in of.values()]))) for of in (given, numeric)
    )
    return {
        key: float(np.linalg.norm(g - numeric[key])) / max(sizes[key], SMALL * whole, np.finfo(float).tiny)
        for key, g in given.items()
    }
