"""Losses against optax and scikit-learn in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.scipy.special import xlogy
from sklearn.metrics import log_loss

from goodfit.techniques.losses import LOSSES

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(0, 3, (20, 4))
LABELS = RNG.integers(0, 4, 20)
COUNTS = RNG.integers(1, 5, (20, 4)).astype(float)
BITS, NUMBERS = RNG.integers(0, 2, (20, 4)).astype(float), RNG.normal(size=(20, 4))


def _smooth_softmax(outputs, labels, smoothing):
    targets = optax.smooth_labels(jax.nn.one_hot(labels, 4, dtype=jnp.float64), smoothing)
    return optax.softmax_cross_entropy(outputs, targets)


def _half_deviance(outputs, counts, smoothing):
    """As scikit-learn writes it, in exp(outputs)."""
    mean = jnp.exp(outputs)
    return (xlogy(counts, counts / mean) - counts + mean).sum(axis=-1)


REFERENCES = {
    "softmax_cross_entropy": (LABELS, _smooth_softmax),
    "binary_cross_entropy": (
        BITS,
        lambda o, t, s: optax.sigmoid_binary_cross_entropy(o, (1 - s) * t + s / 2).mean(axis=-1),
    ),
    "multilabel_cross_entropy": (
        BITS,
        lambda o, t, s: optax.sigmoid_binary_cross_entropy(o, (1 - s) * t + s / 2).sum(axis=-1),
    ),
    "summed_squared_error": (NUMBERS, lambda o, t, s: optax.l2_loss(o, t).sum(axis=-1)),
    "poisson": (COUNTS, _half_deviance),
    "squared_error": (NUMBERS, lambda o, t, s: optax.l2_loss(o, t).mean(axis=-1)),
    "absolute_error": (NUMBERS, lambda o, t, s: jnp.abs(o - t).mean(axis=-1)),
}


def test_every_loss_is_tested():
    assert REFERENCES.keys() == LOSSES.keys()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", REFERENCES)
def test_follows_optax_with_gradients(name, smoothing):
    targets, reference = REFERENCES[name]
    with jax.enable_x64(True):
        outputs, t = jnp.asarray(OUTPUTS), jnp.asarray(targets)

        def total(per_row):
            return jax.value_and_grad(lambda o: per_row(o, t, smoothing).sum())(outputs)

        rows = LOSSES[name].per_row(outputs, t, smoothing)
        assert rows.shape == (20,)
        np.testing.assert_allclose(rows, reference(outputs, t, smoothing), rtol=1e-9)
        np.testing.assert_allclose(total(LOSSES[name].per_row)[1], total(reference)[1], rtol=1e-8, atol=1e-10)


def test_cross_entropies_follow_scikit_learn():
    with jax.enable_x64(True):
        soft = LOSSES["softmax_cross_entropy"].per_row(jnp.asarray(OUTPUTS), jnp.asarray(LABELS)).mean()
        both = LOSSES["binary_cross_entropy"].per_row(jnp.asarray(OUTPUTS), jnp.asarray(BITS)).mean()
        p = jax.nn.softmax(jnp.asarray(OUTPUTS))
        q = jax.nn.sigmoid(jnp.asarray(OUTPUTS))
    assert float(soft) == pytest.approx(log_loss(LABELS, np.asarray(p)), rel=1e-9)
    assert float(both) == pytest.approx(log_loss(BITS.ravel(), np.asarray(q).ravel()), rel=1e-9)


def test_knowing_nothing_costs_ln_k():
    loss = LOSSES["softmax_cross_entropy"].per_row(jnp.zeros((3, 10)), jnp.array([0, 5, 9]))
    np.testing.assert_allclose(loss, np.log(10), rtol=1e-6)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_huge_outputs_stay_finite(name):
    outputs = jnp.array([[1e4, -1e4, 0.0, 1e30]], jnp.float32)
    targets = jnp.array([1]) if name == "softmax_cross_entropy" else jnp.ones((1, 4))
    value, slope = jax.value_and_grad(lambda o: LOSSES[name].per_row(o, targets).sum())(outputs)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_errors_beside_the_losses():
    o = jnp.asarray(OUTPUTS, jnp.float32)
    wrong = LOSSES["softmax_cross_entropy"].error(o, jnp.asarray(LABELS))
    np.testing.assert_array_equal(wrong, OUTPUTS.argmax(1) != LABELS)
    bits = LOSSES["binary_cross_entropy"].error(o, jnp.asarray(BITS))
    np.testing.assert_allclose(bits, ((OUTPUTS > 0) != (BITS > 0.5)).mean(1), rtol=1e-6)
    square = LOSSES["squared_error"].error(o, jnp.asarray(NUMBERS, jnp.float32))
    np.testing.assert_allclose(square, ((OUTPUTS - NUMBERS) ** 2).mean(1), rtol=1e-4)
    absolute = LOSSES["absolute_error"].error(o, jnp.asarray(NUMBERS, jnp.float32))
    np.testing.assert_allclose(absolute, np.abs(OUTPUTS - NUMBERS).mean(1), rtol=1e-4)


def test_an_error_is_where_argmax_is_not_the_label():
    """Ties go to the first class, as in NumPy; a row that holds NaN is wrong."""
    rng = np.random.default_rng(1)
    outputs = rng.integers(-2, 3, (500, 5)).astype(np.float32)  # many ties
    outputs[:20, 2] = np.inf
    outputs[20:40, 3] = -np.inf
    labels = rng.integers(0, 5, 500)
    expected = outputs.argmax(axis=1) != labels
    outputs[40:60, 1], expected[40:60] = np.nan, True
    error = LOSSES["softmax_cross_entropy"].error(jnp.asarray(outputs), jnp.asarray(labels))
    np.testing.assert_array_equal(error, expected.astype(np.float32))
    assert expected[60:].mean() < 0.9
