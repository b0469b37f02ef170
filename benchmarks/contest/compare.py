"""What the records say together: ranks, wins, normalised scores, tests. Lower is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range, wilcoxon

from contest.records import Record
from contest.scores import rank_by


@dataclass(frozen=True)
class Results:
    """The cases (table, split) that every method was run on. values [case, method]; inf: failed."""

    methods: tuple[str, ...]
    cases: tuple[tuple[str, int], ...]
    values: np.ndarray
    records: dict[tuple[str, int, str], Record]

    @property
    def tables(self) -> tuple[str, ...]:
        """Return the tables' names, in order of appearance."""
        return tuple(dict.fromkeys(table for table, _ in self.cases))

    def by_table(self) -> np.ndarray:
        """Return the mean over the splits, [table, method]; inf where one failed."""
        names = np.array([table for table, _ in self.cases])
        return np.array([self.values[names == table].mean(axis=0) for table in self.tables])


def value_of(record: Record) -> float:
    """Return what a run is ranked by: the error or the RMSE; inf where there is none."""
    if record["status"] != "done":
        return np.inf
    value = record["scores"][rank_by(record["task"])]
    return np.inf if value is None else float(value)


def gather(records: list[Record], within: tuple[str, ...]) -> Results:
    """Return the methods that have records, on the cases where all of them have."""
    by = {(r["table"], r["split"], r["method"]): r for r in records}
    methods = tuple(m for m in within if any(m == key[2] for key in by))
    cases = tuple(dict.fromkeys(key[:2] for key in by))
    whole = tuple(c for c in cases if all((*c, m) in by for m in methods))
    values = np.array([[value_of(by[*c, m]) for m in methods] for c in whole]).reshape(
        len(whole), len(methods)
    )
    return Results(methods, whole, values, by)


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank each row, 1 for the lowest; ties share the mean rank, failures (inf) the last ones."""
    return np.array([rankdata(row) for row in values]).reshape(values.shape)


def wins(values: np.ndarray) -> np.ndarray:
    """Return the share of each row's victory: 1 for the lowest, shared among ties."""
    best = (values == values.min(axis=1, keepdims=True)) & np.isfinite(values)
    return best / np.maximum(best.sum(axis=1, keepdims=True), 1)


def normalised(values: np.ndarray) -> np.ndarray:
    """Return 1 for each row's best, 0 for its worst that did not fail, linear between; failures 0."""
    scores = np.zeros_like(values)
    for place, row in enumerate(values):
        there = np.isfinite(row)
        if there.any():
            low, high = row[there].min(), row[there].max()
            scores[place, there] = 1.0 if high == low else (high - row[there]) / (high - low)
    return scores


def friedman(values: np.ndarray) -> float | None:
    """Return the p-value of "all are equal"; rows are tables. None with fewer than 3 of either."""
    if min(values.shape) < 3:
        return None
    return float(friedmanchisquare(*ranks(values).T).pvalue)


def critical_difference(methods: int, tables: int, level: float = 0.05) -> float:
    """Return Nemenyi's difference of mean ranks, beyond which two methods differ (Demšar 2006)."""
    q = studentized_range.ppf(1 - level, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * tables)))


def groups(mean_ranks: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """Return the longest runs, as places in the order of rank, that lie within the difference."""
    ordered, found = np.sort(mean_ranks), []
    for first in range(len(ordered)):
        last = int(np.searchsorted(ordered, ordered[first] + difference, side="left")) - 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def against(values: np.ndarray, one: int) -> np.ndarray:
    """Return Holm's p-values of Wilcoxon's signed-rank test of one method against each; its own is 1.

    Tables are rows; what is compared is the ranks within a table, since errors and RMSEs have no common
    unit.
    """
    place = ranks(values)
    raw = np.ones(values.shape[1])
    for other in range(values.shape[1]):
        gaps = place[:, one] - place[:, other]
        if other != one and np.any(gaps):
            raw[other] = wilcoxon(gaps).pvalue
    others = [j for j in np.argsort(raw, kind="stable") if j != one]
    held, highest = np.ones_like(raw), 0.0
    for i, j in enumerate(others):
        highest = max(highest, min(1.0, raw[j] * (len(others) - i)))
        held[j] = highest
    return held


def table_score(results: Results, table: str, method: str) -> dict[str, Any] | None:
    """Return a method's mean score on a table over the splits, with the mean ends of the intervals."""
    runs = [r for (t, _, m), r in results.records.items() if (t, m) == (table, method)]
    if not runs or any(not np.isfinite(value_of(r)) for r in runs):
        return None
    key = rank_by(runs[0]["task"])
    ends = np.mean([r["scores"][f"{key}_interval"] for r in runs], axis=0)
    mean = float(np.mean([value_of(r) for r in runs]))
    return {"score": key, "mean": mean, "low": float(ends[0]), "high": float(ends[1])}


def behind(results: Results, method: str = "goodfit", floor: str = "linear") -> list[str] | None:
    """Return the tables where a method failed, or its whole interval lies above the floor's mean."""
    if method not in results.methods or floor not in results.methods:
        return None
    found = []
    for table in results.tables:
        ours, theirs = table_score(results, table, method), table_score(results, table, floor)
        if theirs is not None and (ours is None or ours["low"] > theirs["mean"]):
            found.append(table)
    return found
