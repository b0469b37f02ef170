"""From an estimator's parameters to a recipe; and a warning for each parameter that plays no part."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import jax
import numpy as np

from goodfit.errors import InputError
from goodfit.estimators.epochs import batch_places
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.optimizers import Adam, Momentum, Nesterov, Optimizer
from goodfit.techniques.regularization import BatchDecay
from goodfit.techniques.schedules import InverseScaling, Schedule

SKLEARN_ACTIVATIONS = {"logistic": "sigmoid"}  # what goodfit calls otherwise
ACTIVATION_NAMES = {*ACTIVATIONS, *SKLEARN_ACTIVATIONS}

_SGD = ("learning_rate", "power_t", "momentum", "nesterovs_momentum")
_ADAM = ("beta_1", "beta_2", "epsilon")
_STOCHASTIC = (
    *("batch_size", "learning_rate_init", "shuffle", "early_stopping", "validation_fraction"),
    *("n_iter_no_change", "dropout", "schedule"),
)


def check_together(estimator: Any) -> None:
    """Raise `InputError` for parameters that exclude each other."""
    if estimator.batch_norm and estimator.layer_norm:
        raise InputError("batch_norm and layer_norm exclude each other: set one of them to False.")
    sgd = estimator.optimizer is None and estimator.solver == "sgd"
    if estimator.schedule is not None and sgd and estimator.learning_rate != "constant":
        raise InputError(
            f"schedule and learning_rate={estimator.learning_rate!r} both move the learning rate: leave "
            "schedule at None, or learning_rate at 'constant'."
        )


def warn_of_ignored(estimator: Any, *, own_validation: bool = False) -> None:
    """Warn of parameters that were set and play no part beside the others."""
    for reason, names in _ignored(estimator, own_validation):
        defaults = inspect.signature(type(estimator).__init__).parameters
        odd = [name for name in names if _differs(getattr(estimator, name), defaults[name].default)]
        if odd:
            verb = "is" if len(odd) == 1 else "are"
            warnings.warn(
                f"{', '.join(odd)} {verb} ignored {reason}.", UserWarning, stacklevel=5
            )  # the call of fit


def _differs(value: Any, default: Any) -> bool:
    return value is not default and not (np.isscalar(value) and value == default)


def _ignored(estimator: Any, own_validation: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Return reasons, and the parameters that each makes idle."""
    found: list[tuple[str, tuple[str, ...]]] = []
    if estimator.optimizer is not None:
        found.append(("because optimizer is given", ("solver", "learning_rate_init", *_SGD, *_ADAM)))
    elif estimator.solver == "lbfgs":
        return [("with solver='lbfgs'", (*_STOCHASTIC, *_SGD, *_ADAM))]
    else:
        others = _SGD if estimator.solver == "adam" else _ADAM
        found.append((f"with solver={estimator.solver!r}", others))
        if estimator.solver == "sgd" and estimator.learning_rate != "invscaling":
            found.append((f"with learning_rate={estimator.learning_rate!r}", ("power_t",)))
    found.append(("because only solver='lbfgs' counts function calls", ("max_fun",)))
    if own_validation:
        found.append(("because validation_data is given", ("validation_fraction",)))
    elif not estimator.early_stopping:
        found.append(("without early_stopping", ("validation_fraction",)))
    return found


def chosen_devices(name: str) -> list[Any] | None:
    """Return the JAX devices of this name, None for ``"auto"``.

    Raises:
        InputError: there is none.
    """
    if name == "auto":
        return None
    try:
        found = jax.devices(name)
        return found[:1] if name == "cpu" else found
    except RuntimeError:
        have = sorted({device.platform for device in jax.devices()})
        raise InputError(
            f"device={name!r}: JAX finds no such device here, only {', '.join(have)}; use 'auto'."
        ) from None


def widths_of(estimator: Any) -> tuple[int, ...]:
    """Return the hidden layers' widths.

    Raises:
        InputError: a width is below 1.
    """
    sizes = estimator.hidden_layer_sizes
    widths = tuple(int(w) for w in (sizes if np.iterable(sizes) else [sizes]))
    if any(width <= 0 for width in widths):
        raise InputError(f"hidden_layer_sizes must be > 0, got {list(widths)}.")
    return widths


def batch_size_of(estimator: Any, rows: int) -> int:
    """Return the rows of a batch, at most all of them; warns where more were asked for."""
    if isinstance(estimator.batch_size, str):
        return min(200, rows)
    if estimator.batch_size > rows:
        warnings.warn(
            f"batch_size={estimator.batch_size} is larger than the sample size: {rows} is used.", stacklevel=2
        )
    return min(int(estimator.batch_size), rows)


def recipe_of(
    estimator: Any, batch_size: int, rows: int, *, rate: float | None = None, seen: int | None = None
) -> Recipe:
    """Return the recipe for training on so many rows.

    Args:
        estimator: whose parameters it follows.
        batch_size: rows of a batch.
        rows: rows of an epoch.
        rate: the learning rate instead of the first one.
        seen: rows seen by earlier calls, from which ``learning_rate='invscaling'`` goes on; None: the rate
            stays.

    Raises:
        InputError: batch norm would see a batch of one row.
    """
    stochastic = estimator.optimizer is not None or estimator.solver != "lbfgs"
    if estimator.batch_norm and stochastic and (batch_size == 1 or rows % batch_size == 1):
        raise InputError(
            f"batch_norm=True needs at least 2 rows in each batch, and batch_size={batch_size} leaves a "
            f"batch of 1 row of {rows}: choose another batch_size, or layer_norm=True."
        )
    return Recipe(
        widths_of(estimator),
        SKLEARN_ACTIVATIONS.get(estimator.activation) or estimator.activation,
        estimator.optimizer or _optimizer(estimator, rate),
        init=estimator.init if estimator.init is not None else "auto",
        batch_norm=estimator.batch_norm,
        layer_norm=estimator.layer_norm,
        dropout=estimator.dropout if stochastic else 0.0,
        weight_decay=BatchDecay(float(estimator.alpha), float(estimator.weight_decay)),
        schedule=_schedule(estimator, -(-rows // batch_size), rows, seen),
        batch_size=batch_places(rows, batch_size),
        label_smoothing=float(getattr(estimator, "label_smoothing", 0.0)),
    )


def _optimizer(estimator: Any, rate: float | None) -> Optimizer:
    lr = float(estimator.learning_rate_init if rate is None else rate)
    if estimator.solver == "sgd":
        rule = Nesterov if estimator.nesterovs_momentum else Momentum
        momentum: Any = np.asarray(float(estimator.momentum))  # 1 is allowed here
        return rule(lr, momentum)
    return Adam(lr, float(estimator.beta_1), float(estimator.beta_2), epsilon=float(estimator.epsilon))


def scales_inversely(estimator: Any) -> bool:
    """Tell whether the learning rate falls with the rows seen."""
    return (
        estimator.optimizer is None and estimator.solver == "sgd" and estimator.learning_rate == "invscaling"
    )


def _schedule(estimator: Any, steps: int, rows: int, seen: int | None) -> Schedule | None:
    if estimator.schedule is not None or estimator.optimizer is not None or estimator.solver != "sgd":
        return estimator.schedule
    falls = scales_inversely(estimator) and seen is not None
    power = float(estimator.power_t) if falls else 0.0  # a factor of 1: all kinds of rates share a program
    return InverseScaling(power, float(steps), float(rows), float(seen or 0))


def regression_network(loss: str, inputs: int, outputs: int) -> Network:
    """Return the shape of a regression problem; several outputs add up, as scikit-learn's gradient does."""
    if loss == "poisson":
        return Network(inputs, outputs, "poisson")
    return Network(inputs, outputs, "squared_error" if outputs == 1 else "summed_squared_error")


def classification_network(inputs: int, classes: int, outputs: int, *, multilabel: bool) -> Network:
    """Return the shape of a classification problem: softmax, one sigmoid for two classes, or one a label."""
    if multilabel:
        return Network(inputs, outputs, "multilabel_cross_entropy")
    if outputs == 1:
        return Network(inputs, 1, "binary_cross_entropy")
    return Network(inputs, classes, "softmax_cross_entropy")
