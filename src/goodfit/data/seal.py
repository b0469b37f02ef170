"""The sealed test set: rows that nothing reads until the final exam, each opening written down first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.data.table import Table
from goodfit.store.journal import Journal

SCORE = ("score", "low", "high")


class Ledger:
    """The openings of one set of sealed rows, written to a file before anything is seen of them.

    Args:
        path: a journal; others' openings in it are left alone.
        sealed: hash of the sealed rows.
        rows: how many there are.
    """

    def __init__(self, path: str | Path, sealed: str, rows: int) -> None:
        self.sealed, self.rows = sealed, rows
        self._journal = Journal(Path(path))

    def open(self, model: str, reason: str) -> None:
        """Write down that a model, by its hash, is to be examined, unless that stands there already.

        Raises:
            RunFolderError: the ledger cannot be written, or is damaged.
        """
        if all(found["model"] != model for found in self.openings()):
            self._append("opening", {"rows": self.rows, "model": model, "reason": reason})

    def note(self, model: str, metric: str, score: Mapping[str, float]) -> None:
        """Write down what the examined model scored (score, low, high), unless that stands there already."""
        known = next((found for found in self.openings() if found["model"] == model), {})
        if known.get("metric") != metric:
            self._append("score", {"model": model, "metric": metric} | {k: score[k] for k in SCORE})

    def openings(self) -> list[dict[str, Any]]:
        """Return what is known of each opening, in order: time, model, reason, and its score if any.

        ``number`` counts them from 1.
        """
        found: dict[str, dict[str, Any]] = {}
        for record in self._journal.records():
            if record.get("sealed") != self.sealed:
                continue
            if record["event"] == "opening":
                shown = {key: record[key] for key in ("time", "model", "reason")}
                found.setdefault(record["model"], shown | {"number": len(found) + 1})
            elif record["model"] in found:
                found[record["model"]] |= {key: record[key] for key in ("metric", *SCORE)}
        return list(found.values())

    def _append(self, event: str, what: dict[str, Any]) -> None:
        time = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self._journal.append({"event": event, "sealed": self.sealed, "time": time} | what)


class SealedSet:
    """Holds the sealed rows of a table; only their number and hash can be seen before ``open``.

    An opening is one model examined on these rows. It is on disk, in the ledger, before the rows are
    handed out; examining the same model again, after a kill or not, is the same opening.
    """

    def __init__(self, table: Table, rows: np.ndarray) -> None:
        self.__table = table.take(rows)
        self.rows = len(rows)
        self.hash = self.__table.content_hash()

    def __repr__(self) -> str:
        return f"SealedSet(rows={self.rows}, hash={self.hash[:8]})"

    def ledger(self, path: str | Path) -> Ledger:
        """Return the openings of these rows that a file knows of."""
        return Ledger(path, self.hash, self.rows)

    def open(self, ledger_path: str | Path, *, model_hash: str, reason: str) -> Table:
        """Write the opening to the ledger, unless this model's stands there already; return the rows.

        Raises:
            RunFolderError: the ledger cannot be written, or is damaged.
        """
        self.ledger(ledger_path).open(model_hash, reason)
        return self.__table

    def openings(self, ledger_path: str | Path) -> int:
        """Return how many models the ledger says were examined on these rows."""
        return len(self.ledger(ledger_path).openings())
