"""One network: gradients against central differences in float64 (comparison 3a), and its evaluation form."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.network import Network, Training
from goodfit.recipe import Recipe
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.embeddings import Periodic
from goodfit.techniques.losses import LOSSES
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.optimizers import SGD
from goodfit.techniques.regularization import Dropout

ROWS, REAL = 12, 9  # three rows of the batch are padding
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 3)).astype(np.float32)  # the network casts rows to float32
VALID = (np.arange(ROWS) < REAL).astype(float)
NORMS = {
    "none": {},
    "batch before": {"batch_norm": True},
    "batch after": {"batch_norm": BatchNorm("after")},
    "layer before": {"layer_norm": True},
    "layer after": {"layer_norm": LayerNorm("after")},
    "dropout": {"dropout": 0.3},
    "batch, dropout in the book's form": {"batch_norm": BatchNorm("after"), "dropout": Dropout(0.3, "book")},
}


def targets(loss):
    return RNG.integers(0, 2, ROWS) if loss == "softmax_cross_entropy" else RNG.uniform(size=(ROWS, 2))


def start(network, recipe, dtype=np.float64):
    """Return parameters with nothing at 0 or 1, so that every term of a gradient counts."""
    rng = np.random.default_rng(1)
    params, running = network.init(recipe, 3)
    return {k: w.astype(dtype) + 0.3 * rng.normal(size=w.shape) for k, w in params.items()}, running


def loss_function(network, recipe, running, y):
    training = Training(jnp.asarray(VALID), jnp.uint32(5), jnp.int32(0))

    def loss(params):
        outputs, _ = network.apply(recipe, params, running, jnp.asarray(X), training=training)
        return jnp.sum(LOSSES[network.loss].per_row(outputs, y, 0.1) * VALID) / REAL

    return loss


def check_gradients(recipe, loss="softmax_cross_entropy"):
    network = Network(3, 2, loss)
    with jax.enable_x64(True):
        params, running = start(network, recipe)
        f = loss_function(network, recipe, running, jnp.asarray(targets(loss)))
        names = sorted(params)
        flat = np.concatenate([params[k].ravel() for k in names])

        def unflat(v):
            ends = np.cumsum([params[k].size for k in names])
            parts = (
                v[end - params[k].size : end].reshape(params[k].shape)
                for k, end in zip(names, ends, strict=True)
            )
            return dict(zip(names, parts, strict=True))

        h = 1e-6
        shifts = h * np.eye(len(flat))
        both = jax.jit(lambda v: (jax.vmap(lambda u: f(unflat(u)))(v), jax.grad(f)(unflat(v[0] * 0 + flat))))
        values, grads = both(jnp.asarray(np.concatenate([flat + shifts, flat - shifts])))
    up, down = np.split(np.asarray(values), 2)
    got = np.concatenate([np.asarray(grads[k]).ravel() for k in names])
    np.testing.assert_allclose(got, (up - down) / (2 * h), rtol=1e-5, atol=2e-9)
    return {k: np.asarray(g) for k, g in grads.items()}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_of_every_activation(activation):
    grads = check_gradients(Recipe((4,), activation, batch_norm=True))
    # Batch norm takes away what the bias before it adds.
    np.testing.assert_allclose(grads["hidden.0.bias"], 0.0, atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_of_every_norm(norm):
    grads = check_gradients(Recipe((4, 3), "tanh", **NORMS[norm]))
    assert all(np.abs(g).max() > 1e-6 for k, g in grads.items() if not k.endswith("bias"))


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_of_every_loss(loss):
    check_gradients(Recipe((4,), "relu"), loss)


def test_padding_rows_change_nothing_in_training():
    """With batch norm too: moments, running statistics and loss are those of the real rows."""
    network, recipe = Network(3, 2), Recipe((4, 3), batch_norm=True)
    params, running = start(network, recipe, np.float32)

    @jax.jit
    def outputs(x, valid):
        return network.apply(
            recipe, params, running, x, training=Training(valid, jnp.uint32(5), jnp.int32(0))
        )

    padded, moved = outputs(jnp.asarray(X), jnp.asarray(VALID, jnp.float32))
    alone, moved_alone = outputs(jnp.asarray(X[:REAL]), jnp.ones(REAL))
    np.testing.assert_allclose(padded[:REAL], alone, rtol=2e-5, atol=1e-5)
    for key, m in moved_alone.items():
        np.testing.assert_allclose(moved[key], m, rtol=1e-5, atol=1e-6)


def by_hand(recipe, params, running, x, step, scale):
    """Evaluation in NumPy: what prediction must compute."""
    h = x.astype(np.float64) * scale
    for i in range(len(recipe.hidden)):

        def norm(z, i=i):
            kind = recipe.norm
            if isinstance(kind, BatchNorm):
                share = 1 - kind.momentum**step if kind.bias_correction else 1.0
                mean, var = (running[f"hidden.{i}.norm.{m}"] / share for m in ("mean", "var"))
            else:
                mean, var = z.mean(1, keepdims=True), z.var(1, keepdims=True)
            hat = (z - mean) / np.sqrt(var + kind.epsilon)
            return hat * params[f"hidden.{i}.norm.scale"] + params[f"hidden.{i}.norm.shift"]

        h = h @ params[f"hidden.{i}.weight"] + params[f"hidden.{i}.bias"]
        h = norm(h) if recipe.norm and recipe.norm.position == "before" else h
        h = np.maximum(h, 0)
        h = norm(h) if recipe.norm and recipe.norm.position == "after" else h
        h = h * (1.0 if recipe.drop is None else recipe.drop.test_factor())
    return h @ params["output.weight"] + params["output.bias"]


EVALUATED = {
    **NORMS,
    "batch, book": {"batch_norm": BatchNorm(bias_correction=False)},
    "slip": {"dropout": Dropout(0.3, "slip")},
}


@pytest.mark.parametrize("form", EVALUATED)
def test_evaluation_form(form):
    network, recipe = Network(3, 2, input_scale=1 / 255), Recipe((4, 3), **EVALUATED[form])
    params, running = start(network, recipe, np.float32)
    running = {k: np.abs(RNG.normal(0.2, 0.05, r.shape)).astype(np.float32) for k, r in running.items()}
    x = RNG.integers(0, 256, (20, 3)).astype(np.uint8)
    outputs, after = network.apply(recipe, params, running, jnp.asarray(x), step=jnp.float32(4))
    np.testing.assert_allclose(outputs, by_hand(recipe, params, running, x, 4, 1 / 255), rtol=1e-4, atol=1e-5)
    assert all(np.array_equal(after[k], r) for k, r in running.items()), "evaluation moves nothing"
    final = network.final_running(recipe, running, 4)
    norm = recipe.norm
    assert final.keys() == running.keys()
    share = 1 - 0.9**4 if isinstance(norm, BatchNorm) and norm.bias_correction else 1.0
    for key, r in running.items():
        np.testing.assert_allclose(final[key], r / share, rtol=1e-5)


def test_architecture_says_what_prediction_needs():
    recipe = Recipe(
        [8, 4],
        "tanh",
        batch_norm=BatchNorm("after", epsilon=1e-3),
        dropout=Dropout(0.25, "book"),
        embedding=Periodic(),
        parametric=True,
    )
    assert Network(5, 3, input_scale=0.5, numbers=2, categories=(2, 9)).architecture(recipe) == {
        "activation": "tanh",
        "categories": [2, 9],
        "category_width": 8,
        "conv": [],
        "frequencies": 16,
        "head": "softmax",
        "hidden": [8, 4],
        "hidden_scale": 0.75,
        "image": [],
        "input_scale": 0.5,
        "inputs": 5,
        "kernel": 3,
        "norm": "batch",
        "norm_epsilon": 1e-3,
        "norm_position": "after",
        "number_width": 4,
        "numbers": 2,
        "outputs": 3,
        "parametric": True,
        "submodels": 1,
    }
    plain = Network(5, 1, "squared_error").architecture(Recipe(()))
    assert (plain["norm"], plain["hidden_scale"], plain["head"], plain["hidden"]) == (
        None,
        1.0,
        "identity",
        [],
    )


def test_first_weights_depend_on_recipe_and_seed_alone():
    network = Network(6, 3)
    one, _ = network.init(Recipe((5, 5)), 1)
    again, _ = network.init(Recipe((5, 5), optimizer=SGD(), dropout=0.5), 1)
    other, _ = network.init(Recipe((5, 5)), 2)
    assert all(np.array_equal(one[k], again[k]) for k in one)
    weights = [k for k in one if k.endswith("weight")]
    assert not any(np.array_equal(one[k], other[k]) for k in weights)
    assert not np.array_equal(one["hidden.0.weight"][:5], one["hidden.1.weight"])
    assert {w.dtype for w in one.values()} == {np.dtype("float32")}


def test_fresh_masks_by_layer_and_key():
    """Through identity layers the output is the product of both masks: a quarter of the units get by."""
    network, recipe = Network(64, 64), Recipe((64, 64), "identity", dropout=0.5)
    params, running = network.init(recipe, 0)
    params = {k: np.eye(64, dtype=np.float32) if k.endswith("weight") else w for k, w in params.items()}

    def kept(key):
        training = Training(jnp.ones(ROWS), jnp.uint32(key), jnp.int32(0))
        x = jnp.ones((ROWS, 64), jnp.float32)
        return np.asarray(network.apply(recipe, params, running, x, training=training)[0]) != 0

    masks = [kept(key) for key in (1, 2, 1)]
    assert np.array_equal(masks[0], masks[2])
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(masks))
    assert masks[0].mean() == pytest.approx(0.25, abs=4.5 * np.sqrt(0.25 * 0.75 / masks[0].size))


def test_unknown_loss():
    with pytest.raises(InputError, match=r"loss must be one of .*did you mean 'squared_error'"):
        Network(3, 1, "square_error")
