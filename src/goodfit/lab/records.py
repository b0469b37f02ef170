"""A comparison's folder: config.json, curves.npz, result.json, DONE."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.errors import RunFolderError
from goodfit.lab.catalogue import IDS, comparison
from goodfit.lab.comparison import Comparison, Record
from goodfit.store.atomic import write_bytes
from goodfit.store.run import RunFolder

CURVES = "curves.npz"


def write_record(folder: RunFolder, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any]) -> None:
    """Keep what a comparison left, and mark it done."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(folder.path / CURVES, buffer.getvalue())
    folder.finish(dict(info))


def read_record(folder: RunFolder) -> Record | None:
    """Return a finished comparison's record, or None where it is not finished.

    Raises:
        RunFolderError: a file of it is damaged.
    """
    result = folder.result() if folder.path.is_dir() else None
    if result is None:
        return None
    path = folder.path / CURVES
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunFolderError(
            f"{path} cannot be read ({error}): delete the folder {folder.path} and run the comparison again."
        ) from None
    return Record({**folder.config(), **result}, arrays)


def records_of(out: Path) -> list[tuple[Comparison, Record]]:
    """Return every finished comparison of a lab's folder, in the chapter's order.

    Raises:
        RunFolderError: a record is damaged.
    """
    found = [(name, read_record(RunFolder(out / name))) for name in IDS]
    return [(comparison(name), record) for name, record in found if record is not None]
