"""How sure a ranking is: standard errors, who cannot be told from the best, and how far the best flatters.

Everything here is about the costs of T candidates on the same N validation rows: wrong labels (0 or 1),
losses or squared errors. Rows are what is drawn by chance, so differences are taken row by row (paired).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goodfit.stats.intervals import share_interval

LEVEL = 0.05
RESAMPLES = 500
MOST_ROWS = 20_000  # rows of a bootstrap; beyond them chance is small and time is not


@dataclass(frozen=True)
class Standing:
    """Where candidates stand: arrays of one number a candidate, (T,)."""

    cost: np.ndarray  # weighted mean over the rows
    error: np.ndarray  # its standard error; NaN with fewer than two rows
    behind: np.ndarray  # mean paired difference to the best
    behind_error: np.ndarray  # its standard error
    alike: np.ndarray  # whether it cannot be told from the best, all candidates looked at together
    best: int  # the candidate of the lowest cost, of equals the first


def standing(costs: np.ndarray, weight: np.ndarray | None = None) -> Standing:
    """Rank candidates by ``costs`` (T, N) with row weights (N,).

    A candidate is *alike* if the 95 % interval of its mean difference to the best, widened for T − 1
    comparisons (Bonferroni), holds 0. Candidates whose costs are not finite are never alike.
    """
    from scipy.stats import t as student

    costs = np.asarray(costs, np.float64)
    weight = _weights(costs, weight)
    count = weight.sum() ** 2 / np.square(weight).sum()  # effective rows
    with np.errstate(invalid="ignore"):
        mean = _mean(costs, weight)
        best = int(np.argmin(np.where(np.isfinite(mean), mean, np.inf)))
        behind = mean - mean[best]
        error = _standard_error(costs, mean, weight, count)
        behind_error = _standard_error(costs - costs[best], behind, weight, count)
        reach = student.ppf(1 - LEVEL / 2 / max(1, len(costs) - 1), max(count - 1, 1)) * behind_error
        alike = np.isfinite(mean) & (behind <= np.nan_to_num(reach, nan=np.inf))
    return Standing(mean, error, behind, behind_error, alike, best)


def gain(before: np.ndarray, after: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return by how much costs (N,) fell from ``before`` to ``after``, and the standard error of that."""
    found = standing(np.array([after, before]), weight)
    other = 1 - found.best
    sign = 1.0 if found.best == 0 else -1.0
    return sign * float(found.behind[other]), float(found.behind_error[other])


def simplest(found: Standing, size: np.ndarray) -> int:
    """Return the smallest candidate within one standard error of the best, of equals the better one.

    The one-standard-error rule (Breiman et al. 1984, §3.4.3), with the error of the paired difference.
    """
    close = found.alike & (found.behind <= np.nan_to_num(found.behind_error))
    close[found.best] = True
    candidates = np.flatnonzero(close)
    return int(min(candidates, key=lambda i: (size[i], found.cost[i], i)))


@dataclass(frozen=True)
class Optimism:
    """How far the best flatters: its cost on the rows that chose it, and what to expect on fresh ones."""

    apparent: float  # cost of the chosen one on the rows that chose it
    expected: float  # its expected cost on fresh rows
    low: float  # 95 % interval of that expectation
    high: float

    @property
    def flattery(self) -> float:
        """Expected cost − apparent cost."""
        return self.expected - self.apparent


def optimism(costs: np.ndarray, weight: np.ndarray | None = None, *, seed: int = 0) -> Optimism:
    """Estimate what the best of T candidates costs on fresh rows, from the rows that chose it.

    The bootstrap bias correction of Tsamardinos et al. (2018): rows are resampled, the best on the resample
    is scored on the rows left out of it. Those are about a third of the rows, so the scores spread too far;
    the interval has the width that all rows would give, and never leaves the costs that were seen. Of wrong
    labels it is at least as wide as that of a share.
    """
    costs = np.asarray(costs, np.float64)
    weight = _weights(costs, weight)
    costs = np.where(np.isfinite(costs).all(axis=1, keepdims=True), costs, np.inf)
    apparent = float(_mean(costs, weight).min())
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 11], np.uint64)))
    count = costs.shape[1]
    if count > MOST_ROWS:
        chosen = rng.choice(count, MOST_ROWS, replace=False)
        costs, weight, count = costs[:, chosen], weight[chosen], MOST_ROWS
    finite = np.isfinite(costs).all(axis=1)
    if count < 2 or not finite.any():
        return Optimism(apparent, float("nan"), float("nan"), float("nan"))
    costs, scores, noise = costs[finite], [], []
    for _ in range(RESAMPLES):
        drawn = np.bincount(rng.integers(count, size=count), minlength=count)
        left = weight * (drawn == 0)
        if left.sum() > 0:
            best = np.argmin(costs @ (weight * drawn))
            scores.append(float(costs[best] @ left / left.sum()))
            variance = np.square(costs[best] - scores[-1]) @ weight / weight.sum()
            shares = [np.square(w).sum() / w.sum() ** 2 for w in (left, weight)]  # 1 / effective rows
            noise.append([variance * share for share in shares])
    expected = float(np.mean(scores))
    of_left, of_all = np.mean(noise, axis=0)
    half = 1.96 * float(np.sqrt(max(np.var(scores, ddof=1) - of_left + of_all, of_all)))
    low, high = max(expected - half, costs.min()), min(expected + half, costs.max())
    if np.isin(
        costs, (0.0, 1.0)
    ).all():  # where all rows are right no spread is seen, and yet there is chance
        ends = share_interval(expected, weight.sum() ** 2 / np.square(weight).sum(), 1 - LEVEL)
        low, high = max(min(low, ends[0]), 0.0), min(max(high, ends[1]), 1.0)
    return Optimism(apparent, expected, float(low), float(high))


def _weights(costs: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    return np.ones(costs.shape[1]) if weight is None else np.asarray(weight, np.float64)


def _mean(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return each row's weighted mean, the same to the bit for rows that tie.

    A product of matrices sums its rows in different orders, and weights 1/N round: either would make equals
    differ by 1e-17, and so one of them best and the others not alike.
    """
    return (values * weight).sum(axis=1) / weight.sum()


def _standard_error(values: np.ndarray, mean: np.ndarray, weight: np.ndarray, count: float) -> np.ndarray:
    if count <= 1:
        return np.full(len(values), np.nan)
    spread = _mean(np.square(values - mean[:, None]), weight)
    return np.sqrt(spread / (count - 1))
