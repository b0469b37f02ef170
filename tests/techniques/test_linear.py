"""The fast linear layer against its plain twin."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.techniques.linear import linear, turned_linear


@pytest.mark.parametrize("members", [None, 3])
def test_values_and_gradients_equal_the_plain_twin(members):
    """Of weights stored the other way round; their gradient comes back so."""
    rng = np.random.default_rng(0)
    lead = () if members is None else (members,)
    x, w, b, dy = (
        rng.normal(size=(*lead, *shape)).astype(np.float32) for shape in ((9, 7), (7, 5), (5,), (9, 5))
    )

    def both(layer, w):
        def loss(x, w, b, dy):
            return jnp.sum(jnp.tanh(layer(x, w, b)) * dy)

        one = jax.value_and_grad(loss, argnums=(0, 1, 2))
        return jax.jit(one if members is None else jax.vmap(one))(x, w, b, dy)

    plain = jax.tree.leaves(both(linear, w))
    turned = jax.tree.leaves(both(turned_linear, w.swapaxes(-1, -2)))
    turned[2] = turned[2].swapaxes(-1, -2)
    for fast, slow in zip(turned, plain, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=2e-5, atol=1e-6)
