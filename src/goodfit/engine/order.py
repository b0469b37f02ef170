"""Which rows each step sees: a pure function of (order seed, fold, epoch), drawn on the host.

A permutation of 60,000 rows takes NumPy's SFC64 0.5 ms, its Philox 0.8 and `jax.random` 26.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

STEPS = 256  # rows of an index block: steps that one call can run
PADDING = np.int32(-1)  # typed: casting a Python int warns where XLA left a floating-point flag set


class Batches(Protocol):
    """What draws a member's batches."""

    def block(self, first_step: int, steps: int) -> np.ndarray:
        """Return the rows of ``steps`` steps from ``first_step`` on, (STEPS, B) int32, the rest −1."""
        ...


class BatchOrder:
    """The batches of one member: epochs of a fresh permutation, the last batch short and padded with −1.

    Args:
        rows: row numbers to train on, (n,) int32. A fold is a subset; its positions are permuted, so a
            fold member sees the batches of a member trained on those rows alone.
        batch_size: B.
        seed: the order seed; equal seeds share their batches whatever the recipe.
        replacement: draw every batch anew from all rows, as the book's code does; then all are full.
    """

    def __init__(self, rows: np.ndarray, batch_size: int, seed: int, *, replacement: bool = False) -> None:
        self.rows = np.asarray(rows, np.int32)
        self.batch_size = batch_size
        self.seed = seed
        self.replacement = replacement
        self.steps_per_epoch = -(-len(self.rows) // batch_size)
        self._epoch = -1
        self._batches = np.empty((0, batch_size), np.int32)

    def _epoch_batches(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            rng = np.random.Generator(np.random.SFC64([self.seed, epoch]))
            n, places = len(self.rows), self.steps_per_epoch * self.batch_size
            padded = np.full(places, PADDING)
            drawn = rng.integers(n, size=places) if self.replacement else rng.permutation(n)
            padded[: len(drawn)] = self.rows[drawn]
            self._epoch, self._batches = epoch, padded.reshape(self.steps_per_epoch, self.batch_size)
        return self._batches

    def block(self, first_step: int, steps: int) -> np.ndarray:
        """Return the rows of ``steps`` steps from ``first_step`` on, (STEPS, B) int32, the rest −1."""
        block = np.full((STEPS, self.batch_size), PADDING)
        done = 0
        while done < steps:
            epoch, position = divmod(first_step + done, self.steps_per_epoch)
            some = self._epoch_batches(epoch)[position : position + steps - done]
            block[done : done + len(some)] = some
            done += len(some)
        return block
