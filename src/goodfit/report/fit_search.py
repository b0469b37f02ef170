"""The parts of a run's page that tell of its search: learning curves, rounds and boxes, techniques."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from goodfit.report.charts import Course, Line, Mark, Stage, courses, forest, stages
from goodfit.report.page import Table
from goodfit.report.parts import Part, figure, grid, hint, said_list, sentence, tables
from goodfit.report.records import Records
from goodfit.report.text import count, digits, number, shorten
from goodfit.report.words import (
    NO_EFFECTS,
    ROUND_HEAD,
    Said,
    difference,
    how_sure,
    options,
    ranks_by_error,
    reached,
    round_rows,
    winner_curve,
)
from goodfit.search.curves import Curve
from goodfit.search.story import RoundStory, Story

_FIELD, _EFFECTS, _BOXES, _TRIALS = 160, 16, 12, 10  # drawn or listed at most


def curves_part(records: Records) -> Part:
    """Return the learning curves of winner, ensemble and field."""
    part = Part("curves", "Learning curves")
    story = records.story
    if story is None:
        return part.without(records.no_story)
    by_error = _by_error(records)
    lines = _courses(records, story, by_error)
    if not lines:
        return part.without("No network has been evaluated yet.")
    what = _what(records, by_error)
    zero = any(y <= 0 for line in lines for _, y in line.points)
    chart = courses(
        "curves",
        "Learning curves",
        f"{what} of {len(lines)} networks by step; the winner's is the thick line.",
        lines,
        ("updates", what),
    )
    words = (
        "A line is one network, evaluated on validation rows as it trained. Lines that end early were given "
        "up where their round compared its networks; those given up at the first stop are dots. No "
        "intervals: the rows are the same for all, so chance moves the lines together."
    )
    words += " An error of 0 is drawn at the bottom edge." if zero else ""
    return part.with_body(figure(chart, ""), hint(words))


def _by_error(records: Records) -> bool:
    asked = {"metric": records.settings["metric"] or "accuracy"}
    return ranks_by_error(asked if records.result is None else records.result)


def _what(records: Records, by_error: bool) -> str:
    if not by_error:
        return "validation loss"
    metric = (records.result or {}).get("metric")
    if metric in ("r2", "rmse"):
        return "validation error (squared, target scaled)"
    if metric == "mae":
        return "validation error (absolute, target scaled)"
    if metric == "balanced_accuracy":
        return "validation error (share wrong, classes alike)"
    return "validation error (share wrong)" if metric else "validation error"


def _courses(records: Records, story: Story, by_error: bool) -> list[Course]:
    """Return the curves that were kept, and for other trials where they stood at each stop."""
    winner = winner_curve(records)
    members = (records.insights or {}).get("validation", {}).get("members", {}).get("each", ())
    seeds = {one["seed"] for one in members}
    field: list[Course] = []
    chosen: list[Course] = []
    for trial in story.trials:
        curve = records.curves.get(trial["number"])
        tip = f"trial {trial['number']}: {shorten(trial['text'], 80)}"
        points = _points(curve, by_error) if curve is not None else _stops(story, trial, by_error)
        if not points:
            continue
        if curve is not None and winner is not None and curve.number == winner.number:
            chosen.append(Course(points, "winner", f"winner, {tip}"))
        elif curve is not None and curve.seed in seeds:
            chosen.append(Course(points, "member", tip))
        else:
            field.append(Course(points, "field", tip))
    every = max(1, math.ceil(len(field) / _FIELD))
    return [*field[::every], *chosen]


def _points(curve: Curve, by_error: bool) -> tuple[tuple[float, float], ...]:
    values = curve.errors if by_error else curve.losses
    pairs = zip(curve.steps.tolist(), values.tolist(), strict=True)
    return tuple((float(x), float(y)) for x, y in pairs if math.isfinite(y))


def _stops(story: Story, trial: dict[str, Any], by_error: bool) -> tuple[tuple[float, float], ...]:
    stops = next(one.stops for one in story.rounds if trial["number"] in one.trials)
    pairs = zip(stops, (float(key[0]) for key in trial["keys"]), strict=False)
    return tuple((float(x), y) for x, y in pairs if math.isfinite(y))


def search_part(records: Records) -> Part:
    """Return rounds, boxes, what moved, the best trials, and how sure the ranking is."""
    part = Part("search", "The search")
    story = records.story
    if story is None:
        return part.without(records.no_story)
    config = records.config
    more = "".join(f" + {one['budget']}" for one in config.get("extensions", []))
    words = (
        f"Budget {config['budget']}{more}; {count(len(story.trials), 'trial')} in "
        f"{count(len(story.rounds), 'round')} and {story.seconds:.0f} s. A round draws networks, trains all "
        "of them to a ninth of a full run, the best third on to a third, and the best third of those to the "
        "end. A harvest trains the best points again, close by."
    )
    if (records.result or {}).get("interrupted"):
        words += (
            " What was under way when it was interrupted is in the model and its ranking, but not in these "
            "tables: it is trained again when the search goes on."
        )
    ranked = _ranked(records, story)
    charts = _boxes(story, _ring(records, ranked))
    body = [sentence(words), *_ranking(records.result), grid(charts, small=True)]
    if charts:
        body.append(
            hint(
                "Boxes are the ranges that a round drew from (orange: a harvest, which draws close to the "
                "best). Dots are draws: grey given up at the first stop, light blue at the second, blue "
                "trained to the end; a cross diverged. The ring is the winner."
            )
        )
    note = (
        "Errors in these tables are on the validation rows that chose among the networks. An interval around "
        "the lowest of many would flatter as much as it does, so none is given"
    )
    sure = (records.result or {}).get("ranking")
    note += ": the expectation above has one." if sure else "."
    return part.with_body(
        *body, *tables(part.title, _rounds(story), _moved(story), _best(ranked)), hint(note)
    )


def _ranking(result: dict[str, Any] | None) -> list[str]:
    if result is None:
        return []
    return [said_list([Said("open", f"{text.rstrip('.')}.") for text in how_sure(result.get("ranking"))])]


def _ranked(records: Records, story: Story) -> list[dict[str, Any]]:
    """Return the trials with a score that did not diverge: those nearest to a full run first, best first."""
    return story.ranked(_by_error(records))


def _ring(records: Records, ranked: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the winner's trial; where its state is gone, the best one."""
    winner = winner_curve(records)
    found = [trial for trial in ranked if winner is not None and trial["number"] == winner.number]
    return next(iter([*found, *ranked]), None)


def _boxes(story: Story, best: dict[str, Any] | None) -> list[str]:
    paths = list(dict.fromkeys(path for one in story.rounds for path in one.region["ranges"]))
    logs = {path for one in story.rounds for path in one.region["log"]}
    place = next((i for i, r in enumerate(story.rounds) if best and best["number"] in r.trials), 0)
    found = []
    for path in paths:
        seen = [_stage(one, path) for one in story.rounds]
        drawn = sum(len(one.draws) for one in seen)
        if not drawn or all(not one.low < one.high for one in seen):
            continue
        ring = (place, float(best["point"][path])) if best and path in best["point"] else None
        name = path.replace("_", " ").replace(".", " · ")
        says = f"Ranges of {name} in {len(seen)} rounds, and {drawn} draws."
        chart = stages(f"box-{len(found)}", name, says, seen, log=path in logs, best=ring)
        found.append((drawn, figure(chart, name)))
    found.sort(key=lambda one: -one[0])
    return [chart for _, chart in found[:_BOXES]]


def _stage(one: RoundStory, path: str) -> Stage:
    low, high = one.region["ranges"].get(path, (math.nan, math.nan))
    draws = tuple((float(t["point"][path]), reached(t)) for t in one.trials.values() if path in t["point"])
    return Stage(float(low), float(high), draws, one.harvest)


def _rounds(story: Story) -> Table:
    return Table(ROUND_HEAD, tuple(round_rows(story)), "Rounds")


def _moved(story: Story) -> Table | None:
    moved = tuple(story.regions()) if story.rounds else ()
    return Table(("place", "at first", "at last"), moved, "What moved") if moved else None


def _best(ranked: Sequence[dict[str, Any]]) -> Table | None:
    rows = tuple(
        (
            str(t["number"]),
            digits(t["error"]),
            digits(t["loss"]),
            f"{t['step']:,}",
            t["text"],
            ", ".join(
                f"{path.rsplit('.', 1)[-1]} {number(value)}"
                for path, value in t["point"].items()
                if isinstance(value, float)
            ),
        )
        for t in ranked[:_TRIALS]
    )
    head = ("trial", "error", "loss", "step", "what it was", "values")
    return Table(head, rows, "Best trials") if rows else None


def worth_part(records: Records) -> Part:
    """Return what went with better scores: main effects with their intervals."""
    part = Part("worth", "What each technique was worth")
    if records.result is None:
        return part.without("It is reckoned when the search ends.")
    found: Sequence[dict[str, Any]] = records.result["contributions"]
    if not found:
        return part.without(NO_EFFECTS)
    lines = [
        Line(
            f"{one['technique']}: {shorten(options(one), 60)}",
            (Mark.of(one, "difference", "first" if _sure(one) else "faint", difference(one)),),
        )
        for one in found[:_EFFECTS]
    ]
    says = f"Differences in score with and without {len(lines)} options, each with a 95 % interval around it."
    chart = forest(
        "worth",
        "What went with better scores",
        says,
        lines,
        "difference in score (right: better with it)",
        zero=True,
    )
    rows = tuple((one["technique"], options(one), difference(one), str(one["members"])) for one in found)
    table = Table(("technique", "option", "difference, 95 % interval", "networks"), rows, "All options")
    words = (
        "Networks with an option against those without it, in the same round and at the same early stop, "
        "where none had been given up. Grey: the interval holds 0, so it cannot be told. It says what went "
        "together in this search, not what would happen if only that were changed."
    )
    return part.with_body(
        figure(chart, ""),
        hint(words),
        *tables(part.title, table),
        *_pairs(records.result.get("interactions")),
    )


def _pairs(found: dict[str, Any] | None) -> list[str]:
    """Return what two options together were worth beyond what each was, if that was reckoned."""
    if not found:
        return []
    if not found["pairs"]:
        return [hint("Too few networks had two options together, one of them, and none, to compare pairs.")]
    sure = sum(map(_sure, found["pairs"]))
    said = (
        f"None of {count(found['compared'], 'pair')} can be told from 0: each option may be judged by itself"
    )
    if sure:
        said = f"Of {count(found['compared'], 'pair')}, {sure} can be told from 0"
    words = (
        "Beyond each: what an option brings where another is, less what it brings where that is not. "
        f"{said}. The intervals hold for all pairs that were compared, at 95 %."
    )
    rows = tuple(
        (*(": ".join(option) for option in one["options"]), difference(one), str(one["members"]))
        for one in found["pairs"]
    )
    head = ("option", "with", "beyond each, interval", "networks with both")
    return [hint(words), *tables("Pairs of options", Table(head, rows, "Pairs that stand out most"))]


def _sure(one: dict[str, Any]) -> bool:
    return float(one["low"]) > 0 or float(one["high"]) < 0
