"""Data sets known by name: scikit-learn's packaged files, and the folder that GOODFIT_DATA names.

scikit-learn is looked up, not imported: only its small data files are read.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from goodfit.data.idx import read_idx_folder
from goodfit.data.table import Table, from_frame
from goodfit.errors import InputError, MissingExtraError

BUILT_IN = ("digits", "wine", "breast_cancer", "diabetes", "iris")

_IRIS = ("sepal length", "sepal width", "petal length", "petal width")
_DIABETES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
_WINE = (
    *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
    *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines"),
    "proline",
)
_CELL = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points"),
    *("symmetry", "fractal dimension"),
)
_BREAST_CANCER = tuple(form.format(of) for form in ("mean {}", "{} error", "worst {}") for of in _CELL)
_CLASS_SETS = {
    "iris": ("iris.csv", _IRIS),
    "wine": ("wine_data.csv", _WINE),
    "breast_cancer": ("breast_cancer.csv", _BREAST_CANCER),
}


def known_names() -> tuple[str, ...]:
    """Return every name that can be read here: the built-in sets, and what GOODFIT_DATA adds."""
    folder = data_folder()
    if folder is None:
        return BUILT_IN
    mnist = ("mnist",) if (folder / "mnist").is_dir() else ()
    return (*BUILT_IN, *mnist, *_index(folder))


def read_known(name: str) -> Table | Path:
    """Return a built-in table, or the path of the file that a name in GOODFIT_DATA stands for."""
    if name == "digits":
        return _digits()
    if name == "diabetes":
        return _diabetes()
    if name in _CLASS_SETS:
        return _class_set(name, *_CLASS_SETS[name])
    folder = data_folder()
    assert folder is not None, "known_names() offers other names only with a folder"
    return (
        read_idx_folder(folder / "mnist")
        if name == "mnist"
        else folder / "tables" / _index(folder)[name]["file"]
    )


def suggested_target(path: Path) -> tuple[str | None, str]:
    """Return the target and the note that an ``index.json`` beside the file gives, else (None, "")."""
    index = path.parent / "index.json"
    entries = _read_index(index) if index.is_file() else {}
    for entry in entries.values():
        if entry["file"] == path.name:
            return entry.get("target"), entry.get("note", "")
    return None, ""


def data_folder() -> Path | None:
    """Return the folder of the environment variable GOODFIT_DATA, or None if it is not set.

    Raises:
        InputError: it is set to something that is not a folder.
    """
    named = os.environ.get("GOODFIT_DATA")
    if not named:
        return None
    if not Path(named).is_dir():
        raise InputError(f"The environment variable GOODFIT_DATA must name a folder, got {named!r}.")
    return Path(named)


def _index(folder: Path) -> dict[str, dict]:
    path = folder / "tables" / "index.json"
    return _read_index(path) if path.is_file() else {}


def _read_index(path: Path) -> dict[str, dict]:
    try:
        return {
            entry["name"]: {"file": f"{entry['name']}.parquet", **entry}
            for entry in json.loads(path.read_text())
        }
    except (ValueError, TypeError, KeyError, OSError):
        raise InputError(f"{path} must be a JSON list of objects with at least a name each.") from None


def _packaged(file: str) -> str:
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise MissingExtraError("The built-in data sets need scikit-learn: pip install scikit-learn.")
    path = Path(spec.origin).parent / "datasets" / "data" / file
    data = path.read_bytes()
    return (gzip.decompress(data) if file.endswith(".gz") else data).decode()


def _matrix(text: str, separator: str | None = ",") -> np.ndarray:
    return np.array([line.split(separator) for line in text.splitlines()], np.float64)


def _digits() -> Table:
    matrix = _matrix(_packaged("digits.csv.gz"))
    images = matrix[:, :64].astype(np.uint8).reshape(-1, 8, 8)
    label = {"label": matrix[:, 64].copy()}
    return Table("digits", label, {"label": "number"}, images=images, target="label", pixel_max=16)


def _diabetes() -> Table:
    inputs = _matrix(_packaged("diabetes_data_raw.csv.gz"), None)
    target = _matrix(_packaged("diabetes_target.csv.gz"), None)[:, 0]
    columns = {**dict(zip(_DIABETES, inputs.T.copy(), strict=True)), "progression": target}
    return replace(from_frame(columns, "diabetes"), target="progression")


def _class_set(name: str, file: str, names: tuple[str, ...]) -> Table:
    head, _, body = _packaged(file).partition("\n")
    labels = np.array(head.split(",")[2:], object)
    matrix = _matrix(body)
    columns = dict(zip(names, matrix[:, :-1].T.copy(), strict=True))
    columns["class"] = labels[matrix[:, -1].astype(int)]
    return replace(from_frame(columns, name), target="class")
