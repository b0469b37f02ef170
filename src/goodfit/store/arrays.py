"""Named arrays with a JSON record in one immutable file, named by the hash of its content."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.errors import RunFolderError
from goodfit.store.atomic import write_bytes
from goodfit.store.canonical import dumps, loads
from goodfit.store.tensors import pack, read_header, view

_KEY = "goodfit"


def save_arrays(folder: str | Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> str:
    """Write ``{hash}.safetensors`` into a folder, made if need be, and return the hash (SHA-256, hex).

    Raises:
        RunFolderError: the folder cannot be written.
    """
    blob = packed(arrays, meta)
    name = hashlib.sha256(blob).hexdigest()
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"Cannot create the folder {folder}: {error.strerror}.") from None
    write_bytes(_path(folder, name), blob)
    return name


def load_arrays(folder: str | Path, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return read-only arrays and record that `save_arrays` wrote under this name.

    Raises:
        RunFolderError: the file is missing, or is not what was written.
    """
    path = _path(folder, name)
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise RunFolderError(f"Cannot read {path}: {error.strerror}.") from None
    if hashlib.sha256(blob).hexdigest() != name:
        raise RunFolderError(f"{path} was altered or damaged: its content does not fit its name.")
    return unpacked(blob)


def packed(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> bytes:
    """Return arrays and record as the bytes of such a file: equal content, equal bytes."""
    return pack(arrays, {_KEY: dumps(dict(meta))})


def unpacked(blob: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the read-only arrays and the record that `packed` put together; it trusts the bytes."""
    start = 8 + int.from_bytes(blob[:8], "little")
    header = read_header(blob[:8], blob[8:start])
    return view(header, memoryview(blob)[start:]), loads(header.metadata[_KEY])


def glance(
    folder: str | Path, name: str, wanted: Iterable[str]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return some of the arrays and the record without reading the rest, so without the check of the hash.

    For pictures only: what is computed with comes from `load_arrays`.

    Raises:
        RunFolderError: the file is missing, cut short, or lacks one of the arrays.
    """
    path = _path(folder, name)
    try:
        with open(path, "rb") as file:
            length = file.read(8)
            header = read_header(length, file.read(int.from_bytes(length[:4], "little")))
            found = {}
            for one in wanted:
                dtype, shape, start = header.arrays[one]
                file.seek(header.header_size + start)
                blob = file.read(dtype.itemsize * math.prod(shape))
                found[one] = np.frombuffer(blob, dtype).reshape(shape)
            return found, loads(header.metadata[_KEY])
    except OSError as error:
        raise RunFolderError(f"Cannot read {path}: {error.strerror}.") from None
    except (ValueError, KeyError):
        raise RunFolderError(f"{path} was altered or damaged: it is not what was written.") from None


def sha256_of(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> str:
    """Return the name that `save_arrays` would give: the hash over names, types, shapes, values, record."""
    return hashlib.sha256(packed(arrays, meta)).hexdigest()


def _path(folder: str | Path, name: str) -> Path:
    return Path(folder) / f"{name}.safetensors"
