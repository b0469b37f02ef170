"""A study whose disk fails at every single operation, and whose process is killed again and again."""

from __future__ import annotations

import builtins
import errno
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
from goodfit.search.plan import Settings
from goodfit.search.recipes import default_optimizers, recipe_space
from goodfit.search.search import Search
from goodfit.search.space import Space, choice
from goodfit.search.study import Study
from goodfit.store import atomic, journal

SPACE = recipe_space(
    Space({"hidden": choice((4,), (6,)), "optimizer": default_optimizers("AdamW"), "batch_size": 32})
)


def search(folder: Path | None, *, members: int = 20, full_run: int = 9) -> Search:
    use_cache()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    population = Population(Network(3, 2), x[:100], y[:100], holdout=(x[100:], y[100:], np.ones((1, 50))))
    settings = Settings(Budget(members=members), 0, full_run)
    return Search(population, SPACE, settings, Study(folder, population.network))


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


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_every_operation_may_fail(tmp_path, monkeypatch, failure):
    expected = table(search(None))
    (tmp_path / "whole").mkdir()
    with monkeypatch.context() as patch:
        faults = Faults(patch, 10**9, failure)
        assert table(search(tmp_path / "whole")) == expected
    assert faults.calls > 30
    for allowed in range(faults.calls):
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
