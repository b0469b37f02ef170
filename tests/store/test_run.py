"""A run's folder: one writer at a time, and nothing believed that was altered."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from goodfit.errors import RunFolderError
from goodfit.store import atomic, lock
from goodfit.store.journal import Journal
from goodfit.store.run import RunFolder

CONFIG = {"identity": {"seed": 0, "target": "NaN"}, "budget": "4 members"}


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.claim(CONFIG)
    return folder


@pytest.fixture
def finished(folder):
    folder.model.write_bytes(b"weights")
    folder.finish({"score": 0.5, "ledger": []})
    return folder


def test_a_start_leaves_the_configuration_alone(folder):
    assert os.listdir(folder.path) == ["config.json"]
    assert folder.config() == CONFIG
    folder.claim(CONFIG)
    with pytest.raises(RunFolderError, match=r"holds another run .*, seed differs\)"):
        folder.claim({**CONFIG, "identity": {"seed": 1, "target": "NaN"}})
    with pytest.raises(RunFolderError, match=r", seed, target differ\)"):
        folder.claim({**CONFIG, "identity": {"seed": 1, "target": "y"}})


def test_another_budget_is_told_how_to_go_on(tmp_path):
    config = {"identity": {"budget": "10s", "seed": 0}}
    RunFolder(tmp_path).claim(config)
    with pytest.raises(RunFolderError, match=r"a budget of 10s\. For more: goodfit study extend .* --budget"):
        RunFolder(tmp_path).claim({"identity": {"budget": "1min", "seed": 0}})
    with pytest.raises(RunFolderError, match=r"budget, seed differ\)"):
        RunFolder(tmp_path).claim({"identity": {"budget": "1min", "seed": 1}})


def test_a_start_that_was_killed_at_once_is_repeated(tmp_path):
    (tmp_path / "lock").write_text("process 1 on host")
    (tmp_path / ".config.json.x1y2").write_text("{")
    RunFolder(tmp_path).claim(CONFIG)
    assert RunFolder(tmp_path).config() == CONFIG
    (tmp_path / "config.json").unlink()
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(RunFolderError, match="is not empty and holds no run"):
        RunFolder(tmp_path).claim(CONFIG)


def test_any_byte_of_the_configuration_that_was_altered(folder):
    def read() -> dict | str:
        try:
            return folder.config()
        except RunFolderError as error:
            return str(error)

    whole = folder.config_file.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        folder.config_file.write_bytes(damaged)
        found = read()
        assert found == CONFIG or "config.json is damaged" in found  # what lies between values is free
    for text in ("", "[]", "{}", "3", '{"identity": {}}'):
        folder.config_file.write_text(text)
        with pytest.raises(RunFolderError, match=r"config\.json is damaged"):
            folder.config()


def test_a_result_counts_while_it_is_what_was_written(finished):
    found = {"score": 0.5, "ledger": []}
    assert finished.result() == found
    for name in ("DONE", "result.json", "model.safetensors"):
        path = finished.path / name
        whole = path.read_bytes()
        for damaged in (whole[:-3], whole.replace(b"5", b"6").replace(b"w", b"v"), b"{}", b"[]", b"3", b""):
            path.write_bytes(damaged)
            assert finished.result() in (None, found if damaged == whole else None)
        path.unlink()
        assert finished.result() is None
        path.write_bytes(whole)
    assert finished.result() == found


@pytest.mark.parametrize("name", ["DONE", "result.json", "model.safetensors"])
def test_a_finished_run_of_which_a_file_cannot_be_read_is_not_believed(finished, monkeypatch, name):
    read = type(finished.path).read_bytes

    def fail(path):
        if path.name == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(path)

    monkeypatch.setattr(type(finished.path), "read_bytes", fail)
    assert finished.result() is None


def test_a_ledger_that_lost_openings(folder):
    ledger = Journal(folder.ledger)
    folder.check_ledger()  # none yet
    for model in "ab":
        ledger.append({"event": "opening", "model": model})
    folder.finish({"ledger": [{"model": "a"}, {"model": "b"}]})
    folder.check_ledger()
    whole = folder.ledger.read_bytes()
    for size, lost in ((len(whole) - 1, 1), (0, 2)):
        folder.ledger.write_bytes(whole[:size])
        with pytest.raises(RunFolderError, match=f"lost {lost} of the openings"):
            folder.check_ledger()
    for damaged in (whole.replace(b'"a"', b'"c"'), whole[whole.index(b"\n") + 1 :]):
        folder.ledger.write_bytes(damaged)
        with pytest.raises(RunFolderError, match=r"Line 1 of .*ledger.jsonl is damaged"):
            folder.check_ledger()


def test_a_second_writer_is_told_who_the_first_is(folder):
    with folder.lock() as locked:
        assert locked
        with pytest.raises(RunFolderError, match=f"in use by process {os.getpid()} on .*: wait") as error:
            folder.lock().__enter__()
        assert "\n" not in str(error.value)
        assert folder.config() == CONFIG  # who only reads asks for no lock
        assert folder.result() is None
    with folder.lock():
        pass
    assert os.listdir(folder.path) == ["config.json"]


def test_a_lock_file_that_cannot_be_removed_is_left(folder, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(type(folder.path), "unlink", fail)
        with folder.lock():
            pass
    assert (folder.path / "lock").exists()
    with folder.lock() as locked:  # let go of all the same
        assert locked


def test_a_run_that_another_begins_in_this_instant_is_no_foreign_folder(tmp_path, monkeypatch):
    run, iterdir = RunFolder(tmp_path), type(tmp_path).iterdir

    def overtaken(path):
        monkeypatch.undo()
        RunFolder(path).claim(CONFIG)
        (path / "journal-search.jsonl").touch()
        return iterdir(path)

    monkeypatch.setattr(type(tmp_path), "iterdir", overtaken)
    run.claim(CONFIG)
    assert run.config() == CONFIG


def test_threads_take_turns(folder):
    inside, most, count, turns = 0, 0, threading.Lock(), []

    def work():
        nonlocal inside, most
        while len(turns) < 40:
            try:
                with folder.lock():
                    inside += 1
                    most = max(most, inside)
                    inside -= 1
                    with count:
                        turns.append(1)
            except RunFolderError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


HOLD = """
import sys, time
from goodfit.store.run import RunFolder
with RunFolder({path!r}).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_kill_leaves_no_lock_behind(folder):
    script = HOLD.format(path=str(folder.path))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError, match=f"in use by process {process.pid} on "):
            folder.lock().__enter__()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert (folder.path / "lock").exists()
    with folder.lock() as locked:
        assert locked


@pytest.mark.parametrize("missing", ["module", "support"])
def test_where_nothing_can_be_locked_work_goes_on(folder, monkeypatch, missing):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    if missing == "module":
        monkeypatch.setattr(lock, "fcntl", None)
    else:
        monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    with folder.lock() as first, folder.lock() as second:
        assert not first
        assert not second
    Journal(folder.ledger).append({"event": "opening", "model": "a"})
    assert len(Journal(folder.ledger).records()) == 1


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_is_read(finished, monkeypatch, code):
    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    for module, name in ((atomic.tempfile, "TemporaryFile"), (lock.os, "ftruncate")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail)
            with pytest.raises(RunFolderError, match=os.strerror(code)) as error:
                finished.lock().__enter__()
            assert "\n" not in str(error.value)
            finished.claim(CONFIG)
            assert finished.result()["score"] == 0.5


def test_a_folder_that_cannot_be_looked_into(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(type(tmp_path), "stat", fail)
    for act in (lambda: RunFolder(tmp_path).claim(CONFIG), lambda: atomic.check_writable_folder(tmp_path)):
        with pytest.raises(RunFolderError, match="Permission denied") as error:
            act()
        assert "\n" not in str(error.value)


def test_appends_from_several_threads_keep_a_journal_whole(tmp_path):
    def work(name):
        for number in range(20):
            Journal(tmp_path / "j").append({"who": name, "n": number})

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = Journal(tmp_path / "j").records()
    assert [[r["n"] for r in records if r["who"] == name] for name in "abc"] == [list(range(20))] * 3


def test_lines_taken_out_or_moved_are_noticed(tmp_path):
    journal = Journal(tmp_path / "j")
    for number in range(5):
        journal.append({"n": number})
    lines = journal.path.read_bytes().splitlines(keepends=True)
    for altered, line in (
        (lines[1:], 1),
        (lines[:2] + lines[3:], 3),
        ([*lines[:2], lines[3], lines[2], *lines[4:]], 3),
        (lines[:3] + lines[2:], 4),
    ):
        journal.path.write_bytes(b"".join(altered))
        with pytest.raises(RunFolderError, match=f"^Line {line} of .* is damaged"):
            journal.records()
    journal.path.write_bytes(lines[0] + b"nonsense\n")
    with pytest.raises(RunFolderError, match=r"The last line of .* is damaged"):
        journal.append({"n": 1})
