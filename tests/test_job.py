"""The main job on real data: what it leaves, that it goes on after a kill, that the seal holds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import goodfit.job
from goodfit.data.prepare import Request, prepare
from goodfit.data.read import read_table
from goodfit.data.seal import SealedSet
from goodfit.errors import RunFolderError
from goodfit.job import FitSettings, run_fit
from goodfit.model.file import load_model
from goodfit.model.problem import make_problem
from goodfit.report.fit_page import fit_page
from goodfit.report.fit_search import search_part
from goodfit.report.records import read_records
from goodfit.report.words import how_sure, winner_curve
from goodfit.rerun import refit, unseal
from goodfit.search.story import read_story
from goodfit.store.journal import Journal


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    """A finished run on iris, with its events."""
    out, events = tmp_path_factory.mktemp("iris") / "run", []
    result = run_fit(FitSettings("iris", budget="16 members", out=str(out)), on_event=events.append)
    return out, result, events


def test_a_run_ends_with_scores_beside_baselines(iris):
    out, result, events = iris
    for part in ("validation", "test"):
        score = result[part]
        assert 0.8 <= score["low"] <= score["score"] <= score["high"] <= 1.0 or score["low"] > 0.5
        for name in ("majority", "linear"):
            assert set(result["baselines"][name][part]) >= {"score", "low", "high"}
    assert result["test"]["opened"] == 1
    assert result["members"] == 16
    assert {e.kind for e in events} >= {"data", "forecast", "progress", "round", "ensemble", "exam"}
    assert (out / "DONE").exists()
    assert [r["event"] for r in Journal(out / "ledger.jsonl").records()] == ["opening", "score"]


def test_the_ranking_tells_the_error_that_the_tables_of_trials_show(iris):
    out, result, _ = iris
    first, best = read_story(out).ranked()[0], result["ranking"]["best"]
    assert best["measure"] == "error"
    assert best["cost"] == pytest.approx(first["error"], abs=1e-6)
    assert f"scores {best['score']:.4f} (error {first['error']:.4f})" in how_sure(result["ranking"])[0]


def test_what_was_interrupted_is_said_to_lack_in_the_tables(iris):
    records = read_records(iris[0])
    assert "under way" not in search_part(records).body
    assert "under way" in search_part(replace(records, result=iris[1] | {"interrupted": True})).body


def test_the_loss_that_stands_in_for_a_metric_is_called_one(rare, tmp_path):
    result = run_fit(replace(rare, metric="roc_auc", out=str(tmp_path / "run")))
    first = read_story(tmp_path / "run").ranked(by_error=False)[0]
    assert f"has a loss of {first['loss']:.4f}" in how_sure(result["ranking"])[0]


def test_a_finished_run_is_shown_again_and_nothing_is_opened(iris):
    out, result, _ = iris
    again = run_fit(FitSettings("iris", budget="16 members", out=str(out)))
    assert json.dumps(again, sort_keys=True) == json.dumps(result, sort_keys=True)
    assert [r["event"] for r in Journal(out / "ledger.jsonl").records()] == ["opening", "score"]


def test_another_run_is_refused_its_folder(iris):
    out, _, _ = iris
    with pytest.raises(RunFolderError, match="another run"):
        run_fit(FitSettings("iris", budget="16 members", out=str(out), seed=1))
    with pytest.raises(RunFolderError, match="another run"):
        run_fit(FitSettings("wine", budget="16 members", out=str(out)))


def test_the_model_knows_how_it_was_made(iris):
    out, result, _ = iris
    told = load_model(out).inspect()
    assert told["test"]["score"] == result["test"]["score"]
    assert told["openings"] == 1
    assert told["target"] == "target" or told["target"] in read_table("iris").columns
    assert len(told["members"]) == len(result["ensemble"])
    weights = [m["weight"] for m in told["members"]]
    assert sum(weights) == pytest.approx(1.0)


def test_the_winner_is_the_best_single_network_not_the_heaviest_of_the_ensemble(iris):
    out, result, _ = iris
    best = read_story(out).ranked()[0]
    records = read_records(out)
    assert result["winner"]["trial"] == best["number"] == winner_curve(records).number


def test_a_winner_outside_of_the_ensemble_breaks_nothing(tmp_path, monkeypatch):
    real = goodfit.job.choose_ensemble

    def without_the_best(network, networks, *rest):
        chosen = real(network, networks[1:], *rest)
        return replace(chosen, places=tuple(place + 1 for place in chosen.places))

    monkeypatch.setattr(goodfit.job, "choose_ensemble", without_the_best)
    out = str(tmp_path / "run")
    result = run_fit(FitSettings("iris", budget="8 members", out=out))
    winner = result["winner"]
    assert winner["trial"] == read_story(out).ranked()[0]["number"]
    assert winner["text"] not in {member["text"] for member in result["ensemble"]}
    assert winner["text"] in fit_page(read_records(out))
    assert refit(out)["members"] == len(result["ensemble"])


def test_equal_runs_leave_equal_models(iris, tmp_path):
    out, _, _ = iris
    run_fit(FitSettings("iris", budget="16 members", out=str(tmp_path / "b"), lanes=1))
    assert (tmp_path / "b" / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


def test_nothing_opens_the_seal_before_the_exam(tmp_path, monkeypatch):
    opened = []
    real = SealedSet.open

    def spy(self, *args, **kwargs):
        opened.append(kwargs["reason"])
        return real(self, *args, **kwargs)

    monkeypatch.setattr(SealedSet, "open", spy)
    settings = FitSettings("iris", budget="8 members", out=str(tmp_path / "run"), keep_sealed=True)
    result = run_fit(settings)
    assert (opened, result["test"]) == ([], None)
    assert "test" not in result["baselines"]["linear"]
    first = unseal(str(tmp_path / "run"))
    assert first["test"]["opened"] == 1
    assert unseal(str(tmp_path / "run"))["test"] == first["test"]
    assert run_fit(settings)["test"] == first["test"]
    assert opened == ["final exam"]


def test_sealed_values_change_nothing_before_the_exam(tmp_path):
    """Other inputs in the sealed rows: the same networks, bit for bit."""
    rng = np.random.default_rng(0)
    rows, header = rng.normal(size=(200, 3)), "a,b,c,y"
    label = (rows[:, 0] > 0).astype(int)
    sealed = set()
    tables = []
    for change in (False, True):
        path = tmp_path / f"t{change}.csv"
        cells = [
            ",".join(f"{v + 100.0 * (change and i in sealed):.6f}" for v in row) + f",{label[i]}"
            for i, row in enumerate(rows)
        ]
        path.write_text("\n".join([header, *cells]))
        if not change:
            data = prepare(Request(str(path), target="y"))
            hidden = data.sealed.open(tmp_path / "ledger.jsonl", model_hash="x", reason="test")
            seen = {round(float(v), 6) for v in hidden.columns["a"]}
            sealed = {i for i, row in enumerate(rows) if round(row[0], 6) in seen}
        out = tmp_path / f"run{change}"
        run_fit(FitSettings(str(path), target="y", budget="8 members", out=str(out), keep_sealed=True))
        tables.append(load_model(out))
    assert sealed
    first, second = (m.members for m in tables)
    assert [m.weight for m in first] == [m.weight for m in second]
    for a, b in zip(first, second, strict=True):
        assert all(np.array_equal(a.params[k], b.params[k]) for k in a.params)


def test_refit_uses_all_rows_and_keeps_the_recipes(iris):
    out, result, _ = iris
    done = refit(str(out))
    assert done["rows"] == sum(result["rows"].values())
    model, before = load_model(out / "refit.safetensors"), load_model(out)
    assert [m.recipe for m in model.members] == [m.recipe for m in before.members]
    table = read_table("iris")
    labels = np.array([str(v) for v in table.columns[before.target_name]])
    assert np.mean(np.array([str(v) for v in model.predict(table)]) == labels) > 0.9


def test_a_killed_run_goes_on_to_the_same_model(iris, tmp_path):
    out, _, _ = iris
    command = [
        sys.executable,
        "-m",
        "goodfit",
        "fit",
        "iris",
        "--budget",
        "16 members",
        "--out",
        str(tmp_path / "r"),
    ]
    journal = tmp_path / "r" / "journal-search.jsonl"
    for lines in (1, 2, 4):
        process = subprocess.Popen([*command, "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while process.poll() is None:
            if journal.exists() and journal.read_bytes().count(b"\n") >= lines:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["test"]["opened"] == 1
    assert (tmp_path / "r" / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("data", "metric"),
    [("wine", "log_loss"), ("diabetes", "mae"), ("diabetes", "rmse"), ("breast_cancer", "roc_auc")],
)
def test_other_metrics(data, metric, tmp_path):
    result = run_fit(FitSettings(data, budget="10 members", metric=metric, out=str(tmp_path / "run")))
    assert result["metric"] == metric
    ours, linear = result["test"], result["baselines"]["linear"]["test"]
    assert np.isfinite(ours["score"])
    assert ours["low"] <= ours["score"] <= ours["high"]
    assert abs(ours["score"] - linear["score"]) < 0.5 * abs(linear["score"]) + 0.2


def test_class_weights_and_row_weights_are_used(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2))
    y = ((x[:, 0] + 0.8 * rng.normal(size=400)) > 1.6).astype(int)
    path = tmp_path / "t.csv"
    rows = [f"{p:.4f},{q:.4f},{1 + i % 3},{c}" for i, ((p, q), c) in enumerate(zip(x, y, strict=True))]
    path.write_text("\n".join(["a,b,w,y", *rows]))
    settings = {"data": str(path), "target": "y", "budget": "8 members", "weight": "w"}
    plain = run_fit(FitSettings(**settings, out=str(tmp_path / "p"), metric="balanced_accuracy"))
    balanced = run_fit(FitSettings(**settings, out=str(tmp_path / "b"), class_weight="balanced"))
    assert balanced["metric"] == "balanced_accuracy"
    model = load_model(tmp_path / "b")
    assert [c.name for c in model.schema.inputs] == ["a", "b"]
    assert balanced["validation"]["score"] > plain["validation"]["score"] - 0.1
    share = np.mean([str(v) == "1" for v in model.predict(read_table(str(path)))])
    assert share > y.mean()


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """A table whose class "bad" is 5 % of the rows and hardly ever likely, whatever the columns say."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 8))
    bad = rng.random(1200) < 1 / (1 + np.exp(3.2 - 0.8 * x[:, 0]))
    path = tmp_path_factory.mktemp("rare") / "loans.csv"
    rows = [[*(f"{v:.4f}" for v in row), "bad" if z else "good"] for row, z in zip(x, bad, strict=True)]
    path.write_text("\n".join(["a,b,c,d,e,f,g,h,loan", *map(",".join, rows)]) + "\n")
    return FitSettings(str(path), target="loan", budget="10 members", positive="bad")


def test_f1_heeds_class_weights(rare, tmp_path):
    """Networks that heeded them least were the best by a loss of rows that count alike."""
    found = run_fit(replace(rare, metric="f1", class_weight="balanced", out=str(tmp_path / "run")))
    linear = found["baselines"]["linear"]["validation"]["score"]
    assert linear > 0.1
    assert found["validation"]["score"] > 0.8 * linear


@pytest.mark.parametrize(
    ("metric", "weighted"),
    [("accuracy", False), ("log_loss", False), ("balanced_accuracy", True), ("f1", True), ("roc_auc", True)],
)
def test_networks_are_compared_as_the_metric_or_else_the_training_counts_rows(rare, metric, weighted):
    problem = make_problem(prepare(replace(rare, class_weight="balanced").request()), metric)
    sums = np.bincount(problem.judged.y, problem.holdout_weight(problem.judged))
    shares = sums / sums.sum()
    assert shares == pytest.approx([0.5, 0.5] if weighted else [0.95, 0.05], abs=0.02)


def test_log_loss_with_class_weights_comes_with_a_word(rare):
    for metric, weights, told in (
        ("log_loss", "balanced", True),
        ("log_loss", None, False),
        ("f1", "balanced", False),
    ):
        problem = make_problem(prepare(replace(rare, class_weight=weights).request()), metric)
        assert any("worse than guessing" in note for note in problem.data.notes) == told
