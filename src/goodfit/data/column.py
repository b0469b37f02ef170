"""How one column of a table becomes numbers for a network: fitted on training rows, then fixed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, get_args

import numpy as np

from goodfit.data.values import Kind, is_missing, plain_text
from goodfit.errors import InputError

MAX_CATEGORIES = 1000
ONE_HOT = 9  # up to so many categories each has a number of its own; more are a code, which networks embed
QUANTITY, PLAIN, CODE = 0, 1, 2  # an encoded number may be embedded, enters as it is, or is a place in a list

LEVELS = 128  # quantiles kept of a column of numbers
FEW_LEVELS = 6  # with fewer distinct values the rank says no more than the number
CLIP = 8.0  # no encoded number lies further out
_HUGE = 1e300  # differences of numbers within stay finite
_FEW_ROWS = 10  # below, every column looks like an identifier
_ID_NAME = re.compile(r"(?i:(^|.*[\W_])(id|idx|index|key|uuid|guid|no|nr|number))|.*[a-z]I[dD]|Unnamed: \d+")


@dataclass(frozen=True)
class Column:
    """One input column and its encoding.

    number, date: ``squash((x - center) / scale)``; its normal score among the ``quantiles`` of training,
    if there are enough; and, if ``missing``, an indicator. Missing gives 0. Both forms together beat either
    alone on 8 of 11 tables (docs/log.md).
    boolean, and categories of which there are two: +1 for true (the first category), -1, missing 0.
    category: one of ``categories`` (most frequent first), and ``other`` for the rarer ones if there
    are any; missing gives zeros. A category unseen in training counts as other, else gives zeros.
    ``coded``: the category's place in the list, their number K for any other one, K + 1 for missing.
    """

    name: str
    kind: Kind
    center: float = 0.0
    scale: float = 1.0
    quantiles: tuple[float, ...] = ()
    missing: bool = False
    categories: tuple[str, ...] = ()
    other: bool = False
    coded: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """A name for each encoded number: "age", "age missing", "colour=red", "colour=other"."""
        if self.coded:
            return (f"{self.name} code",)
        if self.kind == "category":
            shown = self.categories[:1] if self._two_valued else self.categories
            return tuple(f"{self.name}={category}" for category in (*shown, *["other"] * self.other))
        if self.kind == "boolean":
            return (f"{self.name}=true",)
        rank = (f"{self.name} rank",) if self.quantiles else ()
        return (self.name, *rank, *((f"{self.name} missing",) if self.missing else ()))

    @property
    def parts(self) -> tuple[int, ...]:
        """What each encoded number is: `QUANTITY`, `PLAIN` or `CODE`."""
        if self.kind in ("category", "boolean"):
            return (CODE,) if self.coded else (PLAIN,) * len(self.features)
        return (QUANTITY, *(PLAIN,) * (len(self.features) - 1))

    @property
    def _two_valued(self) -> bool:
        return len(self.categories) == 2 and not self.other

    def encode_into(self, out: np.ndarray, values: np.ndarray) -> None:
        """Write a normalised column [rows] of the right kind into ``out`` float32 [rows, features]."""
        if self.kind == "category":
            codes = self._codes(values)
            if self.coded:
                out[:, 0] = np.where(codes < 0, len(self.categories) + 1, codes)
            elif self._two_valued:
                out[:, 0] = np.array([1, -1, 0], np.float32)[codes]
            else:
                places = codes if self.other else np.where(codes == len(self.categories), -1, codes)
                out[:] = places[:, None] == np.arange(out.shape[1])
            return
        gone = np.isnan(values)
        encoded = 2 * values - 1 if self.kind == "boolean" else squash(values, self.center, self.scale)
        out[:, 0] = np.where(gone, 0, encoded)
        if self.quantiles:
            knots, scores = self.normal_scores
            out[:, 1] = np.where(gone, 0, np.interp(values, knots, scores))
        if self.missing:
            out[:, -1] = gone

    @cached_property
    def normal_scores(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct quantiles, and the normal score of each: the mean over the levels that share it."""
        knots, places = np.unique(self.quantiles, return_inverse=True)
        scores = [NormalDist().inv_cdf(level) for level in _levels(len(self.quantiles))]
        return knots, np.bincount(places, scores) / np.bincount(places)

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
        return {**asdict(self), "categories": list(self.categories), "quantiles": list(self.quantiles)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        """Rebuild a column; InputError if the record is not one."""
        try:
            column = cls(
                **{**data, "categories": tuple(data["categories"]), "quantiles": tuple(data["quantiles"])}
            )
            sound = (
                isinstance(column.name, str)
                and column.kind in get_args(Kind)
                and np.isfinite([column.center, column.scale, *column.quantiles]).all()
                and column.scale > 0
                and isinstance(column.missing, bool)
                and isinstance(column.other, bool)
                and isinstance(column.coded, bool)
                and column.coded <= (column.kind == "category")
                and all(isinstance(category, str) for category in column.categories)
            )
        except (TypeError, KeyError):
            sound, column = False, None
        if column is None or not sound:
            raise InputError("The record of a column is damaged.")
        return column


def squash(x: np.ndarray, center: float, scale: float) -> np.ndarray:
    """Return z / sqrt(1 + (z/8)^2) of z = (x - center) / scale: near z in the middle, within ±8 outside.

    The smooth clipping of Holzmüller, Grinsztajn and Steinwart, "Better by default" (2024), with more room.
    Finite for every finite x; NaN stays NaN.
    """
    with np.errstate(over="ignore"):
        z = np.clip((x - center) / scale, -1e6, 1e6)
    return z / np.sqrt(1 + (z / CLIP) ** 2)


def _levels(count: int) -> np.ndarray:
    """Return ``count`` levels between 0 and 1, at the middle of equal steps."""
    return (np.arange(count) + 0.5) / count


def fit_column(name: str, kind: Kind, values: np.ndarray, table_rows: int | None) -> Column | str:
    """Return the encoding fitted on a normalised column of training rows, or the reason to drop it.

    ``table_rows`` tells a column that counts the rows; without it no column is taken for an identifier.
    """
    gone = is_missing(values)
    known = values[~gone]
    if not len(known):
        return "no value among the training rows"
    if kind == "category":
        return _fit_category(name, known, bool(gone.any()), table_rows is not None)
    if table_rows is not None and _is_identifier(name, kind, known, table_rows):
        return "an identifier: whole numbers, each once"
    known = np.clip(known, -_HUGE, _HUGE)
    low, high = float(known.min()), float(known.max())
    if low == high and not gone.any():
        return "constant"
    if kind == "boolean":
        return Column(name, kind)
    if low == high:  # sometimes missing, and only that tells something
        return Column(name, kind, center=low, missing=True)
    peak = max(abs(low), abs(high))  # divided out, so that squares of huge numbers stay finite
    center, scale = float(np.mean(known / peak)) * peak, float(np.std(known / peak)) * peak
    ranked = len(np.unique(known)) >= FEW_LEVELS
    quantiles = tuple(map(float, np.quantile(known, _levels(LEVELS)))) if ranked else ()
    return Column(name, kind, center, scale or high - low, quantiles, missing=bool(gone.any()))


def _fit_category(name: str, known: np.ndarray, some_missing: bool, identifiers: bool) -> Column | str:
    counts = Counter(known)
    if identifiers and len(known) >= _FEW_ROWS and len(counts) >= 0.95 * len(known):
        return "an identifier: text that differs in nearly every row"
    if len(counts) == 1 and not some_missing:
        return "constant"
    ordered = sorted(counts, key=lambda category: (-counts[category], category))
    other, coded = len(ordered) > MAX_CATEGORIES, len(ordered) > ONE_HOT
    return Column(name, "category", categories=tuple(ordered[:MAX_CATEGORIES]), other=other, coded=coded)


def _is_identifier(name: str, kind: Kind, known: np.ndarray, table_rows: int) -> bool:
    """Whether whole numbers occur once each and are named like an id, or count the rows of the table."""
    if kind != "number" or len(known) < _FEW_ROWS or not np.array_equal(known, np.rint(known)):
        return False
    if len(np.unique(known)) < len(known):
        return False
    counting = known.min() >= 0 and known.max() <= table_rows
    return counting or _ID_NAME.fullmatch(name) is not None
