"""Augmentation: the same key gives the same images, what is drawn is uniform, and nothing wraps around."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from goodfit.errors import InputError
from goodfit.techniques.augmentation import Flip, Shift, augment, shifted

PIXELS = np.random.default_rng(0).integers(1, 256, (6, 7, 5, 3)).astype(np.uint8)  # no 0: filling is seen


def by_hand(image, down, right):
    """Shift with NumPy: cut a window out of the image set amid zeros."""
    height, width, _ = image.shape
    wide = np.pad(image, ((height, height), (width, width), (0, 0)))
    top, left = np.clip(height - down, 0, 2 * height), np.clip(width - right, 0, 2 * width)
    return wide[top : top + height, left : left + width]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=6, max_size=6))
def test_shifts_equal_those_of_numpy_without_wrapping(steps):
    down, right = np.array(steps).T
    out = jax.jit(shifted)(PIXELS, jnp.asarray(down), jnp.asarray(right))
    assert out.dtype == np.uint8
    for image, moved, (i, j) in zip(PIXELS, np.asarray(out), steps, strict=True):
        np.testing.assert_array_equal(moved, by_hand(image, i, j))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_shift_is_what_was_drawn(dtype):
    key = jnp.uint32(5)
    down, right = np.asarray(Shift(pixels=2).draw(key, 6))
    out = np.asarray(Shift(pixels=2).apply(jnp.asarray(PIXELS.astype(dtype)), key))
    assert out.dtype == dtype
    for i in range(6):
        np.testing.assert_array_equal(out[i], by_hand(PIXELS[i], down[i], right[i]))


def test_every_shift_is_as_likely_and_both_directions_are_independent():
    down, right = np.asarray(Shift(pixels=2).draw(jnp.uint32(1), 50_000))
    assert set(down.tolist()) == set(right.tolist()) == {-2, -1, 0, 1, 2}
    counts = np.bincount((down + 2) * 5 + right + 2, minlength=25)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_keys_of_following_steps_are_independent():
    drawn = np.stack([np.asarray(Shift(pixels=1).draw(jnp.uint32(k), 64))[0] for k in range(100)])
    counts = np.bincount((drawn[1:] + 1).ravel() * 3 + (drawn[:-1] + 1).ravel(), minlength=9)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_half_of_the_images_are_mirrored():
    many = np.tile(PIXELS[:1], (4000, 1, 1, 1))
    out = np.asarray(Flip().apply(jnp.asarray(many), jnp.uint32(3)))
    same = (out == many).all(axis=(1, 2, 3))
    mirrored = (out == many[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert stats.binomtest(int(mirrored.sum()), 4000).pvalue > 1e-4


def test_the_key_decides_and_nothing_else():
    both = (Shift(pixels=2), Flip())
    x = jnp.asarray(PIXELS)
    first = augment(both, x, jnp.uint32(7))
    np.testing.assert_array_equal(first, jax.jit(lambda k: augment(both, x, k))(jnp.uint32(7)))
    members = jax.vmap(lambda k: augment(both, x, k))(jnp.arange(9, dtype=jnp.uint32))
    np.testing.assert_array_equal(members[7], first)
    assert not np.array_equal(members[8], first)
    np.testing.assert_array_equal(augment((), x, jnp.uint32(7)), x)
    np.testing.assert_array_equal(augment((Shift(0), Flip(0.0)), x, jnp.uint32(7)), x)


def test_new_values_need_no_new_program():
    traced = []

    @jax.jit
    def run(changes, x, key):
        traced.append(1)
        return augment(changes, x, key)

    for pixels, probability in ((2.0, 0.5), (1.0, 0.25), (0.0, 0.0)):
        changes = jax.tree.map(np.float32, (Shift(pixels), Flip(probability)))
        out = run(changes, PIXELS, np.uint32(4))
        expected = augment((Shift(pixels), Flip(probability)), jnp.asarray(PIXELS), jnp.uint32(4))
        np.testing.assert_array_equal(out, expected)
    assert len(traced) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shift(pixels=-1), r"Shift\(pixels=…\) must be a number >= 0, got -1"),
        (lambda: Shift(pixels=1.5), r"Shift\(pixels=…\) must be a whole number, got 1.5"),
        (lambda: Shift(pixels="two"), r"Shift\(pixels=…\) must be a number, got 'two'"),  # type: ignore[arg-type]
        (lambda: Flip(probability=1.5), r"Flip\(probability=…\) must be a number >= 0 and <= 1, got 1.5"),
    ],
)
def test_parameter_errors(make, message):
    with pytest.raises(InputError, match=message):
        make()
