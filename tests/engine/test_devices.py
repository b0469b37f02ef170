"""Several devices, and memory that runs out: the bits of one device, and of smaller chunks from the start."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from goodfit.engine.legs import Legs, Member
from goodfit.engine.population import Population
from goodfit.engine.runner import Runner
from goodfit.engine.snapshot import snapshot
from goodfit.errors import InputError
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.store.arrays import sha256_of
from goodfit.techniques.optimizers import Adam

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int32)
HELD = (X[200:], Y[200:], np.ones((1, 100), np.float32))
LEGS = Legs(60, 20)


def population(**how):
    return Population(Network(6, 2), X[:200], Y[:200], holdout=HELD, **how)


def members(count=10):
    some = [Recipe((16,), optimizer=Adam(lr=0.01 * (i + 1))) for i in range(count - 1)]
    return [Member(r, seed) for seed, r in enumerate([*some, Recipe((16, 16), optimizer=Adam(lr=1e30))])]


def bits(some):
    return [sha256_of(*snapshot(m)) for m in some]


def trained(legs=LEGS, **how):
    some = members()
    population(**how).advance(some, legs)
    return bits(some)


@pytest.fixture
def little_memory(monkeypatch):
    """A device on which two members a chunk fit, and what is left of the others' calls before it is full."""
    left = {"calls": 0}
    call = Runner._call

    def tight(self, ends, blocks):
        if self.chunk > 2:
            left["calls"] -= 1
            if left["calls"] < 0:
                raise MemoryError("RESOURCE_EXHAUSTED")
        call(self, ends, blocks)

    monkeypatch.setattr(Runner, "_call", tight)
    return left


def test_chunks_are_halved_where_memory_runs_out(little_memory):
    there, some, told = population(chunk=8), members(), []
    there.on_halved = told.append
    there.advance(some, LEGS)
    assert told == [4, 2]
    assert there.plan(some[0].recipe).chunk == 2
    assert bits(some) == trained(chunk=2)


def test_what_a_chunk_had_reached_is_kept(little_memory):
    little_memory["calls"] = 3  # full on the way
    there, some, calls = population(chunk=4), members(), []
    there.advance(some, LEGS, on_leg=lambda member: calls.append(member.step))
    assert bits(some) != trained(chunk=2), "the first steps were made by four a chunk"
    assert [m.step for m in some[:-1]] == [60] * 9
    assert some[-1].diverged
    assert [[e.step for e in m.evaluations] for m in some[:-1]] == [[20, 40, 60]] * 9


def test_one_that_does_not_fit_alone_is_told(monkeypatch):
    def full(self, ends, blocks):
        raise MemoryError("RESOURCE_EXHAUSTED")

    monkeypatch.setattr(Runner, "_call", full)
    with pytest.raises(InputError, match=r"The network 16.* does not fit into .*, not even alone"):
        population(chunk=4).advance(members(), LEGS)
    there, some = population(chunk=4), members(2)
    there.sets_aside = True
    there.advance(some, LEGS)
    assert [m.result for m in some] == ["set aside: out of memory"] * 2


def test_a_worker_does_not_halve_by_itself(little_memory):
    there = population(chunk=8)
    there.on_halved = None
    with pytest.raises(MemoryError):
        there.advance(members(), LEGS)
    assert there.most is None


def test_jax_out_of_memory_is_a_memory_error(monkeypatch):
    def exhausted(*arguments):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1099511627776 bytes.")

    monkeypatch.setattr("goodfit.engine.runner.program_for", lambda *arguments: exhausted)
    with pytest.raises(InputError, match="RESOURCE_EXHAUSTED: Out of memory"):
        population(chunk=1).advance(members(), LEGS)


def test_memory_that_runs_out_before_the_first_call_is_halved_too(monkeypatch):
    put = jax.device_put

    def full(tree, *how):
        if any(np.ndim(leaf) and len(leaf) == 8 for leaf in jax.tree.leaves(tree)):  # a chunk's, not the rows
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1099511627776 bytes.")
        return put(tree, *how)

    monkeypatch.setattr("goodfit.engine.runner.jax.device_put", full)
    there, some, told = population(chunk=8), members(), []
    there.on_halved = told.append
    there.advance(some, LEGS)
    monkeypatch.undo()
    assert told == [4]
    assert bits(some) == trained(chunk=4)


ON_FOUR = """
import jax, sys
sys.path.insert(0, "tests/engine")
from test_devices import LEGS, bits, members, population
devices = jax.devices()
assert len(devices) == 4
alone, spread = population(chunk=2), population(chunk=2, devices=devices)
one, other = members(), members()
alone.advance(one, LEGS)
spread.advance(other, LEGS)
assert spread.plan(one[0].recipe).lanes == 4
assert len(alone.devices) == 1, "a CPU has lanes, not devices"
assert set(spread._placed) == set(devices), "each of them trained"
assert bits(one) == bits(other)
print("equal")
"""


def test_members_on_several_devices_have_the_bits_of_one():
    env = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", ON_FOUR], env=env, capture_output=True, text=True)
    assert done.stdout == "equal\n", done.stderr


IN_LITTLE_MEMORY = """
import resource
import numpy as np
from goodfit.engine.legs import Legs, Member
from goodfit.engine.population import Population
from goodfit.network import Network
from goodfit.recipe import Recipe

RECIPE, LEGS = Recipe((64,), conv=(16, 32), batch_size=64), Legs(4, 4)
images = Network(784, 2, image=(28, 28, 1))
x = np.random.default_rng(0).normal(size=(2000, 784)).astype(np.float32)
y = (x[:, 0] > 0).astype(np.int32)
held = (x[:1000], y[:1000], np.ones((1, 1000), np.float32))
Population(images, x, y, lanes=1).advance([Member(RECIPE, 0, horizon=4)], LEGS)  # what JAX itself needs
there = Population(images, x, y, holdout=held, chunk=64, lanes=1)
there.on_halved = print
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (used + 1_200_000_000,) * 2)
some = [Member(RECIPE, seed, horizon=4) for seed in range(8)]
there.advance(some, LEGS)
assert all(m.step == 4 for m in some)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks Linux how much memory it has")
def test_memory_that_really_runs_out():
    done = subprocess.run([sys.executable, "-c", IN_LITTLE_MEMORY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("32\n"), "64 networks' images do not fit"
