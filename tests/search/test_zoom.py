"""The zoom narrows, widens, drops and takes back where the evidence says so, and nowhere else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.search.region import Region
from goodfit.search.space import Range, Space, choice, integer, log_uniform, uniform
from goodfit.search.zoom import BEYOND, NARROWEST, TRIED, Outcome, good_ones, zoom

LOG = Range(1e-4, 1e-1, log=True, floor=1e-8, ceiling=10.0)
ONE = Region.whole(Space({"lr": LOG}))


def rng(seed=0):
    return np.random.default_rng(seed)


def ranked(points, cost):
    """Outcomes of points, the one of the lowest cost first."""
    order = sorted(points, key=cost)
    return [Outcome(p, float(i)) for i, p in enumerate(order)]


def far_from(best, path="lr"):
    return lambda point: abs(math.log(point[path]) - math.log(best))


def grid(count=24, box=LOG):
    return [{"lr": box.at((i + 0.5) / count)} for i in range(count)]


def test_a_range_narrows_around_the_good_region():
    after, moves = zoom(ONE, ranked(grid(), far_from(3e-3)))
    assert LOG.low < after.ranges["lr"].low < 3e-3 < after.ranges["lr"].high < LOG.high
    (move,) = moves
    assert move.narrowed
    assert not move.widened
    assert str(move) == f"lr: {LOG} → {after.ranges['lr']}, narrowed"


def test_the_good_results_stay_inside():
    outcomes = ranked(grid(), far_from(3e-3))
    after, _ = zoom(ONE, outcomes)
    for one in outcomes[: good_ones(len(outcomes))]:
        assert after.ranges["lr"].low <= one.point["lr"] <= after.ranges["lr"].high


def test_a_range_narrows_to_no_less_than_a_share_at_once():
    box = log_uniform(1e-4, 1e-1)  # nothing to widen into
    points = [{"lr": box.at(0.001 * i)} for i in range(10)] + grid(30)
    after, _ = zoom(Region.whole(Space({"lr": box})), ranked(points, far_from(box.low)))
    assert after.ranges["lr"].low == pytest.approx(box.low)
    assert box.share(after.ranges["lr"].high) == pytest.approx(NARROWEST)


def test_results_beyond_the_good_ones_that_are_no_worse_than_the_others_are_not_cut_off():
    few = {10: 0.05, 14: 0.1, 18: 0.15}  # by rank; Mann and Whitney: p = 0.27
    outcomes = [Outcome({"lr": LOG.at(few.get(i, 0.35 + 0.025 * i))}, float(i)) for i in range(24)]
    after, _ = zoom(ONE, outcomes)
    assert after.ranges["lr"].low == pytest.approx(LOG.low)
    worst = [Outcome(o.point, o.rank + 50 * (i in few)) for i, o in enumerate(outcomes)]
    after, _ = zoom(ONE, worst)
    assert after.ranges["lr"].low > LOG.at(0.15)


def test_a_value_that_does_not_matter_is_mostly_left_alone():
    """0.05 on each side, made rarer by the results needed beyond it: about one in twenty was measured."""
    space = Space({"lr": LOG, "noise": uniform(0.0, 1.0)})
    narrowed = 0
    for seed in range(150):
        region, generator = Region.whole(space), rng(seed)
        points = region.draw((), 24, generator)
        _, moves = zoom(region, ranked(points, far_from(3e-3)))
        narrowed += any(m.path == "noise" for m in moves)
    assert narrowed <= 20


@pytest.mark.parametrize(("best", "side"), [(1.0, "high"), (1e-7, "low")])
def test_a_range_widens_at_the_side_where_the_winner_stands(best, side):
    after, (move,) = zoom(ONE, ranked(grid(), far_from(best)))
    box = after.ranges["lr"]
    assert move.widened == side
    assert f"widened {side}" in str(move)
    assert (box.high > LOG.high) if side == "high" else (box.low < LOG.low)
    assert (box.low >= LOG.low) if side == "high" else (box.high <= LOG.high)


def test_a_winner_in_the_middle_widens_nothing():
    _, moves = zoom(ONE, ranked(grid(), far_from(LOG.at(0.5))))
    assert not any(m.widened for m in moves)


@given(st.integers(0, 500), st.floats(-18, 4), st.floats(0, 2), st.floats(0, 2))
@settings(max_examples=50)
def test_no_side_passes_its_hard_limit(seed, best, below, above):
    box = Range(1e-4, 1e-1, log=True, floor=1e-4 * 0.1**below, ceiling=0.1 * 10**above)
    region, generator, points = Region.whole(Space({"lr": box})), rng(seed), []
    for _ in range(6):
        points += region.draw((), 8, generator)
        region, _ = zoom(region, ranked(points, far_from(math.exp(best))))
        assert box.limits[0] <= region.ranges["lr"].low <= region.ranges["lr"].high <= box.limits[1]
        assert region.ranges["lr"].limits == box.limits


def test_a_range_without_room_is_not_widened():
    region = Region.whole(Space({"lr": log_uniform(1e-4, 1e-1)}))
    after, moves = zoom(region, ranked(grid(), far_from(10.0)))
    assert after.ranges["lr"].high == 1e-1
    assert not any(m.widened for m in moves)


@pytest.mark.parametrize("seed", range(4))
def test_a_best_value_far_outside_the_first_range_is_reached(seed):
    box = Range(1e-6, 1e-2, log=True, floor=1e-9, ceiling=100.0)  # the book's range for 5a
    region, generator, found = Region.whole(Space({"lr": box})), rng(seed), []
    for _ in range(6):
        found += region.draw((), 20, generator)
        region, _ = zoom(region, ranked(found, far_from(0.1)))
    assert region.ranges["lr"].low < 0.1 < region.ranges["lr"].high


def test_a_range_is_left_alone_until_enough_is_known():
    for count in (0, 1, 2 * BEYOND - 1):
        assert zoom(ONE, ranked(grid(count), far_from(10.0))) == (ONE, [])
    assert zoom(ONE, ranked(grid(2 * BEYOND), far_from(10.0)))[1]


def test_a_fixed_value_never_moves():
    region = Region.whole(Space({"lr": Range(0.1, 0.1, log=True, floor=1e-9, ceiling=9.0)}))
    assert zoom(region, ranked([{"lr": 0.1}] * 20, lambda p: 0))[1] == []


@given(st.integers(0, 500))
@settings(max_examples=30)
def test_the_order_of_the_outcomes_does_not_matter(seed):
    space = Space(
        {
            "a": choice({"x": {"lr": LOG}, "y": {}}),
            "b": choice(1, 2, 3),
            "n": integer(1, 9, floor=1, ceiling=99),
        }
    )
    region, generator = Region.whole(space), rng(seed)
    points = [p for s in space.structures() for p in region.draw(s, 8, generator)]
    outcomes = [Outcome(p, float(generator.integers(5))) for p in points]  # with many ties
    shuffled = [outcomes[i] for i in generator.permutation(len(outcomes))]
    assert zoom(region, outcomes) == zoom(region, shuffled)


# --- whole numbers


@pytest.mark.parametrize(("low", "high"), [(1, 2), (1, 3), (2, 9), (1, 40)])
@pytest.mark.parametrize("side", ["low", "high"])
def test_whole_numbers_widen_when_the_last_one_wins(low, high, side):
    region = Region.whole(Space({"n": integer(low, high, floor=0, ceiling=200)}))
    points = region.draw((), 40, rng())
    after, moves = zoom(region, ranked(points, lambda p: p["n"] if side == "low" else -p["n"]))
    assert moves[0].widened == side
    box = after.ranges["n"]
    assert box.low < low if side == "low" else box.high > high


def test_whole_numbers_whose_middle_wins_do_not_widen():
    region = Region.whole(Space({"n": integer(1, 3, floor=0, ceiling=200)}))
    points = region.draw((), 40, rng())
    _, moves = zoom(region, ranked(points, lambda p: abs(p["n"] - 2)))
    assert not any(m.widened for m in moves)


def test_widening_at_one_side_leaves_the_other_end_of_whole_numbers_where_it_is():
    region = Region.whole(Space({"n": integer(1, 8, floor=0, ceiling=200)}))
    points = [{"n": n} for n in (8, 8, 1, 4, 2, 7, 3, 6)]
    after, _ = zoom(region, [Outcome(p, float(i)) for i, p in enumerate(points)])
    assert (after.ranges["n"].low, after.ranges["n"].high > 8) == (1, True)


def test_whole_numbers_narrowed_to_one_widen_again_when_another_wins():
    space = Space({"n": integer(1, 8, floor=1, ceiling=64)})
    one = Region.whole(space).with_range("n", integer(2, 2, floor=1, ceiling=64))
    outcomes = ranked([{"n": 2}] * 20 + [{"n": 7}], lambda p: -p["n"])
    after, moves = zoom(one, outcomes)
    assert after.ranges["n"].high > 2
    assert moves[0].widened == "high"


@given(st.integers(1, 6), st.integers(0, 500))
@settings(max_examples=50)
def test_a_move_of_whole_numbers_always_changes_something(width, seed):
    region, generator = Region.whole(Space({"n": integer(1, 1 + width, floor=1, ceiling=40)})), rng(seed)
    points = region.draw((), 30, generator)
    best = generator.integers(1, 2 + width)
    _, moves = zoom(region, ranked(points, lambda p: abs(p["n"] - best)))
    assert all((m.before.low, m.before.high) != (m.after.low, m.after.high) for m in moves)


# --- options

CHOICE = Region.whole(Space({"a": choice("x", "y", "z")}))


def of_options(*numbers):
    """Outcomes of these options, the best first."""
    return [Outcome({"a": n}, float(i)) for i, n in enumerate(numbers)]


def test_an_option_that_is_clearly_worse_is_dropped():
    after, (move,) = zoom(CHOICE, of_options(*[0, 1] * 10, *[2] * 10))
    assert after.options["a"] == (0, 1)
    assert str(move) == "a: x | y | z → x | y, narrowed"


def test_an_option_with_too_few_results_is_kept():
    assert TRIED == 6
    after, _ = zoom(CHOICE, of_options(*[0, 1] * 20, *[2] * (TRIED - 1)))
    assert after.options["a"] == (0, 1, 2)
    after, _ = zoom(CHOICE, of_options(*[0, 1] * 20, *[2] * TRIED))
    assert after.options["a"] == (0, 1)


def test_an_option_among_the_good_is_kept_however_it_does_elsewhere():
    after, _ = zoom(CHOICE, of_options(0, 2, *[0, 1] * 20, *[2] * 10))
    assert after.options["a"] == (0, 1, 2)


def test_an_option_never_tried_is_kept():
    after, _ = zoom(CHOICE, of_options(*[0] * 20, *[1] * 20))
    assert after.options["a"] == (0, 2)


def test_a_dropped_option_comes_back_when_it_is_among_the_good_again():
    worse = [*[0, 1] * 10, *[2] * 10]
    dropped, _ = zoom(CHOICE, of_options(*worse))
    after, (move,) = zoom(dropped, of_options(2, *worse))
    assert after.options["a"] == (0, 1, 2)
    assert str(move) == "a: x | y → x | y | z, widened again"


def test_options_that_do_not_matter_are_hardly_ever_dropped():
    dropped = 0
    for seed in range(200):
        after, _ = zoom(CHOICE, of_options(*rng(seed).integers(3, size=45)))
        dropped += after.options["a"] != (0, 1, 2)
    assert dropped <= 6


def test_an_option_is_judged_only_where_its_choice_exists():
    space = Space({"a": choice({"x": {"b": choice(1, 2)}, "y": {}})})
    good = [{"a": 0, "a.x.b": i % 2} for i in range(20)]
    bad = [{"a": 1}] * 10
    outcomes = [Outcome(p, float(i)) for i, p in enumerate(good + bad)]
    after, _ = zoom(Region.whole(space), outcomes)
    assert after.options == {"a": (0,), "a.x.b": (0, 1)}
