"""Whole files or none."""

from __future__ import annotations

import json
import os

import pytest

from goodfit.errors import RunFolderError
from goodfit.store import atomic


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.json"
    atomic.write_bytes(path, b"old")
    atomic.write_text(path, "grün")
    assert path.read_text("utf-8") == "grün"
    atomic.write_json(path, {"b": 1, "a": float("nan")})
    assert json.loads(path.read_text()) == {"a": "NaN", "b": 1}
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_failure_leaves_the_old_file_alone(tmp_path, monkeypatch, broken):
    path = tmp_path / "a"
    atomic.write_bytes(path, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, broken, fail)
    with pytest.raises(RunFolderError, match=r"Cannot write .*a: No space left on device"):
        atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(RunFolderError, match=r"Cannot write .*No such file"):
        atomic.write_bytes(tmp_path / "none" / "a", b"")


def test_writable_folder(tmp_path, monkeypatch):
    assert atomic.check_writable_folder(tmp_path / "new" / "run") == tmp_path / "new" / "run"
    assert os.listdir(tmp_path / "new" / "run") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="is a file, not a folder"):
        atomic.check_writable_folder(tmp_path / "file")
    with pytest.raises(RunFolderError, match="cannot be written to"):
        atomic.check_writable_folder(tmp_path / "file" / "below")

    def fail(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(atomic.tempfile, "TemporaryFile", fail)
    with pytest.raises(RunFolderError, match="Read-only file system"):
        atomic.check_writable_folder(tmp_path)
