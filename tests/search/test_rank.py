"""How sure a ranking is: against the closed formulas, scipy's paired test, and what chance does."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from goodfit.search import rank
from goodfit.search.rank import gain, optimism, simplest, standing


def coins(candidates, rows, seed, p=0.5):
    """Wrong labels, drawn independently."""
    return (np.random.default_rng(seed).random((candidates, rows)) < p).astype(float)


def costs_of(candidates=6, rows=80, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=rows) + rng.normal(size=(candidates, rows)) + 0.2 * np.arange(candidates)[:, None]


# --- standing


def test_means_and_standard_errors_follow_the_closed_formula():
    costs = costs_of()
    found = standing(costs)
    np.testing.assert_allclose(found.cost, costs.mean(axis=1))
    np.testing.assert_allclose(found.error, costs.std(axis=1, ddof=1) / np.sqrt(80))
    assert found.best == np.argmin(costs.mean(axis=1))
    wrong = coins(3, 200, 1)
    p = wrong.mean(axis=1)
    np.testing.assert_allclose(standing(wrong).error, np.sqrt(p * (1 - p) / 199))


@given(st.integers(0, 10_000), st.integers(2, 40))
def test_two_candidates_are_alike_where_the_paired_t_test_says_so(seed, rows):
    costs = costs_of(2, rows, seed)
    found = standing(costs)
    worse = 1 - found.best
    expected = stats.ttest_rel(costs[worse], costs[found.best])
    assert found.behind[worse] / found.behind_error[worse] == pytest.approx(expected.statistic)
    assert found.alike[worse] == (expected.pvalue >= 0.05)
    assert found.alike[found.best]


@given(st.integers(0, 10_000), st.integers(3, 8))
def test_of_many_the_level_is_shared_among_the_comparisons(seed, candidates):
    costs = costs_of(candidates, 60, seed)
    found = standing(costs)
    for i in set(range(candidates)) - {found.best}:
        p = stats.ttest_rel(costs[i], costs[found.best]).pvalue
        assert found.alike[i] == (p >= 0.05 / (candidates - 1))


def test_the_truly_best_is_hardly_ever_called_worse():
    """One-sided, for T − 1 comparisons with one candidate: at most 2.5 of 100, though the best was picked."""
    missed = sum(not standing(np.random.default_rng(s).normal(size=(20, 60))).alike[0] for s in range(400))
    assert missed <= 0.025 * 400 + 3 * np.sqrt(400 * 0.025)


def test_rows_that_are_hard_for_all_do_not_blur_a_paired_difference():
    rng = np.random.default_rng(0)
    hard = 100 * rng.normal(size=50)
    found = standing(np.stack([hard, hard + 0.1 + 0.01 * rng.normal(size=50)]))
    assert found.error[1] > 5
    assert found.behind_error[1] < 0.01
    assert found.alike.tolist() == [True, False]


def test_equal_weights_are_no_weights_whatever_their_sum():
    costs = costs_of()
    for one, other in zip(
        vars(standing(costs)).values(), vars(standing(costs, np.full(80, 7.0))).values(), strict=True
    ):
        np.testing.assert_allclose(one, other)


def test_rows_of_no_weight_do_not_count():
    costs = costs_of()
    weight = np.r_[np.ones(30), np.zeros(50)]
    for one, other in zip(
        vars(standing(costs, weight)).values(), vars(standing(costs[:, :30])).values(), strict=True
    ):
        np.testing.assert_allclose(one, other)


def test_weights_move_the_mean_and_cost_certainty():
    costs, weight = costs_of(), np.r_[np.full(8, 10.0), np.ones(72)]
    found = standing(costs, weight)
    np.testing.assert_allclose(found.cost, np.average(costs, axis=1, weights=weight))
    spread = np.average((costs - found.cost[:, None]) ** 2, axis=1, weights=weight)
    effective = weight.sum() ** 2 / (weight**2).sum()
    np.testing.assert_allclose(found.error, np.sqrt(spread / (effective - 1)))
    assert (found.error > standing(costs).error).mean() > 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_candidates_without_finite_costs_are_never_alike_and_never_best(bad):
    costs = costs_of(4)
    costs[2], costs[0, 5] = bad, bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = standing(costs)
    assert found.best in (1, 3)
    assert not found.alike[[0, 2]].any()
    np.testing.assert_allclose(found.error[[1, 3]], standing(costs[[1, 3]]).error)
    assert simplest(found, np.array([1, 3, 1, 2])) in (1, 3)


def test_no_candidate_with_finite_costs_gives_an_answer_all_the_same():
    for bad in (np.nan, np.inf):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = standing(np.full((3, 5), bad))
        assert not found.alike.any()
        assert simplest(found, np.array([3, 1, 2])) == found.best


def test_one_row_tells_nothing_apart():
    found = standing(np.array([[0.0], [5.0]]))
    assert np.isnan(found.error).all()
    assert found.alike.all()
    assert found.best == 0
    assert simplest(found, np.array([2, 1])) == 0


def test_one_candidate_is_the_best():
    found = standing(costs_of(1))
    assert (found.best, found.alike.tolist(), found.behind.tolist()) == (0, [True], [0.0])


def test_of_equals_the_first_is_best():
    for candidates, rows in ((3, 80), (7, 150), (16, 1001)):
        found = standing(np.tile(costs_of(1, rows), (candidates, 1)))
        assert found.best == 0
        assert found.alike.all()
        wrong = np.array([np.random.default_rng(i).permutation(rows) < 7 for i in range(candidates)])
        assert standing(wrong).best == 0  # as many wrong, of other rows
        assert standing(wrong).behind.tolist() == [0.0] * candidates


# --- the simplest


def test_the_simplest_lies_within_one_standard_error():
    rng = np.random.default_rng(0)
    base = rng.normal(size=100)
    noise = rng.normal(size=(4, 100))
    noise -= noise.mean(axis=1, keepdims=True)
    noise /= noise.std(axis=1, ddof=1, keepdims=True)
    costs = base + np.array([0.0, 0.05, 0.3, 9.0])[:, None] + 0.5 * noise
    found = standing(costs)
    within = found.behind <= found.behind_error
    assert within.tolist() == [True, True, False, False]
    assert simplest(found, np.array([4, 3, 2, 1])) == 1
    assert simplest(found, np.array([1, 3, 2, 4])) == 0
    assert simplest(found, np.array([1, 1, 1, 1])) == 0  # of equals the better one


# --- optimism


def test_the_best_of_fifty_coins_is_known_for_luck():
    found = [optimism(coins(50, 200, s), seed=s) for s in range(60)]
    apparent, expected = (np.array([getattr(f, n) for f in found]) for n in ("apparent", "expected"))
    assert apparent.max() < 0.46
    assert expected.mean() == pytest.approx(0.5, abs=0.01)
    assert abs(expected - 0.5).max() < 0.1
    assert np.mean([f.low <= 0.5 <= f.high for f in found]) >= 0.95
    assert all(f.flattery == f.expected - f.apparent > 0 for f in found)


def test_the_interval_holds_the_cost_on_fresh_rows_where_candidates_differ():
    truth = np.linspace(0.3, 0.5, 10)
    held = []
    for seed in range(60):
        costs = coins(10, 200, seed, truth[:, None])
        found = optimism(costs, seed=seed)
        held.append(found.low <= truth[costs.mean(axis=1).argmin()] <= found.high)
    assert np.mean(held) >= 0.9


def test_one_candidate_is_not_flattered():
    costs = coins(1, 400, 3)
    found = optimism(costs)
    assert found.apparent == pytest.approx(costs.mean())
    assert found.expected == pytest.approx(found.apparent, abs=0.005)
    assert found.low < found.apparent < found.high


def test_a_clear_winner_is_hardly_flattered():
    costs = np.r_[coins(1, 400, 0, 0.1), coins(30, 400, 1, 0.5)]
    assert abs(optimism(costs).flattery) < 0.01


def test_optimism_repeats_by_seed():
    costs = coins(5, 100, 0)
    assert optimism(costs, seed=3) == optimism(costs, seed=3)
    assert optimism(costs, seed=3) != optimism(costs, seed=4)


def test_weights_decide_who_is_chosen_and_what_it_costs():
    costs = np.zeros((2, 100))
    costs[0, :50], costs[1, 50:] = 1.0, 1.0
    weight = np.r_[np.full(50, 1.0), np.full(50, 3.0)]
    found = optimism(costs, weight)
    assert found.apparent == pytest.approx(0.25)
    assert found.expected == pytest.approx(0.25, abs=0.02)
    assert optimism(costs, 10 * weight).expected == pytest.approx(found.expected)


def test_candidates_without_finite_costs_are_left_out():
    costs = coins(4, 100, 0)
    broken = np.r_[costs, np.full((1, 100), np.nan), np.full((1, 100), np.inf)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert optimism(broken) == optimism(costs)


@pytest.mark.parametrize("costs", [np.array([[0.5], [0.3]]), np.full((2, 9), np.nan)], ids=["one row", "NaN"])
def test_what_cannot_be_estimated_is_nan(costs):
    found = optimism(costs)
    assert np.isnan([found.expected, found.low, found.high]).all()
    assert found.apparent == (0.3 if costs.shape[1] == 1 else np.inf)


def test_many_rows_are_thinned_out_for_the_bootstrap_only(monkeypatch):
    costs = coins(3, 2000, 0)
    full = optimism(costs)
    monkeypatch.setattr(rank, "MOST_ROWS", 500)
    thinned = optimism(costs)
    assert thinned.apparent == full.apparent
    assert thinned.expected == pytest.approx(full.expected, abs=0.06)
    assert thinned.high - thinned.low > full.high - full.low


def test_a_gain_is_the_mean_paired_difference_with_its_sign():
    rng = np.random.default_rng(0)
    before, after = rng.random(50), rng.random(50) * 0.8
    weight = rng.random(50) + 0.1
    found, error = gain(before, after, weight)
    assert found == pytest.approx(np.average(before - after, weights=weight))
    assert gain(after, before, weight) == pytest.approx((-found, error))
    assert gain(before, before, weight) == (0.0, 0.0)
