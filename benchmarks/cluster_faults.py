"""What faults do to a study on a cluster: processes killed, frozen, poisoned; results lost, work done twice.

    python benchmarks/cluster_faults.py [--only worker,client …] [--instants 50] [--budget "12000 steps"]

A Dask scheduler and two workers run as processes of their own. `goodfit fit digits` on them must end with the
model of a run in one process, bit for bit, whatever happens:

    calm        nothing
    worker      kill -9 of a worker at random instants
    client      kill -9 of the study at random instants; its command is repeated
    scheduler   kill -9 of the scheduler once; a new one takes its place
    frozen      a worker stopped for 60 s, which then goes on
    full        one worker whose disk is full
    poison      a network that kills every worker that trains it: set aside, the others finish

Told for each: seconds, faults, attempts by outcome, tasks computed twice, whether the end is the same. The
poisoned network's study has another end, of course.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

DASK = [sys.executable, "-m", "dask"]
GOODFIT = [sys.executable, "-m", "goodfit", "fit", "digits", "--json", "--keep-sealed"]
PORT = 8791
ADDRESS = f"tcp://127.0.0.1:{PORT}"
FULL = """
from goodfit.cluster import worker
from goodfit.errors import RunFolderError
def full(path, data):
    raise RunFolderError("No space left on device.")
worker.write_bytes = full
"""
POISON = """
import os
from goodfit.cluster import worker
from goodfit.cluster.packing import unpack_task
def deadly(network, task):
    members, *told = unpack_task(network, task)
    if any(m.seed == 5 for m in members):
        os.kill(os.getpid(), 9)
    return members, *told
worker.unpack_task = deadly
"""


class Cluster:
    """A scheduler and two workers, each a process with a nanny that starts it again."""

    def __init__(self, home: Path, preloads: tuple[str, str] = ("", "")) -> None:
        self.home = home
        self.workers: list[subprocess.Popen] = []
        self.scheduler = self.start_scheduler()
        for text in preloads:
            self.start_worker(text)

    def started(self, name: str, *words: str) -> subprocess.Popen:
        """Return a process of Dask's that has begun."""
        log = open(self.home / f"{name}.log", "a")  # noqa: SIM115
        env = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
        return subprocess.Popen([*DASK, *words], stdout=log, stderr=log, env=env)

    def start_scheduler(self) -> subprocess.Popen:
        """Return a new scheduler."""
        found = self.started("scheduler", "scheduler", "--port", str(PORT), "--no-dashboard")
        time.sleep(3)
        return found

    def start_worker(self, preload: str = "") -> None:
        """Add a worker, which runs the text ``preload`` first."""
        words = ["worker", ADDRESS, "--nthreads", "1", "--no-dashboard"]
        if preload:
            file = self.home / f"preload{len(self.workers)}.py"
            file.write_text(preload)
            words += ["--preload", str(file)]
        words += ["--local-directory", str(self.home)]
        self.workers.append(self.started(f"worker{len(self.workers)}", *words))

    def processes(self) -> list[int]:
        """Return the processes that work, below their nannies."""
        parents = ",".join(str(w.pid) for w in self.workers)
        found = subprocess.run(["pgrep", "-P", parents, "-f", "spawn_main"], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def close(self) -> None:
        """End all."""
        for pid in self.processes():
            os.kill(pid, signal.SIGCONT)
        for process in (*self.workers, self.scheduler):
            process.terminate()
        for process in (*self.workers, self.scheduler):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


class Study:
    """`goodfit fit` on the cluster, which can be killed and begun again."""

    def __init__(self, out: Path, budget: str) -> None:
        self.words = [*GOODFIT, "--budget", budget, "--out", str(out), "--cluster", ADDRESS]
        self.log = open(out.with_suffix(".log"), "a")  # noqa: SIM115
        self.start()

    def start(self) -> None:
        """Begin, or go on."""
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=self.log)

    def runs(self) -> bool:
        """Tell whether it goes on."""
        return self.process.poll() is None


def nothing(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> int:
    study.process.wait()
    return 0


def kill_workers(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> int:
    faults = 0
    while study.runs():
        time.sleep(rng.uniform(0.5, 6.0))
        alive = cluster.processes()
        if faults < instants and alive and study.runs():
            os.kill(rng.choice(alive), signal.SIGKILL)
            faults += 1
    return faults


def kill_client(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> int:
    faults = 0
    while study.runs():
        time.sleep(rng.uniform(4.0, 12.0))
        if faults < instants and study.runs():
            study.process.kill()
            study.process.wait()
            study.start()
            faults += 1
    return faults


def kill_scheduler(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> int:
    time.sleep(rng.uniform(8.0, 14.0))
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    cluster.scheduler = cluster.start_scheduler()
    cluster.start_worker()  # the others may have ended with their scheduler
    cluster.start_worker()
    study.process.wait()
    return 1


def freeze(cluster: Cluster, study: Study, rng: random.Random, instants: int) -> int:
    time.sleep(rng.uniform(8.0, 14.0))
    pid = rng.choice(cluster.processes())
    os.kill(pid, signal.SIGSTOP)
    time.sleep(60)
    os.kill(pid, signal.SIGCONT)
    study.process.wait()
    return 1


SCENARIOS: dict[str, tuple[Callable[..., int], tuple[str, str]]] = {
    "calm": (nothing, ("", "")),
    "worker": (kill_workers, ("", "")),
    "client": (kill_client, ("", "")),
    "scheduler": (kill_scheduler, ("", "")),
    "frozen": (freeze, ("", "")),
    "full": (nothing, (FULL, "")),
    "poison": (nothing, (POISON, POISON)),
}


def trials_of(out: Path) -> list[dict[str, Any]]:
    """Return what became of every trial of a study."""
    from goodfit.search.story import read_story

    return read_story(out).trials


def table_of(out: Path) -> str:
    """Return a hash of the search's final table: every trial with its scores and steps."""
    rows = [(t["number"], t["text"], t["error"], t["loss"], t["step"], t["result"]) for t in trials_of(out)]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def measured(
    name: str, home: Path, budget: str, instants: int, expected: tuple[str, bytes]
) -> dict[str, Any]:
    """Run one scenario and return what came of it."""
    fault, preloads = SCENARIOS[name]
    cluster = Cluster(home, preloads)
    out, began = home / name, time.time()
    try:
        study = Study(out, budget)
        faults = fault(cluster, study, random.Random(name), instants)
        seconds = time.time() - began
    finally:
        cluster.close()
    attempts = [json.loads(line) for line in (out / "cluster" / "attempts.jsonl").read_text().splitlines()]
    computed = Counter(one["task"] for one in attempts if one["kind"] == "done" and one["text"] != "found")
    model = (out / "model.safetensors").read_bytes() if study.process.returncode == 0 else b""
    return {
        "scenario": name,
        "exit": study.process.returncode,
        "seconds": round(seconds, 1),
        "faults": faults,
        "attempts": dict(Counter(one["kind"] for one in attempts)),
        "twice": sum(n - 1 for n in computed.values()),
        "set aside": [t["number"] for t in trials_of(out) if t["result"].startswith("set aside")],
        "same table": bool(model) and table_of(out) == expected[0],
        "same model": model == expected[1],
    }


def main() -> None:
    """Run the scenarios and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SCENARIOS))
    parser.add_argument("--instants", type=int, default=50)
    parser.add_argument("--budget", default="12000 steps")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp())
    subprocess.run(
        [*GOODFIT, "--budget", args.budget, "--out", str(home / "here")], capture_output=True, check=True
    )
    expected = table_of(home / "here"), (home / "here" / "model.safetensors").read_bytes()
    for name in args.only.split(","):
        print(json.dumps(measured(name, home, args.budget, args.instants, expected)), flush=True)
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
