"""The journal: nothing acknowledged is lost, nothing altered is believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodfit.errors import RunFolderError
from goodfit.store.journal import Journal

keys = st.text(max_size=5).filter(lambda k: k != "crc")
leaves = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.none(), st.booleans())
records = st.lists(st.dictionaries(keys, leaves, max_size=3), min_size=1, max_size=5)
with_files = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def filled(path, content) -> Journal:
    path.unlink(missing_ok=True)
    journal = Journal(path)
    for record in content:
        journal.append(record)
    return journal


@given(content=records)
@with_files
def test_what_was_appended_is_read(tmp_path, content):
    filled(tmp_path / "j", content)
    assert Journal(tmp_path / "j").records() == content
    for line in (tmp_path / "j").read_text().splitlines():
        assert json.loads(line)["crc"]  # plain JSON lines


@given(content=records, data=st.data())
@with_files
def test_a_torn_tail_is_ignored_and_overwritten(tmp_path, content, data):
    path = tmp_path / "j"
    filled(path, content)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    assert Journal(path).records() == content[:kept]
    Journal(path).append({"after": 1})
    assert Journal(path).records() == [*content[:kept], {"after": 1}]


@given(content=records, data=st.data())
@with_files
def test_an_altered_byte_is_refused(tmp_path, content, data):
    path = tmp_path / "j"
    filled(path, content)
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 2))  # without the last line end the last line is torn
    new = data.draw(st.integers(0, 255).filter(lambda b: b != whole[place]))
    line = whole[:place].count(b"\n") + 1
    whole[place] = new
    path.write_bytes(whole)
    with pytest.raises(RunFolderError, match=f"^Line {line} of .* is damaged"):
        Journal(path).records()


def test_a_long_torn_tail_is_cut(tmp_path):
    journal = filled(tmp_path / "j", [{"a": 1}])
    with open(tmp_path / "j", "ab") as file:
        file.write(b"x" * 10_000)
    journal.append({"b": float("inf")})
    assert journal.records() == [{"a": 1}, {"b": float("inf")}]


def test_no_file_folder_instead_and_reserved_key(tmp_path):
    assert Journal(tmp_path / "none").records() == []
    with pytest.raises(RunFolderError, match="Cannot read"):
        Journal(tmp_path).records()
    with pytest.raises(RunFolderError, match="Cannot write to"):
        Journal(tmp_path / "none" / "j").append({})
    with pytest.raises(ValueError, match="belongs to the journal"):
        Journal(tmp_path / "j").append({"crc": 1})
