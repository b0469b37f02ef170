"""The plan: chunk and lanes, buckets, predicted memory and work."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.cores import available_cores
from goodfit.engine import plan
from goodfit.engine.member import first_state
from goodfit.engine.plan import (
    Plan,
    available_bytes,
    bucket,
    check_memory,
    flops_per_step,
    member_bytes,
    plan_for,
)
from goodfit.errors import InputError
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.optimizers import OPTIMIZERS, SGD


@pytest.mark.parametrize(
    ("hidden", "chunk"), [((), 8), ((32, 32), 4), ((64,), 4), ((65,), 1), ((8, 100), 1), ((512,), 1)]
)
def test_chunk_by_the_widest_hidden_layer(hidden, chunk):
    assert plan_for(Recipe(hidden)).chunk == chunk


@pytest.mark.parametrize(("hidden", "batch_size", "chunk"), [((32, 32), 32, 8), ((33,), 32, 4), ((), 128, 8)])
def test_more_a_chunk_where_each_has_little_to_do(hidden, batch_size, chunk):
    assert plan_for(Recipe(hidden, batch_size=batch_size)).chunk == chunk


def test_overrides():
    assert plan_for(Recipe((100,)), chunk=4, lanes=3) == Plan(4, 3)
    assert plan_for(Recipe((100,))).lanes == available_cores()


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2"])
@pytest.mark.parametrize("name", ["chunk", "lanes"])
def test_bad_overrides(name, bad):
    with pytest.raises(InputError, match=f"{name} must be a whole number >= 1, got "):
        plan_for(Recipe(), **{name: bad})


@given(st.integers(1, 10_000_000))
def test_buckets_hold_their_rows_at_half_more_at_most(rows):
    size = bucket(rows)
    assert size >= rows
    assert size == 64 or size <= 1.5 * rows
    odd = size // (size & -size)
    assert odd in (1, 3), "a power of two, or half more"
    assert bucket(size) == size


@pytest.mark.parametrize("fields", [{}, {"batch_norm": True}, {"layer_norm": True}])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_predicted_bytes_are_what_a_member_holds(name, fields):
    network, recipe = Network(30, 7), Recipe((20, 10), optimizer=OPTIMIZERS[name](), **fields)
    held = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(first_state(network, recipe, 0)))
    assert held <= member_bytes(network, recipe) * 1.05 + 64
    assert held >= member_bytes(network, recipe) * 0.8


def test_flops_of_a_step():
    """2·B·n·m for each of three products a layer, but no gradient for the input rows."""
    recipe = Recipe((100,) * 6, optimizer=SGD(), batch_size=100)
    weights = 784 * 100 + 5 * 100 * 100 + 100 * 10
    assert flops_per_step(Network(784, 10), recipe) == 100 * (6 * weights - 2 * 784 * 100)


def test_memory_check(monkeypatch):
    assert available_bytes() > 2**20
    monkeypatch.setattr(plan, "available_bytes", lambda: 2**30)
    check_memory(int(0.8 * 2**30), "Training 3 members")
    with pytest.raises(
        InputError, match=r"Training 3 members would take about 2\.0 GiB, and 1\.0 GiB are free"
    ):
        check_memory(2**31, "Training 3 members")


@pytest.mark.parametrize(
    ("side", "fields", "sooner"),
    [(8, {"conv": (16, 32)}, True), (28, {"conv": (16, 32)}, False), (8, {}, False)],
)
def test_small_convolutions_are_compiled_sooner(side, fields, sooner):
    network = Network(side * side, 10, image=(side, side, 1))
    assert plan.compiled_sooner(network, Recipe((64,), batch_size=64, **fields)) == sooner
