"""Ranges, draws, budgets and moving boxes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.errors import InputError
from goodfit.search.budget import Budget, parse_budget
from goodfit.search.space import DEFAULT_BOXES, Range, Space, Structure, default_space
from goodfit.search.zoom import Outcome, zoom

LOG = Range(1e-4, 1e-1, log=True, floor=1e-8, ceiling=10.0)


def rng(seed=0):
    return np.random.Generator(np.random.Philox(key=[seed, 0]))


@given(st.floats(0, 1), st.floats(1e-6, 1.0), st.floats(1.001, 1e4), st.booleans())
def test_share_undoes_at(share, low, factor, log):
    box = Range(low, low * factor, log=log)
    assert box.low * (1 - 1e-9) <= box.at(share) <= box.high * (1 + 1e-9)
    assert box.share(box.at(share)) == pytest.approx(share, abs=1e-6)


def test_widening_stops_at_hard_limits():
    box = Range(0.05, 0.4, floor=0.01, ceiling=0.9)
    wide = box.between(-5.0, 5.0)
    assert (wide.low, wide.high) == (0.01, 0.9)


@pytest.mark.parametrize("bad", [(2.0, 1.0, False), (0.0, 1.0, True), (-1.0, 1.0, False)])
def test_impossible_ranges_are_refused(bad):
    with pytest.raises(InputError, match="floor <= low <= high"):
        Range(bad[0], bad[1], log=bad[2])


@given(st.integers(0, 1000), st.integers(1, 40))
def test_draws_use_every_stratum_once(seed, count):
    space = default_space("classification", 5000, 20)
    structure = Structure(optimizer="Momentum", dropout=True)
    draws = space.draw(structure, count, rng(seed))
    for name in structure.ranges():
        shares = sorted(space.boxes[name].share(d[name]) for d in draws)
        assert [int(s * count + 1e-9) for s in shares] == pytest.approx(list(range(count)), abs=1e-6)
    for values in draws:
        structure.recipe(values)  # every draw is a valid recipe


@given(st.integers(0, 500), st.integers(1, 30))
def test_a_spread_holds_different_structures_and_begins_with_the_likeliest(seed, count):
    space = default_space("classification", 5000, 20)
    found = space.spread(count, rng(seed))
    assert len(set(found)) == len(found) == min(count, space.size())
    assert found[0] == next(space.structures())


def test_neighbours_differ_in_one_choice():
    space = default_space("classification", 5000, 20)
    start = next(space.structures())
    for seed in range(20):
        near = space.neighbour(start, rng(seed))
        assert sum(getattr(near, n) != getattr(start, n) for n in space.choices) == 1


@pytest.mark.parametrize("rows", [100, 1000, 20_000, 300_000])
@pytest.mark.parametrize("columns", [4, 784])
def test_default_spaces_respect_the_largest_network(rows, columns):
    space = default_space("regression", rows, columns, largest=40_000)
    assert space.size() >= 4
    assert space.boxes["label_smoothing"].high == 0.0  # means nothing for numbers


def test_unknown_choices_are_refused():
    with pytest.raises(InputError, match="no choice 'depth'"):
        Space({"depth": (1, 2)})


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("45s", Budget(seconds=45)),
        ("2min", Budget(seconds=120)),
        ("1h", Budget(seconds=3600)),
        ("1.5 min", Budget(seconds=90)),
        ("24 members", Budget(members=24)),
        ("50_000 steps", Budget(steps=50_000)),
    ],
)
def test_budgets(text, budget):
    assert parse_budget(text) == budget
    assert parse_budget(str(budget)) == budget


@pytest.mark.parametrize("text", ["", "soon", "0s", "-3s", "2.5 members", "10", "5 parsecs", "1e3s"])
def test_wrong_budgets_name_what_is_allowed(text):
    with pytest.raises(InputError, match="45s, 2min or 1h"):
        parse_budget(text)


def outcomes(best, spread, count=24, name="lr"):
    """Results whose quality falls with the distance of log lr from ``best``."""
    values = np.exp(np.linspace(math.log(LOG.low), math.log(LOG.high), count))
    ranks = np.argsort(np.argsort(np.abs(np.log(values) - math.log(best)) / spread))
    return [Outcome({name: float(v)}, float(r)) for v, r in zip(values, ranks, strict=True)]


def test_zoom_narrows_around_the_good_region():
    boxes, moves = zoom({"lr": LOG}, outcomes(3e-3, 1.0))
    assert LOG.low < boxes["lr"].low < 3e-3 < boxes["lr"].high < LOG.high
    assert moves[0].narrowed
    assert not moves[0].widened


@pytest.mark.parametrize(("best", "side"), [(1.0, "high"), (1e-7, "low")])
def test_zoom_widens_the_side_where_the_winner_stands(best, side):
    boxes, moves = zoom({"lr": LOG}, outcomes(best, 1.0))
    assert moves[0].widened == side
    assert (boxes["lr"].high > LOG.high) if side == "high" else (boxes["lr"].low < LOG.low)


def test_zoom_reaches_a_best_value_far_outside_the_first_box():
    boxes = {"lr": Range(1e-6, 1e-2, log=True, floor=1e-9, ceiling=100.0)}  # the book's box for 5a
    generator = rng(3)
    found = []
    for _ in range(6):
        values = [boxes["lr"].at(s) for s in generator.random(20)]
        found += values
        ranked = sorted(found, key=lambda v: abs(math.log(v) - math.log(0.1)))
        boxes, _ = zoom(boxes, [Outcome({"lr": v}, float(i)) for i, v in enumerate(ranked)])
    assert boxes["lr"].low < 0.1 < boxes["lr"].high


def test_zoom_leaves_a_box_alone_until_enough_is_known():
    boxes, moves = zoom({"lr": LOG}, outcomes(3e-3, 1.0, count=4))
    assert (boxes["lr"], moves) == (LOG, [])


def test_default_boxes_are_sound():
    for box in DEFAULT_BOXES.values():
        assert box.floor <= box.low <= box.high <= box.ceiling
