"""What the members of a population share: the network's shape, the rows, and those they are judged by."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from goodfit.engine.legs import Member
from goodfit.engine.member import EVALUATION_ROWS, Data, State, first_state
from goodfit.engine.order import Batches, BatchOrder
from goodfit.engine.plan import Plan, bucket, padded, plan_for
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.initializers import DataDriven

SAMPLE = 1024  # rows that first weights are made to fit


class Shared:
    """One data set, on the device, and how a member takes its rows from it.

    Args:
        network: shape of the problem.
        x, y, weight: training rows (N, inputs), (N,) or (N, outputs), and (N,) or None.
        holdout: rows to evaluate on, ``(x, y, sets)`` with weights ``sets`` (S, E), or None.
        chunk, lanes: override the plan.
        dtype: float32, or float64 for members whose first states are handed to them in float64.
        device: where to train; None: JAX's default.
    """

    def __init__(
        self,
        network: Network,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None = None,
        *,
        holdout: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
        chunk: int | None = None,
        lanes: int | None = None,
        dtype: Any = np.float32,
        device: Any = None,
    ) -> None:
        self.network = network
        self.dtype, self._device = np.dtype(dtype).type, device
        self.rows = np.arange(len(x), dtype=np.int32)
        self._chunk, self._lanes = chunk, lanes
        self.pace: dict[Any, float] = {}  # seconds a step of a chunk, evaluations included, by structure
        weight = np.ones(len(x), self.dtype) if weight is None else np.asarray(weight, self.dtype)
        self._evaluates = holdout is not None
        hx, hy, sets = holdout or (x[:1], y[:1], np.zeros((1, 1), self.dtype))
        self._sets = np.asarray(sets, self.dtype)
        self._everyone = np.arange(len(hx), dtype=np.int32)
        with self.settings():
            size = bucket(len(x))
            self.data = jax.device_put(Data(*(padded(np.asarray(a), size) for a in (x, y, weight))))
            if hx is x and hy is y:  # folds: one copy of the rows serves both
                self.held = (self.data.x, self.data.y)
            else:
                size = bucket(len(hx), EVALUATION_ROWS)
                self.held = jax.device_put((padded(np.asarray(hx), size), padded(np.asarray(hy), size)))

    @contextlib.contextmanager
    def settings(self) -> Iterator[None]:
        """JAX's settings for type and device; they hold for one thread, so each lane makes them its own."""
        with contextlib.ExitStack() as stack:
            if self.dtype is np.float64:
                stack.enter_context(jax.enable_x64(True))
            if self._device is not None:
                stack.enter_context(jax.default_device(self._device))
            yield

    def plan(self, recipe: Recipe) -> Plan:
        """Return how members of this structure run here."""
        return plan_for(recipe, chunk=self._chunk, lanes=self._lanes)

    def order_of(self, member: Member) -> Batches:
        """Return the member's batches."""
        return member.batches or BatchOrder(
            self.rows if member.rows is None else member.rows,
            member.recipe.batch_size,
            member.seed if member.order_seed is None else member.order_seed,
            replacement=member.replacement,
        )

    def first_state(self, member: Member) -> State:
        """Return the member's state before its first step; where data decide it, by its first batches."""
        sample = None
        if isinstance(member.recipe.initializer, DataDriven):
            rows = self.rows if member.rows is None else member.rows
            steps = -(-min(SAMPLE, len(rows)) // member.recipe.batch_size)
            first = self.order_of(member).block(0, steps)
            sample = np.asarray(self.data.x)[first[first >= 0][:SAMPLE]]
        return first_state(self.network, member.recipe, member.seed, sample)

    @property
    def held_out(self) -> int:
        """Rows of the holdout."""
        return len(self._everyone)

    def judges_of(self, member: Member) -> np.ndarray:
        """Return the holdout's rows that the member is judged by."""
        return self._everyone if member.judged is None else member.judged

    def judged_size(self, member: Member) -> int:
        """Return the padded number of rows that the member is judged by."""
        return bucket(len(self.judges_of(member)), EVALUATION_ROWS)

    def judged_by(self, member: Member) -> tuple[np.ndarray, np.ndarray]:
        """Return the holdout's rows that the member is judged by, (V,), and their weights, (S, V), padded."""
        rows = self.judges_of(member).astype(np.int32)
        sets = self._sets[:, rows] if member.sets is None else member.sets.astype(self.dtype)
        size = self.judged_size(member)
        return padded(rows, size), padded(sets.T, size).T

    def blocks(self, members: Sequence[Member]) -> int:
        """Return how many blocks of rows an evaluation of these members goes through; 0 without a holdout."""
        most = max(len(self.judges_of(member)) for member in members)
        return -(-most // EVALUATION_ROWS) if self._evaluates else 0
