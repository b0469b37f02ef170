"""An append-only journal: one JSON record a line, each with its checksum, for one writer."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

from goodfit.errors import RunFolderError


class Journal:
    """Records in ``path``, in the order in which they were appended.

    A line is ``<CRC-32 of the JSON, 8 hex digits> <JSON with sorted keys>``. A record counts once its line
    ends; what a kill left of the last line is ignored and overwritten. Non-finite floats are kept as
    JavaScript's NaN and Infinity.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record down; when this returns it survives a kill and a power cut.

        Raises:
            RunFolderError: the folder or the disk does not take it.
        """
        text = json.dumps(record, sort_keys=True).encode()
        try:
            with open(self.path, "a+b") as file:
                _cut_torn_tail(file)
                file.write(b"%08x %s\n" % (zlib.crc32(text), text))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RunFolderError(f"Cannot write to {self.path}: {error.strerror}.") from error

    def records(self) -> list[dict[str, Any]]:
        """Return all records; none if there is no file yet.

        Raises:
            RunFolderError: a whole line is damaged; the message names it.
        """
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunFolderError(f"Cannot read {self.path}: {error.strerror}.") from error
        return [
            self._record(i, line) for i, line in enumerate(lines[:-1], start=1)
        ]  # the last: torn or empty

    def _record(self, number: int, line: bytes) -> dict[str, Any]:
        crc, _, text = line.partition(b" ")
        try:
            if int(crc, 16) != zlib.crc32(text):
                raise ValueError
            return json.loads(text)
        except ValueError:
            raise RunFolderError(
                f"Line {number} of {self.path} is damaged: it was altered after it was written. "
                "Restore the file from a copy, or start anew in another folder."
            ) from None


def _cut_torn_tail(file: Any) -> None:
    """Cut what a kill left behind the last whole line."""
    end = file.seek(0, os.SEEK_END)
    position = end
    while position > 0:
        step = min(4096, position)
        file.seek(position - step)
        found = file.read(step).rfind(b"\n")
        if found >= 0:
            position = position - step + found + 1
            break
        position -= step
    if position < end:
        file.truncate(position)
