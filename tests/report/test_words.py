"""What records are said to mean: no more than they show, and the same on the page as on the terminal."""

from __future__ import annotations

import pytest

from goodfit.report.text import change, digits, number
from goodfit.report.words import Said, baselines, compared, diagnosis, hardly_trained, how_sure, round_rows
from goodfit.report.words import _belief as belief
from goodfit.report.words import _classes as classes
from goodfit.report.words import _lean as lean
from goodfit.search.story import RoundStory, Story

DONE = {"interrupted": False}


def story(*steps, of=1890, ended=True, result="training"):
    """A search of one round, whose trials stand at these steps."""
    one = RoundStory(0, False, {}, (of // 9, of // 3, of))
    for place, step in enumerate(steps):
        keys = [stop for stop in one.stops if stop <= step]
        trial = {"number": place, "text": "", "step": step, "result": result, "keys": keys}
        one.trials[place] = trial | {"error": 0.1, "loss": 0.1}
    one.reached = [n for n in (sum(len(t["keys"]) > k for t in one.trials.values()) for k in range(3)) if n]
    return Story((one,), 10.0, ended, settled=False)


def bins(*groups, rows=90):
    """Groups of (said, low, high), and how far they are off."""
    found = [{"said": s, "was": (a + b) / 2, "low": a, "high": b, "rows": rows} for s, a, b in groups]
    gap = sum(abs(one["said"] - one["was"]) for one in found) / len(found)
    return {"bins": found, "gap": gap, "of": "yes"}


def test_a_budget_that_trained_nothing_to_its_end_is_said_with_the_steps_and_what_to_give():
    (said,) = hardly_trained("my run", {"budget": "10s"}, DONE, story(63, 63, 0))
    assert said == Said(
        "bad",
        "The budget ended before any network was trained to its end (63 of 1,890 steps), so these scores are "
        "of hardly trained networks. Give more: goodfit study extend 'my run' --budget 1min.",
    )
    assert hardly_trained("run", {"budget": "10s"}, DONE, story(63, 1890)) == []
    assert hardly_trained("run", {"budget": "10s"}, DONE, None) == []
    assert hardly_trained("run", {"budget": "10s"}, DONE | {"ranking": {"tried": 3}}, story(63)) == []


@pytest.mark.parametrize(
    ("config", "more"),
    [
        ({"budget": "5s"}, "30s"),
        ({"budget": "60s", "extensions": [{"budget": "1min"}]}, "12min"),
        ({"budget": "500 steps"}, "'3000 steps'"),
    ],
)
def test_the_proposed_budget_is_of_the_runs_own_kind(config, more):
    (said,) = hardly_trained("run", config, DONE, story(63))
    assert said.text.endswith(f"--budget {more}.")


def test_an_interrupted_run_is_not_said_to_have_spent_its_budget():
    (said,) = hardly_trained("run", {"budget": "10s"}, {"interrupted": True}, story(63, ended=False))
    assert "budget" not in said.text
    assert "63" not in said.text
    assert "The same command goes on" in said.text


def test_rounds_that_the_budget_stopped_do_not_wait():
    assert round_rows(story(63))[0][5] == "budget ended"
    assert round_rows(story(63, ended=False))[0][5] == "waiting"
    assert round_rows(story(630, 210))[0][5] == "2 → 1"


def test_without_full_runs_the_ranking_says_why_it_is_missing():
    assert "no full runs" in how_sure(None)[0]


@pytest.mark.parametrize(("missed", "kind"), [(0, "open"), (1, "open"), (2, "open"), (3, "bad"), (6, "bad")])
def test_a_warning_about_probabilities_takes_more_than_chance(missed, kind):
    """Of ten right groups two or more miss the line in 9 % of runs, three or more in 1 %."""
    found = bins(*[(0.5, 0.1, 0.3)] * missed, *[(0.5, 0.3, 0.56)] * (10 - missed))
    (said,) = belief(found, weighted=False)
    assert said.kind == kind
    assert f"{10 - missed} of 10 groups are within chance" in said.text
    ends = "10 to 30" if kind == "bad" else "30 to 56"
    assert f"where the model says 50 %, it is so {ends} % of the time" in said.text


def test_probabilities_that_are_off_by_little_can_be_believed():
    (said,) = belief(bins((0.3, 0.27, 0.34), (0.7, 0.66, 0.72)), weighted=False)
    assert said.kind == "good"
    assert said.text.startswith(
        "Probabilities can be believed, 0.8 points off on average: where the model says 70 %, "
    )


def test_one_group_is_judged_by_its_own_interval():
    (said,) = belief(bins((0.5, 0.1, 0.3)), weighted=False)
    assert said.kind == "bad"
    assert "0 of 1 group is within chance" in said.text


def test_the_other_class_is_named_only_where_there_are_more_than_two():
    def seen(*labels):
        by_class = [{"label": label, "rows": 20, "found": 8, "named": 8} for label in labels]
        return {"mistakes": {"by_class": by_class, "pairs": [[labels[0], labels[1], 12]]}}

    assert "most often given 'b'" in next(classes(seen("a", "b", "c"))).text
    assert "most often given" not in next(classes(seen("a", "b"))).text


def test_a_lean_and_its_interval_have_one_sign():
    (low,) = lean({"mean": -4.75, "low": -6.49, "high": -3.0})
    (high,) = lean({"mean": 4.75, "low": 3.0, "high": 6.49})
    assert low.text == "Answers are too low on average, by 4.75 [3, 6.49]."
    assert high.text == "Answers are too high on average, by 4.75 [3, 6.49]."


def test_a_linear_model_ahead_within_the_interval_is_said_to_be_ahead():
    def said(linear, metric="accuracy"):
        other = {"score": linear, "low": linear, "high": linear}
        own = {"score": 0.80, "low": 0.75, "high": 0.85}
        (one,) = compared({"metric": metric, "test": own, "baselines": {"linear": {"test": other}}}, "test")
        return one.text

    assert "which scored higher" in said(0.81)
    assert "which scored" not in said(0.79)
    assert "which scored lower, which is better" in said(0.79, "rmse")


def test_baselines_stand_in_one_order():
    for names in (("majority", "linear"), ("linear", "majority")):
        found = baselines({"baselines": {name: {} for name in names}})
        assert [name for name, _ in found] == ["linear model", "most common class"]


def test_zero_has_no_sign():
    assert (digits(-1e-9), change(-1e-9), number(-0.0)) == ("0.0000", "+0.0000", "0")
    assert (digits(-0.00006), change(-0.00006), digits("NaN")) == ("-0.0001", "-0.0001", "nan")


def test_the_page_says_first_that_a_run_hardly_trained(hostile_run):
    from goodfit.report.records import read_records

    records = read_records(hostile_run)
    assert not any("hardly trained" in said.text for said in diagnosis(records))
    assert records.story is not None
    assert records.result is not None
    records.result["ranking"] = None
    for one in records.story.rounds:
        for trial in one.trials.values():
            trial["step"] = min(trial["step"], 5)
    said = diagnosis(records)
    assert "hardly trained" in said[0].text
    assert not any("No over-fitting" in one.text for one in said)
