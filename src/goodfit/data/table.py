"""The table: what every source is read into, and what everything later works on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from goodfit.data.values import Kind, convert, normalise
from goodfit.errors import InputError, must_be, nearest


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length, or images with a target.

    ``columns`` maps a name to an array [rows], in the form that ``goodfit.data.values`` describes for
    its kind. ``images`` is uint8 [rows, height, width] or [rows, height, width, channels], with values
    0 to ``pixel_max``; then ``columns`` holds at most the target. ``target`` is what the source
    suggests. ``sealed_rows`` (sorted, int64) are rows that the source itself sets aside for the final
    test. ``notes`` are sentences about what was found and done while reading. ``files`` are the paths of the
    images below their folder, where each lies in a file of its own.
    """

    name: str
    columns: dict[str, np.ndarray]
    kinds: dict[str, Kind]
    images: np.ndarray | None = None
    target: str | None = None
    notes: tuple[str, ...] = ()
    sealed_rows: np.ndarray | None = None
    pixel_max: int = 255
    files: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows."""
        if self.images is not None:
            return len(self.images)
        return len(next(iter(self.columns.values()), ()))

    def take(self, rows: np.ndarray) -> Table:
        """Return the given rows (int [n]) in the given order; ``sealed_rows`` keep their meaning."""
        rows = np.asarray(rows, np.int64)
        sealed = None if self.sealed_rows is None else np.flatnonzero(np.isin(rows, self.sealed_rows))
        return replace(
            self,
            columns={name: values[rows] for name, values in self.columns.items()},
            images=None if self.images is None else self.images[rows],
            sealed_rows=sealed,
            files=tuple(self.files[row] for row in rows) if self.files else (),
        )

    def content_hash(self) -> str:
        """Return the SHA-256 (hex) over names, kinds, values and sealed rows: equal on every machine."""
        digest = hashlib.sha256()
        for name, values in self.columns.items():
            digest.update(repr((name, self.kinds[name], len(values))).encode())
            digest.update(_column_bytes(values))
        for extra in (self.images, self.sealed_rows):
            shape = None if extra is None else extra.shape
            digest.update(repr((shape, self.pixel_max)).encode())
            digest.update(b"" if extra is None else np.ascontiguousarray(extra).tobytes())
        return digest.hexdigest()

    def row_hashes(self, columns: Iterable[str] | None = None) -> np.ndarray:
        """Return uint64 [rows], equal for equal rows; over all columns, or only those named."""
        hashes = np.zeros(self.rows, np.uint64)
        for name in self.columns if columns is None else columns:
            hashes = _mix(hashes ^ _value_hashes(self.columns[name]))
        if self.images is not None:
            flat = np.ascontiguousarray(self.images.reshape(self.rows, -1))
            hashes = _mix(hashes ^ _digests(row.tobytes() for row in flat))
        return hashes

    def require(self, name: str) -> np.ndarray:
        """Return a column; InputError with the nearest name if there is none of that name."""
        if name not in self.columns:
            known = ", ".join(map(repr, list(self.columns)[:8])) + (", …" if len(self.columns) > 8 else "")
            raise InputError(
                f"{self.name} has no column {name!r}{nearest(name, self.columns)}; its columns are {known}."
            )
        return self.columns[name]


def from_frame(frame: Any, name: str = "table") -> Table:
    """Read a pandas DataFrame, a dict of columns, a 2-D array (columns "x0", "x1", …) or images.

    Images are a uint8 array [rows, height, width] or [rows, height, width, channels].

    Raises:
        InputError: no rows or columns, duplicate names, unequal lengths, infinite values.
    """
    if isinstance(frame, Table):
        return frame
    if isinstance(frame, np.ndarray) and frame.ndim in (3, 4):
        if not frame.size:
            raise InputError(f"{name} is empty: it holds no pixels.")
        return Table(name, {}, {}, images=as_images(frame))
    raw = raw_columns(frame)
    if not raw:
        raise InputError(f"{name} is empty: it has no columns.")
    columns: dict[str, np.ndarray] = {}
    kinds: dict[str, Kind] = {}
    for column, values in raw.items():
        columns[column], kinds[column] = normalise(values, column)
    if not len(next(iter(columns.values()))):
        raise InputError(f"{name} is empty: it has {len(columns)} columns and no rows.")
    return Table(name, columns, kinds)


def raw_columns(data: Any) -> dict[str, Any]:
    """Return the columns of a DataFrame, mapping or 2-D array by name, each as it is.

    Raises:
        InputError: another type, duplicate names, unequal lengths.
    """
    if isinstance(data, Mapping):
        labels, columns = list(data), list(data.values())
    elif hasattr(data, "columns"):
        labels = list(data.columns)
        columns = [data.iloc[:, i] if hasattr(data, "iloc") else data[c] for i, c in enumerate(labels)]
    elif np.ndim(data) == 2:
        columns = list(np.asarray(data).T)
        labels = [f"x{i}" for i in range(len(columns))]
    else:
        raise must_be("The data", "a DataFrame, a dict of columns or a 2-D array", type(data).__name__)
    names = [str(label) for label in labels]
    refuse_duplicates(names, "The table")
    for name, column in zip(names, columns, strict=True):
        if not hasattr(column, "__len__") or isinstance(column, str):
            raise must_be(f"Column {name!r}", "an array or a list of values", column)
        if len(column) != len(columns[0]):
            raise InputError(
                "Columns must be equally long: "
                f"{names[0]!r} has {len(columns[0])} rows, {name!r} has {len(column)}."
            )
    return dict(zip(names, columns, strict=True))


def refuse_duplicates(names: Iterable[str], owner: str) -> None:
    """Raise InputError if a name occurs twice."""
    twice = [repr(name) for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{owner} has duplicate column names: {', '.join(twice[:5])}. Rename them.")


def as_images(pixels: np.ndarray, pixel_max: int = 255) -> np.ndarray:
    """Return pixels as uint8; InputError unless they are whole numbers from 0 to ``pixel_max``."""
    if pixels.dtype.kind not in "iufb":
        raise must_be("Pixels", f"whole numbers from 0 to {pixel_max}", str(pixels.dtype))
    with np.errstate(invalid="ignore"):
        small = pixels.astype(np.uint8, copy=False)
    if not np.array_equal(small, pixels) or small.max(initial=0) > pixel_max:
        low, high = pixels.min(), pixels.max()
        raise InputError(
            f"Pixels must be whole numbers from 0 to {pixel_max}; these reach from {low:g} to {high:g}. "
            "Scale and round them, or give each pixel as a column."
        )
    return small


def join_tables(
    train: Table, *, valid: Table | None = None, test: Table | None = None
) -> tuple[Table, np.ndarray | None, np.ndarray | None]:
    """Append validation and test tables to ``train``; return the table and their row numbers.

    The training table rules: its columns, order and kinds are kept, and the others are converted.
    Drop rows without a target (``drop_missing_target``) before, so that row numbers stay true.

    Raises:
        InputError: lacking columns (all are named), values unfit for a column's kind, other image sizes.
    """
    joined, places = train, {}
    for role, part in (("validation", valid), ("test", test)):
        if part is not None:
            places[role] = np.arange(joined.rows, joined.rows + part.rows)
            joined = _append(joined, part, role)
    sealed = places.get("test", train.sealed_rows)
    return replace(joined, sealed_rows=sealed), places.get("validation"), places.get("test")


def _append(train: Table, part: Table, role: str) -> Table:
    lacking = [repr(name) for name in train.columns if name not in part.columns]
    if lacking:
        raise InputError(
            f"The {role} table {part.name} lacks columns of the training table: {', '.join(lacking)}."
        )
    shapes = [None if t.images is None else t.images.shape[1:] for t in (train, part)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"The {role} images must have the shape of those for training, {shapes[0]}, got {shapes[1]}."
        )
    images = None
    if train.images is not None and part.images is not None:
        images = np.concatenate([train.images, part.images])
    columns = {}
    for name, values in train.columns.items():
        kind = train.kinds[name]
        columns[name] = np.concatenate([values, convert(part.columns[name], part.kinds[name], kind, name)])
    files = (*train.files, *part.files) if train.files and part.files else ()
    return replace(train, columns=columns, images=images, notes=(*train.notes, *part.notes), files=files)


def _column_bytes(values: np.ndarray) -> bytes:
    if values.dtype != object:
        return _canonical(values).tobytes()
    lengths = np.fromiter((-1 if v is None else len(v) for v in values), "<i8", len(values))
    return lengths.tobytes() + "".join(v for v in values if v is not None).encode("utf-8", "surrogatepass")


def _canonical(values: np.ndarray) -> np.ndarray:
    """Return little-endian float64 with one zero and one NaN, so that equal values have equal bytes."""
    return np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8")


def _value_hashes(values: np.ndarray) -> np.ndarray:
    if values.dtype != object:
        return _mix(_canonical(values).view("<u8").astype(np.uint64))
    distinct = list(dict.fromkeys(values))
    hashes = _digests(b"" if v is None else b"=" + v.encode("utf-8", "surrogatepass") for v in distinct)
    by_text = dict(zip(distinct, hashes.tolist(), strict=True))
    return np.fromiter((by_text[v] for v in values), np.uint64, len(values))


def _digests(parts: Iterable[bytes]) -> np.ndarray:
    joined = b"".join(hashlib.blake2b(part, digest_size=8).digest() for part in parts)
    return np.frombuffer(joined, "<u8").astype(np.uint64)


def _mix(x: np.ndarray) -> np.ndarray:
    """Scramble uint64 (the finaliser of SplitMix64), so that the order of columns matters."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
