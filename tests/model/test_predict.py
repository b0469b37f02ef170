"""The forward pass: equal to JAX's in float64 and to plain formulas, and the same for a row alone."""

from __future__ import annotations

import math
import subprocess
import sys

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.model.file import save_model
from goodfit.model.predict import BLOCK, HEADS, apply_head, forward, member_output, weighted_mean
from goodfit.network import Network
from goodfit.numpy_layers import ACTIVATIONS
from goodfit.recipe import Recipe
from goodfit.techniques import activations as trained
from goodfit.techniques.normalization import BatchNorm, LayerNorm


def logistic(z):
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


FORMULAS = {
    "relu": lambda z: max(z, 0.0),
    "leaky_relu": lambda z: z if z > 0 else 0.01 * z,
    "sigmoid": logistic,
    "tanh": math.tanh,
    "gelu": lambda z: 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z * logistic(z),
    "selu": lambda z: 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * math.expm1(z)),
    "mish": lambda z: z * math.tanh(math.log1p(math.exp(z)) if z < 700 else z),
    "identity": lambda z: z,
}
NORMS = [
    (None, None),
    *((kind, position) for kind in ("batch", "layer") for position in ("before", "after")),
]


def test_what_can_be_trained_can_be_predicted():
    assert FORMULAS.keys() == ACTIVATIONS.keys() == trained.ACTIVATIONS.keys()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_its_formula(name):
    z = np.concatenate([np.linspace(-6, 6, 49), [-800.0, -40.0, 40.0, 800.0]])
    expected = [FORMULAS[name](v) for v in z.tolist()]
    np.testing.assert_allclose(ACTIVATIONS[name](z), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("kind", "position"), NORMS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_equals_jax(name, kind, position, network):
    """JAX in float64, and in the float32 of training."""
    norm = {None: None, "batch": BatchNorm, "layer": LayerNorm}[kind]
    recipe = Recipe(
        hidden=(7, 6),
        activation=name,
        batch_norm=norm(position=position) if kind == "batch" else False,
        layer_norm=norm(position=position) if kind == "layer" else False,
    )
    problem = Network(5, 3)
    architecture = problem.architecture(recipe)
    architecture, params, running = network(**{**architecture, "hidden": (7, 6)})
    assert architecture == problem.architecture(recipe)
    x = np.random.default_rng(1).normal(0, 1, (11, 5)).astype(np.float32)
    ours = forward(architecture, params, running, x)
    assert ours.dtype == np.float64
    steps = 1_000_000  # the bias correction of batch norm has long faded
    single, _ = problem.apply(recipe, params, running, jax.numpy.asarray(x), step=steps)
    np.testing.assert_allclose(ours, single, rtol=0, atol=1e-6 * max(1.0, np.abs(ours).max()))
    with jax.enable_x64(True):
        wide = [{k: jax.numpy.asarray(v, "float64") for k, v in d.items()} for d in (params, running)]
        double, _ = problem.apply(recipe, *wide, jax.numpy.asarray(x), step=steps)
    np.testing.assert_allclose(ours, double, rtol=0, atol=1e-6)


def test_pixels_and_scales(network):
    architecture, params, running = network(input_scale=1 / 255, hidden_scale=0.5, activation="tanh")
    x = np.random.default_rng(0).integers(0, 256, (9, 4), dtype=np.uint8)
    wide = {k: v.astype(np.float64) for k, v in params.items()}
    hidden = 0.5 * np.tanh(x / 255 @ wide["hidden.0.weight"] + wide["hidden.0.bias"])
    expected = hidden @ wide["output.weight"] + wide["output.bias"]
    np.testing.assert_allclose(forward(architecture, params, running, x), expected, rtol=1e-13)


def test_no_hidden_layer_and_no_row(network):
    architecture, params, running = network(hidden=())
    x = np.ones((2, 4))
    expected = x @ params["output.weight"].astype(np.float64) + params["output.bias"]
    np.testing.assert_allclose(forward(architecture, params, running, x), expected, rtol=1e-13)
    assert forward(architecture, params, running, x[:0]).shape == (0, 3)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from([None, "batch", "layer"]),
    width=st.sampled_from([1, 5, 33, 128]),
    rows=st.integers(1, 2 * BLOCK + 3),
    data=st.data(),
)
def test_a_row_alone_is_the_row_in_a_table(kind, width, rows, data, network):
    """To the last digits, wherever a row stands; the same rows again give the same bits."""
    net = network(hidden=(width, width), norm=kind, activation="gelu")
    x = np.random.default_rng(rows).normal(0, 1, (rows, 4)).astype(np.float32)
    whole = member_output(*net, x)
    row = data.draw(st.integers(0, rows - 1))
    start = data.draw(st.integers(0, row))
    stop = data.draw(st.integers(row + 1, rows))
    np.testing.assert_allclose(member_output(*net, x[row : row + 1])[0], whole[row], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(member_output(*net, x[start:stop]), whole[start:stop], rtol=1e-12, atol=1e-14)
    assert member_output(*net, x).tobytes() == whole.tobytes()


@pytest.mark.filterwarnings("error")
def test_heads():
    outputs = np.array([[0.0, 1.0, -2.0], [900.0, -900.0, 0.0]])
    softmax = apply_head("softmax", outputs)
    np.testing.assert_allclose(softmax[0], np.exp(outputs[0]) / np.exp(outputs[0]).sum(), rtol=1e-14)
    np.testing.assert_allclose(softmax[1], [1, 0, 0], atol=1e-300)
    sigmoid = apply_head("sigmoid", outputs)
    np.testing.assert_allclose(sigmoid, [[0.5, logistic(1), logistic(-2)], [1, 0, 0.5]], atol=1e-300)
    assert apply_head("identity", outputs) is outputs
    np.testing.assert_allclose(apply_head("exp", outputs[:1]), np.exp(outputs[:1]), rtol=1e-15)
    assert set(HEADS) == {"softmax", "sigmoid", "identity", "exp"}


def test_weighted_mean():
    a, b = np.array([[1.0, 0.0]]), np.array([[0.2, 0.8]])
    np.testing.assert_allclose(weighted_mean([a, b], [3, 1]), [[0.8, 0.2]])
    np.testing.assert_array_equal(weighted_mean([b], [7.0]), b)


def test_prediction_needs_numpy_alone(tmp_path, make_model):
    """In a fresh interpreter, with every heavy package made impossible to import."""
    save_model(tmp_path / "model.safetensors", make_model())
    code = f"""
import sys
heavy = ("jax", "scipy", "pandas", "sklearn", "safetensors", "optax", "matplotlib", "pyarrow")
sys.modules |= dict.fromkeys(heavy)
import numpy as np
import goodfit.model.model, goodfit.model.predict
from goodfit.model.file import load_model
model = load_model({str(tmp_path / "model.safetensors")!r})
print(model.predict({{"x0": [0.5, None], "x1": [1.0, -2.0], "x2": [True, False]}}))
print(model.predict_proba({{"x0": np.zeros(1), "x1": np.ones(1), "x2": np.ones(1)}}).shape)
assert not any(sys.modules[name] for name in heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("(1, 3)\n")
