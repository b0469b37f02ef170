"""Scores of predictions: one table of metrics, each weighted, each exact.

Classification takes class numbers ``y`` (int [n]) and probabilities (float [n, K], columns in the order of
the classes); the predicted class is the largest, the first among equals. Regression takes numbers [n]. A
prediction that is not finite, or weights that add up to 0, score NaN, never a number.

Each metric is made in two steps, because intervals ask for the same rows under many weights: ``prepare``
does what does not depend on weights and returns a function of many weightings at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from goodfit.errors import InputError, nearest

Weighted = Callable[[np.ndarray], np.ndarray]  # weights [B, n] -> scores [B], NaN where undefined


@dataclass(frozen=True)
class Metric:
    """A score by name; ``needs`` says what predictions it reads.

    ``told_by`` says which mean over the rows, of a network's errors or of its losses, tells this score. None:
    neither does, so the loss that networks are trained by stands in for it where many are compared.
    """

    name: str
    task: Literal["classification", "regression"]
    greater_is_better: bool
    needs: Literal["labels", "probabilities", "numbers"]
    prepare: Callable[[np.ndarray, np.ndarray], Weighted]  # (y, prediction), finite
    best: float = 1.0
    told_by: Literal["error", "loss"] | None = None

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
        return float(self.prepare(y, prediction)(weights[None])[0])

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
    return lambda w: _ratio(w @ rows, w.sum(axis=1))


def _ratio(above: np.ndarray, below: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below > 0)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row of [B, K] without its NaN; NaN if nothing is left."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1))


def _sums_by(labels: np.ndarray, k: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from weights [B, n] to their sums [B, k] over the rows of each label."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    in_order = bool((np.diff(order) == 1).all())

    def sums(w: np.ndarray) -> np.ndarray:
        out = np.zeros((len(w), k))
        out[:, present] = np.add.reduceat(w if in_order else np.take(w, order, axis=1), starts, axis=1)
        return out

    return sums


def _accuracy(y: np.ndarray, p: np.ndarray) -> Weighted:
    return _mean_of((np.argmax(p, axis=1) == y).astype(np.float64))


def _balanced_accuracy(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Mean recall over the classes that occur."""
    true, hit = _sums_by(y, p.shape[1]), np.argmax(p, axis=1) == y
    return lambda w: _mean_of_known(_ratio(true(w * hit), true(w)))


def _f1(y: np.ndarray, p: np.ndarray) -> Weighted:
    """Of two classes the F1 of the last; else the mean over the classes that occur or are predicted."""
    found = np.argmax(p, axis=1)
    true, predicted, hit = _sums_by(y, p.shape[1]), _sums_by(found, p.shape[1]), found == y

    def score(w: np.ndarray) -> np.ndarray:
        f1 = _ratio(2 * true(w * hit), true(w) + predicted(w))
        return np.nan_to_num(f1[:, -1]) if p.shape[1] == 2 else _mean_of_known(f1)

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
    return lambda w: _mean_of_known(np.stack([area(w) for area in areas], axis=1))


def _area(positive: np.ndarray, scores: np.ndarray) -> Weighted:
    """P(a positive row scores above a negative one) + half of P(equal).

    Rows are sorted once and merged into runs of one kind, so that a weighting costs one pass over the rows.
    """
    order = np.lexsort((positive, scores))  # of equals, negatives first
    up, value = positive[order], scores[order]
    new_value = np.append(True, value[1:] != value[:-1])
    group = np.cumsum(new_value) - 1  # of equals
    ups = np.bincount(group, up)
    mixed = ((ups > 0) & (ups < np.bincount(group)))[group]
    # A run ends where the kind changes, and around equals of both kinds.
    new_run = np.append(True, up[1:] != up[:-1]) | (new_value & (mixed | np.append(False, mixed[:-1])))
    starts = np.flatnonzero(new_run)
    up, tied = up[starts], np.flatnonzero((up & mixed)[starts])  # tied negatives are the run before

    def area(w: np.ndarray) -> np.ndarray:
        runs = np.add.reduceat(np.take(w, order, axis=1), starts, axis=1)
        below = np.cumsum(np.where(up, 0.0, runs), axis=1)
        wins = (runs[:, up] * below[:, up]).sum(axis=1) - (runs[:, tied] * runs[:, tied - 1]).sum(axis=1) / 2
        return _ratio(wins, runs[:, up].sum(axis=1) * below[:, -1])

    return area


def _r2(y: np.ndarray, p: np.ndarray) -> Weighted:
    """1 - squared error / variance; of a constant target 1 if exact, else 0 (as scikit-learn)."""
    y = np.asarray(y, np.float64)
    errors, centred = (y - p) ** 2, y - y.mean()  # centred, so that the difference below keeps its digits
    squares = centred**2

    def score(w: np.ndarray) -> np.ndarray:
        error, around = w @ errors, w @ squares
        spread = around - _ratio((w @ centred) ** 2, w.sum(axis=1))
        constant = spread <= 1e-13 * around  # one row drawn alone, but for rounding
        explained = 1 - _ratio(error, np.where(constant, 0.0, spread), otherwise=1.0)
        return np.where(constant & (error == 0), 1.0, explained)

    return score


def _rmse(y: np.ndarray, p: np.ndarray) -> Weighted:
    mean = _mean_of((y - p) ** 2)
    return lambda w: np.sqrt(mean(w))


def _mae(y: np.ndarray, p: np.ndarray) -> Weighted:
    return _mean_of(np.abs(y - p))


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("accuracy", "classification", True, "labels", _accuracy, told_by="error"),
        Metric("balanced_accuracy", "classification", True, "labels", _balanced_accuracy, told_by="error"),
        Metric("f1", "classification", True, "labels", _f1),
        Metric("log_loss", "classification", False, "probabilities", _log_loss, best=0.0, told_by="loss"),
        Metric("roc_auc", "classification", True, "probabilities", _roc_auc),
        Metric("r2", "regression", True, "numbers", _r2, told_by="error"),
        Metric("rmse", "regression", False, "numbers", _rmse, best=0.0, told_by="error"),
        Metric("mae", "regression", False, "numbers", _mae, best=0.0, told_by="error"),
    )
}
