"""Dask distributed behind the adapter: workers of its own here, or a scheduler that runs elsewhere."""

from __future__ import annotations

import json
import logging
import os
import queue
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from goodfit.cluster import worker
from goodfit.cluster.adapter import Kind, Outcome, overdue
from goodfit.cluster.alike import hardware_of_all, told_of_itself
from goodfit.engine.hardware import Hardware, is_out_of_memory
from goodfit.errors import ClusterError, MissingExtraError, NoDataError
from goodfit.store.atomic import write_bytes

try:
    import dask.config
    from distributed import Client, KilledWorker, LocalCluster
except ImportError as error:
    message = "Training on a cluster needs Dask: pip install 'goodfit[cluster]'."
    raise MissingExtraError(message) from error

PATIENCE = 60  # seconds in which a scheduler that was lost may come back
_RUNNING = "running"
FRESH = 0.2  # seconds for which a number of threads holds: asking takes a quarter of what a task costs here
CONNECT = 30  # seconds to wait for a scheduler, and for a first worker
_LOGGERS = ("distributed", *(f"distributed.{n}" for n in ("client", "core", "nanny", "scheduler", "worker")))
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # attempts are counted here, where causes are told apart
    "distributed.scheduler.worker-ttl": "30s",  # a worker that is silent for longer is begun again
    "distributed.worker.multiprocessing-method": "spawn",  # a fork of JAX's threads would hang
    "logging": {"distributed": "critical"},
}


class DaskAdapter:
    """Tasks on Dask workers.

    Args:
        workers: how many to start on this machine; None: ``address`` names a scheduler.
        address: such as ``tcp://host:8786``, or the path of a scheduler file.
        timeout: seconds that a task may take.

    Raises:
        ClusterError: no scheduler or no worker there, or its versions differ.
    """

    def __init__(
        self, *, workers: int | None = None, address: str | None = None, timeout: float = 3600.0
    ) -> None:
        self._timeout, self._address = timeout, address
        self._problem, self._name, self._folder = b"", "", None
        self._began: dict[str, tuple[float, Any]] = {}
        self._attempts = 0
        self._asked, self._threads = -FRESH, 0
        self._ended: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is told by the outcomes
        with dask.config.set(_SETTINGS):
            self._cluster, self._client = _connect(workers, address)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    # --- the adapter

    def offer(self, problem: bytes, folder: Path | None) -> None:
        """Take the data that the tasks to come are about."""
        self._problem, self._name = problem, worker.name_of(problem)
        self._folder = None if folder is None else str(folder.resolve())
        if folder is not None:
            write_bytes(worker.problem_file(folder, self._name), problem)
        self._everywhere(worker.rest_now, self._name, False)

    def capacity(self) -> int:
        """Return how many tasks can run at once now: one a thread; 0 where that cannot be asked."""
        if self._client.status != _RUNNING:
            return 0
        now = time.monotonic()
        if now - self._asked > FRESH:
            try:
                self._asked, self._threads = now, sum(self._client.nthreads().values())
            except (OSError, TimeoutError, RuntimeError):  # the scheduler goes in this instant
                return 0
        return self._threads

    def hardware(self) -> Hardware:
        """Return what the workers train on."""
        return self._hardware

    def submit(self, name: str, task: bytes) -> None:
        """Begin an attempt at a task.

        Raises:
            ClusterError: the scheduler is gone, and does not come back.
        """
        if self._client.status != _RUNNING:
            self._connect_again()
        self._attempts += 1
        key = f"goodfit-{name[:16]}-{os.getpid()}-{self._attempts}"
        future = self._client.submit(worker.work, task, self._folder, key=key, pure=False)
        self._began[name] = (time.monotonic(), future)
        future.add_done_callback(lambda done: self._ended.put((name, done)))

    def wait(self, seconds: float) -> list[Outcome]:
        """Return the outcomes that have come since the last call, after so many seconds at most.

        Raises:
            ClusterError: the scheduler is gone, and does not come back.
        """
        if self._client.status != _RUNNING:
            return self._lost_with_the_scheduler()
        found = []
        until = time.monotonic() + seconds
        while not found and (left := until - time.monotonic()) > 0:
            try:
                found.append(self._ended.get(timeout=left))
            except queue.Empty:
                break
        while not self._ended.empty():
            found.append(self._ended.get())
        outcomes = [self._outcome(*one) for one in found if self._current(*one)]
        return outcomes + self._late()

    def cancel(self, name: str) -> None:
        """Ask no more for a task."""
        if name in self._began:
            self._began.pop(name)[1].cancel(force=True)

    def rest(self) -> None:
        """Let all tasks under way rest where they stand."""
        self._everywhere(worker.rest_now, self._name, True)

    def close(self) -> None:
        """Close workers and scheduler, or what connects to them."""
        for _, future in self._began.values():
            future.cancel()
        if self._folder is not None:
            worker.problem_file(self._folder, self._name).unlink(missing_ok=True)
        self._client.close(timeout=5)
        if self._cluster is not None:
            self._cluster.close(timeout=5)

    # --- inside

    def _everywhere(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Let every worker do something, without waiting: one may be frozen."""
        with suppress(OSError, TimeoutError, RuntimeError):  # no scheduler: its workers have nothing to do
            self._client.run(function, *arguments, wait=False)

    def _lost_with_the_scheduler(self) -> list[Outcome]:
        """Connect again, and return what was under way as lost."""
        now, began = time.monotonic(), dict(self._began)
        self._began.clear()
        self._connect_again()
        text = "the scheduler was lost"
        return [Outcome(name, "lost", None, text, "", now - then) for name, (then, _) in began.items()]

    def _connect_again(self) -> None:
        until = time.monotonic() + PATIENCE
        with suppress(OSError, TimeoutError, RuntimeError):
            self._client.close(timeout=1)
        while True:
            try:
                _, self._client = _connect(None, self._address)
                self._check()
                break
            except ClusterError as error:
                if time.monotonic() > until:
                    raise ClusterError(
                        f"The scheduler is gone and did not come back in {PATIENCE} s. What was trained is "
                        f"kept: the same command goes on with it. {error}"
                    ) from None
            time.sleep(1.0)
        self._everywhere(worker.rest_now, self._name, False)

    def _check(self) -> None:
        """Make sure that there are workers, of this version, and send what they lack."""
        try:
            self._client.wait_for_workers(1, timeout=CONNECT)
        except TimeoutError:
            raise ClusterError(
                f"No worker came to the scheduler within {CONNECT} s: start one with `dask worker`."
            ) from None
        self._hardware = hardware_of_all(self._client.run(told_of_itself))

    def _current(self, name: str, future: Any) -> bool:
        """Tell whether an outcome is that of the attempt that is asked for."""
        return name in self._began and self._began[name][1] is future

    def _outcome(self, name: str, future: Any) -> Outcome:
        began, _ = self._began.pop(name)
        seconds = time.monotonic() - began
        kind, content, text, who = "lost", None, "", ""
        if future.status == "finished":
            try:
                who, content = future.result(timeout=60)
                kind = "done"
            except Exception as error:  # the worker that held the result is gone
                text = str(error)
        elif future.status == "error":
            kind, text, who = _cause(future.exception(timeout=10))
        future.release()
        if kind == "no data":
            self._everywhere(worker.receive_now, self._problem)
        return Outcome(name, kind, content, text, who, seconds)  # type: ignore[arg-type]

    def _late(self) -> list[Outcome]:
        late = overdue([(name, began) for name, (began, _) in self._began.items()], self._timeout)
        for outcome in late:
            self.cancel(outcome.name)
        return late


def _address_in(file: str) -> str:
    """Return the address that a scheduler file holds, which may be another one when the scheduler is."""
    try:
        return str(json.loads(Path(file).read_text())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"{file} is no scheduler file ({type(error).__name__}). Give the path that `dask scheduler "
            "--scheduler-file` wrote to, or an address such as tcp://host:8786."
        ) from None


def _connect(workers: int | None, address: str | None) -> tuple[Any, Any]:
    try:
        with suppress(AssertionError):  # what Dask raises where its own threads do not come up in time
            return _connected(workers, address)
        return _connected(workers, address)
    except AssertionError:
        raise ClusterError("Dask did not start within 10 s on this machine, twice: try again.") from None
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(f"No Dask scheduler answers at {address}: {error}.") from None


def _connected(workers: int | None, address: str | None) -> tuple[Any, Any]:
    if workers is not None:
        cluster: Any = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any port that is free
            memory_limit=0,
            host="127.0.0.1",
            preload=[worker.__name__],
            silence_logs=logging.CRITICAL,  # as above, in its processes
        )
        return cluster, Client(cluster, timeout=CONNECT, set_as_default=False)
    where = address if address is None or ":" in address else _address_in(address)
    return None, Client(where, timeout=CONNECT, set_as_default=False)


def _cause(error: BaseException | None) -> tuple[Kind, str, str]:
    """Return kind, words and worker of a task that failed."""
    if isinstance(error, KilledWorker):
        return "lost", "its worker died", str(getattr(error.last_worker, "address", error.last_worker))
    if isinstance(error, NoDataError):
        return "no data", str(error), ""
    return "oom" if is_out_of_memory(error) else "error", str(error), ""
