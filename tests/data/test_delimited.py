"""Delimited text: whatever the dialect, the table comes back."""

from __future__ import annotations

import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodfit.data.delimited import decode, read_delimited
from goodfit.errors import InputError

NUMBERS = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53), 2**53).map(float),
)
WORDS = ("red", "größe, naïve", 'say "so"', "a; b", "x|y", "tab\there", "two\nlines", "café", None)
# a byte for é or ß stands alone in Latin-1, as in real text; Chinese comes in pairs
CHINESE = ("红色", "大小, 中", None, "plain")


@st.composite
def dialects(draw):
    """Return (columns, bytes) of a table written in some dialect."""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "gb18030"]))
    words = CHINESE if encoding == "gb18030" else WORDS
    rows = draw(st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from(words)), min_size=1, max_size=12))
    columns = {
        "first": [r[0] for r in rows],
        "second one": [r[1] for r in rows],
        "colour": [r[2] for r in rows],
    }
    separator = draw(st.sampled_from([";", "\t", "|", ","]))
    comma = separator != "," and draw(st.booleans())
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=separator,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
    )
    writer.writerow(columns)
    missing = draw(st.sampled_from(["", "NA", "?", "null", "NaN"]))
    for row in zip(*columns.values(), strict=True):
        cells = [missing if v is None else repr(v) if isinstance(v, float) else v for v in row]
        writer.writerow([c.replace(".", ",") if comma and i < 2 else c for i, c in enumerate(cells)])
    data = out.getvalue().encode(encoding)
    return columns, gzip.compress(data) if draw(st.booleans()) else data


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dialects())
def test_every_dialect_comes_back(tmp_path, written):
    columns, data = written
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    table = read_delimited(path)
    assert list(table.columns) == list(columns)
    for name in ("first", "second one"):
        np.testing.assert_array_equal(table.columns[name], np.array(columns[name], float))
    colours = [None if v != v else v for v in table.columns["colour"]]
    assert colours == columns["colour"]


def read(tmp_path, text, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return read_delimited(path)


def test_what_was_found_is_said(tmp_path):
    table = read(tmp_path, gzip.compress("größe;wert\n1,5;a\n2,25;b\n".encode("latin-1")))
    assert table.notes == (
        "The file is gzipped.",
        "The encoding found is Latin-1.",
        "The separator found is the semicolon.",
        "Decimal commas were found in 'größe'.",
    )
    assert list(table.columns["größe"]) == [1.5, 2.25]
    assert read(tmp_path, "a,b\n1,x\n").notes == ()
    table = read(tmp_path, 'a,b\n"1,234",x\n"1,234,567.5",y\n,z\n')
    np.testing.assert_array_equal(table.columns["a"], [1234, 1234567.5, np.nan])
    assert table.notes == ("Commas between thousands were found in 'a'.",)
    assert list(read(tmp_path, "a;b\n1.234,5;x\n7;y\n").columns["a"]) == [1234.5, 7]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("naïve".encode(), ("naïve", "UTF-8")),
        ("naïve".encode("utf-8-sig"), ("naïve", "UTF-8 with a byte order mark")),
        ("naïve".encode("utf-16"), ("naïve", "UTF-16")),
        ("naïve".encode("utf-16-be"), ("naïve", "UTF-16")),
        ("价格,颜色\n".encode("gb18030"), ("价格,颜色\n", "GB18030")),
        ("Größe in Köln, naïve".encode("latin-1"), ("Größe in Köln, naïve", "Latin-1")),
    ],
)
def test_encodings(data, expected):
    assert decode(data) == expected


def test_columns_keep_their_kinds(tmp_path):
    table = read(
        tmp_path,
        "when,flag,code,mixed,empty, spaced\n"
        "2024-01-02,True,7,1,,x\n,NA,8,a,, y\n2024-01-03 06:00,False,9,,,z\n",
    )
    assert table.kinds == {
        "when": "date",
        "flag": "boolean",
        "code": "number",
        "mixed": "category",
        "empty": "number",
        "spaced": "category",
    }
    np.testing.assert_array_equal(table.columns["when"], [19724, np.nan, 19725.25])
    np.testing.assert_array_equal(table.columns["flag"], [1, np.nan, 0])
    assert list(table.columns["mixed"]) == ["1", "a", None]
    assert list(table.columns["spaced"]) == ["x", "y", "z"]


def test_long_fields_are_read(tmp_path):
    assert read(tmp_path, f"a;b\n1;{'x' * 200_000}\n2;y\n").kinds == {"a": "number", "b": "category"}


def test_an_unnamed_first_column_gets_a_name(tmp_path):
    assert list(read(tmp_path, ",a\n0,5\n1,6\n").columns) == ["Unnamed: 0", "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv is empty: it holds no text"),
        (" \n\n", "t.csv is empty: it holds no text"),
        ("a,b\n", "t.csv is empty: it has 2 columns and no rows"),
        ("a,b,a\n1,2,3\n", "t.csv has duplicate column names: 'a'"),
        (
            "1,2,3\n4,5,6\n",
            r"first line of t.csv holds only numbers \(1, 2, 3, …\), but it must hold the names",
        ),
        (
            "a,b\n1,2\n1,2,3\n",
            "cannot be cut into its 2 columns with the comma as separator: Expected 2 fields",
        ),
        ("a,b\n1,2,3\n4,5,6\n", "2 columns .* the rows have more fields than the first line has names"),
        ('a,b\n1,"x\n', "EOF inside string"),
        (b"a,b\n1,\x002\n", "t.csv is not a text file: it holds zero bytes"),
        ("a,b\n1,2\n".encode("utf-32"), "t.csv is not a text file: it holds zero bytes"),
        ("x" * 200_000 + ",b\n1,2\n", "The first line of t.csv is not a list of column names"),
        ("a,b\n1,inf\n", "Column 'b' holds an infinite value in row 1"),
        ("a,b\n1,-Infinity\n", "Column 'b' holds an infinite value in row 1"),
        (b"\x1f\x8b\x08broken", "t.csv is a damaged gzip file"),
        (gzip.compress(b"a,b\n1,2\n" * 100, mtime=0)[:-9], "t.csv is a damaged gzip file"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)
