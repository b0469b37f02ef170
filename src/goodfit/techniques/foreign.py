"""optax gradient transformations as optimisers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from goodfit.errors import InputError, must_be
from goodfit.techniques.base import structure, technique
from goodfit.techniques.optimizers import Optimizer


@technique
class Optax(Optimizer):
    """Any optax ``GradientTransformation``: ``Optax("lion", optax.lion(1e-3))``.

    The object is structure by identity: another object compiles another program, even if it looks alike.
    Values vary without compiling when ``tx`` was made by ``optax.inject_hyperparams``:
    ``Optax("lion", optax.inject_hyperparams(optax.lion)(0.0), values={"learning_rate": 1e-3})``.
    Only the name is recorded, so resuming and loading ask for the object again. The recipe's schedule
    multiplies the whole update.
    """

    name: str = structure()
    tx: Any = structure()
    values: Any = None  # dictionary of hyper-parameters, or None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise must_be("Optax(name, …)", "a non-empty text", self.name)
        if not (hasattr(self.tx, "init") and hasattr(self.tx, "update")):
            raise must_be("Optax(…, tx)", "an optax GradientTransformation", self.tx)

    def init(self, params: Mapping[str, Any]) -> Any:
        """Return optax's own state as NumPy arrays."""
        state = self.tx.init(dict(params))
        if self.values is not None and not hasattr(state, "hyperparams"):
            raise InputError(
                f"Optax({self.name!r}): values need a transformation made by optax.inject_hyperparams."
            )
        return jax.tree.map(np.asarray, state)

    def step(
        self, params: dict[str, Any], grads: dict[str, Any], state: Any, t: Any, factor: Any
    ) -> tuple[dict[str, Any], Any]:
        """Return parameters and state after one update times ``factor``, one or one a parameter."""
        updates, state = self._updates(params, grads, state)
        factors = factor if isinstance(factor, Mapping) else dict.fromkeys(params, factor)
        return {k: w + factors[k] * updates[k] for k, w in params.items()}, state

    def _updates(self, params, grads, state):
        if self.values is not None:
            state = state._replace(hyperparams={**state.hyperparams, **self.values})
        return self.tx.update(grads, state, params)

    def _update_once(self, params, grads, state, t, on_numpy):
        updates, state = self._updates(dict(params), grads, state)
        if on_numpy:  # JAX computed them in float32; added by NumPy, float64 parameters keep their digits
            updates = jax.tree.map(np.asarray, updates)
        return {k: w + updates[k] for k, w in params.items()}, state
