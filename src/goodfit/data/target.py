"""The target: classes or numbers, found from its values, encoded for training and decoded for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from goodfit.data.table import Table
from goodfit.data.values import Kind, convert, is_missing, normalise, plain_text, texts_of
from goodfit.errors import InputError, must_be, nearest

Task = Literal["classification", "regression"]

MAX_NUMERIC_CLASSES = 20


@dataclass(frozen=True)
class TargetCodec:
    """Translates a target column to what a network learns, and back.

    Classification: ``classes`` are the labels as text; numbers in their order, text by code point, but
    the positive label last if one was named. ``class_kind`` says what decoding gives: text, numbers
    or booleans. Regression: ``y_mean``, ``y_scale`` (standard deviation), ``y_low`` and ``y_high`` are
    of the training rows alone, in the target's unit; before ``fitted`` they are 0, 1 and infinite.
    """

    task: Task
    classes: tuple[str, ...] = ()
    class_kind: Literal["text", "number", "boolean"] = "text"
    y_mean: float = 0.0
    y_scale: float = 1.0
    y_low: float = -np.inf
    y_high: float = np.inf

    def encode(self, values: Any, name: str = "target") -> np.ndarray:
        """Return class numbers (int32 [rows]) or numbers in the target's own unit (float64 [rows]).

        Raises:
            InputError: a missing value, a label that training did not know, text for a number.
        """
        column, kind = normalise(values, name)
        gone = is_missing(column)
        if gone.any():
            raise InputError(
                f"The target {name!r} is missing in row {int(np.argmax(gone)) + 1}; leave such rows out."
            )
        kind = "number" if kind == "date" else kind
        if self.task == "regression":
            return convert(column, kind, "number", name)
        if self.class_kind != "text":
            column, kind = convert(column, kind, self.class_kind, name), self.class_kind
        place = {label: i for i, label in enumerate(self.classes)}
        labels = texts_of(column, kind)
        unknown = next((label for label in labels if label not in place), None)
        if unknown is not None:
            raise InputError(
                f"The target {name!r} holds the label {unknown!r}, which is not among the "
                f"{len(place)} classes {_some(self.classes)}{nearest(unknown, place)}."
            )
        return np.fromiter((place[label] for label in labels), np.int32, len(labels))

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """Return labels (object, bool, int64 or float64) of class numbers; numbers pass unchanged.

        ``decode(encode(values))`` are the values. Whole-numbered labels come back as int64.
        """
        if self.task == "regression":
            return np.asarray(encoded, np.float64)
        if self.class_kind == "text":
            labels = np.array(self.classes, object)
        elif self.class_kind == "boolean":
            labels = np.array([label == "true" for label in self.classes])
        else:
            labels = np.array([float(label) for label in self.classes])
            labels = labels.astype(np.int64) if np.array_equal(labels, np.rint(labels)) else labels
        return labels[np.asarray(encoded)]

    def fitted(self, y_train: np.ndarray) -> TargetCodec:
        """Return the codec with mean, scale and range of the training rows (no change for classes)."""
        if self.task == "classification":
            return self
        y = np.asarray(y_train, np.float64)
        low, high = float(y.min()), float(y.max())
        if low == high:
            raise InputError(
                f"The target has the one value {low:g} in all training rows: there is nothing to learn."
            )
        peak = max(abs(low), abs(high))  # divided out, so that squares of huge numbers stay finite
        mean, scale = float(np.mean(y / peak) * peak), float(np.std(y / peak) * peak)
        return replace(self, y_mean=mean, y_scale=scale or high - low, y_low=low, y_high=high)

    def standardise(self, y: np.ndarray) -> np.ndarray:
        """Return (y - y_mean) / y_scale, what a network learns."""
        return (np.asarray(y, np.float64) - self.y_mean) / self.y_scale

    def restore(self, z: np.ndarray) -> np.ndarray:
        """Return z * y_scale + y_mean, kept within the range of the training rows."""
        with np.errstate(over="ignore"):  # what overflows is cut to the range
            y = np.asarray(z, np.float64) * self.y_scale + self.y_mean
        return np.clip(y, self.y_low, self.y_high)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; floats survive exactly."""
        if self.task == "classification":
            return {"task": self.task, "classes": list(self.classes), "class_kind": self.class_kind}
        numbers = {"y_mean": self.y_mean, "y_scale": self.y_scale, "y_low": self.y_low, "y_high": self.y_high}
        return {"task": self.task, **{k: v if np.isfinite(v) else None for k, v in numbers.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TargetCodec:
        """Rebuild a codec; InputError if the record is not one."""
        try:
            if data["task"] == "regression":
                low, high = data["y_low"], data["y_high"]
                return cls(
                    "regression",
                    y_mean=float(data["y_mean"]),
                    y_scale=float(data["y_scale"]),
                    y_low=-np.inf if low is None else float(low),
                    y_high=np.inf if high is None else float(high),
                )
            kind, classes = data["class_kind"], tuple(data["classes"])
        except (KeyError, TypeError, ValueError):
            raise InputError("The record of the target is damaged.") from None
        known = data["task"] == "classification" and kind in ("text", "number", "boolean")
        if not known or not all(isinstance(label, str) for label in classes):
            raise InputError("The record of the target is damaged.")
        return cls("classification", classes=classes, class_kind=kind)


def infer_task(values: np.ndarray, kind: Kind) -> tuple[Task, str]:
    """Return the task that a target column means, and a sentence that says why.

    Text, categories and booleans are classes; so are at most 20 distinct whole numbers. Other numbers,
    and dates (as days since 1970-01-01), are numbers to be predicted.
    """
    if kind in ("category", "boolean"):
        what = "text" if kind == "category" else "true or false"
        return "classification", f"The target holds {what}: its values are classes."
    if kind == "date":
        return "regression", "The target holds dates: days since 1970-01-01 are predicted."
    distinct = np.unique(values[~np.isnan(values)])
    if np.array_equal(distinct, np.rint(distinct)) and len(distinct) <= MAX_NUMERIC_CLASSES:
        return "classification", f"The target holds {len(distinct)} distinct whole numbers: they are classes."
    return "regression", f"The target holds {len(distinct)} distinct numbers: a number is predicted."


def drop_missing_target(table: Table, target: str) -> tuple[Table, int]:
    """Return the table without the rows whose target is missing, and how many these were.

    Raises:
        InputError: no such column, or no row has a target.
    """
    gone = is_missing(table.require(target))
    if gone.all():
        raise InputError(
            f"The target {target!r} is missing in all {table.rows} rows: there is nothing to learn."
        )
    return (table.take(np.flatnonzero(~gone)), int(gone.sum())) if gone.any() else (table, 0)


def fit_target(
    table: Table,
    target: str,
    *,
    task: str | None = None,
    positive: str | None = None,
    rows_train: np.ndarray | None = None,
) -> tuple[TargetCodec, np.ndarray]:
    """Return the codec of a target without missing values, and the encoded column.

    Classes are taken from all rows. The numbers of regression are taken from ``rows_train``; without
    it, call ``codec.fitted(y[train])`` once the rows are split. The column is int32 [rows] class
    numbers, or float64 [rows] in the target's own unit (see ``TargetCodec.standardise``).

    Raises:
        InputError: unknown task or positive label, one class, a class with a single row, text for numbers.
    """
    column, kind = table.require(target), table.kinds[target]
    if task is None:
        task, _ = infer_task(column, kind)
    if task == "regression":
        if positive is not None:
            raise InputError("A positive label needs classes, but the task is regression.")
        codec = TargetCodec("regression")
        column = _numbers(column, kind, target)
    elif task == "classification":
        codec = _fit_classes(column, kind, target, positive)
    else:
        raise must_be("The task", "'classification' or 'regression'", task)
    y = codec.encode(column, target)
    return (codec if rows_train is None else codec.fitted(y[rows_train])), y


def _fit_classes(column: np.ndarray, kind: Kind, target: str, positive: str | None) -> TargetCodec:
    kind = "number" if kind == "date" else kind
    labels = Counter(texts_of(column[~is_missing(column)], kind))
    if len(labels) < 2:
        only = f"the one class {next(iter(labels))!r}" if labels else "no class"
        raise InputError(
            f"The target {target!r} holds {only}: at least two classes are needed to learn from."
        )
    ordered = sorted(labels, key=_order(labels))
    alone = [label for label in ordered if labels[label] == 1]
    if alone:
        raise InputError(
            f"The target {target!r} has {len(alone)} of its {len(labels)} classes on a single row: "
            f"{_some(alone)}. Each class needs at least 2 rows: remove or merge them, or use regression."
        )
    if positive is not None:
        wanted = _find_label(str(positive), ordered)
        ordered = [label for label in ordered if label != wanted] + [wanted]
    return TargetCodec(
        "classification", classes=tuple(ordered), class_kind="text" if kind == "category" else kind
    )


def _find_label(positive: str, labels: list[str]) -> str:
    if len(labels) > 2:
        raise InputError(f"A positive label needs two classes, but the target has {len(labels)}.")
    for spelling in (positive, plain_text(positive), positive.casefold()):
        if spelling in labels:
            return spelling
    raise must_be("The positive label", f"one of {_some(labels)}{nearest(positive, labels)}", positive)


def _numbers(column: np.ndarray, kind: Kind, target: str) -> np.ndarray:
    try:
        return column if kind == "date" else convert(column, kind, "number", target)
    except InputError as error:
        raise InputError(
            f"Regression needs numbers. {error} Choose another target, or classification."
        ) from None


def _order(labels: Any) -> Any:
    """Return the sort key: by value if every label is a number, else by code point."""
    try:
        [float(label) for label in labels]
    except ValueError:
        return str
    return lambda label: (float(label), label)


def _some(labels: Any) -> str:
    shown = ", ".join(repr(str(label)) for label in labels[:8])
    return shown + (", …" if len(labels) > 8 else "")
