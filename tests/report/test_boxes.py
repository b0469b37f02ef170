"""The figure of a search's ranges: what stands where, on awkward input too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from goodfit.report.figures import BoxRound, boxes, save


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def rounds(*ends, draws=6):
    rng = np.random.default_rng(0)
    return [
        BoxRound(low, high, rng.uniform(low, high, draws), np.linspace(0, 1, draws), harvest=i == 1)
        for i, (low, high) in enumerate(ends)
    ]


def test_each_round_has_its_box_and_its_draws_in_its_own_row():
    found = rounds((0.1, 0.9), (0.2, 0.5), (0.2, 0.4))
    figure = boxes({"dropout": found}, best=(2, {"dropout": 0.3}))
    ax = figure.axes[0]
    spans = [(box.get_x(), box.get_x() + box.get_width()) for box in ax.patches]
    assert spans == [pytest.approx((one.low, one.high)) for one in found]
    for number, one in enumerate(found, start=1):
        drawn = ax.collections[2 * (number - 1)].get_offsets()
        assert set(drawn[:, 1]) == {number}
        assert sorted(drawn[:, 0]) == pytest.approx(sorted(one.values))
    star = next(line for line in ax.lines if line.get_marker() == "*")
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (0.3, 3)
    low, high = ax.get_ylim()
    assert low > high  # the first round is on top


def test_diverged_draws_have_a_mark_of_their_own():
    one = BoxRound(1e-3, 10.0, np.array([0.01, 0.1, 9.0]), np.array([0.3, 1.0, np.nan]))
    ax = boxes({"lr": [one]}, logs=["lr"]).axes[0]
    assert ax.get_xscale() == "log"
    assert [len(marks.get_offsets()) for marks in ax.collections] == [2, 1]


def test_ranges_not_searched_empty_rounds_and_strange_names_are_drawn(tmp_path):
    absent = BoxRound(np.nan, np.nan, np.empty(0), np.empty(0))
    places = {
        "$a_1$" * 30: [absent, *rounds((0.0, 1.0))],
        "長い名前": [absent, absent],
        "c": rounds((1, 1), (2, 3)),
    }
    for path in save(boxes(places), tmp_path, "boxes"):
        assert path.stat().st_size > 3000


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 40])
def test_rounds_are_whole_numbers_on_the_axis(count):
    figure = boxes({"dropout": rounds(*[(0.1, 0.9)] * count)})
    figure.draw_without_rendering()
    shown = [tick for tick in figure.axes[0].get_yticks() if 0.4 <= tick <= count + 0.6]
    assert shown
    assert all(float(tick).is_integer() for tick in shown)
