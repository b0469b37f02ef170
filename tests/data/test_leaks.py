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
