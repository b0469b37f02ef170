"""The preparation of rows in ONNX: what `goodfit.data.schema.Schema.encode` does, as nodes of a graph.

Each column is an input of shape (rows, 1): numbers, dates (days since 1970-01-01) and booleans (0 or 1) are
float64, NaN where missing; categories are strings, "" where missing. Images are one input of uint8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goodfit.data.column import CLIP, Column
from goodfit.data.schema import Schema
from goodfit.data.values import MISSING_TEXTS, plain_text
from goodfit.model.onnx_graph import Graph

IMAGES = "images"
TOGETHER = 16  # columns whose ranks are found at once: of 10,000 rows 80 MB
_MISSING = sorted(
    {form(text) for text in MISSING_TEXTS for form in (str, str.upper, str.title, str.capitalize)}
)


def encode(graph: Graph, schema: Schema) -> str:
    """Add inputs and preparation to the graph; return float32 (rows, width)."""
    if schema.image_shape is not None:
        images = graph.input(IMAGES, np.uint8, ["rows", *schema.image_shape])
        return graph.node("Flatten", graph.cast(images, np.float32))
    inputs = {
        column.name: graph.input(
            column.name, object if column.kind == "category" else np.float64, ["rows", 1]
        )
        for column in schema.inputs
    }
    found = _numbers(graph, [c for c in schema.inputs if c.kind in ("number", "date")], inputs)
    found |= {c.name: [_boolean(graph, inputs[c.name])] for c in schema.inputs if c.kind == "boolean"}
    found |= {c.name: _category(graph, c, inputs[c.name]) for c in schema.inputs if c.kind == "category"}
    parts: list[str] = [part for column in schema.inputs for part in found[column.name]]
    widths = [w for column in schema.inputs for w in _widths(column)]
    return graph.concat(_ordered(schema, parts, widths), 1)


def _widths(column: Column) -> list[int]:
    """Return how many numbers each part of an encoded column has."""
    return [len(column.features)] if column.kind == "category" else [1] * len(column.features)


def _ordered(schema: Schema, parts: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return the parts in the schema's order: quantities, plain numbers, codes; a part holds one sort."""
    sorts = np.concatenate([column.parts for column in schema.inputs])
    starts = np.cumsum([0, *widths[:-1]])
    return [parts[int(i)] for i in np.argsort(sorts[starts], kind="stable")]


def _numbers(graph: Graph, columns: Sequence[Column], inputs: dict[str, str]) -> dict[str, list[str]]:
    """Return, of each column of numbers, its encoded parts (rows, 1): squashed, rank, missing."""
    found: dict[str, list[str]] = {}
    for first in range(0, len(columns), TOGETHER):
        some = columns[first : first + TOGETHER]
        x = graph.concat([inputs[c.name] for c in some], 1)
        gone = graph.node("IsNaN", x)
        known = graph.node("Where", gone, graph.array(np.array(0.0)), x)
        squashed = _kept(graph, gone, _squash(graph, some, known))
        for i, column in enumerate(some):
            found[column.name] = [_column(graph, squashed, i)]
        ranked = [i for i, column in enumerate(some) if column.quantiles]
        if ranked:
            places = graph.array(np.array(ranked))
            chosen = graph.node("Gather", known, places, axis=1)
            absent = graph.node("Gather", gone, places, axis=1)
            scores = _kept(graph, absent, _rank(graph, [some[i] for i in ranked], chosen))
            for j, i in enumerate(ranked):
                found[some[i].name].append(_column(graph, scores, j))
        flags = graph.cast(gone, np.float32)
        for i, column in enumerate(some):
            if column.missing:
                found[column.name].append(_column(graph, flags, i))
    return found


def _column(graph: Graph, table: str, i: int) -> str:
    return graph.node("Gather", table, graph.array(np.array([i])), axis=1)


def _kept(graph: Graph, gone: str, values: str) -> str:
    """Return float32 ``values``, 0 where they are missing."""
    return graph.node("Where", gone, graph.array(np.float32(0.0)), graph.cast(values, np.float32))


def _squash(graph: Graph, columns: Sequence[Column], x: str) -> str:
    """Return what `goodfit.data.column.squash` does, float64 (rows, columns)."""
    center, scale = (np.array([getattr(c, name) for c in columns]) for name in ("center", "scale"))
    z = graph.node("Div", graph.node("Sub", x, graph.array(center)), graph.array(scale))
    z = graph.node("Clip", z, graph.array(np.array(-1e6)), graph.array(np.array(1e6)))
    share = graph.node("Div", z, graph.array(np.array(CLIP)))
    under = graph.node("Sqrt", graph.node("Add", graph.node("Mul", share, share), graph.array(np.array(1.0))))
    return graph.node("Div", z, under)


def _rank(graph: Graph, columns: Sequence[Column], x: str) -> str:
    """Return each number's normal score, float64 (rows, columns), between the knots on straight lines."""
    pairs = [column.normal_scores for column in columns]
    most = max(len(knots) for knots, _ in pairs)
    knots, scores, slopes = np.full((3, len(columns), most), np.inf)
    for i, (k, s) in enumerate(pairs):
        knots[i, : len(k)], scores[i, : len(s)] = k, s
        slopes[i, : len(k)] = [*(np.diff(s) / np.diff(k)), 0.0]
    scores, slopes = np.where(np.isinf(scores), 0.0, scores), np.where(np.isinf(slopes), 0.0, slopes)
    low, high = (np.array([k[end] for k, _ in pairs]) for end in (0, -1))
    x = graph.node("Max", graph.node("Min", x, graph.array(high)), graph.array(low))
    beyond = graph.node(
        "GreaterOrEqual", graph.node("Unsqueeze", x, graph.array(np.array([2]))), graph.array(knots)
    )
    count = graph.node("ReduceSum", graph.cast(beyond, np.int32), graph.array(np.array([2])), keepdims=0)
    rows = graph.array(np.arange(len(columns), dtype=np.int32) * most - 1)
    place = graph.node("Add", count, rows)  # in the arrays laid out in one line
    at = {
        name: graph.node("Gather", graph.array(a.ravel()), place)
        for name, a in (("knot", knots), ("score", scores), ("slope", slopes))
    }
    along = graph.node("Mul", graph.node("Sub", x, at["knot"]), at["slope"])
    return graph.node("Add", along, at["score"])


def _boolean(graph: Graph, x: str) -> str:
    twice = graph.node("Sub", graph.node("Add", x, x), graph.array(np.array(1.0)))
    return _kept(graph, graph.node("IsNaN", x), twice)


def _category(graph: Graph, column: Column, x: str) -> list[str]:
    """Return a column of text encoded, float32: its code (rows, 1), ±1, or a number for each category."""
    count = len(column.categories)
    places = dict.fromkeys(_MISSING, -1)
    places |= {plain_text(category): i for i, category in reversed([*enumerate(column.categories)])}
    places |= {category: i for i, category in enumerate(column.categories)}
    table = np.zeros((count + 2, len(column.features)), np.float32)  # of each, of any other, and of missing
    column.encode_into(table, np.array([*column.categories, "\0", None], object))
    codes = graph.node(
        "LabelEncoder",
        x,
        domain="ai.onnx.ml",
        keys_strings=list(places),
        values_int64s=[place if place >= 0 else count + 1 for place in places.values()],
        default_int64=count,
    )
    row = graph.node("Gather", graph.array(table), codes)  # (rows, 1, features)
    return [graph.node("Squeeze", row, graph.array(np.array([1])))]
