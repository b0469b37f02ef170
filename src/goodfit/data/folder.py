"""A folder of images: one sub-folder of PNG or JPEG files a class, named like it.

Two folders ``train`` and ``test`` with such sub-folders are both read, and the rows of the second are sealed.
A folder that holds only files is read without classes. For prediction, which needs none, any folder will do,
and a single file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from goodfit.data.table import Table
from goodfit.data.values import Kind
from goodfit.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg")
TARGET = "class"


def holds_images(folder: Path) -> bool:
    """Tell whether there is a PNG or JPEG file in the folder, or up to two folders below it."""
    return any(
        path.suffix.lower() in SUFFIXES
        for pattern in ("*", "*/*", "*/*/*")
        for path in folder.glob(pattern)
        if path.is_file()
    )


def read_image_folder(folder: Path) -> Table:
    """Read images of one size, in the order of classes' and files' names; grey ones stay grey.

    Raises:
        InputError: fewer than two classes, a damaged file, images of different sizes or of more than 8 bits;
            names the file.
    """
    folders = _folders(folder)
    parts = [part for part in ("train", "test") if part in folders]
    if parts == ["train", "test"] and all(_folders(folders[part]) for part in parts):
        _refuse_others(folder, [name for name in folders if name not in parts])
        files, labels = _listed(folders["train"])
        test_files, test_labels = _listed(folders["test"])
        _refuse_new(labels, test_labels, folders["test"])
    else:
        files, labels = _listed(folder)
        test_files, test_labels = [], []
    every = [*files, *test_files]
    if not every:
        raise InputError(f"{folder} has images, but not where they belong: in sub-folders, one a class.")
    images, notes = _read(every, folder)
    sealed = np.arange(len(files), len(images)) if test_files else None
    notes += [] if sealed is None else [f"The {len(sealed)} images of the folder test are sealed."]
    found = {TARGET: np.array([*labels, *test_labels], object)} if labels else {}
    kinds: dict[str, Kind] = {TARGET: "category"} if labels else {}
    return Table(
        folder.resolve().name,
        found,
        kinds,
        images=images,
        target=TARGET if found else None,
        notes=tuple(notes),
        sealed_rows=sealed,
        files=_below(folder, every),
    )


def read_images(path: Path) -> Table:
    """Read images of one size without classes: a file, or all in a folder and up to two folders below it.

    In each folder its files come first, then its sub-folders, in the order of their names.

    Raises:
        InputError: as `read_image_folder`, but for what it says of classes.
    """
    folder, files = (path, _all(path, 2)) if path.is_dir() else (path.parent, [path])
    if not files:
        raise InputError(f"{folder} has images in hidden folders only: their names begin with a dot.")
    images, notes = _read(files, folder)
    return Table(path.resolve().name, {}, {}, images=images, notes=tuple(notes), files=_below(folder, files))


def _all(folder: Path, deep: int) -> list[Path]:
    below = _folders(folder).values() if deep else ()
    return [*_files(folder), *(path for sub in below for path in _all(sub, deep - 1))]


def _below(folder: Path, files: list[Path]) -> tuple[str, ...]:
    return tuple(path.relative_to(folder).as_posix() for path in files)


def _folders(folder: Path) -> dict[str, Path]:
    return {p.name: p for p in sorted(folder.iterdir()) if p.is_dir() and not p.name.startswith(".")}


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in SUFFIXES)


def _listed(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the files of the classes in a folder, and each file's class; no classes if it has only files."""
    by_class = {name: found for name, sub in _folders(folder).items() if (found := _files(sub))}
    loose = _files(folder)
    if not by_class:
        return loose, []
    if loose:
        raise InputError(
            f"{loose[0].name} in {folder} belongs to no class: images must lie in one sub-folder a class."
        )
    if len(by_class) < 2:
        raise InputError(
            f"{folder} has images in one sub-folder only, {next(iter(by_class))!r}: there must be at least "
            "two, one a class."
        )
    files = [path for some in by_class.values() for path in some]
    return files, [name for name, some in by_class.items() for _ in some]


def _refuse_others(folder: Path, others: list[str]) -> None:
    if others:
        raise InputError(
            f"{folder} has train, test and {others[0]!r}: leave only train and test, whose images are "
            "trained on and sealed (rows to compare networks on are drawn from train)."
        )


def _refuse_new(train: list[str], test: list[str], folder: Path) -> None:
    new = sorted(set(test) - set(train))
    if new:
        raise InputError(f"{folder} has the class {new[0]!r}, which train lacks.")


def _read(files: list[Path], folder: Path) -> tuple[np.ndarray, list[str]]:
    """Return uint8 images, (rows, height, width) or (rows, height, width, 3), and notes."""
    pixels = [_pixels(path) for path in files]
    names = _below(folder, files)
    for name, one in zip(names, pixels, strict=True):
        if one.shape[:2] != pixels[0].shape[:2]:
            sizes = [f"{width} x {height}" for height, width, *_ in (one.shape, pixels[0].shape)]
            raise InputError(
                f"All images in {folder} must be of one size: {name} has {sizes[0]} pixels, {names[0]} has "
                f"{sizes[1]}. Scale them to one size first."
            )
    grey = [one.ndim == 2 for one in pixels]
    notes = []
    if any(grey) and not all(grey):
        notes.append(f"{sum(grey)} of {len(grey)} images are grey; they are taken as coloured ones.")
        pixels = [np.repeat(one[:, :, None], 3, axis=2) if one.ndim == 2 else one for one in pixels]
    return np.stack(pixels), notes


def _pixels(path: Path) -> np.ndarray:
    """Return one file's pixels, uint8 (height, width) or (height, width, 3); transparency is left out."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise InputError(f"{path} has more than 8 bits a pixel: save it with 8.")
            return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise InputError(f"{path} has too many pixels: scale the images down first.") from None
    except (OSError, SyntaxError, ValueError) as error:
        reason = "it is damaged or of another format" if not getattr(error, "strerror", None) else error
        raise InputError(f"The image {path} cannot be read: {reason}.") from None
