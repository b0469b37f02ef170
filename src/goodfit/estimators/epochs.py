"""Batches in scikit-learn's order: each epoch shuffles the last one's order with one `RandomState`."""

from __future__ import annotations

import numpy as np

from goodfit.engine.order import PADDING, STEPS
from goodfit.engine.plan import bucket

_FINE = 512  # up to so many rows a full batch is padded to a bucket, so that nearby sizes share a program


def batch_places(rows: int, batch_size: int) -> int:
    """Return the places of a batch in the compiled program, some of them free where one batch holds all."""
    return bucket(rows) if batch_size >= rows and rows <= _FINE else min(batch_size, rows)


class Epochs:
    """The batches of one network, drawn epoch after epoch.

    Args:
        rows: how many there are.
        batch_size: rows of a batch.
        rng: what shuffles them, or None to leave them in order. A batch that holds all rows is in order.
        first_step: the step at which the first epoch begins.
    """

    def __init__(
        self, rows: int, batch_size: int, rng: np.random.RandomState | None, first_step: int = 0
    ) -> None:
        self.places = batch_places(rows, batch_size)
        self.steps = -(-rows // batch_size)  # of an epoch
        self._rng = rng if self.steps > 1 else None
        self._first_step = first_step
        self._order = np.arange(rows, dtype=np.int32)
        self._epoch = -1
        self._last: tuple[tuple[int, int], np.ndarray] | None = None

    def rows_by_step(self) -> np.ndarray:
        """Return how many rows each step of an epoch sees, (steps,)."""
        sizes = np.full(self.steps, min(self.places, len(self._order)))
        sizes[-1] = len(self._order) - (self.steps - 1) * sizes[0]
        return sizes

    def _batches(self, epoch: int) -> np.ndarray:
        while self._epoch < epoch:
            if self._rng is not None:
                shuffled = np.arange(len(self._order))
                self._rng.shuffle(shuffled)
                self._order = self._order[shuffled]
            self._epoch += 1
        padded = np.full(self.steps * self.places, PADDING)
        padded[: len(self._order)] = self._order
        return padded.reshape(self.steps, self.places)

    def block(self, first_step: int, steps: int) -> np.ndarray:
        """Return the rows of ``steps`` steps from ``first_step`` on, (STEPS, B) int32, the rest −1.

        Asked for again, as the free places of a chunk do, the last block is the same.
        """
        if self._last is not None and self._last[0] == (first_step, steps):
            return self._last[1]
        block = np.full((STEPS, self.places), PADDING)
        done = 0
        while done < steps:
            epoch, position = divmod(first_step - self._first_step + done, self.steps)
            some = self._batches(epoch)[position : position + steps - done]
            block[done : done + len(some)] = some
            done += len(some)
        self._last = (first_step, steps), block
        return block
