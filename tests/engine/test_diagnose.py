"""Diagnosis: the measurements are right, the sick are found, the healthy left alone."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits

import goodfit
from goodfit.engine import probe as probing
from goodfit.engine.diagnose import diagnose, diagnose_rows
from goodfit.engine.probe import effective_rank, knowing_nothing, probe, probe_steps
from goodfit.engine.program import compilations, use_cache
from goodfit.engine.train import train
from goodfit.errors import InputError
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.initializers import Gaussian, Xavier
from goodfit.techniques.losses import LOSSES
from goodfit.techniques.optimizers import SGD, Adam, Momentum

ROWS, COLUMNS, CLASSES = 30, 6, 3


@pytest.fixture(scope="module")
def digits():
    use_cache()
    x, y = load_digits(return_X_y=True)
    return (x[:600] * (255 / 16)).astype(np.uint8), y[:600]


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int32) + (x[:, 1] > 0.5)


# --- what is measured --------------------------------------------------------------------------------------

FORMS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0) * 1.0),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z, a: a * (1 - a)),
    "tanh": (np.tanh, lambda z, a: 1 - a * a),
}


def plain_pass(params, x, y, activation, layers):
    """Forward and backward in NumPy float64: loss, activations, gradient norms by activation and weight."""
    activate, slope = FORMS[activation]
    w = [params[f"hidden.{i}.weight"].astype(np.float64) for i in range(layers)]
    b = [params[f"hidden.{i}.bias"].astype(np.float64) for i in range(layers)]
    before, after = [], [x.astype(np.float64)]
    for i in range(layers):
        before.append(after[-1] @ w[i] + b[i])
        after.append(activate(before[-1]))
    last = params["output.weight"].astype(np.float64)
    z = after[-1] @ last + params["output.bias"]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    d = (p - np.eye(p.shape[1])[y]) / len(y)
    by_weight, by_activation = [np.linalg.norm(after[-1].T @ d)], []
    d = d @ last.T
    for i in reversed(range(layers)):
        by_activation.insert(0, np.linalg.norm(d))
        d = d * slope(before[i], after[i + 1])
        by_weight.insert(0, np.linalg.norm(after[i].T @ d))
        d = d @ w[i].T
    return loss, after[1:], by_activation, by_weight


@pytest.mark.parametrize("activation", FORMS)
def test_a_look_agrees_with_numpy(small, activation):
    x, y = small
    network, recipe = Network(COLUMNS, CLASSES), Recipe((7, 5), activation, init=Gaussian(1.5))
    params, running = network.init(recipe, 1)
    params["hidden.1.bias"] = params["hidden.1.bias"] - np.array([50, 0, 0, 0, 0], np.float32)
    look = probe(network, recipe, params, running, 0, x, y)
    loss, after, by_activation, by_weight = plain_pass(params, x, y, activation, 2)
    np.testing.assert_allclose(look.loss, loss, rtol=1e-5)
    np.testing.assert_allclose(look.activation_gradient, by_activation, rtol=1e-4)
    np.testing.assert_allclose(look.weight_gradient, by_weight, rtol=1e-4)
    np.testing.assert_allclose(look.mean, [a.mean() for a in after], rtol=1e-5)
    np.testing.assert_allclose(look.std, [a.std() for a in after], rtol=1e-5)
    np.testing.assert_allclose(look.spread, [np.sqrt(a.var(axis=0).mean()) for a in after], rtol=1e-5)
    np.testing.assert_allclose(look.rank, [effective_rank(a) for a in after], rtol=1e-4)
    names = ("hidden.0.weight", "hidden.1.weight", "output.weight")
    np.testing.assert_allclose(look.weight_norm, [np.linalg.norm(params[n]) for n in names], rtol=1e-6)
    if activation == "relu":
        np.testing.assert_array_equal(look.dead, [(a == 0).all(axis=0).mean() for a in after])
        assert look.dead[1] >= 0.2
        assert np.isnan(look.saturated).all()
    else:
        low = {"sigmoid": 0.0, "tanh": -1.0}[activation]
        near = [((a - low < 0.05 * (1 - low)) | (1 - a < 0.05 * (1 - low))).mean() for a in after]
        np.testing.assert_allclose(look.saturated, near, rtol=1e-6)
        assert np.isnan(look.dead).all()


@pytest.mark.parametrize("changes", [{"batch_norm": True}, {"layer_norm": True}, {"dropout": 0.4}], ids=str)
def test_a_look_is_the_training_pass(small, changes):
    """The first loss of full-batch training, whatever the pass holds, and the first update of plain SGD."""
    x, y = small
    found = diagnose(Recipe((8, 8), optimizer=SGD(0.5), batch_size=ROWS, **changes), x, y, steps=1)
    if "dropout" not in changes:  # training permutes the rows, and with them the mask
        np.testing.assert_allclose(found.loss[0], found.loss_curve[0], rtol=1e-5)
        expected = 0.5 * found.weight_gradient[0] / found.weight_norm[0]
        np.testing.assert_allclose(found.update_ratio[1], expected, rtol=1e-3)
    assert np.isnan(found.update_ratio[0]).all()


def test_looking_changes_nothing(small):
    x, y = small
    recipe = Recipe((9,), dropout=0.2, batch_norm=True, batch_size=8)
    found = diagnose(recipe, x, y, seed=4, steps=23)
    (member,) = train(recipe, x, y, seeds=[4], steps=23, chunk=1)
    np.testing.assert_array_equal(found.loss_curve, member.loss_curve)


def test_layers_keep_their_order_beyond_ten(small):
    x, y = small
    network, recipe = Network(COLUMNS, CLASSES), Recipe(tuple(range(2, 13)), "identity")
    params, running = network.init(recipe, 0)
    shuffled = dict(sorted(params.items()))  # as JAX hands dictionaries back: hidden.10 before hidden.2
    norms = [np.linalg.norm(params[f"hidden.{i}.weight"]) for i in range(11)]
    np.testing.assert_allclose(probe(network, recipe, shuffled, running, 0, x, y).weight_norm[:11], norms)


def test_dead_and_saturated_by_hand():
    """A unit 0 in every row, two that are not; leaky units on their flat side count as dead."""
    x = np.array([[-1.0], [1.0], [2.0]], np.float32)
    params = {
        "hidden.0.weight": np.array([[0.0, 1.0, 0.1]], np.float32),
        "hidden.0.bias": np.array([-1.0, 0.0, 9.0], np.float32),
        "output.weight": np.ones((3, 2), np.float32),
        "output.bias": np.zeros(2, np.float32),
    }
    y, network = np.array([0, 1, 1], np.int32), Network(1, 2)
    for name in ("relu", "leaky_relu"):
        assert probe(network, Recipe((3,), name), params, {}, 0, x, y).dead == pytest.approx([1 / 3])
    assert probe(network, Recipe((3,), "sigmoid"), params, {}, 0, x, y).saturated == pytest.approx([3 / 9])


def test_effective_rank_of_known_matrices():
    assert effective_rank(np.ones((20, 4))) == 0
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 4)))[0]
    q = np.linalg.qr(q - q.mean(axis=0))[0]  # centred and orthonormal: four equal singular values
    assert effective_rank(q) == pytest.approx(4, rel=1e-6)
    assert effective_rank(1e-6 * q) == pytest.approx(4, rel=1e-6), "size does not matter, directions do"
    assert effective_rank(q[:, :1] * np.ones(8)) == pytest.approx(1, rel=1e-6)
    assert np.isnan(effective_rank(np.array([[np.inf, 1.0]])))


def test_knowing_nothing():
    classes = Network(1, 4)
    assert knowing_nothing(classes, np.arange(40) % 4) == pytest.approx(np.log(4))
    assert knowing_nothing(classes, np.arange(3), np.array([1.0, 1.0, 0.0])) == pytest.approx(np.log(2))
    smooth = knowing_nothing(classes, np.zeros(5, int), smoothing=0.2)
    assert smooth == pytest.approx(-(0.85 * np.log(0.85) + 3 * 0.05 * np.log(0.05)))
    y = np.random.default_rng(0).normal(size=(99, 2))
    assert knowing_nothing(Network(1, 2, "squared_error"), y) == pytest.approx(0.5 * y.var(axis=0).mean())
    off = np.abs(y - np.median(y, axis=0)).mean()
    assert knowing_nothing(Network(1, 2, "absolute_error"), y) == pytest.approx(off)
    assert knowing_nothing(Network(1, 2, "binary_cross_entropy"), (y > 9) * 1.0) == 0


def test_steps_to_look_at():
    assert probe_steps(1) == [0, 1]
    assert probe_steps(2) == [0, 1, 2]
    assert probe_steps(300) == [0, 1, 2, 5, 10, 20, 50, 100, 200, 300]


def test_values_seeds_and_rows_compile_nothing(small):
    x, y = small
    diagnose(Recipe((11,), optimizer=SGD(0.1)), x, y, steps=12)
    before = compilations(), probing._passes._cache_size()
    other = Recipe((11,), optimizer=SGD(0.7), init=Gaussian(0.3), weight_decay=0.1)
    diagnose(other, x[:-3], y[:-3], seed=9, steps=31)
    assert (compilations(), probing._passes._cache_size()) == before


def test_the_same_again(small):
    x, y = small
    recipe = Recipe((5, 5), dropout=0.3)
    first, again = (diagnose(recipe, x, y, seed=2, steps=20) for _ in range(2))
    assert first.text() == again.text()
    assert first.to_json() == again.to_json()
    assert diagnose(recipe, x, y, seed=3, steps=20).to_json() != first.to_json()


# --- what is said ------------------------------------------------------------------------------------------

DEEP = (64,) * 5
HEALTHY = {
    "relu": Recipe((64,) * 3),
    "relu, deep": Recipe(DEEP),
    "tanh": Recipe(DEEP, "tanh"),
    "sigmoid": Recipe((64, 64), "sigmoid"),
    "batch norm": Recipe(DEEP, batch_norm=True),
    "dropout": Recipe((64,) * 3, dropout=0.3, label_smoothing=0.1),
    "sgd": Recipe((64,) * 3, optimizer=SGD(0.1)),
    "momentum": Recipe((64,) * 3, optimizer=Momentum(0.01)),
    "linear": Recipe(()),
}
# recipe, then what must be said, then what must be advised
SICK = {
    "small weights": (
        Recipe(DEEP, optimizer=SGD(0.01), init=Gaussian(0.01)),
        ("Activations shrink with depth from the start", "Gradients vanish from the start", "stuck", "ln 10"),
        "He initial weights (init auto; σ 0.18 for 64 inputs) instead of σ 0.01",
    ),
    "large weights, sigmoid": (
        Recipe(DEEP, "sigmoid", optimizer=SGD(0.001), init=Gaussian(2.0)),
        ("sigmoid activations saturated", "from the start"),
        "Xavier initial weights",
    ),
    "large weights, relu": (
        Recipe(DEEP, init=Gaussian(1.5)),
        ("Gradients explode from the start", "Activations grow", "The first outputs are far off"),
        "He initial weights",
    ),
    "large steps": (Recipe(DEEP, optimizer=SGD(50.0)), ("Diverged: at step",), "rate of 5 instead of 50"),
    "large steps, adam": (
        Recipe(DEEP, optimizer=Adam(0.3)),
        ("ReLU units dead (0 on all 512 rows looked at) since step", "stuck"),
        "leaky_relu",
    ),
    "small steps": (
        Recipe((64, 64), optimizer=Adam(1e-7)),
        ("Updates are small for the weights", "stuck"),
        "instead of 1e-07",
    ),
    "twelve sigmoids": (
        Recipe((20,) * 12, "sigmoid"),
        ("Gradients vanish from the start: layer 1 receives one part in", "stuck at what knowing nothing"),
        "relu, whose slope of 1 does not shrink gradients, or batch norm, or fewer layers",
    ),
    "xavier with relu": (
        Recipe((20,) * 12, optimizer=SGD(0.01), init=Xavier()),
        ("stuck",),
        "He initial weights (init auto; σ 0.32 for 20 inputs) instead of Xavier",
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_the_healthy_are_left_alone(digits, name):
    found = diagnose(HEALTHY[name], *digits, seed=1)
    (only,) = found.sentences
    assert only.severity == "fine"
    assert "Nothing wrong was seen" in only.text


@pytest.mark.parametrize("name", SICK)
def test_the_sick_are_found(digits, name):
    recipe, said, advised = SICK[name]
    found = diagnose(recipe, *digits, steps=100)
    text = " ".join(f"{finding.text}." for finding in found.sentences)
    for words in said:
        assert words in text
    assert any(advised in finding.advice for finding in found.sentences)
    assert all(finding.source for finding in found.sentences)
    grades = [finding.severity for finding in found.sentences]
    assert grades == sorted(grades)  # "problem" before "warning"
    assert "Nothing wrong" not in text


def test_what_a_finding_points_at(digits):
    found = diagnose(Recipe(DEEP, optimizer=SGD(0.01), init=Gaussian(0.01)), *digits, steps=100)
    vanished = next(f for f in found.sentences if f.text.startswith("Gradients vanish"))
    assert (vanished.severity, vanished.layer, vanished.since) == ("problem", 1, 0)
    assert "He et al. 2015" in vanished.source
    assert "See: Glorot" in found.text()


def test_divergence_is_told_by_its_step(digits):
    found = diagnose(Recipe(DEEP, optimizer=SGD(50.0)), *digits, steps=100)
    assert found.diverged_at == found.steps[-1] < 100
    assert "of 100 updates" in found.text()


def test_numbers_to_predict():
    x, y = load_diabetes(return_X_y=True)
    x, scaled = x / x.std(axis=0), (y - y.mean()) / y.std()
    (only,) = diagnose(Recipe((32, 32)), x, scaled).sentences
    assert only.severity == "fine"
    raw = " ".join(f.text for f in diagnose(Recipe((32, 32)), x * 1000, y, steps=60).sentences)
    assert "Inputs are not scaled: column" in raw
    few = diagnose(Recipe((32, 32), optimizer=SGD(0.3)), x * 1000, y, steps=60)
    assert few.diverged_at is not None


def test_a_column_that_is_not_scaled_is_called_by_its_name(small):
    x, y = small
    x = x * np.array([1, 1, 50, 1, 1, 1], np.float32)
    frame = pd.DataFrame(x, columns=["age", "height", "income", "rooms", "floor", "year"])
    for data, name in ((x, "column 2"), (frame, "column 'income'")):
        told = diagnose(Recipe((4,)), data, y, steps=5).text()
        assert f"Inputs are not scaled: {name} has" in " ".join(told.split())
        assert f"({name} above all)" in told


def test_codes_of_categories_have_no_size(small):
    x, y = small
    codes = np.arange(ROWS) % 70
    codes[:20] += 50
    mixed = np.column_stack([x, codes]).astype(np.float32)
    network = Network(COLUMNS + 1, CLASSES, numbers=COLUMNS, categories=(80,))
    found = diagnose_rows(network, Recipe((4,)), mixed, y, steps=5)
    assert "not scaled" not in found.text()
    assert np.isnan(found.column_size).tolist() == [False] * COLUMNS + [True]
    only = diagnose_rows(Network(1, CLASSES, categories=(80,)), Recipe((4,)), mixed[:, -1:], y, steps=5)
    assert "not scaled" not in only.text()
    json.dumps(only.to_json(), allow_nan=False)


def test_too_few_updates_are_no_verdict(digits):
    (only,) = diagnose(Recipe((64,) * 3, optimizer=SGD(0.001)), *digits, steps=10).sentences
    assert only.severity == "fine"


# --- whatever is asked -------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(small, activation):
    found = diagnose(Recipe((4, 1), activation), *small, steps=3)
    assert found.std.shape == (4, 2)
    assert np.isfinite(found.std).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [(), (1,)], ids=str)
def test_every_loss_with_one_column(small, loss, hidden):
    x, y = small
    y = y if loss == "softmax_cross_entropy" else (y > 0).astype(float)
    found = diagnose(Recipe(hidden, batch_size=1), x[:5, :1], y[:5], steps=3, loss=loss)
    assert found.loss.shape == (4,)
    assert found.mean.shape == (4, len(hidden))
    json.dumps(found.to_json(), allow_nan=False)
    assert found.text()


@pytest.mark.parametrize("init", [0.0, 1e30], ids=str)
def test_numbers_beyond_all_bounds(small, init):
    """All weights 0; a loss that is not finite from the first step on."""
    found = diagnose(Recipe((4, 4), init=Gaussian(init), optimizer=SGD(1.0)), *small, steps=60)
    json.dumps(found.to_json(), allow_nan=False)
    assert found.sentences[0].severity == "problem"
    assert (found.diverged_at == 0) == (init > 1)
    assert found.text()


def test_epochs_are_counted_in_steps(small):
    assert diagnose(Recipe((4,), batch_size=8), *small, epochs=2).planned == 8
    assert goodfit.diagnose is diagnose


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"recipe": "relu"}, "recipe must be"),
        ({"steps": 0}, "steps must be"),
        ({"epochs": 1.5}, "epochs must be"),
        ({"seed": -1}, "seeds must be"),
        ({"loss": "squared"}, "did you mean 'squared_error'"),
        ({"X": np.full((ROWS, 2), np.nan)}, "X holds missing"),
    ],
    ids=str,
)
def test_bad_arguments(small, arguments, words):
    given = {"recipe": Recipe((4,)), "X": small[0], "y": small[1], **arguments}
    with pytest.raises(InputError, match=words):
        diagnose(given.pop("recipe"), given.pop("X"), given.pop("y"), **given)
