"""The sealed test set: rows that nothing reads until the final exam, each opening written down first."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np

from goodfit.data.table import Table
from goodfit.store.journal import Journal


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

    def open(self, ledger_path: str | Path, *, model_hash: str, reason: str) -> Table:
        """Write the opening to the ledger, unless this model's stands there already; return the rows.

        Raises:
            RunFolderError: the ledger cannot be written, or is damaged.
        """
        if model_hash not in self._models(ledger_path):
            Journal(Path(ledger_path)).append(
                {
                    "event": "opening",
                    "sealed": self.hash,
                    "rows": self.rows,
                    "model": model_hash,
                    "reason": reason,
                    "time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                }
            )
        return self.__table

    def openings(self, ledger_path: str | Path) -> int:
        """Return how many models the ledger says were examined on these rows."""
        return len(self._models(ledger_path))

    def _models(self, ledger_path: str | Path) -> set[str]:
        records = Journal(Path(ledger_path)).records()
        return {r["model"] for r in records if r.get("event") == "opening" and r.get("sealed") == self.hash}
