"""Contestants take turns: each in a process that lives over all rounds; one works while the others sleep."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from contest.records import failure, say

from race.arithmetic import Run, full_seconds
from race.machine import describe, sgemm_peak
from race.rows import Contestant, Row

LIMIT = 900.0  # seconds that a contestant may take to make itself ready, and for a round
T = TypeVar("T")


def rotated(items: Sequence[T], by: int) -> list[T]:
    """Return the items in turn, beginning ``by`` places later."""
    by %= len(items)
    return [*items[by:], *items[:by]]


class Lost(Exception):
    """A contestant cannot go on; says why."""


class Worker:
    """A contestant's process. ``folder`` is shared by a row's contestants and ends with the row."""

    def __init__(self, contestant: Contestant, row: str, quick: bool, folder: Path) -> None:
        here = str(Path(__file__).resolve().parents[1])
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])),
            "GOODFIT_CACHE": tempfile.mkdtemp(dir=folder),  # nothing compiled by an earlier run
            "TORCHINDUCTOR_CACHE_DIR": tempfile.mkdtemp(dir=folder),
            "RACE_FOLDER": str(folder),
        }
        command = [sys.executable, "-m", "race.worker", contestant.prepare, row, *["--quick"] * quick]
        self.log = tempfile.NamedTemporaryFile(dir=folder, suffix=".log", delete=False)  # noqa: SIM115
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log
        )

    def answer(self, limit: float = LIMIT) -> dict[str, Any]:
        """Return the next line that the process writes.

        Raises:
            Lost: it failed, ended, or took longer than ``limit`` seconds.
        """
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], limit)[0]:
            raise Lost(f"took more than {limit:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            last = Path(self.log.name).read_text(errors="replace").strip().splitlines()[-1:]
            raise Lost(failure(f"ended with {self._process.wait()}", " ".join(last)))
        found = json.loads(line)
        if "failed" in found:
            raise Lost(found["failed"])
        return found

    def race(self) -> Run:
        """Return the run of one round; raises `Lost` as `answer` does."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Lost("ended between two rounds") from None
        return self.answer()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self.log.close()


@contextlib.contextmanager
def started(row: Row, quick: bool) -> Iterator[tuple[dict[str, Worker], dict[str, str]]]:
    """Start a row's contestants, one after another; give those that are ready by name, and why others not."""
    workers: dict[str, Worker] = {}
    lost: dict[str, str] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            for contestant in row.contestants:
                began = time.perf_counter()
                worker = Worker(contestant, row.key, quick, Path(folder))
                workers[contestant.name] = worker
                try:
                    worker.answer()
                    say(f"    {contestant.name}: ready after {time.perf_counter() - began:.0f} s")
                except Lost as reason:
                    say(f"    {contestant.name}: left out, {reason}")
                    lost[contestant.name] = str(reason)
                    workers.pop(contestant.name).end()
            yield workers, lost
        finally:
            for worker in workers.values():
                worker.end()


def run_row(row: Row, rounds: int, quick: bool, limit: float = math.inf) -> dict[str, Any]:
    """Run a row's rounds and return its record: the machine, and by contestant its runs or why it failed.

    No round begins that would probably end more than ``limit`` seconds after the row's begin, but the first.
    """
    rounds = min(rounds, row.rounds or rounds)
    runs: dict[str, dict[int, Run]] = {c.name: {} for c in row.contestants}
    say(f"({row.key}) {row.title}: making ready")
    first, done = time.perf_counter(), 0
    with started(row, quick) as (workers, lost):
        for round_ in range(rounds):
            began, told, peak = time.perf_counter(), [], sgemm_peak()
            for contestant in rotated(row.contestants, round_):
                name = contestant.name
                if name not in workers:
                    continue
                try:
                    run = workers[name].race()
                except Lost as reason:
                    lost[name] = str(reason)
                    workers.pop(name).end()
                    continue
                before, peak = peak, sgemm_peak()
                runs[name][round_] = run | {"peak": max(before, peak), "load": os.getloadavg()[0]}
                told.append(f"{name} {full_seconds(run):.2f} s")
            done, took = round_ + 1, time.perf_counter() - began
            left = f", about {took * (rounds - round_ - 1):.0f} s to go" if round_ + 1 < rounds else ""
            say(f"    round {round_ + 1} of {rounds}, {took:.0f} s{left}: {', '.join(told)}")
            if time.perf_counter() - first + took > limit and done < rounds:
                say(f"    no more rounds: it would take longer than {limit:.0f} s")
                break
    return {
        "row": row.key,
        "quick": quick,
        "rounds": done,
        "machine": describe(),
        "runs": {name: {str(i): run for i, run in some.items()} for name, some in runs.items()},
        "lost": lost,
    }
