"""Prediction's convolution: equal to the one trained with, the same bits whatever is beside a row."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.model import convolve as numpy_form
from goodfit.techniques import convolution as jax_form

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(9, 28, 28, 1, 16), (5, 14, 13, 16, 32), (3, 5, 4, 3, 2), (1, 1, 1, 2, 2)])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_equal_to_the_trained_form(shape, k):
    *size, n_out = shape
    x = RNG.normal(size=size).astype(np.float32)
    weight = (RNG.normal(size=(k, k, size[-1], n_out)) / (k * np.sqrt(size[-1]))).astype(np.float32)
    bias = RNG.normal(size=n_out).astype(np.float32)
    ours, theirs = (
        numpy_form.convolve(x, weight, bias),
        jax_form.convolve(*map(jnp.asarray, (x, weight, bias))),
    )
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=4e-6)
    exact = jax_form.max_pool(jnp.asarray(x))
    np.testing.assert_array_equal(numpy_form.max_pool(x.astype(np.float64)), exact)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 11), min_size=1, max_size=30), st.sampled_from([2**14, 2**16, 2**24]))
def test_rows_do_not_depend_on_what_is_beside_them(rows, most):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (12, 7, 6, 3)).astype(np.float64)
    weight, bias = rng.normal(size=(3, 3, 3, 5)), rng.normal(size=5)
    whole = numpy_form.max_pool(numpy_form.convolve(x, weight, bias))
    old, numpy_form.MOST_BYTES = numpy_form.MOST_BYTES, most
    try:
        some = numpy_form.max_pool(numpy_form.convolve(x[rows], weight, bias))
    finally:
        numpy_form.MOST_BYTES = old
    np.testing.assert_array_equal(some, whole[rows])


def test_no_rows():
    out = numpy_form.convolve(np.zeros((0, 4, 4, 1)), np.zeros((3, 3, 1, 2)), np.zeros(2))
    assert out.shape == (0, 4, 4, 2)
    assert numpy_form.max_pool(out).shape == (0, 2, 2, 2)


def test_memory_is_bounded():
    import tracemalloc

    x, weight = np.zeros((2000, 16, 16, 4), np.uint8), np.ones((3, 3, 4, 2))
    tracemalloc.start()
    try:
        out = numpy_form.convolve(x, weight, np.zeros(2))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < out.nbytes + 2 * numpy_form.MOST_BYTES
