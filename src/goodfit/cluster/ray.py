"""Ray behind the adapter: a cluster that this machine is part of."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from goodfit.cluster import worker
from goodfit.cluster.adapter import Kind, Outcome, overdue
from goodfit.cluster.alike import hardware_of_all, told_of_itself
from goodfit.cluster.packing import problem_of
from goodfit.engine.hardware import Hardware, is_out_of_memory
from goodfit.errors import ClusterError, InputError, MissingExtraError, must_be
from goodfit.store.atomic import write_bytes

try:
    import ray
    from ray.exceptions import OutOfMemoryError, RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as error:
    message = "Training on a Ray cluster needs Ray: pip install 'goodfit[ray]'."
    raise MissingExtraError(message) from error

AUTO = "auto"  # the address of the cluster that this machine is part of
KNOCK = 10  # seconds for something to listen at an address
CONNECT = 60  # seconds that workers have to begin
FRESH = 0.2  # seconds for which a number of places holds
_LOOK = 0.5  # seconds between looks of a task at whether it is to rest


class Board:
    """What tasks look at while they run: the problems whose tasks are to rest."""

    def __init__(self) -> None:
        self._resting: set[str] = set()

    def rest(self, problem: str, resting: bool) -> None:
        """Let tasks about a problem rest, or no longer."""
        (self._resting.add if resting else self._resting.discard)(problem)

    def rests(self, problem: str) -> bool:
        """Tell whether tasks about a problem are to rest."""
        return problem in self._resting


def run(task: bytes, folder: str | None, held: list[Any], board: Any) -> worker.Receipt:
    """Run a task where Ray put it; ``held`` refers to the rows, which are fetched once a process."""
    problem = problem_of(task)
    if not worker.has(problem):
        worker.receive(ray.get(held[0]))
    with _looking_at(board, problem):
        return worker.work(task, folder)


@contextmanager
def _looking_at(board: Any, problem: str) -> Iterator[None]:
    """Let the task rest when the board says so."""
    over = threading.Event()
    worker.rest(problem, False)

    def look() -> None:
        with suppress(RayError):  # the board is gone: nobody will ask for a rest
            while not over.wait(_LOOK):
                worker.rest(problem, ray.get(board.rests.remote(problem)))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()


class RayAdapter:
    """Tasks on a Ray cluster, one a core, or one a GPU where there are any.

    Args:
        address: of the cluster, such as ``host:6379``, or ``auto``.
        timeout: seconds that a task may take.

    Raises:
        InputError: the address is none.
        ClusterError: no cluster there, or its versions differ.
    """

    def __init__(self, address: str, timeout: float = 3600.0) -> None:
        self._timeout = timeout
        self._problem, self._folder = "", None
        self._held: list[Any] = []
        self._running: dict[Any, tuple[str, float]] = {}
        self._asked, self._places = -FRESH, 0
        logging.getLogger("ray").setLevel(logging.CRITICAL)  # what matters is told by the outcomes
        self._owned = not ray.is_initialized()
        _connect(address)
        try:
            self._kind = "GPU" if ray.cluster_resources().get("GPU") else "CPU"
            self._board = ray.remote(num_cpus=0)(Board).remote()
            self._run = self._remote(run)
            self._hardware = hardware_of_all(self._told())
        except BaseException:
            self.close()
            raise

    # --- the adapter

    def offer(self, problem: bytes, folder: Path | None) -> None:
        """Take the data that the tasks to come are about."""
        self._problem = worker.name_of(problem)
        self._folder = None if folder is None else str(folder.resolve())
        if folder is not None:
            write_bytes(worker.problem_file(folder, self._problem), problem)
        self._held = [ray.put(problem)]
        self._board.rest.remote(self._problem, False)

    def capacity(self) -> int:
        """Return how many tasks can run at once now."""
        now = time.monotonic()
        if now - self._asked > FRESH:
            self._asked, self._places = now, int(ray.cluster_resources().get(self._kind, 0))
        return self._places

    def hardware(self) -> Hardware:
        """Return what the workers train on."""
        return self._hardware

    def submit(self, name: str, task: bytes) -> None:
        """Begin an attempt at a task."""
        future = self._run.remote(task, self._folder, self._held, self._board)
        self._running[future] = name, time.monotonic()

    def wait(self, seconds: float) -> list[Outcome]:
        """Return the outcomes that have come since the last call, after so many seconds at most."""
        if not self._running:
            time.sleep(seconds)
            return []
        futures = list(self._running)
        ended, _ = ray.wait(futures, num_returns=1, timeout=seconds)
        if ended:
            ended, _ = ray.wait(futures, num_returns=len(futures), timeout=0)
        return [self._outcome(future) for future in ended] + self._late()

    def cancel(self, name: str) -> None:
        """Ask no more for a task."""
        for future in [future for future, (one, _) in self._running.items() if one == name]:
            del self._running[future]
            with suppress(RayError):
                ray.cancel(future, force=True)

    def rest(self) -> None:
        """Let all tasks under way rest where they stand."""
        self._board.rest.remote(self._problem, True)

    def close(self) -> None:
        """Leave the cluster, unless somebody else in this process uses it."""
        for name, _ in list(self._running.values()):
            self.cancel(name)
        if self._folder is not None:
            worker.problem_file(self._folder, self._problem).unlink(missing_ok=True)
        if self._owned:
            ray.shutdown()

    # --- inside

    def _remote(self, function: Any, **how: Any) -> Any:
        """Return the function as one that Ray runs on a core, or a GPU; it is never tried again by itself."""
        need: dict[str, Any] = {"num_gpus": 1} if self._kind == "GPU" else {"num_cpus": 1}
        return ray.remote(max_retries=0, **need)(function).options(**how)

    def _told(self) -> dict[str, Any]:
        """Return what a process on each machine told of itself."""
        nodes = [n for n in ray.nodes() if n["Alive"] and n["Resources"].get(self._kind)]
        if not nodes:
            raise ClusterError("The Ray cluster has no machine to train on: start one with `ray start`.")
        asked = {}
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            name = f"{node['NodeManagerHostname']} ({node['NodeID'][:8]})"
            asked[name] = self._remote(told_of_itself, scheduling_strategy=there).remote()
        try:
            return dict(zip(asked, ray.get(list(asked.values()), timeout=CONNECT), strict=True))
        except RayTaskError as error:
            raise ClusterError(f"A machine of the Ray cluster cannot run goodfit: {error.cause}.") from None
        except RayError as error:
            raise ClusterError(
                f"The machines of the Ray cluster did not answer in {CONNECT} s ({type(error).__name__})."
            ) from None

    def _outcome(self, future: Any) -> Outcome:
        name, began = self._running.pop(future)
        seconds = time.monotonic() - began
        try:
            who, content = ray.get(future, timeout=CONNECT)
            return Outcome(name, "done", content, "", who, seconds)
        except RayError as error:
            kind, text = _cause(error)
            return Outcome(name, kind, None, text, "", seconds)

    def _late(self) -> list[Outcome]:
        late = overdue(self._running.values(), self._timeout)
        for outcome in late:
            self.cancel(outcome.name)
        return late


def _connect(address: str) -> None:
    """Make this process part of a cluster, if it is not yet."""
    try:
        if address != AUTO:
            _knock(address)
        if not ray.is_initialized():
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        said = str(error).rstrip(".")
        raise ClusterError(
            f"No Ray cluster answers at {address}: {said}. `ray start` makes this machine part of one; a "
            "cluster that asks for a token needs RAY_AUTH_MODE=token in the environment."
        ) from None


def _knock(address: str) -> None:
    """Raise `OSError` unless something listens there; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise must_be("The address of a Ray cluster", "HOST:PORT or auto", address)
    socket.create_connection((host, int(port)), timeout=KNOCK).close()


def _cause(error: RayError) -> tuple[Kind, str]:
    """Return kind and words of a failure."""
    if isinstance(error, OutOfMemoryError):
        return "oom", "Ray ended it for lack of memory"
    if isinstance(error, RayTaskError):
        cause = error.cause
        return "oom" if is_out_of_memory(cause) else "error", str(cause)
    return "lost", f"its worker died ({type(error).__name__})"
