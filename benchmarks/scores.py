"""Scores of the main job on real data: sealed test scores, mean over seeds, through the command line.

    GOODFIT_DATA=… python benchmarks/scores.py [NAME …] [--seeds 5] [--out goodfit-runs/scores]

Each run is `goodfit fit NAME --budget … --seed … --json` in a fresh process. Finished runs are not repeated:
delete their folder to measure again. Beside each mean stands how long the runs took from process start to the
end of the search, and in all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

BUDGETS = {
    "digits": "45s",
    "letter": "60s",
    "diamonds": "60s",
    "penguins": "20s",
    "soybean": "30s",
    "house_votes_84": "20s",
    "mnist": "5min",
}
ONE_SEED = ("soybean", "house_votes_84", "mnist")


def fit(name: str, seed: int, out: Path) -> dict:
    """Return the result of one run, with the seconds that the whole process took."""
    folder = out / f"{name}-{seed}"
    command = [sys.executable, "-m", "goodfit", "fit", name, "--budget", BUDGETS[name]]
    start = time.time()
    done = subprocess.run(
        [*command, "--seed", str(seed), "--out", str(folder), "--json"], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{name}, seed {seed}: {done.stderr.strip()}")
    return {**json.loads(done.stdout), "process_seconds": time.time() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=list(BUDGETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("goodfit-runs/scores"))
    options = parser.parse_args()
    print(f"{'data':16}{'budget':>8}{'sealed, mean':>14}{'search s':>10}{'process s':>11}  by seed")
    for name in options.names:
        runs = [fit(name, seed, options.out) for seed in range(1 if name in ONE_SEED else options.seeds)]
        tests = [run["test"] for run in runs]
        each = ", ".join(f"{t['score']:.4f} [{t['low']:.4f}, {t['high']:.4f}]" for t in tests)
        search = statistics.mean(run["seconds"] for run in runs)
        whole = statistics.mean(run["process_seconds"] for run in runs)
        mean = statistics.mean(t["score"] for t in tests)
        print(f"{name:16}{BUDGETS[name]:>8}{mean:14.4f}{search:10.1f}{whole:11.1f}  {each}", flush=True)


if __name__ == "__main__":
    main()
