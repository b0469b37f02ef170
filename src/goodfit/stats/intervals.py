"""How far a score measured on n rows may be from the truth."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from goodfit.stats.metrics import Metric

RESAMPLES = 1000
_WORK = 2e8  # rows x passes x resamples; above, fewer resamples, at least _FEWEST (1 to 4 s)
_FEWEST = 200
_CHUNK = 2**19  # counts held at once: 4 MiB, which stay in the cache


class Score(NamedTuple):
    """A score on some rows, with the ends of its interval: what it may be on other rows of the kind."""

    score: float
    low: float
    high: float


def score_interval(
    metric: Metric,
    y: np.ndarray,
    prediction: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Score:
    """Return score, low and high of a prediction on rows drawn independently; NaN three times if not finite.

    Accuracy: Wilson's interval (1927), Clopper and Pearson's (1934) if all rows or none are right; with
    weights the number of rows is (Σw)²/Σw² (Kish). Others: percentiles of 1,000 bootstrap resamples, drawn
    class by class, further out for few rows (Hesterberg 2015, "What Teachers Should Know About the
    Bootstrap"); above 200,000 rows, for ROC AUC rows x classes, fewer resamples, at least 200. If every row
    is predicted right, resampling shows no error: then the lower end allows for as many as the smallest class
    can hide. ``interval_method`` says it in words. Arguments as `Metric.function`; the same seed, the same
    interval.
    """
    score = metric(y, prediction, weights)
    if not np.isfinite(score):
        return Score(score, float("nan"), float("nan"))
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    if metric.name == "accuracy":
        low, high = share_interval(score, _effective(w), level)
        return Score(score, low, high)
    strata = np.asarray(y) if metric.task == "classification" else np.zeros(len(y), np.int64)
    low, high = _bootstrap(metric, np.asarray(y), prediction, w, strata, level, seed)
    if low == high == score == metric.best == 1.0 and metric.task == "classification":
        classes = [k for k in np.unique(strata) if w[strata == k].sum() > 0]
        hidden = 1 - _all_right(min(_effective(w[strata == k]) for k in classes), level)
        low = 1 - hidden / len(classes)
    return Score(score, min(low, score), max(high, score))


def interval_method(metric: Metric, level: float = 0.95) -> str:
    """Return the name of what `score_interval` does, for tables and reports."""
    kind = "Wilson interval" if metric.name == "accuracy" else "bootstrap interval"
    return f"{100 * level:g} % {kind}"


def mean_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float, float]:
    """Return (mean, low, high) of independent values [n] by Student's t; ends are NaN for one value.

    A NaN among the values makes all three NaN: leave it out on purpose or not at all.
    """
    from scipy.stats import t

    values = np.asarray(values, np.float64)
    n = len(values)
    mean = float(np.mean(values)) if n else float("nan")
    if n < 2:
        return mean, float("nan"), float("nan")
    half = float(t.ppf(0.5 + level / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def _effective(w: np.ndarray) -> float:
    return float(w.sum() ** 2 / (w**2).sum())


def _all_right(n: float, level: float) -> float:
    """Return Clopper and Pearson's lower end when all of n are right."""
    return ((1 - level) / 2) ** (1 / n)


def share_interval(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share of n rows: Wilson's, Clopper and Pearson's if it is 0 or 1."""
    if share == 1.0:
        return _all_right(n, level), 1.0
    if share == 0.0:
        return 0.0, 1 - _all_right(n, level)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _bootstrap(
    metric: Metric,
    y: np.ndarray,
    prediction: np.ndarray,
    w: np.ndarray,
    strata: np.ndarray,
    level: float,
    seed: int,
) -> tuple[float, float]:
    """Return percentiles of the score over resamples that keep the number of rows of each stratum."""
    order = np.argsort(strata, kind="stable")
    sizes = np.unique(strata, return_counts=True)[1]
    prediction = np.asarray(prediction, np.float64)[order]
    score, w = metric.prepare(y[order], prediction), w[order]
    passes = prediction.shape[1] if metric.name == "roc_auc" and prediction.shape[1] > 2 else 1
    resamples = int(np.clip(_WORK / (passes * len(y)), _FEWEST, RESAMPLES))
    scores = [score(counts * w) for counts in _resamples(sizes, resamples, seed)]
    scores = np.concatenate(scores)  # NaN where only rows of weight 0 were drawn
    tail = _tail(len(y), level)
    low, high = np.quantile(scores[~np.isnan(scores)], [tail, 1 - tail])
    return float(low), float(high)


def _resamples(sizes: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each row was drawn, float64 (some resamples, rows): ``sizes`` of each stratum.

    Rows lie stratum after stratum. Drawing places and counting them is four times as fast as NumPy's
    multinomial; 32 bits a place halve it again.
    """
    random = np.random.Generator(np.random.Philox(seed))
    n = int(sizes.sum())
    chunk = max(1, _CHUNK // n)
    for first in range(0, resamples, chunk):
        b = min(chunk, resamples - first)
        counts = np.empty((b, n))
        start = 0
        for size in sizes.tolist():
            drawn = random.integers(0, size, (b, size), dtype=np.uint32)
            for row, places in zip(counts[:, start : start + size], drawn, strict=True):
                row[:] = np.bincount(places, minlength=size)
            start += size
        yield counts


def _tail(rows: int, level: float) -> float:
    """Return the share to cut off at each end: (1 - level) / 2, less for few rows as Student's t is wider."""
    from scipy.special import ndtr, stdtrit

    if rows < 2:
        return 0.0
    return float(ndtr(np.sqrt(rows / (rows - 1)) * stdtrit(rows - 1, (1 - level) / 2)))
