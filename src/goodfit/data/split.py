"""Cut the rows into training, validation and sealed test rows, once, from one seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.data.table import Table
from goodfit.data.values import is_missing, normalise
from goodfit.errors import InputError, must_be


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers (int64, sorted) of three disjoint parts, none of them empty."""

    train: np.ndarray
    valid: np.ndarray
    sealed: np.ndarray


def make_split(
    task: str,
    y: np.ndarray,
    *,
    seed: int,
    groups: np.ndarray | None = None,
    time: np.ndarray | None = None,
    valid_rows: np.ndarray | None = None,
    sealed_rows: np.ndarray | None = None,
    sealed_share: float = 0.2,
    valid_share: float = 0.2,
) -> Split:
    """Seal a share of the rows, then take a share of the rest for validation.

    Classes (``y`` int [rows]) are drawn in proportion, and each keeps a row for training; of numbers
    only the count is looked at. Rows of one value of ``groups`` [rows] stay on one side. With ``time``
    [rows] the latest rows are sealed and the latest of the rest validate; equal times stay together.
    ``sealed_rows`` and ``valid_rows`` replace a draw. Equal arguments give equal splits on every machine.

    Raises:
        InputError: too few rows, groups or times for three parts, overlapping rows given, missing times or
            groups, a class without a row for training.
    """
    n = len(y)
    if groups is not None and time is not None:
        raise InputError("Rows can be split by group or by time, not by both: give one of them.")
    for name, share in (("sealed_share", sealed_share), ("valid_share", valid_share)):
        if not 0 < share < 1:
            raise must_be(name, "between 0 and 1", share)
    fixed = {"sealed": _given(sealed_rows, n, "sealed"), "valid": _given(valid_rows, n, "validation")}
    if np.intersect1d(fixed["sealed"], fixed["valid"]).size:
        raise InputError("Validation and sealed rows must not overlap.")
    if not 0 <= seed < 2**64:
        raise must_be("The seed", "from 0 to 2**64 - 1", seed)
    labels = np.asarray(y) if task == "classification" else None
    draw = _Draw(seed, labels, _codes(groups, n, "group"), _codes(time, n, "time"))
    rest = np.setdiff1d(np.arange(n), np.concatenate([fixed["sealed"], fixed["valid"]]))
    spare = 1 + sum(len(part) == 0 for part in fixed.values())  # parts that need a row
    if len(rest) < spare:
        raise InputError(f"Too few rows: {spare} are needed to leave some for each part, got {len(rest)}.")
    parts = {}
    for stream, (part, share) in enumerate((("sealed", sealed_share), ("valid", valid_share))):
        parts[part] = fixed[part]
        if not len(parts[part]):
            spare -= 1
            parts[part] = draw.part(rest, share, spare, stream)
            rest = np.setdiff1d(rest, parts[part])
    if labels is not None:
        _refuse_untrained(labels, rest)
    return Split(train=rest, valid=parts["valid"], sealed=parts["sealed"])


def shared_rows(table: Table, split: Split, columns: Iterable[str] | None = None) -> int:
    """Return how many sealed rows also occur among the training rows, by their hashes alone.

    Leave identifiers out of ``columns``: no two rows share one.
    """
    hashes = table.row_hashes(columns)
    return int(np.isin(hashes[split.sealed], hashes[split.train]).sum())


@dataclass(frozen=True, eq=False)
class _Draw:
    seed: int
    labels: np.ndarray | None
    groups: np.ndarray | None
    times: np.ndarray | None

    def part(self, rows: np.ndarray, share: float, spare: int, stream: int) -> np.ndarray:
        """Draw about ``share`` of ``rows`` (sorted int64): at least one, leaving ``spare`` or more."""
        count = min(max(round(share * len(rows)), 1), len(rows) - spare)
        random = np.random.Generator(np.random.Philox(key=np.array([self.seed, stream], np.uint64)))
        if self.times is not None:
            taken = _latest(rows, self.times[rows], count, spare)
        elif self.groups is not None:
            labels = None if self.labels is None else self.labels[rows]
            taken = _whole_groups(rows, self.groups[rows], labels, count, spare, random)
        elif self.labels is not None:
            taken = _stratified(rows, self.labels[rows], count, spare, random)
        else:
            taken = random.permutation(rows)[:count]
        return np.sort(taken)


def _stratified(
    rows: np.ndarray, labels: np.ndarray, count: int, spare: int, random: np.random.Generator
) -> np.ndarray:
    """Give each class its share, rounded by largest remainders, and leave at least one row of each."""
    classes, sizes = np.unique(labels, return_counts=True)
    count = min(count, len(rows) - len(classes) - (spare - 1))
    if count < 1:
        raise InputError(
            f"Too few rows: {len(rows)} rows of {len(classes)} classes cannot give each class a row "
            "for training and still leave some for testing and validation."
        )
    ideal = sizes * (count / len(rows))
    quota = np.minimum(np.floor(ideal).astype(np.int64), sizes - 1)
    while quota.sum() < count:
        quota[np.argmax(np.where(quota < sizes - 1, ideal - quota, -np.inf))] += 1
    drawn = [random.permutation(rows[labels == c])[:k] for c, k in zip(classes, quota, strict=True)]
    return np.concatenate(drawn)


def _whole_groups(
    rows: np.ndarray,
    groups: np.ndarray,
    labels: np.ndarray | None,
    count: int,
    spare: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Take shuffled groups that bring the part nearer to ``count``, else the smallest.

    Each class keeps a row outside.
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) <= spare:
        raise InputError(f"Splitting by group needs at least {spare + 1} groups here, got {len(sizes)}.")
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])  # places in rows, by group
    labels = np.zeros(len(rows), np.int64) if labels is None else labels
    left = np.bincount(labels)  # rows of each class that stay
    taken, groups_left, missing = np.zeros(len(rows), bool), len(sizes), count
    shuffled, smallest = random.permutation(len(sizes)), np.argsort(sizes, kind="stable")
    for turn, group in enumerate([*shuffled, *smallest]):
        places = members[group]
        wanted = len(places) < 2 * missing if turn < len(shuffled) else missing == count
        if not wanted or groups_left == spare:
            continue
        after = left - np.bincount(labels[places], minlength=len(left))
        if not (after[left > 0] == 0).any():
            taken[places], left = True, after
            groups_left, missing = groups_left - 1, missing - len(places)
    if not taken.any():
        raise InputError(
            "No group can be set aside: each is too large, or holds all rows of a class. "
            "Group by another column, or give test and validation rows of your own."
        )
    return rows[taken]


def _latest(rows: np.ndarray, times: np.ndarray, count: int, spare: int) -> np.ndarray:
    """Take the latest times, cut between two distinct times where the count comes nearest."""
    distinct, sizes = np.unique(times, return_counts=True)
    if len(distinct) <= spare:
        raise InputError(
            f"Splitting by time needs at least {spare + 1} distinct times here, got {len(distinct)}."
        )
    at_or_after = np.cumsum(sizes[::-1])[::-1]
    cut = spare + int(np.argmin(np.abs(at_or_after[spare:] - count)))
    return rows[times >= distinct[cut]]


def _given(rows: np.ndarray | None, n: int, what: str) -> np.ndarray:
    if rows is None:
        return np.empty(0, np.int64)
    given = np.unique(np.asarray(rows, np.int64))
    if len(given) and (given[0] < 0 or given[-1] >= n):
        raise must_be(
            f"The {what} rows", f"row numbers from 0 to {n - 1}", int(given[0] if given[0] < 0 else given[-1])
        )
    return given


def _codes(values: Any, n: int, what: str) -> np.ndarray | None:
    if values is None:
        return None
    if len(values) != n:
        raise InputError(f"The {what} column has {len(values)} rows, the target has {n}.")
    return row_codes(values, what)


def row_codes(values: Any, what: str) -> np.ndarray:
    """Return whole numbers [rows], equal for equal values and ordered as they are.

    Raises:
        InputError: a value is missing.
    """
    column, _ = normalise(values, what)
    gone = is_missing(column)
    if gone.any():
        raise InputError(f"The {what} is missing in row {int(np.argmax(gone)) + 1}: every row needs one.")
    return np.unique(column.astype(str) if column.dtype == object else column, return_inverse=True)[1]


def _refuse_untrained(labels: np.ndarray, train: np.ndarray) -> None:
    lacking = ~np.isin(labels, labels[train])
    if lacking.any():
        raise InputError(
            f"Every class needs a row for training, but the class of row {int(np.argmax(lacking)) + 1} "
            "occurs only among test or validation rows."
        )
