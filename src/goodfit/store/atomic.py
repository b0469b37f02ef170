"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from goodfit.errors import RunFolderError
from goodfit.store.canonical import plain


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader, or a crash at any instant, sees the old file or the new.

    Raises:
        RunFolderError: the folder or the disk does not take it.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide the file from colleagues
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise RunFolderError(f"Cannot write {path}: {error.strerror or error}.") from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as sorted, indented JSON, whole or not at all; `canonical.loads` reads it."""
    write_text(path, json.dumps(plain(value), sort_keys=True, indent=1, allow_nan=False) + "\n")


def check_writable_folder(path: str | os.PathLike[str]) -> Path:
    """Make the folder if it is missing and return it.

    Raises:
        RunFolderError: it cannot be made or written to, or is a file.
    """
    folder = Path(path)
    try:
        if folder.exists() and not folder.is_dir():
            raise RunFolderError(f"{folder} is a file, not a folder: choose another --out.")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RunFolderError(
            f"The folder {folder} cannot be written to ({error.strerror}): make it writable, or choose "
            "another --out."
        ) from error
    return folder


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
