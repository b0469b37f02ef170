"""What each technique was worth in a search: members with it against members without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from goodfit.search.trial import Trial


def contributions(trials: Sequence[Trial], score: Callable[[Trial], float]) -> list[dict[str, Any]]:
    """Return, for each option of each choice, the mean score with it minus without it, with an interval.

    All members are compared at the first rung of their round, where none had been dropped; a round's mean is
    taken out first, because later rounds draw from better boxes. Diverged members count as the worst of
    their round, so a technique that breaks networks shows it. The interval is Welch's, 95 %. It says what
    went together in this search, not what would happen if only this one thing were changed.
    """
    trials = [t for t in trials if t.keys and not t.harvest and t.space is trials[-1].space]
    values = _centred(trials, score)
    found = []
    choices = trials[0].space.choices if trials else {}
    for path, choice in choices.items():
        if len(choice.options) == 1:  # comes and goes with an option above it, which is told of
            continue
        chosen = [t.point.get(path) for t in trials]
        options = sorted({int(number) for number in chosen if number is not None}, key=choice.label)
        options = [options[1]] if len(options) == 2 else options  # the other one is its mirror image
        for option in options if len(options) > 1 or len(set(chosen)) > 1 else ():
            mask = np.array([number == option for number in chosen])
            effect = _difference(values[mask], values[~mask])
            if effect is not None:
                name = path.rsplit(".", 1)[-1].replace("_", " ")
                shown = {"technique": name, "option": choice.label(option), "members": int(mask.sum())}
                found.append(shown | effect)
    return sorted(found, key=lambda f: -abs(f["difference"]))


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


def _difference(with_it: np.ndarray, without: np.ndarray) -> dict[str, float] | None:
    if len(with_it) < 3 or len(without) < 3:
        return None
    from scipy.stats import t as student

    parts = [with_it.var(ddof=1) / len(with_it), without.var(ddof=1) / len(without)]
    error = float(np.sqrt(sum(parts)))
    difference = float(with_it.mean() - without.mean())
    if error == 0.0:
        return {"difference": difference, "low": difference, "high": difference}
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(with_it) - 1) + parts[1] ** 2 / (len(without) - 1))
    half = float(student.ppf(0.975, freedom)) * error
    return {"difference": difference, "low": difference - half, "high": difference + half}
