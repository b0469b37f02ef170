"""Networks of images: convolutions, augmentation, and the same numbers in training and in prediction."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.data.builtin import read_known
from goodfit.data.schema import Schema
from goodfit.data.target import TargetCodec
from goodfit.engine import member, program
from goodfit.engine.gradient_check import gradient_check
from goodfit.engine.member import part_of
from goodfit.engine.plan import flops_per_step, member_bytes
from goodfit.engine.train import train
from goodfit.errors import InputError, ModelFileError
from goodfit.model.file import model_bytes, parse_model
from goodfit.model.model import Model, ModelMember
from goodfit.model.predict import forward
from goodfit.network import Network, Training
from goodfit.recipe import Recipe
from goodfit.techniques.augmentation import Flip, Shift
from goodfit.techniques.convolution import plain_convolve, plain_max_pool
from goodfit.techniques.initializers import DataDriven, Glorot, He
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.optimizers import OPTIMIZERS, Adam

NETWORK = Network(9 * 7 * 3, 4, image=(9, 7, 3), input_scale=1 / 255)
RECIPE = Recipe((11,), conv=(5, 6), batch_norm=True, dropout=0.3, augmentation=(Shift(1), Flip()))
PARTS = {
    "all": {},
    "no norm": {"batch_norm": False},
    "norm after": {"batch_norm": BatchNorm("after")},
    "no hidden layer": {"hidden": (), "dropout": 0.0},
    "wide kernel": {"kernel": 5, "conv": (3,)},
}


def images(n=70, seed=0, shape=(9, 7, 3)):
    """Return uint8 images (n, 9, 7, 3) and classes below 4."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape)).astype(np.uint8), rng.integers(0, 4, n).astype(np.int32)


@pytest.mark.parametrize("part", PARTS)
def test_prediction_is_the_trained_network(part):
    recipe = dataclasses.replace(RECIPE, **PARTS[part])
    x, y = images()
    (member,) = train(recipe, x, y, epochs=2)
    params, running, step = member.weights(best=False)
    rows = x.reshape(len(x), -1)
    network = Network(rows.shape[1], 4, input_scale=1 / 255, image=(9, 7, 3))
    expected, _ = network.apply(recipe, params, running, jnp.asarray(rows), step=np.float32(step))
    final = network.final_params(recipe, params), network.final_running(recipe, running, step)
    outputs = forward(network.architecture(recipe), *final, rows)
    np.testing.assert_allclose(outputs, expected, rtol=2e-4, atol=2e-5)
    alone = forward(network.architecture(recipe), *final, rows[[3]])
    np.testing.assert_allclose(alone, outputs[[3]], rtol=1e-12)


def test_forward_pass_is_the_formula():
    recipe = Recipe((11,), "tanh", conv=(5, 6))
    params, running = NETWORK.init(recipe, 3)
    x, _ = images(4)
    h = jnp.asarray(x / 255, jnp.float32)
    for i in range(2):
        h = plain_convolve(h, params[f"conv.{i}.weight"], params[f"conv.{i}.bias"])
        h = plain_max_pool(jnp.tanh(h))
    assert h.shape == (4, *NETWORK.maps(recipe)[-1]) == (4, 2, 1, 6)
    h = jnp.tanh(h.reshape(4, -1) @ params["hidden.0.weight"] + params["hidden.0.bias"])
    expected = h @ params["output.weight"] + params["output.bias"]
    outputs, _ = NETWORK.apply(recipe, params, running, jnp.asarray(x.reshape(4, -1)))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-6)


def test_gradients_are_those_of_finite_differences():
    recipe = Recipe((6,), "tanh", conv=(3, 4), batch_norm=True, batch_size=16)
    x, y = images(16)
    found = gradient_check(NETWORK, recipe, x.reshape(16, -1).astype(np.float32), y, seed=1)
    assert {"conv.0.weight", "conv.1.weight", "conv.1.norm.scale"} <= set(found)
    assert max(found.values()) < 1e-5


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_moves_every_kernel(name):
    recipe = Recipe((8,), conv=(4, 4), optimizer=OPTIMIZERS[name](), batch_size=35)
    x, y = images()
    (member,) = train(recipe, x, y, steps=3)
    first, _ = NETWORK.init(recipe, 0)
    params, _, _ = member.weights(best=False)
    for key in ("conv.0.weight", "conv.1.weight", "conv.1.bias", "output.weight"):
        assert np.isfinite(params[key]).all()
        assert not np.array_equal(params[key], first[key])


def test_a_member_is_the_same_alone_and_in_a_chunk_or_lane():
    x, y = images()
    recipes = [dataclasses.replace(RECIPE, optimizer=Adam(lr)) for lr in (1e-3, 3e-3, 1e-2)]
    alone = train(recipes[1], x, y, epochs=2, lanes=1)[0]
    for setting in ({"lanes": 1}, {"lanes": 3}):
        beside = train(recipes, x, y, epochs=2, **setting)[1]
        jax.tree.map(np.testing.assert_array_equal, alone.weights(), beside.weights())
    chunked = train(recipes, x, y, epochs=2, chunk=3)[1]
    for key, w in alone.weights()[0].items():
        if key.endswith("weight"):  # biases before a norm are rounding errors, which grow by Adam's division
            np.testing.assert_allclose(w, chunked.weights()[0][key], atol=1e-4)


def test_augmentation_changes_training_alone():
    recipe = dataclasses.replace(RECIPE, dropout=0.0, batch_norm=False)
    params, running = NETWORK.init(recipe, 0)
    x = jnp.asarray(images(8)[0].reshape(8, -1))
    training = Training(jnp.ones(8), jnp.uint32(7), jnp.int32(0))
    plain, _ = NETWORK.apply(dataclasses.replace(recipe, augmentation=None), params, running, x)
    evaluated, _ = NETWORK.apply(recipe, params, running, x)
    trained, _ = NETWORK.apply(recipe, params, running, x, training=training)
    np.testing.assert_array_equal(plain, evaluated)
    assert not np.allclose(plain, trained)


def test_first_kernels_have_the_deviation_of_their_fans():
    network = Network(8 * 8 * 16, 3, image=(8, 8, 16))
    params, _ = network.init(Recipe((5,), conv=(64,), init=He()), 0)
    assert params["conv.0.weight"].shape == (3, 3, 16, 64)
    assert params["conv.0.weight"].std() == pytest.approx((2 / (9 * 16)) ** 0.5, rel=0.05)
    params, _ = network.init(Recipe((5,), conv=(64,), init=Glorot()), 0)
    assert params["conv.0.weight"].std() == pytest.approx((2 / (9 * 16 + 9 * 64)) ** 0.5, rel=0.05)


def test_work_and_memory_count_convolutions():
    recipe = Recipe((10,), conv=(5,), batch_size=2)
    network = Network(6 * 6, 3, image=(6, 6, 1))
    convolved, dense = 6 * 6 * 9 * 5, 3 * 3 * 5 * 10 + 10 * 3
    assert flops_per_step(network, recipe) == 2 * (4 * convolved + 6 * dense)
    parameters = 9 * 5 + 5 + 46 * 10 + 11 * 3
    assert member_bytes(network, recipe) == 4 * parameters * (2 + Adam().slots)


def test_convolutions_learn_where_things_are():
    table = read_known("digits")
    x, y = table.images, table.columns["label"].astype(np.int32)
    recipe = Recipe((64,), conv=(16, 32), batch_norm=True, batch_size=64, optimizer=Adam(3e-3))
    (member,) = train(recipe, x, y, epochs=8, validation=0.3)
    assert member.best.error[0] < 0.02  # a linear model's is 0.04


def image_model(**architecture):
    """Return a model of one untrained network of images; ``architecture`` changes its description."""
    params, running = NETWORK.init(RECIPE, 0)
    described = NETWORK.architecture(RECIPE) | architecture
    member = ModelMember(described, params, running, 1.0, RECIPE.to_json(), RECIPE.text())
    target = TargetCodec("classification", classes=tuple("abcd"))
    return Model((member,), Schema(image_shape=(9, 7, 3)), target, "label", {})


def test_a_model_of_images_survives_its_file():
    model, x = image_model(), images(5)[0]
    read = parse_model(model_bytes(model))
    np.testing.assert_array_equal(read.predict_proba(x), model.predict_proba(x))
    assert Recipe.from_json(read.members[0].recipe) == RECIPE


@pytest.mark.parametrize(
    "change",
    [
        {"image": [9, 7, 4]},
        {"image": [7, 9, 3]},
        {"image": [63, 1, 3]},
        {"image": []},
        {"conv": [5, 6, 7]},
        {"conv": [5, 0]},
        {"kernel": 5},
        {"kernel": 2},
        {"norm": "layer"},
        {"conv": []},
    ],
)
def test_a_file_whose_convolutions_do_not_fit_is_refused(change):
    with pytest.raises(ModelFileError):
        parse_model(model_bytes(image_model(**change)))


WRONG = {
    "channels": ({"conv": (0,)}, "channels >= 1"),
    "no tuple": ({"conv": 16}, "channels >= 1"),
    "even kernel": ({"conv": (8,), "kernel": 4}, "odd number"),
    "layer norm": ({"conv": (8,), "layer_norm": True}, "does not go with layer_norm"),
    "data-driven": ({"conv": (8,), "init": DataDriven()}, "DataDriven"),
    "augmentation": ({"augmentation": "flip"}, "a Shift, a Flip"),
}


@pytest.mark.parametrize("case", WRONG)
def test_recipes_that_cannot_be(case):
    fields, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        Recipe(**fields)


def test_recipes_that_the_data_do_not_fit():
    x, y = images(20)
    with pytest.raises(InputError, match=r"halves images of 9 x 7 pixels .* at most 2 convolutions"):
        train(Recipe((5,), conv=(4, 4, 4)), x, y)
    with pytest.raises(InputError, match=r"conv=.*for images"):
        train(Recipe((5,), conv=(4,)), x.reshape(20, -1), y)
    with pytest.raises(InputError, match=r"augmentation=.*for images"):
        train(Recipe((5,), augmentation=Flip()), x.reshape(20, -1), y)


def test_a_recipe_of_images_survives_json():
    assert Recipe.from_json(RECIPE.to_json()) == RECIPE
    assert "3x3 convolutions to 5, 6 channels" in RECIPE.text()
    assert "Shift" in RECIPE.text()


@pytest.mark.parametrize(("batch_size", "size"), [(64, 16), (60, 15), (16, 0), (61, 0), (100, 10)])
def test_a_batch_is_gone_through_by_parts_that_divide_it(batch_size, size):
    recipe = Recipe((5,), conv=(3,), batch_size=batch_size)
    assert part_of(recipe) == size
    assert part_of(dataclasses.replace(recipe, batch_norm=True)) == 0, "which needs all of it"
    assert part_of(Recipe((5,), batch_size=batch_size)) == 0, "no image, no part"


def test_parts_make_the_same_step_as_the_batch(monkeypatch):
    """The last batch, of 22 rows, has a part that is padding alone; each part has masks of its own."""
    x, y = images(150)
    recipe = Recipe((11,), conv=(5, 6), label_smoothing=0.1, optimizer=Adam(0.003), batch_size=64)
    parts = train(recipe, x, y, epochs=3)[0]
    dropped = train(dataclasses.replace(recipe, dropout=0.5), x, y, epochs=3)[0]
    monkeypatch.setattr(member, "part_of", lambda recipe: 0)
    monkeypatch.setattr(program, "_programs", {})
    whole = train(recipe, x, y, epochs=3)[0]
    np.testing.assert_allclose(parts.loss_curve, whole.loss_curve, rtol=1e-5)
    for name, w in whole.weights()[0].items():
        np.testing.assert_allclose(parts.weights()[0][name], w, rtol=1e-3, atol=1e-5)
    other = train(dataclasses.replace(recipe, dropout=0.5), x, y, epochs=3)[0]
    assert abs(dropped.loss_curve - other.loss_curve).max() > 1e-3
