"""What the members of a population share: the network's shape, the rows, and those they are judged by."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from goodfit.engine.hardware import default_devices, hardware_of
from goodfit.engine.legs import Member
from goodfit.engine.member import EVALUATION_ROWS, Data, State, first_state
from goodfit.engine.order import Batches, BatchOrder
from goodfit.engine.plan import EXPECTED, Plan, bucket, check_overrides, padded, plan_for
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.initializers import DataDriven

SAMPLE = 1024  # rows that first weights are made to fit


def _untold(most: int) -> None:
    pass


class Shared:
    """One data set, on the device, and how a member takes its rows from it.

    Args:
        network: shape of the problem.
        x, y, weight: training rows (N, inputs), (N,) or (N, outputs), and (N,) or None.
        holdout: rows to evaluate on, ``(x, y, sets)`` with weights ``sets`` (S, E), or None.
        chunk, lanes: override the plan.
        expected: how many members of a structure there will be; it matters on a GPU alone.
        dtype: float32, or float64 for members whose first states are handed to them in float64.
        devices: where to train, each chunk on one of them; None: JAX's default.
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
        expected: int = EXPECTED,
        dtype: Any = np.float32,
        devices: Sequence[Any] | None = None,
    ) -> None:
        check_overrides(chunk, lanes)
        self.network = network
        self.dtype = np.dtype(dtype).type
        self.devices = tuple(devices or default_devices())
        self.hardware = hardware_of(self.devices)
        self.rows = np.arange(len(x), dtype=np.int32)
        self.chunk, self._lanes, self._expected = chunk, lanes, expected
        self.most: int | None = None  # members a chunk may have since memory ran out
        self.on_halved: Callable[[int], None] | None = _untold  # called with ``most``; None: do not halve
        self._halving = threading.Lock()
        self.sets_aside = False  # a member that does not fit alone, and goes on with the others
        self.pace: dict[Any, float] = {}  # seconds a step of a chunk, evaluations included, by structure
        weight = np.ones(len(x), self.dtype) if weight is None else np.asarray(weight, self.dtype)
        self._evaluates = holdout is not None
        hx, hy, sets = holdout or (x[:1], y[:1], np.zeros((1, 1), self.dtype))
        self._sets = np.asarray(sets, self.dtype)
        self._everyone = np.arange(len(hx), dtype=np.int32)
        self._x, self._y, self._weight, self._held = x, y, weight, (hx, hy)
        self._placed: dict[Any, tuple[Data, tuple[Any, Any]]] = {}
        self._placing = threading.Lock()

    def placed(self, device: Any) -> tuple[Data, tuple[Any, Any]]:
        """Return the training rows and those to evaluate on, x and y, as they lie on a device."""
        with self._placing, self.settings(device):
            if device not in self._placed:
                self._placed[device] = self._put()
            return self._placed[device]

    def _put(self) -> tuple[Data, tuple[Any, Any]]:
        size = bucket(len(self._x))
        rows = (self._x, self._y, self._weight)
        data = jax.device_put(Data(*(padded(np.asarray(a), size) for a in rows)))
        hx, hy = self._held
        if hx is self._x and hy is self._y:  # folds: one copy of the rows serves both
            return data, (data.x, data.y)
        size = bucket(len(hx), EVALUATION_ROWS)
        return data, jax.device_put((padded(np.asarray(hx), size), padded(np.asarray(hy), size)))

    @contextlib.contextmanager
    def settings(self, device: Any) -> Iterator[None]:
        """JAX's settings for type and device; they hold for one thread, so each lane makes them its own."""
        with contextlib.ExitStack() as stack:
            if self.dtype is np.float64:
                stack.enter_context(jax.enable_x64(True))
            stack.enter_context(jax.default_device(device))
            yield

    def plan(self, recipe: Recipe) -> Plan:
        """Return how members of this structure run here."""
        found = plan_for(
            self.network,
            recipe,
            self.hardware,
            chunk=self.chunk,
            lanes=self._lanes,
            judged=self.held_out if self._evaluates else 0,
            expected=self._expected,
        )
        return found if self.most is None else Plan(min(found.chunk, self.most), found.lanes)

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
            x = self.placed(self.devices[0])[0].x
            sample = np.asarray(x)[first[first >= 0][:SAMPLE]]
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
