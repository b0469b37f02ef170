"""Activations against their formulas in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.techniques.activations import ACTIVATIONS, check_activation


def _gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _selu(x):
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": lambda x: np.tanh(x),
    "gelu": _gelu,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "selu": _selu,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "identity": lambda x: x,
}
X = np.linspace(-8, 8, 321)  # holds 0


def test_every_activation_is_tested():
    assert FORMULAS.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_derivatives(name):
    f = ACTIVATIONS[name]
    with jax.enable_x64(True):
        np.testing.assert_allclose(f(jnp.asarray(X)), FORMULAS[name](X), rtol=1e-9, atol=1e-12)
        away = X[np.abs(X) > 0.01]  # from the kink
        slope = (FORMULAS[name](away + 1e-6) - FORMULAS[name](away - 1e-6)) / 2e-6
        np.testing.assert_allclose(jax.vmap(jax.grad(f))(jnp.asarray(away)), slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", FORMULAS)
def test_extremes_stay_finite_in_float32(name):
    extremes = jnp.array([-1e30, -100.0, -0.0, 0.0, 100.0, 1e30], jnp.float32)
    f = ACTIVATIONS[name]
    assert np.isfinite(f(extremes)).all()
    assert np.isfinite(jax.vmap(jax.grad(f))(extremes)[1:5]).all()


def test_relu_has_slope_0_at_0():
    assert float(jax.grad(ACTIVATIONS["relu"])(0.0)) == 0.0


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'leaky_relu'") as caught:
        check_activation("leakyrelu")
    assert all(name in str(caught.value) for name in ACTIVATIONS)
