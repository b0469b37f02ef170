"""Values are leaves, structure is static, and no two techniques are taken for each other."""

from __future__ import annotations

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.techniques import initializers, normalization, optimizers, regularization, schedules
from goodfit.techniques.base import check_number, structure, technique, values_as_json

TECHNIQUES = [
    cls()
    for module in (initializers, normalization, optimizers, regularization, schedules)
    for cls in vars(module).values()
    if isinstance(cls, type) and dataclasses.is_dataclass(cls)
]


@technique
class Sample:
    value: float = 1.0
    kind: str = structure(default="a")
    part: object = None


@pytest.mark.parametrize("one", TECHNIQUES, ids=repr)
def test_leaves_are_the_values_and_come_back(one):
    leaves, tree = jax.tree.flatten(one)
    assert all(isinstance(leaf, float) for leaf in leaves)
    assert jax.tree.unflatten(tree, leaves) == one
    assert hash(one) == hash(jax.tree.unflatten(tree, leaves))
    doubled = jax.tree.map(lambda leaf: leaf / 2, one)
    assert type(doubled) is type(one)
    assert jax.tree.structure(doubled) == tree
    assert [str(path[0]) for path, _ in jax.tree_util.tree_leaves_with_path(one) if len(path) == 1] == [
        f".{f.name}" for f in dataclasses.fields(one) if isinstance(getattr(one, f.name), float)
    ]


def test_no_two_techniques_have_equal_structure():
    """JAX's own dataclass registration takes SGD for AdaGrad: their fields are alike."""
    for one, other in itertools.combinations(TECHNIQUES, 2):
        assert jax.tree.structure(one) != jax.tree.structure(other), (one, other)


def test_structure_is_static_and_values_are_not():
    tree = jax.tree.structure
    assert tree(Sample(2.0)) == tree(Sample(3.0))
    assert tree(Sample(kind="b")) != tree(Sample())
    assert tree(Sample(part=Sample())) == tree(Sample(part=Sample(9.0)))
    assert tree(Sample(part=Sample())) != tree(Sample(part=None))


def test_as_json_keeps_nested_techniques_and_numpy_numbers():
    record = values_as_json(Sample(np.float32(0.5), part=Sample(kind="b")))
    inner = {"name": "Sample", "value": 1.0, "kind": "b", "part": None}
    assert record == {"name": "Sample", "value": 0.5, "kind": "a", "part": inner}
    assert type(record["value"]) is float


@pytest.mark.parametrize(
    ("limits", "value", "allowed"),
    [
        ({}, float("inf"), "a number finite"),
        ({"low": 0}, -1, "a number >= 0"),
        ({"high": 1}, 2, "a number <= 1"),
        ({"above": 0, "below": 1}, 1.0, "a number > 0 and < 1"),
        ({"low": 0, "high": 1}, float("nan"), "a number >= 0 and <= 1"),
        ({}, None, "a number"),
        ({}, False, "a number"),
    ],
)
def test_check_number_says_owner_allowed_and_got(limits, value, allowed):
    with pytest.raises(InputError) as caught:
        check_number(Sample(value), "value", **limits)
    assert str(caught.value) == f"Sample(value=…) must be {allowed}, got {value!r}."


@pytest.mark.parametrize("value", [np.float32(-1), np.ones(3), object()])
def test_arrays_and_traced_values_pass(value):
    check_number(Sample(value), "value", low=0)
