"""Folds: which rows a member trains on and which rows it is judged by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.errors import InputError, must_be


@dataclass(frozen=True, eq=False)
class Fold:
    """One split: row numbers to train on, and row numbers to be judged by."""

    train: np.ndarray  # (n,) int32
    valid: np.ndarray  # (m,) int32


def make_folds(
    cv: Any,
    y: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    times: np.ndarray | None = None,
    repeats: int = 1,
    seed: int = 0,
) -> list[Fold]:
    """Return the folds of ``len(y)`` rows.

    Args:
        cv: a number of folds, a splitter of scikit-learn, or pairs (train, valid) of row numbers or masks.
        y: (N,) or (N, K) targets; whole numbers are classes, whose shares each fold keeps.
        groups: (N,) rows with equal entries stay together.
        times: (N,) folds are cut in this order, and a fold trains on what lies before its validation rows.
        repeats: how often the rows are split anew, for a number of folds.
        seed: of the shuffling.

    Raises:
        InputError: too few rows, classes or groups for so many folds; row numbers outside the data; a row
            that a fold both trains on and is judged by.
    """
    y = np.asarray(y)
    if isinstance(cv, int | np.integer) and not isinstance(cv, bool):
        pairs = list(_counted(int(cv), y, groups, times, repeats, seed))
    elif hasattr(cv, "split") and not isinstance(cv, str | bytes):
        pairs = _split(cv, y, groups)
    elif isinstance(cv, Iterable) and not isinstance(cv, str | bytes):
        pairs = list(cv)
    else:
        raise must_be("cv", "a number of folds >= 2, a splitter, or pairs of row numbers", cv)
    if not pairs:
        raise InputError("cv yields no fold.")
    return [_fold(i, pair, len(y)) for i, pair in enumerate(pairs)]


def out_of_fold(folds: Sequence[Fold], values: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """Return one array (rows, …) from one a fold, (its rows, …): the mean over the folds that hold a row.

    NaN where no fold does.
    """
    sums = np.zeros((rows, *np.shape(values[0])[1:]))
    counts = np.zeros((rows, *(1,) * (sums.ndim - 1)))
    for fold, found in zip(folds, values, strict=True):
        sums[fold.valid] += found
        counts[fold.valid] += 1
    with np.errstate(invalid="ignore"):
        return sums / counts


def judged_rows(folds: Sequence[Fold]) -> np.ndarray:
    """Return the numbers of the rows that some fold is judged by, in order."""
    return np.unique(np.concatenate([fold.valid for fold in folds]))


def fold_of_each(codes: np.ndarray) -> list[Fold]:
    """Return a fold for every value in ``codes`` (N,): judged by its rows, trained on all others."""
    return make_folds([(codes != code, codes == code) for code in np.unique(codes)], codes)


def _counted(cv: int, y: np.ndarray, groups: Any, times: Any, repeats: int, seed: int) -> Iterable[Any]:
    from sklearn import model_selection as splitters

    if cv < 2 or repeats < 1:
        raise must_be("cv and repeats", "whole numbers, cv >= 2 and repeats >= 1", (cv, repeats))
    if times is not None:
        if groups is not None or repeats > 1:
            raise InputError("Folds in order of time take no groups and no repeats.")
        yield from _in_order(_times(times, len(y)), _split(splitters.TimeSeriesSplit(cv), y, None))
        return
    classes = y.ndim == 1 and y.dtype.kind in "iub"
    for repeat in range(repeats):
        options = {"n_splits": cv, "shuffle": True, "random_state": (seed + repeat) % 2**32}
        if groups is not None and classes:
            splitter = splitters.StratifiedGroupKFold(**options)
        elif groups is not None:
            splitter = splitters.GroupKFold(**options)
        else:
            splitter = splitters.StratifiedKFold(**options) if classes else splitters.KFold(**options)
        yield from _split(splitter, y, groups)


def _times(times: Any, rows: int) -> np.ndarray:
    """Return (N,) ranks by time, equal for equal times."""
    times = np.asarray(times)
    if times.shape != (rows,):
        raise InputError(f"times must have one entry a row: {rows} rows, got the shape {times.shape}.")
    missing = np.flatnonzero(times != times)  # NaN and NaT alone differ from themselves
    if len(missing):
        raise InputError(f"times must not be missing, as that of row {missing[0]} is.")
    try:
        return np.unique(times, return_inverse=True)[1]
    except TypeError:
        raise InputError("times must be of one kind that can be put in order, such as dates.") from None


def _in_order(times: np.ndarray, pairs: Iterable[Any]) -> Iterable[Any]:
    """Yield the pairs with rows by time; of equal times at the cut, those to train on are left out."""
    order = np.argsort(times, kind="stable")
    for before, after in pairs:
        train, valid = order[before], order[after]
        yield train[times[train] < times[valid[0]]], valid


def _split(splitter: Any, y: np.ndarray, groups: Any) -> list[Any]:
    try:
        return list(splitter.split(np.zeros((len(y), 1)), y, groups))
    except (ValueError, TypeError) as error:
        raise InputError(f"These {len(y)} rows cannot be split so: {error}") from None


def _fold(number: int, pair: Any, rows: int) -> Fold:
    try:
        parts = [_row_numbers(part, rows) for part in pair]
        if len(parts) != 2:
            raise ValueError(f"it has {len(parts)} parts")
        train, valid = parts
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Fold {number} must be a pair (train, valid), each a list of row numbers from 0 to {rows - 1} "
            f"or a mask of {rows} rows: {error}."
        ) from None
    if not len(train) or not len(valid):
        raise InputError(f"Fold {number} has {len(train)} rows to train on and {len(valid)} to be judged by.")
    numbers, times = np.unique(valid, return_counts=True)
    if times.max() > 1:
        raise InputError(f"Fold {number} is judged by row {numbers[times.argmax()]} more than once.")
    both = np.intersect1d(train, valid)
    if len(both):
        raise InputError(f"Fold {number} trains on rows that it is judged by, such as row {both[0]}.")
    return Fold(train, valid)


def _row_numbers(part: Any, rows: int) -> np.ndarray:
    try:
        part = np.asarray(part)
    except ValueError:  # lists of different lengths, in numpy's words
        raise ValueError("it has lists in lists") from None
    if part.dtype == bool:
        if part.shape != (rows,):
            raise ValueError(f"it has a mask of the shape {part.shape}")
        part = np.flatnonzero(part)
    if part.ndim != 1 or (len(part) and part.dtype.kind not in "iu"):
        raise ValueError("it has something else")
    if len(part) and (part.min() < 0 or part.max() >= rows):
        raise ValueError(f"it has row {part.min() if part.min() < 0 else part.max()}")
    return part.astype(np.int32)
