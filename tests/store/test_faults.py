"""What kills and full disks leave behind, tried at every byte."""

from __future__ import annotations

import math
import sys

import pytest

from goodfit.errors import RunFolderError
from goodfit.store.atomic import check_writable_folder, write_bytes
from goodfit.store.journal import Journal

RECORDS = [{"loss": math.nan, "n": 1}, {}, {"text": "zwölf\n", "low": -math.inf}]
FULL = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    for record in RECORDS:
        journal.append(record)
    return journal


def test_a_tail_torn_at_any_byte(journal):
    """A record counts once its line has ended, and the next append mends the file."""
    whole = journal.path.read_bytes()
    for size in range(len(whole)):
        journal.path.write_bytes(whole[:size])
        expected = RECORDS[: whole[:size].count(b"\n")]
        assert repr(journal.records()) == repr(expected)  # NaN is not equal to itself
        journal.append({"after": size})
        assert repr(journal.records()) == repr([*expected, {"after": size}])


def test_a_byte_altered_anywhere_but_in_the_torn_tail(journal):
    whole = journal.path.read_bytes()
    last = len(whole) - 1
    for place in range(last):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        journal.path.write_bytes(damaged)
        with pytest.raises(RunFolderError, match=f"Line {whole[:place].count(10) + 1} of"):
            journal.records()


@FULL
def test_a_full_disk_is_said_in_a_sentence():
    with pytest.raises(RunFolderError, match=r"Cannot write to /dev/full: No space left on device\."):
        Journal("/dev/full").append({"n": 1})


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    inside = tmp_path / "file" / "inside"
    for act in (
        lambda: write_bytes(inside, b"x"),
        lambda: Journal(inside).append({}),
        lambda: check_writable_folder(inside),
        lambda: check_writable_folder(tmp_path / "file"),
    ):
        with pytest.raises(RunFolderError) as caught:
            act()
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_bytes() == b""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
