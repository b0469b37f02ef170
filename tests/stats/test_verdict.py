"""Verdicts on claims: right where they claim something, as often wrong as they say, honest on failures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from goodfit.stats.verdict import FAILS, HOLDS, UNKNOWN, exact, judge

rng = np.random.default_rng(5)


def test_interval_is_students_paired_t():
    a, b = rng.normal(size=12), rng.normal(size=12)
    for claims in (1, 7):
        verdict = judge(a, b, claims=claims)
        wanted = ttest_rel(a, b).confidence_interval(1 - 0.05 / claims)
        np.testing.assert_allclose([verdict.low, verdict.high], wanted, rtol=1e-10)
        assert verdict.n == 12
        assert verdict.diverged == (0, 0)
        assert verdict.claims == claims


@pytest.mark.parametrize(
    ("shift", "inside", "wanted"),
    [
        (2.0, (0.0, math.inf), HOLDS),
        (-2.0, (0.0, math.inf), FAILS),
        (0.0, (0.0, math.inf), UNKNOWN),
        (0.0, (-1.0, 1.0), HOLDS),
        (2.0, (-1.0, 1.0), FAILS),
        (1.0, (-1.0, 1.0), UNKNOWN),
        (2.0, (3.0, math.inf), FAILS),
        (2.0, (-math.inf, 0.0), FAILS),
        (-2.0, (-math.inf, 0.0), HOLDS),
    ],
)
def test_a_claim_is_a_range_for_the_difference(shift, inside, wanted):
    noise = np.array([0.1, -0.1, 0.05, -0.05, 0.02, -0.02, 0.08, -0.08, 0.0, 0.0])
    assert judge(noise + shift, 0.0, inside=inside).verdict == wanted


def test_few_seeds_tell_nothing_and_say_so():
    for n in (1, 2):
        verdict = judge(np.full(n, 5.0) + np.arange(n) * 1e-9, 0.0)
        assert verdict.verdict == UNKNOWN
        assert verdict.words == f"cannot tell at {n} seed" + "s" * (n > 1)
    assert judge(np.full(3, 5.0) + np.arange(3) * 1e-3, 0.0).verdict == HOLDS


def test_where_one_side_diverges_it_is_the_worse_one():
    nan, fine = np.full(10, np.nan), np.linspace(0.5, 0.6, 10)
    assert judge(fine, nan).verdict == HOLDS
    assert judge(nan, fine).verdict == FAILS
    assert judge(nan, fine, more_is_better=False).verdict == HOLDS, "a claim that a's loss is larger"
    assert judge(fine, nan).diverged == (0, 10)
    assert math.isnan(judge(fine, nan).difference), "a failure is no number"


def test_a_few_divergences_leave_the_rest_to_be_compared():
    a, b = np.linspace(1.0, 1.1, 10), np.linspace(0.0, 0.1, 10) + rng.normal(scale=0.01, size=10)
    b[3] = np.nan
    verdict = judge(a, b)
    assert (verdict.verdict, verdict.n, verdict.diverged) == (HOLDS, 9, (0, 1))
    both = judge(np.full(10, np.nan), np.full(10, np.nan))
    assert both.verdict == UNKNOWN


def test_divergence_says_nothing_on_a_claim_of_being_alike():
    assert judge(np.full(10, np.nan), 1.0, inside=(-0.1, 0.1)).verdict == UNKNOWN


def test_exact_claims_have_no_interval():
    verdict = exact(3, 2)
    assert (verdict.verdict, verdict.difference, verdict.claims) == (HOLDS, 1.0, 0)
    assert exact(2, 3).verdict == FAILS


def test_pairs_must_fit():
    with pytest.raises(ValueError, match="equal length"):
        judge(np.zeros(3), np.zeros(4))


@pytest.mark.parametrize("claims", [1, 5])
def test_false_claims_are_as_rare_as_said(claims):
    """2,000 families of claims without any difference: at most 5 % (+ 3 standard errors) claim one."""
    random = np.random.default_rng(claims)
    wrong = 0
    for _ in range(2000):
        found = [judge(random.normal(size=10), random.normal(size=10), claims=claims) for _ in range(claims)]
        wrong += any(v.verdict != UNKNOWN for v in found)
    assert wrong / 2000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
