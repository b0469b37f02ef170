"""The bytes of a file, unpacked if it is gzipped, whatever its name says."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from goodfit.errors import InputError


def read_unpacked(path: Path) -> tuple[bytes, bool]:
    """Return the content, and whether it was gzipped; InputError if it is damaged."""
    data = path.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data, False
    try:
        return gzip.decompress(data), True
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{path.name} is a damaged gzip file: it ends early or was altered.") from None
