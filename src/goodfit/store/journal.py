"""An append-only journal: one JSON record a line, each with its checksum."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

from goodfit.errors import RunFolderError
from goodfit.store.atomic import sync_folder
from goodfit.store.canonical import dumps, loads
from goodfit.store.lock import lock_file


class Journal:
    """Records in ``path``, in the order in which they were appended.

    A line is canonical JSON (see `goodfit.store.canonical`) whose last key, ``crc``, is the CRC-32 of the
    bytes before it, carried on from the ``crc`` of the line above: any JSON tool reads it, and a line that
    was altered, taken out or moved is noticed. A record counts once its line ends; what a kill left of the
    last line is ignored and overwritten.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record down (no key "crc"); when this returns it survives a kill and a power cut.

        Raises:
            RunFolderError: the folder or the disk does not take it, or the last line is damaged.
        """
        if "crc" in record:
            raise ValueError("the key 'crc' belongs to the journal")
        body = dumps(record).encode()[:-1] + (b"," if record else b"")
        try:
            new = not self.path.exists()
            with open(self.path, "a+b") as file:
                lock_file(file.fileno(), wait=True)
                file.write(body + _tail(body, _cut_torn_tail(file)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if new:
                sync_folder(self.path.parent)
        except OSError as error:
            raise RunFolderError(f"Cannot write to {self.path}: {error.strerror}.") from error
        except ValueError:
            raise RunFolderError(f"The last line of {self.path} is damaged: restore the file.") from None

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
        whole = lines[:-1]  # the last is torn or empty
        above = [_NONE, *whole]
        return [self._record(i, line, above[i - 1]) for i, line in enumerate(whole, start=1)]

    def _record(self, number: int, line: bytes, above: bytes) -> dict[str, Any]:
        body = line[: -len(_NONE)]
        if not body or line != body + _tail(body, above):
            raise RunFolderError(
                f"Line {number} of {self.path} is damaged: it was altered, or one above it was taken out. "
                "Restore the file from a copy, or start anew in another folder."
            )
        return loads(body.rstrip(b",") + b"}")


_NONE = b'"crc":"00000000"}'  # what the first line is carried on from


def _tail(body: bytes, above: bytes) -> bytes:
    """Return the end of a line that begins with ``body``, below a line that ends with ``above``."""
    return b'"crc":"%08x"}' % zlib.crc32(body, int(above[-10:-2], 16))


def _cut_torn_tail(file: Any) -> bytes:
    """Cut what a kill left behind the last whole line; return the end of that line."""
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
    file.seek(max(0, position - len(_NONE) - 1))
    return file.read(len(_NONE)) if position else _NONE
