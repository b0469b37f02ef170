"""goodfit's zoom as an Optuna sampler: it beats chance, keeps to distributions, repeats itself."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.errors import InputError

pytest.importorskip("optuna")
import optuna

from goodfit.neighbours.distributions import node_of, place_of, value_at
from goodfit.neighbours.sampler import NarrowingSampler
from goodfit.search.space import Range

FLOAT, INT = optuna.distributions.FloatDistribution, optuna.distributions.IntDistribution
OPTIONS = optuna.distributions.CategoricalDistribution
optuna.logging.set_verbosity(optuna.logging.WARNING)


def bowl(trial):
    """0 at lr 1e-3, x 1.5, n 7, kind a."""
    x = trial.suggest_float("x", -5, 5)
    rate = trial.suggest_float("optimizer.lr", 1e-5, 1, log=True)
    n = trial.suggest_int("n", 1, 20)
    kind = trial.suggest_categorical("kind", ["a", None, 1, "1"])
    return (x - 1.5) ** 2 + 2 * (math.log10(rate) + 3) ** 2 + 0.1 * (n - 7) ** 2 + (kind != "a")


def conditional(trial):
    """Each rule has its own rate; 0 at Adam with 10^-3.2 and 64 units."""
    cost = abs(math.log2(trial.suggest_int("units", 16, 256, log=True)) - 6)
    if trial.suggest_categorical("rule", ["Adam", "SGD"]) == "Adam":
        return cost + abs(math.log10(trial.suggest_float("Adam.lr", 1e-5, 1e-1, log=True)) + 3.2)
    rate = trial.suggest_float("SGD.lr", 1e-4, 1.0, log=True)
    return cost + 0.5 + abs(math.log10(rate) + 1) + abs(trial.suggest_float("SGD.momentum", 0, 0.99) - 0.9)


def optimised(objective, trials=60, *, direction="minimize", **sampler):
    study = optuna.create_study(sampler=NarrowingSampler(**sampler), direction=direction)
    study.optimize(objective, trials)
    return study


def table(study):
    return [(t.number, t.params, t.values) for t in study.trials]


@pytest.mark.parametrize("objective", [bowl, conditional])
def test_it_finds_better_values_than_chance(objective):
    seeds = range(12)
    ours = [optimised(objective, seed=seed).best_value for seed in seeds]
    chance = []
    for seed in seeds:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        study.optimize(objective, 60)
        chance.append(study.best_value)
    assert np.mean(np.array(ours) < np.array(chance)) >= 0.75
    assert np.median(ours) < 0.6 * np.median(chance)


def test_maximising_is_minimising_the_negative():
    least = optimised(bowl, 40, seed=3)
    most = optimised(lambda trial: -bowl(trial), 40, seed=3, direction="maximize")
    assert [t.params for t in least.trials] == [t.params for t in most.trials]
    upwards = optimised(bowl, 60, seed=3, direction="maximize")
    assert upwards.best_value > least.best_value + 20


def test_the_same_seed_repeats_and_another_does_not():
    assert table(optimised(bowl, 30, seed=5)) == table(optimised(bowl, 30, seed=5))
    assert table(optimised(bowl, 30, seed=5)) != table(optimised(bowl, 30, seed=6))


def test_a_study_goes_on_in_another_process_as_it_would_have(tmp_path):
    whole = table(optimised(conditional, 40, seed=2))
    for part in (13, 14, 13):  # each with a sampler that remembers nothing
        url = f"sqlite:///{tmp_path / 'a.db'}"
        sampler = pickle.loads(pickle.dumps(NarrowingSampler(seed=2)))
        study = optuna.create_study(storage=url, study_name="s", sampler=sampler, load_if_exists=True)
        study.optimize(conditional, part)
    assert table(study) == whole


def test_workers_that_ask_at_once_get_different_points():
    study = optuna.create_study(sampler=NarrowingSampler(seed=0))
    study.optimize(bowl, 6)
    other = optuna.load_study(
        study_name=study.study_name, storage=study._storage, sampler=NarrowingSampler(seed=0)
    )
    asked = [worker.ask() for worker in (study, other) * 6]  # two rounds of which nothing is known
    seen = [trial.suggest_float("x", -5, 5) for trial in asked]
    assert len(set(seen)) == 12
    study.optimize(bowl, 30, n_jobs=2)
    assert len({t.params.get("x") for t in study.trials if t.state.is_finished()}) == 36


def test_the_first_round_is_spread_evenly():
    study = optimised(bowl, 10, seed=1, round_size=10)
    places = sorted((t.params["x"] + 5) / 10 for t in study.trials)
    assert [int(10 * share) for share in places] == list(range(10))
    logs = sorted((math.log10(t.params["optimizer.lr"]) + 5) / 5 for t in study.trials)
    assert [int(10 * share) for share in logs] == list(range(10))


def test_parameters_of_a_round_do_not_go_with_each_other():
    squares = []
    for seed in range(60):
        study = optuna.create_study(sampler=NarrowingSampler(seed=seed, round_size=20))
        asked = [study.ask() for _ in range(20)]
        points = [[trial.suggest_float(name, 0, 1) for name in "ab"] for trial in asked]
        squares.append(np.corrcoef(np.array(points).T)[0, 1] ** 2)
    assert np.mean(squares) < 0.1  # 1/19 of independent ones, 1/5 of one sequence shifted


def test_the_region_narrows_and_part_of_each_round_looks_elsewhere():
    study = optimised(bowl, 120, seed=0, round_size=10)
    rates = np.array([math.log10(t.params["optimizer.lr"]) for t in study.trials])
    inside = [r for n, r in enumerate(rates) if n >= 60 and n % 10 < 4]
    assert np.abs(np.array(inside) + 3).mean() < 0.6  # 1.3 in the full space
    wide = [r for n, r in enumerate(rates) if n >= 60 and n % 10 in (4, 5)]
    assert np.std(wide) > 0.9  # even over five powers of ten: 1.44


def test_a_good_region_that_was_given_up_is_found_again():
    """What is good lies low first, then high: the region must come back."""

    def moving(trial):
        x = trial.suggest_float("x", 0, 1)
        return x if trial.number < 48 else 1.0 - x - 5.0

    study = optimised(moving, 150, seed=4)
    assert study.best_params["x"] > 0.97


def test_pruned_trials_rank_behind_complete_ones_and_failed_ones_not_at_all():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.report(0.0, 1)  # a pruned trial's own value looks the best of all
        if x > 0.6:
            raise optuna.TrialPruned
        if x < 0.3:
            return math.nan
        return 10.0

    study = optuna.create_study(sampler=NarrowingSampler(seed=0))
    study.optimize(objective, 80)
    late = [t.params["x"] for t in study.trials[40:]]
    assert {t.state.name for t in study.trials} == {"COMPLETE", "PRUNED", "FAIL"}
    assert np.mean(np.array(late) > 0.65) < 0.25
    failures = [t for t in study.trials if t.state.name == "FAIL"]
    assert NarrowingSampler(seed=0)._finished(study, 99) == [t for t in study.trials if t not in failures]


def test_what_is_pruned_alone_is_ranked_by_how_far_it_came():
    study = optuna.create_study()
    steps = {0: 3, 1: 9, 2: None, 3: 9}
    for number, step in steps.items():
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.PRUNED,
                params={"x": 0.5},
                distributions={"x": FLOAT(0, 1)},
                intermediate_values={} if step is None else {step: math.nan if number == 3 else 1.0},
            )
        )
    from goodfit.neighbours.sampler import _key

    assert sorted(steps, key=lambda n: _key(study.trials[n], study.direction)) == [1, 3, 0, 2]


def test_ranges_that_change_from_trial_to_trial_are_kept_to():
    def objective(trial):
        most = trial.suggest_int("most", 2, 9)
        few = trial.suggest_int("few", 1, most)
        assert 1 <= few <= most
        return abs(few - 3) + abs(most - 5)

    assert optimised(objective, 60, seed=0).best_value <= 1


def test_other_trials_of_the_study_count():
    study = optuna.create_study(sampler=NarrowingSampler(seed=0))
    for x in np.linspace(-5, 5, 30):
        study.add_trial(
            optuna.trial.create_trial(
                value=(x - 4) ** 2, params={"x": float(x)}, distributions={"x": FLOAT(-5, 5)}
            )
        )
    found = [study.ask().suggest_float("x", -5, 5) for _ in range(6)]
    assert np.median(found) > 2
    study.enqueue_trial({"x": -1.25})
    assert study.ask().suggest_float("x", -5, 5) == -1.25


@pytest.mark.filterwarnings("ignore:The distribution is specified")
@given(
    st.one_of(
        st.builds(lambda a, b: FLOAT(a, a + b), st.floats(-9, 9), st.floats(0.01, 9)),
        st.builds(lambda a, b: FLOAT(a, a * b, log=True), st.floats(1e-6, 9), st.floats(1.1, 1e6)),
        st.builds(
            lambda a, n, s: FLOAT(a / 8, a / 8 + n * s, step=s),
            st.integers(-9, 9),
            st.integers(1, 9),
            st.sampled_from([0.1, 0.25, 3.0]),
        ),
        st.builds(
            lambda a, n, s: INT(a, a + n * s, step=s),
            st.integers(-9, 9),
            st.integers(1, 9),
            st.integers(1, 7),
        ),
        st.builds(lambda a, b: INT(a, a + b, log=True), st.integers(1, 9), st.integers(1, 999)),
        st.builds(lambda n: OPTIONS(["x", None, 1.5, True][:n]), st.integers(2, 4)),
    ),
    st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_drawn_lies_in_the_distribution(distribution, share):
    node = node_of(distribution)
    place = node.at(share) if isinstance(node, Range) else float(int(share * len(node.options)))
    value = value_at(distribution, place)
    assert distribution._contains(distribution.to_internal_repr(value))
    assert place_of(distribution, value) == pytest.approx(place)
    assert place_of(distribution, "not at all") is None


def test_steps_are_tried_one_and_all():
    def objective(trial):
        return trial.suggest_int("n", 3, 15, step=4) + trial.suggest_float("f", 0.1, 0.7, step=0.2)

    study = optimised(objective, 24, seed=0, round_size=8)
    assert {t.params["n"] for t in study.trials[:8]} == {3, 7, 11, 15}
    assert {round(t.params["f"], 9) for t in study.trials[:8]} == {0.1, 0.3, 0.5, 0.7}
    assert study.best_params["n"] == 3


def test_several_objectives_are_refused():
    study = optuna.create_study(directions=["minimize"] * 2, sampler=NarrowingSampler(seed=0))
    with pytest.raises(InputError, match="one objective"):
        study.ask().suggest_float("x", 0, 1)


@pytest.mark.parametrize("words", [{"seed": -1}, {"seed": "a"}, {"round_size": 4}, {"round_size": 2.5}])
def test_arguments_outside_their_range_are_named(words):
    with pytest.raises(InputError, match=next(iter(words))):
        NarrowingSampler(**words)


def test_without_optuna_the_error_says_what_to_install():
    script = (
        "import sys; sys.modules['optuna'] = None\n"
        "from goodfit.errors import MissingExtraError\n"
        "for name in ('sampler', 'export', 'tpe'):\n"
        "    try: __import__('goodfit.neighbours.' + name)\n"
        "    except MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install 'goodfit[optuna]'") == 3


def test_the_sampler_needs_no_jax():
    script = "import goodfit.neighbours.sampler, sys; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
