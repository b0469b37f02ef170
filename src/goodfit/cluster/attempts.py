"""What became of a run's attempts on a cluster, told from their journal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from goodfit.errors import RunFolderError
from goodfit.store.journal import Journal

FOLDER = "cluster"  # of a run: data, results on their way, attempts
ATTEMPTS_FILE = "attempts.jsonl"
_TROUBLE = ("lost", "oom", "timeout", "error")


def attempts_in_words(run: str | Path) -> str:
    """Return what a cluster did for a run, in a sentence; empty if none did, or its journal is damaged."""
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
