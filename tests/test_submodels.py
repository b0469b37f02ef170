"""TabM-mini: networks that share their hidden layers, against as many networks of their own."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit import train
from goodfit.engine.gradient_check import gradient_check
from goodfit.engine.plan import flops_per_step, member_bytes
from goodfit.engine.population import Legs, Member, Population
from goodfit.errors import InputError
from goodfit.model.architecture import checked, shapes
from goodfit.model.predict import forward, member_output
from goodfit.network import Network, Training
from goodfit.recipe import Recipe
from goodfit.techniques.embeddings import Periodic
from goodfit.techniques.initializers import DataDriven
from goodfit.techniques.losses import LOSSES
from goodfit.techniques.optimizers import AdamW

K = 3
PLAIN = Recipe((7, 5), "silu", batch_size=16, submodels=K)
FULL = dataclasses.replace(
    PLAIN,
    init=DataDriven(),
    embedding=Periodic(frequencies=5, width=4),
    category_width=3,
    front_scale=True,
    parametric=True,
    ntk=True,
    label_smoothing=0.1,
)
RECIPES = {
    "plain": PLAIN,
    "table": FULL,
    "no hidden layer": dataclasses.replace(PLAIN, hidden=()),
    "batch norm": dataclasses.replace(PLAIN, batch_norm=True),
    "layer norm": dataclasses.replace(PLAIN, layer_norm=True),
}
HEADS = ["softmax_cross_entropy", "binary_cross_entropy", "squared_error", "poisson"]


def shape_of(loss: str) -> Network:
    return Network(6, 3, loss, numbers=2, categories=(3, 4))


def rows(n: int, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """Return x (n, 6): two numbers, two flags, codes below 3 and 4; and targets that fit the loss."""
    rng = np.random.default_rng(n)
    x = np.concatenate(
        [rng.normal(size=(n, 2)), rng.integers(0, 2, (n, 2)), rng.integers(0, [3, 4], (n, 2))], axis=1
    ).astype(np.float32)
    y = ((np.sin(4 * x[:, 0]) > 0) + (x[:, 4] == 2) * x[:, 2]).astype(np.int32)
    return x, y if loss == "softmax_cross_entropy" else np.eye(3, dtype=np.float32)[y]


def trained(recipe: Recipe, loss: str, steps: int = 12) -> Member:
    x, y = rows(60, loss)
    member = Member(recipe, 1, horizon=steps)
    Population(shape_of(loss), x, y).advance([member], Legs(steps, steps))
    return member


def apart(recipe: Recipe, params: dict) -> tuple[Recipe, list[dict]]:
    """Return the recipe of a network that is one submodel, and the parameters of each."""
    scales = params["submodels.scale"].reshape(K, -1)
    front = params.get("front.scale", 1.0)
    shared = {k: w for k, w in params.items() if not k.startswith(("submodels", "output"))}
    n, outputs = len(params["output.weight"]), params["output.weight"].shape[1] // K
    heads = params["output.weight"].reshape(n, K, outputs), params["output.bias"].reshape(K, outputs)
    return dataclasses.replace(recipe, submodels=1, front_scale=True), [
        {
            **shared,
            "front.scale": front * scales[i],
            "output.weight": heads[0][:, i],
            "output.bias": heads[1][i],
        }
        for i in range(K)
    ]


def answers(loss: str, outputs: jax.Array) -> np.ndarray:
    kinds = {"softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid, "exp": jnp.exp, "identity": lambda z: z}
    return np.asarray(kinds[LOSSES[loss].head](outputs))


@pytest.mark.parametrize("name", RECIPES)
def test_gradients(name):
    x, y = rows(12, HEADS[0])
    errors = gradient_check(shape_of(HEADS[0]), RECIPES[name], x, y, padding=2)
    assert max(errors.values()) < 1e-6, errors
    assert "submodels.scale" in errors


@pytest.mark.parametrize(
    ("name", "loss"), [*((name, HEADS[0]) for name in RECIPES), *(("plain", loss) for loss in HEADS[1:])]
)
def test_answers_are_the_mean_of_as_many_networks(name, loss):
    recipe, network = RECIPES[name], shape_of(loss)
    params, running, step = trained(recipe, loss).weights(best=False)
    x, _ = rows(20, loss)
    outputs, _ = network.apply(recipe, params, running, jnp.asarray(x), step=step)
    single, each = apart(recipe, params)
    expected = np.mean(
        [answers(loss, network.apply(single, p, running, jnp.asarray(x), step=step)[0]) for p in each], axis=0
    )
    np.testing.assert_allclose(answers(loss, outputs), expected, rtol=2e-5, atol=2e-6)

    architecture = network.architecture(recipe)
    final = network.final_params(recipe, params), network.final_running(recipe, running, step)
    assert {k: w.shape for part in final for k, w in part.items()} == shapes(checked(0, architecture))
    np.testing.assert_allclose(member_output(architecture, *final, x), expected, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(forward(architecture, *final, x), outputs, rtol=2e-4, atol=2e-5)


def test_each_learns_from_its_own_loss():
    loss, recipe = HEADS[0], dataclasses.replace(PLAIN, label_smoothing=0.2)
    network, (x, y) = shape_of(loss), rows(20, loss)
    params, running, _ = trained(recipe, loss).weights(best=False)
    training = Training(jnp.ones(20), jnp.uint32(7), jnp.float32(0))
    outputs, _ = network.apply(recipe, params, running, jnp.asarray(x), training=training)
    assert outputs.shape == (20, K, 3)
    single, each = apart(recipe, params)
    losses = [
        LOSSES[loss].per_row(network.apply(single, p, running, jnp.asarray(x), training=training)[0], y, 0.2)
        for p in each
    ]
    np.testing.assert_allclose(network.losses(recipe, outputs, y), np.mean(losses, axis=0), rtol=1e-5)


def test_first_signs_and_heads_differ():
    params, _ = shape_of(HEADS[0]).init(PLAIN, 3)
    scales = params["submodels.scale"].reshape(K, -1)
    assert set(np.unique(scales)) == {-1.0, 1.0}
    assert len(np.unique(scales, axis=0)) == K
    heads = params["output.weight"].reshape(5, K, 3)
    assert not np.allclose(heads[:, 0], heads[:, 1])
    np.testing.assert_array_equal(  # the first head is that of a network without submodels
        heads[:, 0], shape_of(HEADS[0]).init(dataclasses.replace(PLAIN, submodels=1), 3)[0]["output.weight"]
    )


def test_size_is_predicted():
    member = trained(dataclasses.replace(PLAIN, optimizer=AdamW()), HEADS[0])
    network = Network(6, 3)
    params, _ = network.init(PLAIN, 0)
    assert member_bytes(network, member.recipe) == 4 * 4 * sum(w.size for w in params.values())
    assert flops_per_step(network, PLAIN) == K * flops_per_step(
        network, dataclasses.replace(PLAIN, submodels=1)
    )


def test_learns():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 2)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    recipe = Recipe((32, 32), "silu", optimizer=AdamW(0.01), batch_size=64, submodels=8)
    for member in train(recipe, X, y, seeds=2, epochs=30, validation=0.25):
        assert member.best.error[0] < 0.06


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"submodels": 0}, "whole number >= 1"), ({"submodels": 2, "conv": (4,)}, "does not go with submodels")],
)
def test_bad_fields(fields, words):
    with pytest.raises(InputError, match=words):
        Recipe((4,), **fields)
