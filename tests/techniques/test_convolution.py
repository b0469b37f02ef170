"""The fast convolution and max-pool against their plain twins, PyTorch's, and batch norm of images."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.techniques.convolution import convolve, max_pool, plain_convolve, plain_max_pool
from goodfit.techniques.normalization import batch_moments, normalize

SHAPES = {  # rows, height, width, channels in and out, kernel
    "one channel": (3, 5, 6, 1, 4, 3),
    "three channels": (2, 4, 4, 3, 2, 3),
    "many channels": (2, 6, 5, 5, 4, 3),
    "kernel 5": (2, 5, 7, 2, 3, 5),
    "kernel 1": (2, 3, 3, 2, 3, 1),
    "one pixel": (2, 1, 1, 4, 2, 3),
    "one row of data": (1, 2, 9, 6, 1, 3),
}


def arrays(shape, lead=()):
    rows, height, width, n_in, n_out, k = shape
    rng = np.random.default_rng(0)
    sizes = ((rows, height, width, n_in), (k, k, n_in, n_out), (n_out,), (rows, height, width, n_out))
    return [rng.normal(size=(*lead, *size)) for size in sizes]


def value_and_gradients(layer, x, w, b, dy, members=None):
    """Return the loss of ``tanh`` of the images, and its gradients, in float64."""

    def one(x, w, b, dy):
        def loss(x, w, b):
            return jnp.sum(jnp.tanh(layer(x, w, b)) * dy)

        return jax.value_and_grad(loss, argnums=(0, 1, 2))(x, w, b)

    each = one if members is None else jax.vmap(one)

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(each)(*map(jnp.asarray, (x, w, b, dy))))


def assert_equal(got, expected, tolerance=1e-12):
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("shape", "members"), [*((s, None) for s in SHAPES), ("one channel", 3), ("many channels", 3)]
)
def test_convolution_equals_its_plain_twin(shape, members):
    given = arrays(SHAPES[shape], () if members is None else (members,))
    fast, plain = (value_and_gradients(layer, *given, members) for layer in (convolve, plain_convolve))
    assert_equal(fast, plain)


@pytest.mark.parametrize("batched", [(0, None, None), (None, 0, 0)])
def test_members_may_share_images_or_weights(batched):
    x, w, b, _ = arrays(SHAPES["many channels"])
    given = [np.stack([a, 2 * a]) if axis == 0 else a for a, axis in zip((x, w, b), batched, strict=True)]
    both = jax.vmap(convolve, batched)(*map(jnp.float32, given))
    for i in (0, 1):
        alone = convolve(*(jnp.float32(a[i]) if axis == 0 else jnp.float32(a)
                           for a, axis in zip(given, batched, strict=True)))  # fmt: skip
        np.testing.assert_array_equal(both[i], alone)


@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_equals_that_of_pytorch(shape):
    torch = pytest.importorskip("torch")
    x, w, b, dy = arrays(SHAPES[shape])
    theirs = (x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1), b)  # channels first
    tx, tw, tb = (torch.tensor(a.copy(), requires_grad=True) for a in theirs)
    out = torch.nn.functional.conv2d(tx, tw, tb, padding="same")
    loss = (torch.tanh(out.movedim(1, 3)) * torch.tensor(dy)).sum()
    loss.backward()
    dx, dw, db = (t.grad.numpy() for t in (tx, tw, tb))
    expected = (loss.detach().numpy(), (dx.transpose(0, 2, 3, 1), dw.transpose(2, 3, 1, 0), db))
    assert_equal(value_and_gradients(convolve, x, w, b, dy), expected, 1e-11)


def test_kernels_of_even_size_are_refused():
    with pytest.raises(InputError, match=r"kernel must be square and of an odd size, got \(2, 2\)"):
        convolve(jnp.zeros((1, 4, 4, 1)), jnp.zeros((2, 2, 1, 1)), jnp.zeros(1))


def pooled(layer, x, dy, members=None):
    def one(x, dy):
        return jax.value_and_grad(lambda x: jnp.sum(layer(x) * dy))(x)

    with jax.enable_x64(True):
        each = one if members is None else jax.vmap(one)
        return jax.tree.map(np.asarray, jax.jit(each)(jnp.asarray(x), jnp.asarray(dy)))


@pytest.mark.parametrize(
    ("size", "members"), [((4, 6), None), ((5, 6), None), ((4, 7), None), ((3, 3), None), ((5, 7), 3)]
)
def test_max_pool_equals_its_plain_twin_and_pytorch(size, members):
    rng = np.random.default_rng(1)
    lead = () if members is None else (members,)
    x = rng.integers(0, 3, (*lead, 2, *size, 3)).astype(float)  # many are equal: the first gets the gradient
    dy = rng.normal(size=(*lead, 2, size[0] // 2, size[1] // 2, 3))
    fast = pooled(max_pool, x, dy, members)
    assert_equal(fast, pooled(plain_max_pool, x, dy, members))
    if members is None:
        torch = pytest.importorskip("torch")
        tx = torch.tensor(x, requires_grad=True)
        out = torch.nn.functional.max_pool2d(tx.movedim(3, 1), 2).movedim(1, 3)
        (out * torch.tensor(dy)).sum().backward()
        np.testing.assert_array_equal(fast[1], tx.grad.numpy())


def test_max_pool_keeps_nan_to_be_found():
    x = jnp.zeros((1, 2, 2, 1)).at[0, 1, 0, 0].set(jnp.nan)
    assert np.isnan(max_pool(x)).all()


def test_batch_norm_of_images_is_that_of_their_pixels():
    rng = np.random.default_rng(2)
    x, valid = rng.normal(2.0, 3.0, (5, 4, 3, 2)), np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    scale, shift = np.array([1.5, -0.5]), np.array([0.1, 0.2])
    with jax.enable_x64(True):
        moments = batch_moments(jnp.asarray(x), jnp.asarray(valid))
        out = np.asarray(normalize(jnp.asarray(x), moments, scale, shift, 1e-5))
        grad = jax.grad(
            lambda x: jnp.sum(normalize(x, batch_moments(x, jnp.asarray(valid)), scale, shift, 1e-5)[:3] ** 3)
        )(jnp.asarray(x))
    grad = np.asarray(grad)
    real = x[:3]
    np.testing.assert_allclose(moments.mean, real.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(moments.var, real.var(axis=(0, 1, 2)), rtol=1e-12)
    mean, var = real.mean(axis=(0, 1, 2)), real.var(axis=(0, 1, 2))
    by_hand = (real - mean) / np.sqrt(var + 1e-5) * scale + shift
    np.testing.assert_allclose(out[:3], by_hand, rtol=1e-12)
    assert np.all(grad[3:] == 0)
    assert np.all(np.abs(grad[:3].sum(axis=(0, 1, 2))) < 1e-9)  # moving every pixel changes nothing


def test_batch_norm_of_images_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(3).normal(1.0, 2.0, (6, 3, 5, 4))
    with jax.enable_x64(True):
        moments = batch_moments(jnp.asarray(x), jnp.ones(6))
        out = normalize(jnp.asarray(x), moments, jnp.ones(4), jnp.zeros(4), 1e-5)
    theirs = torch.nn.functional.batch_norm(torch.tensor(x).movedim(3, 1), None, None, training=True)
    np.testing.assert_allclose(out, theirs.movedim(1, 3), rtol=1e-10, atol=1e-12)
