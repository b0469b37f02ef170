"""Labels beside each other, ticks in plain numbers, limits that one run-away value does not decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.report.labels import spread
from goodfit.report.scales import decimal, limits
from goodfit.report.text import fitted, number, plain, shorten, wrapped


@given(st.lists(st.tuples(st.floats(-50, 150), st.floats(1, 9)), min_size=1, max_size=11))
def test_spread_labels_keep_their_order_and_do_not_overlap(labels):
    wanted, sizes = np.array(labels).T
    centres = spread(wanted, sizes, 0, 100)
    order = np.argsort(wanted, kind="stable")
    gaps = np.diff(centres[order]) - (sizes[order][1:] + sizes[order][:-1]) / 2
    assert (gaps > -1e-9).all()
    assert (centres - sizes / 2 > -1e-9).all()
    assert (centres + sizes / 2 < 100 + 1e-9).all()


def test_labels_with_room_stay_where_they_are():
    assert spread([10.0, 50.0, 30.0], [5, 5, 5], 0, 100).tolist() == [10.0, 50.0, 30.0]
    assert spread([50.0, 50.0], [10, 10], 0, 100).tolist() == [45.0, 55.0]
    assert spread([], [], 0, 1).tolist() == []


def test_too_many_labels_stand_around_the_middle():
    centres = spread([0.0] * 5, [10] * 5, 0, 20)
    assert np.diff(centres).tolist() == [10] * 4
    assert centres.mean() == 10


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001, "0.001"),
        (0.0316, "0.032"),
        (16, "16"),
        (128, "128"),
        (20000, "20,000"),
        (1e-6, "10⁻⁶"),
        (3e7, "3·10⁷"),
    ],
)
def test_ticks_are_plain_numbers(value, text):
    assert decimal(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.5, "−0.5"), (1234, "1,230"), (1.37e-8, "1.37·10⁻⁸"), (-1e-7, "−10⁻⁷"), (np.nan, "n/a")],
)
def test_numbers_have_three_telling_digits(value, text):
    assert number(value) == text


def test_limits_show_the_medians_whatever_one_seed_does():
    medians = [np.linspace(2.3, 0.1, 100)]
    low, high = limits([*medians, np.array([1e9, np.inf, np.nan])], medians, log=False)
    assert low < 0.1
    assert 2.3 < high < 4
    assert limits([np.array([np.nan])], [np.empty(0)], log=True) is None
    low, high = limits([np.array([3.0])], [np.array([3.0])], log=False)
    assert low < 3 < high


def test_long_and_strange_texts_are_cut_to_their_place():
    assert shorten("abcdef", 4) == "abc…"
    assert wrapped("a long name of a column", 8, 2).count("\n") == 1
    assert max(map(len, fitted("x" * 500, 2.0, 8.0).split("\n"))) <= 33
    assert plain("a\nb\tc\x00d") == "a b c�d"
