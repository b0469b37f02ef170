"""Checks that the estimators share, in scikit-learn's words where it has some."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight

from goodfit.errors import InputError


@contextlib.contextmanager
def as_input_error() -> Iterator[None]:
    """Let scikit-learn's complaints about data be goodfit's, in their own words."""
    try:
        yield
    except (InputError, NotFittedError):
        raise
    except ValueError as error:
        raise InputError(str(error)) from error


def checked_weight(weight: Any, x: np.ndarray, name: str) -> np.ndarray | None:
    """Return rows' weights, or None.

    Raises:
        InputError: a weight is negative or not finite, or all are 0.
    """
    if weight is None:
        return None
    with as_input_error():
        found = _check_sample_weight(weight, x, dtype=x.dtype)
    if (found < 0).any():
        raise InputError(f"{name} must be >= 0, got {found.min():g}: leave rows out with a weight of 0.")
    if not (found > 0).any():
        raise InputError(f"{name} is zero for every row: at least one must be > 0.")
    return found


def one_column(y: Any) -> Any:
    """Return a single column as a vector; warns, as scikit-learn does."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def class_weights(given: Any, y: Any, classes: np.ndarray) -> np.ndarray:
    """Return each row's weight by its class, ``given`` as a mapping from class to weight or "balanced".

    Raises:
        InputError: a class that y lacks, or a weight below 0.
    """
    if isinstance(given, dict):
        unknown = [key for key in given if key not in classes]
        if unknown:
            raise InputError(f"class_weight names classes that y lacks: {unknown}.")
    with as_input_error():
        by_class = compute_sample_weight(given, y)
    if (by_class < 0).any():
        raise InputError("class_weight must hold weights >= 0.")
    return by_class
