"""A scheduler, two workers and a study, each a process that can be killed, on one host or on two."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from clusters.hosts import ADDRESS, Hosts

DASK = [sys.executable, "-m", "dask"]
GOODFIT = [sys.executable, "-m", "goodfit", "fit", "digits", "--json", "--keep-sealed"]
SETTINGS = {  # what docs/guides/cluster.md tells to set
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "30s",
}
HIDE = 'mount -t tmpfs none "$0" && exec "$@"'  # the folder that follows
AGAIN = ["sh", "-c", 'while :; do "$@"; sleep 1; done', "again"]  # begun again whenever it ends
COUNTED = """
import json, os, time
from goodfit.cluster import worker
from goodfit.cluster.packing import name_of
def counted(task, folder, work=worker._work):
    began = time.time()
    found = work(task, folder)
    told = dict(task=name_of(task), pid=os.getpid(), seconds=time.time() - began)
    with open({file!r}, "a") as file:
        file.write(json.dumps(told) + chr(10))
    return found
if worker._work.__name__ != "counted":  # Dask runs this text twice
    worker._work = counted
"""


def free_port() -> int:
    """Return a port that no process listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Cluster:
    """A scheduler and two workers; a worker has a nanny, and whatever began that one begins it again.

    Args:
        home: where they write.
        preloads: texts that the workers run first.
        hosts: two hosts; the second worker is on the other one, and does not see ``out``. None: one host.
        out: of the study.
    """

    def __init__(self, home: Path, preloads: tuple[str, str], hosts: Hosts | None, out: Path) -> None:
        self.home, self.hosts, self.out = home, hosts, out
        self.address = f"tcp://{ADDRESS if hosts else '127.0.0.1'}:{free_port()}"
        self.executions = home / "executions.jsonl"
        self.workers: list[subprocess.Popen] = []
        self.scheduler = self.start_scheduler()
        for text in preloads:
            self.start_worker(text)

    def started(self, name: str, words: list[str]) -> subprocess.Popen:
        """Return a process, in a group of its own, that has begun."""
        with open(self.home / f"{name}.log", "a") as log:
            env = os.environ | SETTINGS
            return subprocess.Popen(words, stdout=log, stderr=log, env=env, start_new_session=True)

    def on(self, host: str) -> list[str]:
        """Return the words before a command that is to run on a host."""
        return self.hosts.on(host) if self.hosts else []

    def start_scheduler(self) -> subprocess.Popen:
        """Return a new scheduler."""
        host, port = self.address.removeprefix("tcp://").split(":")
        words = [*self.on("one"), *DASK, "scheduler", "--host", host, "--port", port, "--no-dashboard"]
        return self.started("scheduler", words)

    def start_worker(self, preload: str = "") -> None:
        """Add a worker, which runs the text ``preload`` first; the second is on the other host, if any."""
        place = len(self.workers)
        file = self.home / f"preload{place}.py"
        file.write_text(COUNTED.format(file=str(self.executions)) + preload)
        words = [
            *AGAIN,
            *DASK,
            "worker",
            self.address,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--preload",
            str(file),
        ]
        words += ["--local-directory", str(self.home / f"worker{place}")]
        if self.hosts and place == 1:
            self.out.mkdir(exist_ok=True)
            words = [*self.on("two"), "unshare", "--mount", "sh", "-c", HIDE, str(self.out), *words]
        else:
            words = [*self.on("one"), *words]
        self.workers.append(self.started(f"worker{place}", words))

    def processes(self, place: int | None = None) -> list[int]:
        """Return the processes that work, below their nannies: all, or those of one worker."""
        some = self.workers if place is None else [self.workers[place]]
        groups = ",".join(str(w.pid) for w in some)
        found = subprocess.run(["pgrep", "-g", groups, "-f", "spawn_main"], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def close(self) -> None:
        """End all."""
        for process in (*self.workers, self.scheduler):
            for way in (signal.SIGCONT, signal.SIGTERM):
                _send(process, way)
        until = time.time() + 10
        while time.time() < until and any(p.poll() is None for p in (*self.workers, self.scheduler)):
            time.sleep(0.2)
        for process in (*self.workers, self.scheduler):
            _send(process, signal.SIGKILL)
            process.wait()


def _send(process: subprocess.Popen, way: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, way)


class Study:
    """`goodfit fit` on the cluster, which can be killed and begun again."""

    def __init__(self, cluster: Cluster, budget: str) -> None:
        out = ["--budget", budget, "--out", str(cluster.out)]
        self.words = [*cluster.on("one"), *GOODFIT, *out, "--cluster", cluster.address]
        self.log = cluster.out.with_suffix(".log")
        self.start()

    def start(self) -> None:
        """Begin, or go on."""
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=log)

    def lasts(self, seconds: float) -> bool:
        """Wait for so long, or until it ends; tell whether it goes on."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False
