"""Targets: the task is found, labels come back as they were, and what cannot be learnt is refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.data.table import from_frame
from goodfit.data.target import TargetCodec, drop_missing_target, fit_target, infer_task
from goodfit.data.values import normalise
from goodfit.errors import InputError


def fit(values, **options):
    return fit_target(from_frame({"y": values}), "y", **options)


def again(codec):
    return TargetCodec.from_json(json.loads(json.dumps(codec.to_json())))


@pytest.mark.parametrize(
    ("values", "task", "said"),
    [
        (["a", "b"], "classification", "text"),
        ([True, False], "classification", "true or false"),
        (list(range(20)), "classification", "20 distinct whole numbers"),
        (list(range(21)), "regression", "21 distinct numbers"),
        ([0.5, 1.0], "regression", "2 distinct numbers"),
        (["2024-01-01", "2024-01-02"], "regression", "days since 1970-01-01"),
        (pd.Series([1, 2], dtype="category"), "classification", "text"),
    ],
)
def test_the_task_is_found_and_said(values, task, said):
    found, sentence = infer_task(*normalise(values, "y"))
    assert found == task
    assert said in sentence


@pytest.mark.parametrize(
    ("values", "classes", "dtype"),
    [
        (["b", "a", "b", "a"], ("a", "b"), object),
        (["10", "9", "10", "9"], ("9", "10"), object),
        ([10, 9, 10, 9], ("9", "10"), np.int64),
        ([-1.0, 1.0, -1.0, 1.0], ("-1", "1"), np.int64),
        ([True, False, True, False], ("false", "true"), np.bool_),
        (pd.Series([2, 1, 2, 1], dtype="category"), ("1", "2"), object),
    ],
)
def test_labels_come_back(values, classes, dtype):
    codec, y = fit(values)
    assert codec.classes == classes
    assert y.dtype == np.int32
    decoded = codec.decode(y)
    assert decoded.dtype == dtype
    assert list(decoded) == [str(v) if dtype is object else v for v in values]
    assert again(codec) == codec
    np.testing.assert_array_equal(codec.encode(decoded), y)


def test_labels_are_known_in_other_spellings():
    numbers, _ = fit([1, 2, 1, 2])
    assert list(numbers.encode(["2", "1.0"])) == [1, 0]
    booleans, _ = fit([True, False, True, False])
    assert list(booleans.encode([1, 0])) == [1, 0]
    assert list(booleans.encode(["True", "false"])) == [1, 0]
    fractions, y = fit([0.5, 1.5, 0.5, 1.5], task="classification")
    assert list(fractions.decode(y)) == [0.5, 1.5, 0.5, 1.5]


def test_the_positive_label_is_last():
    assert fit(["bad", "good"] * 2)[0].classes == ("bad", "good")
    assert fit(["bad", "good"] * 2, positive="bad")[0].classes == ("good", "bad")
    assert fit([0, 1] * 2, positive="0.0")[0].classes == ("1", "0")
    assert fit([False, True] * 2, positive="False")[0].classes == ("true", "false")


def test_regression_uses_training_rows_alone():
    values = [1.5, 2.5, 4.5, 1e9]
    codec, y = fit(values, rows_train=np.array([0, 1, 2]))
    assert y.dtype == np.float64
    assert (codec.y_low, codec.y_high) == (1.5, 4.5)
    np.testing.assert_allclose([codec.y_mean, codec.y_scale], [np.mean(values[:3]), np.std(values[:3])])
    np.testing.assert_allclose(codec.restore(codec.standardise(y)), [1.5, 2.5, 4.5, 4.5])
    assert list(codec.decode(y)) == values
    assert again(codec) == codec
    open_end, y = fit(values)
    assert again(open_end) == open_end
    assert open_end.fitted(y[:3]) == codec
    assert list(fit(["1", "2"], task="regression")[1]) == [1, 2]


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2).filter(lambda v: len(set(v)) > 1)
)
def test_fitted_numbers_are_finite_and_survive_json(values):
    codec, y = fit(values, task="regression", rows_train=np.arange(len(values)))
    assert np.isfinite([codec.y_mean, codec.y_scale]).all()
    assert codec.y_scale > 0
    assert again(codec) == codec
    assert np.isfinite(codec.restore(np.clip(codec.standardise(y), -1e3, 1e3))).all()


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (["a", "a"], {}, "holds the one class 'a': at least two classes are needed"),
        (["a", "a", "b"], {}, "has 1 of its 2 classes on a single row: 'b'. Each class needs at least 2"),
        (
            ["a", "b"],
            {"task": "regression"},
            "Regression needs numbers. Column 'y' must hold numbers, but row 1",
        ),
        (["a", "b"] * 2, {"positive": "c"}, "positive label must be one of 'a', 'b', got 'c'"),
        (["good", "b"] * 2, {"positive": "god"}, r"one of 'b', 'good' \(did you mean 'good'\?\), got 'god'"),
        (["a", "b", "c"] * 2, {"positive": "c"}, "needs two classes, but the target has 3"),
        ([0.5, 1.5], {"positive": "1"}, "A positive label needs classes"),
        (["a", "b"] * 2, {"task": "ranking"}, "task must be 'classification' or 'regression', got 'ranking'"),
        ([7.5, 7.5], {"rows_train": np.arange(2)}, "has the one value 7.5 in all training rows"),
        (["a", None, "a", "b", "b"], {}, "target 'y' is missing in row 2; leave such rows out"),
    ],
)
def test_refusals(values, options, message):
    with pytest.raises(InputError, match=message):
        fit(values, **options)


def test_unknown_labels_are_named():
    codec, _ = fit(["red", "blue"] * 2)
    with pytest.raises(
        InputError, match=r"label 'rad', which is not among the 2 classes 'blue', 'red' \(did you"
    ):
        codec.encode(["red", "rad"])


def test_rows_without_a_target_are_dropped():
    table = from_frame({"x": [1, 2, 3], "y": ["a", None, "b"]}, "t")
    fewer, count = drop_missing_target(table, "y")
    assert (fewer.rows, count) == (2, 1)
    assert drop_missing_target(fewer, "y") == (fewer, 0)
    with pytest.raises(InputError, match="target 'y' is missing in all 1 rows"):
        drop_missing_target(table.take(np.array([1])), "y")
    with pytest.raises(InputError, match="t has no column 'z'"):
        drop_missing_target(table, "z")


@pytest.mark.parametrize(
    "record", [{}, {"task": "classification", "classes": [1], "class_kind": "text"}, {"task": 1}]
)
def test_damaged_records(record):
    with pytest.raises(InputError, match="record of the target is damaged"):
        TargetCodec.from_json(record)
