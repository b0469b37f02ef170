"""What came of a study on a cluster, from what it and its workers wrote down."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from clusters.faults import Fault

Attempt = dict[str, Any]
_DONE = ("done", "late")


def lines_of(file: Path) -> list[dict[str, Any]]:
    """Return the records of a file of JSON lines; the last may be torn."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def trials_of(out: Path) -> list[dict[str, Any]]:
    """Return what became of every trial of a study."""
    from goodfit.search.story import read_story

    return read_story(out).trials


def table_of(out: Path) -> str:
    """Return a hash of the search's final table: every trial with its scores and steps."""
    rows = [(t["number"], t["text"], t["error"], t["loss"], t["step"], t["result"]) for t in trials_of(out)]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def process_of(attempt: Attempt) -> int | None:
    """Return the process that did a task; None if its result was found."""
    found = re.findall(r"process (\d+)", attempt["worker"])
    return int(found[0]) if found else None


def recoveries(faults: list[Fault], attempts: list[Attempt]) -> list[float]:
    """Return the seconds from the end of each fault until it was recovered from, where it was."""
    found = []
    for fault in faults:
        after = [
            one["at"] - fault.ended
            for one in attempts
            if one["kind"] in _DONE
            and one["at"] - one["seconds"] > fault.began
            and process_of(one) not in fault.unharmed
        ]
        found += [max(min(after), 0.0)] if after else []
    return found


def doubled(executions: list[dict[str, Any]]) -> tuple[int, float]:
    """Return how many times too many workers have done a task, and the seconds of that."""
    seconds = defaultdict(list)
    for one in executions:
        seconds[one["task"]].append(one["seconds"])
    again = [time for each in seconds.values() for time in each[1:]]
    return len(again), sum(again)


def figures(attempts: list[Attempt], executions: list[dict[str, Any]], faults: list[Fault]) -> dict[str, Any]:
    """Return what is told of a scenario's attempts and faults."""
    found = recoveries(faults, attempts)
    twice, again = doubled(executions)
    done = sorted(one["at"] for one in attempts if one["kind"] == "done")
    return {
        "faults": len(faults),
        "attempts": dict(Counter(one["kind"] for one in attempts)),
        "workers' seconds": round(sum(one["seconds"] for one in executions), 1),
        "lost seconds": round(sum(one["seconds"] for one in attempts if one["kind"] not in _DONE), 1),
        "twice": twice,
        "seconds twice": round(again, 1),
        "longest pause": round(max((b - a for a, b in pairwise(done)), default=0.0), 1),
        "recovered": len(found),
        "median recovery": round(median(found), 1) if found else None,
        "longest recovery": round(max(found), 1) if found else None,
    }
