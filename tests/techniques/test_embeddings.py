"""Embeddings: the cosine against NumPy's, columns against the formula, categories against plain look-up."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit import numpy_layers
from goodfit.errors import InputError
from goodfit.techniques.embeddings import Periodic, cosine, embed_categories, embed_numbers

RNG = np.random.default_rng(0)


def test_the_cosine_is_the_cosine():
    cycles = np.concatenate([np.linspace(-3, 3, 2001), RNG.normal(0, 30, 2000), [0.5, -0.5, 1e6]])
    exact = np.cos(2 * np.pi * cycles.astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(cosine(jnp.asarray(cycles, jnp.float32)), exact, atol=5e-7)
    slopes = jax.vmap(jax.grad(cosine))(jnp.asarray(cycles[:2001], jnp.float32))
    np.testing.assert_allclose(slopes, -2 * np.pi * np.sin(2 * np.pi * cycles[:2001]), atol=2e-5)


@pytest.mark.parametrize("columns", [1, 5])
def test_numbers_are_embedded_column_by_column(columns):
    embedding = Periodic(sigma=0.7, frequencies=6, width=3)
    drawn = embedding.draw(np.random.default_rng(1), columns)
    x = RNG.normal(size=(9, columns)).astype(np.float32)
    f, p = (drawn[name].reshape(columns, 6) for name in ("frequency", "phase"))
    expected = []
    for j in range(columns):
        waves = np.cos(2 * np.pi * (x[:, j : j + 1] * f[j] + p[j]))
        mixed = waves @ drawn["weight"][j] + drawn["bias"].reshape(columns, 2)[j]
        expected.append(np.concatenate([x[:, j : j + 1], mixed], axis=1))
    expected = np.concatenate(expected, axis=1)
    np.testing.assert_allclose(embed_numbers(jnp.asarray(x), **drawn), expected, atol=3e-6)
    np.testing.assert_allclose(numpy_layers.embed_numbers(x, **drawn), expected, atol=1e-6)


def test_first_values_have_the_stated_sizes():
    drawn = Periodic(sigma=0.3, frequencies=64, width=9).draw(np.random.default_rng(0), 50)
    assert drawn["frequency"].std() == pytest.approx(0.3, rel=0.05)
    assert np.abs(drawn["phase"]).max() <= 0.5
    assert drawn["phase"].std() == pytest.approx(12**-0.5, rel=0.05)
    assert np.abs(drawn["weight"]).max() <= 1 / 8
    assert {name: w.shape for name, w in drawn.items()} == {
        "frequency": (3200,),
        "phase": (3200,),
        "weight": (50, 64, 8),
        "bias": (400,),
    }


def test_categories_are_looked_up_in_one_table():
    table = RNG.normal(size=(7, 2)).astype(np.float32)
    codes = np.array([[0, 0], [2, 3], [1, 1]], np.float32)
    expected = [[*table[0], *table[3]], [*table[2], *table[6]], [*table[1], *table[4]]]
    np.testing.assert_array_equal(embed_categories(jnp.asarray(codes), jnp.asarray(table), (0, 3)), expected)
    np.testing.assert_array_equal(numpy_layers.embed_categories(codes, table, (0, 3)), expected)


@pytest.mark.parametrize("bad", [{"sigma": 0.0}, {"frequencies": 0}, {"width": 1}, {"width": 2.0}])
def test_refused(bad):
    with pytest.raises(InputError, match=rf"Periodic\({next(iter(bad))}=…\)"):
        Periodic(**bad)
