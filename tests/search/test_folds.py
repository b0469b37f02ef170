"""Folds: no row on both sides, classes in their shares, groups whole, the future never trained on."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit

from goodfit.errors import InputError
from goodfit.search.folds import make_folds


def classes(rows=120, seed=0):
    return np.random.default_rng(seed).choice(3, rows, p=[0.6, 0.3, 0.1]).astype(np.int32)


def numbers(rows=120, seed=0):
    return np.random.default_rng(seed).normal(size=rows)


def judged(folds):
    return np.sort(np.concatenate([f.valid for f in folds]))


@given(st.integers(2, 6), st.integers(30, 80), st.integers(0, 100), st.integers(1, 3), st.booleans())
@settings(max_examples=40)
def test_every_row_is_judged_once_a_repeat_and_trained_on_in_the_other_folds(cv, rows, seed, repeats, whole):
    y = np.arange(rows) % 3 if whole else numbers(rows, seed)
    folds = make_folds(cv, y, seed=seed, repeats=repeats)
    assert len(folds) == cv * repeats
    for fold in folds:
        assert fold.train.dtype == fold.valid.dtype == np.int32
        assert sorted([*fold.train, *fold.valid]) == list(range(rows))
    for i in range(repeats):
        np.testing.assert_array_equal(judged(folds[i * cv : (i + 1) * cv]), np.arange(rows))


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool])
def test_folds_keep_the_shares_of_the_classes(dtype):
    y = (classes() > 1).astype(dtype)
    for fold in make_folds(5, y):
        assert abs((y[fold.valid] == 1).sum() - (y == 1).sum() / 5) <= 1


def test_numbers_are_shuffled_not_cut_in_their_order():
    for y in (numbers(), np.stack([numbers(), numbers()], axis=1)):
        assert all(np.diff(np.sort(f.valid)).max() > 1 for f in make_folds(4, y))


@pytest.mark.parametrize("y", [classes(), numbers()], ids=["classes", "numbers"])
def test_groups_are_kept_together(y):
    groups = np.random.default_rng(1).permutation(np.repeat(np.arange(30), 4))
    folds = make_folds(4, y, groups=groups)
    np.testing.assert_array_equal(judged(folds), np.arange(120))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.valid])


def test_grouped_folds_of_classes_keep_their_shares():
    y = classes(600)
    groups = np.random.default_rng(1).permutation(np.repeat(np.arange(150), 4))
    for fold in make_folds(3, y, groups=groups):
        np.testing.assert_allclose((y[fold.valid] == 2).mean(), (y == 2).mean(), atol=0.02)


@given(st.integers(0, 100), st.integers(1, 60), st.integers(2, 5))
@settings(max_examples=40)
def test_folds_in_time_train_on_the_past_alone(seed, different, cv):
    times = np.random.default_rng(seed).integers(different, size=60)
    try:
        folds = make_folds(cv, numbers(60), times=times)
    except InputError:
        assert different < 20  # so many equal times that no row lies before the first cut
        return
    assert len(folds) == cv
    for fold in folds:
        assert times[fold.train].max() < times[fold.valid].min()
    for before, after in itertools.pairwise(folds):
        assert times[before.valid].max() <= times[after.valid].min()


def test_folds_in_time_follow_dates_whatever_the_order_of_the_rows():
    days = pd.Series(pd.date_range("2020-01-01", periods=60)).sample(frac=1, random_state=0)
    folds = make_folds(3, numbers(60), times=days)
    assert [len(f.valid) for f in folds] == [15, 15, 15]
    assert [len(f.train) for f in folds] == [15, 30, 45]
    for fold in folds:
        assert days.iloc[fold.train].max() < days.iloc[fold.valid].min()


def test_folds_repeat_by_seed():
    def table(seed, repeats=1):
        return [f.valid.tolist() for f in make_folds(3, classes(), seed=seed, repeats=repeats)]

    assert table(3) == table(3)
    assert table(3) != table(4)
    assert table(3, 2)[:3] == table(3)
    assert table(3, 2)[3:] != table(3)


def test_splitters_of_sklearn_are_taken():
    y, groups = numbers(), np.repeat(np.arange(4), 30)
    assert len(make_folds(KFold(4), y)) == 4
    assert len(make_folds(ShuffleSplit(2, random_state=0), y)) == 2
    for i, fold in enumerate(make_folds(LeaveOneGroupOut(), y, groups=groups)):
        assert set(groups[fold.valid]) == {i}


def test_pairs_of_row_numbers_or_masks_are_taken():
    mask = np.arange(10) < 7
    folds = make_folds([([0, 0, 1], [2]), (mask, ~mask), (np.array([5]), pd.Series(~mask))], numbers(10))
    assert [(f.train.tolist(), f.valid.tolist()) for f in folds] == [
        ([0, 0, 1], [2]),
        ([0, 1, 2, 3, 4, 5, 6], [7, 8, 9]),
        ([5], [7, 8, 9]),
    ]
    assert len(make_folds((pair for pair in [([0], [1])]), numbers(10))) == 1


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (([0, 1], [1, 2]), "Fold 1 trains on rows that it is judged by, such as row 1."),
        (([0, 1], []), "Fold 1 has 2 rows to train on and 0 to be judged by."),
        (([], [1]), "Fold 1 has 0 rows to train on and 1 to be judged by."),
        (([0], [2, 2, 3]), "Fold 1 is judged by row 2 more than once."),
        (([0], [10]), "each a list of row numbers from 0 to 9 or a mask of 10 rows: it has row 10."),
        (([0], [-1]), "it has row -1."),
        (([0.5], [1]), "it has something else."),
        (([[0]], [1]), "it has something else."),
        ((np.ones(9, bool), [1]), "it has a mask of the shape (9,)."),
        (([0], [1], [2]), "it has 3 parts."),
        (([0],), "it has 1 parts"),
        (3, "Fold 1 must be a pair (train, valid)"),
        (("ab", [1]), "Fold 1 must be a pair (train, valid)"),
        (([[1], [2, 3]], [1]), "it has lists in lists."),
    ],
)
def test_bad_pairs_are_refused_with_a_sentence(pair, message):
    with pytest.raises(InputError) as error:
        make_folds([([0], [1]), pair], numbers(10))
    assert message in str(error.value)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    ("cv", "told", "message"),
    [
        (1, {}, "cv >= 2 and repeats >= 1, got (1, 1)"),
        (3, {"repeats": 0}, "cv >= 2 and repeats >= 1, got (3, 0)"),
        (True, {}, "cv must be a number of folds >= 2, a splitter, or pairs of row numbers, got True"),
        ("5", {}, "cv must be a number of folds >= 2, a splitter, or pairs of row numbers, got '5'"),
        (2.5, {}, "cv must be a number of folds >= 2"),
        (None, {}, "cv must be a number of folds >= 2"),
        ([], {}, "cv yields no fold"),
        (200, {}, "These 120 rows cannot be split so"),
        (5, {"groups": np.zeros(120)}, "These 120 rows cannot be split so"),
        (5, {"groups": np.arange(7)}, "These 120 rows cannot be split so"),
        (LeaveOneGroupOut(), {}, "These 120 rows cannot be split so"),
        (5, {"times": np.arange(120), "groups": np.arange(120)}, "take no groups and no repeats"),
        (5, {"times": np.arange(120), "repeats": 2}, "take no groups and no repeats"),
        (5, {"times": np.arange(7)}, "times must have one entry a row: 120 rows, got the shape (7,)"),
        (5, {"times": np.arange(130)}, "times must have one entry a row"),
        (5, {"times": np.where(np.arange(120) == 9, np.nan, 1.0)}, "as that of row 9 is"),
        (5, {"times": np.array(["2020", 3] * 60, object)}, "of one kind that can be put in order"),
        (5, {"times": np.zeros(120)}, "Fold 0 has 0 rows to train on"),
    ],
)
def test_impossible_folds_are_refused_with_a_sentence(cv, told, message):
    with pytest.raises(InputError) as error:
        make_folds(cv, numbers(), **told)
    assert message in str(error.value)


def test_too_few_rows_of_every_class_are_refused():
    with pytest.raises(InputError, match="These 6 rows cannot be split so"):
        make_folds(4, np.array([0, 0, 1, 1, 2, 2]))
