"""NumPy archives (.npz): images or a matrix with a target, or one array a column."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from goodfit.data.table import Table, from_frame
from goodfit.data.values import normalise
from goodfit.errors import InputError

_INPUTS = ("x", "data", "images", "inputs", "features")
_TARGETS = ("y", "label", "labels", "target", "targets")


def read_npz(path: Path) -> Table:
    """Read ``x`` with ``y``, ``x_train``, ``y_train`` (with ``x_test``, ``y_test``: sealed), or columns.

    Names are compared without regard to case; ``x`` may also be called data, images, inputs or
    features, ``y`` label(s) or target(s). A 3-D or 4-D ``x`` holds images. The target column is "label".

    Raises:
        InputError: damaged file, arrays of Python objects, unequal lengths, pixels beyond 0 to 255.
    """
    named = _load(path)
    arrays = {name.lower(): array for name, array in named.items()}
    train, test = _pair(arrays, "_train") or _pair(arrays, ""), _pair(arrays, "_test")
    if train is None:
        if any(array.ndim != 1 for array in arrays.values()):
            raise InputError(
                f"{path.name} must hold an array x with a target y, or one 1-D array for each column; "
                f"found {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}."
            )
        return from_frame(named, path.name)
    table = _table(*train, path.name)
    if test is None:
        return table
    sealed = np.arange(table.rows, table.rows + len(test[0]))
    joined = _table(_concatenate(train[0], test[0], path), _concatenate(train[1], test[1], path), path.name)
    return replace(joined, sealed_rows=sealed, notes=(f"The {len(sealed)} test rows are sealed.",))


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        hint = "arrays of Python objects are not read" if "allow_pickle" in str(error) else "it is damaged"
        raise InputError(f"{path.name} cannot be read as a NumPy archive: {hint}.") from None


def _pair(arrays: dict[str, np.ndarray], suffix: str) -> tuple[np.ndarray, np.ndarray] | None:
    x = next((arrays[name + suffix] for name in _INPUTS if name + suffix in arrays), None)
    y = next((arrays[name + suffix] for name in _TARGETS if name + suffix in arrays), None)
    return (x, y) if x is not None and y is not None and x.ndim > 1 else None


def _table(x: np.ndarray, y: np.ndarray, name: str) -> Table:
    if len(x) != len(y) or y.size != len(y):
        raise InputError(f"{name} must hold one target for each row; x is {x.shape} and y is {y.shape}.")
    table = from_frame(x, name)
    labels, kind = normalise(y.reshape(-1), "label")
    return replace(
        table,
        columns={**table.columns, "label": labels},
        kinds={**table.kinds, "label": kind},
        target="label",
    )


def _concatenate(train: np.ndarray, test: np.ndarray, path: Path) -> np.ndarray:
    if train.shape[1:] != test.shape[1:]:
        raise InputError(
            f"The test arrays of {path.name} must have the shape of those for training, "
            f"{train.shape[1:]}, got {test.shape[1:]}."
        )
    return np.concatenate([train, test])
