"""Full-batch training by L-BFGS: scipy's optimiser on a loss and gradient compiled by JAX, in float64."""

from __future__ import annotations

import dataclasses
import functools
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning

from goodfit.engine.plan import bucket, padded
from goodfit.estimators.nets import Arrays, Net
from goodfit.network import Network, Training
from goodfit.recipe import Recipe
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.regularization import l2_penalty


def _forward(network: Network, recipe: Recipe, params: Any, x: Any, valid: Any) -> Any:
    """Return outputs, and batch norm's moments of all rows (its running ones, ``momentum`` being 0)."""
    _, running = network.init(recipe, 0)
    blank = {key: jnp.asarray(a, jnp.float64) for key, a in running.items()}
    training = Training(valid, jnp.uint32(0), jnp.int32(0))
    return network.apply(recipe, params, blank, x, training=training)


class _Packed(NamedTuple):
    """How parameters lie in one vector, as scipy wants them."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def like(cls, params: Arrays) -> _Packed:
        """Return the places of parameters with these names and shapes."""
        return cls(tuple((key, a.shape) for key, a in params.items()))

    def pack(self, params: Arrays) -> np.ndarray:
        """Return the parameters as one vector."""
        return np.concatenate([np.asarray(params[key], np.float64).ravel() for key, _ in self.shapes])

    def unpack(self, vector: Any) -> dict[str, Any]:
        """Return the parameters in a vector of NumPy's or JAX's."""
        params, start = {}, 0
        for key, shape in self.shapes:
            end = start + math.prod(shape)
            params[key] = vector[start:end].reshape(shape)
            start = end
        return params


class _Problem(NamedTuple):
    """What a compiled loss is about; everything else are its arguments."""

    network: Network
    recipe: Any  # the structure of one, without its values
    packed: _Packed


@functools.partial(jax.jit, static_argnums=0)
def _loss_and_gradient(problem: _Problem, values: list[Any], vector: Any, data: tuple[Any, ...]) -> Any:
    """Return the gradient and, behind it in the same array, the loss: one transfer instead of many."""
    x, y, weight, valid = data
    network, recipe = problem.network, jax.tree.unflatten(problem.recipe, values)

    def loss_of(vector: Any) -> Any:
        params = problem.packed.unpack(vector)
        outputs, _ = _forward(network, recipe, params, x, valid)
        per_row = network.losses(recipe, outputs, y)
        total = jnp.sum(weight)
        matrices = [w for key, w in params.items() if key.endswith(".weight")]
        return jnp.sum(per_row * weight) / total + l2_penalty(matrices, recipe.weight_decay.strength(total))

    loss, gradient = jax.value_and_grad(loss_of)(vector)
    return jnp.append(gradient, loss)


@functools.partial(jax.jit, static_argnums=0)
def _moments(problem: _Problem, values: list[Any], vector: Any, data: tuple[Any, ...]) -> Any:
    recipe, params = jax.tree.unflatten(problem.recipe, values), problem.packed.unpack(vector)
    return _forward(problem.network, recipe, params, data[0], data[3])[1]


def _on_device(network: Network, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[Any, ...]:
    """Return rows, targets, weights, and 1 for each row that is none of the padding, all in float64."""
    numbers = y if network.loss == "softmax_cross_entropy" else y.astype(np.float64)
    held = (x.astype(np.float64), numbers, weight.astype(np.float64), np.ones(len(x)))
    return jax.device_put(tuple(padded(a, bucket(len(x))) for a in held))


def minimize(
    network: Network,
    recipe: Recipe,
    net: Net,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    max_iter: int,
    max_fun: int,
    tol: float,
    told: Callable[[float], bool] | None = None,
) -> None:
    """Bring ``net`` to a minimum of the training loss on ``rows``: x, y and weight.

    ``told(loss)`` is called after each iteration, when ``net`` holds what was reached; true ends it.
    Call it inside ``jax.enable_x64(True)``. Warns if the minimum was not reached.
    """
    data = _on_device(network, *rows)
    if isinstance(recipe.norm, BatchNorm):
        recipe = dataclasses.replace(recipe, batch_norm=dataclasses.replace(recipe.norm, momentum=0.0))
    values, structure = jax.tree.flatten(recipe.for_program(np.float64))
    values = jax.device_put(values)
    dtype = net.coefs[0].dtype
    first = net.state(network, recipe, np.float64).params
    problem = _Problem(network, structure, _Packed.like(first))

    def loss_and_gradient(vector: np.ndarray) -> tuple[float, np.ndarray]:
        found = np.asarray(_loss_and_gradient(problem, values, vector, data))
        return float(found[-1]), found[:-1]

    def take(vector: np.ndarray) -> None:
        params = {key: a.astype(dtype) for key, a in problem.packed.unpack(vector).items()}
        moments = jax.tree.map(np.array, _moments(problem, values, vector, data)) if recipe.norm else {}
        net.take(params, {}, moments)

    def callback(intermediate_result: Any) -> None:
        net.course.n_iter += 1
        take(intermediate_result.x)
        if told is not None and told(float(intermediate_result.fun)):
            raise StopIteration

    net.course.n_iter = 0
    found = scipy.optimize.minimize(
        loss_and_gradient,
        problem.packed.pack(first),
        method="L-BFGS-B",
        jac=True,
        options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
        callback=None if told is None else callback,
    )
    net.course.n_iter, net.course.loss = min(int(found.nit), max_iter), float(found.fun)
    take(found.x)
    if found.status not in (0, 99):  # 99: ended by ``told``
        _warn(found, net.course.n_iter, max_iter)


def _warn(found: Any, n_iter: int, max_iter: int) -> None:
    more = f" Increase the number of iterations (max_iter={max_iter})." if n_iter == max_iter else ""
    warnings.warn(
        f"lbfgs failed to converge after {n_iter} iteration(s) (status={found.status}): {found.message}"
        f"{'' if str(found.message).endswith('.') else '.'}{more} Scaling the data may help: see "
        "https://scikit-learn.org/stable/modules/preprocessing.html",
        ConvergenceWarning,
        stacklevel=2,
    )
