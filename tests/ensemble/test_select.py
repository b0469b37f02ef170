"""Greedy selection."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.ensemble.select import disagreement, greedy_selection

Y = np.random.default_rng(0).normal(size=200)


def squared(p):
    return float(np.mean((p - Y) ** 2))


def test_the_ensemble_is_never_worse_than_its_best_member():
    rng = np.random.default_rng(1)
    predictions = [Y + rng.normal(scale=s, size=200) for s in (0.5, 0.6, 0.7, 2.0)]
    counts = greedy_selection(predictions, squared)
    mean = sum(c * p for c, p in zip(counts, predictions, strict=True)) / sum(counts)
    assert squared(mean) < min(map(squared, predictions))
    assert counts[3] == 0


@given(st.integers(1, 8), st.integers(0, 100))
def test_picks_are_bounded_and_never_empty(count, seed):
    rng = np.random.default_rng(seed)
    counts = greedy_selection([rng.normal(size=200) for _ in range(count)], squared, most=5)
    assert 1 <= sum(counts) <= 5
    assert len(counts) == count


def test_what_costs_nan_is_never_picked():
    counts = greedy_selection([np.full(200, np.nan), Y + 0.1], squared)
    assert counts[0] == 0
    assert counts[1] >= 1


def test_disagreement():
    a, b, c = np.array([0, 1, 2, 3]), np.array([0, 1, 2, 0]), np.array([0, 1, 2, 3])
    assert disagreement([a, b, c]) == pytest.approx((0.25 + 0.0 + 0.25) / 3)
    assert disagreement([a]) == 0.0
