"""What networks for tables add: embeddings, a scale in front, parametric activations, NTK, fitted weights."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.engine.gradient_check import gradient_check
from goodfit.engine.member import first_state
from goodfit.engine.population import Legs, Member, Population
from goodfit.model.predict import forward
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.embeddings import Periodic
from goodfit.techniques.initializers import DataDriven, He
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.optimizers import OPTIMIZERS, SGD, AdamW, LearningRateFactors
from goodfit.techniques.schedules import CosLog, FlatCosine

NETWORK = Network(6, 3, numbers=2, categories=(3, 4))
FULL = Recipe(
    (7, 5),
    "selu",
    optimizer=AdamW(0.04, beta2=0.95, weight_decay=0.02),
    init=DataDriven(),
    dropout=0.15,
    schedule=CosLog(),
    dropout_schedule=FlatCosine(),
    decay_schedule=FlatCosine(),
    batch_size=32,
    label_smoothing=0.1,
    embedding=Periodic(frequencies=5, width=4),
    category_width=3,
    front_scale=True,
    parametric=True,
    ntk=True,
    learning_rate_factors=LearningRateFactors(),
)
PARTS = {
    "all": {},
    "no embedding of numbers": {"embedding": None},
    "batch norm": {"batch_norm": BatchNorm("before")},
    "no hidden layer": {"hidden": ()},
    "standard": {"ntk": False, "init": He(), "parametric": False, "front_scale": False},
}


def rows(n=150, seed=0):
    """Return x (n, 6): two numbers, two flags, codes below 3 and 4; and classes y (n,)."""
    rng = np.random.default_rng(seed)
    x = np.concatenate(
        [rng.normal(size=(n, 2)), rng.integers(0, 2, (n, 2)), rng.integers(0, [3, 4], (n, 2))], axis=1
    ).astype(np.float32)
    y = ((np.sin(4 * x[:, 0]) > 0) + (x[:, 4] == 2) * x[:, 2]).astype(np.int32)
    return x, y


def trained(recipe, x, y, *, seed=0, epochs=3, **member):
    population = Population(NETWORK, x, y)
    per_epoch = -(-len(member.get("rows", x)) // recipe.batch_size)
    one = Member(recipe, seed, horizon=epochs * per_epoch, **member)
    population.advance([one], Legs(epochs * per_epoch, epochs * per_epoch, keep_losses=True))
    return one


@pytest.mark.parametrize("part", PARTS)
def test_gradients(part):
    x, y = rows(12)
    recipe = dataclasses.replace(FULL, **PARTS[part])
    errors = gradient_check(NETWORK, recipe, x, y, padding=2)
    assert max(errors.values()) < 1e-6, errors
    assert ("numbers.frequency" in errors) == (recipe.embedding is not None)


@pytest.mark.parametrize("part", PARTS)
def test_prediction_is_the_evaluation_of_training(part):
    x, y = rows()
    recipe = dataclasses.replace(FULL, **PARTS[part])
    member = trained(recipe, x, y)
    params, running, step = member.weights(best=False)
    expected, _ = NETWORK.apply(recipe, params, running, jnp.asarray(x), step=step)
    final = NETWORK.final_params(recipe, params), NETWORK.final_running(recipe, running, step)
    found = forward(NETWORK.architecture(recipe), *final, x)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert "front.scale" not in final[0]


def test_it_learns_what_it_is_for():
    """A wave in a number and a category that decides: out of reach of the same network without embeddings."""
    x, y = rows(600)
    member = trained(dataclasses.replace(FULL, hidden=(32, 32), dropout=0.0), x, y, epochs=60)
    losses = member.loss_curve
    assert np.isfinite(losses).all()
    out, _ = NETWORK.apply(member.recipe, *member.weights(best=False)[:2], jnp.asarray(x), step=1)
    assert (np.argmax(out, axis=1) == y).mean() > 0.97


def test_ntk_starts_as_the_standard_form_does():
    x, _ = rows()
    outputs = []
    for ntk in (False, True):
        recipe = dataclasses.replace(FULL, ntk=ntk)
        params, running = NETWORK.init(recipe, 5, x)
        outputs.append(NETWORK.apply(recipe, params, running, jnp.asarray(x))[0])
        spread = params["hidden.1.weight"].std() * (1 if ntk else 7**0.5)
        assert 0.5 < spread < 2.0
    np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-5)


def test_ntk_is_a_learning_rate_by_width_under_adam():
    """A step moves ``W/√n_in`` by lr/√n_in where the standard form moves W by lr."""
    x, y = rows(32)
    moved = []
    for ntk in (False, True):
        recipe = Recipe((7, 5), "tanh", optimizer=AdamW(1e-3, weight_decay=0.0), ntk=ntk, batch_size=32)
        first = NETWORK.final_params(recipe, NETWORK.init(recipe, 0)[0])
        after = NETWORK.final_params(recipe, trained(recipe, x, y, epochs=1).weights(best=False)[0])
        moved.append({name: after[name] - first[name] for name in after})
    shrunk = moved[0]["hidden.1.weight"] / 7**0.5
    np.testing.assert_allclose(moved[1]["hidden.1.weight"], shrunk, rtol=2e-2, atol=1e-6)


def test_first_weights_fit_the_rows():
    x, _ = rows(400)
    recipe = dataclasses.replace(FULL, ntk=False, parametric=False)
    params, _ = NETWORK.init(recipe, 3, x)
    seen = {}
    h = np.asarray(NETWORK._entered(recipe, params, x.astype(np.float64)))
    for name in ("hidden.0", "hidden.1", "output"):
        raw = h @ params[f"{name}.weight"]
        np.testing.assert_allclose(raw.std(axis=0), 1.0, rtol=1e-5)
        seen[name] = -params[f"{name}.bias"]  # a mean of the unit's outputs on some rows
        assert ((raw.min(axis=0) <= seen[name]) & (seen[name] <= raw.max(axis=0))).all()
        z = raw + params[f"{name}.bias"]
        h = 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))
    assert all(np.abs(bias).max() > 1e-3 for bias in seen.values())
    plain, _ = NETWORK.init(recipe, 3)  # without rows: LeCun's
    assert not plain["hidden.0.bias"].any()


def test_a_fold_member_is_the_member_trained_on_those_rows_alone():
    """First weights, too, see no other row."""
    x, y = rows(200)
    some = np.sort(np.random.default_rng(1).permutation(200)[:150]).astype(np.int32)
    within, alone = trained(FULL, x, y, rows=some), trained(FULL, x[some], y[some])
    for name, w in alone.state.params.items():
        np.testing.assert_array_equal(np.asarray(w), np.asarray(within.state.params[name]), err_msg=name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_learning_rate_factors_are_learning_rates(name):
    """One step with a factor is one step at that learning rate, for each kind of parameter."""
    factors = LearningRateFactors(bias=0.5, scale=3.0, activation=0.25, embedding=0.125)
    expected = {
        "hidden.0.weight": 1.0,
        "output.bias": 0.5,
        "front.scale": 3.0,
        "hidden.1.activation": 0.25,
        "numbers.bias": 0.125,
        "numbers.weight": 0.125,
        "categories.table": 0.125,
        "hidden.0.norm.scale": 1.0,
        "hidden.0.norm.shift": 1.0,
    }
    assert {key: factors.of(key) for key in expected} == expected
    params = first_state(NETWORK, FULL, 0).params
    rng = np.random.default_rng(0)
    grads = {key: rng.normal(size=w.shape).astype(np.float32) for key, w in params.items()}
    rule = OPTIMIZERS[name](0.02)
    by_kind, _ = rule.step(params, grads, rule.init(params), 1.0, {k: factors.of(k) for k in params})
    for key in params:
        other = dataclasses.replace(rule, lr=0.02 * factors.of(key))
        alone, _ = other.step(params, grads, other.init(params), 1.0, 1.0)
        np.testing.assert_allclose(by_kind[key], alone[key], rtol=1e-5, atol=1e-7, err_msg=key)


def test_new_values_compile_nothing():
    from goodfit.engine.program import compilations

    x, y = rows()
    trained(FULL, x, y)
    before = compilations()
    other = dataclasses.replace(
        FULL,
        embedding=Periodic(0.5, frequencies=5, width=4),
        learning_rate_factors=LearningRateFactors(bias=1.0, scale=1.0),
    )
    trained(other, x, y, seed=3)
    assert compilations() == before


def test_a_recipe_is_its_record():
    assert Recipe.from_json(FULL.to_json()) == FULL
    assert jax.tree.structure(FULL.for_program()) != jax.tree.structure(
        dataclasses.replace(FULL, parametric=False).for_program()
    )
    assert "NTK form" in FULL.text()
    assert isinstance(dataclasses.replace(FULL, optimizer=SGD(0.1)), Recipe)
