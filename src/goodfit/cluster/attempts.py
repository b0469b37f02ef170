"""What a cluster does for a run and what became of its attempts, told from the run's folder."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from goodfit.errors import RunFolderError
from goodfit.store.atomic import write_text
from goodfit.store.journal import Journal

FOLDER = "cluster"  # of a run: data, results on their way, attempts
ATTEMPTS_FILE = "attempts.jsonl"
NOW_FILE, NOW_EVERY = "now.json", 2.0  # what is under way, written again every so many seconds
_STALE = 10.0  # seconds after which it tells nothing of now
_TROUBLE = ("lost", "oom", "timeout", "error")


def write_now(folder: Path, threads: int, running: int, waiting: int) -> None:
    """Write down what is under way: threads of workers, tasks that they have, and tasks that wait."""
    now = {"threads": threads, "running": running, "waiting": waiting, "at": time.time()}
    with suppress(RunFolderError):  # a full disk has more to tell of
        write_text(folder / NOW_FILE, json.dumps(now))


def now_in_words(run: str | Path) -> str:
    """Return what is under way on a cluster for a run, in a sentence; empty if nothing is."""
    try:
        now = json.loads((Path(run) / FOLDER / NOW_FILE).read_text())
        if time.time() - now["at"] > _STALE:
            return ""
        tasks = f"{now['running']:,} task{'s' * (now['running'] != 1)} under way, {now['waiting']:,} waiting"
        return f"Now: {tasks}; {now['threads']:,} thread{'s' * (now['threads'] != 1)} of workers."
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def attempts_in_words(run: str | Path) -> str:
    """Return what a cluster did for a run, in a sentence or two; empty if none did."""
    return " ".join(told for told in (_done_in_words(run), now_in_words(run)) if told)


def _done_in_words(run: str | Path) -> str:
    try:
        records = Journal(Path(run) / FOLDER / ATTEMPTS_FILE).records()
    except RunFolderError as error:
        return str(error)
    if not records:
        return ""
    kinds = Counter(one["kind"] for one in records)
    seconds = sum(one["seconds"] for one in records if one["kind"] == "done")
    workers = {one["worker"] for one in records if one["kind"] == "done" and one["worker"]}
    trouble = [f"{kinds[kind]:,} {kind}" for kind in _TROUBLE if kinds[kind]]
    again = f"; {', '.join(trouble)}, and tried again" if trouble else "; none was lost"
    again += f"; {kinds['late']:,} late, and done by another meanwhile" if kinds["late"] else ""
    names = f"{len(workers):,} worker{'s' * (len(workers) != 1)}"
    return f"On a cluster: {kinds['done']:,} tasks done by {names} in {seconds:.0f} s of theirs{again}."
