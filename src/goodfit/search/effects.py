"""What each technique was worth in a search, alone and with another: members with it against members without.

All members are compared at the first rung of their round, where none had been dropped; a round's mean is
taken out first, because later rounds draw from better boxes. Diverged members count as the worst of their
round, so a technique that breaks networks shows it. It says what went together in this search, not what would
happen if only this one thing were changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from goodfit.search.space import Choice
from goodfit.search.trial import Trial

FEWEST = 3  # members on each side of a comparison
MOST_PAIRS = 12  # told of; all are counted


@dataclass(frozen=True, eq=False)
class _Split:
    """An option of a choice: ``has`` it (trials,), among those where the ``asked`` choice arose (trials,)."""

    path: str
    technique: str
    option: str
    has: np.ndarray
    asked: np.ndarray


def contributions(trials: Sequence[Trial], score: Callable[[Trial], float]) -> list[dict[str, Any]]:
    """Return, for each option of each choice, the mean score with it minus without it, with an interval.

    A higher ``score`` must be better. The interval is Welch's, 95 %. Options that always came together are
    one entry, the others ``with`` the first: nothing can tell them apart.
    """
    trials = _comparable(trials)
    values = _centred(trials, score)
    found = []
    for split, same in _apart(trials):
        effect = _contrast([values[split.has], values[~split.has]], [1, -1], 0.05)
        if effect is not None:
            shown = {"technique": split.technique, "option": split.option, "members": int(split.has.sum())}
            found.append(shown | {"with": [[s.technique, s.option] for s in same]} | effect)
    return sorted(found, key=lambda f: -abs(f["difference"]))


def interactions(trials: Sequence[Trial], score: Callable[[Trial], float]) -> dict[str, Any]:
    """Return, for pairs of options of two choices, what both together were worth beyond their sum.

    That is the difference that the first makes where the second is, minus the difference that it makes
    where the second is not, of the mean ``score`` (higher is better). ``compared`` counts the pairs with at
    least `FEWEST` members in each of the four cells; the 95 % intervals (Welch's, as for two means) hold for
    all of them together (Bonferroni). ``pairs`` are those that stand out most.
    """
    trials = _comparable(trials)
    values = _centred(trials, score)
    seen = []
    for a, b in combinations([split for split, _ in _apart(trials)], 2):
        both = a.asked & b.asked
        cells = [values[both & x & y] for x in (a.has, ~a.has) for y in (b.has, ~b.has)]
        if a.path != b.path and min(map(len, cells)) >= FEWEST:
            seen.append((a, b, cells))
    found = []
    for a, b, cells in seen:
        effect = _contrast(cells, [1, -1, -1, 1], 0.05 / len(seen))
        if effect is not None:
            shown = {"options": [[a.technique, a.option], [b.technique, b.option]], "members": len(cells[0])}
            found.append(shown | effect)
    found.sort(key=lambda f: -abs(f["difference"]) / max(f["high"] - f["low"], 1e-300))
    return {"compared": len(seen), "pairs": found[:MOST_PAIRS]}


def _comparable(trials: Sequence[Trial]) -> list[Trial]:
    return [t for t in trials if t.keys and not t.harvest and t.space is trials[-1].space]


def _apart(trials: Sequence[Trial]) -> list[tuple[_Split, list[_Split]]]:
    """Return one option of each division of the trials, with the others that divide them alike."""
    groups: dict[bytes, list[_Split]] = {}
    for split in _splits(trials):
        groups.setdefault((split.has == split.has[0]).tobytes(), []).append(split)
    return [(one[0], [s for s in one[1:] if s.has[0] == one[0].has[0]]) for one in groups.values()]


def _splits(trials: Sequence[Trial]) -> Iterator[_Split]:
    """Give each option that some trials have and others have not; of two only one: each mirrors the other."""
    choices: dict[str, Choice] = trials[0].space.choices if trials else {}
    for path, choice in choices.items():
        if len(choice.options) == 1:  # comes and goes with an option above it, which is told of
            continue
        chosen = [t.point.get(path) for t in trials]
        options = sorted({int(number) for number in chosen if number is not None}, key=choice.label)
        options = [options[1]] if len(options) == 2 else options
        for option in options if len(options) > 1 or len(set(chosen)) > 1 else ():
            has = np.array([number == option for number in chosen])
            asked = np.array([number is not None for number in chosen])
            yield _Split(path, path.rsplit(".", 1)[-1].replace("_", " "), choice.label(option), has, asked)


def _centred(trials: Sequence[Trial], score: Callable[[Trial], float]) -> np.ndarray:
    """Return each trial's first score less its round's mean; the diverged take the round's worst."""
    scores = np.array([score(t) for t in trials], np.float64)
    rounds = np.array([t.round for t in trials])
    for number in np.unique(rounds):
        here = rounds == number
        finite = scores[here][np.isfinite(scores[here])]
        filled = np.where(np.isfinite(scores[here]), scores[here], finite.min() if len(finite) else 0.0)
        scores[here] = filled - filled.mean()
    return scores


def _contrast(cells: Sequence[np.ndarray], signs: Sequence[int], beyond: float) -> dict[str, float] | None:
    """Return the signed sum of the cells' means with its interval; None if a cell has too few members.

    The error adds up the cells' own, with Welch's and Satterthwaite's degrees of freedom. Of such intervals
    a share ``beyond`` does not hold the truth.
    """
    if min(map(len, cells)) < FEWEST:
        return None
    from scipy.stats import t as student

    parts = [cell.var(ddof=1) / len(cell) for cell in cells]
    error = float(np.sqrt(sum(parts)))
    difference = float(sum(sign * cell.mean() for sign, cell in zip(signs, cells, strict=True)))
    if error == 0.0:
        return {"difference": difference, "low": difference, "high": difference}
    freedom = sum(parts) ** 2 / sum(part**2 / (len(c) - 1) for part, c in zip(parts, cells, strict=True))
    half = float(student.ppf(1 - beyond / 2, freedom)) * error
    return {"difference": difference, "low": difference - half, "high": difference + half}
