"""The methods by name, each a function of a problem and its clock; imports come before the clock."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from contest.search import Clock, Fitted, search
from contest.tables import Problem

Method = Callable[[Problem, Clock], Fitted]

WITHIN = ("goodfit", "realmlp", "tabm", "sklearn-mlp")
WITHIN += ("histgb", "xgboost", "lightgbm", "catboost", "linear")
APART = {"realmlp-256": ("letter", "concrete")}  # takes whatever time it takes, on these tables only
NAMES = (*WITHIN, *APART)

PACKAGES = {
    "goodfit": ("goodfit", "jax"),
    "sklearn-mlp": ("scikit-learn",),
    "histgb": ("scikit-learn",),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "catboost": ("catboost",),
    "realmlp": ("pytabkit", "torch"),
    "realmlp-256": ("pytabkit", "torch"),
    "tabm": ("pytabkit", "torch"),
    "linear": ("scikit-learn",),
}
_REALMLP = ("pytorch_lightning", "pytabkit.models.alg_interfaces.nn_interfaces")
_REALMLP += ("pytabkit.models.training.lightning_callbacks",)
MODULES = {
    "goodfit": ("jax", "optax", "goodfit"),
    "realmlp": _REALMLP,
    "realmlp-256": _REALMLP,
    "tabm": ("pytabkit.models.alg_interfaces.tabm_interface",),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "catboost": ("catboost",),
}
NETWORKS = {"realmlp": "real_mlp", "realmlp-256": "real_mlp_whole", "tabm": "tabm"}
TRAINERS = {
    "sklearn-mlp": "learners.Perceptron",
    "histgb": "learners.Hist",
    "xgboost": "boosters.Xgboost",
    "lightgbm": "boosters.Lightgbm",
    "catboost": "boosters.Catboost",
    "linear": "learners.Linear",
}


def ours(problem: Problem, clock: Clock) -> Fitted:
    """Fit goodfit's estimator for tables, on the frame as it was read."""
    from goodfit import TabularClassifier, TabularRegressor

    kind = TabularClassifier if problem.classification else TabularRegressor
    model: Any = kind(budget=f"{clock.seconds:g}s")
    if "random_state" in model.get_params():
        model.set_params(random_state=problem.seed)
    if not problem.classification:
        model.fit(problem.raw_train, problem.y_train)
        return Fitted(lambda x: np.asarray(model.predict(x), dtype=np.float64), raw=True)
    names = np.array(problem.classes)
    model.fit(problem.raw_train, names[problem.y_train])
    code = {name: i for i, name in enumerate(problem.classes)}

    def labels(x: pd.DataFrame) -> np.ndarray:
        return np.array([code[str(name)] for name in model.predict(x)])

    def probabilities(x: pd.DataFrame) -> np.ndarray:
        p = np.zeros((len(x), len(names)))
        p[:, [code[str(name)] for name in model.classes_]] = model.predict_proba(x)
        return p

    return Fitted(probabilities, labels=labels, raw=True)


def get_method(name: str) -> Method:
    """Import what a method needs and return it."""
    for module in MODULES.get(name, ()):
        importlib.import_module(module)
    if name == "goodfit":
        from goodfit import TabularClassifier, TabularRegressor  # noqa: F401  (loaded on first use)

        return ours
    if name not in TRAINERS:
        return getattr(importlib.import_module("contest.networks"), NETWORKS[name])
    module, kind = TRAINERS[name].split(".")
    trainer = getattr(importlib.import_module(f"contest.{module}"), kind)
    importlib.import_module("contest.learners")

    def method(problem: Problem, clock: Clock) -> Fitted:
        return search(trainer, problem, clock)

    return method
