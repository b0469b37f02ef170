"""The tables of a folder, and one split of one table as a method sees it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

TEST_SHARE = 0.25


@dataclass(frozen=True)
class Problem:
    """One split of one table. Classes are codes 0 … K − 1 in the order of `classes`."""

    name: str
    task: str  # binary, multiclass, regression
    seed: int
    classes: tuple[str, ...]
    x_train: pd.DataFrame  # numbers as float64, all else as categories: what the peers get
    x_test: pd.DataFrame
    raw_train: pd.DataFrame  # as read from the file: what a tool that prepares for itself gets
    raw_test: pd.DataFrame
    y_train: np.ndarray
    y_test: np.ndarray

    @property
    def classification(self) -> bool:
        """Tell whether the target is a class."""
        return self.task != "regression"


def data_folder() -> Path:
    """Return the folder of tables that GOODFIT_DATA names."""
    if "GOODFIT_DATA" not in os.environ:
        raise SystemExit(
            "Name a folder of tables with --tables, or set GOODFIT_DATA (its folder `tables` is read)."
        )
    return Path(os.environ["GOODFIT_DATA"]) / "tables"


def read_index(folder: Path) -> dict[str, dict]:
    """Return the entries of a folder's index.json by name."""
    entries = json.loads((folder / "index.json").read_text())
    return {entry["name"]: entry for entry in entries}


def split_rows(y: np.ndarray, stratify: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and to test on (25 %): a function of the target and the seed."""
    rows = np.arange(len(y))
    by = y if stratify and np.unique(y, return_counts=True)[1].min() > 1 else None
    train, test = train_test_split(rows, test_size=TEST_SHARE, random_state=seed, stratify=by)
    return np.sort(train), np.sort(test)


def prepare_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns as float64 where they are numbers (or truths), else as categories of strings.

    The names of the categories come from all rows, so that every library knows every name; nothing else
    does.
    """
    columns = {}
    for name, column in frame.items():
        if pd.api.types.is_datetime64_any_dtype(column):
            seconds = (column - pd.Timestamp(0, tz=column.dt.tz)).dt.total_seconds()
            columns[str(name)] = seconds.astype("float64")
        elif pd.api.types.is_numeric_dtype(column):
            columns[str(name)] = column.astype("float64")
        else:
            text = column.astype(object).map(str, na_action="ignore")
            columns[str(name)] = pd.Categorical(text, categories=sorted(text.dropna().unique()))
    return pd.DataFrame(columns, index=frame.index)


def load_problem(folder: Path, entry: dict, seed: int) -> Problem:
    """Read one table and split it; rows without a target are left out."""
    frame = pd.read_parquet(folder / entry["file"])
    frame = frame[frame[entry["target"]].notna()].reset_index(drop=True)
    target = frame.pop(entry["target"])
    classes: tuple[str, ...] = ()
    if entry["task"] == "regression":
        y = target.to_numpy(dtype=np.float64)
    else:
        names, codes = np.unique(target.astype(object).map(str).to_numpy(dtype=str), return_inverse=True)
        y, classes = codes.astype(np.int64), tuple(map(str, names))
    train, test = split_rows(y, bool(classes), seed)
    x = prepare_columns(frame)
    return Problem(
        entry["name"],
        entry["task"],
        seed,
        classes,
        *(part.iloc[rows].reset_index(drop=True) for part in (x, frame) for rows in (train, test)),
        y[train],
        y[test],
    )
