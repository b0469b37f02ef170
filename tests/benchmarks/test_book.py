"""The book's way is timed against ours, so it must compute the same: gradients, updates, running moments."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.network import Network, Training
from goodfit.recipe import Recipe
from goodfit.techniques.initializers import Gaussian
from goodfit.techniques.losses import softmax_cross_entropy
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from goodfit.techniques.regularization import Dropout, fold_in, l2_penalty, uniform

_PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "book.py"
_SPEC = importlib.util.spec_from_file_location("book", _PATH)
book = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(book)

BOOKS_NORM = BatchNorm(epsilon=1e-6, bias_correction=False)
KEY = 5
RECIPES = {
    "relu": Recipe((7, 5)),
    "sigmoid": Recipe((7, 5), "sigmoid"),
    "tanh": Recipe((7, 5), "tanh", init=Gaussian(0.3)),
    "linear": Recipe(()),
    "decay": Recipe((7, 5), weight_decay=0.1),
    "batch norm": Recipe((7, 5), batch_norm=BOOKS_NORM),
    "dropout, book": Recipe((7, 5), dropout=Dropout(0.3, "book")),
    "dropout, inverted": Recipe((7, 5), dropout=0.3),
    "all": Recipe((7, 5), "tanh", batch_norm=BOOKS_NORM, dropout=Dropout(0.3, "book"), weight_decay=0.1),
}
every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


class Masks:
    """Stands in for the generator while training: hands out goodfit's own dropout numbers, layer by layer."""

    def __init__(self):
        self.layer = 0

    def rand(self, *shape):
        self.layer += 1
        return np.asarray(uniform(fold_in(jnp.uint32(KEY), self.layer - 1), shape), float)


def ours(name):
    """Return goodfit's name for W1, b1, gamma1, beta1 of a network with two hidden layers or none."""
    kind, layer = name.rstrip("0123456789"), int(name[len(name.rstrip("0123456789")) :])
    part = {"W": "weight", "b": "bias", "gamma": "norm.scale", "beta": "norm.shift"}[kind]
    return f"hidden.{layer - 1}.{part}"


def both(recipe):
    """Return the book's network with random parameters, goodfit's with the same, and a batch."""
    rng = np.random.default_rng(1)
    network = book.BookNetwork(6, 4, recipe)
    for w in network.params.values():
        w += 0.2 * rng.normal(size=w.shape)
    last = f"hidden.{len(recipe.hidden)}"
    params = {ours(k).replace(last, "output"): jnp.asarray(w) for k, w in network.params.items()}
    names = {k: ours(k).replace(last, "output") for k in network.params}
    return network, params, names, rng.normal(size=(12, 6)), rng.integers(0, 4, 12)


@every_recipe
def test_loss_gradients_and_running_moments_are_ours(recipe, monkeypatch):
    with jax.enable_x64(True):
        network, params, names, x, t = both(recipe)
        net = Network(6, 4)
        running = {k: jnp.zeros(w.shape) for k, w in net.init(recipe, 0)[1].items()}
        training = Training(jnp.ones(12), jnp.uint32(KEY), jnp.int32(0))

        def loss(params):
            outputs, moved = net.apply(recipe, params, running, jnp.asarray(x), training=training)
            weights = [w for k, w in params.items() if k.endswith("weight")]
            per_row = softmax_cross_entropy(outputs, jnp.asarray(t))
            return jnp.mean(per_row) + l2_penalty(weights, recipe.weight_decay), moved

        (value, moved), expected = jax.value_and_grad(loss, has_aux=True)(params)
        monkeypatch.setattr(book, "RANDOM", Masks())
        got = network.gradient(x, t)
        assert got.keys() == network.params.keys()
        for key, g in got.items():
            np.testing.assert_allclose(g, expected[names[key]], rtol=1e-9, atol=1e-14, err_msg=key)
        monkeypatch.setattr(book, "RANDOM", Masks())
        assert network.loss(x, t) == pytest.approx(float(value), rel=1e-5), "log(p + 1e-7) is the book's"
        if recipe.batch_norm:
            norms = [layer for name, layer in network.layers.items() if "BatchNorm" in name]
            for i, norm in enumerate(norms):  # two training passes over one batch: r ← .9·r + .1·m, twice
                for kind in ("mean", "var"):
                    twice = 1.9 * np.asarray(moved[f"hidden.{i}.norm.{kind}"])
                    np.testing.assert_allclose(getattr(norm, f"running_{kind}"), twice, rtol=1e-12)


@every_recipe
def test_evaluation_is_ours(recipe):
    with jax.enable_x64(True):
        network, params, _, x, t = both(recipe)
        network.loss(x, t)  # moves the running moments
        net, running = Network(6, 4), {}
        for i in range(len(recipe.hidden) if recipe.batch_norm else 0):
            norm = network.layers[f"BatchNorm{i + 1}"]
            running |= {f"hidden.{i}.norm.mean": norm.running_mean, f"hidden.{i}.norm.var": norm.running_var}
        outputs, _ = net.apply(recipe, params, running, jnp.asarray(x))
        np.testing.assert_allclose(network.predict(x), outputs, rtol=1e-9, atol=1e-12)
        assert network.accuracy(x, t) == np.mean(np.argmax(np.asarray(outputs), axis=1) == t)
        p = np.asarray(jax.nn.softmax(outputs))[np.arange(12), t]
        squares = sum(np.sum(w**2) for key, w in network.params.items() if key.startswith("W"))
        expected = -np.mean(np.log(p + 1e-7)) + 0.5 * recipe.weight_decay * squares
        assert network.loss(x, t, train=False) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "rule",
    [SGD(0.1), Momentum(0.1, 0.8), Nesterov(0.1, 0.8), AdaGrad(0.1), RMSProp(0.1, 0.9), Adam(0.1)],
    ids=repr,
)
def test_updates_are_ours(rule):
    rng = np.random.default_rng(0)
    theirs = {"W1": rng.normal(size=(5, 3)), "b1": rng.normal(size=3)}
    expected, kept = {k: w.copy() for k, w in theirs.items()}, dict(theirs)
    optimizer = book.book_optimizer(Recipe(optimizer=rule))
    for _ in range(20):
        grads = {k: rng.normal(size=w.shape) * [1.0, 1e-3, 1e-6] for k, w in theirs.items()}
        optimizer.update(theirs, grads)
        rule.update(expected, grads)
        for key, w in expected.items():
            np.testing.assert_allclose(theirs[key], w, rtol=1e-12, err_msg=key)
    assert all(theirs[k] is kept[k] for k in kept), "changed in place: the layers hold the same arrays"


def test_it_learns_and_is_timed():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 8)).astype(np.float32)
    y = np.argmax(x[:, :3], axis=1)
    recipe = Recipe((20,), optimizer=Adam(0.01), batch_size=30)
    network, optimizer = book.BookNetwork(8, 3, recipe), book.book_optimizer(recipe)
    before = network.accuracy(x, y)
    for _ in range(200):
        rows = rng.integers(0, 300, 30)
        optimizer.update(network.params, network.gradient(x[rows], y[rows]))
    assert network.accuracy(x, y) > max(0.9, before)
    found = book.cost(recipe, x, y, x, y, seconds=0.02)
    assert 0 < found.second_forward < found.step
    assert found.row > 0


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(batch_norm=True),
        Recipe(batch_norm=BatchNorm("after", bias_correction=False)),
        Recipe(layer_norm=LayerNorm()),
        Recipe(activation="gelu"),
        Recipe(label_smoothing=0.1),
        Recipe(clip_norm=1.0),
    ],
)
def test_what_the_book_does_not_have_is_refused(recipe):
    with pytest.raises(ValueError, match="book"):
        book.BookNetwork(4, 2, recipe)


@pytest.mark.parametrize("rule", [AdamW(), Adam(paper=True)], ids=repr)
def test_rules_that_the_book_does_not_have_are_refused(rule):
    with pytest.raises(ValueError, match="book has SGD"):
        book.book_optimizer(Recipe(optimizer=rule))
