"""What `TabularClassifier` and `TabularRegressor` take: DataFrames as they are, arrays, lists."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, validate_data

from goodfit.data.table import Table, from_frame
from goodfit.errors import InputError
from goodfit.estimators.checks import as_input_error


def is_frame(X: Any) -> bool:
    """Tell whether ``X`` has named columns: pandas, polars, pyarrow, or a dictionary of columns."""
    return isinstance(X, dict) or hasattr(X, "columns") or hasattr(X, "column_names")


def checked_table(estimator: Any, X: Any, *, reset: bool) -> Table:
    """Return ``X`` as a table and keep, or compare with, the estimator's columns.

    An array's columns are called x0, x1, …; missing values are allowed everywhere.

    Raises:
        InputError: other columns than in training, infinite values, sparse or three-dimensional data.
    """
    if not is_frame(X):
        with as_input_error():
            X = validate_data(estimator, X, dtype=None, ensure_all_finite="allow-nan", reset=reset)
        return from_frame(X, "X")
    X = X.to_pandas() if hasattr(X, "column_names") else X  # pyarrow
    if not isinstance(X, dict):
        with as_input_error():
            validate_data(estimator, X, skip_check_array=True, reset=reset)
    return from_frame(X, "X")


def checked_target(y: Any, rows: int) -> np.ndarray:
    """Return ``y`` as an array (rows,) or (rows, columns).

    Raises:
        InputError: None, another shape or number of rows, or missing or infinite values.
    """
    if y is None:
        raise InputError("This estimator requires y to be passed, but the target y is None.")
    y = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if y.ndim not in (1, 2):
        raise InputError(
            f"y should be a 1d array, or one of (rows, targets), got an array of shape {y.shape}."
        )
    with as_input_error():
        check_consistent_length(np.empty(rows), y)
    gone = y != y if y.dtype.kind in "fcO" else np.zeros(1, bool)  # NaN alone differs from itself
    if y.dtype == object:
        gone = gone | (y == None)  # noqa: E711
    if np.any(gone):
        raise InputError(
            f"Input y contains NaN: row {int(np.argwhere(gone)[0][0])} has no target. Leave such rows out."
        )
    if y.dtype.kind == "f" and np.isinf(y).any():
        raise InputError(f"Input y contains infinity, in row {int(np.argwhere(np.isinf(y))[0][0])}.")
    return y
