"""Convolution and max-pooling in NumPy, float64: what prediction has in the place of techniques/convolution.

Each image is a matrix product of its own, always of the same size. So an image has the same bits alone, in
any table and at any place in it.
"""

from __future__ import annotations

import numpy as np

MOST_BYTES = 2**24  # of the patches made at once: 16 MiB, a few dozen images


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return images (rows, H, W, n_out), float64; as `goodfit.techniques.convolution.convolve`.

    ``x`` (rows, H, W, n_in), ``weight`` (k, k, n_in, n_out) with k odd, ``bias`` (n_out,). Beside the result
    it takes about ``MOST_BYTES``, however many rows there are. In memory channels come before places: so
    whole lines of pixels are copied, and what follows elementwise keeps that order.
    """
    rows, height, width, _ = x.shape
    k, _, n_in, n_out = weight.shape
    kernel = np.ascontiguousarray(weight.reshape(k * k * n_in, n_out).T, np.float64)
    out = np.empty((rows, n_out, height * width))
    at_once = max(1, MOST_BYTES // (8 * height * width * k * k * n_in))
    for start in range(0, rows, at_once):
        # NumPy multiplies a stack of matrices one by one
        np.matmul(kernel, _patches(x[start : start + at_once], k), out=out[start : start + at_once])
    out += np.asarray(bias, np.float64)[:, None]
    return out.reshape(rows, n_out, height, width).transpose(0, 2, 3, 1)


def _patches(x: np.ndarray, k: int) -> np.ndarray:
    """Return the k × k surroundings of every pixel, 0 beyond the border: (rows, k·k·C, H·W) float64."""
    rows, height, width, channels = x.shape
    around = k // 2
    padded = np.zeros((rows, channels, height + 2 * around, width + 2 * around))
    padded[:, :, around : around + height, around : around + width] = x.transpose(0, 3, 1, 2)
    patches = np.empty((rows, k, k, channels, height, width))
    for i in range(k):
        for j in range(k):
            patches[:, i, j] = padded[:, :, i : i + height, j : j + width]
    return patches.reshape(rows, k * k * channels, height * width)


def max_pool(x: np.ndarray) -> np.ndarray:
    """Return the maximum of each 2×2 block, (rows, H // 2, W // 2, C); what is odd at the end is left out."""
    inside = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    upper = np.maximum(inside[:, ::2, ::2], inside[:, ::2, 1::2])
    return np.maximum(upper, np.maximum(inside[:, 1::2, ::2], inside[:, 1::2, 1::2]))
