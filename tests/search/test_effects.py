"""What techniques were worth: means and intervals against SciPy's and against what was planted."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import ttest_ind

from goodfit.search.effects import FEWEST, contributions, interactions
from goodfit.search.space import Choice

CHOICES = {"norm": Choice((False, True)), "rule": Choice(("SGD", "Adam")), "act": Choice("abc")}


def trials_of(points, scores, rounds=None, choices=None):
    """Return trials that were drawn at these points and scored so at their first stop."""
    space = SimpleNamespace(choices=choices or CHOICES)
    rounds = np.zeros(len(points), int) if rounds is None else rounds
    return [
        SimpleNamespace(keys=[1], harvest=False, space=space, point=point, score=score, round=r)
        for point, score, r in zip(points, scores, rounds, strict=True)
    ]


def drawn(rng, n):
    return [{"norm": a, "rule": b, "act": c} for a, b, c in rng.integers(0, (2, 2, 3), (n, 3)).tolist()]


def score(trial):
    return trial.score


def test_a_main_effect_is_welchs():
    rng = np.random.default_rng(0)
    points = drawn(rng, 60)
    values = rng.normal(size=60) + np.array([0.5 * p["norm"] for p in points])
    found = {(f["technique"], f["option"]): f for f in contributions(trials_of(points, values), score)}
    has = np.array([p["norm"] == 1 for p in points])
    expected = ttest_ind(values[has], values[~has], equal_var=False)
    one = found["norm", "on"]
    low, high = expected.confidence_interval(0.95)
    assert one["difference"] == pytest.approx(values[has].mean() - values[~has].mean())
    assert (one["low"], one["high"]) == (pytest.approx(low), pytest.approx(high))
    assert one["members"] == has.sum()
    assert sum(technique == "act" for technique, _ in found) == 3
    assert sum(technique == "rule" for technique, _ in found) == 1  # two options mirror each other


def test_an_interaction_is_the_difference_of_differences():
    rng = np.random.default_rng(1)
    points = drawn(rng, 400)
    planted = np.array([1.5 * (p["norm"] == 1 and p["rule"] == 1) + 0.7 * p["norm"] for p in points])
    values = planted + rng.normal(size=400)
    found = interactions(trials_of(points, values), score)
    first = found["pairs"][0]
    assert sorted(map(tuple, first["options"])) == [("norm", "on"), ("rule", "SGD")]
    cells = {
        (a, b): values[[p["norm"] == a and p["rule"] == b for p in points]].mean()
        for a in (0, 1)
        for b in (0, 1)
    }
    with_sgd = (cells[1, 0] - cells[0, 0]) - (cells[1, 1] - cells[0, 1])
    assert first["difference"] == pytest.approx(with_sgd)
    assert first["low"] < -1.5 < first["high"] < 0
    assert found["compared"] == 1 + 3 + 3
    assert all(one["low"] <= 0 <= one["high"] for one in found["pairs"][1:])


def test_of_chance_alone_nothing_stands_out():
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(200):
        found = interactions(trials_of(drawn(rng, 80), rng.normal(size=80)), score)
        wrong += any(one["low"] > 0 or one["high"] < 0 for one in found["pairs"])
    assert wrong <= 20  # 5 % of 200, and three standard errors


def test_rounds_are_no_effect():
    rng = np.random.default_rng(3)
    points = drawn(rng, 80)
    rounds = np.array([p["norm"] for p in points])  # the second round has one option only
    found = contributions(trials_of(points, 5.0 * rounds + rng.normal(size=80), rounds), score)
    assert next(f for f in found if f["technique"] == "norm")["difference"] == pytest.approx(0.0)


def test_the_diverged_count_as_the_worst():
    rng = np.random.default_rng(4)
    points = drawn(rng, 60)
    values = rng.normal(size=60)
    broken = np.array([p["norm"] == 1 for p in points])
    found = contributions(trials_of(points, np.where(broken, math.nan, values)), score)
    assert found[0]["technique"] == "norm"
    assert found[0]["high"] < 0


def test_too_few_are_not_compared():
    points = [{"norm": i < FEWEST - 1, "rule": i % 2, "act": 0} for i in range(12)]
    trials = trials_of(points, np.arange(12.0))
    assert {f["technique"] for f in contributions(trials, score)} == {"rule"}
    assert interactions(trials, score) == {"compared": 0, "pairs": []}
    assert contributions([], score) == []
    assert interactions([], score) == {"compared": 0, "pairs": []}


def test_what_exists_only_under_an_option_is_compared_where_it_arises():
    rng = np.random.default_rng(5)
    choices = {"rule": CHOICES["rule"], "rule.Adam.form": Choice(("book", "paper")), "act": Choice("ab")}
    points = [
        {"rule": a, "act": c} | ({"rule.Adam.form": b} if a else {})
        for a, b, c in rng.integers(0, 2, (120, 3)).tolist()
    ]
    found = interactions(trials_of(points, rng.normal(size=120), choices=choices), score)
    named = {tuple(sorted(t for t, _ in one["options"])) for one in found["pairs"]}
    assert named == {("act", "rule"), ("act", "form")}


def test_options_that_always_come_together_are_one_entry():
    rng = np.random.default_rng(6)
    choices = {"norm": Choice((False, True)), "rule": Choice(("Adam", "SGD")), "act": Choice("abc")}
    drawn_acts = enumerate(rng.integers(0, 3, 60).tolist())
    points = [{"norm": i % 2, "rule": i % 2, "act": act} for i, act in drawn_acts]
    found = contributions(trials_of(points, rng.normal(size=60), choices=choices), score)
    assert [f["with"] for f in found if f["technique"] == "norm"] == [[["rule", "SGD"]]]
    assert {f["technique"] for f in found} == {"norm", "act"}
