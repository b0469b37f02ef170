"""A study whose disk fails at every operation, whose process is killed, whose files are lost or altered."""

from __future__ import annotations

import builtins
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from goodfit.engine.population import Population
from goodfit.engine.program import use_cache
from goodfit.errors import RunFolderError
from goodfit.network import Network
from goodfit.search.budget import Budget
from goodfit.search.folds import make_folds
from goodfit.search.plan import Settings
from goodfit.search.recipes import default_optimizers, recipe_space
from goodfit.search.search import Search
from goodfit.search.space import Space, choice
from goodfit.search.story import JOURNAL, read_story
from goodfit.search.study import Study
from goodfit.store import atomic, journal

SPACE = recipe_space(
    Space({"hidden": choice((4,), (6,)), "optimizer": default_optimizers("AdamW"), "batch_size": 32})
)


def search(
    folder: Path | None, *, members: int = 20, full_run: int = 9, folds: int | None = None, **told
) -> Search:
    use_cache()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    train = x[:100], y[:100]
    judges = (*train, np.ones((1, 100))) if folds else (x[100:], y[100:], np.ones((1, 50)))
    population = Population(Network(3, 2), *train, holdout=judges)
    settings = Settings(Budget(members=members), 0, full_run)
    cut = make_folds(folds, y[:100]) if folds else None
    return Search(population, SPACE, settings, Study(folder, population.network), folds=cut, **told)


def table(run: Search) -> list:
    trials = run.run()
    return [(t.number, sorted(t.point.items()), t.error, t.loss, t.step, t.keys) for t in trials]


class Crash(BaseException):
    """The process ends here; nothing is cleaned up."""


class Faults:
    """Lets ``allowed`` operations on the disk pass and fails from then on; a write fails half done."""

    def __init__(self, monkeypatch, allowed: int, failure: BaseException) -> None:
        self.left, self.failure, self.calls = allowed, failure, 0
        for module in (atomic, journal):
            monkeypatch.setattr(module, "os", self)
        monkeypatch.setattr(journal, "open", self._open, raising=False)

    def __getattr__(self, name):
        found = getattr(os, name)
        if name in ("fsync", "replace"):
            return lambda *a: self._count() or found(*a)
        if name == "fdopen":
            return lambda *a: _File(found(*a), self)
        return found

    def _open(self, *a):
        return _File(builtins.open(*a), self)

    def _count(self):
        self.calls += 1
        if self.calls > self.left:
            raise self.failure


class _File:
    def __init__(self, file, faults) -> None:
        self._file, self._faults = file, faults

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self._file.close()

    def write(self, data):
        try:
            self._faults._count()
        except BaseException:
            self._file.write(data[: len(data) // 2])
            raise
        return self._file.write(data)


FAILURES = {
    "disk full": OSError(errno.ENOSPC, "No space left on device"),
    "crash": Crash(),
}


@pytest.mark.slow
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_every_operation_may_fail(tmp_path, monkeypatch, failure):
    fail_at(tmp_path, monkeypatch, failure, every=1)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_one_operation_in_seven_may_fail(tmp_path, monkeypatch, failure):
    fail_at(tmp_path, monkeypatch, failure, every=7)


def fail_at(tmp_path, monkeypatch, failure, *, every):
    expected = table(search(None))
    (tmp_path / "whole").mkdir()
    with monkeypatch.context() as patch:
        faults = Faults(patch, 10**9, failure)
        assert table(search(tmp_path / "whole")) == expected
    assert faults.calls > 30
    for allowed in range(0, faults.calls, every):
        folder = tmp_path / str(allowed)
        folder.mkdir()
        with monkeypatch.context() as patch:
            Faults(patch, allowed, failure)
            with pytest.raises(Crash if failure is FAILURES["crash"] else RunFolderError):
                table(search(folder))
        acknowledged = journal.Journal(folder / "journal-search.jsonl").records()
        assert table(search(folder)) == expected, f"after operation {allowed}"
        assert journal.Journal(folder / "journal-search.jsonl").records()[: len(acknowledged)] == acknowledged


SCRIPT = """
import sys; sys.path.insert(0, {here!r})
from pathlib import Path
from test_study import search, table
print(repr(table(search(Path({folder!r}), members=200, full_run=900))))
"""


@pytest.mark.slow
def test_sixty_kills_lose_nothing(tmp_path):
    expected = repr(table(search(None, members=200, full_run=900)))
    rng, kills = np.random.default_rng(0), 0
    script = SCRIPT.format(here=str(Path(__file__).parent), folder=str(tmp_path))
    records: list = []
    while kills < 60:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        time.sleep(rng.uniform(0.3, 3.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.returncode == 0:  # it came to its end: begin another
            for path in sorted(tmp_path.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            records = []
            continue
        kills += 1
        found = journal.Journal(tmp_path / "journal-search.jsonl").records()
        assert found[: len(records)] == records
        records = found
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def whole(folder: Path, **how) -> tuple[list, bytes]:
    """Make a study; return its table and its journal."""
    folder.mkdir()
    return table(search(folder, **how)), (folder / JOURNAL).read_bytes()


@pytest.mark.slow
def test_a_journal_torn_at_any_byte_of_its_last_lines(tmp_path):
    tear(tmp_path, every=1)


def test_a_journal_torn_somewhere_in_its_last_lines(tmp_path):
    tear(tmp_path, every=23)


def tear(tmp_path, *, every):
    expected, written = whole(tmp_path / "study", members=5)
    start = len(written) - sum(map(len, written.splitlines(keepends=True)[-2:]))
    for size in range(start, len(written), every):
        (tmp_path / "study" / JOURNAL).write_bytes(written[:size])
        assert table(search(tmp_path / "study", members=5)) == expected, f"cut at byte {size}"
        lines = (tmp_path / "study" / JOURNAL).read_bytes().splitlines()
        assert len(lines) == written.count(b"\n")


def test_a_killed_study_is_told_as_one_that_goes_on(tmp_path):
    _, written = whole(tmp_path / "study")
    lines = written.splitlines(keepends=True)
    assert read_story(tmp_path / "study").ended
    for kept in range(1, len(lines)):
        (tmp_path / "study" / JOURNAL).write_bytes(b"".join(lines[:kept]))
        assert not read_story(tmp_path / "study").ended, f"{kept} of {len(lines)} records"


def test_members_that_are_lost_or_damaged_are_trained_again(tmp_path):
    expected, written = whole(tmp_path / "study", folds=2)
    lines = written.splitlines(keepends=True)
    members = {p: p.read_bytes() for p in (tmp_path / "study" / "members").iterdir()}
    costs = {json.loads(line).get("costs") for line in lines}
    states = [path for path in members if path.stem not in costs]
    for kept in (2, 4, len(lines)):
        (tmp_path / "study" / JOURNAL).write_bytes(b"".join(lines[:kept]))
        for path in states[::2]:
            path.unlink(missing_ok=True)  # those of no more use were not made again
        for path in states[1::2]:
            path.write_bytes(members[path][:-1] + bytes([members[path][-1] ^ 1]))
        told = []
        run = search(tmp_path / "study", folds=2, tell=lambda kind, data, to=told: to.append(kind))
        assert table(run) == expected
        complete = [t for t in run.trials if t.complete]
        for trial in complete:
            run.networks(trial)
            for name in trial.kept or ():
                path = tmp_path / "study" / "members" / f"{name}.safetensors"
                assert path.read_bytes() == members[path]
        assert "note" in told


def test_members_at_rest_where_time_ended_a_wave_are_trained_again(tmp_path, monkeypatch):
    monkeypatch.setattr("goodfit.engine.runner.A_CALL", 0.0)  # stopped after any evaluation
    (tmp_path / "study").mkdir()
    run = search(tmp_path / "study", full_run=90)
    run._must_stop = lambda: any(40 < t.step < 90 for t in run.trials)
    run.run()
    resting = [t for t in run.trials if t.kept and t.step not in (0, *t.stops)]
    assert resting
    expected = [run.networks(t)[0].weights() for t in resting]
    for name in [name for t in resting for name in t.kept or ()]:
        (tmp_path / "study" / "members" / f"{name}.safetensors").unlink()
    again = search(tmp_path / "study", full_run=90)
    again.run()
    for trial, weights in zip(resting, expected, strict=True):
        member = again.networks(again.trials[trial.number])[0]
        assert member.step == trial.step
        np.testing.assert_equal(member.weights(), weights)


def test_a_member_that_cannot_be_made_again_is_said(tmp_path):
    whole(tmp_path / "study")
    run = search(tmp_path / "study")
    run.run()
    trial = next(t for t in run.trials if t.complete)
    trial.members, trial.kept = [], ["0" * 64]  # as if another machine had trained it
    with pytest.raises(RunFolderError, match=r"delete .*journal-search\.jsonl to search anew"):
        run.networks(trial)


def test_without_costs_the_search_goes_on_from_the_line_before(tmp_path):
    expected, written = whole(tmp_path / "study")
    lines = written.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        name = json.loads(line).get("costs")
        if name is None:
            continue
        (tmp_path / "study" / "members" / f"{name}.safetensors").unlink()
        with pytest.raises(RunFolderError, match=f"delete line {number} and all after it"):
            search(tmp_path / "study")
        (tmp_path / "study" / JOURNAL).write_bytes(b"".join(lines[: number - 1]))
        assert table(search(tmp_path / "study")) == expected
