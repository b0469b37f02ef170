"""The part of a space that is looked at: even draws, different structures, neighbours."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.network import Network
from goodfit.search.recipes import default_space
from goodfit.search.region import Region, quasi_random
from goodfit.search.space import Space, choice, integer, log_uniform, uniform

SPACE = Space(
    {
        "a": choice(1, 2, 3),
        "b": choice(
            {"x": {"lr": log_uniform(1e-3, 1.0, floor=1e-9, ceiling=10.0)}, "y": {"c": choice(4, 5)}}
        ),
        "n": integer(1, 3, floor=0, ceiling=9),
        "one": uniform(2.0, 2.0, floor=0.0, ceiling=9.0),
    }
)
DEFAULT = default_space("classification", 5000, Network(784, 10))


def rng(seed=0):
    return np.random.Generator(np.random.Philox(key=[seed, 0]))


@given(st.integers(2, 60), st.integers(0, 5), st.integers(0, 1000))
def test_quasi_random_shares_fill_every_axis_evenly(count, dimensions, seed):
    shares = quasi_random(count, dimensions, rng(seed))
    assert shares.shape == (count, dimensions)
    assert ((shares >= 0) & (shares < 1)).all()
    for column in np.sort(shares, axis=0).T:
        gaps = np.diff([*column, column[0] + 1])
        assert gaps.max() < 8 / count + 1e-9


def test_quasi_random_pairs_fill_the_square_more_evenly_than_chance():
    cells = 8

    def filled(draw):
        return np.mean([len(set(map(tuple, (draw(seed) * cells).astype(int)))) for seed in range(20)])

    chance = filled(lambda seed: rng(seed).random((64, 2)))
    assert filled(lambda seed: quasi_random(64, 2, rng(seed))) > chance + 8


@given(st.integers(0, 500), st.integers(0, 20))
def test_draws_lie_within_the_ranges_and_hold_what_exists(seed, count):
    region = Region.whole(SPACE)
    for structure in SPACE.structures():
        points = region.draw(structure, count, rng(seed))
        assert len(points) == count
        for point in points:
            assert SPACE.structure_of(point) == structure
            assert set(point) == set(dict(structure)) | set(SPACE.ranges_of(structure))
            for path in SPACE.ranges_of(structure):
                assert region.ranges[path].low <= point[path] <= region.ranges[path].high


def test_draws_come_from_the_regions_ranges_not_the_spaces():
    region = Region.whole(SPACE).with_range("b.x.lr", log_uniform(2.0, 3.0))
    points = region.draw(SPACE.structure_with({}), 30, rng())
    assert all(2.0 <= p["b.x.lr"] <= 3.0 for p in points)


@given(st.integers(0, 500), st.integers(1, 12))
def test_a_spread_holds_different_structures_and_begins_with_the_likeliest(seed, count):
    found = Region.whole(DEFAULT).structures(count, rng(seed))
    assert len(set(found)) == len(found) == count
    assert found[0] == next(DEFAULT.structures())
    assert set(found) <= set(DEFAULT.structures())


def test_a_spread_takes_each_option_about_equally_often():
    counts = np.zeros(3)
    for seed in range(100):
        for structure in Region.whole(SPACE).structures(4, rng(seed))[1:]:
            counts[dict(structure)["a"]] += 1
    assert counts.min() > 0.2 * counts.sum()


def test_a_spread_ends_where_there_are_no_more_structures():
    found = Region.whole(SPACE).structures(50, rng())
    assert sorted(found) == sorted(SPACE.structures())


def test_dropped_options_are_not_drawn():
    region = Region(SPACE, SPACE.ranges, {**Region.whole(SPACE).options, "a": (1, 2), "b": (1,)})
    found = region.structures(9, rng())
    assert {dict(s)["a"] for s in found} == {1, 2}
    assert all(dict(s)["b"] == 1 for s in found)
    assert all(region.holds(s) for s in found)
    assert not region.holds(SPACE.structure_with({}))
    for seed in range(30):
        assert region.holds(region.neighbour(found[0], rng(seed)))


@given(st.integers(0, 2000))
@settings(max_examples=60)
def test_neighbours_differ_in_one_choice_and_what_stands_under_it(seed):
    for start in SPACE.structures():
        near = Region.whole(SPACE).neighbour(start, rng(seed))
        assert near in set(SPACE.structures())
        both = dict(start).keys() & dict(near).keys()
        assert sum(dict(start)[p] != dict(near)[p] for p in both) == 1


def test_the_only_structure_is_its_own_neighbour():
    space = Space({"a": choice(1), "lr": uniform(0, 1)})
    start = next(space.structures())
    assert Region.whole(space).neighbour(start, rng()) == start


@given(st.integers(0, 2000), st.floats(0, 1))
def test_a_point_close_by_keeps_its_structure_and_its_neighbourhood(seed, share):
    region = Region.whole(SPACE)
    start = SPACE.middle(SPACE.structure_with({})) | {"b.x.lr": SPACE.ranges["b.x.lr"].at(share)}
    near = region.close_to(start, rng(seed), reach=0.1)
    assert SPACE.structure_of(near) == SPACE.structure_of(start)
    box = region.ranges["b.x.lr"]
    assert abs(box.share(near["b.x.lr"]) - share) <= 0.1 + 1e-9
    assert near["one"] == 2.0
    assert near["n"] in {1, 2, 3}


@given(st.integers(0, 2000))
def test_a_point_close_by_stays_within_hard_limits(seed):
    start = {**SPACE.middle(SPACE.structure_with({})), "b.x.lr": 10.0, "n": 9}
    near = Region.whole(SPACE).close_to(start, rng(seed), reach=0.5)
    assert near["b.x.lr"] <= 10.0
    assert near["n"] <= 9


def test_a_region_reads_as_json():
    found = Region.whole(SPACE).to_json()
    assert found["ranges"]["b.x.lr"] == [1e-3, 1.0]
    assert found["options"]["b"] == ["x", "y"]
    assert found["options"]["a"] == ["1", "2", "3"]
