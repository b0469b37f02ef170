"""`train`: what it returns, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.engine import plan
from goodfit.engine.train import train
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.techniques.embeddings import Periodic
from goodfit.techniques.optimizers import SGD, Adam

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FAST = Recipe((8,), optimizer=SGD(0.1), batch_size=16)
QUICK = {"steps": 6, "evaluate_every": 3, "chunk": 1}


def test_recipes_times_seeds_recipe_major(runs):
    members = train([FAST, Recipe((8,), optimizer=SGD(0.3), batch_size=32)], X, Y, seeds=[4, 9], **QUICK)
    assert [(m.recipe.batch_size, m.seed) for m in members] == [(16, 4), (16, 9), (32, 4), (32, 9)]
    assert all(m.step == len(m.loss_curve) == 6 for m in members)
    assert all(m.result == "trained" and m.evaluations == [] for m in members)


def test_it_learns_and_reports_what_it_held_out(runs):
    (member,) = train(FAST, X, np.where(Y, "yes", "no"), validation=0.2, epochs=30, chunk=1)
    assert member.best.error[0] < 0.2
    assert member.loss_curve[-5:].mean() < 0.5 * np.log(2)
    params, running, step = member.weights()
    assert params["output.weight"].shape == (8, 2)
    assert running == {}
    assert step == member.best.step


def test_numbers_and_explicit_validation(runs):
    y = X @ np.array([1.0, -2.0, 0.5, 0.0])
    (member,) = train(Recipe((8,), optimizer=Adam(0.02), batch_size=16), X[:60], y[:60],
                      validation=(X[60:], y[60:]), epochs=40, chunk=1)  # fmt: skip
    assert member.best.error[0] < 0.3 * y.var()


def test_order_pairs_the_seeds(runs):
    one, other = train([FAST], X, Y, seeds=[1, 2], order=7, **QUICK)
    assert (one.order_seed, other.order_seed) == (7, 7)
    assert [m.order_seed for m in train([FAST], X, Y, seeds=[1, 2], order=[3, 4], **QUICK)] == [3, 4]
    assert [m.order_seed for m in train([FAST], X, Y, seeds=[1, 2], **QUICK)] == [1, 2]


def test_stopping_keeps_what_was_reached(runs):
    calls = iter([False, True])
    members = train(FAST, X, Y, steps=600, evaluate_every=600, chunk=1, lanes=1, validation=0.2,
                    should_stop=lambda: next(calls, True))  # fmt: skip
    assert 0 < members[0].step < 600
    assert members[0].evaluations[-1].step == members[0].step


def test_an_embedding_applies_to_every_column(runs):
    x = RNG.uniform(-1, 1, (300, 2)).astype(np.float32)
    y = np.sin(12 * x[:, 0])  # nearly four waves: out of reach of a linear model
    plain = Recipe((), optimizer=Adam(0.02), batch_size=32)
    embedded = Recipe((), optimizer=Adam(0.02), batch_size=32, embedding=Periodic(2.0))
    without, member = train([plain, embedded], x, y, validation=(x, y), epochs=40, chunk=1)
    params, _, _ = member.weights()
    assert params["numbers.weight"].shape == (2, 16, 3)
    assert params["output.weight"].shape == (8, 1)
    assert "numbers.weight" not in without.weights()[0]
    assert member.best.error[0] < 0.5 * without.best.error[0]


def test_an_embedding_leaves_pixels_of_images_alone(runs):
    images = RNG.integers(0, 256, (60, 3, 3)).astype(np.uint8)
    (member,) = train(Recipe((4,), embedding=Periodic()), images, Y[:60], **QUICK)
    assert "numbers.weight" not in member.weights()[0]


REFUSED = [
    ({"recipes": []}, "recipes must be one Recipe or a non-empty list"),
    ({"recipes": [Adam()]}, "recipes must be one Recipe or a non-empty list"),
    ({"X": X[:, 0]}, r"X must be \(rows, columns\).* got shape \(90,\)"),
    ({"X": X[:0], "y": Y[:0]}, "at least one row"),
    ({"X": np.where(X > 1, np.nan, X)}, "X holds missing or infinite values"),
    ({"X": np.full((90, 2), "a")}, "X must hold numbers"),
    ({"y": Y[:50]}, "X has 90 rows and y has 50"),
    ({"y": np.where(Y, np.inf, 0.0)}, "y holds missing or infinite values"),
    ({"y": np.zeros(90, int)}, r"at least two classes, got only \[0\]"),
    ({"y": Y[:, None]}, "Classes must be one column"),
    ({"seeds": 0}, "seeds must be a whole number >= 1 or a list of seeds >= 0, got 0"),
    ({"seeds": [-1]}, "seeds must be .* got "),
    ({"seeds": 1.5}, "seeds must be .* got 1.5"),
    ({"seeds": 2, "order": [1]}, "order has 1 entries for 2 seeds"),
    ({"steps": 0}, "steps must be a whole number >= 1, got 0"),
    ({"steps": None, "epochs": 1.5}, "epochs must be a whole number >= 1, got 1.5"),
    ({"evaluate_every": 0}, "evaluate_every must be a whole number >= 1, got 0"),
    ({"patience": -1}, "patience must be a whole number >= 1, got -1"),
    ({"loss": "hinge"}, "loss must be one of"),
    ({"loss": "squared_error"}, "loss 'squared_error' is for numbers, and y holds classes"),
    ({"loss": "softmax_cross_entropy", "y": Y + 0.5}, "'softmax_cross_entropy' is for classes"),
    ({"chunk": 0}, "chunk must be a whole number >= 1"),
    ({"validation": 1.5}, "validation must be None, rows and targets"),
    ({"validation": 0.999}, r"validation=.* leaves no row to train on"),
    ({"validation": (X[:, :2], Y)}, r"validation rows must have 4 columns like X"),
    ({"validation": (X[:30], Y[:20])}, "validation has 30 rows and 20 targets"),
    ({"validation": (X[:0], Y[:0])}, "validation has no rows"),
    ({"validation": (X * np.nan, Y)}, "validation holds missing or infinite values"),
    ({"validation": (X, Y + 1)}, r"classes that y lacks: \[2\]"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_refused(runs, change, message):
    arguments = {"recipes": FAST, "X": X, "y": Y, **QUICK, **change}
    with pytest.raises(InputError, match=message):
        train(**arguments)


def test_pixels_are_not_mixed_with_scaled_numbers(runs):
    pixels = RNG.integers(0, 256, (90, 4)).astype(np.uint8)
    with pytest.raises(InputError, match="validation rows must be uint8 like X, got float64"):
        train(FAST, pixels, Y, validation=(pixels / 255, Y), **QUICK)


def test_too_much_for_the_memory_is_said_before_the_start(monkeypatch, runs):
    monkeypatch.setattr(plan, "available_bytes", lambda: 1000)
    with pytest.raises(InputError, match=r"Training 3 members would take about .* GiB are free"):
        train(FAST, X, Y, seeds=3, **QUICK)
