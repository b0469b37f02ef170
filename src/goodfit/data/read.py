"""Read a table from a file, a folder or a name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from goodfit.data.builtin import BUILT_IN, known_names, read_known, suggested_target
from goodfit.data.delimited import read_cells, read_delimited
from goodfit.data.folder import SUFFIXES, holds_images, read_image_folder, read_images
from goodfit.data.idx import read_idx_folder
from goodfit.data.npz import read_npz
from goodfit.data.table import Table, from_frame, refuse_duplicates
from goodfit.data.values import texts_of
from goodfit.errors import InputError, nearest

_TEXTS = (".csv", ".tsv", ".txt")
_INDEX = r"__index_level_\d+__"  # what pandas calls the column of an index without a name
_FORMATS = ".csv, .tsv or .txt (each also as .gz), .parquet, .npz, or a folder of images or IDX files"


def read_table(source: str | Path, *, target: str | None = None) -> Table:
    """Read a table, and set its target: the one given, else the one that the source suggests.

    ``source`` is a .csv, .tsv or .txt file (also gzipped), a .parquet or .npz file, a folder of IDX
    files or with one sub-folder of images a class, or a name: digits, wine, breast_cancer, diabetes,
    iris, and with GOODFIT_DATA set also mnist and the tables of its index. A name wins over a file of
    the same name; write ./digits for the file.

    Raises:
        InputError: nothing there, another format, damaged or empty, no such target; says what to do.
    """
    found = read_known(str(source)) if str(source) in known_names() else Path(source)
    table = found if isinstance(found, Table) else _read_path(found)
    if target is not None:
        table.require(target)
        table = replace(table, target=target)
    return table


def read_new(source: str | Path) -> Table:
    """Read rows to predict: as `read_table`, but images need no classes, and a single file of one will do.

    Raises:
        InputError: as `read_table`.
    """
    path = Path(source)
    images = holds_images(path) if path.is_dir() else path.is_file() and path.suffix.lower() in SUFFIXES
    return read_images(path) if images and str(source) not in known_names() else read_table(source)


def columns_as_given(source: str | Path, table: Table) -> dict[str, list[Any]]:
    """Return the columns of a source as they stand there, for people to find their rows in; see `read_table`.

    The cells of a text file are text, "007" and "1,5" too; those of a Parquet file are numbers, text or times
    as there; others are those of ``table``, as text.
    """
    path = Path(source)
    name = path.name.lower().removesuffix(".gz")
    if str(source) not in known_names() and name.endswith(_TEXTS):
        return read_cells(path)
    if str(source) not in known_names() and name.endswith(".parquet"):
        columns = _arrow(path).to_pydict()
        return {column: columns[column] for column in columns if not re.fullmatch(_INDEX, column)}
    return {
        column: texts_of(values, table.kinds[column]).tolist() for column, values in table.columns.items()
    }


def _read_path(path: Path) -> Table:
    if path.is_dir():
        return read_image_folder(path) if holds_images(path) else read_idx_folder(path)
    if not path.is_file():
        near = nearest(str(path), known_names())
        raise InputError(
            f"There is no file, folder or built-in data set {str(path)!r}{near}. "
            f"Built-in names are {', '.join(BUILT_IN)}; more with GOODFIT_DATA set to a data folder."
        )
    readers = dict.fromkeys(_TEXTS, read_delimited)
    readers |= {".parquet": _read_parquet, ".npz": read_npz}
    name = path.name.lower().removesuffix(".gz")
    suffix = next((s for s in readers if name.endswith(s)), None)
    if suffix is None:
        raise InputError(f"{path.name} is of an unknown format; data must be {_FORMATS}.")
    try:
        table = readers[suffix](path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    target, note = suggested_target(path)
    return replace(
        table,
        name=Path(path.name.removesuffix(".gz")).stem,
        target=target if target in table.columns else table.target,
        notes=(*table.notes, f"The index says: {note}.") if note else table.notes,
    )


def _read_parquet(path: Path) -> Table:
    arrow = _arrow(path)
    refuse_duplicates(arrow.column_names, path.name)
    frame = arrow.to_pandas()
    if any(level is not None for level in frame.index.names):  # a named index holds data
        frame = frame.reset_index()
    return from_frame(frame, path.name)


def _arrow(path: Path) -> Any:
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path).read()
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path.name} is not a readable Parquet file: {reason}.") from None
