"""What faults do to a study on a cluster: processes killed, frozen, poisoned; results lost, work done twice.

    python benchmarks/cluster_faults.py [--only worker,client …] [--instants 50] [--budget "60000 steps"]

A Dask scheduler and two workers run as processes of their own. `goodfit fit digits` on them must end with the
model of a run in one process, bit for bit, whatever happens. A worker that ends is begun again.

    calm        nothing
    worker      kill -9 of a worker at random instants
    client      kill -9 of the study at random instants; its command is repeated
    scheduler   kill -9 of the scheduler now and then; a new one takes its place
    frozen      a worker stopped for 60 s, which then goes on
    full        one worker whose disk is full
    poison      a network that kills every worker that trains it: set aside, the others finish
    apart       two hosts in network namespaces, the second of which does not see the run's folder
    link        the same, and the link between them is cut for 20 s
    link-long   the same for 90 s

Told for each: seconds; faults; attempts by outcome; seconds of attempts that came to nothing; tasks that
workers computed twice, whoever asked, and the seconds of that; the longest time without a task done; from a
fault (the end of it, for a link) until a task is done that was begun after it by a process that it had struck
or that is new; whether the end is the same. The poisoned network's study has another end, of course. Hosts
need Linux and root.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import tempfile
import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from clusters.faults import ON_TWO_HOSTS, SCENARIOS
from clusters.hosts import Hosts, hosts_can_be_made
from clusters.processes import GOODFIT, Cluster, Study
from clusters.told import figures, lines_of, table_of, trials_of


def measured(
    name: str, home: Path, budget: str, instants: int, expected: tuple[str, bytes]
) -> dict[str, Any]:
    """Run one scenario and return what came of it."""
    fault, preloads = SCENARIOS[name]
    own, out = home / name, home / name / "run"
    own.mkdir()
    with closing(Hosts()) if name in ON_TWO_HOSTS else nullcontext() as hosts:
        cluster = Cluster(own, preloads, hosts, out)
        try:
            began = time.time()
            study = Study(cluster, budget)
            faults = fault(cluster, study, random.Random(name), instants)
            seconds = time.time() - began
        finally:
            cluster.close()
    model = (out / "model.safetensors").read_bytes() if study.process.returncode == 0 else b""
    told = {"scenario": name, "exit": study.process.returncode, "seconds": round(seconds, 1)}
    told |= figures(lines_of(out / "cluster" / "attempts.jsonl"), lines_of(cluster.executions), faults)
    return told | {
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
    parser.add_argument("--budget", default="60000 steps")
    parser.add_argument("--keep", type=Path, help="a folder for all that is written, which is kept")
    args = parser.parse_args()
    names = args.only.split(",")
    home = args.keep or Path(tempfile.mkdtemp())
    here = home / "here"
    here.mkdir(parents=True)
    began = time.time()
    subprocess.run([*GOODFIT, "--budget", args.budget, "--out", str(here)], capture_output=True, check=True)
    print(json.dumps({"scenario": "one process", "seconds": round(time.time() - began, 1)}), flush=True)
    expected = table_of(here), (here / "model.safetensors").read_bytes()
    for name in names:
        if name in ON_TWO_HOSTS and not hosts_can_be_made():
            print(json.dumps({"scenario": name, "skipped": "hosts need Linux and root"}), flush=True)
            continue
        print(json.dumps(measured(name, home, args.budget, args.instants, expected)), flush=True)
    if args.keep is None:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
