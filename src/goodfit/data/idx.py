"""The IDX format of MNIST: a folder with a pair of files (images, labels) for training, and one for testing.

Layout of a file (LeCun, Cortes and Burges, "The MNIST database"): two zero bytes, one byte for the type
(8 = unsigned byte), one byte for the number of dimensions, each dimension as big-endian uint32, the data.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from goodfit.data.files import read_unpacked
from goodfit.data.table import Table
from goodfit.errors import InputError

_UNSIGNED_BYTE = 8
_TEST_NAMES = ("t10k", "test")


def read_idx_folder(folder: Path) -> Table:
    """Read the image and label files of a folder; the rows of a ``t10k`` or ``test`` pair are sealed.

    Raises:
        InputError: no pair of files, unequal numbers of images and labels, damaged files.
    """
    files = sorted(p for p in folder.iterdir() if "idx" in p.name and p.is_file())
    train = _pair([p for p in files if not p.name.startswith(_TEST_NAMES)], folder)
    test = _pair([p for p in files if p.name.startswith(_TEST_NAMES)], folder)
    if train is None:
        raise InputError(
            f"The folder {folder} holds no data: it must have IDX files such as "
            "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz, or one sub-folder of PNG or JPEG "
            "files a class."
        )
    images, labels = train
    sealed, notes = None, ()
    if test is not None:
        if test[0].shape[1:] != images.shape[1:]:
            raise InputError(
                f"The test images in {folder} must have the shape of those for training, "
                f"{images.shape[1:]}, got {test[0].shape[1:]}."
            )
        sealed = np.arange(len(images), len(images) + len(test[0]))
        images, labels = np.concatenate([images, test[0]]), np.concatenate([labels, test[1]])
        notes = (f"The {len(sealed)} rows of the test pair are sealed.",)
    return Table(
        folder.name,
        {"label": labels.astype(np.float64)},
        {"label": "number"},
        images=images,
        target="label",
        notes=notes,
        sealed_rows=sealed,
    )


def read_idx(path: Path) -> np.ndarray:
    """Return the uint8 array of one IDX file, gzipped or not; InputError if it is damaged."""
    data, _ = read_unpacked(path)
    start = 4 + 4 * data[3] if len(data) > 3 else 4
    if len(data) < start or data[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
        raise InputError(f"{path.name} is not an IDX file of unsigned bytes.")
    shape = [int(n) for n in np.frombuffer(data[4:start], ">u4")]
    size = math.prod(shape)
    if len(data) != start + size:
        raise InputError(
            f"{path.name} is damaged: {size} bytes of data announced, {len(data) - start} found."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _pair(files: list[Path], folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    images = [p for p in files if "images" in p.name]
    labels = [p for p in files if "labels" in p.name]
    if not images and not labels:
        return None
    if len(images) != 1 or len(labels) != 1:
        raise InputError(
            f"The folder {folder} must hold one file of labels for each file of images; "
            f"found {', '.join(p.name for p in files)}."
        )
    x, y = read_idx(images[0]), read_idx(labels[0])
    if x.ndim not in (3, 4) or y.ndim != 1 or len(x) != len(y) or not x.size:
        raise InputError(
            f"{images[0].name} and {labels[0].name} must hold as many images as labels; "
            f"their shapes are {x.shape} and {y.shape}."
        )
    return x, y
