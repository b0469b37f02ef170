"""Tables: frames in, rows out, hashes, joins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.data.table import from_frame, join_tables
from goodfit.errors import InputError


def test_frames_dicts_and_matrices():
    frame = pd.DataFrame({"age": [1, 2], 7: ["a", None]})
    table = from_frame(frame, "people")
    assert (table.name, table.rows) == ("people", 2)
    assert table.kinds == {"age": "number", "7": "category"}
    assert table.content_hash() == from_frame({"age": [1.0, 2.0], "7": ["a", ""]}).content_hash()
    assert list(from_frame(np.ones((3, 2))).columns) == ["x0", "x1"]


def test_images():
    images = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    table = from_frame(images)
    assert table.images is not None
    assert table.images.dtype == np.uint8
    assert table.take(np.array([1])).rows == 1
    for bad in (images + 0.5, images - 1, images * 99, np.full((1, 2, 2), np.nan)):
        with pytest.raises(InputError, match="Pixels must be whole numbers from 0 to 255"):
            from_frame(bad)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({}, "data is empty: it has no columns"),
        ({"a": []}, "data is empty: it has 1 columns and no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "duplicate column names: 'a'"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "duplicate column names: '1'"),
        ({"a": [1, 2], "b": [1]}, "equally long: 'a' has 2 rows, 'b' has 1"),
        ({"a": 3}, "Column 'a' must be an array or a list of values, got 3"),
        (3, "must be a DataFrame, a dict of columns or a 2-D array, got 'int'"),
        (np.zeros(3), "must be a DataFrame, a dict of columns or a 2-D array, got 'ndarray'"),
        (np.zeros((0, 2, 2)), "data is empty: it holds no pixels"),
        ({"a": [1, np.inf]}, "Column 'a' holds an infinite value in row 2"),
    ],
)
def test_refusals(frame, message):
    with pytest.raises(InputError, match=message):
        from_frame(frame, "data")


def test_require_suggests_the_nearest_name():
    with pytest.raises(
        InputError, match=r"people has no column 'aeg' \(did you mean 'age'\?\); its columns are"
    ):
        from_frame({"age": [1], "sex": ["f"]}, "people").require("aeg")


cells = st.one_of(st.none(), st.floats(allow_infinity=False), st.text(max_size=3))
rows = st.lists(st.tuples(cells, cells), min_size=1, max_size=8)


@given(rows, rows)
def test_equal_rows_have_equal_hashes_and_others_differ(first, second):
    both = [*first, *second]
    table = from_frame({"a": [r[0] for r in both], "b": [r[1] for r in both]})
    seen = [
        tuple(None if v is None or v != v else v for v in row)
        for row in zip(*table.columns.values(), strict=True)
    ]
    hashes = table.row_hashes()
    assert len(set(hashes.tolist())) == len(set(seen))
    assert len(set(zip(seen, hashes.tolist(), strict=True))) == len(set(seen))
    again = table.take(np.arange(table.rows)[::-1])
    np.testing.assert_array_equal(again.row_hashes(), hashes[::-1])


def test_content_hash_tells_tables_apart():
    base = {"a": [1.0, 2.0], "b": ["x", "yz"]}
    variants = [
        base,
        {"b": base["b"], "a": base["a"]},
        {**base, "a": [1.0, None]},
        {**base, "b": ["xy", "z"]},
        {**base, "b": [None, "xyz"]},
        {**base, "a": [True, False]},
    ]
    hashes = {from_frame(v).content_hash() for v in variants}
    assert len(hashes) == len(variants)
    assert from_frame({"a": [0.0]}).content_hash() == from_frame({"a": [-0.0]}).content_hash()
    expected = "f569c820dfcfff45"  # the same on every machine and in every version
    assert from_frame(base).content_hash()[:16] == expected


def test_row_hashes_can_leave_columns_out():
    table = from_frame({"id": [1, 2], "x": [5, 5]})
    assert len(set(table.row_hashes().tolist())) == 2
    assert len(set(table.row_hashes(["x"]).tolist())) == 1


def test_join_keeps_the_training_columns_and_kinds():
    train = from_frame({"a": ["1", "x"], "b": [1.0, 2.0]})
    valid = from_frame({"b": ["3"], "a": [1], "extra": [0]})
    test = from_frame({"a": [None, "z"], "b": [4, None]})
    joined, valid_rows, test_rows = join_tables(train, valid=valid, test=test)
    assert list(joined.columns["a"]) == ["1", "x", "1", None, "z"]
    np.testing.assert_array_equal(joined.columns["b"], [1, 2, 3, 4, np.nan])
    assert (list(valid_rows), list(test_rows)) == ([2], [3, 4])
    assert list(joined.sealed_rows) == [3, 4]
    assert list(joined.take(np.array([4, 0, 3])).sealed_rows) == [0, 2]
    alone, none, nothing = join_tables(train)
    assert alone.rows == 2
    assert none is None
    assert nothing is None


def test_join_refusals():
    train = from_frame({"a": [1.0], "b": ["x"], "c": [1]}, "train")
    with pytest.raises(InputError, match="The test table t lacks columns of the training table: 'a', 'c'"):
        join_tables(train, test=from_frame({"b": ["x"]}, "t"))
    with pytest.raises(InputError, match="Column 'a' must hold numbers, but row 1 holds 'word'"):
        join_tables(train, valid=from_frame({"a": ["word"], "b": ["x"], "c": [1]}))
    images = from_frame(np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(InputError, match="test images must have the shape of those for training"):
        join_tables(images, test=from_frame(np.zeros((1, 3, 3), np.uint8)))
