"""A study on disk: every decision and result in a journal, members beside it; replayed after a kill.

The search asks the study for each decision and each result. What the journal holds is given back as it was;
what it lacks is computed and written down before it counts. So a study that was killed goes on from the last
rung that was written, and makes no decision twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.engine.population import Member
from goodfit.engine.snapshot import restore, snapshot
from goodfit.errors import RunFolderError
from goodfit.network import Network
from goodfit.search.story import ASIDE, HALVED, JOURNAL, REST
from goodfit.store.arrays import load_arrays, save_arrays, sha256_of
from goodfit.store.journal import Journal


class Study:
    """The journal of one search; without a folder it lives in memory alone.

    Raises:
        RunFolderError: the journal is damaged, or costs that it names are gone or not what was written.
    """

    def __init__(self, folder: Path | None, network: Network) -> None:
        self.network = network
        self.folder = folder
        self._journal = Journal(folder / JOURNAL) if folder else None
        records = whole_records(folder) if folder else []
        self._records = [record for record in records if record["kind"] not in ASIDE]
        # Members a chunk may have since memory ran out; None: it has not.
        self.most: int | None = min((r["most"] for r in records if r["kind"] == HALVED), default=None)
        self._next = 0
        self.elapsed = float(records[-1]["elapsed"]) if records else 0.0

    @property
    def replaying(self) -> bool:
        """Whether the next decision is already in the journal."""
        return self._next < len(self._records)

    def record(
        self,
        kind: str,
        make: Callable[[], dict[str, Any]],
        elapsed: Callable[[], float],
        *,
        unless: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Return the next record of the journal, or make it and write it down.

        What was made while ``unless()`` turned true (the user interrupted it) is returned but not written, so
        that it is made again, whole, when the study goes on.

        Raises:
            RunFolderError: the journal holds another kind of record here: it is of another search.
        """
        if self.replaying:
            found = self._records[self._next]
            if found["kind"] != kind:
                raise RunFolderError(
                    f"The journal in {self.folder} does not fit this search: it has {found['kind']!r} where "
                    f"{kind!r} belongs. Use another --out folder."
                )
        else:
            found = {**make(), "kind": kind, "elapsed": round(elapsed(), 3)}
            if unless():
                return found
            if self._journal:
                self._journal.append(found)
            self._records.append(found)
        self._next += 1
        return found

    def rest(self, elapsed: float) -> None:
        """Write down how long an interrupted search has gone on, which its last record need not tell.

        Nothing is replayed of it: only the clock goes on from there. Before the first decision there is
        nothing that goes on.

        Raises:
            RunFolderError: the folder or the disk does not take it.
        """
        if self._journal and self._records:
            self._journal.append({"kind": REST, "elapsed": round(elapsed, 3)})

    def halved(self, most: int, elapsed: float) -> None:
        """Write down that memory ran out, and chunks have ``most`` members at most from now on."""
        self.most = most
        if self._journal:
            self._journal.append({"kind": HALVED, "most": most, "elapsed": round(elapsed, 3)})

    def keep(self, members: Sequence[Member]) -> list[str] | None:
        """Write the members' states down and return their names, or None without a folder."""
        if self.folder is None:
            return None
        return [save_arrays(self.folder / "members", *snapshot(member)) for member in members]

    def bring_back(self, name: str, again: Iterable[Member], **rows: Any) -> Member:
        """Return the member that `keep` named; ``rows`` and ``judged`` belong to the data.

        If its file is gone or not what was written, it is the one among ``again``, what training it anew
        goes through, whose state has that name.

        Raises:
            RunFolderError: none has.
        """
        assert self.folder is not None, "a study in memory has nothing to bring back"
        try:
            arrays, record = load_arrays(self.folder / "members", name)
        except RunFolderError as error:
            for member in again:
                if sha256_of(*snapshot(member)) == name:
                    self.keep([member])
                    return member
            raise RunFolderError(
                f"{error} Trained again, the network came out otherwise, as on another machine: restore the "
                f"file from a copy, or delete {self.folder / JOURNAL} to search anew."
            ) from None
        return restore(self.network, arrays, record, **rows)

    def keep_costs(self, costs: Mapping[int, np.ndarray]) -> str | None:
        """Write costs by validation row down, by trial; return the file's name, or None without a folder."""
        if self.folder is None or not costs:
            return None
        return save_arrays(self.folder / "members", {str(k): v for k, v in costs.items()}, {})

    def costs(self, name: str) -> dict[str, np.ndarray]:
        """Return what `keep_costs` wrote, by the trial's number as text."""
        assert self.folder is not None, "a study in memory has nothing to bring back"
        return load_arrays(self.folder / "members", name)[0]


def whole_records(folder: Path) -> list[dict[str, Any]]:
    """Return what a search's journal holds, once it is sure that a search can go on from it.

    Raises:
        RunFolderError: it is damaged, or costs that it names are gone or not what was written.
    """
    records = Journal(folder / JOURNAL).records()
    for line, record in enumerate(records, start=1):
        try:
            if record.get("costs"):
                load_arrays(folder / "members", record["costs"])
        except RunFolderError as error:
            raise RunFolderError(
                f"{error} Restore it from a copy, or delete line {line} and all after it from "
                f"{folder / JOURNAL}: the search then goes on from there."
            ) from None
    return records
