"""The accuracy benchmark's own arithmetic: splits, ranks, scores, records, the clock. No peers."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(_FOLDER))  # as for a script that lies there
from contest import compare, records, scores, search  # noqa: E402
from contest.tables import load_problem, prepare_columns, read_index, split_rows  # noqa: E402

_SPEC = importlib.util.spec_from_file_location("accuracy", _FOLDER / "accuracy.py")
accuracy = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(accuracy)

INF = np.inf


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.choice(["x", "y", None], 200)})
    frame["c"] = rng.integers(0, 2, 200).astype(bool)
    frame["label"] = np.where(frame["a"] + 0.3 * rng.normal(size=200) > 0.8, "yes", "no")
    frame["size"] = frame["a"] * 3
    frame.loc[:4, "size"] = np.nan
    frame.to_parquet(tmp_path / "toy.parquet")
    entries = [
        {"name": "toy", "file": "toy.parquet", "target": "label", "task": "binary"},
        {"name": "toy-size", "file": "toy.parquet", "target": "size", "task": "regression"},
    ]
    (tmp_path / "index.json").write_text(json.dumps(entries))
    return tmp_path


def test_splits_are_disjoint_whole_stratified_and_repeat():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    train, test = split_rows(y, True, 3)
    assert len(test) == 25
    assert sorted([*train, *test]) == list(range(100))
    assert np.bincount(y[test]).tolist() in ([15, 8, 2], [15, 7, 3])
    assert np.array_equal(test, split_rows(y, True, 3)[1])
    assert not np.array_equal(test, split_rows(y, True, 4)[1])
    assert len(split_rows(np.array([0, 0, 0, 0, 1]), True, 0)[1]) == 2  # a class of one row


def test_columns_are_numbers_or_categories(folder):
    x = prepare_columns(pd.read_parquet(folder / "toy.parquet"))
    assert x["a"].dtype == x["c"].dtype == "float64"
    assert list(x["b"].cat.categories) == ["x", "y"]
    assert x["b"].isna().any()


def test_a_problem_is_one_split_of_one_table(folder):
    index = read_index(folder)
    problem = load_problem(folder, index["toy"], 0)
    assert problem.classes == ("no", "yes")
    assert (len(problem.x_train), len(problem.y_test)) == (150, 50)
    assert "label" not in problem.x_train
    assert problem.raw_train["b"].dtype != problem.x_train["b"].dtype
    assert (
        len(load_problem(folder, index["toy-size"], 0).y_train) == 146
    )  # of 195: rows without a target are left out


def test_ranks_share_ties_and_put_failures_last():
    values = np.array([[0.1, 0.1, 0.3, INF], [5.0, 4.0, INF, INF]])
    assert compare.ranks(values).tolist() == [[1.5, 1.5, 3, 4], [2, 1, 3.5, 3.5]]
    assert compare.wins(values).tolist() == [[0.5, 0.5, 0, 0], [0, 1, 0, 0]]


def test_normalised_scores_run_from_the_worst_to_the_best():
    values = np.array([[1.0, 2.0, 5.0, INF], [2.0, 2.0, 2.0, 2.0], [INF, INF, INF, INF]])
    expected = [[1.0, 0.75, 0.0, 0.0], [1.0] * 4, [0.0] * 4]
    assert compare.normalised(values).tolist() == expected


def test_nemenyis_difference_is_the_books():
    assert compare.critical_difference(4, 14) == pytest.approx(
        2.569 * np.sqrt(20 / 84), rel=1e-3
    )  # Demšar 2006


def test_groups_are_the_longest_runs_within_the_difference():
    assert compare.groups(np.array([3.1, 1.0, 1.5, 3.0]), 1.0) == [(0, 1), (2, 3)]
    assert compare.groups(np.array([1.0, 2.0, 3.0]), 5.0) == [(0, 2)]
    assert compare.groups(np.array([1.0, 2.0, 3.0]), 0.5) == []


def test_holms_values_rise_with_the_raw_ones():
    rng = np.random.default_rng(1)
    values = np.column_stack([rng.random(12), rng.random(12), rng.random(12) + 1])
    held = compare.against(values, 0)
    assert held[0] == 1.0
    assert held[2] < 0.01 < held[1]


def test_scores_come_with_intervals():
    y, p = np.array([0, 1, 1, 0]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    found = scores.class_scores(y, p.argmax(axis=1), p)
    assert found["error"] == 0.25
    assert found["error_interval"][0] < 0.25 < found["error_interval"][1]
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.9, 0.8, 0.4, 0.7])))
    assert found["auc"] == 1.0
    numbers = scores.number_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0]))
    assert numbers["rmse"] == pytest.approx(np.sqrt(4 / 3))
    assert numbers["rmse_interval"][0] <= numbers["rmse"] <= numbers["rmse_interval"][1]


def record(table, split, method, error, status="done"):
    found = {"table": table, "split": split, "method": method, "status": status, "seconds": 1.0}
    if status == "done":
        found |= {"task": "binary", "fit_seconds": 1.0}
        found["scores"] = {"error": error, "error_interval": [error - 0.01, error + 0.01]}
    return found | {"message": "x"}


def test_records_come_back_and_are_compared(tmp_path):
    made = [record("t", s, m, e) for s in (0, 1) for m, e in (("goodfit", 0.3), ("linear", 0.2))]
    made += [
        record("u", 0, "linear", 0.5),
        record("u", 0, "goodfit", 0.0, "failed"),
        record("v", 0, "linear", 0.1),
    ]
    for one in made:
        records.write(records.path_of(tmp_path, one["table"], one["split"], one["method"]), one)
    assert not list(tmp_path.glob("*.part"))
    results = compare.gather(records.read(tmp_path), ("goodfit", "linear", "xgboost"))
    assert results.methods == ("goodfit", "linear")
    assert results.cases == (("t", 0), ("t", 1), ("u", 0))  # v lacks a method
    assert results.values.tolist() == [[0.3, 0.2], [0.3, 0.2], [INF, 0.5]]
    assert compare.behind(results) == ["t", "u"]


def test_a_record_keeps_no_paths_and_no_infinite_numbers(tmp_path):
    assert records.failure("OSError", f"no file {Path.home()}/data/x.csv here") == "OSError: no file … here"
    records.write(tmp_path / "a.json", {"x": np.float32(np.nan), "n": np.int64(3), "p": (1.23456789,)})
    assert records.read_one(tmp_path / "a.json") == {"x": None, "n": 3, "p": [1.23457]}


def test_what_is_recorded_is_not_run_again(tmp_path):
    records.write(records.path_of(tmp_path, "letter", 0, "linear"), record("letter", 0, "linear", 0.1))
    options = argparse.Namespace(names=["letter", "spam"], splits=1, methods=["linear", "realmlp-256"])
    options.records, options.again = tmp_path, False
    assert accuracy.wanted(options) == [("letter", 0, "realmlp-256"), ("spam", 0, "linear")]
    options.again = True
    assert len(accuracy.wanted(options)) == 3


class Mean:
    """A trainer that predicts the mean, shifted; the second candidate is the best."""

    def __init__(self, task, classes, seed, threads):
        self.fitted = []

    def candidates(self, rng):
        yield {"shift": 5.0}
        yield {"shift": 0.0}
        while True:
            yield {"shift": 9.0}

    def prepare(self, part):
        return part

    def train(self, params, data, deadline):
        Mean.seconds += 0.005
        level = data.y.mean() + params["shift"]
        return search.Trained(lambda x: np.full(len(x), level), rounds=3, ran=6)

    refit_rows, seconds = 0, 0.0

    def refit(self, params, data, rounds, deadline):
        Mean.refit_rows = len(data.y)
        return self.train(params, data, deadline)


def test_the_search_takes_the_best_candidate_and_refits_it_in_time(folder, monkeypatch):
    monkeypatch.setattr(search, "time", SimpleNamespace(perf_counter=lambda: Mean.seconds))
    problem = load_problem(folder, read_index(folder)["toy-size"], 0)
    clock = search.Clock(0.5)
    fitted = search.search(Mean, problem, clock)
    assert clock.used() < 0.6
    assert fitted.info["parameters"] == {"shift": 0.0}
    assert fitted.info["candidates"] > 3
    assert (fitted.info["rounds"], fitted.info["refitted"]) == (3, True)
    assert Mean.refit_rows == len(problem.y_train)
    assert fitted.predict(problem.x_test) == pytest.approx(problem.y_train.mean())
