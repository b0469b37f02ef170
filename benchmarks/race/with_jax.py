"""Rows (a) to (d) in JAX, as one writes it without goodfit: `vmap` over members of a `scan` over steps.

The update rule is written by hand in (a) and (c), and optax's in (b) and (d). In (c) there is one network and
no `vmap`. Batch norm keeps running moments; dropout draws by `jax.random.bernoulli`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from race.task import Task, task_of
from race.worker import Answer, on_clock

MOMENTUM, EPSILON = 0.9, 1e-5  # of batch norm


class Rule(NamedTuple):
    """An optimiser: ``init(params)`` returns a state, ``update(params, grads, state)`` new ones of both."""

    init: Callable[[Any], Any]
    update: Callable[[Any, Any, Any], tuple[Any, Any]]


def sgd_by_hand(rate: float) -> Rule:
    def update(params, grads, state):
        return jax.tree.map(lambda w, g: w - rate * g, params, grads), state

    return Rule(lambda params: (), update)


def adam_by_hand(rate: float, beta1: float = 0.9, beta2: float = 0.999) -> Rule:
    """Return Algorithm 1 of Kingma and Ba (2015)."""

    def init(params):
        zeros = jax.tree.map(jnp.zeros_like, params)
        return zeros, zeros, jnp.zeros(())

    def update(params, grads, state):
        m, v, t = state
        t += 1
        m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, grads)
        v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, grads)
        first, second = 1 - beta1**t, 1 - beta2**t

        def moved(w, m, v):
            return w - rate * (m / first) / (jnp.sqrt(v / second) + 1e-8)

        return jax.tree.map(moved, params, m, v), (m, v, t)

    return Rule(init, update)


def from_optax(transformation: optax.GradientTransformation) -> Rule:
    def update(params, grads, state):
        updates, state = transformation.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return Rule(transformation.init, update)


def normalized(h, scale, shift, moments):
    """Return the batch ``h`` (B, n) normalised, and the running moments, a pair of (n,), moved."""
    mean, var = jnp.mean(h, axis=0), jnp.var(h, axis=0)
    moved = tuple(MOMENTUM * r + (1 - MOMENTUM) * b for r, b in zip(moments, (mean, var), strict=True))
    return (h - mean) * jax.lax.rsqrt(var + EPSILON) * scale + shift, moved


def outputs_of(task: Task, params, running, x, key):
    """Return the network's outputs (B, classes) in training, and the running moments of its layers."""
    moved = []
    for i, layer in enumerate(params[:-1]):
        x = x @ layer["w"] + layer["b"]
        if task.norm:
            x, moments = normalized(x, layer["scale"], layer["shift"], running[i])
            moved.append(moments)
        x = jax.nn.relu(x)
        if task.dropout:
            kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - task.dropout, x.shape)
            x = jnp.where(kept, x / (1 - task.dropout), 0.0)
    return x @ params[-1]["w"] + params[-1]["b"], moved


def mean_loss(task: Task, outputs, y, rows):
    """Return the batch's mean cross-entropy; rows of number −1 do not count."""
    each = -jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, None], axis=1)[:, 0]
    if not task.ragged:
        return jnp.mean(each)
    valid = (rows >= 0).astype(jnp.float32)
    return jnp.sum(each * valid) / jnp.sum(valid)


def trainer(task: Task, rule: Rule) -> Callable[..., Any]:
    """Return ``train(params, running, blocks, key, x, y)`` of one member: parameters, losses (steps,)."""

    def loss_of(params, running, rows, key, x, y):
        outputs, running = outputs_of(task, params, running, x[rows], key)
        return mean_loss(task, outputs, y[rows], rows), running

    def train(params, running, blocks, key, x, y):
        def step(carried, now):
            params, state, running = carried
            rows, number = now
            key_now = jax.random.fold_in(key, number) if task.dropout else key
            found, grads = jax.value_and_grad(loss_of, has_aux=True)(params, running, rows, key_now, x, y)
            params, state = rule.update(params, grads, state)
            return (params, state, found[1]), found[0]

        begin = (params, rule.init(params), running)
        (params, _, _), losses = jax.lax.scan(step, begin, (blocks, jnp.arange(len(blocks))))
        return params, losses

    return train


def starts(task: Task) -> tuple[Any, Any]:
    """Return the members' first parameters and running moments, stacked."""
    members = [task.layers(params) for params in task.first_weights()]
    params = [
        dict(zip("wb", map(np.stack, zip(*layer, strict=True)), strict=True))
        for layer in zip(*members, strict=True)
    ]
    running = []
    if task.norm:
        for layer in params[:-1]:
            layer |= {"scale": np.ones_like(layer["b"]), "shift": np.zeros_like(layer["b"])}
            running.append((np.zeros_like(layer["b"]), np.ones_like(layer["b"])))
    return params, running


def race_of(key: str, quick: bool, rule_of: Callable[[Task], Rule]) -> Callable[[], Answer]:
    """Return the race: the whole training is one compiled call, and so is the evaluation."""
    task = task_of(key, quick)
    train, alone = trainer(task, rule_of(task)), task.members == 1
    x, y, far, far_y = map(jnp.asarray, task.rows)
    keys = jax.random.split(jax.random.key(0), task.members)
    given = (*starts(task), task.batches(), keys)
    if alone:
        given = jax.tree.map(lambda leaf: leaf[0], given)
    every = train if alone else jax.vmap(train, in_axes=(0, 0, 0, 0, None, None))
    given = jax.device_put(given)
    compiled = jax.jit(every).lower(*given, x, y).compile()

    def accuracy(params):
        hit = outputs_of(task, params, [], far, None)[0].argmax(axis=1) == far_y
        return jnp.mean(hit)

    judged = jax.jit(jax.vmap(accuracy)) if task.judge == "accuracy" else None
    if judged is not None:
        judged(given[0])  # compiles

    def work():
        params, losses = compiled(*given, x, y)
        scores = losses[..., -task.tail :].mean(axis=-1) if judged is None else judged(params)
        return np.atleast_1d(np.asarray(scores))

    return lambda: on_clock(work)


def by_hand(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race with an update rule of one's own."""
    rules = {"sgd": sgd_by_hand, "adam": adam_by_hand}
    return race_of(key, quick, lambda task: rules[task.optimizer](task.rate))


def with_optax(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race with optax's update rule."""
    rules = {"sgd": optax.sgd, "adam": optax.adam}
    return race_of(key, quick, lambda task: from_optax(rules[task.optimizer](task.rate)))
