"""Batch and layer norm: values, masked rows, running statistics, gradients in closed form."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.techniques.normalization import (
    BatchNorm,
    LayerNorm,
    Moments,
    batch_moments,
    corrected,
    layer_moments,
    normalize,
    update_running,
)

RNG = np.random.default_rng(0)
X, DY = RNG.normal(2, 3, (12, 5)), RNG.normal(size=(12, 5))
SCALE, SHIFT, EPSILON = RNG.normal(1, 0.3, 5), RNG.normal(size=5), 1e-5
VALID = np.array([1.0] * 9 + [0.0] * 3)


def test_batch_norm_of_a_short_batch_is_that_of_its_valid_rows_alone():
    with jax.enable_x64(True):
        moments = batch_moments(jnp.asarray(X), jnp.asarray(VALID))
        np.testing.assert_allclose(moments.mean, X[:9].mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(moments.var, X[:9].var(axis=0), rtol=1e-12)
        out = np.asarray(normalize(jnp.asarray(X), moments, SCALE, SHIFT, EPSILON))[:9]
    np.testing.assert_allclose((out - SHIFT).mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(((out - SHIFT) / SCALE).var(axis=0), 1.0, rtol=1e-5)


def test_batch_norm_of_no_rows_is_finite():
    assert np.isfinite(batch_moments(jnp.asarray(X), jnp.zeros(12))).all()


def test_layer_norm_of_each_row():
    with jax.enable_x64(True):
        x = jnp.asarray(X)
        out = normalize(x, layer_moments(x), SCALE, SHIFT, EPSILON)
    expected = (X - X.mean(1, keepdims=True)) / np.sqrt(X.var(1, keepdims=True) + EPSILON) * SCALE + SHIFT
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def closed_form(axis, rows):
    """Return dx, dγ, dβ by hand; sums run over ``axis``, over the first ``rows`` rows."""
    x, dy = X[:rows], DY[:rows]
    root = np.sqrt(x.var(axis=axis, keepdims=True) + EPSILON)
    hat = (x - x.mean(axis=axis, keepdims=True)) / root
    g = dy * SCALE
    dx = (g - g.mean(axis=axis, keepdims=True) - hat * (g * hat).mean(axis=axis, keepdims=True)) / root
    return dx, (dy * hat).sum(axis=0), dy.sum(axis=0)


@pytest.mark.parametrize("kind", ["batch", "batch, short", "layer"])
def test_gradients_in_closed_form(kind):
    rows = 9 if kind == "batch, short" else 12
    valid = (np.arange(12) < rows).astype(float)

    def loss(x, scale, shift):
        moments = layer_moments(x) if kind == "layer" else batch_moments(x, jnp.asarray(valid))
        return jnp.sum(normalize(x, moments, scale, shift, EPSILON) * DY * valid[:, None])

    with jax.enable_x64(True):
        dx, dscale, dshift = jax.grad(loss, argnums=(0, 1, 2))(*map(jnp.asarray, (X, SCALE, SHIFT)))
    for got, expected in zip(
        (dx[:rows], dscale, dshift), closed_form(1 if kind == "layer" else 0, rows), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    assert not np.any(dx[rows:]), "padding rows get no gradient"


def test_running_moments_forget_at_the_momentum_and_are_bias_corrected():
    batches = [Moments(RNG.normal(size=3), RNG.uniform(1, 2, 3)) for _ in range(7)]
    running = Moments(np.zeros(3), np.zeros(3))
    for batch in batches:
        running = update_running(running, batch, 0.9)
    weights = 0.1 * 0.9 ** np.arange(6, -1, -1)
    for i in (0, 1):
        raw = sum(w * b[i] for w, b in zip(weights, batches, strict=True))
        np.testing.assert_allclose(running[i], raw, rtol=1e-12)
        book = corrected(running, BatchNorm(bias_correction=False), 7)
        np.testing.assert_allclose(book[i], raw, rtol=1e-12)
        fair = corrected(running, BatchNorm(), jnp.float32(7))
        np.testing.assert_allclose(fair[i], raw / weights.sum(), rtol=1e-5)


def test_before_the_first_update_evaluation_leaves_rows_alone():
    fresh = corrected(Moments(jnp.zeros(3), jnp.zeros(3)), BatchNorm(), jnp.float32(0))
    np.testing.assert_array_equal(fresh, [np.zeros(3), np.ones(3)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: BatchNorm(position="in"),
            r"BatchNorm\(position=…\) must be 'before' or 'after' .* got 'in'",
        ),
        (lambda: LayerNorm(position=1), r"LayerNorm\(position=…\) must be 'before' or 'after' .* got 1"),
        (lambda: BatchNorm(momentum=1.0), r"BatchNorm\(momentum=…\) must be a number >= 0 and < 1, got 1.0"),
        (lambda: BatchNorm(epsilon=0.0), r"BatchNorm\(epsilon=…\) must be a number > 0, got 0.0"),
        (lambda: LayerNorm(epsilon=-1e-5), r"LayerNorm\(epsilon=…\) must be a number > 0, got -1e-05"),
    ],
)
def test_parameter_errors(make, message):
    with pytest.raises(InputError, match=message):
        make()
