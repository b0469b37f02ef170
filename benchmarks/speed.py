"""Speed: goodfit beside the libraries one would use otherwise, on the same work, to the same result.

    GOODFIT_DATA=… python benchmarks/speed.py [--row LETTERS] [--rounds 5]
    python benchmarks/speed.py --show

Rows (a) to (i) are told in `race/rows.py`: what is run, against whom, and the ratio that goodfit should
reach. In each round all contestants of a row run once, one at a time and in an order that moves on by one a
round, each in a process that lives over all rounds and has imported, loaded and compiled beforehand. A ratio
is their seconds by goodfit's in the same round; told are the median and both ends. It counts only where both
reached the same loss or accuracy.

In rows (a) to (d) and (i) all start from the same first weights and see the same batches, which peers are
handed beforehand while goodfit draws its own on the clock. goodfit watches for divergence, keeps the best
weights and masks short batches as always, and in (a), (b) and (d) clips gradients at a length that none has,
so that the cost of all this is paid. Who would take longer than 12 s (in the search of (f1) 20 s) does a
fraction of the members or candidates; seconds are scaled up, and the table says so.

Everything runs on two cores. All rows take about 40 minutes, and a row that would make it more than 45 ends
after fewer rounds; `--row` runs some, to their last round. Nothing else should run meanwhile. Rows (a), (c),
(d) and (i) train on MNIST where GOODFIT_DATA names a folder with it, else on noise of its shape; (e) needs
the table `letter` there. Records go to benchmarks/results/speed, and `--show` prints the tables of all that
there are. Needs `pip install torch==2.13.0` and then `pip install 'goodfit[bench]'`, in this order, or a
build of gigabytes may come. Who is not installed is left out.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from contest.records import say, write
from race.machine import use_cores
from race.rounds import run_row
from race.rows import Row, rows_for
from race.table import Passed, Table, counts, machine_line

RESULTS = Path(__file__).resolve().parent / "results"
SLACK = 1.1  # how many times its minutes a row may take where all are run: 45 minutes together


def work_of(row: Row, quick: bool) -> float:
    """Return a row's work in GFLOP by the usual count, 0 where it is not counted."""
    from race.task import task_of  # loads NumPy, which counts the cores

    return task_of(row.key, quick).flops / 1e9 if row.counted else 0.0


def show(rows: list[Row], folder: Path) -> None:
    """Print the tables of the records that there are."""
    machine = ""
    passed: Passed = []
    for row in rows:
        path = folder / f"{row.key}.json"
        if not path.exists():
            continue
        record: dict[str, Any] = json.loads(path.read_text())
        if machine_line(record) != machine:
            machine = machine_line(record)
            print(f"{machine}\n")
        table = Table(row, record, work_of(row, record["quick"]))
        print(f"{table.text()}\n", flush=True)
        passed += table.passed
    print(counts(passed))


def main() -> None:
    """Run the rows asked for and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--row", metavar="LETTERS", help="a, or several: abd; all unless given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--show", action="store_true", help="run nothing, print the records")
    options = parser.parse_args()
    try:
        rows = rows_for(options.row)
    except ValueError as error:
        parser.error(str(error))
    folder = RESULTS / ("speed-quick" if options.quick else "speed")
    if not options.show:
        use_cores()
        minutes = {row.key: row.minutes * options.rounds / 5 for row in rows}
        if not options.quick:
            say(f"{options.rounds} rounds of {len(rows)} rows: about {sum(minutes.values()):.0f} minutes")
        for row in rows:
            limit = math.inf if options.row else 60 * SLACK * minutes[row.key]
            write(folder / f"{row.key}.json", run_row(row, options.rounds, options.quick, limit))
    show(rows, folder)


if __name__ == "__main__":
    main()
