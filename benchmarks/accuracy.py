"""Accuracy on real tables under equal wall clock: goodfit, boosting, other networks, a linear model.

    GOODFIT_DATA=… python benchmarks/accuracy.py [--names a,b,…] [--methods a,b,…] [--again]
    python benchmarks/accuracy.py --show

Accuracy
--------
The tables are any folder of Parquet files with an `index.json` that gives each one's name, file, target
and task (binary, multiclass or regression): `--tables FOLDER`, by default the folder `tables` of
GOODFIT_DATA. A table is split into 75 % to train on and 25 % to test on, by classes in their shares,
with seeds 0, 1, … (`--splits`); the test part depends on the seed alone and is the same for everybody.

Everybody gets `--seconds` (30) of wall clock a fit on two cores, the search for hyper-parameters, the
refit and compiling included, importing not. Each fit is a process of its own, and one that takes four
times its budget is ended and recorded as such. The methods (`contest/methods.py`):

- goodfit: `TabularClassifier` and `TabularRegressor`, with `budget` and nothing else, on the frame as
  it was read.
- histgb, xgboost, lightgbm, catboost: a random search that starts with the library's defaults, early
  stopping, the best candidate trained again on all rows (`contest/search.py`, `contest/boosters.py`,
  `contest/learners.py`).
- sklearn-mlp and linear: the same search on imputed, scaled and one-hot columns.
- realmlp, tabm: pytabkit's defaults, with as many epochs as fit; averaged over five folds where time is
  left (`contest/networks.py`).
- realmlp-256: RealMLP's full 256 epochs on two tables, however long they take; a column apart.

A run's record, one small file a table, split and method, goes to benchmarks/records/accuracy-30s; runs
that are recorded are not repeated, except with `--again`. `--show` reads the records alone: mean ranks,
wins, normalised scores, times, each table's scores with 95 % intervals, where goodfit lies behind the
linear model by more than its interval, and a critical-difference figure in build/accuracy/cd.png. A run
that failed ranks last on its table. Needs `pip install 'goodfit[bench]'`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from contest import records
from contest.methods import APART, NAMES, PACKAGES, WITHIN

TABLES = (
    *("letter", "satellite", "spam", "keel_magic", "keel_phoneme", "mlc_churn"),
    *("credit_spain", "diamonds", "concrete", "bikeshare", "ames_housing", "stackoverflow_salary"),
)
CORES = 2
LIMIT, LIMIT_APART = 4, 60  # how many budgets until a run is ended
STARTING = 60  # seconds for importing, reading and predicting, on top
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def run_here(options: argparse.Namespace, table: str, split: int, method: str) -> dict[str, Any]:
    """Make one run in this process and return what is recorded of it."""
    from contest import scores
    from contest.methods import get_method
    from contest.search import Clock
    from contest.tables import load_problem, read_index

    fit = get_method(method)
    problem = load_problem(options.tables, read_index(options.tables)[table], split)
    found: dict[str, Any] = {"task": problem.task, "rows": [len(problem.y_train), len(problem.y_test)]}
    clock = Clock(options.seconds)
    fitted = fit(problem, clock)
    found["fit_seconds"] = clock.used()
    x = problem.raw_test if fitted.raw else problem.x_test
    clock = Clock(options.seconds)
    answer = (fitted.labels or fitted.predict)(x)
    found["predict_seconds"] = clock.used()
    if not problem.classification:
        found["scores"] = scores.number_scores(problem.y_test, answer)
    elif fitted.labels:
        found["scores"] = scores.class_scores(problem.y_test, answer, fitted.predict(x))
    else:
        found["scores"] = scores.class_scores(problem.y_test, answer.argmax(axis=1), answer)
    return found | fitted.info


def run_one(options: argparse.Namespace) -> None:
    """Make one run and write its record; a failure is one too."""
    table, split, method = options.one[0], int(options.one[1]), options.one[2]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    record: dict[str, Any] = {
        "table": table,
        "split": split,
        "seed": split,
        "method": method,
        "status": "done",
    }
    record |= {"seconds": options.seconds, "versions": records.versions(PACKAGES[method])}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    try:
        record |= run_here(options, table, split, method)
    except Exception as error:
        record |= {"status": "failed", "message": records.failure(type(error).__name__, str(error))}
    record["load_before"] = load
    records.write(records.path_of(options.records, table, split, method), record)


def launch(options: argparse.Namespace, table: str, split: int, method: str) -> None:
    """Make one run in a fresh process; record its end where it cannot."""
    path = records.path_of(options.records, table, split, method)
    path.unlink(missing_ok=True)
    command = [
        sys.executable,
        __file__,
        "--one",
        table,
        str(split),
        method,
        "--seconds",
        str(options.seconds),
    ]
    command += ["--tables", str(options.tables), "--records", str(options.records)]
    limit = options.seconds * (LIMIT_APART if method in APART else LIMIT) + STARTING
    environment = os.environ | dict.fromkeys(THREADS, str(CORES))
    environment["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that spin are slowed tenfold by any other work
    with tempfile.TemporaryDirectory() as empty:
        environment["GOODFIT_CACHE"] = empty  # no programs compiled by an earlier run
        process = subprocess.Popen(
            command, env=environment, cwd=empty, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _, said = process.communicate(timeout=limit)
            status, message = (
                "failed",
                f"ended with {process.returncode}: {said.decode(errors='replace')[-200:]}",
            )
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            status, message = "timeout", f"ended after {limit:g} s"
    if not path.exists():
        record: dict[str, Any] = {"table": table, "split": split, "seed": split, "method": method}
        record |= {
            "seconds": options.seconds,
            "status": status,
            "message": records.failure("process", message),
        }
        records.write(path, record | {"versions": records.versions(PACKAGES[method])})


def wanted(options: argparse.Namespace) -> list[tuple[str, int, str]]:
    """Return the runs that are still to be made: all methods on one split before the next."""
    runs = []
    for table in options.names:
        for split in range(options.splits):
            for method in options.methods:
                there = records.path_of(options.records, table, split, method).exists()
                if (options.again or not there) and table in APART.get(method, (table,)):
                    runs.append((table, split, method))
    return runs


def run_missing(options: argparse.Namespace) -> None:
    """Make the runs that are not recorded, telling which and how long the rest will take."""
    runs, began = wanted(options), time.perf_counter()
    for done, (table, split, method) in enumerate(runs):
        each = (time.perf_counter() - began) / done if done else 1.15 * options.seconds
        left = each * (len(runs) - done) / 60
        records.say(f"[{done + 1}/{len(runs)}] {table} {split} {method}: about {left:.0f} min to go")
        launch(options, table, split, method)
        record = records.read_one(records.path_of(options.records, table, split, method))
        records.say("    " + records.summary(record))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tables", type=Path, help="a folder of Parquet tables with an index.json")
    parser.add_argument("--names", type=lambda t: t.split(","), default=list(TABLES), help="a,b,…")
    parser.add_argument("--methods", type=lambda t: t.split(","), default=list(NAMES), help="a,b,…")
    parser.add_argument("--seconds", type=float, default=30.0, help="wall clock of a fit")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--records", type=Path, help="default: benchmarks/records/accuracy-30s")
    parser.add_argument("--again", action="store_true", help="repeat runs that are recorded")
    parser.add_argument("--show", action="store_true", help="run nothing")
    parser.add_argument("--figure", type=Path, default=Path("build/accuracy/cd.png"))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    usual = Path(__file__).parent / "records" / f"accuracy-{options.seconds:g}s"
    options.records = (options.records or usual).resolve()
    unknown = [m for m in options.methods if m not in NAMES]
    if unknown:
        parser.error(f"there is no method {unknown[0]!r}: {', '.join(NAMES)}")
    return options


def main() -> None:
    """Run what is missing, then show all records."""
    options = parse()
    if not options.show:
        from contest.tables import data_folder, read_index

        options.tables = (options.tables or data_folder()).resolve()
        if options.one:
            run_one(options)
            return
        index = read_index(options.tables)
        unknown = [name for name in options.names if name not in index]
        if unknown:
            raise SystemExit(f"The index has no table {unknown[0]!r}: {', '.join(index)}.")
        run_missing(options)
    from contest.show import show

    show(records.read(options.records), WITHIN, options.figure)


if __name__ == "__main__":
    main()
