"""The schema: which columns a network sees, and how they become its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from goodfit.data.column import QUANTITY, Column, fit_column
from goodfit.data.table import Table, as_images, raw_columns
from goodfit.data.values import convert, normalise
from goodfit.errors import InputError, nearest


@dataclass(frozen=True)
class Schema:
    """The input columns in order, those left out with the reason, and the form of images if there are any."""

    inputs: tuple[Column, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    image_shape: tuple[int, ...] | None = None
    pixel_max: int = 255

    @cached_property
    def features(self) -> tuple[str, ...]:
        """A name for each encoded number, for images "pixel 0,0", "pixel 0,1", …

        Quantities come first, then plain numbers, then codes of categories; columns keep their order within.
        """
        if self.image_shape is not None:
            return tuple("pixel " + ",".join(map(str, place)) for place in np.ndindex(self.image_shape))
        names = [feature for column in self.inputs for feature in column.features]
        return tuple(names[i] for i in self.order)

    @property
    def order(self) -> np.ndarray:
        """The places that the encoded numbers would have if columns followed one another, int [width]."""
        return np.argsort(self._parts, kind="stable")

    @cached_property
    def _parts(self) -> np.ndarray:
        """What each encoded number is, column by column."""
        return np.array([part for column in self.inputs for part in column.parts], int)

    @property
    def numbers(self) -> int:
        """How many of the encoded numbers, the first ones, are quantities."""
        return 0 if self.image_shape is not None else int((self._parts == QUANTITY).sum())

    @property
    def categories(self) -> tuple[int, ...]:
        """How many codes each of the last encoded numbers can be: categories, others and missing."""
        return tuple(len(column.categories) + 2 for column in self.inputs if column.coded)

    @property
    def width(self) -> int:
        """How many numbers a row is encoded to."""
        return len(self.features)

    @property
    def layout(self) -> dict[str, Any]:
        """What a network is told of its inputs: how many, how many are quantities, what the codes can be."""
        image = None if self.image_shape is None else (*self.image_shape, 1)[:3]
        return {
            "inputs": self.width,
            "numbers": self.numbers,
            "categories": self.categories,
            "image": image,
        }

    def encode(self, data: Table | Mapping[str, Any] | Any, rows: np.ndarray | None = None) -> np.ndarray:
        """Return float32 [rows, width], always finite; of images uint8 [rows, width], not scaled.

        ``data`` is a table, DataFrame, mapping of columns, or array: images, or a matrix with the columns
        "x0", "x1", … Columns that are not inputs are ignored. In a mapping, numbers in a date column are
        taken as days since 1970-01-01. ``rows`` (int [n]) chooses rows.

        Raises:
            InputError: lacking columns (all are named), text for numbers, infinite values, other image sizes.
        """
        if self.image_shape is not None:
            return self._encode_images(data, rows)
        columns = self.columns_of(data)
        if rows is not None:
            columns = [values[rows] for values in columns]
        out = np.zeros((len(columns[0]), self.width), np.float32)
        places, start = np.argsort(self.order), 0
        for column, values in zip(self.inputs, columns, strict=True):
            block = np.zeros((len(out), len(column.features)), np.float32)
            column.encode_into(block, values)
            out[:, places[start : start + block.shape[1]]] = block
            start += block.shape[1]
        return out

    def one_hot(self, x: np.ndarray) -> np.ndarray:
        """Return encoded rows with codes of categories spelt out, (rows, width), for linear models."""
        split = self.width - len(self.categories)
        spelt = [x[:, [split + j]] == np.arange(count) for j, count in enumerate(self.categories)]
        return np.concatenate([x[:, :split], *spelt], axis=1).astype(np.float32) if spelt else x

    def unseen(self, data: Table | Mapping[str, Any] | Any) -> dict[str, int]:
        """Return how many cells of each category column are of no known category, where some are."""
        if self.image_shape is not None:
            return {}
        pairs = zip(self.inputs, self.columns_of(data), strict=True)
        counts = {c.name: c.count_unseen(values) for c, values in pairs if c.kind == "category"}
        return {name: count for name, count in counts.items() if count}

    def columns_of(self, data: Any) -> list[np.ndarray]:
        """Return the input columns of what `encode` takes, normalised, of the kind seen in training."""
        raw = data.columns if isinstance(data, Table) else raw_columns(data)
        lacking = [c.name for c in self.inputs if c.name not in raw]
        if lacking:
            raise InputError(
                self._lacking(lacking, list(raw), data.name if isinstance(data, Table) else None)
            )
        columns = []
        for column in self.inputs:
            if isinstance(data, Table):
                values, kind = data.columns[column.name], data.kinds[column.name]
            else:
                values, kind = normalise(raw[column.name], column.name)
                kind = "date" if (kind, column.kind) == ("number", "date") else kind
            columns.append(convert(values, kind, column.kind, column.name))
        return columns

    def _lacking(self, lacking: list[str], there: list[str], source: str | None) -> str:
        """Return the error of columns that are not there, with what may have gone wrong."""
        hint = nearest(lacking[0], there) if len(lacking) == 1 else ""
        lack = "The data lack" if source is None else f"{source} lacks"
        text = (
            f"{lack} {len(lacking)} of the {len(self.inputs)} input columns of the model: "
            f"{', '.join(map(repr, lacking))}{hint}."
        )
        uncut = [mark for mark in (";", "\t", "|") if len(there) == 1 and mark in there[0]]
        if uncut:
            text += f" There is one column {there[0]!r}: read the file with sep={uncut[0]!r}."
        return text

    def _encode_images(self, data: Any, rows: np.ndarray | None) -> np.ndarray:
        images = data.images if isinstance(data, Table) else np.asarray(data)
        if images is None or images.ndim < 2 or images.shape[1:] not in (self.image_shape, (self.width,)):
            got = "a table without images" if images is None else f"an array of shape {images.shape}"
            raise InputError(f"The model needs images of shape {self.image_shape}, got {got}.")
        chosen = images if rows is None else images[rows]
        return as_images(chosen, self.pixel_max).reshape(len(chosen), self.width)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; floats survive exactly."""
        return {
            "inputs": [column.to_json() for column in self.inputs],
            "dropped": [list(pair) for pair in self.dropped],
            "image_shape": None if self.image_shape is None else list(self.image_shape),
            "pixel_max": self.pixel_max,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        """Rebuild a schema; InputError if the record is not one."""
        try:
            shape = data["image_shape"]
            schema = cls(
                inputs=tuple(Column.from_json(column) for column in data["inputs"]),
                dropped=tuple((str(name), str(reason)) for name, reason in data["dropped"]),
                image_shape=None if shape is None else tuple(int(n) for n in shape),
                pixel_max=int(data["pixel_max"]),
            )
            if not schema.features:
                raise ValueError("no features")
            return schema
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("The record of the schema is damaged.") from None


def fit_schema(
    table: Table,
    rows: np.ndarray,
    *,
    target: str | None,
    ignore: Iterable[str] = (),
    identifiers: bool = True,
) -> Schema:
    """Fit the encoding of every column but the target on ``rows`` (int [n], the training rows) alone.

    The kinds of columns are those of the whole table. Left out, each with its reason: what the user
    ignores, identifiers (unless ``identifiers`` is false: an array's columns have no names to tell them by),
    constants, and columns without a value.

    Raises:
        InputError: an ignored column that is not there, or no column left; says why each was dropped.
    """
    ignored = set(ignore)
    for name in (*ignored, *([] if target is None else [target])):
        table.require(name)
    if table.images is not None:
        return Schema(image_shape=table.images.shape[1:], pixel_max=table.pixel_max)
    inputs, dropped = [], []
    for name, values in table.columns.items():
        if name == target:
            continue
        fitted = "ignored, as asked"
        if name not in ignored:
            fitted = fit_column(name, table.kinds[name], values[rows], table.rows if identifiers else None)
        if isinstance(fitted, Column):
            inputs.append(fitted)
        else:
            dropped.append((name, fitted))
    if not inputs:
        reasons = (
            "; ".join(f"{name!r}: {reason}" for name, reason in dropped[:8]) or "there is only the target"
        )
        raise InputError(f"{table.name} has no column left to learn from ({reasons}).")
    return Schema(inputs=tuple(inputs), dropped=tuple(dropped))
