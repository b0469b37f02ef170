"""Compilations: structure compiles once each, values never."""

from __future__ import annotations

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from goodfit.engine import program
from goodfit.engine.member import Report
from goodfit.engine.population import Legs, Member, Population
from goodfit.engine.program import compilations
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.foreign import Optax
from goodfit.techniques.initializers import Gaussian, Xavier
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.optimizers import OPTIMIZERS, SGD, AdaGrad, Adam
from goodfit.techniques.regularization import Dropout
from goodfit.techniques.schedules import Cosine

BASE = {"hidden": (6,), "batch_size": 8}
NETWORK = Network(5, 3)


def compiled_by(recipes, *, rows=100, steps=4, every=2, seeds=(0,), held=10, chunk=1) -> int:
    """Train members of these recipes and return how many programs that compiled."""
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(rows, 5)).astype(np.float32), rng.integers(0, 3, rows).astype(np.int32)
    population = Population(
        NETWORK, x, y, holdout=(x[:held], y[:held], np.ones((1, held), np.float32)), chunk=chunk, lanes=2
    )
    before = compilations()
    some = [Member(r, s, horizon=steps) for r in recipes for s in seeds]
    population.advance(some, Legs(steps, every))
    return compilations() - before


@pytest.fixture(scope="module", autouse=True)
def base(runs):
    """The programs of the base structure, alone and in chunks of four."""
    for chunk in (1, 4):
        compiled_by([Recipe(**BASE, optimizer=Adam())], chunk=chunk)


VALUES = {
    "learning rate": {"optimizer": Adam(lr=0.3)},
    "a whole number": {"optimizer": Adam(lr=1)},
    "a numpy number": {"optimizer": Adam(lr=np.float32(0.1), beta1=np.float64(0.5))},
    "betas": {"optimizer": Adam(beta1=0.5, beta2=0.9)},
    "weight decay": {"optimizer": Adam(), "weight_decay": 0.1},
    "label smoothing": {"optimizer": Adam(), "label_smoothing": 0.2},
    "initial weights": {"optimizer": Adam(), "init": Gaussian(0.3)},
    "another rule": {"optimizer": Adam(), "init": Xavier()},
}


@pytest.mark.parametrize("chunk", [1, 4])
@pytest.mark.parametrize("fields", VALUES.values(), ids=VALUES)
def test_values_never_compile(fields, chunk):
    assert compiled_by([Recipe(**BASE, **fields)], chunk=chunk) == 0


@pytest.mark.parametrize("chunk", [1, 4])
def test_counts_never_compile(chunk):
    """Seeds, members, steps, legs, rows and held rows of the same bucket."""
    base = Recipe(**BASE, optimizer=Adam())
    assert compiled_by([base], seeds=(5, 6, 7, 2**40), chunk=chunk) == 0
    assert compiled_by([base] * 9, chunk=chunk) == 0
    assert compiled_by([base], steps=300, every=299, chunk=chunk) == 0
    assert compiled_by([base], rows=97, chunk=chunk) == 0
    assert compiled_by([base], rows=128, held=77, chunk=chunk) == 0


STRUCTURES = {
    "width": {"hidden": (7,)},
    "depth": {"hidden": (6, 6)},
    "activation": {"activation": "tanh"},
    "batch size": {"batch_size": 9},
    "SGD": {"optimizer": SGD()},
    "AdaGrad, whose fields are SGD's": {"optimizer": AdaGrad()},
    "Adam of the paper": {"optimizer": Adam(paper=True)},
    "batch norm": {"batch_norm": True},
    "batch norm after": {"batch_norm": BatchNorm("after")},
    "layer norm": {"layer_norm": True},
    "dropout": {"dropout": 0.1},
    "dropout in the book's form": {"dropout": Dropout(0.1, "book")},
    "schedule": {"schedule": Cosine()},
    "clipping": {"clip_norm": 1.0},
}


@pytest.fixture
def nothing_is_compiled(monkeypatch):
    """Let programs be made, keyed and counted as ever, but only count the steps instead of compiling."""

    class Lowered:
        def __init__(self, _):
            pass

        def lower(self, state, recipe, orders, data, holdout):
            looks = np.zeros((2, len(orders.ends), 1))
            report = Report(np.zeros(len(orders.rows)), *looks, np.zeros(len(holdout.rows)))

            def step_on(state, recipe, orders, data, holdout):
                return state._replace(step=state.step + orders.ends[orders.stretches - 1]), report

            return SimpleNamespace(compile=lambda _: step_on)

    programs = {}
    monkeypatch.setattr(program, "jax", SimpleNamespace(jit=Lowered, vmap=jax.vmap, tree=jax.tree))
    monkeypatch.setattr(program, "_programs", programs)
    compiled_by([Recipe(**BASE, optimizer=Adam())])
    assert len(programs) == 1


@pytest.mark.usefixtures("nothing_is_compiled")
@pytest.mark.parametrize("fields", STRUCTURES.values(), ids=STRUCTURES)
def test_each_structure_is_one_program(fields):
    recipe = Recipe(**{**BASE, "optimizer": Adam(), **fields})
    assert compiled_by([recipe], seeds=(0, 1)) == 1
    assert compiled_by([recipe], seeds=(2,)) == 0


def test_four_structures_64_members_four_programs():
    """Show 4: then other values, other seeds and other row counts compile nothing."""
    widths = [(11,), (12,), (13,), (14,)]

    def drawn(seed):
        rates = 10 ** np.random.default_rng(seed).uniform(-4, -1, 64)
        return [Recipe(widths[i % 4], optimizer=SGD(rate), batch_size=8) for i, rate in enumerate(rates)]

    assert compiled_by(drawn(0)) == 4
    assert compiled_by(drawn(1), rows=111, seeds=(3,)) == 0


def test_optax_compiles_by_object_and_varies_by_injected_values():
    tx = optax.inject_hyperparams(optax.lion)(0.0)
    injected = [Recipe(**BASE, optimizer=Optax("lion", tx, {"learning_rate": r})) for r in (1e-3, 1e-2, 3e-2)]
    assert compiled_by(injected) == 1
    twin = Optax("lion", optax.inject_hyperparams(optax.lion)(0.0), {"learning_rate": 1e-3})
    assert compiled_by([Recipe(**BASE, optimizer=twin)]) == 1


@pytest.mark.usefixtures("nothing_is_compiled")
def test_every_optimizer_is_one_program():
    recipes = [Recipe(**BASE, optimizer=made(lr=rate)) for made in OPTIMIZERS.values() for rate in (0.1, 0.2)]
    assert compiled_by(recipes) == len(OPTIMIZERS) - 1  # Adam's was there


def test_options_that_xla_does_not_know_are_left_out():
    lowered = jax.jit(lambda x: 2 * x).lower(1.0)
    with pytest.raises(RuntimeError, match="No such compile option"):
        lowered.compile({"no_such_option": True})
    assert program._compiled(lowered, {"no_such_option": True})(2.0) == 4.0


def test_the_program_compiled_sooner_does_the_same():
    """Only the code generator is another one."""

    def work(x):
        return jnp.tanh(x @ x.T).sum(axis=0)

    x = np.random.default_rng(0).normal(size=(20, 20)).astype(np.float32)
    lowered = jax.jit(work).lower(x)
    sooner, later = (program._compiled(lowered, o)(x) for o in (program.SOONER, program.OPTIONS))
    np.testing.assert_allclose(sooner, later, rtol=1e-5, atol=1e-6)
