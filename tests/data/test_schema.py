"""Schemas: what each kind of column becomes, what is left out, and that nothing else ever comes out."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.data.column import MAX_CATEGORIES, ONE_HOT, Column, squash
from goodfit.data.schema import Schema, fit_schema
from goodfit.data.table import from_frame
from goodfit.errors import InputError

FILL = list(np.linspace(0.5, 7.3, 12))  # keeps a schema from being empty


def fit(rows=None, target=None, ignore=(), **columns):
    table = from_frame(columns, "t")
    return fit_schema(
        table, np.arange(table.rows) if rows is None else np.array(rows), target=target, ignore=ignore
    )


def reasons(schema):
    return dict(schema.dropped)


def test_numbers_are_standardised_and_clipped_smoothly():
    schema = fit(a=[1.0, 2.0, 3.0, 4.0, 1000.0])
    (column,) = schema.inputs
    assert column.center == pytest.approx(202.0)
    assert column.scale == pytest.approx(np.std([1.0, 2.0, 3.0, 4.0, 1000.0]))
    assert (column.quantiles, column.missing) == ((), False)
    encoded = schema.encode({"a": [202.0, 202.0 + column.scale, -1e300, None]})
    np.testing.assert_allclose(encoded[:, 0], [0, 1 / np.sqrt(1 + 1 / 64), -8, 0], atol=1e-6)
    assert encoded.dtype == np.float32


def test_numbers_of_many_values_also_have_a_normal_score():
    values = np.random.default_rng(0).lognormal(size=4000)
    schema = fit(a=values)
    assert schema.features == ("a", "a rank")
    score = schema.encode({"a": np.sort(values)})[:, 1]
    assert (np.diff(score) >= 0).all()
    assert abs(score.mean()) < 0.01
    assert abs(score.std() - 1) < 0.02  # normal, however skewed the numbers are
    np.testing.assert_allclose(schema.encode({"a": [np.median(values)]})[:, 1], 0, atol=0.02)
    np.testing.assert_allclose(schema.encode({"a": [1e9, None]})[:, 1], [2.66, 0], atol=0.01)


def test_tied_numbers_share_the_mean_of_their_scores():
    schema = fit(a=[0.0] * 500 + list(range(1, 501)))
    encoded = schema.encode({"a": [0.0, 500.0]})[:, 1]
    assert encoded[0] == pytest.approx(-0.798, abs=0.01)  # the mean of the lower half of a standard normal


def test_missing_numbers_are_marked_if_training_knew_them():
    schema = fit(a=[1.0, 2.0, None, 4.0], b=[1.0, 2.0, 3.0, 4.5])
    assert schema.features == ("a", "b", "a missing")
    encoded = schema.encode({"a": [None], "b": [None]})
    np.testing.assert_array_equal(encoded, [[0, 0, 1]])


def test_statistics_are_of_the_training_rows_alone():
    values = [1.0, 2.0, 3.0, 1e9, None]
    words = ["a", "b", "c", "d", "d"]
    schema = fit(rows=[0, 1, 2], n=values, w=words)
    number, word = schema.inputs
    assert number.center == pytest.approx(2.0)
    assert number.missing is False
    assert word.categories == ("a", "b", "c")
    assert schema == fit(n=values[:3], w=words[:3])


def test_categories():
    schema = fit(colour=["red", "blue", "red", "green", None])
    assert schema.features == ("colour=red", "colour=blue", "colour=green")
    encoded = schema.encode({"colour": ["green", None, "violet", "red"]})
    np.testing.assert_array_equal(encoded, [[0, 0, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0]])
    assert schema.unseen({"colour": ["green", None, "violet", "red"]}) == {"colour": 1}
    assert schema.unseen({"colour": ["green"]}) == {}


def test_many_categories_become_a_code():
    words = [f"w{i}" for i in range(ONE_HOT + 1)] * 2
    schema = fit(w=words, n=[i * 1.5 for i in range(20)], few=["a", "b", "c", "d"] * 5)
    assert schema.features == ("n", "n rank", "few=a", "few=b", "few=c", "few=d", "w code")
    assert schema.layout == {"inputs": 7, "numbers": 1, "categories": (ONE_HOT + 3,), "image": None}
    table = {"w": ["w0", "w9", "never seen", None], "n": [1] * 4, "few": ["a"] * 4}
    encoded = schema.encode(table)
    np.testing.assert_array_equal(encoded[:, -1], [0, 9, 10, 11])
    np.testing.assert_array_equal(encoded[:, 2:6], [[1, 0, 0, 0]] * 4)
    spelt = schema.one_hot(encoded)
    np.testing.assert_array_equal(spelt[:, :6], encoded[:, :6])
    np.testing.assert_array_equal(np.argmax(spelt[:, 6:], axis=1), [0, 9, 10, 11])
    assert schema.unseen(table) == {"w": 1}
    assert Schema.from_json(schema.to_json()) == schema


def test_rare_categories_share_a_place():
    words = [f"w{i:04}" for i in range(MAX_CATEGORIES + 6)] * 2
    schema = fit(w=words)
    assert schema.categories == (MAX_CATEGORIES + 2,)
    encoded = schema.encode({"w": [f"w{MAX_CATEGORIES + 5}", "never seen", "w0000", None]})
    np.testing.assert_array_equal(encoded[:, 0], [MAX_CATEGORIES, MAX_CATEGORIES, 0, MAX_CATEGORIES + 1])


def test_two_values_are_one_number():
    schema = fit(sex=["m", "f", "m", None], flag=[True, False, None, True])
    assert schema.features == ("sex=m", "flag=true")
    encoded = schema.encode({"sex": ["m", "f", None, "x"], "flag": [True, False, None, True]})
    np.testing.assert_array_equal(encoded, [[1, 1], [-1, -1], [0, 0], [0, 1]])


def test_dates_are_numbers():
    schema = fit(when=["2024-01-01", "2024-01-03", "2024-01-05"])
    (column,) = schema.inputs
    assert column.kind == "date"
    assert column.center == pytest.approx(19725.0)
    days = schema.encode({"when": pd.to_datetime(["2024-01-05"])})
    np.testing.assert_array_equal(days, schema.encode({"when": [19727.0]}))
    np.testing.assert_array_equal(days, schema.encode({"when": ["2024-01-05"]}))


def test_what_is_left_out_and_why():
    n = 12
    schema = fit(
        target="y",
        ignore=["z"],
        key=list(range(100, 100 + 7 * n, 7)),
        customerID=list(range(100, 100 + 7 * n, 7)),
        row=range(n),
        name=[f"n{i}" for i in range(n)],
        same=[1] * n,
        word=["a"] * n,
        flag=[True] * n,
        gone=[None] * n,
        z=range(n),
        wide=[i * 1000 for i in range(n)],
        sometimes=[7.0, None] * (n // 2),
        y=range(n),
    )
    assert reasons(schema) == {
        "key": "an identifier: whole numbers, each once",
        "customerID": "an identifier: whole numbers, each once",
        "row": "an identifier: whole numbers, each once",
        "name": "an identifier: text that differs in nearly every row",
        "same": "constant",
        "word": "constant",
        "flag": "constant",
        "gone": "no value among the training rows",
        "z": "ignored, as asked",
    }
    assert [c.name for c in schema.inputs] == ["wide", "sometimes"]
    np.testing.assert_array_equal(schema.encode({"wide": [0], "sometimes": [None]})[:, [1, 3]], [[0, 1]])


def test_categories_that_spell_numbers_answer_to_numbers():
    schema = fit(code=["01", "2", "3.0", "01"])
    assert list(schema.encode({"code": [1, 2, 3]}).argmax(1)) == [0, 1, 2]
    both = fit(code=["1", "01", "1", "2"])
    assert list(both.encode({"code": ["1", "01"]}).argmax(1)) == [0, 1]


def test_images():
    images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    schema = fit_schema(from_frame(images), np.arange(2), target=None)
    assert (schema.width, schema.features[5]) == (16, "pixel 1,1")
    for data in (images, images.reshape(2, 16), from_frame(images), pd.DataFrame(images.reshape(2, 16))):
        encoded = schema.encode(data)
        assert encoded.dtype == np.uint8
        np.testing.assert_array_equal(encoded, images.reshape(2, 16))
    np.testing.assert_array_equal(schema.encode(images, rows=np.array([1])), images[1:].reshape(1, 16))
    with pytest.raises(
        InputError, match=r"needs images of shape \(4, 4\), got an array of shape \(1, 3, 3\)"
    ):
        schema.encode(np.zeros((1, 3, 3)))
    with pytest.raises(InputError, match="got a table without images"):
        schema.encode(from_frame({"a": [1]}))
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [1]}, r"lack 2 of the 3 input columns of the model: 'b', 'c'\."),
        ({"a;b;c": ["1;2;x"]}, r"There is one column 'a;b;c': read the file with sep=';'\."),
        ({"a\tb\tc": ["1\t2\tx"]}, r"There is one column .*: read the file with sep='\\t'\."),
        ({"a": [1], "b": [2], "C": ["x"]}, r"lack 1 of the 3 input columns of the model: 'c'"),
        (
            {"a": ["7", "seven"], "b": [1, 2], "c": ["x", "y"]},
            "'a' must hold numbers, but row 2 holds 'seven'",
        ),
        ({"a": [1, np.inf], "b": [1, 2], "c": ["x", "y"]}, "'a' holds an infinite value in row 2"),
        ({"a": [1, 2], "b": ["2024-01-01"] * 2, "c": ["x", "y"]}, "'b' must hold numbers, but holds dates"),
        ("text", "must be a DataFrame, a dict of columns or a 2-D array, got 'str'"),
    ],
)
def test_encoding_refusals(data, message):
    schema = fit(a=[1.0, 2.5], b=[1.0, 2.5], c=["x", "y"])
    with pytest.raises(InputError, match=message):
        schema.encode(data)


def test_a_date_column_in_a_table_wants_dates():
    schema = fit(when=["2024-01-01", "2024-01-03"])
    with pytest.raises(InputError, match="'when' must hold dates such as 2024-01-31, but holds numbers"):
        schema.encode(from_frame({"when": [20240101]}))


def test_fitting_refusals():
    with pytest.raises(InputError, match=r"t has no column left to learn from \('a': constant\)"):
        fit(target="y", a=[1, 1], y=[0, 1])
    with pytest.raises(InputError, match="there is only the target"):
        fit(target="y", y=[0, 1])
    with pytest.raises(InputError, match=r"t has no column 'agee' \(did you mean 'age'\?\)"):
        fit(ignore=["agee"], age=[1, 2])


def test_extra_columns_are_ignored_and_order_is_free():
    schema = fit(a=[1.0, 2.5], b=[4.0, 2.5])
    frame = pd.DataFrame({"b": [4.0], "extra": [np.inf], "a": [1.0]})
    np.testing.assert_array_equal(schema.encode(frame), schema.encode({"a": [1.0], "b": [4.0]}))


FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.lists(st.one_of(st.none(), FINITE), min_size=2, max_size=15)
WORDS = st.lists(
    st.one_of(st.none(), st.sampled_from("abcdefgh"), st.text(max_size=3)), min_size=2, max_size=15
)
FLAGS = st.lists(st.one_of(st.none(), st.booleans()), min_size=2, max_size=15)


@given(st.one_of(NUMBERS, WORDS, FLAGS), st.one_of(NUMBERS, WORDS, FLAGS), NUMBERS)
def test_encoding_is_finite_and_survives_json(first, later, numbers):
    n = min(len(first), len(numbers))
    try:
        schema = fit(first=first[:n], numbers=numbers[:n])
    except InputError:  # every column constant, missing or an identifier
        return
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    m = min(len(later), len(numbers))
    new = {"first": later[:m], "numbers": numbers[::-1][:m]}
    for data in ({"first": first[:n], "numbers": numbers[:n]}, new):
        try:
            encoded = schema.encode(data)
        except InputError:  # text for numbers
            continue
        assert encoded.shape[1] == schema.width == len(schema.features)
        assert np.isfinite(encoded).all()
        assert np.abs(encoded).max(initial=0) <= 8
        np.testing.assert_array_equal(again.encode(data), encoded)


@given(
    st.lists(FINITE, min_size=1), FINITE, st.floats(min_value=5e-324, allow_infinity=False, allow_nan=False)
)
def test_squash_is_finite_bounded_and_rising(values, center, scale):
    squashed = squash(np.sort(values), center, scale)
    assert (np.abs(squashed) <= 8).all()
    assert (np.diff(squashed) >= -1e-14).all(), "but for rounding, which may differ by place"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "word"},
        {"scale": 0.0},
        {"scale": float("nan")},
        {"name": 3},
        {"other": 1},
        {"more": 1},
        {"categories": [1]},
    ],
)
def test_damaged_records(change):
    record = {"inputs": [{**Column("a", "number").to_json(), **change}], "dropped": [], "image_shape": None}
    with pytest.raises(InputError, match="record of a column is damaged"):
        Schema.from_json({**record, "pixel_max": 255})
    for damaged in (
        {},
        {**record, "inputs": [], "pixel_max": 255},
        {**record, "inputs": 3, "pixel_max": 255},
    ):
        with pytest.raises(InputError, match="record of the schema is damaged"):
            Schema.from_json(damaged)


def test_encoding_needs_numpy_alone():
    schema = fit(a=[1.0, None, 3.5], w=["x", "y", "z"], d=["2024-01-01", "2024-02-01", None])
    code = (
        "import json, sys\n"
        "for name in ('pandas', 'pyarrow', 'sklearn', 'scipy', 'jax'): sys.modules[name] = None\n"
        "from goodfit.data.schema import Schema\n"
        "schema = Schema.from_json(json.loads(sys.argv[1]))\n"
        "print(schema.encode({'a': [1, None], 'w': ['x', 'q'], 'd': ['2024-01-02', '']}).tolist())"
    )
    command = [sys.executable, "-c", code, json.dumps(schema.to_json())]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    expected = schema.encode(pd.DataFrame({"a": [1, None], "w": ["x", "q"], "d": ["2024-01-02", None]}))
    np.testing.assert_array_equal(json.loads(result.stdout), expected)
