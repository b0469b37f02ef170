"""The sealed set: closed until opened, and every opening written down before."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.data import seal
from goodfit.data.seal import SealedSet
from goodfit.data.table import from_frame
from goodfit.errors import RunFolderError
from goodfit.store.journal import Journal

TABLE = from_frame({"x": [1, 2, 3, 4], "y": ["a", "b", "a", "b"]})


@pytest.fixture
def sealed():
    return SealedSet(TABLE, np.array([1, 3]))


def test_only_count_and_hash_can_be_seen(sealed):
    assert repr(sealed) == f"SealedSet(rows=2, hash={sealed.hash[:8]})"
    assert sealed.hash == SealedSet(TABLE, np.array([1, 3])).hash
    assert sealed.hash != SealedSet(TABLE, np.array([1, 2])).hash
    assert {name for name in vars(sealed) if not name.startswith("_")} == {"rows", "hash"}


def test_an_opening_is_written_and_gives_the_rows(sealed, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    assert sealed.openings(ledger) == 0
    table = sealed.open(ledger, model_hash="m1", reason="final exam")
    assert list(table.columns["x"]) == [2, 4]
    (record,) = Journal(ledger).records()
    assert {k: record[k] for k in ("event", "sealed", "rows", "model", "reason")} == {
        "event": "opening",
        "sealed": sealed.hash,
        "rows": 2,
        "model": "m1",
        "reason": "final exam",
    }


def test_the_same_model_again_is_the_same_opening(sealed, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    for model in ("m1", "m1", "m2", "m1"):
        SealedSet(TABLE, np.array([1, 3])).open(ledger, model_hash=model, reason="exam")
    assert sealed.openings(ledger) == 2
    assert len(Journal(ledger).records()) == 2
    SealedSet(TABLE, np.array([0])).open(ledger, model_hash="m1", reason="other rows")
    assert sealed.openings(ledger) == 2


def test_no_rows_without_a_line(sealed, tmp_path, monkeypatch):
    class Full:
        def __init__(self, path):
            pass

        def records(self):
            return []

        def append(self, record):
            raise RunFolderError("the disk is full")

    monkeypatch.setattr(seal, "Journal", Full)
    with pytest.raises(RunFolderError, match="full"):
        sealed.open(tmp_path / "ledger.jsonl", model_hash="m", reason="exam")
