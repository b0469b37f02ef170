"""What a finished model shows on rows that its networks have not trained on: its mistakes, whether its
probabilities can be believed, which columns it lives on, how far its networks differ.

A report draws from records alone, so this is computed once, when a job ends, and written down. Rows are those
that compared the networks; and, where the exam opened the sealed rows, these very rows, in the same opening.
Nothing here knows a clock, and every draw has a fixed seed: equal models have equal insights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from goodfit.data.prepare import Part
from goodfit.ensemble.select import disagreement
from goodfit.model.importance import affordable, importance, spread
from goodfit.model.jury import Jury
from goodfit.model.model import Model
from goodfit.model.predict import weighted_mean
from goodfit.model.problem import Problem
from goodfit.stats.intervals import mean_interval, share_interval

MOST_ROWS, FEWEST_ROWS = 2000, 100  # that are predicted for the report alone
MOST_CLASSES, MOST_LISTED, MOST_PAIRS = 30, 50, 10  # of a whole matrix; of a list; of mistakes
MOST_MEMBERS = 12  # networks that are scored one by one, the heaviest
MOST_POINTS = 400  # rows drawn one by one
BINS, LEAST_IN_BIN = 10, 15
_STEPS = 24  # of a histogram


def insights(
    problem: Problem,
    model: Model,
    examined: tuple[Part, np.ndarray] | None,
    seeds: Sequence[int],
    seconds: float | None,
) -> dict[str, Any]:
    """Return what the report shows of a model, as plain JSON.

    Args:
        problem: the data and the metric.
        model: as it is saved; with folds, each candidate's networks stand together, one a fold.
        examined: the sealed rows and the model's outputs on them, if the exam has opened them.
        seeds: of each network of the model.
        seconds: the budget of the search, which bounds the rows that are predicted; None if it is no time.
    """
    jury = Jury.of(model, problem.folds)
    names = [seeds[place] for place in range(0, len(seeds), jury.folds)]
    data = problem.data
    most = affordable(jury, seconds)
    few = int(np.clip(most / 4, FEWEST_ROWS, MOST_ROWS))
    picked = spread(len(problem.judges), max(int(most / 2), FEWEST_ROWS))
    judged, holders = problem.judged.take(picked), jury.holders(problem.judges[picked])
    each = jury.outputs(judged.x, holders)
    seen = _seen(problem, judged, weighted_mean(each, jury.weights))
    seen |= {"of": len(problem.judges), "agreement": _agreement(problem, jury, judged, each)}
    found: dict[str, Any] = {
        "target": data.target,
        "classes": list(data.classes() or ()),
        "validation": seen | {"members": _members(problem, jury, names, judged, each)},
        "test": None,
        "training": None if problem.folds else _training(problem, jury, few),
        "importance": importance(problem, jury, judged, holders, seconds),
    }
    if examined is not None:  # the exam is of the whole model: none of its networks is scored alone
        part, outputs = examined
        less = some(part, few)
        agreement = _agreement(problem, jury, less, jury.outputs(less.x, None))
        found["test"] = _seen(problem, part, outputs) | {"of": len(part.y), "agreement": agreement}
    return _short(found)


def _training(problem: Problem, jury: Jury, most: int) -> dict[str, Any]:
    """Return the score on rows that the networks trained on, to be held against validation."""
    part = some(problem.data.train, most)
    return problem.score(part, jury.together(part.x, None)) | {"rows": len(part.y)}


def some(part: Part, most: int) -> Part:
    """Return at most so many rows of a part, evenly spread."""
    return part if len(part.y) <= most else part.take(spread(len(part.y), most))


def _seen(problem: Problem, part: Part, outputs: np.ndarray) -> dict[str, Any]:
    """Return what the model's outputs show on a part's rows."""
    found: dict[str, Any] = {"rows": len(part.y)}
    if problem.task == "classification":
        classes = problem.data.codec.classes
        found["mistakes"] = mistakes(part.y, np.argmax(outputs, axis=1), classes)
        return found | {"calibration": _believed(part.y, outputs, classes)}
    answers = problem.answer(outputs)
    return found | {"residuals": residuals(part.y, answers), "calibration": _met(part.y, answers)}


def _agreement(problem: Problem, jury: Jury, part: Part, each: list[np.ndarray]) -> dict[str, Any] | None:
    """Return how far the candidates' outputs differ on a part's rows; None for one candidate, or few rows."""
    together = weighted_mean(each, jury.weights)
    if problem.task == "classification":
        return _agreed(part.y, each, together)
    return _near(problem, part.y, each, together)


def mistakes(y: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Return how often each class was given each label: a matrix of rows, or of many classes the main part.

    ``counts[true][given]``, None beyond `MOST_CLASSES`; ``pairs`` are the most frequent mistakes;
    ``by_class`` tells of each class its rows, how many were found, and how often its label was given: of many
    classes those that were found least.
    """
    size = len(classes)
    pairs, often = np.unique(np.asarray(y, np.int64) * size + labels, return_counts=True)
    true, given = pairs // size, pairs % size
    rows, named = (np.bincount(a, minlength=size) for a in (np.asarray(y, np.int64), labels))
    right = np.zeros(size, np.int64)
    right[true[true == given]] = often[true == given]
    counts = None
    if size <= MOST_CLASSES:
        matrix = np.zeros((size, size), np.int64)
        matrix[true, given] = often
        counts = matrix.tolist()
    wrong = [(int(n), int(a), int(b)) for n, a, b in zip(often, true, given, strict=True) if a != b]
    wrong.sort(key=lambda one: (-one[0], one[1], one[2]))
    listed = [k for k in range(size) if rows[k]]
    if len(listed) > MOST_LISTED:
        listed = sorted(listed, key=lambda k: (right[k] / rows[k], -rows[k], k))[:MOST_LISTED]
    return {
        "counts": counts,
        "pairs": [[classes[a], classes[b], n] for n, a, b in wrong[:MOST_PAIRS]],
        "by_class": [
            {"label": classes[k], "rows": int(rows[k]), "found": int(right[k]), "named": int(named[k])}
            for k in listed
        ],
    }


def _bins(order: np.ndarray) -> list[np.ndarray]:
    """Return rows in order, cut into up to `BINS` parts of nearly equal size."""
    return np.array_split(order, int(np.clip(len(order) // LEAST_IN_BIN, 1, BINS)))


def _believed(y: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Return, for rows in order of a probability, what was said and how often it was so.

    Of two classes the probability is that of the second one, else that of the label given.
    """
    two = len(classes) == 2
    said = probabilities[:, 1] if two else probabilities.max(axis=1)
    was = (y == 1) if two else (np.argmax(probabilities, axis=1) == y)
    found = []
    for rows in _bins(np.argsort(said, kind="stable")):
        share = float(was[rows].mean())
        low, high = share_interval(share, len(rows))
        found.append(_bin(rows, float(said[rows].mean()), share, low, high))
    return {"of": classes[1] if two else None, "bins": found, "gap": _gap(found)}


def _met(y: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    """Return, for rows in order of the answer, the mean answer and the mean of the target."""
    found = []
    for rows in _bins(np.argsort(answers, kind="stable")):
        mean, low, high = mean_interval(y[rows])
        found.append(_bin(rows, float(answers[rows].mean()), mean, low, high))
    return {"of": None, "bins": found, "gap": _gap(found)}


def _bin(rows: np.ndarray, said: float, was: float, low: float, high: float) -> dict[str, Any]:
    return {"rows": len(rows), "said": said, "was": was, "low": low, "high": high}


def _gap(bins: Sequence[dict[str, Any]]) -> float:
    """Return the mean distance between what was said and what was, over the rows."""
    return sum(b["rows"] * abs(b["said"] - b["was"]) for b in bins) / sum(b["rows"] for b in bins)


def residuals(y: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    """Return how far answers lie from the target, in its unit; above 0: the answer is too high.

    The histogram's ends hold what lies beyond them, so its counts add up to the rows.
    """
    off = answers - y
    mean, low, high = mean_interval(off)
    ends = np.quantile(off, [0.01, 0.99])
    if ends[1] - ends[0] <= 1e-9 * max(1.0, float(np.abs(off).max())):  # all alike but for rounding
        ends = np.array([off.min() - 0.5, off.max() + 0.5])
    counts, edges = np.histogram(np.clip(off, *ends), bins=_STEPS, range=(ends[0], ends[1]))
    shown = spread(len(y), MOST_POINTS)
    return {
        "mean": mean,
        "low": low,
        "high": high,
        "quantiles": dict(
            zip(("5", "25", "50", "75", "95"), np.quantile(off, [0.05, 0.25, 0.5, 0.75, 0.95]), strict=True)
        ),
        "largest": float(off[np.argmax(np.abs(off))]),
        "histogram": {"edges": edges, "counts": counts},
        "points": np.stack([y[shown], answers[shown]], axis=1),
    }


def _members(
    problem: Problem, jury: Jury, seeds: Sequence[int], part: Part, each: list[np.ndarray]
) -> dict[str, Any]:
    """Return the heaviest candidates' own scores with intervals, and how many there are."""
    shown = spread(len(part.y), MOST_ROWS)
    few = part.take(shown)
    found = [
        {"seed": seeds[i], "text": jury.candidates[i][0].text, "weight": jury.weights[i]}
        | problem.score(few, each[i][shown])
        for i in range(min(len(each), MOST_MEMBERS))
    ]
    together = problem.score(few, weighted_mean(each, jury.weights)[shown])
    return {"count": len(each), "rows": len(shown), "each": found, "together": together}


def _agreed(y: np.ndarray, each: list[np.ndarray], together: np.ndarray) -> dict[str, Any] | None:
    """Return how often two networks give different labels, and the share right where all agree or not."""
    if len(each) < 2:
        return None
    labels = [np.argmax(one, axis=1) for one in each]
    alike = np.all([one == labels[0] for one in labels[1:]], axis=0)
    right = np.argmax(together, axis=1) == y
    found: dict[str, Any] = {"rows": len(y), "differ": disagreement(labels)}
    for name, rows in (("agreed", alike), ("divided", ~alike)):
        count = int(rows.sum())
        share = float(right[rows].mean()) if count else float("nan")
        low, high = share_interval(share, count) if count else (float("nan"), float("nan"))
        found[name] = {"rows": count, "right": share, "low": low, "high": high}
    return found


def _near(
    problem: Problem, y: np.ndarray, each: list[np.ndarray], together: np.ndarray
) -> dict[str, Any] | None:
    """Return how far the networks' answers lie apart, and the error where they are closest and furthest."""
    if len(each) < 2 or len(y) < 4:
        return None
    answers = np.stack([problem.answer(one) for one in each])
    apart = answers.std(axis=0)
    off = np.abs(problem.answer(together) - y)
    order = np.argsort(apart, kind="stable")
    found: dict[str, Any] = {"rows": len(y), "differ": float(apart.mean())}
    for name, rows in (("agreed", order[: len(y) // 2]), ("divided", order[len(y) // 2 :])):
        mean, low, high = mean_interval(off[rows])
        found[name] = {"rows": len(rows), "error": mean, "low": low, "high": high}
    return found


def _short(value: Any) -> Any:
    """Return the value as plain JSON types, numbers to six telling digits."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
