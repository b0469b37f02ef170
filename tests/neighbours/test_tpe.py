"""Optuna's TPE in the zoom's place: its limits, what it learns, and that a killed search ends the same."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("optuna")
from goodfit.engine.population import Population
from goodfit.engine.program import use_cache
from goodfit.neighbours.tpe import Tpe
from goodfit.network import Network
from goodfit.search.budget import Budget
from goodfit.search.plan import Settings
from goodfit.search.recipes import default_optimizers, recipe_space
from goodfit.search.region import Region
from goodfit.search.sampler import Ask, Zoom
from goodfit.search.search import Search
from goodfit.search.space import Space, choice, integer, log_uniform, uniform
from goodfit.search.study import Study
from goodfit.search.trial import Trial

SPACE = Space(
    {
        "activation": choice("relu", "silu", "tanh"),
        "batch_norm": choice(False, True),
        "batch_size": 32,
        "depth": integer(1, 9),
        "optimizer": choice(
            {
                "Adam": {"lr": log_uniform(1e-4, 1e-1, floor=1e-6, ceiling=1.0)},
                "Momentum": {"lr": log_uniform(1e-3, 1.0), "momentum": uniform(0.5, 0.99)},
            }
        ),
    }
)
ASK = Ask(round=0, each=5, structures=4, new_structures=4, seed=3)


def cost(point):
    """Adam around 0.01 is best, tanh worst."""
    values = SPACE.values(point)
    rate = values.get("optimizer.Adam.lr", values.get("optimizer.Momentum.lr"))
    worse = 0.3 * (values["optimizer"] != "Adam") + 2.0 * (values["activation"] == "tanh")
    return abs(math.log10(rate) + 2) + worse + 0.05 * abs(values["depth"] - 3)


def trials_of(points, start=0, harvest=False):
    trials = [Trial(start + i, 0, SPACE, p, i, (1, 3, 9), harvest=harvest) for i, p in enumerate(points)]
    for trial in trials:
        trial.keys = {0: (cost(trial.point), 0.0)}
    return trials


def after_rounds(count, kind=Tpe, seed=0):
    sampler, trials = kind(SPACE), []
    for number in range(count):
        trials += trials_of(sampler.propose(replace(ASK, round=number, seed=seed), trials), start=len(trials))
        sampler.observe(trials)
    return sampler, trials


def structures(points):
    return Counter(SPACE.structure_of(p) for p in points)


def test_the_first_round_is_the_zooms():
    assert Tpe(SPACE).propose(ASK, []) == Zoom(SPACE).propose(ASK, [])


@pytest.mark.parametrize("new", [0, 1, 4])
def test_a_round_keeps_to_its_structures_and_points(new):
    sampler, trials = after_rounds(2)
    seen = set(structures(t.point for t in trials))
    points = sampler.propose(replace(ASK, round=2, new_structures=new), trials)
    assert len(points) == 20
    found = structures(points)
    assert len(found) <= 4
    assert len(set(found) - seen) <= new
    assert all(number % 5 == 0 for number in found.values())


def test_points_lie_in_the_space_and_hold_what_exists():
    sampler, trials = after_rounds(4)
    for point in sampler.propose(replace(ASK, round=4), trials):
        structure = SPACE.structure_of(point)
        assert set(point) == {path for path, _ in structure} | set(SPACE.ranges_of(structure))
        for path, box in SPACE.ranges.items():
            if path in point:
                assert isinstance(point[path], float)
                assert box.low <= point[path] <= box.high
                assert not box.whole or point[path].is_integer()


def test_it_learns_and_is_better_than_chance():
    better, late = [], []
    for seed in range(4):
        _, trials = after_rounds(7, seed=seed)
        rng = np.random.default_rng(seed)
        chance = min(cost(p) for p in Region.whole(SPACE).sample(len(trials), rng))
        better.append(min(cost(t.point) for t in trials) < chance)
        late += trials[-40:]
        assert np.median([cost(t.point) for t in trials[-40:]]) < np.median(
            [cost(t.point) for t in trials[:20]]
        )
    assert sum(better) >= 3
    tanh = sum(SPACE.values(t.point)["activation"] == "tanh" for t in late)
    assert tanh < 0.2 * len(late)  # a third by chance


def test_points_depend_on_trials_seed_and_round_alone():
    _, trials = after_rounds(3)
    ask = replace(ASK, round=3)
    points = Tpe(SPACE).propose(ask, trials)
    assert Tpe(SPACE).propose(ask, trials) == points
    assert Tpe(SPACE, 1).propose(ask, trials) != points
    assert Tpe(SPACE).propose(replace(ask, round=4), trials) != points
    assert Tpe(SPACE).propose(replace(ask, seed=4), trials) != points


def test_harvests_count_also_beyond_a_range():
    sampler, trials = after_rounds(3)
    best = min(trials, key=lambda t: cost(t.point))
    beyond = {path: v for path, v in best.point.items() if path in SPACE.choices}
    beyond |= {path: SPACE.ranges[path].high for path in SPACE.ranges_of(best.structure)}
    beyond["optimizer.Adam.lr"] = 0.5  # 0.1 is the range's end
    harvested = trials_of([beyond] * 8, start=len(trials), harvest=True)
    for trial in harvested:
        trial.keys = {0: (-1.0, 0.0), 1: (-1.0, 0.0), 2: (-1.0, 0.0)}  # the best there is
    before = sampler.propose(replace(ASK, round=3), trials)
    after = sampler.propose(replace(ASK, round=3), trials + harvested)
    depth = [np.mean([p["depth"] for p in points]) for points in (before, after)]
    assert depth[1] > depth[0] + 1


def test_what_was_found_in_another_space_counts_where_it_fits_in():
    _, trials = after_rounds(4)
    smaller = SPACE.replace("activation", choice("tanh", "relu")).replace("depth", integer(2, 5))
    sampler, ask = Tpe(smaller), replace(ASK, round=4)
    points = sampler.propose(ask, trials)
    assert points == sampler.propose(
        ask, [t for t in trials if SPACE.values(t.point)["activation"] != "silu"]
    )
    assert points != Zoom(smaller).propose(ask, [])
    assert all(2 <= point["depth"] <= 5 for point in points)
    foreign = Space({"hidden": choice((4,), (8,)), "weight_decay": log_uniform(1e-6, 1.0)})
    assert Tpe(foreign).propose(ask, trials) == Zoom(foreign).propose(ask, trials)


def test_the_region_is_the_whole_space_always():
    sampler, trials = after_rounds(3)
    assert sampler.observe(trials) == []
    assert sampler.region == Region.whole(SPACE)


SMALL = recipe_space(
    Space(
        {
            "hidden": choice((4,), (6,)),
            "optimizer": default_optimizers("AdamW", "Momentum"),
            "batch_size": 32,
        }
    )
)


def search(folder, members=60):
    use_cache()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    population = Population(Network(3, 2), x[:100], y[:100], holdout=(x[100:], y[100:], np.ones((1, 50))))
    settings = Settings(Budget(members=members), 0, 9)
    study = Study(folder, population.network)
    return Search(population, SMALL, settings, study, sampler=Tpe)


def table(run):
    trials = run.run()
    return [(t.number, t.harvest, sorted(t.point.items()), t.error, t.loss, t.step, t.keys) for t in trials]


class Killed(BaseException):
    """The process ends here."""


def test_a_search_with_it_repeats_and_goes_on_after_kills(tmp_path):
    expected = table(search(None))
    assert len(expected) == 60
    assert any(harvest for _, harvest, *_ in expected)
    assert table(search(None)) == expected
    for wave in (1, 2, 4):
        run = search(tmp_path)
        record = run.study.record

        def dying(kind, make, elapsed, *, run=run, record=record, wave=wave, **words):
            if kind == "wave" and not run.study.replaying and run.study._next > 2 * wave:
                raise Killed
            return record(kind, make, elapsed, **words)

        run.study.record = dying
        with pytest.raises(Killed):
            run.run()
    resumed = search(tmp_path)
    assert resumed.study.replaying
    assert table(resumed) == expected
