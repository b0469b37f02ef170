"""Embeddings: what a column of numbers or of categories becomes before the first layer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.errors import must_be
from goodfit.techniques.base import check_number, structure, technique

Array = jax.Array

# cos(2πr) on |r| <= ½ as a polynomial in r², off by at most 1.1e-8; its derivative by 4.2e-6.
_COSINE = (0.999999989, -19.7392045, 64.9391175, -85.4501395, 60.167631, -25.9675992, 6.52865816)


@technique
class Periodic:
    """A column x becomes ``(x, cos(2π(x·f + p)) @ W + b)`` with its own f, p, W and b, all learned.

    The "PBLD" embedding of Holzmüller, Grinsztajn and Steinwart (2024, §3), after Gorishniy et al. (2022).
    First values: frequencies f ~ N(0, sigma²), phases p ~ U(−½, ½), W and b ~ U(−1, 1)/√frequencies.

    Fields: ``sigma`` deviation of the first frequencies, in cycles per unit of x; ``frequencies`` how many
    cosines a column has; ``width`` of what a column becomes, x itself included (>= 2).
    """

    sigma: float = 0.1
    frequencies: int = structure(default=16)
    width: int = structure(default=4)

    def __post_init__(self) -> None:
        check_number(self, "sigma", above=0.0)
        for name, least in (("frequencies", 1), ("width", 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise must_be(f"Periodic({name}=…)", f"a whole number >= {least}", value)

    def draw(self, rng: np.random.Generator, columns: int) -> dict[str, np.ndarray]:
        """Return first parameters for so many columns, float32, by name; shapes as `embed_numbers` has."""
        n, f, w = columns, self.frequencies, self.width - 1

        def spread(*shape: int) -> np.ndarray:
            return rng.uniform(-1.0, 1.0, shape).astype(np.float32)

        return {
            "frequency": rng.standard_normal(n * f, dtype=np.float32) * np.float32(self.sigma),
            "phase": 0.5 * spread(n * f),
            "weight": spread(n, f, w) / np.float32(f**0.5),
            "bias": spread(n * w) / np.float32(f**0.5),
        }


def _in_powers(r: Array, coefficients: tuple[float, ...]) -> Array:
    value = jnp.full_like(r, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * r + coefficient
    return value


@jax.custom_vjp
def cosine(cycles: Array) -> Array:
    """Return ``cos(2π·cycles)`` within 2e-7, a polynomial after taking off whole cycles.

    XLA's own cosine is not vectorised on a CPU: 4 to 9 times slower here, more than the network behind it.
    """
    r = cycles - jnp.round(cycles)
    return _in_powers(r * r, _COSINE)


def _cosine_forward(cycles: Array):
    r = cycles - jnp.round(cycles)
    return _in_powers(r * r, _COSINE), r


def _cosine_backward(r: Array, dy: Array):
    slopes = tuple(2.0 * k * c for k, c in enumerate(_COSINE))[1:]
    return (dy * r * _in_powers(r * r, slopes),)


cosine.defvjp(_cosine_forward, _cosine_backward)


def embed_numbers(x: Array, frequency: Array, phase: Array, weight: Array, bias: Array) -> Array:
    """Return each column beside its embedding, (B, n·width), of ``x`` (B, n); see `Periodic`.

    ``frequency`` and ``phase`` (n·F,), ``weight`` (n, F, width − 1), ``bias`` (n·(width − 1),).
    Rows are the last axis inside: half the time of rows first.
    """
    n, f, _ = weight.shape
    across = x.T
    waves = cosine(frequency.reshape(n, f, 1) * across[:, None, :] + phase.reshape(n, f, 1))  # (n, F, B)
    mixed = jax.lax.dot_general(weight, waves, (((1,), (1,)), ((0,), (0,)))) + bias.reshape(n, -1, 1)
    both = jnp.concatenate([across[:, None, :], mixed], axis=1)  # (n, width, B)
    return both.reshape(-1, x.shape[0]).T


def embed_categories(codes: Array, table: Array, starts: tuple[int, ...]) -> Array:
    """Return the table's row for each code, (B, n·width).

    ``codes`` (B, n) whole numbers from 0; ``table`` (Σ of the columns' codes, width) holds the columns'
    rows one after another, those of column j from ``starts[j]`` on.
    """
    places = codes.astype(jnp.int32) + jnp.asarray(starts, jnp.int32)
    return table[places].reshape(codes.shape[0], -1)
