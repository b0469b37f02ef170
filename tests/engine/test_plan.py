"""The plan: chunk and lanes, buckets, predicted memory and work."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.cores import available_cores
from goodfit.engine import plan
from goodfit.engine.hardware import Hardware
from goodfit.engine.legs import Legs, Member
from goodfit.engine.member import first_state
from goodfit.engine.plan import (
    GPU_CHUNKS,
    Plan,
    available_bytes,
    bucket,
    check_memory,
    check_overrides,
    flops_per_step,
    member_bytes,
    plan_for,
    working_bytes,
)
from goodfit.engine.population import Population
from goodfit.engine.runner import Runner
from goodfit.errors import InputError
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.optimizers import OPTIMIZERS, SGD

CPU, GPU = Hardware("cpu", 1, None), Hardware("gpu", 2, 80 * 2**30)
NETWORK = Network(64, 10)


@pytest.mark.parametrize(
    ("hidden", "chunk"), [((), 8), ((32, 32), 4), ((64,), 4), ((65,), 1), ((8, 100), 1), ((512,), 1)]
)
def test_chunk_by_the_widest_hidden_layer(hidden, chunk):
    assert plan_for(NETWORK, Recipe(hidden), CPU).chunk == chunk


@pytest.mark.parametrize(("hidden", "batch_size", "chunk"), [((32, 32), 32, 8), ((33,), 32, 4), ((), 128, 8)])
def test_more_a_chunk_where_each_has_little_to_do(hidden, batch_size, chunk):
    assert plan_for(NETWORK, Recipe(hidden, batch_size=batch_size), CPU).chunk == chunk


def test_overrides():
    assert plan_for(NETWORK, Recipe((100,)), CPU, chunk=4, lanes=3) == Plan(4, 3)
    assert plan_for(NETWORK, Recipe((100,)), CPU).lanes == available_cores()
    assert plan_for(NETWORK, Recipe((100,)), GPU, chunk=4, lanes=3) == Plan(4, 2), "a lane for each GPU"


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2"])
@pytest.mark.parametrize("name", ["chunk", "lanes"])
def test_bad_overrides(name, bad):
    with pytest.raises(InputError, match=f"{name} must be a whole number >= 1, got "):
        check_overrides(**{"chunk": None, "lanes": None, name: bad})


@pytest.mark.parametrize(
    ("recipe", "expected", "chunk"),
    [
        (Recipe((32, 32), batch_size=100), 256, 256),
        (Recipe((32, 32), batch_size=100), 257, 4096),  # small enough for so many
        (Recipe((32, 32), batch_size=100), 16, 16),
        (Recipe((32, 32), batch_size=100), 1, 1),
        (Recipe((256, 256), batch_size=100), 256, 16),  # 256 of them have more to do than is free
        (Recipe((2048, 2048), batch_size=512), 256, 1),
    ],
)
def test_chunk_on_a_gpu_by_work_and_by_what_is_expected(recipe, expected, chunk):
    assert plan_for(NETWORK, recipe, GPU, expected=expected) == Plan(chunk, 2)


@given(st.integers(20, 36), st.integers(4, 2048), st.integers(1, 4096), st.integers(0, 10_000))
def test_a_chunk_on_a_gpu_fits_into_its_memory(bits, width, expected, judged):
    recipe, hardware = Recipe((width,), batch_size=64), Hardware("gpu", 1, 2**bits)
    chunk = plan_for(NETWORK, recipe, hardware, expected=expected, judged=judged).chunk
    assert chunk in GPU_CHUNKS
    assert chunk == 1 or chunk * working_bytes(NETWORK, recipe, judged) <= 2**bits


IMAGES = Network(784, 10, image=(28, 28, 1))


@pytest.mark.parametrize("chunk", [4, 16])
@pytest.mark.parametrize(
    ("network", "recipe"),
    [
        (NETWORK, Recipe((32, 32), batch_size=100)),
        (NETWORK, Recipe((256, 256), batch_size=100, batch_norm=True)),
        (Network(784, 10), Recipe((100,) * 6, batch_size=100)),
        (Network(784, 10), Recipe((512, 512), batch_size=256, optimizer=SGD())),
        (IMAGES, Recipe((64,), conv=(16, 32), batch_size=64)),
    ],
)
def test_predicted_working_memory_is_what_the_compiler_plans(network, recipe, chunk):
    x, y = np.zeros((1000, network.inputs), np.float32), np.zeros(1000, np.int32)
    held = (x, y, np.ones((1, 1000), np.float32))
    population = Population(network, x, y, holdout=held, chunk=chunk, lanes=1)
    members = [Member(recipe, seed, horizon=100) for seed in range(chunk)]
    runner = Runner(population, members, chunk, population.devices[0])
    runner.compile(Legs(100, 50))
    told = runner.program.memory_analysis()
    rows = sum(leaf.nbytes for leaf in jax.tree.leaves(population.placed(population.devices[0])))
    found = told.argument_size_in_bytes + told.output_size_in_bytes + told.temp_size_in_bytes - rows
    predicted = chunk * working_bytes(network, recipe, 1000)
    assert found / 1.2 <= predicted <= 1.6 * found


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
