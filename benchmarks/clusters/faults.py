"""What befalls a study: a function a scenario, which returns the faults when the study has ended."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from clusters.processes import Cluster, Study

FULL = """
import errno, os
def full(handle):
    raise OSError(errno.ENOSPC, "No space left on device")
os.fsync = full
"""
POISON = """
import os
from goodfit.cluster.packing import unpack_task
def deadly(network, task):
    members, *told = unpack_task(network, task)
    if any(m.seed == 5 for m in members):
        os.kill(os.getpid(), 9)
    return members, *told
worker.unpack_task = deadly
"""


class Fault(NamedTuple):
    """Something that went wrong from ``began`` to ``ended``.

    It is recovered from once a task is done, or found to be, that was begun after it had begun, by a process
    that is none of ``unharmed``.
    """

    began: float
    ended: float
    unharmed: tuple[int, ...] = ()


Scenario = Callable[[Cluster, Study, random.Random, int], list[Fault]]


def nothing(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> list[Fault]:
    """Let the study end."""
    study.process.wait()
    return []


def kill_workers(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> list[Fault]:
    """Kill any of the workers again and again."""
    faults = []
    while study.lasts(rng.uniform(0.5, 6.0)):
        alive = cluster.processes()
        if len(faults) < instants and alive:
            os.kill(rng.choice(alive), signal.SIGKILL)
            faults.append(Fault(time.time(), time.time(), tuple(alive)))
    return faults


def kill_client(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> list[Fault]:
    """Kill the study again and again; its command is repeated."""
    faults = []
    while study.lasts(rng.uniform(4.0, 12.0)):
        if len(faults) < instants:
            study.process.kill()
            study.process.wait()
            faults.append(Fault(time.time(), time.time()))
            study.start()
    return faults


def kill_scheduler(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> list[Fault]:
    """Kill the scheduler now and then; a new one takes its place after a second."""
    faults = []
    while study.lasts(rng.uniform(25.0, 40.0)):
        if len(faults) < instants:
            cluster.scheduler.kill()
            cluster.scheduler.wait()
            faults.append(Fault(time.time(), time.time()))
            time.sleep(1.0)
            cluster.scheduler = cluster.start_scheduler()
    return faults


def freeze(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> list[Fault]:
    """Stop a worker for a minute."""
    study.lasts(rng.uniform(8.0, 14.0))
    alive = cluster.processes()
    frozen, began = rng.choice(alive), time.time()
    os.kill(frozen, signal.SIGSTOP)
    study.lasts(60)
    with suppress(ProcessLookupError):  # its nanny may have ended it
        os.kill(frozen, signal.SIGCONT)
    study.process.wait()
    return [Fault(began, began, tuple(pid for pid in alive if pid != frozen))]


def cut_link(cluster: Cluster, study: Study, rng: random.Random, seconds: float) -> list[Fault]:
    """Cut the link between the two hosts for so long."""
    assert cluster.hosts is not None
    study.lasts(rng.uniform(10.0, 16.0))
    here, began = tuple(cluster.processes(0)), time.time()
    cluster.hosts.cut()
    study.lasts(seconds)
    cluster.hosts.restore()
    fault = Fault(began, time.time(), here)
    study.process.wait()
    return [fault]


def cut_shortly(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> list[Fault]:
    """Cut the link for less time than a connection lives without an answer."""
    return cut_link(cluster, study, rng, 20)


def cut_long(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> list[Fault]:
    """Cut the link until both sides have given each other up."""
    return cut_link(cluster, study, rng, 90)


SCENARIOS: dict[str, tuple[Scenario, tuple[str, str]]] = {
    "calm": (nothing, ("", "")),
    "worker": (kill_workers, ("", "")),
    "client": (kill_client, ("", "")),
    "scheduler": (kill_scheduler, ("", "")),
    "frozen": (freeze, ("", "")),
    "full": (nothing, (FULL, "")),
    "poison": (nothing, (POISON, POISON)),
    "apart": (nothing, ("", "")),
    "link": (cut_shortly, ("", "")),
    "link-long": (cut_long, ("", "")),
}
ON_TWO_HOSTS = ("apart", "link", "link-long")
