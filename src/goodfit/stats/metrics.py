"""Scores of predictions: one table of metrics, each weighted, each exact.

Classification takes class numbers ``y`` (int [n]) and probabilities (float [n, K], columns in the order of
the classes); the predicted class is the largest, the first among equals. Regression takes numbers [n]. A
prediction that is not finite, or weights that add up to 0, score NaN, never a number.

Each metric is made in two steps, because intervals ask for the same rows under many weights: ``prepare``
does what does not depend on weights and returns a function of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from goodfit.errors import InputError, nearest

Weighted = Callable[[np.ndarray], float]  # weights [n] -> score


@dataclass(frozen=True)
class Metric:
    """A score by name; ``needs`` says what predictions it reads."""

    name: str
    task: Literal["classification", "regression"]
    greater_is_better: bool
    needs: Literal["labels", "probabilities", "numbers"]
    prepare: Callable[[np.ndarray, np.ndarray], Weighted]  # (y, prediction), finite
    best: float = 1.0

    def function(self, y: np.ndarray, prediction: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the score; ``weights`` [n] are not negative, and 1 unless given.

        Raises:
            ValueError: shapes that do not fit together.
        """
        y, prediction = np.asarray(y), np.asarray(prediction, np.float64)
        weights = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
        wanted = 2 if self.task == "classification" else 1
        if y.ndim != 1 or prediction.ndim != wanted or not len(y) == len(prediction) == len(weights):
            raise ValueError(
                f"{self.name}: y {y.shape}, prediction {prediction.shape} and weights {weights.shape} do not "
                f"fit: they must be [n], {'[n, K]' if wanted == 2 else '[n]'} and [n]"
            )
        if not np.isfinite(prediction).all() or not weights.sum() > 0:
            return float("nan")
        return float(self.prepare(y, prediction)(weights))

    __call__ = function


def get_metric(name: str, task: str) -> Metric:
    """Return the metric of that name.

    Raises:
        InputError: no such metric for this task; suggests the nearest.
    """
    fitting = [m.name for m in METRICS.values() if m.task == task]
    if name not in fitting:
        why = f" is for {METRICS[name].task}" if name in METRICS else " is not known"
        raise InputError(
            f"The metric {name!r}{why}{nearest(name, fitting)}; for {task} use one of {', '.join(fitting)}."
        )
    return METRICS[name]


def _mean_of(rows: np.ndarray) -> Weighted:
    return lambda w: float(w @ rows / w.sum())


def _accuracy(y: np.ndarray, p: np.ndarray) -> Weighted:
    return _mean_of((np.argmax(p, axis=1) == y).astype(np.float64))


def _confusion(y: np.ndarray, p: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from weights to the confusion matrix, (K, K): true class, predicted class."""
    k = p.shape[1]
    cells = y * k + np.argmax(p, axis=1)
    return lambda w: np.bincount(cells, w, k * k).reshape(k, k)


def _balanced_accuracy(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean recall over the classes that occur."""
    confusion = _confusion(y, p)

    def score(w: np.ndarray) -> float:
        counts = confusion(w)
        rows = counts.sum(axis=1)
        return float(np.mean(np.diag(counts)[rows > 0] / rows[rows > 0]))

    return score


def _f1(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Of two classes the F1 of the last; else the mean over the classes that occur or are predicted."""
    confusion = _confusion(y, p)

    def score(w: np.ndarray) -> float:
        counts = confusion(w)
        either = counts.sum(axis=0) + counts.sum(axis=1)
        f1 = 2 * np.diag(counts) / np.where(either > 0, either, 1)
        return float(f1[-1] if len(f1) == 2 else np.mean(f1[either > 0]))

    return score


def _log_loss(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean of -ln of the true class's probability, which counts as at least 2.2e-16 (as scikit-learn)."""
    eps = np.finfo(np.float64).eps
    return _mean_of(-np.log(np.clip(p[np.arange(len(y)), y], eps, 1 - eps)))


def _roc_auc(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Area under the ROC curve; of more than two classes the mean of one against the rest.

    Classes that do not occur, or nothing else does, are left out; NaN if that leaves none.
    """
    columns = [1] if p.shape[1] == 2 else range(p.shape[1])
    areas = [_area(y == k, p[:, k]) for k in columns]

    def score(w: np.ndarray) -> float:
        found = [a for a in (area(w) for area in areas) if not np.isnan(a)]
        return float(np.mean(found)) if found else float("nan")

    return score


def _area(positive: np.ndarray, scores: np.ndarray) -> Weighted:
    """P(a positive row scores above a negative one) + half of P(equal), in one pass over sorted rows."""
    order = np.argsort(scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # of each group of equals
    sign = positive[order]

    def area(w: np.ndarray) -> float:
        sorted_w = w[order]
        above = np.diff(np.cumsum(sorted_w * sign)[last], prepend=0.0)  # positives' weight by group
        below = np.cumsum(sorted_w * ~sign)[last]  # negatives' weight up to and with the group
        pairs = above.sum() * below[-1]
        return above @ (below + np.concatenate([[0.0], below[:-1]])) / (2 * pairs) if pairs > 0 else np.nan

    return area


def _r2(y: np.ndarray, p: np.ndarray) -> Weighted:
    """1 - squared error / variance; of a constant target 1 if exact, else 0 (as scikit-learn)."""
    y = np.asarray(y, np.float64)
    errors = (y - p) ** 2

    def score(w: np.ndarray) -> float:
        spread = w @ (y - w @ y / w.sum()) ** 2
        return 1 - w @ errors / spread if spread > 0 else float(w @ errors == 0)

    return score


def _rmse(y: np.ndarray, p: np.ndarray) -> Weighted:
    mean = _mean_of((y - p) ** 2)
    return lambda w: np.sqrt(mean(w))


def _mae(y: np.ndarray, p: np.ndarray) -> Weighted:
    return _mean_of(np.abs(y - p))


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("accuracy", "classification", True, "labels", _accuracy),
        Metric("balanced_accuracy", "classification", True, "labels", _balanced_accuracy),
        Metric("f1", "classification", True, "labels", _f1),
        Metric("log_loss", "classification", False, "probabilities", _log_loss, best=0.0),
        Metric("roc_auc", "classification", True, "probabilities", _roc_auc),
        Metric("r2", "regression", True, "numbers", _r2),
        Metric("rmse", "regression", False, "numbers", _rmse, best=0.0),
        Metric("mae", "regression", False, "numbers", _mae, best=0.0),
    )
}
