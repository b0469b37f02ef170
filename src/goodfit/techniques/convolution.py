"""Convolution and max-pooling of images (B, H, W, C), in forms that XLA runs fast inside loops on a CPU.

XLA has one fast convolution on a CPU, the forward one with channels last and many of them. The gradients that
it derives are of other forms, 10 to 60 times slower, and under `vmap` members become groups of channels,
which have no fast form at all. So gradients are written here as forward convolutions or matrix products, and
under `vmap` members follow one another. Only first derivatives in reverse mode are defined.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import product

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import sequential_vmap

from goodfit.errors import must_be

Array = jax.Array
FEW = 32  # numbers in a patch (3×3 of up to three channels) up to which other forms are faster
_CHANNELS_LAST = ("NHWC", "HWIO", "NHWC")


def plain_convolve(x: Array, weight: Array, bias: Array) -> Array:
    """Return what `convolve` does, as XLA has it: the plain twin that it is tested against."""
    return _plain(x, weight) + bias


def _plain(x: Array, weight: Array) -> Array:
    return lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=_CHANNELS_LAST)


def _patches(x: Array, k: int) -> Array:
    """Return the k × k surroundings of every pixel, (k·k·C, B·H·W): made by copying whole rows of pixels."""
    images, height, width, channels = x.shape
    first = jnp.pad(jnp.moveaxis(x, 3, 0), ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    shifted = [first[:, :, i : i + height, j : j + width] for i in range(k) for j in range(k)]
    joined = jnp.concatenate(shifted).reshape(k * k * channels, images * height * width)
    return lax.optimization_barrier(joined)


def _sum_of_products(x: Array, weight: Array) -> Array:
    """Return the convolution as the sum over the kernel's numbers of shifted images by that number."""
    k, _, n_in, _ = weight.shape
    around, (height, width) = (k // 2, k // 2), x.shape[1:3]
    framed = jnp.pad(x, ((0, 0), around, around, (0, 0)))
    products = (
        framed[:, i : i + height, j : j + width, c, None] * weight[i, j, c]
        for i, j, c in product(range(k), range(k), range(n_in))
    )
    return functools.reduce(jnp.add, products)


@sequential_vmap
def _forward(x: Array, weight: Array) -> Array:
    k, _, n_in, _ = weight.shape
    if weight.shape[1] != k or k % 2 == 0:
        raise must_be("A convolution's kernel", "square and of an odd size", weight.shape[:2])
    if k * k * n_in > FEW:
        return _plain(x, weight)
    one = weight[0, 0, 0, 0]  # where it is NaN, so is what it makes
    return in_memory(one == one, _sum_of_products, x, weight)


@sequential_vmap
def _input_gradient(dy: Array, weight: Array) -> Array:
    turned = jnp.flip(weight, (0, 1)).swapaxes(2, 3)
    return _plain(dy, lax.optimization_barrier(turned))


@sequential_vmap
def _weight_gradient(x: Array, dy: Array, weight: Array) -> Array:
    k, _, n_in, n_out = weight.shape
    if k * k * n_in <= FEW:
        return (_patches(x, k) @ dy.reshape(-1, n_out)).reshape(weight.shape)
    # each input channel is an image of B channels, convolved with dy as its kernel (H, W)
    images = lax.optimization_barrier(x.transpose(3, 1, 2, 0))
    kernel = lax.optimization_barrier(dy.transpose(1, 2, 0, 3))
    around = ((k // 2, k // 2), (k // 2, k // 2))
    out = lax.conv_general_dilated(images, kernel, (1, 1), around, dimension_numbers=_CHANNELS_LAST)
    return out.transpose(1, 2, 0, 3)


@jax.custom_vjp
def convolve(x: Array, weight: Array, bias: Array) -> Array:
    """Return ``y[h, w] = Σᵢⱼ x[h + i − k//2, w + j − k//2] @ weight[i, j] + bias``, (B, H, W, n_out).

    ``x`` (B, H, W, n_in), ``weight`` (k, k, n_in, n_out) with k odd, ``bias`` (n_out,). Beyond its border an
    image is 0, so its size stays. The kernel is not turned, as everywhere in networks (the book, §7.2).

    Raises:
        InputError: a kernel that is not square or of an even size.
    """
    return _forward(x, weight) + bias


def _convolve_forward(x: Array, weight: Array, bias: Array):
    return _forward(x, weight) + bias, (x, weight)


def _convolve_backward(saved: tuple[Array, Array], dy: Array):
    x, weight = saved
    return _input_gradient(dy, weight), _weight_gradient(x, dy, weight), jnp.sum(dy, axis=(0, 1, 2))


convolve.defvjp(_convolve_forward, _convolve_backward)


def plain_max_pool(x: Array) -> Array:
    """Return what `max_pool` does, as XLA has it: the plain twin that it is tested against."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def _max_and_place(x: Array) -> tuple[Array, Array]:
    """Return each 2×2 block's maximum, and which of the four it is (the first of equals), uint8."""
    images, height, width, channels = x.shape
    inside = x[:, : height // 2 * 2, : width // 2 * 2]
    blocks = inside.reshape(images, height // 2, 2, width // 2, 2, channels)
    a, b, c, d = (blocks[:, :, i, :, j] for i in (0, 1) for j in (0, 1))
    upper, lower = jnp.maximum(a, b), jnp.maximum(c, d)
    place = jnp.where(upper >= lower, jnp.where(a >= b, 0, 1), jnp.where(c >= d, 2, 3))
    return jnp.maximum(upper, lower), place.astype(jnp.uint8)


def _to_its_place(place: Array, dy: Array, height: int, width: int) -> Array:
    """Return (B, height, width, C) with each block's ``dy`` where its maximum was, and 0 elsewhere."""
    four = lax.iota(jnp.uint8, 4).reshape(1, 1, 2, 1, 2, 1)
    blocks = jnp.where(place[:, :, None, :, None] == four, dy[:, :, None, :, None], 0.0)
    images, rows, columns, channels = dy.shape
    inside = blocks.reshape(images, 2 * rows, 2 * columns, channels)
    return jnp.pad(inside, ((0, 0), (0, height - 2 * rows), (0, width - 2 * columns), (0, 0)))


def in_memory(always: Array, work: Callable[..., Array], *operands: Array) -> Array:
    """Return ``work(*operands)``, computed once; ``always`` is a traced truth that the compiler cannot know.

    XLA would compute it anew inside the kernel of each of its uses, from more numbers; across a conditional
    it does not. A step of 16 and 32 channels takes a tenth less for what is pooled, and another tenth for the
    first convolution.
    """

    def never(*_: Array) -> Array:
        out = jax.eval_shape(work, *operands)
        return jnp.full(out.shape, jnp.nan, out.dtype)

    return lax.cond(always, work, never, *operands)


@jax.custom_vjp
def max_pool(x: Array) -> Array:
    """Return the maximum of each 2×2 block, (B, H // 2, W // 2, C), of images ``x`` (B, H, W, C).

    Of an odd height or width the last row or column is left out, as PyTorch does. The gradient goes to the
    first of equal maxima: XLA's own (``select_and_scatter``) is 15 times slower on a CPU.
    """
    return _max_and_place(x)[0]


def _pool_forward(x: Array):
    maxima, place = _max_and_place(x)
    return maxima, (place, jnp.zeros((0, *x.shape[1:]), x.dtype))  # no numbers, only the shape


def _pool_backward(saved: tuple[Array, Array], dy: Array):
    place, like = saved
    return (_to_its_place(place, dy, *like.shape[1:3]),)


max_pool.defvjp(_pool_forward, _pool_backward)


def pooled(x: Array, always: Array | None) -> Array:
    """Return `max_pool` of ``x``, in training kept by `in_memory`, whose truth ``always`` is."""
    return max_pool(x) if always is None else in_memory(always, lambda x: x, max_pool(x))
