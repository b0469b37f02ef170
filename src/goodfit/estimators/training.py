"""From checked rows to trained networks: which networks begin, on which rows, with which solver."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from goodfit.engine.legs import Member
from goodfit.engine.plan import check_memory, member_bytes
from goodfit.engine.population import Population
from goodfit.engine.program import use_cache
from goodfit.errors import InputError
from goodfit.estimators.descent import Judge, Rules, Run, descend
from goodfit.estimators.epochs import Epochs
from goodfit.estimators.lbfgs import minimize
from goodfit.estimators.nets import Net, glorot_uniform, layer_names
from goodfit.estimators.settings import (
    batch_size_of,
    chosen_devices,
    recipe_of,
    scales_inversely,
    widths_of,
)
from goodfit.model.predict import forward
from goodfit.network import Network
from goodfit.techniques.losses import LOSSES


class Rows(NamedTuple):
    """Rows as the engine takes them."""

    x: np.ndarray  # (N, inputs)
    y: np.ndarray  # (N,) classes, or (N, outputs) numbers
    weight: np.ndarray | None  # (N,)

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows])


@dataclass
class Training:
    """One call of ``fit`` or ``partial_fit``."""

    estimator: Any  # whose parameters are followed
    network: Network
    nets: list[Net]
    rngs: list[np.random.RandomState]  # one a network
    incremental: bool  # one epoch on
    judge: Callable[[Rows], Judge]
    strata: Callable[[np.ndarray], np.ndarray | None]
    told: Callable[[], bool] | None = None

    @property
    def architecture(self) -> dict[str, Any]:
        """What prediction needs to know."""
        return self.network.architecture(recipe_of(self.estimator, 2, 2))

    @property
    def dtype(self) -> Any:
        """The type of the weights."""
        return self.nets[0].coefs[0].dtype.type


def begin(
    estimator: Any, network: Network, dtype: Any, *, first: bool
) -> tuple[list[Net], list[np.random.RandomState]]:
    """Return the networks to train, new ones or those that there are, and a generator for each.

    The first network takes what scikit-learn's would from ``random_state``; the others, generators seeded by
    a copy of it.

    Raises:
        InputError: the networks that there are have other shapes or another number.
    """
    rng = check_random_state(estimator.random_state)
    seeds = copy.deepcopy(rng).randint(2**31 - 1, size=estimator.ensemble)
    rngs = [rng, *map(np.random.RandomState, seeds[1:])]
    widths = [network.inputs, *widths_of(estimator), network.outputs]
    if first:
        return [
            _new_net(estimator, network, widths, dtype, one, int(seed))
            for one, seed in zip(rngs, seeds, strict=True)
        ], rngs
    nets = getattr(estimator, "_nets", None) or [Net(estimator.coefs_, estimator.intercepts_)]
    nets[0].coefs, nets[0].intercepts = list(estimator.coefs_), list(estimator.intercepts_)
    if len(nets) != estimator.ensemble:
        raise InputError(
            f"ensemble={estimator.ensemble} cannot go on from {len(nets)} trained networks: fit anew, "
            "with warm_start=False."
        )
    shapes = [np.shape(w) for w in nets[0].coefs]
    if shapes != list(itertools.pairwise(widths)):
        raise InputError(
            f"hidden_layer_sizes={estimator.hidden_layer_sizes!r} cannot go on from weights of shapes "
            f"{shapes}: fit anew, with warm_start=False."
        )
    return nets, rngs


def _new_net(
    estimator: Any, network: Network, widths: list[int], dtype: Any, rng: np.random.RandomState, seed: int
) -> Net:
    if estimator.init is None:
        return Net(*glorot_uniform(rng, widths, estimator.activation, dtype), seed=seed)
    params, _ = network.init(recipe_of(estimator, 2, 2), seed)
    names = layer_names(len(widths) - 1)
    coefs = [params[f"{name}.weight"].astype(dtype) for name in names]
    return Net(coefs, [params[f"{name}.bias"].astype(dtype) for name in names], seed=seed)


def train(training: Training, rows: Rows, held: Rows | None) -> None:
    """Train the networks on ``rows``, judged by the rows ``held`` out by the user or split off here.

    Raises:
        InputError: too few rows to split, batches of one row under batch norm, too little memory, no device.
    """
    use_cache()
    if not training.incremental:
        for net in training.nets:
            net.forget_optimizer()
    estimator = training.estimator
    if estimator.optimizer is None and estimator.solver == "lbfgs":
        _by_lbfgs(training, rows, held)
        return
    if held is None and estimator.early_stopping:
        rows, held = _split(training, rows)
    _by_descent(training, rows, held)


def _split(training: Training, rows: Rows) -> tuple[Rows, Rows]:
    """Return the rows to train on and those to stop by, as scikit-learn splits them."""
    try:
        kept, held = train_test_split(
            np.arange(len(rows.x)),
            random_state=training.rngs[0],
            test_size=training.estimator.validation_fraction,
            stratify=training.strata(rows.y),
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    if len(held) < 2:
        raise InputError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    return rows.take(np.asarray(kept)), rows.take(np.asarray(held))


def _by_descent(training: Training, rows: Rows, held: Rows | None) -> None:
    """Train side by side on the engine."""
    est, network, dtype = training.estimator, training.network, training.dtype
    batch_size = batch_size_of(est, len(rows.x))
    rules = Rules(
        max_iter=est.max_iter,
        tol=est.tol,
        n_iter_no_change=est.n_iter_no_change,
        early_stopping=est.early_stopping,
        adaptive=est.optimizer is None and est.solver == "sgd" and est.learning_rate == "adaptive",
        incremental=training.incremental,
        verbose=bool(est.verbose),
        told=training.told,
    )
    judge = None if held is None else training.judge(held)
    runs = [
        _run(training, net, rng, len(rows.x), batch_size, rules, judge)
        for net, rng in zip(training.nets, training.rngs, strict=True)
    ]
    holdout = None
    if held is not None:
        weight = np.ones(len(held.x)) if held.weight is None else held.weight
        holdout = (held.x.astype(dtype), _typed(held.y, dtype), weight[None])
    floats = sum(member_bytes(network, run.member.recipe) for run in runs) // 4
    needed = floats * np.dtype(dtype).itemsize + 2 * rows.x.nbytes
    check_memory(needed, f"Training {len(runs)} networks")
    population = Population(
        network,
        rows.x.astype(dtype, copy=False),
        _typed(rows.y, dtype),
        rows.weight,
        holdout=holdout,
        chunk=1 if len(runs) == 1 else None,
        dtype=dtype,
        devices=chosen_devices(est.device),
    )
    descend(population, runs)
    for run in runs:
        run.net.diverged = run.member.diverged
    if any(net.diverged for net in training.nets) and est.early_stopping:
        warnings.warn(
            "The loss is no longer finite: training ended there, and the best weights before are kept. A "
            "smaller learning_rate_init or scaled data may help.",
            ConvergenceWarning,
            stacklevel=2,
        )


def _typed(y: np.ndarray, dtype: Any) -> np.ndarray:
    return y if y.dtype == np.int32 else y.astype(dtype)


def _run(
    training: Training,
    net: Net,
    rng: np.random.RandomState,
    rows: int,
    batch_size: int,
    rules: Rules,
    judge: Judge | None,
) -> Run:
    """Return a network ready to be trained on so many rows."""
    est = training.estimator
    course = net.course
    course.n_iter = 0
    rate, seen = net.rate, None if training.incremental else course.t
    if training.incremental and scales_inversely(est) and course.t:
        rate = est.learning_rate_init / (course.t + 1) ** est.power_t
    recipe = recipe_of(est, batch_size, rows, rate=rate, seen=seen)
    state = net.state(training.network, recipe, training.dtype)
    if judge is not None and rules.early_stopping and math.isfinite(course.best_score):  # a warm start
        state = state._replace(best_key=training.dtype(judge.error(course.best_score)))
    epochs = Epochs(rows, batch_size, rng if est.shuffle else None, net.step)
    member = Member(
        recipe, net.seed, batches=epochs, horizon=est.max_iter * epochs.steps, state=state, first_of_ties=True
    )
    return Run(net, member, epochs, rules, judge)


def _by_lbfgs(training: Training, rows: Rows, held: Rows | None) -> None:
    """Bring the networks to a minimum, one after another."""
    est, network = training.estimator, training.network
    weight = np.ones(len(rows.x)) if rows.weight is None else rows.weight
    devices = chosen_devices(est.device)
    recipe = recipe_of(est, len(rows.x), len(rows.x))
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.enable_x64(True))
        if devices is not None:
            stack.enter_context(jax.default_device(devices[0]))
        for net in training.nets:
            minimize(
                network,
                recipe,
                net,
                (rows.x, rows.y, weight),
                max_iter=est.max_iter,
                max_fun=est.max_fun,
                tol=est.tol,
                told=_lbfgs_teller(training, net, held),
            )


def _measured(training: Training, net: Net, held: Rows) -> tuple[float, float]:
    """Return mean loss and error of a network on rows."""
    kind: Any = LOSSES[training.network.loss]
    outputs = forward(training.architecture, net.params(np.float64), net.moments, held.x)
    y = jax.numpy.asarray(_typed(held.y, np.float64))
    loss, error = (
        float(np.average(np.asarray(one(outputs, y)), weights=held.weight))
        for one in (kind.per_row, kind.error)
    )
    return loss, error


def _lbfgs_teller(training: Training, net: Net, held: Rows | None) -> Callable[[float], bool] | None:
    """Return what is told of each iteration's loss, or None where nobody listens."""
    verbose, told = bool(training.estimator.verbose), training.told
    if held is None and not verbose and told is None:
        return None
    judge = None if held is None else training.judge(held)

    def listen(loss: float) -> bool:
        net.course.loss = loss
        if verbose:
            print(f"Iteration {net.course.n_iter}, loss = {loss:.8f}")
        if held is not None and judge is not None:
            loss, error = _measured(training, net, held)
            net.course.losses.append(loss)
            net.course.scores.append(judge.score(error))
            net.course.best_score = max(net.course.best_score, net.course.scores[-1])
        return told is not None and told()

    return listen
