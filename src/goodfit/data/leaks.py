"""Ways in which sealed rows may be known beforehand: equal rows, and rows that belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from goodfit.data.split import Split, row_codes, shared_rows
from goodfit.data.table import Table
from goodfit.data.values import is_missing

_OWNERS = (
    "animal|client|customer|donor|driver|employee|family|household|member|participant|patient|person|player|"
    "sample|session|site|speaker|store|student|subject|user|vehicle"
)
_NAMED = re.compile(rf"(?i:(^|.*[\W_])({_OWNERS})s?([\W_].*|$))|(?i:.*[\W_](id|uuid|guid)$)|.*[a-z]I[dD]")
LEAST_ROWS = 2.0  # rows a value, on average, for a column to look like owners of rows
COMBINATIONS = 10  # of values, a training row, up to which equal rows are likely by chance
MOST_ROWS = 200.0  # beyond, it is a category like any other


def leak_notes(
    table: Table, split: Split, inputs: Iterable[str], target: str, *, group: str | None, by_time: bool
) -> list[str]:
    """Return a sentence for each way in which the sealed rows may be easier than rows to come.

    Args:
        table: all rows; of sealed ones only hashes, and groups, are looked at.
        split: which rows are sealed.
        inputs: names of the columns that a network sees.
        target: name of the column to predict.
        group: name of the column whose equal values belong together, if it was given.
        by_time: whether the latest rows are sealed, so that owners occur on both sides by design.
    """
    inputs = list(inputs)
    notes = [_twins(table, split, inputs, target, "" if group else " or use --group")] if inputs else []
    if group is not None:
        codes = row_codes(table.columns[group], group)
        shared = int(np.isin(codes[split.sealed], codes[split.train]).sum())
        if shared:
            notes.append(
                f"{shared} of {len(split.sealed)} sealed rows have a {group!r} that training rows have, too: "
                "the exam is easier than with new ones."
            )
    elif not by_time:
        notes += [_owned(name, table.columns[name][split.train]) for name in table.columns if name != target]
    return [note for note in notes if note]


def _twins(table: Table, split: Split, inputs: list[str], target: str, or_else: str) -> str:
    """Return what follows if sealed rows have the inputs of a training row; else nothing."""
    twins = shared_rows(table, split, inputs)
    if not twins:
        return ""
    alike = shared_rows(table, split, [*inputs, target])
    columns = f"{len(inputs)} column{'s' * (len(inputs) > 1)}"
    chance = f"with {columns} likely by chance; if" if _few(table, split, inputs) else "if"
    return (
        f"{twins} of {len(split.sealed)} sealed rows have the same inputs as a training row, {alike} of them "
        f"the same target, too: {chance} they are copies of one case, the exam is easier than with new ones; "
        f"remove them{or_else}."
    )


def _few(table: Table, split: Split, inputs: list[str]) -> bool:
    """Tell whether the training rows' values have few combinations, so that rows are equal by chance."""
    combinations = 1
    for name in inputs:
        combinations *= len(np.unique(table.row_hashes([name])[split.train]))
        if combinations > COMBINATIONS * len(split.train):
            return False
    return True


def _owned(name: str, values: np.ndarray) -> str:
    """Return a warning if a column looks like whose row it is, several rows each; else nothing."""
    if not _NAMED.fullmatch(name):
        return ""
    known = values[~is_missing(values)]
    if known.dtype.kind == "f" and not np.array_equal(known, np.rint(known)):
        return ""
    count = len(np.unique(known.astype(str) if known.dtype == object else known))
    if count < 5 or not LEAST_ROWS <= len(known) / count <= MOST_ROWS:
        return ""
    return (
        f"Column {name!r} has {count} values with {len(known) / count:.0f} rows each: if rows of one belong "
        f"together, give --group {name}, or the exam is easier than reality."
    )
