"""A run whose files are gone, altered, locked or unwritable: the same result, or one line that says why."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from goodfit import rerun
from goodfit.cli.main import app
from goodfit.model.file import load_model
from goodfit.store import atomic
from goodfit.store.journal import Journal
from goodfit.store.run import RunFolder

JOURNAL = "journal-search.jsonl"
OF_THIS_PROCESS = ("compilations", "model", "run", "seconds")


def goodfit(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def fit(tmp_path_factory):
    """The command, without its folder."""
    space = tmp_path_factory.mktemp("space") / "small.toml"
    space.write_text("hidden = [[8]]\n")
    return ("fit", "iris", "--budget", "6 members", "--space", space, "--json", "--out")


@pytest.fixture(scope="module")
def made(fit, tmp_path_factory) -> Path:
    """A finished run; to be copied."""
    out = tmp_path_factory.mktemp("made") / "run"
    done = goodfit(*fit, out)
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def finished(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def stopped(finished) -> Path:
    """The run as it was when two of its six networks had come to the second stop."""
    for name in ("DONE", "result.json", "model.safetensors"):
        (finished / name).unlink()
    path = finished / JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    return finished


def result(text: str) -> dict:
    return {key: value for key, value in json.loads(text).items() if key not in OF_THIS_PROCESS}


def refused(done, *words: str) -> None:
    """Check that a command said in one line what is wrong, and nothing else."""
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def without_line_2(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))


def kept(run: Path) -> list[Path]:
    """The networks' states that the journal names."""
    records = Journal(run / JOURNAL).records()
    names = [n for r in records for t in r.get("trials", ()) for n in t["kept"] or ()]
    return [run / "members" / f"{name}.safetensors" for name in names]


def costs(run: Path) -> list[Path]:
    names = {r["costs"] for r in Journal(run / JOURNAL).records() if r.get("costs")}
    return [run / "members" / f"{name}.safetensors" for name in names]


class Fault(NamedTuple):
    state: str  # of the run: finished or stopped
    files: str | Callable[[Path], list[Path]]
    damage: Callable[[Path], None]
    said: tuple[str, ...] = ()  # words of the refusal; none: the run ends with the same result


FAULTS = {
    "journal gone": Fault("stopped", JOURNAL, remove),
    "journal torn": Fault("stopped", JOURNAL, cut),
    "journal empty": Fault("stopped", JOURNAL, empty),
    "journal altered": Fault("stopped", JOURNAL, alter, ("Line 2", JOURNAL, "Restore")),
    "journal without a line": Fault("stopped", JOURNAL, without_line_2, ("Line 2", JOURNAL, "Restore")),
    "journal gone, finished": Fault("finished", JOURNAL, remove),
    "journal altered, finished": Fault("finished", JOURNAL, alter),
    "states gone": Fault("stopped", kept, remove),
    "states altered": Fault("stopped", kept, alter),
    "states empty": Fault("stopped", kept, empty),
    "costs gone": Fault("stopped", costs, remove, ("Cannot read", "delete line 2")),
    "costs altered": Fault("stopped", costs, alter, ("altered or damaged", "delete line 2")),
    "members gone": Fault("stopped", "members", remove, ("Cannot read", "delete line 2")),
    "members gone, finished": Fault("finished", "members", remove),
    "config gone": Fault("stopped", "config.json", remove, ("is not empty and holds no run",)),
    "config altered": Fault("stopped", "config.json", alter, ("config.json is damaged", "restore")),
    "config cut": Fault("stopped", "config.json", cut, ("config.json is damaged", "restore")),
    "config altered, finished": Fault("finished", "config.json", alter, ("config.json is damaged",)),
    "result gone": Fault("finished", "result.json", remove),
    "result altered": Fault("finished", "result.json", alter),
    "result cut": Fault("finished", "result.json", cut),
    "DONE gone": Fault("finished", "DONE", remove),
    "DONE altered": Fault("finished", "DONE", alter),
    "DONE empty": Fault("finished", "DONE", empty),
    "model gone": Fault("finished", "model.safetensors", remove),
    "model altered": Fault("finished", "model.safetensors", alter),
    "ledger altered": Fault("stopped", "ledger.jsonl", alter, ("Line ", "ledger.jsonl", "Restore")),
    "ledger torn": Fault("stopped", "ledger.jsonl", cut),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_ends_in_the_same_result_or_one_line(fit, made, fault, request):
    run = request.getfixturevalue(fault.state)
    for path in [run / fault.files] if isinstance(fault.files, str) else fault.files(run):
        fault.damage(path)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    shown = goodfit("study", "show", run)
    assert shown.exit_code == 0 or len(shown.stderr.splitlines()) == 1, shown.output
    done = goodfit(*fit, run)
    if fault.said:
        refused(done, *fault.said)
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
        refused(goodfit("study", "resume", run))
        return
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    expected = result((made / "result.json").read_text())
    found = result(done.stdout)
    for one in (expected, found):
        one["ledger"] = [{**opening, "time": ""} for opening in one["ledger"]]
    assert found == expected
    assert (run / "model.safetensors").read_bytes() == (made / "model.safetensors").read_bytes()
    again = goodfit("study", "resume", run, "--json")
    assert json.loads(again.stdout) == json.loads(done.stdout)
    load_model(run)


def test_an_extension_counts_the_openings_before_it(finished):
    (finished / "ledger.jsonl").unlink()
    done = goodfit("study", "extend", finished, "--budget", "2 members", "--json")
    refused(done, "ledger.jsonl has lost 1 of the openings")


@pytest.mark.parametrize("name", ["journal altered", "costs gone", "ledger altered"])
def test_an_extension_that_cannot_be_gone_on_with_leaves_the_run_finished(made, finished, name):
    fault = FAULTS[name]
    for path in [finished / fault.files] if isinstance(fault.files, str) else fault.files(finished):
        fault.damage(path)
    refused(goodfit("study", "extend", finished, "--budget", "2 members"))
    done = goodfit("study", "resume", finished, "--json")
    assert result(done.stdout) == result((made / "result.json").read_text())


def test_a_second_process_is_told_who_works_there(fit, made, stopped):
    with RunFolder(stopped).lock():
        for words in ((*fit, stopped), ("study", "resume", stopped)):
            refused(goodfit(*words), f"in use by process {os.getpid()} on ", "wait until that ends")
        assert goodfit("study", "show", stopped).exit_code == 0
    done = goodfit(*fit, stopped)
    assert result(done.stdout) == result((made / "result.json").read_text())


def test_one_process_alone_opens_the_sealed_rows(fit, made, stopped):
    assert goodfit(*fit[:-1], "--keep-sealed", "--out", stopped).exit_code == 0
    with RunFolder(stopped).lock():
        refused(goodfit("unseal", stopped), "in use by process")
    done = goodfit("unseal", stopped, "--json")
    assert result(done.stdout) == result((made / "result.json").read_text())


def test_an_exam_is_of_the_model_that_is_there(fit, tmp_path, monkeypatch):
    run = tmp_path / "run"
    assert goodfit(*fit[:-1], "--keep-sealed", "--out", run).exit_code == 0
    opened = rerun._opened

    def overtaken(path):
        found = opened(path)
        assert goodfit("study", "extend", path, "--budget", "12 members").exit_code == 0
        return found

    with monkeypatch.context() as patch:
        patch.setattr(rerun, "_opened", overtaken)
        refused(goodfit("unseal", run), "Another process has changed", "try again")
    assert not (run / "ledger.jsonl").exists()
    assert goodfit("unseal", run).exit_code == 0


@pytest.fixture
def locked(finished):
    with RunFolder(finished).lock():
        yield finished


@pytest.fixture
def read_only(finished, monkeypatch):
    """A run on a file system that takes nothing; root, as which tests may run, is above permissions."""

    def fail(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("TemporaryFile", "mkstemp"):
        monkeypatch.setattr(atomic.tempfile, name, fail)
    return finished


@pytest.mark.parametrize("state", ["locked", "read_only"])
def test_a_finished_run_that_cannot_be_written_is_read(fit, made, state, request, tmp_path):
    run = request.getfixturevalue(state)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    expected = result((made / "result.json").read_text())
    for words in ((*fit, run), ("study", "resume", run, "--json"), ("unseal", run, "--json")):
        done = goodfit(*words)
        assert done.exit_code == 0, done.output
        assert result(done.stdout) == expected
    table = tmp_path / "rows.csv"
    schema = load_model(run).schema
    names = [column.name for column in schema.inputs]
    table.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    for words in (("study", "show", run), ("predict", run, table)):
        done = goodfit(*words)
        assert done.exit_code == 0, done.output
    why = {"locked": "in use by process", "read_only": "Read-only file system"}[state]
    for words in (("study", "extend", run, "--budget", "2 members"), ("refit", run)):
        refused(goodfit(*words), why)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_an_unfinished_run_on_a_read_only_disk_says_so_before_it_searches(fit, stopped, read_only):
    for words in ((*fit, stopped), ("study", "resume", stopped), (*fit, stopped.parent / "new")):
        refused(goodfit(*words), "cannot be written to (Read-only file system)")
    assert goodfit("study", "show", stopped).exit_code == 0
