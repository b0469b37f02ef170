"""Files, folders and names: what reads, and what is said when nothing does."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from goodfit.data.read import columns_as_given, read_table
from goodfit.errors import InputError

BUILT_IN = {
    "digits": (1797, "label", 10),
    "wine": (178, "class", 3),
    "breast_cancer": (569, "class", 2),
    "iris": (150, "class", 3),
    "diabetes": (442, "progression", 214),
}


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_idx(folder, prefix="train", rows=5, gz=False, labels=None):
    images = np.arange(rows * 6).reshape(rows, 2, 3)
    for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(labels or rows) % 3)):
        data = idx(array)
        name = f"{prefix}-{kind}-ubyte{'.gz' if gz else ''}"
        (folder / name).write_bytes(gzip.compress(data) if gz else data)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_names(name):
    rows, target, distinct = BUILT_IN[name]
    table = read_table(name)
    assert (table.rows, table.target, table.name) == (rows, target, name)
    assert len(set(table.columns[target].tolist())) == distinct


def test_built_in_sets_equal_those_of_scikit_learn():
    from sklearn import datasets

    digits = read_table("digits")
    assert digits.images is not None
    np.testing.assert_array_equal(digits.images, datasets.load_digits().images)
    assert digits.pixel_max == 16
    loaders = {"wine": {}, "iris": {}, "breast_cancer": {}, "diabetes": {"scaled": False}}
    for name, options in loaders.items():
        theirs = getattr(datasets, f"load_{name}")(**options)
        ours = read_table(name)
        inputs = [column for column in ours.columns if column != ours.target]
        np.testing.assert_array_equal(np.stack([ours.columns[c] for c in inputs], 1), theirs.data)
        assert inputs == [str(c).removesuffix(" (cm)") for c in theirs.feature_names]


@pytest.mark.parametrize("gz", [False, True])
def test_idx_folders(tmp_path, gz):
    write_idx(tmp_path, gz=gz)
    table = read_table(tmp_path)
    assert table.images is not None
    assert (table.images.shape, table.target, table.sealed_rows) == ((5, 2, 3), "label", None)
    write_idx(tmp_path, "t10k", rows=2, gz=gz)
    table = read_table(tmp_path)
    assert table.rows == 7
    assert table.sealed_rows is not None
    assert list(table.sealed_rows) == [5, 6]
    assert table.notes == ("The 2 rows of the test pair are sealed.",)


def test_idx_refusals(tmp_path):
    with pytest.raises(InputError, match="holds no data: it must have IDX files such as train-images"):
        read_table(tmp_path)
    write_idx(tmp_path, labels=4)
    with pytest.raises(
        InputError, match=r"as many images as labels; their shapes are \(5, 2, 3\) and \(4,\)"
    ):
        read_table(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.arange(5))[:-1])
    with pytest.raises(InputError, match="damaged: 5 bytes of data announced, 4 found"):
        read_table(tmp_path)
    for other in (b"", b"PNG", b"\0\0\x0d\x01" + bytes(20), b"\0\0\x08\x05"):
        labels.write_bytes(other)
        with pytest.raises(InputError, match="not an IDX file of unsigned bytes"):
            read_table(tmp_path)
    labels.unlink()
    with pytest.raises(InputError, match="one file of labels for each file of images"):
        read_table(tmp_path)


def test_npz(tmp_path):
    path = tmp_path / "a.npz"
    images, labels = np.arange(24).reshape(4, 2, 3), np.array([0, 1, 0, 1])
    np.savez(path, x_train=images, y_train=labels, X_test=images[:1], y_test=labels[:1, None])
    with pytest.raises(InputError, match="must have the shape of those for training"):
        read_table(path)
    np.savez(path, x_train=images, y_train=labels, X_test=images[:1], y_test=labels[:1])
    table = read_table(path)
    assert (table.rows, table.target, list(table.sealed_rows)) == (5, "label", [4])  # type: ignore[arg-type]
    np.savez(path, X=np.ones((4, 2)), y=np.array(list("abab")))
    assert list(read_table(path).columns) == ["x0", "x1", "label"]
    np.savez(path, Age=np.arange(3.0), sex=np.array(["f", "m", ""]))
    table = read_table(path, target="sex")
    assert (list(table.columns), table.target, table.name) == (["Age", "sex"], "sex", "a")
    np.savez(path, X=np.ones((4, 2)), y=np.ones(3))
    with pytest.raises(InputError, match=r"one target for each row; x is \(4, 2\) and y is \(3,\)"):
        read_table(path)
    np.savez(path, weights=np.ones((4, 2)))
    with pytest.raises(InputError, match=r"must hold an array x with a target y.*found weights \(4, 2\)"):
        read_table(path)
    np.savez(path, a=np.array([{}], object))
    with pytest.raises(InputError, match="arrays of Python objects are not read"):
        read_table(path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="cannot be read as a NumPy archive: it is damaged"):
        read_table(path)


def test_parquet(tmp_path):
    path = tmp_path / "people.parquet"
    frame = pd.DataFrame(
        {
            "age": pd.array([1, None], "Int64"),
            "sex": pd.Categorical(["f", None]),
            "when": pd.to_datetime(["2024-01-01", None]).tz_localize("UTC"),
        },
        index=pd.Index([7, 8], name="key"),
    )
    frame.to_parquet(path)
    table = read_table(path)
    assert table.name == "people"
    assert table.kinds == {"key": "number", "age": "number", "sex": "category", "when": "date"}
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(InputError, match=r"people\.parquet is not a readable Parquet file"):
        read_table(path)


def test_the_index_beside_a_table_suggests_its_target(tmp_path, monkeypatch):
    tables = tmp_path / "tables"
    tables.mkdir()
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).to_parquet(tables / "small.parquet")
    entry = {"name": "small", "file": "small.parquet", "target": "b", "note": "made up"}
    (tables / "index.json").write_text(json.dumps([entry]))
    monkeypatch.delenv("GOODFIT_DATA", raising=False)
    assert read_table(tables / "small.parquet").target == "b"
    with pytest.raises(InputError, match="no file, folder or built-in data set 'small'"):
        read_table("small")
    monkeypatch.setenv("GOODFIT_DATA", str(tmp_path))
    table = read_table("small", target="a")
    assert (table.target, table.notes) == ("a", ("The index says: made up.",))
    (tables / "index.json").write_text("{")
    with pytest.raises(InputError, match="must be a JSON list of objects"):
        read_table("small")
    monkeypatch.setenv("GOODFIT_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="GOODFIT_DATA must name a folder, got"):
        read_table("small")


def test_refusals(tmp_path):
    with pytest.raises(
        InputError, match=r"no file, folder or built-in data set 'digit' \(did you mean 'digits'\?\)"
    ):
        read_table("digit")
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match=r"a.xlsx is of an unknown format; data must be .csv, .tsv"):
        read_table(tmp_path / "a.xlsx")
    (tmp_path / "a.csv").write_text("age,sex\n1,f\n")
    with pytest.raises(InputError, match=r"a has no column 'aeg' \(did you mean 'age'\?\)"):
        read_table(tmp_path / "a.csv", target="aeg")


def test_mnist(data_folder, monkeypatch):
    monkeypatch.setenv("GOODFIT_DATA", str(data_folder))
    table = read_table("mnist")
    assert table.images is not None
    assert table.sealed_rows is not None
    assert table.images.shape == (70000, 28, 28)
    assert (table.sealed_rows[0], len(table.sealed_rows), table.target) == (60000, 10000, "label")


def test_importing_loads_nothing_heavy():
    code = (
        "import importlib, pkgutil, sys, goodfit.data\n"
        "for module in pkgutil.iter_modules(goodfit.data.__path__):\n"
        "    importlib.import_module('goodfit.data.' + module.name)\n"
        "print(*sorted({'pandas', 'pyarrow', 'sklearn', 'scipy', 'jax'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.stderr) == ("", "")


def test_the_columns_of_a_named_set_are_given_as_text():
    given = columns_as_given("iris", read_table("iris"))
    assert {name: cells[0] for name, cells in given.items()} == {
        "sepal length": "5.1",
        "sepal width": "3.5",
        "petal length": "1.4",
        "petal width": "0.2",
        "class": "setosa",
    }
