"""The safetensors layout, written and read: 8 bytes header length, JSON header, arrays one after another.

Written here rather than called because equal content must give equal bytes, prediction must not need the
package, and reading must say what is wrong. Any safetensors reader opens these files.
Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from goodfit.store.canonical import loads

MAX_HEADER = 16 * 2**20  # parsing JSON can take 50 times its size in memory

_DTYPES = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
_CODES = {np.dtype(text): code for code, text in _DTYPES.items()}


class Header(NamedTuple):
    """Where each array lies: name -> (dtype, shape, first byte after the header); sizes in bytes."""

    arrays: dict[str, tuple[np.dtype, tuple[int, ...], int]]
    metadata: dict[str, str]
    header_size: int  # with its 8 bytes of length
    data_size: int


def pack(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """Return the file of named arrays of any shape and plain type: equal content, equal bytes.

    Raises:
        TypeError: a type that the format lacks (object, complex, text).
        ValueError: a header beyond ``MAX_HEADER``.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    parts, start = [], 0
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        little = array.dtype.newbyteorder("<")
        if little not in _CODES:
            raise TypeError(f"array {name!r} has the type {array.dtype}, which safetensors files lack")
        parts.append(np.ascontiguousarray(array, little).tobytes())
        span = [start, start + len(parts[-1])]
        header[name] = {"dtype": _CODES[little], "shape": list(array.shape), "data_offsets": span}
        start = span[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays are aligned
    if len(text) > MAX_HEADER:
        raise ValueError(f"the description needs {len(text)} bytes, {MAX_HEADER} are allowed")
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def read_header(length: bytes, text: bytes) -> Header:
    """Return the layout from a file's first 8 bytes and the header after them.

    Raises:
        ValueError: a word or two on what is wrong with it; never another exception.
    """
    if len(text) > MAX_HEADER:
        raise ValueError("the header is too large")
    if int.from_bytes(length, "little") != len(text):
        raise ValueError("the header is cut short")
    header = loads(text)
    if not isinstance(header, dict):
        raise ValueError("the header is no table of arrays")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("the metadata are no texts")
    arrays, spans = {}, []
    for name, entry in header.items():
        dtype, shape, (start, stop) = _entry(name, entry)
        if stop - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"the size of {name!r} does not fit its shape")
        arrays[name] = (dtype, shape, start)
        spans.append((start, stop))
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise ValueError("the arrays overlap or leave gaps")
        end = stop
    return Header(arrays, metadata, 8 + len(text), end)


def view(header: Header, data: bytes | bytearray | memoryview) -> dict[str, np.ndarray]:
    """Return the arrays as read-only views of what follows the header, which must be all there."""
    if len(data) != header.data_size:
        raise ValueError("the arrays are cut short")
    arrays = {}
    for name, (dtype, shape, start) in header.arrays.items():
        array = np.frombuffer(data, dtype, math.prod(shape), start).reshape(shape)
        array.flags.writeable = False
        arrays[name] = array
    return arrays


def _entry(name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], tuple[int, int]]:
    try:
        dtype, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        sound = len(entry) == 3 and len(shape) <= 32 and dtype in _DTYPES
        sound = sound and all(type(n) is int and 0 <= n < 2**48 for n in (*shape, start, stop))
    except (TypeError, KeyError, ValueError):
        sound = False
    if not sound:
        raise ValueError(f"the entry {name[:40]!r} is not that of an array")
    return np.dtype(_DTYPES[dtype]), shape, (start, stop)
