"""Permutation importance: how much worse the answers are where one column's values are shuffled among rows.

Breiman (2001, "Random Forests", §10), on rows that the networks have not trained on. Columns that tell the
same share their importance: each alone may look needless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.data.prepare import Part
from goodfit.data.schema import Schema
from goodfit.model.jury import Jury
from goodfit.model.problem import Problem

MOST_ROWS, FEWEST_ROWS = 2000, 100
REPEATS = 5  # shuffles a column
SHARE, SECONDS = 0.05, 1.5  # of a time budget; where the budget is no time
MOST_SECONDS = 20.0
RATE = 2.5e9  # operations a second that any machine of today reaches (NumPy, float64)
AT_ONCE = 2048  # rows predicted in one go
GRID = 8  # patches along each side of an image


@dataclass(frozen=True)
class Piece:
    """A column, or a patch of an image, and the encoded numbers that it is."""

    name: str
    places: np.ndarray


def spread(count: int, most: int) -> np.ndarray:
    """Return at most ``most`` of the numbers below ``count``, evenly spread, in order."""
    return np.arange(count) if count <= most else np.arange(most) * count // most


def affordable(jury: Jury, seconds: float | None) -> float:
    """Return how many rows the networks predict in the share of the budget that a report may take."""
    return min(SECONDS if seconds is None else SHARE * seconds, MOST_SECONDS) * RATE / jury.operations()


def importance(
    problem: Problem, jury: Jury, part: Part, holders: np.ndarray | None, seconds: float | None
) -> dict[str, Any]:
    """Return each column's importance with its 95 % interval over the rows, the largest first.

    The work is bounded by the budget, by counted operations rather than a clock: fewer shuffles, then fewer
    rows, then only the columns that go most with the model's answers (of images, a coarser grid).

    Args:
        problem: the data and the metric, which decides what a row costs (`costs`).
        jury: the networks.
        part, holders: rows, and which network may answer for which; see `Jury.holders`.
        seconds: the time that the search had; None if its budget was no time.
    """
    each = jury.operations()
    allowed = affordable(jury, seconds) * each
    rows = min(len(part.y), MOST_ROWS)
    fewest = min(rows, FEWEST_ROWS)
    pieces, grid = _pieces(problem.data.schema, int(allowed / (each * fewest)))
    repeats = int(np.clip(allowed / (each * len(pieces) * rows), 1, REPEATS))
    rows = int(np.clip(allowed / (each * len(pieces)), fewest, rows))
    picked = spread(len(part.y), rows)
    part, holders = part.take(picked), None if holders is None else holders[:, picked]
    plain = jury.together(part.x, holders)
    most = max(1, int(allowed / (each * rows)))
    left_out = max(0, len(pieces) - most) if grid is None else 0
    if left_out:
        pieces = _telling(pieces, part.x, plain, most)
    before = costs(problem, part, plain)
    weight = problem.holdout_weight(part) if problem.task == "classification" else part.weight
    found = []
    for piece, after in zip(pieces, _shuffled(problem, jury, part, holders, pieces, repeats), strict=True):
        mean, low, high = _interval(after - before, weight)
        found.append({"name": piece.name, "mean": mean, "low": low, "high": high})
    if grid is None:
        found.sort(key=lambda one: -one["mean"])  # stable: equals stay in the table's order
    return {
        "what": _kind(problem),
        "rows": rows,
        "repeats": repeats,
        "columns": found,
        "left_out": left_out,
        "grid": grid,
    }


def _kind(problem: Problem) -> str:
    if problem.task == "classification":
        return "wrong" if problem.metric.needs == "labels" else "log loss"
    return "absolute" if problem.metric.name == "mae" else "variance"


def costs(problem: Problem, part: Part, outputs: np.ndarray) -> np.ndarray:
    """Return what each row's answer costs, (rows,), in the sense of the metric.

    1 for a wrong label; a log loss; an absolute error; or a squared error by the target's variance.
    """
    kind, y = _kind(problem), part.y
    if kind == "wrong":
        return (np.argmax(outputs, axis=1) != y).astype(np.float64)
    if kind == "log loss":
        return -np.log(np.maximum(outputs[np.arange(len(y)), y], 1e-15))
    off = np.abs(problem.answer(outputs) - y)
    if kind == "absolute":
        return off
    variance = np.average((y - np.average(y, weights=part.weight)) ** 2, weights=part.weight)
    return off**2 / (variance or 1.0)


def _shuffled(
    problem: Problem,
    jury: Jury,
    part: Part,
    holders: np.ndarray | None,
    pieces: Sequence[Piece],
    repeats: int,
) -> Iterator[np.ndarray]:
    """Yield each piece's costs by row, (rows,), the mean over its shuffles; many are predicted in one go."""
    rows = len(part.y)
    rng = np.random.Generator(np.random.Philox(key=np.array([0, 29], np.uint64)))
    together = max(1, AT_ONCE // (rows * repeats))
    for start in range(0, len(pieces), together):
        some = pieces[start : start + together]
        x = np.tile(part.x, (len(some) * repeats, 1))
        for i, piece in enumerate(some):
            for repeat in range(repeats):
                block = x[(i * repeats + repeat) * rows :][:rows]
                block[:, piece.places] = part.x[rng.permutation(rows)][:, piece.places]
        held = None if holders is None else np.tile(holders, (1, len(some) * repeats))
        outputs = jury.together(x, held)
        for i in range(len(some)):
            own = outputs[i * repeats * rows :][: repeats * rows].reshape(repeats, rows, *outputs.shape[1:])
            yield np.mean([costs(problem, part, one) for one in own], axis=0)


def _interval(more: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Return the weighted mean and its 95 % interval; the ends are NaN for a single row."""
    from scipy.stats import t as student

    mean = float(np.average(more, weights=weight))
    count = weight.sum() ** 2 / np.square(weight).sum()
    if count <= 1:
        return mean, float("nan"), float("nan")
    error = np.sqrt(np.average((more - mean) ** 2, weights=weight) / (count - 1))
    half = float(student.ppf(0.975, count - 1) * error)
    return mean, mean - half, mean + half


def _pieces(schema: Schema, most: int) -> tuple[list[Piece], list[int] | None]:
    """Return the columns; of images the patches of a grid of at most ``most``, and its rows and columns."""
    if schema.image_shape is not None:
        return _patches(schema.image_shape, max(most, 4))
    places = np.argsort(schema.order)  # of the encoded numbers, column after column
    ends = np.cumsum([len(column.parts) for column in schema.inputs])
    names = [column.name for column in schema.inputs]
    return [Piece(n, p) for n, p in zip(names, np.split(places, ends[:-1]), strict=True)], None


def _patches(shape: tuple[int, ...], most: int) -> tuple[list[Piece], list[int]]:
    pixels = np.arange(int(np.prod(shape))).reshape(shape[0], shape[1], -1)
    sides = [min(GRID, shape[0]), min(GRID, shape[1])]
    while sides[0] * sides[1] > most and max(sides) > 2:
        sides = [max(2, side - 1) if side > 2 else side for side in sides]
    lines = np.array_split(np.arange(shape[0]), sides[0])
    stripes = np.array_split(np.arange(shape[1]), sides[1])
    found = [
        Piece(f"pixels {_span(line)} down, {_span(stripe)} across", pixels[line][:, stripe].ravel())
        for line in lines
        for stripe in stripes
    ]
    return found, sides


def _span(numbers: np.ndarray) -> str:
    first, last = int(numbers[0]) + 1, int(numbers[-1]) + 1
    return str(first) if first == last else f"{first} to {last}"


def _telling(pieces: Sequence[Piece], x: np.ndarray, outputs: np.ndarray, most: int) -> list[Piece]:
    """Return the pieces that go most with the outputs (largest correlation), in the table's order."""
    out = outputs.reshape(len(outputs), -1)

    def scaled(a: np.ndarray) -> np.ndarray:
        centred = a - a.mean(axis=0)
        size = np.sqrt(np.square(centred).sum(axis=0))
        return centred / np.where(size > 0, size, 1.0)

    strength = np.abs(scaled(np.asarray(x, np.float64)).T @ scaled(out)).max(axis=1)
    order = np.argsort([-strength[piece.places].max() for piece in pieces], kind="stable")[:most]
    return [pieces[i] for i in sorted(order)]
