"""The main job by cross-validation: every row judges networks that have not seen it."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.data.prepare import Request, prepare
from goodfit.data.read import read_table
from goodfit.job import FitSettings, run_fit
from goodfit.model.file import load_model
from goodfit.model.problem import make_problem
from goodfit.rerun import refit


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on iris in three folds."""
    out = tmp_path_factory.mktemp("folds") / "run"
    return out, run_fit(FitSettings("iris", cv=3, budget="18 members", out=str(out)))


def test_all_rows_but_the_sealed_ones_train_and_judge(run):
    _, result = run
    assert result["rows"] == {"train": 120, "valid": 120, "sealed": 30}
    assert result["folds"] == 3
    assert result["members"] == 18
    assert 0.85 < result["validation"]["score"] <= 1.0
    assert {"validation", "test"} <= set(result["baselines"]["linear"])


def test_a_candidate_is_a_network_a_fold_of_equal_weight(run):
    out, result = run
    members = load_model(out).members
    assert len(members) == 3 * len(result["ensemble"])
    for place, candidate in enumerate(result["ensemble"]):
        weights = [m.weight for m in members[3 * place : 3 * place + 3]]
        assert weights == pytest.approx([candidate["weight"] / 3] * 3)
    assert sum(m.weight for m in members) == pytest.approx(1.0)


def test_the_validation_score_is_that_of_networks_on_rows_they_have_not_seen(run):
    out, result = run
    problem = make_problem(prepare(Request("iris", cv=3)), None)
    model = load_model(out)
    joined = np.zeros((120, 3))
    for number, member in enumerate(model.members):
        valid = folds_of(problem)[number % 3].valid
        alone = type(model)((member,), model.schema, model.target, model.target_name)
        joined[valid] += 3 * member.weight * alone.outputs(problem.data.train.x[valid])
    assert problem.score(problem.judged, joined) == pytest.approx(result["validation"])


def test_refit_trains_one_network_a_candidate(run):
    out, result = run
    assert refit(str(out))["rows"] == 150
    again = load_model(out / "refit.safetensors")
    weights = [candidate["weight"] for candidate in result["ensemble"]]
    assert [m.weight for m in again.members] == pytest.approx(weights)
    table = read_table("iris")
    labels = np.array([str(v) for v in table.columns[again.target_name]])
    assert np.mean(np.array([str(v) for v in again.predict(table)]) == labels) > 0.9


def folds_of(problem):
    assert problem.folds is not None
    return problem.folds


def write_table(path, rows=240):
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(rows, 6)), rng.integers(2, size=rows)
    lines = [
        f"{','.join(f'{v:.6f}' for v in x[i])},{i % 40},{i // 4},{i % 5},{label[i]}" for i in range(rows)
    ]
    path.write_text("a,b,c,d,e,f,patient,day,part,y\n" + "\n".join(lines) + "\n")
    return str(path)


def test_groups_stay_on_one_side_of_every_fold(tmp_path):
    data = prepare(Request(write_table(tmp_path / "t.csv"), target="y", group="patient", cv=4))
    folds, groups = folds_of(make_problem(data, None)), data.marks["group"]
    assert len(folds) == 4
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.valid])


def test_folds_in_order_of_time_judge_by_later_rows_and_leave_the_first_unjudged(tmp_path):
    path = write_table(tmp_path / "t.csv")
    data = prepare(Request(path, target="y", time="day", cv=3))
    problem, times = make_problem(data, None), data.marks["time"]
    for fold in folds_of(problem):
        assert times[fold.train].max() < times[fold.valid].min()
    assert len(problem.judges) < len(data.train.x)
    settings = FitSettings(path, target="y", time="day", cv=3, budget="9 members", out=str(tmp_path / "r"))
    result = run_fit(settings)
    assert result["rows"]["valid"] == len(problem.judges)
    assert result["validation"]["low"] < 0.6  # the labels are drawn by lot


def test_repeats_split_anew(tmp_path):
    data = prepare(Request(write_table(tmp_path / "t.csv"), target="y", cv=3, repeats=2))
    problem = make_problem(data, None)
    assert len(folds_of(problem)) == 6
    assert sum(len(fold.valid) for fold in folds_of(problem)) == 2 * len(data.train.x)
    assert not np.array_equal(folds_of(problem)[0].valid, folds_of(problem)[3].valid)


def test_a_column_of_folds_is_no_input(tmp_path):
    data = prepare(Request(write_table(tmp_path / "t.csv"), target="y", fold="part", group="patient"))
    problem, part = make_problem(data, None), data.marks["fold"]
    assert [set(part[fold.valid]) for fold in folds_of(problem)] == [{0}, {1}, {2}, {3}, {4}]
    assert "part" not in [column.name for column in data.schema.inputs]


def test_a_linear_model_finds_nothing_in_noise(tmp_path):
    path = write_table(tmp_path / "t.csv", rows=120)
    problem = make_problem(prepare(Request(path, target="y", cv=3)), None)
    linear = problem.validated_baselines()["linear"]
    assert linear["low"] < 0.5 < linear["high"]
