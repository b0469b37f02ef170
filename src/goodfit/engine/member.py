"""One member: its state, one training step, one leg. Nothing here knows that there are others.

What is carried (`State`) and what is told (`Report`) are two types. A leg runs up to K steps from an index
block (K, B) whose rows the host drew, in up to `LOOKS` stretches that may each end in an evaluation; how
many steps and stretches, and which of them are evaluated, are traced numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.network import DROPOUT, Network, Training
from goodfit.recipe import Recipe
from goodfit.techniques.losses import LOSSES
from goodfit.techniques.regularization import fold_in

Array = Any
RUNNING, DIVERGED = 0, 1  # result codes
LOOKS = 64  # stretches of one leg
EVALUATION_ROWS = 512  # rows of one evaluation block: enough to fill the matrix unit, small enough for L2


class Data(NamedTuple):
    """Training rows, shared by all members; N is a bucket, rows beyond the data are never indexed."""

    x: Array  # (N, inputs) float32 or uint8
    y: Array  # (N,) int32 classes, or (N, outputs) float32
    weight: Array  # (N,) float32, sample and class weights multiplied


class Holdout(NamedTuple):
    """Rows to evaluate on, in S sets told apart by weights; set 0 decides which state is best."""

    x: Array  # (E, inputs), shared by all members
    y: Array  # (E,) or (E, outputs), shared
    rows: Array  # (V,) int32, which of them the member is judged by; V a multiple of EVALUATION_ROWS
    weight: Array  # (S, V) float32; 0 leaves a row out of a set


class Orders(NamedTuple):
    """What one member is told for one leg."""

    rows: Array  # (K, B) int32 row numbers; -1 is padding
    stretches: Array  # how many stretches to run
    ends: Array  # (LOOKS,) int32, by stretch: the step of the K that it ends before
    blocks: Array  # (LOOKS,) int32, by stretch: how many evaluation blocks follow; 0 skips the evaluation
    horizon: Array  # steps the member is meant to run in all, for schedules
    by_error: Array  # 1: the best state has the lowest error; 0: the lowest loss
    seed: Array  # uint32, for dropout's masks


class State(NamedTuple):
    """What is carried from step to step."""

    params: dict[str, Array]
    slots: Any  # the optimiser's
    running: dict[str, Array]
    step: Array  # updates made, int32
    code: Array  # RUNNING or DIVERGED, int32
    best_params: dict[str, Array]
    best_running: dict[str, Array]
    best_key: Array  # loss or error of the best state; infinite before the first evaluation
    best_step: Array  # its step


class Report(NamedTuple):
    """What a leg tells."""

    losses: Array  # (K,) training loss by step, penalty left out; NaN where no step was run, or in vain
    gradient_norm: Array  # of the last step
    holdout_loss: Array  # (LOOKS, S) weighted means; NaN without evaluation
    holdout_error: Array  # (LOOKS, S) share of wrong labels, or mean squared error
    costs: Array  # (V,) of the leg's best state, by row: error or loss, whichever decides; 0 where padded


def first_state(network: Network, recipe: Recipe, seed: int) -> State:
    """Return a member's state before its first step, as NumPy arrays."""
    params, running = network.init(recipe, seed)
    slots = jax.tree.map(np.asarray, recipe.optimizer.init(params))
    zero = np.zeros((), np.int32)
    return State(params, slots, running, zero, zero, params, running, np.float32(np.inf), zero)


def _loss_and_gradient(network: Network, recipe: Recipe, state: State, data: Data, rows: Array, seed: Array):
    """Return (loss, running statistics) and gradients on the batch of ``rows`` (B,)."""
    picked = jnp.maximum(rows, 0)
    valid = (rows >= 0).astype(jnp.float32)
    x, y = data.x[picked], data.y[picked]
    weight = data.weight[picked] * valid
    training = Training(valid, fold_in(fold_in(seed, DROPOUT), state.step), state.step)

    def loss_of(params):
        outputs, running = network.apply(recipe, params, state.running, x, training=training)
        per_row = LOSSES[network.loss].per_row(outputs, y, recipe.label_smoothing)
        return jnp.sum(per_row * weight) / jnp.maximum(jnp.sum(weight), 1e-12), running

    return jax.value_and_grad(loss_of, has_aux=True)(state.params)


def _gradient_norm(grads: dict[str, Array]) -> Array:
    return jnp.sqrt(sum((jnp.sum(jnp.square(g)) for g in grads.values()), start=jnp.zeros(())))


def train_step(network: Network, recipe: Recipe, state: State, data: Data, rows: Array, orders: Orders):
    """Return the state after one update, the loss before it, and the gradient's norm.

    A loss or gradient that is not finite leaves the member as it is and marks it diverged for good.
    """
    (loss, running), grads = _loss_and_gradient(network, recipe, state, data, rows, orders.seed)
    norm = _gradient_norm(grads)
    if recipe.clip_norm is not None:
        shrink = jnp.minimum(1.0, recipe.clip_norm / jnp.maximum(norm, 1e-12))
        grads = {key: g * shrink for key, g in grads.items()}
    grads = {
        key: g + recipe.weight_decay * state.params[key] if key.endswith(".weight") else g
        for key, g in grads.items()
    }
    step = state.step.astype(jnp.float32)
    factor = jnp.float32(1.0) if recipe.schedule is None else recipe.schedule.factor(step, orders.horizon)
    params, slots = recipe.optimizer.step(state.params, grads, state.slots, step + 1.0, factor)
    finite = jnp.isfinite(loss) & jnp.isfinite(norm)
    going = finite & (state.code == RUNNING)
    new = state._replace(params=params, slots=slots, running=running, step=state.step + 1)
    kept = jax.tree.map(lambda fresh, old: jnp.where(going, fresh, old), new, state)
    code = jnp.where(finite, state.code, DIVERGED).astype(jnp.int32)
    told = jnp.where(state.code == RUNNING, loss, jnp.nan)  # a member at rest has no further losses
    return kept._replace(code=code), told, norm


def evaluate(
    network: Network, recipe: Recipe, state: State, holdout: Holdout, blocks: Array, by_error: Array
):
    """Return weighted mean loss and error of each set, (S,) and (S,), and costs by row, (V,).

    Only the first ``blocks`` blocks are looked at.
    """
    loss_kind = LOSSES[network.loss]

    def add_block(i, carried):
        sums, costs = carried
        start = i * EVALUATION_ROWS
        rows = jax.lax.dynamic_slice_in_dim(holdout.rows, start, EVALUATION_ROWS)
        weight = jax.lax.dynamic_slice_in_dim(holdout.weight, start, EVALUATION_ROWS, axis=1)
        step = state.step.astype(jnp.float32)
        y = holdout.y[rows]
        outputs, _ = network.apply(recipe, state.params, state.running, holdout.x[rows], step=step)
        loss, error = loss_kind.per_row(outputs, y), loss_kind.error(outputs, y)
        both = jnp.stack([loss, error, jnp.ones_like(loss)])
        inside = jnp.where(weight[:, None, :] > 0, both * weight[:, None, :], 0.0)  # padding may be NaN
        cost = jnp.where(by_error > 0, error, loss)
        costs = jax.lax.dynamic_update_slice_in_dim(costs, cost.astype(jnp.float32), start, axis=0)
        return sums + jnp.sum(inside, axis=-1), costs

    blank = (jnp.zeros((holdout.weight.shape[0], 3)), jnp.zeros(holdout.rows.shape[0]))
    sums, costs = jax.lax.fori_loop(0, blocks, add_block, blank)
    return sums[:, 0] / sums[:, 2], sums[:, 1] / sums[:, 2], costs  # 0/0 = NaN: not evaluated


def leg(network: Network, state: State, recipe: Recipe, orders: Orders, data: Data, holdout: Holdout):
    """Run the stretches of ``orders``, keep the best state evaluated; return state and report."""

    def one(i, carried):
        state, losses, _ = carried
        state, loss, norm = train_step(network, recipe, state, data, orders.rows[i], orders)
        return state, losses.at[i].set(loss), norm

    def stretch(j, carried):
        state, report = carried
        begin = jnp.where(j > 0, orders.ends[j - 1], 0)
        trained = (state, report.losses, report.gradient_norm)
        state, losses, norm = jax.lax.fori_loop(begin, orders.ends[j], one, trained)
        loss, error, costs = evaluate(network, recipe, state, holdout, orders.blocks[j], orders.by_error)
        state, better = _keep_best(state, jnp.where(orders.by_error > 0, error[0], loss[0]))
        return state, Report(
            losses,
            norm,
            report.holdout_loss.at[j].set(loss),
            report.holdout_error.at[j].set(error),
            jnp.where(better, costs, report.costs),
        )

    unseen = jnp.full((LOOKS, holdout.weight.shape[0]), jnp.nan)
    blank = Report(
        jnp.full(orders.rows.shape[0], jnp.nan),
        jnp.float32(jnp.nan),
        unseen,
        unseen,
        jnp.zeros(holdout.rows.shape[0]),
    )
    return jax.lax.fori_loop(0, orders.stretches, stretch, (state, blank))


def _keep_best(state: State, key: Array) -> tuple[State, Array]:
    """Return the state, its best one replaced by what it is now if ``key`` is no worse, and whether it is."""
    better = (key <= state.best_key) & (state.code == RUNNING)  # of ties, the last; NaN is never better
    best = jax.tree.map(
        lambda fresh, old: jnp.where(better, fresh, old),
        (state.params, state.running, key, state.step),
        (state.best_params, state.best_running, state.best_key, state.best_step),
    )
    names = ("best_params", "best_running", "best_key", "best_step")
    return state._replace(**dict(zip(names, best, strict=True))), better
