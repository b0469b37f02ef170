"""Budgets: what is understood, and what a wrong one is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.errors import InputError
from goodfit.search.budget import Budget, parse_budget


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("45s", Budget(seconds=45)),
        ("2min", Budget(seconds=120)),
        ("1h", Budget(seconds=3600)),
        ("1.5 min", Budget(seconds=90)),
        ("24 members", Budget(members=24)),
        ("50_000 steps", Budget(steps=50_000)),
    ],
)
def test_budgets(text, budget):
    assert parse_budget(text) == budget
    assert parse_budget(str(budget)) == budget


@given(st.integers(1, 10**8))
def test_a_budget_of_any_length_is_read_back_from_its_text(seconds):
    assert parse_budget(str(Budget(seconds=seconds))) == Budget(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "0s", "-3s", "2.5 members", "10", "5 parsecs", "1e3s"])
def test_wrong_budgets_name_what_is_allowed(text):
    with pytest.raises(InputError, match="45s, 2min or 1h"):
        parse_budget(text)
