"""Canonical JSON: everything comes back, equal content is equal text."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.store.canonical import dumps, loads

texts = st.one_of(st.text(max_size=8), st.sampled_from(["NaN", "~NaN", "~~Infinity", "-Infinity", "~", ""]))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def same(a, b) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@given(values)
def test_what_goes_in_comes_back(value):
    text = dumps(value)
    assert text.isascii()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert same(loads(text), value)


def test_order_and_numpy_make_no_difference():
    one = {"b": np.float32(0.5), "a": np.array([1, 2]), "c": (np.bool_(True), np.int8(3))}
    assert dumps(one) == '{"a":[1,2],"b":0.5,"c":[true,3]}'


@pytest.mark.parametrize("bad", ["NaN", '{"a":1,"a":2}', "[" * 100_000, "", "1" * 5000, "{"])
def test_refusals(bad):
    with pytest.raises(ValueError):
        loads(bad)


def test_other_types_are_refused():
    with pytest.raises(TypeError):
        dumps({"a": {1, 2}})
