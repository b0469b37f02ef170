"""Ranks with failures last, and paired tests."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from goodfit.stats.ranks import paired_test, rank

scores = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats()), min_size=1, max_size=12)


@given(scores, st.booleans())
def test_rank(values, greater):
    array = np.array(values)
    ranks = rank(array, greater)
    gone = np.isnan(array)
    np.testing.assert_array_equal(
        ranks[~gone], scipy.stats.rankdata(-array[~gone] if greater else array[~gone])
    )
    assert ranks.sum() == len(array) * (len(array) + 1) / 2
    if gone.any() and not gone.all():
        assert ranks[gone].min() > ranks[~gone].max()


def test_nan_is_behind_infinity():
    np.testing.assert_array_equal(rank(np.array([np.nan, np.inf, 1.0, np.nan]), False), [3.5, 2, 1, 3.5])
    np.testing.assert_array_equal(rank(np.array([np.nan, -np.inf]), True), [2, 1])
    assert rank(np.array([]), True).shape == (0,)


def test_paired_test_equals_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 12), rng.normal(0.5, 1, 12)
    found, expected = paired_test(a, b), scipy.stats.ttest_rel(a, b)
    ends = expected.confidence_interval(0.95)
    assert found[:4] == pytest.approx((np.mean(a - b), ends.low, ends.high, expected.pvalue))
    with_failures = paired_test(np.append(a, [np.nan, 1]), np.append(b, [2, np.nan]))
    assert with_failures == found
    assert found.n == 12


def test_too_few_pairs_and_no_spread():
    assert np.isnan(paired_test(np.array([]), np.array([])).difference)
    one = paired_test(np.array([3.0]), np.array([1.0]))
    assert (one.difference, one.n) == (2.0, 1)
    assert np.isnan(one[1:4]).all()
    assert paired_test(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == (0, 0, 0, 1, 2)
    assert paired_test(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == (1, 1, 1, 0, 2)
    with pytest.raises(ValueError, match="equal length"):
        paired_test(np.zeros(2), np.zeros(3))
