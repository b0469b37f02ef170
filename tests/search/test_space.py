"""Ranges, choices and the tree they stand in: draws, structures, names."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.errors import InputError
from goodfit.search.region import Region
from goodfit.search.space import (
    Choice,
    Range,
    Space,
    choice,
    integer,
    log_uniform,
    option_text,
    uniform,
)

OPTIMIZERS = choice(
    {
        "Momentum": {"lr": log_uniform(1e-3, 0.3), "momentum": uniform(0.8, 0.97)},
        "Adam": {"lr": log_uniform(3e-4, 0.02), "schedule": choice("Cosine", "StepDecay", None)},
    }
)
TREE = Space({"hidden": choice((64, 64), (128,)), "optimizer": OPTIMIZERS, "batch_size": 64})

ranges = st.one_of(
    st.builds(uniform, st.floats(-5, 0), st.floats(0.01, 9)),
    st.builds(log_uniform, st.floats(1e-9, 1e-3), st.floats(1e-2, 1e3)),
    st.builds(integer, st.integers(1, 4), st.integers(5, 300), log=st.booleans()),
)


def trees(depth=3):
    """Trees of ranges, fixed values and choices, up to ``depth`` choices above each other."""
    names = st.sampled_from("abcd")
    leaf = st.one_of(ranges, st.integers(0, 3))
    if depth == 0:
        return st.dictionaries(names, leaf, max_size=2)
    options = st.dictionaries(
        st.sampled_from(["x", "y", "z.5", None, 2]), trees(depth - 1), min_size=1, max_size=3
    )
    return st.dictionaries(names, st.one_of(leaf, options.map(choice)), max_size=3)


spaces = trees().filter(bool).map(Space).filter(lambda s: s.size() < 300)


# --- ranges


@given(st.floats(0, 1), st.floats(1e-6, 1.0), st.floats(1.001, 1e4), st.booleans())
def test_share_undoes_at(share, low, factor, log):
    box = Range(low, low * factor, log=log, floor=low / 10, ceiling=low * factor * 10)
    assert box.low <= box.at(share) <= box.high
    assert box.share(box.at(share)) == pytest.approx(share, abs=1e-6)


@given(st.integers(1, 50), st.integers(0, 50), st.booleans(), st.data())
def test_at_undoes_share_for_whole_numbers(low, width, log, data):
    box = integer(low, low + width, log=log, floor=0, ceiling=200)
    value = data.draw(st.integers(low, low + width))
    assert box.at(box.share(value)) == value


@given(st.integers(1, 50), st.integers(1, 40))
def test_whole_numbers_are_drawn_evenly_with_both_ends(low, width):
    box = integer(low, low + width, floor=0, ceiling=1000)
    each = 50
    count = each * (width + 1)
    found = Counter(box.at((i + 0.5) / count) for i in range(count))
    assert sorted(found) == list(range(low, low + width + 1))
    assert all(n == each for n in found.values())


@given(st.integers(1, 50), st.integers(0, 40), st.booleans())
def test_the_ends_of_whole_numbers_are_their_shares_0_and_1(low, width, log):
    box = integer(low, low + width, log=log, floor=0, ceiling=1000)
    assert (box.at(0.0), box.at(1.0)) == (low, low + width)


@given(ranges, st.floats(-50, 50), st.floats(0, 50), st.floats(0, 3), st.floats(0, 3))
def test_between_never_leaves_the_hard_limits(box, low, width, below, above):
    floor = box.low * (0.5**below) if box.low > 0 else box.low - below
    floor, ceiling = (
        (math.floor(floor), box.high + math.ceil(above)) if box.whole else (floor, box.high + above)
    )
    box = Range(box.low, box.high, box.log, box.whole, floor, ceiling)
    moved = box.between(low, low + width)
    assert floor <= moved.low <= moved.high <= ceiling
    assert moved.limits == (floor, ceiling)
    assert (moved.log, moved.whole) == (box.log, box.whole)


def test_widening_stops_at_hard_limits():
    wide = Range(0.05, 0.4, floor=0.01, ceiling=0.9).between(-5.0, 5.0)
    assert (wide.low, wide.high) == (0.01, 0.9)
    assert uniform(0.05, 0.4).between(-5.0, 5.0) == uniform(0.05, 0.4, floor=0.05, ceiling=0.4)


@pytest.mark.parametrize("share", [-1e6, 1e6])
def test_a_log_range_widened_without_end_stays_positive_and_finite(share):
    box = log_uniform(1e-3, 1.0, floor=0.0, ceiling=math.inf)
    assert 0 < box.at(share) < math.inf
    assert box.between(-1e6, 1e6).low > 0


@pytest.mark.parametrize(
    "bad",
    [
        {"low": 2.0, "high": 1.0},
        {"low": 0.0, "high": 1.0, "log": True},
        {"low": 0.0, "high": math.inf},
        {"low": 0.0, "high": 1.0, "floor": 0.1},
        {"low": 0.0, "high": 1.0, "ceiling": 0.9},
    ],
)
def test_impossible_ranges_are_refused(bad):
    with pytest.raises(InputError, match="floor <= low <= high"):
        Range(**bad)


@pytest.mark.parametrize("bad", [{"low": math.nan}, {"high": "1"}, {"floor": "0"}, {"ceiling": math.nan}])
def test_ends_and_limits_are_numbers(bad):
    with pytest.raises(InputError, match="The ends and limits of a range must be numbers, got"):
        Range(**{"low": 0.0, "high": 1.0} | bad)


@pytest.mark.parametrize("bad", [{"low": 0.5}, {"high": 2.5}, {"floor": 0.5}, {"ceiling": 3.5}])
def test_ends_and_limits_of_whole_numbers_are_whole(bad):
    with pytest.raises(InputError, match="whole numbers must be whole"):
        Range(**{"low": 1, "high": 3, "whole": True} | bad)


@pytest.mark.parametrize(
    ("box", "text"),
    [(uniform(0, 0.5), "0 … 0.5"), (log_uniform(1e-4, 1), "0.0001 … 1 (log)"), (integer(1, 9), "1 … 9")],
)
def test_ranges_read_as_text(box, text):
    assert str(box) == text


# --- choices


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ((64, 32), "64x32"),
        ((), "linear"),
        (True, "on"),
        (False, "off"),
        (None, "none"),
        (0.5, "0.5"),
        ("relu", "relu"),
    ],
)
def test_options_have_names(option, text):
    assert option_text(option) == text


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ((), "at least one option"),
        (({},), "at least one option"),
        ((16, 32, 16), "'16' twice"),
        ((None, "none"), "'none' twice"),
        ((uniform(0, 1), 3), "must be a value, got Range.*stands by name under an option"),
        ((choice(1, 2), 3), "must be a value, got Choice"),
        (({"Adam": 0.1},), "What stands under the option 'Adam' must be a mapping of names"),
        (({"Adam": uniform(0, 1)},), "What stands under the option 'Adam' must be a mapping"),
    ],
)
def test_impossible_choices_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        choice(*options)


# --- spaces


@given(spaces)
@settings(max_examples=200)
def test_size_counts_the_structures(space):
    found = list(space.structures())
    assert space.size() == len(found) == len(set(found))


@given(spaces)
def test_every_structure_has_a_point_that_gives_it_back(space):
    for structure in space.structures():
        point = space.middle(structure)
        assert space.structure_of(point) == structure
        assert set(point) == {
            path for path in (*space.choices, *space.ranges) if space.exists(path, structure)
        }
        assert space.structure_with(dict(structure)) == structure
        values = space.values(point)
        assert all(values[p] == space.choices[p].options[n] for p, n in structure)
        assert all(isinstance(values[p], int) for p in space.ranges_of(structure) if space.ranges[p].whole)


@given(spaces)
def test_variations_show_every_option_in_a_structure_that_exists(space):
    found = list(space.variations())
    assert set(found) <= set(space.structures())
    shown = {pair for structure in found for pair in structure}
    assert shown == {(path, i) for path, node in space.choices.items() for i in range(len(node.options))}


@given(spaces)
def test_replacing_a_place_by_itself_changes_nothing_and_by_a_value_that_place_alone(space):
    for path, node in {**space.ranges, **space.choices}.items():
        assert space.replace(path, node).size() == space.size()
        fixed = space.replace(path, 7)
        assert fixed.choices[path].options == (7,)
        assert {p for p in fixed.ranges if not p.startswith(path)} == {
            p for p in space.ranges if not p.startswith(path)
        }


def test_places_stand_under_the_option_they_belong_to():
    assert list(TREE.ranges) == ["optimizer.Momentum.lr", "optimizer.Momentum.momentum", "optimizer.Adam.lr"]
    momentum = TREE.structure_with({"optimizer": 0})
    adam = TREE.structure_with({"optimizer": 1, "optimizer.Adam.schedule": 2})
    assert TREE.ranges_of(momentum) == ("optimizer.Momentum.lr", "optimizer.Momentum.momentum")
    assert TREE.ranges_of(adam) == ("optimizer.Adam.lr",)
    assert TREE.values(TREE.middle(adam)) == {
        "hidden": (64, 64),
        "optimizer": "Adam",
        "optimizer.Adam.schedule": None,
        "batch_size": 64,
        "optimizer.Adam.lr": pytest.approx(math.sqrt(3e-4 * 0.02)),
    }
    assert TREE.size() == 2 * (1 + 3)


def test_structures_begin_with_the_first_options():
    assert all(number == 0 for _, number in next(TREE.structures()))


def test_structures_read_as_text():
    space = Space(
        {
            "batch_norm": choice(False, True),
            "dropout": choice({"Dropout": {}, None: {}}),
            "init": choice("auto"),
            "activation": choice("leaky_relu", "tanh"),
        }
    )
    texts = [space.text(s) for s in space.structures()]
    assert texts[0] == "no batch norm, Dropout, leaky relu"
    assert texts[-1] == "batch norm, no dropout, tanh"
    one = Space({"lr": uniform(0, 1)})
    assert one.text(next(one.structures())) == "the one structure"


def test_a_space_reads_as_text():
    assert str(TREE).splitlines() == [
        "hidden: 64x64 | 128",
        "optimizer: Momentum | Adam",
        "  Momentum:",
        "    lr: 0.001 … 0.3 (log)",
        "    momentum: 0.8 … 0.97",
        "  Adam:",
        "    lr: 0.0003 … 0.02 (log)",
        "    schedule: Cosine | StepDecay | none",
        "batch_size: 64",
    ]


@pytest.mark.parametrize("tree", [{}, [], None, "lr"])
def test_a_space_is_a_mapping_with_something_in_it(tree):
    with pytest.raises(InputError, match="non-empty mapping of names to ranges, choices or values"):
        Space(tree)


@pytest.mark.parametrize("name", ["", "a.b", 3, None])
def test_names_are_texts_without_a_dot_wherever_they_stand(name):
    for tree in ({name: 1}, {"optimizer": Choice(("Adam",), ({name: uniform(0, 1)},))}):
        with pytest.raises(InputError, match="non-empty text without a dot") as error:
            Space(tree)
        assert repr(name) in str(error.value)


def test_a_wrong_path_is_told_the_nearest():
    with pytest.raises(InputError, match=r"no 'optimizer.Adam.l' \(did you mean 'optimizer.Adam.lr'\?\)"):
        TREE.replace("optimizer.Adam.l", 3)


# --- points of another space


@given(spaces, st.integers(0, 2**32))
def test_a_point_carries_to_an_equal_space_and_values_stay(space, seed):
    twin = Space(space.tree)
    for point in Region.whole(space).sample(3, np.random.default_rng(seed)):
        carried = twin.carry(point, space)
        assert carried == point
        assert twin.values(carried) == space.values(point)


def test_options_carry_by_name_and_ranges_by_value():
    other = TREE.replace("hidden", choice((32,), (64, 64))).replace(
        "optimizer.Adam.lr", log_uniform(0.1, 0.2)
    )
    point = {
        "hidden": 0,
        "optimizer": 1,
        "batch_size": 0,
        "optimizer.Adam.schedule": 2,
        "optimizer.Adam.lr": 0.001,
    }
    carried = other.carry(point, TREE)
    assert carried is not None
    assert other.values(carried) == TREE.values(point)
    assert carried["hidden"] == 1


@pytest.mark.parametrize(
    "other",
    [
        TREE.replace("hidden", choice((128,))),
        TREE.replace("batch_size", 32),
        Space({k: v for k, v in TREE.tree.items() if k != "batch_size"}),
        Space({**TREE.tree, "dropout": uniform(0.0, 0.5)}),
    ],
)
def test_a_point_with_no_place_in_the_space_does_not_carry(other):
    point = TREE.middle(TREE.structure_with({}))
    assert other.carry(point, TREE) is None
