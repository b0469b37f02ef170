"""What a worker does: take a task, train its chunk, hand back where the members stand."""

from __future__ import annotations

import os
import platform
import signal
from pathlib import Path
from typing import NamedTuple

from goodfit.cluster.packing import name_of, pack_result, problem_of, unpack_problem, unpack_task
from goodfit.engine.population import Population
from goodfit.engine.program import use_cache
from goodfit.errors import NoDataError, RunFolderError
from goodfit.store.atomic import write_bytes

_populations: dict[str, Population] = {}  # by the name of their data; one at a time
_resting: set[str] = set()  # problems whose tasks are to rest where they stand


def has(problem: str) -> bool:
    """Tell whether the data of a problem are here."""
    return problem in _populations


def receive(content: bytes) -> None:
    """Keep the data that tasks are about, as `goodfit.cluster.packing.pack_problem` packed them."""
    use_cache()
    _populations.clear()
    _populations[name_of(content)] = unpack_problem(content)


async def receive_now(content: bytes) -> None:
    """`receive`, in a form that Dask can ask for without waiting."""
    receive(content)


async def rest_now(problem: str, resting: bool) -> None:
    """`rest`, in a form that Dask can ask for without waiting."""
    rest(problem, resting)


def rest(problem: str, resting: bool) -> None:
    """Let tasks about these data rest where they stand, or no longer."""
    (_resting.add if resting else _resting.discard)(problem)


class Receipt(NamedTuple):
    """Who ran a task, and its result; None if it was written into the shared folder."""

    worker: str
    content: bytes | None


def dask_setup(worker: object) -> None:
    """Leave a Ctrl-C, which reaches all processes of a terminal, to the study that this worker is of."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def work(task: bytes, folder: str | None) -> Receipt:
    """Run a task.

    Raises:
        NoDataError: the data have to be sent first.
        MemoryError: there is too little memory.
        RuntimeError: anything else, in words: what is raised has to travel, whatever it holds.
    """
    try:
        return _work(task, folder)
    except (MemoryError, NoDataError):
        raise
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    raise RuntimeError(failure)


def _work(task: bytes, folder: str | None) -> Receipt:
    problem = problem_of(task)
    population = _population(problem, folder)
    members, legs, population.chunk = unpack_task(population.network, task)
    population.advance(members, legs, should_stop=lambda: problem in _resting)
    result = pack_result(members)
    rests = problem in _resting  # then the result is not what the task's name stands for
    if folder is not None and not rests and problem_file(folder, problem).exists():  # no other of that path
        try:
            write_bytes(result_file(folder, name_of(task)), result)
            return Receipt(_me(), None)
        except RunFolderError:  # a full disk here: the way back is still open
            pass
    return Receipt(_me(), result)


def _me() -> str:
    return f"process {os.getpid()} on {platform.node()}"


def _population(problem: str, folder: str | None) -> Population:
    if problem not in _populations:
        try:
            content = problem_file(folder or "", problem).read_bytes()
        except OSError:
            content = b""
        if name_of(content) != problem:
            raise NoDataError("the rows are not here")
        receive(content)
    return _populations[problem]


def problem_file(folder: str | Path, problem: str) -> Path:
    """Return where the data of a problem lie in a shared folder."""
    return Path(folder) / f"data-{problem}"


def result_file(folder: str | Path, name: str) -> Path:
    """Return where the result of a task lies in a shared folder."""
    return Path(folder) / f"result-{name}"
