"""Arrays in files that are named by their content and never change."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.errors import RunFolderError
from goodfit.store.atomic import write_bytes


def save_arrays(folder: str | os.PathLike[str], arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> str:
    """Write named arrays and a JSON record as one safetensors file; return its name, a content hash.

    Raises:
        RunFolderError: the folder or the disk does not take it.
    """
    from safetensors.numpy import save

    record = json.dumps(meta, sort_keys=True)
    data = save({k: np.ascontiguousarray(a) for k, a in sorted(arrays.items())}, {"record": record})
    name = hashlib.sha256(data).hexdigest()[:32]
    path = Path(folder) / f"{name}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)
    return name


def load_arrays(folder: str | os.PathLike[str], name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what `save_arrays` wrote under ``name``.

    Raises:
        RunFolderError: the file is missing, or its content is no longer what its name says.
    """
    from safetensors.numpy import load

    path = Path(folder) / f"{name}.safetensors"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunFolderError(f"Cannot read {path}, which the journal names: {error.strerror}.") from error
    if hashlib.sha256(data).hexdigest()[:32] != name:
        raise RunFolderError(f"{path} was altered after it was written: restore it, or start a new run.")
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return load(data), json.loads(header["__metadata__"]["record"])
