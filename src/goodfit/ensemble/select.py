"""Greedy selection of an ensemble from networks that are already trained (Caruana et al. 2004)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

MOST = 30  # picks; more add less than the noise of the rows they are chosen on


def greedy_selection(
    predictions: Sequence[np.ndarray], cost: Callable[[np.ndarray], float], *, most: int = MOST
) -> list[int]:
    """Return how often each network is picked, so that their mean prediction costs least.

    Args:
        predictions: one array a network, all of one shape: (rows, classes) probabilities or (rows,) numbers.
        cost: what a mean prediction costs on those rows; lower is better, NaN is never picked.
        most: picks at most, with replacement.

    The best network is picked first; then, as long as the cost falls, the one that lowers it most.
    """
    counts = [0] * len(predictions)
    total = np.zeros_like(np.asarray(predictions[0], np.float64))
    lowest = np.inf
    for picks in range(1, most + 1):
        costs = [_cost(cost, total + p, picks) for p in predictions]
        best = int(np.argmin(costs))
        if not costs[best] < lowest - 1e-12:
            break
        lowest = costs[best]
        counts[best] += 1
        total = total + predictions[best]
    if not any(counts):
        counts[0] = 1
    return counts


def _cost(cost: Callable[[np.ndarray], float], total: np.ndarray, picks: int) -> float:
    value = cost(total / picks)
    return value if np.isfinite(value) else np.inf


def disagreement(labels: Sequence[np.ndarray]) -> float:
    """Return the mean share of rows on which two networks predict different labels; 0 for one network."""
    pairs = [np.mean(a != b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
    return float(np.mean(pairs)) if pairs else 0.0
