"""Intervals cover the truth as often as they say."""

from __future__ import annotations

import time

import numpy as np
import pytest
import scipy.stats

from goodfit.stats import intervals
from goodfit.stats.intervals import interval_method, mean_interval, score_interval
from goodfit.stats.metrics import METRICS


def two_columns(p):
    return np.stack([1 - p, p], axis=1)


def draw_classes(rng, n):
    """Two classes, 2:1, with scores a little apart."""
    y = (np.arange(n) % 3 == 0).astype(int)
    return y, two_columns(1 / (1 + np.exp(-rng.normal(2 * y - 1, 1.0))))


def draw_numbers(rng, n):
    y = rng.normal(0, 1, n)
    return y, y + rng.normal(0, 0.5, n)


@pytest.mark.parametrize("name", METRICS)
def test_coverage(name, monkeypatch):
    """400 tables of 150 rows; the truth is the score on 100,000. 95 % ± 2.2 is two standard errors."""
    monkeypatch.setattr(intervals, "RESAMPLES", 300)
    metric = METRICS[name]
    draw = draw_classes if metric.task == "classification" else draw_numbers
    truth = metric(*draw(np.random.default_rng(1), 100_000))
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(400):
        _, low, high = score_interval(metric, *draw(rng, 150))
        inside += low <= truth <= high
    assert 0.91 <= inside / 400 <= 0.985


@pytest.mark.parametrize("name", ["mae", "log_loss"])
def test_coverage_of_few_rows(name, monkeypatch):
    """20 rows: plain percentiles would hold the truth in 90 % of tables or fewer."""
    monkeypatch.setattr(intervals, "RESAMPLES", 300)
    metric = METRICS[name]
    draw = draw_classes if metric.task == "classification" else draw_numbers
    truth = metric(*draw(np.random.default_rng(1), 100_000))
    rng = np.random.default_rng(2)
    ends = [score_interval(metric, *draw(rng, 20))[1:] for _ in range(600)]
    assert 0.915 <= np.mean([low <= truth <= high for low, high in ends]) <= 0.98


def test_resamples_keep_the_size_of_each_class():
    sizes = np.array([7, 1, 40])
    counts = np.concatenate(list(intervals._resamples(sizes, 500, seed=0)))
    assert counts.shape == (500, 48)
    for start, size in ((0, 7), (7, 1), (8, 40)):
        part = counts[:, start : start + size]
        assert (part.sum(axis=1) == size).all()
        np.testing.assert_allclose(part.mean(axis=0), 1, atol=5 / np.sqrt(500))
    assert counts[:, 8:].var() == pytest.approx(1 - 1 / 40, rel=0.05)


@pytest.mark.parametrize("k", [0, 3, 57, 80])
def test_accuracy_equals_scipy(k):
    y = np.zeros(80, int)
    prediction = two_columns((np.arange(80) >= k).astype(float))
    score, low, high = score_interval(METRICS["accuracy"], y, prediction)
    method = "exact" if k in (0, 80) else "wilson"
    expected = scipy.stats.binomtest(k, 80).proportion_ci(0.95, method=method)
    assert score == k / 80
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_equal_weights_change_nothing_and_unequal_ones_widen():
    rng = np.random.default_rng(0)
    y, p = draw_classes(rng, 200)
    plain = score_interval(METRICS["accuracy"], y, p)
    assert score_interval(METRICS["accuracy"], y, p, np.full(200, 7.0)) == pytest.approx(plain)
    w = rng.exponential(1, 200) ** 2
    _, low, high = score_interval(METRICS["accuracy"], y, p, w)
    assert high - low > 1.3 * (plain[2] - plain[1])
    for name in ("f1", "log_loss", "roc_auc"):
        score, low, high = score_interval(METRICS[name], y, p, w)
        assert low < score < high


def test_seeds():
    y, p = draw_numbers(np.random.default_rng(0), 100)
    one, again, other = (score_interval(METRICS["r2"], y, p, seed=s) for s in (1, 1, 2))
    assert one == again != other
    assert one[2] - one[1] == pytest.approx(other[2] - other[1], rel=0.2)
    wide = score_interval(METRICS["r2"], y, p, level=0.99)
    assert wide[1] < one[1]
    assert wide[2] > one[2]


@pytest.mark.parametrize("name", ["balanced_accuracy", "f1", "roc_auc"])
def test_a_perfect_score_is_not_certain(name):
    y = np.array([0] * 60 + [1] * 9)
    score, low, high = score_interval(METRICS[name], y, np.eye(2)[y])
    assert score == high == 1.0
    assert low == pytest.approx(1 - (1 - 0.025 ** (1 / 9)) / 2)


def test_nan_stays_nan():
    y, p = draw_numbers(np.random.default_rng(0), 9)
    p[0] = np.nan
    assert np.isnan(score_interval(METRICS["rmse"], y, p)).all()


@pytest.mark.parametrize(("name", "classes"), [("log_loss", 2), ("roc_auc", 2), ("roc_auc", 26), ("r2", 0)])
def test_50000_rows_take_seconds(name, classes):
    rng = np.random.default_rng(0)
    metric = METRICS[name]
    if classes:
        y = rng.integers(0, classes, 50_000)
        p = rng.random((50_000, classes)) + 2 * np.eye(classes)[y] * rng.random((50_000, 1))
        p /= p.sum(axis=1, keepdims=True)
    else:
        y, p = draw_numbers(rng, 50_000)
    start = time.process_time()
    score, low, high = score_interval(metric, y, p)
    assert low < score < high
    assert time.process_time() - start < 12  # 1 to 4 s on an idle core


def test_method():
    assert interval_method(METRICS["accuracy"]) == "95 % Wilson interval"
    assert interval_method(METRICS["r2"], 0.9) == "90 % bootstrap interval"


def test_mean_interval():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((3.75, expected.low, expected.high))
    assert mean_interval(np.array([2.0]))[0] == 2.0
    assert np.isnan(mean_interval(np.array([2.0]))[1:]).all()
    assert np.isnan(mean_interval(np.array([2.0, np.nan, 3.0]))).all()
