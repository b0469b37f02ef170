"""Every metric equals scikit-learn's, with and without weights."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.errors import InputError
from goodfit.stats.metrics import METRICS, get_metric

REFERENCE = {
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p.argmax(1), sample_weight=w),
    "balanced_accuracy": lambda y, p, w: sk.balanced_accuracy_score(y, p.argmax(1), sample_weight=w),
    "f1": lambda y, p, w: sk.f1_score(
        y, p.argmax(1), sample_weight=w, average="binary" if p.shape[1] == 2 else "macro"
    ),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=range(p.shape[1])),
    "roc_auc": lambda y, p, w: sk.roc_auc_score(
        y, p[:, 1] if p.shape[1] == 2 else p, sample_weight=w, multi_class="ovr"
    ),
    "r2": lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
    "rmse": lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    "mae": lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
}


def example(rng, task, k=3, n=60):
    if task == "regression":
        y = rng.normal(5, 2, n)
        return y, y + rng.normal(0, 1, n)
    y = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    p = rng.integers(1, 4, (n, k)) + 2.0 * (np.arange(k) == y[:, None])  # few values: many ties
    return y, p / p.sum(axis=1, keepdims=True)


def test_the_reference_covers_the_table():
    assert REFERENCE.keys() == METRICS.keys()


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_scikit_learn(name, classes, weighted):
    rng = np.random.default_rng(classes)
    metric = METRICS[name]
    for _ in range(10):
        y, p = example(rng, metric.task, classes)
        w = rng.integers(0, 4, len(y)) + (np.arange(len(y)) < classes) if weighted else None
        assert metric(y, p, w) == pytest.approx(REFERENCE[name](y, p, w), abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_direction_and_best(name):
    metric = METRICS[name]
    y, p = example(np.random.default_rng(0), metric.task)
    exact = np.eye(3)[y] if metric.task == "classification" else y
    assert metric(y, exact) == pytest.approx(metric.best, abs=1e-12)
    assert (metric(y, exact) > metric(y, p)) == metric.greater_is_better


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_has_no_score(name, bad):
    y, p = example(np.random.default_rng(0), METRICS[name].task)
    p[3] = bad
    assert np.isnan(METRICS[name](y, p))


def test_edges():
    two = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert np.isnan(METRICS["roc_auc"](np.array([1, 1]), two))  # nothing to rank against
    assert METRICS["f1"](np.array([0, 0]), np.array([[1.0, 0], [1, 0]])) == 0.0
    assert np.isnan(METRICS["accuracy"](np.array([0, 1]), two, np.zeros(2)))
    assert METRICS["log_loss"](np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(36.04365)
    assert METRICS["r2"](np.ones(3), np.ones(3)) == 1.0
    assert METRICS["r2"](np.ones(3), np.zeros(3)) == 0.0
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3]])
    assert METRICS["roc_auc"](np.array([0, 1, 0]), p) == pytest.approx(1.0)  # the third class is not there
    for y, prediction in ((np.zeros(2, int), two[:1]), (np.zeros(2), two), (np.zeros((2, 1), int), two)):
        with pytest.raises(ValueError, match="do not fit"):
            METRICS["mae" if y.dtype.kind == "f" else "accuracy"](y, prediction)


def test_names():
    assert get_metric("f1", "classification").name == "f1"
    with pytest.raises(InputError, match=r"'acuracy' is not known \(did you mean 'accuracy'\?\)"):
        get_metric("acuracy", "classification")
    with pytest.raises(InputError, match=r"'r2' is for regression.*; for classification use one of acc"):
        get_metric("r2", "classification")


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(sorted(METRICS)), st.integers(2, 4), st.integers(0, 10**6))
def test_weights_are_repeated_rows_and_zero_is_absence(name, classes, seed):
    """For many weightings at a time, as the bootstrap asks for them."""
    rng = np.random.default_rng(seed)
    metric = METRICS[name]
    y, p = example(rng, metric.task, classes, n=12)
    w = rng.integers(0, 3, (5, 12))
    w[:, 0] += 1
    expected = [metric(np.repeat(y, times), np.repeat(p, times, axis=0)) for times in w]
    np.testing.assert_allclose(metric.prepare(y, p)(w.astype(float)), expected, rtol=1e-9, atol=1e-12)


def test_r2_far_from_zero_keeps_its_digits():
    rng = np.random.default_rng(0)
    y = 1e8 + rng.normal(0, 1, 500)
    p = y + rng.normal(0, 0.5, 500)
    assert METRICS["r2"](y, p) == pytest.approx(sk.r2_score(y, p), abs=1e-7)
