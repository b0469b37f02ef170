"""Dropout's counter hash, its three forms, and the L2 penalty."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.techniques.regularization import Dropout, apply_dropout, fold_in, l2_penalty, mix, uniform

SHAPE = (64, 50)
CELLS = 64 * 50


@pytest.fixture(scope="module")
def draws():
    """Uniform draws of keys made as training makes them: (4 seeds, 8 steps, 3 layers, 3,200)."""

    def one(seed, step, layer):
        return uniform(fold_in(fold_in(fold_in(seed, 2), step), layer), SHAPE).ravel()

    grid = jnp.asarray(list(itertools.product(range(4), range(8), range(3))), jnp.uint32).T
    return np.asarray(jax.jit(jax.vmap(one))(*grid)).reshape(4, 8, 3, CELLS)


def test_mix_is_one_to_one():
    numbers = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32)
    numbers = np.unique(np.concatenate([numbers, np.arange(1000, dtype=np.uint32)]))
    assert len(np.unique(np.asarray(mix(jnp.asarray(numbers))))) == len(numbers)


def test_draws_are_uniform(draws):
    assert draws.min() >= 0.0
    assert draws.max() < 1.0
    flat = draws.reshape(-1, CELLS)
    counts = np.stack([np.histogram(row, bins=32, range=(0, 1))[0] for row in flat])
    chi2 = ((counts - CELLS / 32) ** 2 / (CELLS / 32)).sum(axis=1)  # 96 values, mean 31, sd 7.9
    assert chi2.mean() == pytest.approx(31, abs=4 * 7.9 / np.sqrt(96))
    assert chi2.max() < 31 + 6 * 7.9


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.8])
def test_kept_share(draws, ratio):
    kept = (draws >= ratio).reshape(-1, CELLS).mean(axis=1)
    z = (kept - (1 - ratio)) / np.sqrt(ratio * (1 - ratio) / CELLS)
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert 0.7 < z.std() < 1.3
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("axis", ["seed", "step", "layer", "row", "column"])
def test_masks_are_independent_along_every_axis(draws, axis):
    """Neighbours along an axis agree as often as independent coins do (a 2 × 2 chi-square each)."""
    masks = (draws >= 0.5).reshape(4, 8, 3, *SHAPE)
    number = ["seed", "step", "layer", "row", "column"].index(axis)
    left = np.take(masks, range(masks.shape[number] - 1), axis=number)
    right = np.take(masks, range(1, masks.shape[number]), axis=number)
    agree = (left == right).reshape(64, -1)
    z = (agree.mean(axis=1) - 0.5) / np.sqrt(0.25 / agree.shape[1])
    chi2 = np.square(z)
    assert chi2.mean() == pytest.approx(1.0, abs=5 * np.sqrt(2 / len(z)) + 0.02)
    assert abs(z.mean()) < 4 / np.sqrt(len(z))


def test_every_pair_of_masks_is_uncorrelated(draws):
    centred = (draws >= 0.5).reshape(-1, CELLS) - 0.5
    z = (centred @ centred.T)[np.triu_indices(len(centred), 1)] / (0.25 * np.sqrt(CELLS))
    assert len(z) == 96 * 95 // 2
    assert np.abs(z).max() < 5
    assert z.std() == pytest.approx(1.0, abs=0.05)


def test_the_mask_depends_on_key_and_position_alone():
    key = fold_in(jnp.uint32(3), 5)
    np.testing.assert_array_equal(uniform(key, (8, 5))[:4], uniform(key, (4, 5)))
    assert not np.array_equal(uniform(key, (4, 5)), uniform(fold_in(jnp.uint32(3), 6), (4, 5)))


@pytest.mark.parametrize(("scaling", "test_factor"), [("inverted", 1.0), ("book", 0.7), ("slip", 0.3)])
def test_forms(scaling, test_factor):
    """Training keeps the expectation (inverted) or the raw units (book); test scales as the form says."""
    dropout = Dropout(0.3, scaling)
    x = jnp.ones((400, 250))
    out = np.asarray(apply_dropout(dropout, x, jnp.uint32(9)))
    kept = out != 0
    assert kept.mean() == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / x.size))
    np.testing.assert_allclose(out[kept], 1 / 0.7 if scaling == "inverted" else 1.0, rtol=1e-6)
    assert float(dropout.test_factor()) == pytest.approx(test_factor)
    if scaling != "slip":
        assert out.mean() == pytest.approx(float(dropout.test_factor()), abs=0.01)


def test_backward_is_that_of_the_mask():
    dropout, key = Dropout(0.4), jnp.uint32(1)
    x = jnp.linspace(-1, 1, 60).reshape(6, 10)
    slope = jax.grad(lambda v: apply_dropout(dropout, v, key).sum())(x)
    np.testing.assert_allclose(slope, apply_dropout(dropout, jnp.ones((6, 10)), key))


def test_l2_penalty_and_its_gradient():
    weights = [jnp.arange(6.0).reshape(2, 3), jnp.ones((3, 1))]
    assert float(l2_penalty(weights, 0.1)) == pytest.approx(0.5 * 0.1 * (55 + 3))
    for g, w in zip(jax.grad(l2_penalty)(weights, 0.1), weights, strict=True):
        np.testing.assert_allclose(g, 0.1 * w, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dropout(1.0), r"Dropout\(ratio=…\) must be a number >= 0 and < 1, got 1.0"),
        (lambda: Dropout(-0.1), r"Dropout\(ratio=…\) must be a number >= 0 and < 1, got -0.1"),
        (
            lambda: Dropout(0.1, "outverted"),
            r"Dropout\(scaling=…\) must be 'inverted', 'book' or 'slip', got ",
        ),
    ],
)
def test_parameter_errors(make, message):
    with pytest.raises(InputError, match=message):
        make()
