"""goodfit trains neural networks well: every technique side by side on your own data, with honest numbers.

The public names below are loaded on first use, so that ``import goodfit`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goodfit.engine.diagnose import diagnose
    from goodfit.engine.population import Member
    from goodfit.engine.train import train
    from goodfit.errors import GoodfitError, InputError, ModelFileError
    from goodfit.estimators.classifier import MLPClassifier
    from goodfit.estimators.narrowing import NarrowingSearchCV
    from goodfit.estimators.regressor import MLPRegressor
    from goodfit.estimators.seal import Seal
    from goodfit.estimators.tabular_classifier import TabularClassifier
    from goodfit.estimators.tabular_regressor import TabularRegressor
    from goodfit.lab.compare import compare
    from goodfit.lab.findings import Findings
    from goodfit.model.file import load_model
    from goodfit.network import Network
    from goodfit.recipe import Recipe
    from goodfit.search.space import Space, choice, integer, log_uniform, uniform
    from goodfit.techniques.augmentation import Flip, Shift
    from goodfit.techniques.embeddings import Periodic
    from goodfit.techniques.foreign import Optax
    from goodfit.techniques.initializers import DataDriven, Gaussian, Glorot, He, LeCun, Xavier
    from goodfit.techniques.modules import Module
    from goodfit.techniques.normalization import BatchNorm, LayerNorm
    from goodfit.techniques.optimizers import (
        SGD,
        AdaGrad,
        Adam,
        AdamW,
        LearningRateFactors,
        Momentum,
        Muon,
        Nesterov,
        RMSProp,
    )
    from goodfit.techniques.regularization import Dropout
    from goodfit.techniques.schedules import Constant, Cosine, CosLog, FlatCosine, OneCycle, StepDecay, WarmUp

    __version__: str

_HOMES = {
    "goodfit.engine.diagnose": ("diagnose",),
    "goodfit.engine.population": ("Member",),
    "goodfit.engine.train": ("train",),
    "goodfit.errors": ("GoodfitError", "InputError", "ModelFileError"),
    "goodfit.estimators.classifier": ("MLPClassifier",),
    "goodfit.estimators.narrowing": ("NarrowingSearchCV",),
    "goodfit.estimators.regressor": ("MLPRegressor",),
    "goodfit.estimators.seal": ("Seal",),
    "goodfit.estimators.tabular_classifier": ("TabularClassifier",),
    "goodfit.estimators.tabular_regressor": ("TabularRegressor",),
    "goodfit.lab.compare": ("compare",),
    "goodfit.lab.findings": ("Findings",),
    "goodfit.model.file": ("load_model",),
    "goodfit.network": ("Network",),
    "goodfit.recipe": ("Recipe",),
    "goodfit.search.space": ("Space", "choice", "integer", "log_uniform", "uniform"),
    "goodfit.techniques.augmentation": ("Flip", "Shift"),
    "goodfit.techniques.embeddings": ("Periodic",),
    "goodfit.techniques.foreign": ("Optax",),
    "goodfit.techniques.initializers": ("DataDriven", "Gaussian", "Glorot", "He", "LeCun", "Xavier"),
    "goodfit.techniques.modules": ("Module",),
    "goodfit.techniques.normalization": ("BatchNorm", "LayerNorm"),
    "goodfit.techniques.optimizers": (
        "SGD",
        "AdaGrad",
        "Adam",
        "AdamW",
        "LearningRateFactors",
        "Momentum",
        "Muon",
        "Nesterov",
        "RMSProp",
    ),
    "goodfit.techniques.regularization": ("Dropout",),
    "goodfit.techniques.schedules": (
        "Constant",
        "Cosine",
        "CosLog",
        "FlatCosine",
        "OneCycle",
        "StepDecay",
        "WarmUp",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "BatchNorm",
    "Constant",
    "CosLog",
    "Cosine",
    "DataDriven",
    "Dropout",
    "Findings",
    "FlatCosine",
    "Flip",
    "Gaussian",
    "Glorot",
    "GoodfitError",
    "He",
    "InputError",
    "LayerNorm",
    "LeCun",
    "LearningRateFactors",
    "MLPClassifier",
    "MLPRegressor",
    "Member",
    "ModelFileError",
    "Module",
    "Momentum",
    "Muon",
    "NarrowingSearchCV",
    "Nesterov",
    "Network",
    "OneCycle",
    "Optax",
    "Periodic",
    "RMSProp",
    "Recipe",
    "Seal",
    "Shift",
    "Space",
    "StepDecay",
    "TabularClassifier",
    "TabularRegressor",
    "WarmUp",
    "Xavier",
    "__version__",
    "choice",
    "compare",
    "diagnose",
    "integer",
    "load_model",
    "log_uniform",
    "train",
    "uniform",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("goodfit")
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'goodfit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
