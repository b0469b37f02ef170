"""A run folder's study in an Optuna storage: everything it tells is there, and is so when read again."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from goodfit.errors import InputError, RunFolderError

pytest.importorskip("optuna")
import optuna

from goodfit.engine.population import Population
from goodfit.engine.program import use_cache
from goodfit.neighbours.export import export_study
from goodfit.network import Network
from goodfit.search.budget import Budget
from goodfit.search.plan import Extension, Settings
from goodfit.search.recipes import recipe_space
from goodfit.search.search import Search
from goodfit.search.space import Space, choice, log_uniform, uniform
from goodfit.search.story import read_story
from goodfit.search.study import Study
from goodfit.store.journal import Journal

SPACE = recipe_space(
    Space(
        {
            "hidden": (4,),
            "optimizer": choice(
                {
                    "AdamW": {"lr": log_uniform(1e-3, 0.1)},
                    "SGD": {"lr": log_uniform(1e-2, 1e30, ceiling=1e35)},
                }
            ),
            "dropout": choice({"Dropout": {"ratio": uniform(0.05, 0.5)}, None: {}}),
            "batch_size": 32,
        }
    )
)


def search(folder, by_error=True, members=60, space=SPACE):
    use_cache()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    population = Population(Network(3, 2), x[:100], y[:100], holdout=(x[100:], y[100:], np.ones((1, 50))))
    settings = Settings(Budget(members=members), 0, 18, by_error)
    return Search(population, space, settings, Study(folder, population.network))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished study with diverged trials, and its trials as the search knew them."""
    folder = tmp_path_factory.mktemp("run")
    return folder, search(folder).run()


@pytest.fixture
def exported(run):
    return export_study(run[0], optuna.storages.InMemoryStorage())


def test_every_trial_is_there_as_it_was(run, exported):
    trials = run[1]
    assert len(exported.trials) == len(trials) == 60
    for ours, theirs in zip(trials, exported.trials, strict=True):
        values = SPACE.values(ours.point)
        labels = {path: SPACE.choices[path].label(int(ours.point[path])) for path, _ in ours.structure}
        assert theirs.params == pytest.approx(values | labels)
        finite = [key for key in ours.keys.values() if math.isfinite(key[0])]
        assert list(theirs.intermediate_values.values()) == [key[0] for key in finite]
        assert set(theirs.intermediate_values) <= set(ours.stops)
        assert theirs.user_attrs["number"] == ours.number
        assert theirs.user_attrs["harvest"] == ours.harvest
        assert theirs.user_attrs["result"] == ours.result
        assert theirs.user_attrs["text"] == ours.text


def test_states_tell_the_end_of_each_trial(run, exported):
    for ours, theirs in zip(run[1], exported.trials, strict=True):
        state = "FAIL" if ours.diverged else "COMPLETE" if ours.complete else "PRUNED"
        assert theirs.state.name == state
        last = math.inf if ours.diverged else ours.keys[max(ours.keys)][0]
        assert theirs.value == (last if math.isfinite(last) else None)
    assert {t.state.name for t in exported.trials} == {"FAIL", "COMPLETE", "PRUNED"}
    best = min((t for t in run[1] if t.complete), key=lambda t: t.error)
    assert exported.best_value == best.error
    assert exported.metric_names == ["error"]


def test_ranges_are_the_whole_spaces_and_hold_what_was_tried_beyond(run, exported):
    for path, box in SPACE.ranges.items():
        ours = [t.point[path] for t in run[1] if path in t.point]
        found = next(t.distributions[path] for t in exported.trials if path in t.params)
        assert found.low == min([box.low, *ours])
        assert found.high == max([box.high, *ours])
        assert found.log == box.log
    options = next(t.distributions["dropout"] for t in exported.trials)
    assert options.choices == ("Dropout", "none")
    assert any(t.harvest for t in run[1])


def test_a_widened_value_widens_its_range_for_every_trial(run, tmp_path):
    records = Journal(run[0] / "journal-search.jsonl").records()
    plan = next(r for r in records if r.get("draws"))
    path = next(p for p in plan["draws"][0] if p.endswith(".lr"))
    plan["draws"][0][path] = 1e-5
    plan["draws"][0]["depth"] = 12.0
    plan["region"]["space"]["ranges"]["depth"] = [1, 9]
    plan["region"]["space"]["whole"] = ["depth"]
    for record in records:
        Journal(tmp_path / "journal-search.jsonl").append(record)
    study = export_study(tmp_path, optuna.storages.InMemoryStorage())
    assert study.trials[0].params[path] == 1e-5
    found = {t.distributions[path] for t in study.trials if path in t.params}
    assert len(found) == 1
    assert found.pop().low == 1e-5
    assert study.trials[0].params["depth"] == 12
    assert study.trials[0].distributions["depth"] == optuna.distributions.IntDistribution(1, 12)


def test_a_journal_without_scales_is_read(run, tmp_path):
    for record in Journal(run[0] / "journal-search.jsonl").records():
        if "region" in record:
            del record["region"]["space"], record["region"]["log"]
        Journal(tmp_path / "journal-search.jsonl").append(record)
    study = export_study(tmp_path, optuna.storages.InMemoryStorage())
    assert len(study.trials) == 60
    rates = next(d for path, d in study.trials[0].distributions.items() if path.endswith(".lr"))
    assert not rates.log


def test_spaces_of_an_extended_study_are_joined(tmp_path):
    first = SPACE.replace("optimizer", choice({"AdamW": {"lr": log_uniform(1e-3, 0.1)}}))
    first = recipe_space(Space({**first.tree, "label_smoothing": uniform(0.0, 0.1)}))
    second = first.replace("dropout", choice({None: {}, "Dropout": {"ratio": uniform(0.05, 0.9)}}))
    second = second.replace("label_smoothing", 0.05)
    run = search(tmp_path, members=12, space=first)
    more = Extension(Budget(members=36), second)
    run.settings = replace(run.settings, extensions=(more,))
    trials = run.run()
    assert {t.space is first for t in trials} == {True, False}
    study = export_study(tmp_path, optuna.storages.InMemoryStorage())
    for ours, theirs in zip(trials, study.trials, strict=True):
        dropout = ours.space.choices["dropout"].label(int(ours.point["dropout"]))
        assert theirs.params["dropout"] == dropout
        assert theirs.distributions["dropout"].choices == ("Dropout", "none")
        assert ("label_smoothing" in theirs.params) == (ours.space is first)
    ratios = [t.distributions[p] for t in study.trials for p in t.params if p.endswith("ratio")]
    assert len(set(ratios)) == 1
    assert ratios[0].high >= 0.9


def test_a_study_ranked_by_loss_has_the_loss_as_value(tmp_path):
    trials = search(tmp_path, by_error=False, members=8).run()
    study = export_study(tmp_path, optuna.storages.InMemoryStorage())
    assert study.metric_names == ["loss"]
    assert study.best_value == min(t.loss for t in trials if t.complete)


def test_what_sqlite_gives_back_is_what_was_written(run, exported, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_study(run[0], url, "mine")
    again = optuna.load_study(study_name="mine", storage=url)
    for one, other in zip(exported.trials, again.trials, strict=True):
        for name in ("number", "state", "values", "params", "distributions", "intermediate_values"):
            assert getattr(one, name) == getattr(other, name)
        assert one.user_attrs == other.user_attrs
    assert again.user_attrs["goodfit"]["ended"] is True


def test_optuna_can_go_on_from_it(exported):
    exported.sampler = optuna.samplers.TPESampler(seed=0)
    trial = exported.ask(exported.trials[0].distributions)
    assert set(trial.params) == set(exported.trials[0].params)
    assert optuna.importance.get_param_importances(exported, params=["optimizer"])


def test_a_name_that_is_taken_is_refused_and_nothing_is_added(run, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    export_study(run[0], url)
    with pytest.raises(InputError, match="already holds a study named"):
        export_study(run[0], url)
    export_study(run[0], url, "other")
    names = optuna.get_all_study_names(url)
    assert sorted(names) == sorted([run[0].name, "other"])
    assert len(optuna.load_study(study_name=run[0].name, storage=url).trials) == 60


@pytest.mark.parametrize(
    "url", ["study.db", "sqlite:////no/such/folder/study.db", "nosuch://study", "redis://h"]
)
def test_a_storage_that_cannot_be_opened_is_named(run, url):
    with pytest.raises(InputError, match=r"sqlite:///study\.db"):
        export_study(run[0], url)


def test_a_password_is_not_repeated(run):
    with pytest.raises(InputError) as caught:
        export_study(run[0], "nosuch://anna:secret@host/db")
    assert "secret" not in str(caught.value)


def test_a_folder_without_a_study_is_named(tmp_path):
    with pytest.raises(RunFolderError, match="holds no study"):
        export_study(tmp_path, f"sqlite:///{tmp_path / 'study.db'}")
    assert not (tmp_path / "study.db").exists()


@pytest.mark.parametrize("lines", [1, 2])
def test_an_unfinished_study_is_exported_as_far_as_it_came(run, tmp_path, lines):
    whole = (run[0] / "journal-search.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "journal-search.jsonl").write_bytes(b"".join(whole[:lines]))
    study = export_study(tmp_path, optuna.storages.InMemoryStorage())
    begun = [t for t in read_story(tmp_path).trials if t["result"] != "waiting"]
    assert len(study.trials) == len(begun)
    assert study.user_attrs["goodfit"]["ended"] is False
    assert (lines == 1) == (not begun)
