"""What is said of sealed rows that may be known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.data.leaks import leak_notes
from goodfit.data.split import Split
from goodfit.data.table import from_frame

ROWS = np.arange(100)
SPLIT = Split(ROWS[:60], ROWS[60:80], ROWS[80:])


def notes(columns, *, group=None, by_time=False):
    rng = np.random.default_rng(0)
    table = from_frame({"x": rng.normal(size=100), **columns, "y": rng.normal(size=100)})
    return leak_notes(table, SPLIT, ["x", *columns], "y", group=group, by_time=by_time)


@pytest.mark.parametrize("name", ["patient", "patient_id", "Subject", "customerID", "session_no", "house_id"])
def test_a_column_that_looks_like_owners_of_rows_is_named(name):
    (note,) = notes({name: ROWS % 20})
    assert f"'{name}'" in note
    assert "--group" in note


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("patient", ROWS),  # each once: an identifier, which is left out elsewhere
        ("patient", ROWS % 2),  # two values are a category
        ("patient", ROWS % 20 + 0.5),  # a measurement
        ("width", ROWS % 20),
        ("impatient", ROWS % 20),
    ],
)
def test_other_columns_are_not(name, values):
    assert notes({name: values}) == []


def test_nothing_is_said_where_rows_are_sealed_by_time():
    assert notes({"patient": ROWS % 20}, by_time=True) == []


def test_groups_on_both_sides_are_counted():
    (note,) = notes({"patient": np.where(ROWS < 90, ROWS % 7, ROWS)}, group="patient")
    assert note.startswith("10 of 20 sealed rows")
    assert notes({"patient": ROWS // 20}, group="patient") == []


def test_equal_rows_are_counted_with_and_without_their_target_and_what_follows_is_said():
    table = from_frame({"a": ROWS % 3, "b": ROWS % 2, "y": np.where(ROWS == 99, 7.0, 0.0)})
    (note,) = leak_notes(table, SPLIT, ["a", "b"], "y", group=None, by_time=False)
    assert note == (
        "20 of 20 sealed rows have the same inputs as a training row, 19 of them the same target, too: with "
        "2 columns likely by chance; if they are copies of one case, the exam is easier than with new ones; "
        "remove them or use --group."
    )


def test_equal_rows_of_many_values_are_not_put_down_to_chance():
    measured = np.random.default_rng(0).normal(size=(2, 100))
    measured[:, 80:85] = measured[:, :5]
    table = from_frame({"a": measured[0], "b": measured[1], "who": ROWS, "y": ROWS % 2})
    (note,) = leak_notes(table, SPLIT, ["a", "b"], "y", group="who", by_time=False)
    assert note.startswith("5 of 20 sealed rows")
    assert "chance" not in note
    assert note.endswith("remove them.")
