"""`goodfit inspect` and `goodfit export`: what a model file is, and the same model as ONNX."""

from __future__ import annotations

import json

import numpy as np
import pytest

from goodfit.model.file import load_model
from goodfit.model.onnx_file import onnx_inputs


def test_inspect_says_what_the_model_is(goodfit, fitted):
    said = goodfit("inspect", fitted["run"])
    assert said.exit_code == 0, said.output
    for words in ("classification of 'grade'", "'good', 'poor'", "opened once", "'size': number", "to train"):
        assert words in said.stdout


def test_inspect_as_json_is_the_model_s_own_account(goodfit, fitted):
    said = json.loads(goodfit("inspect", fitted["model"], "--json").stdout)
    assert said["columns"] == ["size", "age", "town"]
    assert said["openings"] == 1
    assert said["test"]["score"] == fitted["test"]["score"]


def test_inspect_of_a_sealed_run(goodfit, table, tmp_path):
    words = ("--budget", "1 members", "--out", tmp_path / "run", "--keep-sealed")
    assert goodfit("fit", table, "--target", "grade", *words).exit_code == 0
    assert "had not been opened" in goodfit("inspect", tmp_path / "run").stdout


def test_export_writes_what_onnxruntime_answers_alike(goodfit, fitted, table, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "people.onnx"
    said = goodfit("export", fitted["run"], "--onnx", path, "--check", table, "--json")
    assert said.exit_code == 0, said.output
    found = json.loads(said.stdout)
    assert found["rows"] == 120
    assert found["largest"] < 1e-5
    assert found["others"] == found["close"]
    model = load_model(fitted["run"])
    rows = {"size": np.array([0.5, np.nan]), "age": np.array([30.0, 40.0]), "town": ["Bern", None]}
    answers = onnxruntime.InferenceSession(path).run(["label"], onnx_inputs(model.schema, rows))[0]
    assert answers.tolist() == model.predict(rows).tolist()


@pytest.mark.parametrize(
    ("name", "words"), [("model.txt", "ending in .onnx"), ("nowhere/model.onnx", "there is no folder")]
)
def test_export_refuses_a_bad_name(goodfit, fitted, tmp_path, name, words):
    said = goodfit("export", fitted["run"], "--onnx", tmp_path / name)
    assert said.exit_code == 2
    assert words in said.stderr
    assert not said.stdout
