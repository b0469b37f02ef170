"""How one column of a table becomes numbers for a network: fitted on training rows, then fixed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from goodfit.data.values import Kind, is_missing, plain_text
from goodfit.errors import InputError

MAX_CATEGORIES = 64

_CLIP = 3.0  # no encoded number lies further out
_HUGE = 1e300  # differences of numbers within stay finite
_FEW_ROWS = 10  # below, every column looks like an identifier
_ID_NAME = re.compile(r"(?i:(^|.*[\W_])(id|idx|index|key|uuid|guid|no|nr|number))|.*[a-z]I[dD]|Unnamed: \d+")


@dataclass(frozen=True)
class Column:
    """One input column and its encoding.

    number, date: ``squash((x - center) / scale)`` and, if ``missing``, an indicator; missing gives 0.
    boolean, and categories of which there are two: +1 for true (the first category), -1, missing 0.
    category: one of ``categories`` (most frequent first), and ``other`` for the rarer ones if there
    are any; missing gives zeros. A category unseen in training counts as other, else gives zeros.
    """

    name: str
    kind: Kind
    center: float = 0.0
    scale: float = 1.0
    missing: bool = False
    categories: tuple[str, ...] = ()
    other: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """A name for each encoded number: "age", "age missing", "colour=red", "colour=other"."""
        if self.kind == "category":
            shown = self.categories[:1] if self._two_valued else self.categories
            return tuple(f"{self.name}={category}" for category in (*shown, *["other"] * self.other))
        if self.kind == "boolean":
            return (f"{self.name}=true",)
        return (self.name, f"{self.name} missing") if self.missing else (self.name,)

    @property
    def _two_valued(self) -> bool:
        return len(self.categories) == 2 and not self.other

    def encode_into(self, out: np.ndarray, values: np.ndarray) -> None:
        """Write a normalised column [rows] of the right kind into ``out`` float32 [rows, features]."""
        if self.kind == "category":
            codes = self._codes(values)
            if self._two_valued:
                out[:, 0] = np.array([1, -1, 0], np.float32)[codes]
            else:
                places = codes if self.other else np.where(codes == len(self.categories), -1, codes)
                out[:] = places[:, None] == np.arange(out.shape[1])
            return
        gone = np.isnan(values)
        encoded = 2 * values - 1 if self.kind == "boolean" else squash(values, self.center, self.scale)
        out[:, 0] = np.where(gone, 0, encoded)
        if self.missing:
            out[:, 1] = gone

    def count_unseen(self, values: np.ndarray) -> int:
        """Return how many values of a category column are neither missing nor among the categories."""
        return int((self._codes(values) == len(self.categories)).sum())

    def _codes(self, texts: np.ndarray) -> np.ndarray:
        """Return the place of each category; for an unknown one their number; -1 (the last) for missing.

        A category that spells a number also answers to its plain form: "03" and "3.0" to "3".
        """
        places = {plain_text(category): i for i, category in reversed([*enumerate(self.categories)])}
        places |= {category: i for i, category in enumerate(self.categories)}
        unknown = len(self.categories)
        codes = (-1 if text is None else places.get(text, unknown) for text in texts)
        return np.fromiter(codes, np.int64, len(texts))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; floats survive exactly."""
        return {**asdict(self), "categories": list(self.categories)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        """Rebuild a column; InputError if the record is not one."""
        try:
            column = cls(**{**data, "categories": tuple(data["categories"])})
            sound = (
                isinstance(column.name, str)
                and column.kind in get_args(Kind)
                and np.isfinite([column.center, column.scale]).all()
                and column.scale > 0
                and isinstance(column.missing, bool)
                and isinstance(column.other, bool)
                and all(isinstance(category, str) for category in column.categories)
            )
        except (TypeError, KeyError):
            sound, column = False, None
        if column is None or not sound:
            raise InputError("The record of a column is damaged.")
        return column


def squash(x: np.ndarray, center: float, scale: float) -> np.ndarray:
    """Return z / sqrt(1 + (z/3)^2) of z = (x - center) / scale: near z in the middle, within ±3 outside.

    The robust scaling with smooth clipping of Holzmüller, Grinsztajn and Steinwart, "Better by
    default" (2024). Finite for every finite x; NaN stays NaN.
    """
    with np.errstate(over="ignore"):
        z = np.clip((x - center) / scale, -1e6, 1e6)
    return z / np.sqrt(1 + (z / _CLIP) ** 2)


def fit_column(name: str, kind: Kind, values: np.ndarray, table_rows: int) -> Column | str:
    """Return the encoding fitted on a normalised column of training rows, or the reason to drop it."""
    gone = is_missing(values)
    known = values[~gone]
    if not len(known):
        return "no value among the training rows"
    if kind == "category":
        return _fit_category(name, known, bool(gone.any()))
    if _is_identifier(name, kind, known, table_rows):
        return "an identifier: whole numbers, each once"
    known = np.clip(known, -_HUGE, _HUGE)
    low, high = float(known.min()), float(known.max())
    if low == high and not gone.any():
        return "constant"
    if kind == "boolean":
        return Column(name, kind)
    quarter, median, three_quarters = (float(q) for q in np.quantile(known, [0.25, 0.5, 0.75]))
    # IQR, else half the range; 1 where a constant is sometimes missing, and only that tells something
    scale = three_quarters - quarter or high / 2 - low / 2 or 1.0
    return Column(name, kind, center=median, scale=scale, missing=bool(gone.any()))


def _fit_category(name: str, known: np.ndarray, some_missing: bool) -> Column | str:
    counts = Counter(known)
    if len(known) >= _FEW_ROWS and len(counts) >= 0.95 * len(known):
        return "an identifier: text that differs in nearly every row"
    if len(counts) == 1 and not some_missing:
        return "constant"
    ordered = sorted(counts, key=lambda category: (-counts[category], category))
    return Column(
        name, "category", categories=tuple(ordered[:MAX_CATEGORIES]), other=len(ordered) > MAX_CATEGORIES
    )


def _is_identifier(name: str, kind: Kind, known: np.ndarray, table_rows: int) -> bool:
    """Whether whole numbers occur once each and are named like an id, or count the rows of the table."""
    if kind != "number" or len(known) < _FEW_ROWS or not np.array_equal(known, np.rint(known)):
        return False
    if len(np.unique(known)) < len(known):
        return False
    counting = known.min() >= 0 and known.max() <= table_rows
    return counting or _ID_NAME.fullmatch(name) is not None
