"""What is recorded of a model for its report: counted right, bounded, repeatable, honest about rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from goodfit.data.prepare import prepare
from goodfit.job import FitSettings, run_fit
from goodfit.model import importance as bounds
from goodfit.model.file import load_model
from goodfit.model.importance import _pieces, importance
from goodfit.model.insights import insights, mistakes, residuals, spread
from goodfit.model.jury import Jury
from goodfit.model.problem import make_problem
from goodfit.rerun import unseal
from goodfit.store.canonical import loads


def write_table(path, rows=300, seed=0, numbers=False):
    """The columns noise, size, <b>town</b> and code; the target depends on size alone."""
    rng = np.random.default_rng(seed)
    noise, size = rng.normal(size=(2, rows))
    town, code = rng.choice(["Bern", "Genf", "Basel"], rows), rng.choice([f"c{k}" for k in range(12)], rows)
    target = [f"{v:.4f}" for v in 3 * size] if numbers else np.where(size > 0, "good", "poor")
    lines = [
        f"{a:.4f},{b:.4f},{c},{d},{y}" for a, b, c, d, y in zip(noise, size, town, code, target, strict=True)
    ]
    path.write_text("\n".join(["noise,size,<b>town</b>,code,y", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs by name: (settings, folder, result)."""
    home = tmp_path_factory.mktemp("insights")
    found = {}
    for name, numbers, more in (
        ("classes", False, {}),
        ("numbers", True, {}),
        ("folds", False, {"cv": 3, "keep_sealed": True}),
    ):
        table = write_table(home / f"{name}.csv", numbers=numbers)
        settings = FitSettings(str(table), target="y", budget="8 members", out=str(home / name), **more)
        found[name] = (settings, home / name, run_fit(settings))
    return found


def recorded(folder):
    return loads((folder / "insights.json").read_bytes())


def opened(run):
    settings, folder, _ = run
    return make_problem(prepare(settings.request()), None), load_model(folder)


def test_confusion_counts_are_scikit_learns(runs):
    problem, model = opened(runs["classes"])
    part = problem.judged
    labels = np.argmax(model.outputs(part.x), axis=1)
    found = recorded(runs["classes"][1])["validation"]["mistakes"]
    assert found["counts"] == confusion_matrix(part.y, labels, labels=[0, 1]).tolist()
    assert sum(one["rows"] for one in found["by_class"]) == len(part.y)


@pytest.mark.parametrize("classes", [3, 35, 80])
def test_mistakes_of_many_classes_keep_the_worst(classes):
    rng = np.random.default_rng(1)
    y = rng.integers(0, classes, 2000)
    labels = np.where(rng.random(2000) < 0.6, y, rng.integers(0, classes, 2000))
    found = mistakes(y, labels, [f"k{i}" for i in range(classes)])
    matrix = confusion_matrix(y, labels, labels=range(classes))
    assert (found["counts"] is not None) == (classes <= 30)
    worst = matrix - np.diag(np.diag(matrix))
    assert found["pairs"][0][2] == worst.max()
    for one in found["by_class"]:
        k = int(one["label"][1:])
        assert (one["rows"], one["found"], one["named"]) == (
            matrix[k].sum(),
            matrix[k, k],
            matrix[:, k].sum(),
        )
    assert len(found["by_class"]) == min(classes, 50)
    shares = np.diag(matrix) / matrix.sum(axis=1)
    assert f"k{int(np.argmin(shares))}" in {one["label"] for one in found["by_class"]}


@pytest.mark.parametrize("name", ["classes", "numbers", "folds"])
def test_groups_add_up_to_the_rows_and_hold_what_was(runs, name):
    problem, _ = opened(runs[name])
    found = recorded(runs[name][1])
    for rows in ("validation", "test"):
        if found[rows] is None:
            continue
        bins = found[rows]["calibration"]["bins"]
        assert sum(b["rows"] for b in bins) == found[rows]["rows"]
        assert all(b["low"] <= b["was"] <= b["high"] for b in bins)
        said = [b["said"] for b in bins]
        assert said == sorted(said)
    bins, part = found["validation"]["calibration"]["bins"], problem.judged
    was = sum(b["rows"] * b["was"] for b in bins) / len(part.y)
    if name == "numbers":
        assert was == pytest.approx(part.y.mean(), rel=1e-4, abs=1e-4)
    elif name == "classes":
        assert found["validation"]["calibration"]["of"] == "poor"
        assert was == pytest.approx((part.y == 1).mean(), abs=1e-4)


@pytest.mark.parametrize("name", ["classes", "numbers", "folds"])
def test_importance_finds_the_column_that_matters(runs, name):
    columns = recorded(runs[name][1])["importance"]["columns"]
    assert sorted(one["name"] for one in columns) == sorted(["noise", "size", "<b>town</b>", "code"])
    assert columns[0]["name"] == "size"
    assert columns[0]["low"] > 0.1
    for other in columns[1:]:
        assert other["high"] < columns[0]["low"]
        assert other["low"] <= other["mean"] <= other["high"]


def test_a_column_owns_all_of_its_encoded_numbers(runs):
    """Codes and quantities are moved among the encoded numbers: each column is still found whole."""
    problem, _ = opened(runs["classes"])
    schema = problem.data.schema
    pieces, grid = _pieces(schema, 100)
    assert grid is None
    assert sorted(np.concatenate([p.places for p in pieces]).tolist()) == list(range(schema.width))
    for piece, column in zip(pieces, schema.inputs, strict=True):
        assert [schema.features[i] for i in piece.places] == list(column.features)


def test_patches_of_an_image_are_all_its_pixels():
    found, grid = bounds._patches((9, 5, 3), 1000)
    assert grid == [8, 5]
    assert sorted(np.concatenate([p.places for p in found]).tolist()) == list(range(9 * 5 * 3))
    assert bounds._patches((28, 28), 16)[1] == [4, 4]


def test_little_time_means_fewer_shuffles_rows_and_columns(runs):
    problem, model = opened(runs["classes"])
    jury = Jury.of(model, None)
    part = problem.judged
    each = jury.operations() / bounds.RATE / bounds.SHARE  # seconds of budget that one row is worth
    whole = importance(problem, jury, part, None, None)
    assert (whole["rows"], whole["repeats"], whole["left_out"]) == (len(part.y), bounds.REPEATS, 0)
    once = importance(problem, jury, part, None, each * len(part.y) * 4 * 1.5)
    assert (once["rows"], once["repeats"], once["left_out"]) == (len(part.y), 1, 0)
    fewest = min(len(part.y), bounds.FEWEST_ROWS)
    few = importance(problem, jury, part, None, each * fewest * 1.5)
    assert (few["repeats"], few["left_out"], len(few["columns"])) == (1, 3, 1)
    assert few["columns"][0]["name"] == "size"  # goes most with the answers


def test_out_of_fold_answers_give_the_recorded_score(runs):
    """Only the network that has not seen a row may answer for it."""
    problem, model = opened(runs["folds"])
    jury = Jury.of(model, problem.folds)
    assert jury.folds == 3
    outputs = jury.together(problem.judged.x, jury.holders(problem.judges))
    score = problem.score(problem.judged, outputs)
    assert score["score"] == pytest.approx(runs["folds"][2]["validation"]["score"])
    everyone = jury.together(problem.judged.x, None)
    assert not np.allclose(everyone, outputs)
    assert np.allclose(everyone, model.outputs(problem.judged.x))


def test_equal_models_have_equal_insights_and_nothing_is_opened_again(runs):
    problem, model = opened(runs["classes"])
    before = recorded(runs["classes"][1])
    seeds = [one["seed"] for one in model.record["training"]]
    again = insights(problem, model, None, seeds, None)
    for key in ("validation", "importance", "training"):
        assert json.dumps(again[key], sort_keys=True) == json.dumps(before[key], sort_keys=True)
    assert again["test"] is None
    assert before["test"]["rows"] == problem.data.sealed.rows


def test_sealed_rows_are_looked_at_in_the_exams_own_opening_alone(runs):
    _, folder, result = runs["folds"]
    assert recorded(folder)["test"] is None
    assert not (folder / "ledger.jsonl").exists()
    done = unseal(str(folder))
    assert done["test"]["opened"] == 1
    found = recorded(folder)
    assert found["test"]["rows"] == result["rows"]["sealed"]
    assert found["of"]["test"] == done["test"]


def test_the_exam_is_of_the_whole_and_scores_no_network_alone(runs):
    found = recorded(runs["classes"][1])
    assert "members" in found["validation"]
    assert "members" not in found["test"]


def test_agreement_and_members_are_about_all_rows(runs):
    for name in ("classes", "numbers"):
        seen = recorded(runs[name][1])["validation"]
        assert seen["members"]["count"] == len(runs[name][2]["ensemble"])
        assert sum(one["weight"] for one in seen["members"]["each"]) == pytest.approx(1.0, abs=1e-4)
        if seen["agreement"]:
            parts = seen["agreement"]["agreed"], seen["agreement"]["divided"]
            assert sum(part["rows"] for part in parts) == seen["agreement"]["rows"] == seen["rows"]


def test_a_histogram_holds_every_row_even_where_all_errors_are_equal():
    rng = np.random.default_rng(0)
    y = rng.standard_cauchy(500)
    for answers in (np.zeros(500), y + 1.0, y):
        found = residuals(y, answers)
        assert np.sum(found["histogram"]["counts"]) == 500
        assert len(found["points"]) == 400
    assert found["mean"] == 0.0


def test_rows_are_spread_evenly():
    assert spread(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert spread(10, 4).tolist() == [0, 2, 5, 7]
