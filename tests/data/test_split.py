"""Splits: disjoint, complete, stratified, repeatable; groups and times are respected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.data.split import make_split, shared_rows
from goodfit.data.table import from_frame
from goodfit.errors import InputError

SEEDS = st.integers(0, 2**64 - 1)


def check(split, n):
    parts = [split.train, split.valid, split.sealed]
    assert all(len(part) and part.dtype == np.int64 and (np.diff(part) > 0).all() for part in parts)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))


@given(st.integers(3, 300), SEEDS)
def test_numbers(n, seed):
    y = np.linspace(0, 1, n)
    split = make_split("regression", y, seed=seed)
    check(split, n)
    assert abs(len(split.sealed) - 0.2 * n) <= 1
    assert abs(len(split.valid) - 0.2 * (n - len(split.sealed))) <= 1
    blind = make_split("regression", np.zeros(n), seed=seed)
    np.testing.assert_array_equal(split.sealed, blind.sealed)


@given(st.lists(st.integers(2, 60), min_size=2, max_size=6), SEEDS)
def test_classes(sizes, seed):
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    split = make_split("classification", y, seed=seed)
    check(split, len(y))
    assert set(y[split.train]) == set(y)
    for c, size in enumerate(sizes):
        assert abs((y[split.sealed] == c).sum() - 0.2 * size) <= 1
    again = make_split("classification", y, seed=seed)
    for part in ("train", "valid", "sealed"):
        np.testing.assert_array_equal(getattr(split, part), getattr(again, part))


@given(st.lists(st.integers(1, 20), min_size=3, max_size=30), SEEDS, st.booleans())
def test_groups_stay_whole(sizes, seed, text):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    values = np.array([f"g{g}" for g in groups], object) if text else groups
    split = make_split("regression", np.zeros(len(groups)), seed=seed, groups=values)
    check(split, len(groups))
    sides = [set(groups[part]) for part in (split.train, split.valid, split.sealed)]
    assert sum(map(len, sides)) == len(sizes)


def test_groups_leave_every_class_in_training():
    groups = np.repeat(np.arange(10), 10)
    y = (groups == 3).astype(int)  # one group holds a whole class
    for seed in range(20):
        split = make_split("classification", y, seed=seed, groups=groups)
        assert set(y[split.train]) == {0, 1}


@given(st.lists(st.integers(0, 9), min_size=3, max_size=60).filter(lambda t: len(set(t)) > 2), SEEDS)
def test_later_rows_are_held_back(times, seed):
    time = np.array(times, float)
    split = make_split("regression", np.zeros(len(time)), seed=seed, time=time)
    check(split, len(time))
    assert time[split.train].max() < time[split.valid].min()
    assert time[split.valid].max() < time[split.sealed].min()


def test_given_rows_replace_the_draw():
    y = np.zeros(10)
    split = make_split("regression", y, seed=0, sealed_rows=np.array([9, 8]), valid_rows=np.array([0]))
    assert (list(split.sealed), list(split.valid), len(split.train)) == ([8, 9], [0], 7)
    check(make_split("regression", y, seed=0, valid_rows=np.arange(8)), 10)
    check(make_split("regression", y, seed=0, sealed_rows=np.arange(8)), 10)


def test_the_draw_never_changes():
    split = make_split("regression", np.zeros(20), seed=0)
    assert list(split.sealed) == [6, 8, 14, 19]
    assert list(make_split("regression", np.zeros(20), seed=1).sealed) != list(split.sealed)


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([0.0, 1.0], {}, "Too few rows: 3 are needed to leave some for each part, got 2"),
        ([0, 1, 2, 0], {"task": "classification"}, "4 rows of 3 classes cannot give each class a row"),
        (range(9), {"groups": [0, 1, 1] * 3}, "by group needs at least 3 groups here, got 2"),
        (range(9), {"time": [1, 1, 2] * 3}, "by time needs at least 3 distinct times here, got 2"),
        (range(3), {"time": [1, 2, 3], "groups": [1, 2, 3]}, "by group or by time, not by both"),
        (range(3), {"time": [1, None, 3]}, "time is missing in row 2: every row needs one"),
        (range(3), {"groups": ["a", "b", None]}, "group is missing in row 3"),
        (range(3), {"groups": ["a", "b"]}, "group column has 2 rows, the target has 3"),
        (range(9), {"sealed_rows": [1], "valid_rows": [1]}, "must not overlap"),
        (range(9), {"sealed_rows": [9]}, "sealed rows must be row numbers from 0 to 8, got 9"),
        (range(9), {"sealed_share": 1.0}, r"sealed_share must be between 0 and 1, got 1\.0"),
        (range(9), {"seed": -1}, "seed must be from 0 to"),
        (
            [0, 0, 0, 1, 1],
            {"task": "classification", "sealed_rows": [3], "valid_rows": [4]},
            "class of row 4 occurs only among test or validation rows",
        ),
        (
            [0, 1, 2] * 3,
            {"task": "classification", "groups": [0, 1, 2] * 3},
            "No group can be set aside: each is too large, or holds all rows of a class",
        ),
    ],
)
def test_refusals(y, options, message):
    arguments = {"task": "regression", "seed": 0, **options}
    with pytest.raises(InputError, match=message):
        make_split(arguments.pop("task"), np.array(y), **arguments)


def test_shared_rows_are_counted_by_hash():
    table = from_frame({"id": range(6), "x": [1, 1, 2, 3, 4, 1]})
    split = make_split(
        "regression", np.zeros(6), seed=0, sealed_rows=np.array([2, 5]), valid_rows=np.array([1])
    )
    assert shared_rows(table, split) == 0
    assert shared_rows(table, split, columns=["x"]) == 1


def test_many_groups_are_quick():
    n = 200_000
    split = make_split("regression", np.zeros(n), seed=0, groups=np.arange(n) // 4)
    check(split, n)
    assert abs(len(split.sealed) - n / 5) <= 4
