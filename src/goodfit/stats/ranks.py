"""Who is best, and is one really better than another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class PairedTest(NamedTuple):
    """The mean of a - b, its 95 % interval, the two-sided p of "no difference", and the number of pairs."""

    difference: float
    low: float
    high: float
    p: float
    n: int


def rank(scores: np.ndarray, greater_is_better: bool) -> np.ndarray:
    """Return ranks, float64 [n]: 1 = best, equals share their mean rank, NaN (a failure) is always last."""
    scores = np.asarray(scores, np.float64)
    keys = np.where(np.isnan(scores), np.inf, -scores if greater_is_better else scores)
    # a score of the worst infinity is still better than a failure
    _, codes = np.unique(np.stack([np.isnan(scores), keys]), axis=1, return_inverse=True)
    counts = np.bincount(codes.ravel(), minlength=0)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[codes.ravel()]


def paired_test(a: np.ndarray, b: np.ndarray) -> PairedTest:
    """Compare scores of the same seeds or folds, a[i] with b[i], by Student's paired t.

    Pairs with a NaN are left out; ``n`` says how many remained. With fewer than two, or no spread at all,
    there is no t: the interval then is the difference itself (NaN below two pairs), and p is 1 if the
    difference is 0, else 0.

    Raises:
        ValueError: not two vectors of equal length.
    """
    from scipy.stats import t

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"pairs need two vectors of equal length, got shapes {a.shape} and {b.shape}")
    differences = (a - b)[~np.isnan(a) & ~np.isnan(b)]
    n = len(differences)
    if n < 2:
        nan = float("nan")
        return PairedTest(float(differences[0]) if n else nan, nan, nan, nan, n)
    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1) / np.sqrt(n))
    if error == 0:
        return PairedTest(mean, mean, mean, float(mean == 0), n)
    half = float(t.ppf(0.975, n - 1)) * error
    return PairedTest(mean, mean - half, mean + half, float(2 * t.sf(abs(mean) / error, n - 1)), n)
