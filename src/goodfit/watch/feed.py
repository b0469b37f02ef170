"""The parts of a run's live page, drawn anew when its files change, and seldom enough not to slow it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from goodfit.errors import RunFolderError
from goodfit.report.parts import Part, sentence
from goodfit.report.records import read_records
from goodfit.search.story import JOURNAL
from goodfit.store.lock import writer
from goodfit.watch.page import live_page, live_parts, now_part
from goodfit.watch.progress import progress_of

_WATCHED = (JOURNAL, "config.json", "ledger.jsonl", "insights.json", "partial.json", "result.json", "DONE")
_TICK = 0.9  # seconds for which what was seen holds, for all who ask
_REST = 100  # times as long as drawing took, none is drawn again: 1 % of one core at most


class Feed:
    """What is to be seen of a run now; any number of pages may ask.

    Raises:
        RunFolderError: there is no run of `goodfit fit`.
    """

    def __init__(self, run: str | Path) -> None:
        self.path = Path(run)
        self._lock = threading.Lock()
        self._seen: dict[str, str] = {}
        self._looked = -_TICK
        self._resting = 0.0
        self._stamp = self._stamps()
        self._records = read_records(self.path)
        self._drawn = self._draw()

    @property
    def finished(self) -> bool:
        """Whether the run had come to its end when it was last looked at."""
        return bool(self._records.finished)

    def parts(self) -> dict[str, str]:
        """Return the parts as HTML by id, in order; at most a second old where that is cheap enough."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= _TICK:
                self._seen = self._look(now)
                self._looked = now
            return self._seen

    def page(self) -> str:
        """Return the whole page."""
        parts = self.parts()
        return live_page(self._records, parts)

    def _look(self, now: float) -> dict[str, str]:
        stamp = self._stamps()
        try:
            if stamp != self._stamp and now >= self._resting:
                self._records = read_records(self.path)
                self._drawn, self._stamp = self._draw(), stamp
            found = progress_of(self._records, writer(self.path), self._silent())
            standing = now_part(self._records, found)
        except RunFolderError as error:  # damaged or gone: what was drawn before stays
            standing = Part("now", "Now").with_body(sentence(str(error)))
        return {"now": standing.html()} | self._drawn

    def _draw(self) -> dict[str, str]:
        began = time.thread_time()
        drawn = {part.id: part.html() for part in live_parts(self._records)}
        self._resting = time.monotonic() + _REST * (time.thread_time() - began)
        return drawn

    def _stamps(self) -> list[tuple[int, int] | None]:
        return [None if s is None else (s.st_mtime_ns, s.st_size) for s in map(self._stat, _WATCHED)]

    def _silent(self) -> float | None:
        found = self._stat(JOURNAL)
        return None if found is None else max(0.0, time.time() - found.st_mtime)

    def _stat(self, name: str) -> os.stat_result | None:
        try:
            return (self.path / name).stat()
        except OSError:
            return None
