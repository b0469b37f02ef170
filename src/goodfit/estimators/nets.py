"""One network of an estimator: its weights, what its optimiser remembers, and its course so far.

Everything is NumPy and plain Python, so that an estimator can be pickled, copied and trained on later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import jax
import numpy as np

from goodfit.engine.member import RUNNING, State
from goodfit.network import Network
from goodfit.recipe import Recipe

Arrays = dict[str, np.ndarray]


@dataclass
class Course:
    """What scikit-learn's rules for stopping look back at; ``partial_fit`` and warm starts add to it."""

    loss: float = float("nan")
    loss_curve: list[float] = field(default_factory=list)
    best_loss: float = float("inf")
    no_improvement: int = 0  # epochs in a row
    scores: list[float] = field(default_factory=list)  # on validation rows
    losses: list[float] = field(default_factory=list)  # on validation rows
    best_score: float = -float("inf")
    n_iter: int = 0  # epochs of the last call
    t: int = 0  # rows seen


@dataclass
class Net:
    """A network's weights by layer, its norms, and the optimiser's memory."""

    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    norms: Arrays = field(default_factory=dict)  # scale and shift
    running: Arrays = field(default_factory=dict)  # batch norm's, as training carries them
    moments: Arrays = field(default_factory=dict)  # batch norm's, as prediction uses them
    slots: Any = None
    step: int = 0  # updates since the optimiser's memory began
    rate: float | None = None  # the learning rate it has come down to
    seed: int = 0  # of dropout's masks
    diverged: bool = False  # in the last call
    course: Course = field(default_factory=Course)

    def params(self, dtype: Any) -> Arrays:
        """Return the parameters under the names of `goodfit.network`, of one type."""
        names = layer_names(len(self.coefs))
        named = {f"{name}.weight": w for name, w in zip(names, self.coefs, strict=True)}
        named |= {f"{name}.bias": b for name, b in zip(names, self.intercepts, strict=True)}
        return {key: np.asarray(a, dtype) for key, a in (named | self.norms).items()}

    def take(self, params: Mapping[str, Any], running: Mapping[str, Any], moments: Mapping[str, Any]) -> None:
        """Become the network of these parameters and statistics."""
        names = layer_names(len(self.coefs))
        self.coefs[:] = [np.array(params[f"{name}.weight"]) for name in names]
        self.intercepts[:] = [np.array(params[f"{name}.bias"]) for name in names]
        self.norms = {key: np.array(a) for key, a in params.items() if ".norm." in key}
        self.running = {key: np.array(a) for key, a in running.items()}
        self.moments = {key: np.array(a) for key, a in moments.items()}

    def forget_optimizer(self) -> None:
        """Let the next training begin with an optimiser that remembers nothing."""
        self.slots, self.step, self.rate = None, 0, None
        self.running = {}

    def state(self, network: Network, recipe: Recipe, dtype: Any) -> State:
        """Return the engine's state from which this network is trained on."""
        params = self.params(dtype)
        blank_params, blank_running = network.init(recipe, 0)
        params |= {key: a.astype(dtype) for key, a in blank_params.items() if key not in params}  # norms
        running = {key: np.asarray(self.running.get(key, a), dtype) for key, a in blank_running.items()}
        slots = self.slots
        if slots is None:
            with jax.enable_x64(True) if dtype is np.float64 else contextlib.nullcontext():
                slots = jax.tree.map(np.asarray, recipe.optimizer.init(params))
        step, zero, code = np.int32(self.step), np.zeros((), np.int32), np.int32(RUNNING)
        return State(params, slots, running, step, code, params, running, dtype(np.inf), zero)


def layer_names(layers: int) -> list[str]:
    """Return how `goodfit.network` calls the layers, hidden ones first."""
    return [*(f"hidden.{i}" for i in range(layers - 1)), "output"]


def glorot_uniform(
    rng: np.random.RandomState, widths: list[int], activation: str, dtype: Any
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return weights and biases, both from U(−b, b) with ``b = √(6/(n_in + n_out))``.

    For the logistic function it is ``√(2/(n_in + n_out))``. The draws are scikit-learn's.
    """
    coefs, intercepts = [], []
    for n_in, n_out in pairwise(widths):
        bound = np.sqrt((2.0 if activation in ("logistic", "sigmoid") else 6.0) / (n_in + n_out))
        coefs.append(rng.uniform(-bound, bound, (n_in, n_out)).astype(dtype))
        intercepts.append(rng.uniform(-bound, bound, n_out).astype(dtype))
    return coefs, intercepts
