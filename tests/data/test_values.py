"""Every way in which Python, NumPy and pandas hold a column ends in one form a kind."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from goodfit.data.values import MISSING_TEXTS, convert, normalise, texts_of
from goodfit.errors import InputError

NAN = np.nan
DAY = 19723.0  # 2024-01-01

COLUMNS = {
    "int64": (np.array([1, 2]), "number", [1, 2]),
    "float32": (np.array([0.5, NAN], np.float32), "number", [0.5, NAN]),
    "masked": (np.ma.masked_array([1, 2], [False, True]), "number", [1, NAN]),
    "list of mixed numbers": ([1, Decimal("2.5"), None], "number", [1, 2.5, NAN]),
    "Int64": (pd.Series([1, None], dtype="Int64"), "number", [1, NAN]),
    "UInt8": (pd.Series([1, None], dtype="UInt8"), "number", [1, NAN]),
    "Float64": (pd.Series([1.5, None], dtype="Float64"), "number", [1.5, NAN]),
    "arrow double": (pd.Series([1.5, None], dtype="float64[pyarrow]"), "number", [1.5, NAN]),
    "object numbers": (pd.Series([1, pd.NA, pd.NaT, 2.5], dtype=object), "number", [1, NAN, NAN, 2.5]),
    "timedelta": (pd.Series([pd.Timedelta("12h"), None]), "number", [0.5, NAN]),
    "all missing": ([None, "NA", pd.NA, " ", NAN], "number", [NAN] * 5),
    "bool": (np.array([True, False]), "boolean", [1, 0]),
    "boolean": (pd.Series([True, None], dtype="boolean"), "boolean", [1, NAN]),
    "arrow bool": (pd.Series([True, None], dtype="bool[pyarrow]"), "boolean", [1, NAN]),
    "object bools": (np.array([True, None, False, NAN], object), "boolean", [1, NAN, 0, NAN]),
    "words": (["TRUE", "false", ""], "boolean", [1, 0, NAN]),
    "category of bools": (pd.Categorical([True, None]), "boolean", [1, NAN]),
    "datetime64": (np.array(["2024-01-01T12", "NaT"], "M8[ns]"), "date", [DAY + 0.5, NAN]),
    "Timestamp": (pd.Series([pd.Timestamp("2024-01-01"), pd.NaT], dtype=object), "date", [DAY, NAN]),
    "zone": (
        pd.Series(pd.to_datetime(["2024-01-01", None])).dt.tz_localize("Asia/Tokyo"),
        "date",
        [DAY - 0.375, NAN],
    ),
    "dates": ([dt.date(2024, 1, 1), dt.datetime(2024, 1, 2), None], "date", [DAY, DAY + 1, NAN]),
    "date texts": (
        ["2024-01-01", "2024/01/02 12:00", "2024-01-01T01:00+01:00", "?"],
        "date",
        [DAY, DAY + 1.5, DAY, NAN],
    ),
    "str": (pd.Series(["a", None, "b"]), "category", ["a", None, "b"]),
    "string": (pd.Series(["a", pd.NA], dtype="string"), "category", ["a", None]),
    "arrow string": (pd.Series(["a", None], dtype="string[pyarrow]"), "category", ["a", None]),
    "fixed width": (np.array(["a", "nan"]), "category", ["a", None]),
    "bytes": (np.array([b"a", b"b"]), "category", ["a", "b"]),
    "category": (pd.Series(["b", None, "a"], dtype="category"), "category", ["b", None, "a"]),
    "category of numbers": (pd.Series([2, None, 1.5], dtype="category"), "category", ["2", None, "1.5"]),
    "number and text": ([1, "a", 2.5, True], "category", ["1", "a", "2.5", "true"]),
    "digits as text": (["007", "008"], "category", ["007", "008"]),
    "almost dates": (["2024-01-01", "2024-13-01"], "category", ["2024-01-01", "2024-13-01"]),
    "None is a word": (["None", "Brick"], "category", ["None", "Brick"]),
    "period": (
        pd.Series(pd.period_range("2024-01", periods=2, freq="M")),
        "category",
        ["2024-01", "2024-02"],
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_ends_in_one_form(name):
    values, kind, expected = COLUMNS[name]
    got, got_kind = normalise(values, "c")
    assert got_kind == kind
    assert got.dtype == (object if kind == "category" else np.float64)
    if kind == "category":
        assert list(got) == expected
        assert all(v is None or type(v) is str for v in got)
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("word", sorted(MISSING_TEXTS))
def test_words_for_missing(word):
    got, _ = normalise(["a", word, word.upper(), f" {word} "], "c")
    assert list(got) == ["a", None, None, None]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.inf], "Column 'c' holds an infinite value in row 2"),
        ([10**400, 1], "Column 'c' holds an infinite value in row 1"),
        ([[1], [2]], "Column 'c' holds list cells; use numbers, text, booleans or dates"),
        (np.zeros((2, 2)), "Column 'c' must hold one value a row, got an array of shape"),
        (np.zeros(2, complex), "Column 'c' holds complex128 values; use"),
    ],
)
def test_refusals(values, message):
    with pytest.raises(InputError, match=message):
        normalise(values, "c")


def column(*values):
    return normalise(list(values), "c")


@pytest.mark.parametrize(
    ("source", "wanted", "expected"),
    [
        (column("1.5", None), "number", [1.5, NAN]),
        (column(True, None), "number", [1, NAN]),
        (column(1, 0, None), "boolean", [1, 0, NAN]),
        (column(1, 2.5, None), "category", ["1", "2.5", None]),
        (column(True, None), "category", ["true", None]),
        (column(None, None), "category", [None, None]),
        (column(None, None), "date", [NAN, NAN]),
    ],
)
def test_conversions_that_lose_nothing(source, wanted, expected):
    got = convert(*source, wanted, "c")
    np.testing.assert_array_equal(got, np.array(expected, got.dtype))


@pytest.mark.parametrize(
    ("source", "wanted", "message"),
    [
        (column("1", "x"), "number", r"Column 'c' must hold numbers, but row 2 holds 'x'\."),
        (column("1", "x" * 3, "inf"), "number", "row 2 holds 'xxx'"),
        (
            column("54,0", "3", "1.5", "abc", "2,5", "7,25", "8,5"),
            "number",
            r"but row 4 holds 'abc', while most cells have decimal commas, such as '54,0'\.",
        ),
        (column("54,0", "1.5", "2,5"), "number", r"but row 2 holds '1\.5', while most cells have decimal"),
        (
            column("54,0", "3", None, "2,5"),
            "number",
            r"decimal commas, such as '54,0': .* with decimal=','\.",
        ),
        (column("1,5", "x", "y"), "number", r"Column 'c' must hold numbers, but row 1 holds '1,5'\."),
        (column(0, 2), "boolean", r"Column 'c' must hold true or false, but row 2 holds '2'\."),
        (column("2024-01-01", "soon"), "date", "must hold dates such as 2024-01-31, but row 2 holds 'soon'"),
        (column(1.0), "date", "must hold dates such as 2024-01-31, but holds numbers"),
        (column("2024-01-01"), "number", "must hold numbers, but holds dates"),
    ],
)
def test_conversions_that_are_refused(source, wanted, message):
    with pytest.raises(InputError, match=message):
        convert(*source, wanted, "c")


def test_number_texts_are_exact():
    values = np.array([3.0, -0.0, 0.1, 1e300, 2.0**53, np.nan])
    texts = texts_of(values, "number")
    assert list(texts[:3]) == ["3", "0", "0.1"]
    assert [float(t) for t in texts[:-1]] == list(values[:-1])
    assert texts[-1] is None
