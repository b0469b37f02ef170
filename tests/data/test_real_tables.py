"""Every real table and built-in set: read, split, encoded, and back from JSON."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from goodfit.data.builtin import BUILT_IN
from goodfit.data.read import read_table
from goodfit.data.schema import Schema, fit_schema
from goodfit.data.split import make_split, shared_rows
from goodfit.data.target import TargetCodec, drop_missing_target, fit_target


def prepare(name):
    """Take a named table through the whole package; return what a search would start from."""
    table, _ = drop_missing_target(read_table(name), read_table(name).target or "")
    assert table.target is not None
    codec, y = fit_target(table, table.target)
    split = make_split(codec.task, y, seed=0, sealed_rows=table.sealed_rows)
    codec = codec.fitted(y[split.train])
    schema = fit_schema(table, split.train, target=table.target)
    return table, codec, y, split, schema


def check(name):
    table, codec, y, split, schema = prepare(name)
    X = schema.encode(table)
    assert X.shape == (table.rows, schema.width)
    assert np.isfinite(X).all()
    assert X.dtype == (np.float32 if table.images is None else np.uint8)
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    rows = split.valid[:50]
    np.testing.assert_array_equal(again.encode(table, rows), X[rows])
    assert TargetCodec.from_json(json.loads(json.dumps(codec.to_json()))) == codec
    np.testing.assert_array_equal(codec.encode(codec.decode(y)), y)
    assert len(split.train) + len(split.valid) + len(split.sealed) == table.rows
    if codec.task == "classification":
        assert len(set(y[split.train].tolist())) == len(codec.classes)
    assert 0 <= shared_rows(table, split) <= len(split.sealed)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_sets(name):
    check(name)


def test_every_real_table(data_folder, monkeypatch):
    monkeypatch.setenv("GOODFIT_DATA", str(data_folder))
    index = json.loads((data_folder / "tables" / "index.json").read_text())
    assert len(index) == 24
    for entry in index:
        check(entry["name"])
        task = prepare(entry["name"])[1].task
        assert task == ("regression" if entry["task"] == "regression" else "classification"), entry["name"]


def test_mnist(data_folder, monkeypatch):
    monkeypatch.setenv("GOODFIT_DATA", str(data_folder))
    check("mnist")


@pytest.mark.parametrize("name", ["soybean", "penguins", "credit_spain", "mlc_churn"])
def test_the_same_table_as_csv_encodes_alike(name, data_folder, table_path, tmp_path, monkeypatch):
    monkeypatch.setenv("GOODFIT_DATA", str(data_folder))
    import pandas as pd

    table, codec, y, _, schema = prepare(name)
    path = tmp_path / f"{name}.csv"
    pd.read_parquet(table_path(name)).to_csv(path, index=False)
    written = read_table(path)
    np.testing.assert_array_equal(schema.encode(written), schema.encode(table))
    np.testing.assert_array_equal(codec.encode(written.columns[table.target]), y)


def test_the_largest_table_takes_seconds(table_path, data_folder, monkeypatch):
    monkeypatch.setenv("GOODFIT_DATA", str(data_folder))
    start = time.perf_counter()
    table, _, _, _, schema = prepare("fertility")
    schema.encode(table)
    assert table.rows == 254_654
    assert time.perf_counter() - start < 20  # about 1.5 s alone on one core
