"""Baselines beside every score: what guessing reaches, and what a linear model reaches."""

from __future__ import annotations

import warnings

import numpy as np

MOST_NUMBERS = 4_000_000  # rows × columns that the linear baseline looks at: a few seconds


def guess(task: str, y: np.ndarray, weight: np.ndarray, classes: int, rows: int) -> np.ndarray:
    """Return the same prediction for ``rows`` rows: class shares (rows, K), or the mean (rows,)."""
    if task == "regression":
        return np.full(rows, np.average(y, weights=weight))
    shares = np.bincount(y, weights=weight, minlength=classes) / weight.sum()
    return np.tile(shares, (rows, 1))


def fit_linear(task: str, x: np.ndarray, y: np.ndarray, weight: np.ndarray, classes: int, seed: int):
    """Fit logistic or ridge regression on rows of at most `MOST_NUMBERS` numbers; return its predictor."""
    from sklearn.linear_model import LogisticRegression, Ridge

    most = max(1000, MOST_NUMBERS // x.shape[1])
    if len(x) > most:
        some = np.random.Generator(np.random.Philox(key=np.array([seed, len(x)], np.uint64))).permutation(
            len(x)
        )[:most]
        x, y, weight = x[some], y[some], weight[some]
    scale = max(1.0, float(np.max(x))) if x.dtype == np.uint8 else 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 60 iterations are enough for a baseline
        if task == "regression":
            ridge = Ridge(alpha=1.0).fit(x / scale, y, sample_weight=weight)
            return lambda rows: ridge.predict(rows / scale)
        logistic = LogisticRegression(max_iter=60).fit(x / scale, y, sample_weight=weight)

    def predict(rows: np.ndarray) -> np.ndarray:
        out = np.zeros((len(rows), classes))
        out[:, logistic.classes_] = logistic.predict_proba(rows / scale)
        return out

    return predict
