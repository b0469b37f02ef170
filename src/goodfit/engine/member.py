"""One member: its state, one training step, one leg. Nothing here knows that there are others.

What is carried (`State`) and what is told (`Report`) are two types. A leg runs up to K steps from an index
block (K, B) whose rows the host drew, in up to `LOOKS` stretches that may each end in an evaluation; how
many steps and stretches, and which of them are evaluated, are traced numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.network import DROPOUT, Network, Training
from goodfit.recipe import Recipe
from goodfit.techniques.foreign import Optax
from goodfit.techniques.losses import LOSSES
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.regularization import BatchDecay, fold_in, l2_penalty

Array = Any
RUNNING, DIVERGED = 0, 1  # result codes
LOOKS = 64  # stretches of one leg
PART = 16  # images that are gone through at a time: what a convolution makes of more leaves the cache
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
    by_error: Array  # 0: the best state has the lowest loss; 1: the lowest error; 2: and is the first of ties
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

    losses: Array  # (K,) training loss by step, penalty left out (but `BatchDecay`'s); NaN where none was run
    holdout_loss: Array  # (LOOKS, S) weighted means; NaN without evaluation
    holdout_error: Array  # (LOOKS, S) share of wrong labels, or mean squared error
    costs: Array  # (V,) of the leg's best state, by row: error or loss, whichever decides; 0 where padded


# Which arguments of a chunk's functions have a leading axis of members.
_ORDERS = Orders(0, None, None, None, 0, 0, 0)
_HOLDOUT = Holdout(None, None, 0, 0)


def first_state(network: Network, recipe: Recipe, seed: int, sample: np.ndarray | None = None) -> State:
    """Return a member's state before its first step, as NumPy arrays; ``sample`` as for `Network.init`."""
    params, running = network.init(recipe, seed, sample)
    slots = jax.tree.map(np.asarray, recipe.optimizer.init(params))
    zero = np.zeros((), np.int32)
    return State(params, slots, running, zero, zero, params, running, np.float32(np.inf), zero)


def part_of(recipe: Recipe) -> int:
    """Return how many images of a batch are gone through at a time: the most that divide it, up to `PART`.

    0 is the batch as a whole: where there are no convolutions, where batch norm needs all of it, and where it
    has no such divisor.
    """
    if not recipe.conv or isinstance(recipe.norm, BatchNorm):
        return 0
    most = max(n for n in range(1, PART + 1) if recipe.batch_size % n == 0)
    return most if PART // 2 <= most < recipe.batch_size else 0


def _summed(network: Network, recipe: Recipe, state: State, rows: tuple[Array, ...], training: Training):
    """Return the weighted sum of the losses of ``rows`` (x, y, weight), running statistics, and gradients."""
    x, y, weight = rows

    def loss_of(params):
        outputs, running = network.apply(
            recipe, params, state.running, x, training=training, turned=turns(recipe)
        )
        return jnp.sum(network.losses(recipe, outputs, y) * weight), running

    return jax.value_and_grad(loss_of, has_aux=True)(state.params)


def _loss_and_gradient(network: Network, recipe: Recipe, state: State, data: Data, rows: Array, seed: Array):
    """Return (loss, running statistics) and gradients on the batch of ``rows`` (B,)."""
    picked = jnp.maximum(rows, 0)
    valid = (rows >= 0).astype(jnp.float32)
    weight = data.weight[picked] * valid
    batch = data.x[picked], data.y[picked], weight / jnp.maximum(jnp.sum(weight), 1e-12)
    training = Training(valid, fold_in(fold_in(seed, DROPOUT), state.step), state.step)
    size = part_of(recipe)
    if size:
        return _by_parts(network, recipe, state, batch, training, size)
    return _summed(network, recipe, state, batch, training)


def _by_parts(network, recipe, state, batch, training, size):
    """Return what `_summed` does, ``size`` rows at a time: their images stay in the core's own cache."""

    def part(i, carried):
        loss, grads = carried
        some = [jax.lax.dynamic_slice_in_dim(a, i * size, size) for a in (*batch, training.valid)]
        one = training._replace(valid=some.pop(), key=fold_in(training.key, i))
        (more, _), steeper = _summed(network, recipe, state, tuple(some), one)
        return loss + more, {key: g + steeper[key] for key, g in grads.items()}

    nothing = {key: jnp.zeros_like(w) for key, w in state.params.items()}
    first = jnp.zeros((), state.best_key.dtype), nothing
    loss, grads = jax.lax.fori_loop(0, recipe.batch_size // size, part, first)
    return (loss, state.running), grads


def _squared_norm(arrays: Iterable[Array]) -> Array:
    return sum((jnp.sum(jnp.square(a)) for a in arrays), start=jnp.zeros(()))


def _clipped(grads: dict[str, Array], most: Array) -> dict[str, Array]:
    norm = jnp.sqrt(_squared_norm(grads.values()))
    shrink = jnp.minimum(1.0, most / jnp.maximum(norm, 1e-12))
    return {key: g * shrink for key, g in grads.items()}


def train_step(network: Network, recipe: Recipe, state: State, data: Data, rows: Array, orders: Orders):
    """Return the state after one update, and the loss before it.

    A loss that is not finite marks the member diverged, and from there on its step stands still. Its other
    arrays go on and are worth nothing: whoever runs the leg goes back to the last finite state, since to
    choose between old and new arrays at each step would cost every member a tenth of its time.
    """
    step = state.step.astype(jnp.float32)
    recipe = recipe.at(step, orders.horizon)
    (loss, running), grads = _loss_and_gradient(network, recipe, state, data, rows, orders.seed)
    if recipe.clip_norm is not None:
        grads = _clipped(grads, recipe.clip_norm)
    decay = recipe.weight_decay
    if isinstance(decay, BatchDecay):
        decay = decay.strength(jnp.sum(jnp.where(rows >= 0, data.weight[jnp.maximum(rows, 0)], 0.0)))
        loss += l2_penalty([w for key, w in state.params.items() if key.endswith(".weight")], decay)
    grads = {key: g + decay * state.params[key] if key.endswith(".weight") else g for key, g in grads.items()}
    factor = jnp.float32(1.0) if recipe.schedule is None else recipe.schedule.factor(step, orders.horizon)
    if recipe.learning_rate_factors is not None:
        factor = {name: factor * recipe.learning_rate_factors.of(name) for name in state.params}
    params, slots = recipe.optimizer.step(state.params, grads, state.slots, step + 1.0, factor)
    told = jnp.where(state.code == RUNNING, loss, jnp.nan)  # a member at rest has no further losses
    code = jnp.where(jnp.isfinite(loss), state.code, DIVERGED).astype(jnp.int32)
    made = state.step + (code == RUNNING)
    return state._replace(params=params, slots=slots, running=running, step=made, code=code), told


def _whole(state: State) -> Array:
    """Tell whether all that the next step rests on is finite, and its squares too."""
    floats = [a for a in jax.tree.leaves((state.params, state.slots, state.running)) if a.dtype.kind == "f"]
    return jnp.isfinite(_squared_norm(floats))


def _end(state: State) -> State:
    """Return a leg's last state, marked diverged if it is not whole though the losses were finite."""
    return state._replace(code=jnp.where(_whole(state), state.code, DIVERGED).astype(jnp.int32))


def _add_block(
    network: Network,
    state: State,
    recipe: Recipe,
    orders: Orders,
    holdout: Holdout,
    sums: Array,
    costs: Array,
    block: Array,
):
    """Return ``sums`` (S, 3) of loss, error and weight, and ``costs`` (V,), with one block's added."""
    loss_kind = LOSSES[network.loss]
    start = block * EVALUATION_ROWS
    rows = jax.lax.dynamic_slice_in_dim(holdout.rows, start, EVALUATION_ROWS)
    weight = jax.lax.dynamic_slice_in_dim(holdout.weight, start, EVALUATION_ROWS, axis=1)
    step = state.step.astype(jnp.float32)
    y = holdout.y[rows]
    x = holdout.x[rows]
    outputs, _ = network.apply(recipe, state.params, state.running, x, step=step, turned=turns(recipe))
    loss, error = loss_kind.per_row(outputs, y), loss_kind.error(outputs, y)
    both = jnp.stack([loss, error, jnp.ones_like(loss)])
    inside = jnp.where(weight[:, None, :] > 0, both * weight[:, None, :], 0.0)  # padding may be NaN
    cost = jnp.where(orders.by_error > 0, error, loss)
    costs = jax.lax.dynamic_update_slice_in_dim(costs, cost.astype(costs.dtype), start, axis=0)
    return sums + jnp.sum(inside, axis=-1), costs


def _keep_best(state: State, orders: Orders, report: Report, sums: Array, costs: Array, stretch: Array):
    """Return the state with its best one replaced by a better one, and the report with what was found."""
    loss, error = sums[:, 0] / sums[:, 2], sums[:, 1] / sums[:, 2]  # 0/0 = NaN: not evaluated
    key = jnp.where(orders.by_error > 0, error[0], loss[0])
    beats = jnp.where(orders.by_error > 1, key < state.best_key, key <= state.best_key)  # NaN never does
    better = beats & (state.code == RUNNING) & _whole(state)
    best = jax.tree.map(
        lambda fresh, old: jnp.where(better, fresh, old),
        (state.params, state.running, key, state.step),
        (state.best_params, state.best_running, state.best_key, state.best_step),
    )
    state = state._replace(best_params=best[0], best_running=best[1], best_key=best[2], best_step=best[3])
    return state, report._replace(
        holdout_loss=report.holdout_loss.at[stretch].set(loss),
        holdout_error=report.holdout_error.at[stretch].set(error),
        costs=jnp.where(better, costs, report.costs),
    )


def _blank(orders: Orders, holdout: Holdout):
    """Return the report before the first step, and sums and costs of an evaluation before its first block."""
    sets = holdout.weight.shape[0]
    unseen, costs = jnp.full((LOOKS, sets), jnp.nan), jnp.zeros(holdout.rows.shape[0])
    report = Report(jnp.full(orders.rows.shape[0], jnp.nan), unseen, unseen, costs)
    return report, (jnp.zeros((sets, 3)), costs)


def turns(recipe: Recipe) -> bool:
    """Tell whether a leg holds weights as `turned_linear` takes them: others' code may ask for shapes."""
    return recipe.module is None and not isinstance(recipe.optimizer, Optax)


def _turned(recipe: Recipe, params: dict[str, Array]) -> dict[str, Array]:
    """Return parameters with the linear layers' weights turned, (n_out, n_in), or turned back.

    Leading axes stay where they are, and so do the heads of several submodels.
    """

    layers = ("hidden.", "output.") if recipe.submodels == 1 else "hidden."
    return {
        name: jnp.swapaxes(w, -1, -2) if name.startswith(layers) and name.endswith(".weight") else w
        for name, w in params.items()
    }


def held(recipe: Recipe, state: State) -> State:
    """Return a state that is carried between legs as one holds it inside, or the other way round."""
    if not turns(recipe):
        return state
    turn = functools.partial(_turned, recipe)
    return state._replace(
        params=turn(state.params), slots=tuple(map(turn, state.slots)), best_params=turn(state.best_params)
    )


def alone(what: Callable[..., Any], axes: Any) -> Callable[..., Any]:
    """Return the function as it is: the ``each`` of a single member."""
    return what


def leg(
    network: Network,
    each: Callable[..., Callable[..., Any]],
    state: State,
    recipe: Recipe,
    orders: Orders,
    data: Data,
    holdout: Holdout,
):
    """Run the stretches of ``orders``, keep the best state evaluated; return state and report.

    ``each(what, axes)`` makes of a member's function that of a chunk, whose arguments have a leading axis
    where ``axes`` says 0; `alone` leaves it one member's. The loops are outside: a loop inside it would be
    traced several times over.
    """

    def step_on(i, state, recipe, orders, report):
        state, loss = train_step(network, recipe, state, data, orders.rows[i], orders)
        return state, report._replace(losses=report.losses.at[i].set(loss))

    steps_on = each(step_on, (None, 0, 0, _ORDERS, 0))
    add = each(functools.partial(_add_block, network), (0, 0, _ORDERS, _HOLDOUT, 0, 0, None))
    keep = each(_keep_best, (0, _ORDERS, 0, 0, 0, None))
    blank, nothing = each(_blank, (_ORDERS, _HOLDOUT))(orders, holdout)

    def stretch(j, carried):
        begin = jnp.where(j > 0, orders.ends[j - 1], 0)
        state, report = jax.lax.fori_loop(
            begin, orders.ends[j], lambda i, c: steps_on(i, c[0], recipe, orders, c[1]), carried
        )
        sums, costs = jax.lax.fori_loop(
            0, orders.blocks[j], lambda i, c: add(state, recipe, orders, holdout, *c, i), nothing
        )
        return keep(state, orders, report, sums, costs, j)

    state, report = jax.lax.fori_loop(0, orders.stretches, stretch, (held(recipe, state), blank))
    return each(_end, (0,))(held(recipe, state)), report
