"""Where points come from: a spread at first, then what was good, its neighbours, and the full space."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

from goodfit.search.region import Region
from goodfit.search.sampler import Ask, Zoom
from goodfit.search.space import Space, choice, log_uniform
from goodfit.search.trial import Trial

SPACE = Space(
    {
        "activation": choice("relu", "silu", "tanh"),
        "batch_norm": choice(False, True),
        "optimizer": choice(
            {
                "Adam": {"lr": log_uniform(1e-4, 1e-1, floor=1e-6, ceiling=1.0)},
                "Momentum": {"lr": log_uniform(1e-3, 1.0, floor=1e-6, ceiling=1.0)},
            }
        ),
    }
)
ASK = Ask(round=0, each=8, structures=4, new_structures=4, seed=3)


def cost(space, point):
    """Adam around 0.01 is best, tanh worst."""
    values = space.values(point)
    rate = values.get("optimizer.Adam.lr", values.get("optimizer.Momentum.lr"))
    worse = 0.3 * (values["optimizer"] != "Adam") + 10.0 * (values["activation"] == "tanh")
    return abs(math.log10(rate) + 2) + worse


def trials_of(points, *, start=0, keys=True, space=SPACE):
    trials = [Trial(start + i, 0, space, p, start + i, (1, 3, 9)) for i, p in enumerate(points)]
    for trial in trials:
        trial.keys = {0: (cost(space, trial.point), 0.0)} if keys else {}
    return trials


def after_rounds(count, seed=3, each=8):
    """A sampler that has seen so many rounds, and their trials."""
    sampler, trials = Zoom(SPACE), []
    for number in range(count):
        points = sampler.propose(replace(ASK, round=number, seed=seed, each=each), trials)
        trials += trials_of(points, start=len(trials))
        sampler.observe(trials)
    return sampler, trials


def structures(points):
    return Counter(SPACE.structure_of(p) for p in points)


@pytest.mark.parametrize("each", [1, 4, 9])
@pytest.mark.parametrize("count", [1, 3, 4, 100])
def test_the_first_round_is_spread_over_different_structures(each, count):
    points = Zoom(SPACE).propose(replace(ASK, each=each, structures=count, new_structures=99), [])
    found = structures(points)
    assert set(found.values()) == {each}
    assert len(found) == min(count, SPACE.size())
    assert next(SPACE.structures()) in found


@pytest.mark.parametrize("each", [1, 4, 9])
def test_later_rounds_propose_as_many_points_a_structure_as_asked(each):
    sampler, trials = after_rounds(2)
    points = sampler.propose(replace(ASK, round=2, each=each), trials)
    assert set(structures(points).values()) == {each}
    assert 1 < len(structures(points)) <= 4


@pytest.mark.parametrize("new", [-3, 0, 1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_no_more_structures_are_new_than_asked(new, seed):
    sampler, trials = after_rounds(1, seed)
    seen = {t.structure for t in trials}
    points = sampler.propose(replace(ASK, round=1, new_structures=new, seed=seed), trials)
    assert len(set(structures(points)) - seen) <= max(0, new)
    first = Zoom(SPACE).propose(replace(ASK, new_structures=new), [])
    assert len(structures(first)) == max(1, new)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_structures_are_tried_again(seed):
    sampler, trials = after_rounds(1, seed)
    ranked = list(dict.fromkeys(t.structure for t in sorted(trials, key=lambda t: t.keys[0])))
    assert set(ranked[:2]) <= set(structures(sampler.propose(replace(ASK, round=1, seed=seed), trials)))


def test_the_points_of_structures_take_turns():
    points = Zoom(SPACE).propose(ASK, [])
    assert all(set(structures(points[i : i + 4]).values()) == {1} for i in range(0, 32, 4))


def test_a_share_of_the_draws_looks_at_the_full_space():
    sampler, trials = after_rounds(1)
    path = "optimizer.Adam.lr"
    sampler.region = sampler.region.with_range(path, log_uniform(9e-3, 1.1e-2))
    points = [p for p in sampler.propose(replace(ASK, round=1, each=10), trials) if path in p]
    outside = sum(not 9e-3 <= p[path] <= 1.1e-2 for p in points)
    assert 0 < outside <= 0.2 * len(points)


def test_a_dropped_option_is_still_drawn_now_and_then():
    sampler, trials = after_rounds(3)
    sampler.region = Region(SPACE, sampler.region.ranges, {**sampler.region.options, "activation": (0, 1)})
    drawn = Counter()
    for number in range(20):
        points = sampler.propose(replace(ASK, round=10 + number, new_structures=9), trials)
        drawn.update(dict(s)["activation"] for s in structures(points))
    assert 0 < drawn[2] < 0.3 * drawn.total()


def test_the_same_evidence_moves_nothing_twice():
    sampler, trials = after_rounds(3)
    region = sampler.region
    assert region != Region.whole(SPACE)
    assert sampler.observe(trials) == []
    assert sampler.region is region


def test_trials_that_reached_no_stop_are_no_evidence():
    sampler = Zoom(SPACE)
    waiting = trials_of(sampler.propose(ASK, []), keys=False)
    assert sampler.observe(waiting) == []
    assert sampler.region == Region.whole(SPACE)
    assert len(sampler.propose(replace(ASK, round=1), waiting)) > 0


def test_the_region_closes_in_on_what_is_good():
    sampler, _ = after_rounds(5)
    box = sampler.region.ranges["optimizer.Adam.lr"]
    assert 1e-4 < box.low < 1e-2 < box.high < 1e-1
    assert SPACE.choices["activation"].options.index("tanh") not in sampler.region.options["activation"]


def test_the_same_seed_gives_the_same_points_and_another_seed_others():
    def tables(seed):
        sampler, trials = after_rounds(3, seed)
        return [t.point for t in trials], sampler.region.to_json()

    assert tables(3) == tables(3)
    assert tables(3)[0] != tables(4)[0]


def test_rounds_draw_different_points():
    sampler = Zoom(SPACE)
    assert sampler.propose(ASK, []) != sampler.propose(replace(ASK, round=1), [])


def test_a_space_of_one_structure_is_sampled():
    space = Space({"optimizer": choice({"Adam": {"lr": log_uniform(1e-4, 1e-1)}}), "activation": "relu"})
    sampler = Zoom(space)
    points = sampler.propose(ASK, [])
    trials = trials_of(points, space=space)
    sampler.observe(trials)
    assert len(points) == len(sampler.propose(replace(ASK, round=1), trials)) == 8
