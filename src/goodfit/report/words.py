"""What a run's records mean, in sentences: how it compares, what is wrong, what to try."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from goodfit.report.records import Records
from goodfit.report.text import change, count, digits, interval, number
from goodfit.search.budget import Budget, parse_budget
from goodfit.search.story import Story
from goodfit.stats.metrics import METRICS

BASELINES = {"linear": "linear model", "majority": "most common class", "mean": "mean of the training rows"}
LOWER_IS_BETTER = ("log_loss", "rmse", "mae")
ROUND_HEAD = (  # narrow enough that no row is broken on a terminal of 80 columns
    *("round", "kind", "trials", "structures", "steps"),
    *("reached\n1/9 → 1/3 → end", "diverged", "lowest\nerror"),
)
_DIVERGED, _GAP, _ALONE, _DIVIDED = 0.1, 0.05, 0.8, 0.15  # from where on it is worth a word
_FEW = 10  # rows of a class below which its share is not spoken of
_CHANCE = 0.0501  # a probability up to which something is more than chance; one interval of one counts
_MORE = 6  # times the budget that is proposed where none was trained to its end
NO_EFFECTS = "Too few networks were drawn with and without any technique to compare them."


class Said(NamedTuple):
    """One sentence: "good", "bad", or "open" if it is neither or cannot be told."""

    kind: str
    text: str


def better(metric: str, score: float, other: float) -> bool:
    """Tell whether a score is better than another."""
    return score < other if metric in LOWER_IS_BETTER else score > other


def compared(result: dict[str, Any], part: str) -> list[Said]:
    """Return how the model compares with the baselines on "test" or "validation" rows."""
    found, metric = result[part], result["metric"]
    said = []
    for name in ("linear", "majority", "mean"):
        other = result["baselines"].get(name, {}).get(part)
        if other is None:
            continue
        what, score = BASELINES[name], float(other["score"])
        if all(better(metric, float(found[end]), score) for end in ("low", "high")):
            text = f"Better than the {what} ({interval(other)}): that lies outside of this model's interval."
            said.append(Said("good", text))
        elif all(better(metric, score, float(found[end])) for end in ("low", "high")):
            said.append(Said("bad", f"Worse than the {what} ({interval(other)}): use that one."))
        else:
            more = " You may not need a network." if name == "linear" else ""
            way = "lower, which is better" if metric in LOWER_IS_BETTER else "higher"
            ahead = f", which scored {way}" if better(metric, score, float(found["score"])) else ""
            text = f"Cannot be told from the {what} ({interval(other)}){ahead}: that lies within the interval"
            said.append(Said("open", f"{text}.{more}"))
    return said


def baselines(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the names and scores of the baselines as they are shown everywhere: the linear model first."""
    found = sorted(result["baselines"].items(), key=lambda one: one[0] != "linear")
    return [(BASELINES[name], scores) for name, scores in found]


def hardly_trained(
    run: str, config: Mapping[str, Any], result: Mapping[str, Any], story: Story | None
) -> list[Said]:
    """Return a warning if a run's search ended before any network had come to the end of its full run."""
    if story is None or not story.trials or result.get("ranking"):  # a ranking is of full runs
        return []
    step, steps = story.furthest
    if step >= steps:
        return []
    if result.get("interrupted"):  # where it stood then is in no record
        by, where, again = "The run was interrupted", "", "The same command goes on with it."
    else:
        more = shlex.join(["goodfit", "study", "extend", run, "--budget", _more(config)])
        by, where, again = "The budget ended", f" ({step:,} of {steps:,} steps)", f"Give more: {more}."
    text = (
        f"{by} before any network was trained to its end{where}, so these scores are of hardly trained "
        f"networks. {again}"
    )
    return [Said("bad", text)]


def _more(config: Mapping[str, Any]) -> str:
    """Return a larger budget of the kind that a run has."""
    spent = Budget()
    for text in (config["budget"], *(one["budget"] for one in config.get("extensions", []))):
        spent = parse_budget(text) if spent == Budget() else spent.more(parse_budget(text))
    kind, amount = next((kind, n) for kind, n in vars(spent).items() if n is not None)
    amount *= _MORE
    if kind != "seconds":
        return f"{amount} {kind}"
    return f"{amount / 60:g}min" if amount % 60 == 0 else f"{amount:g}s"


def diagnosis(records: Records) -> list[Said]:
    """Return what the records say of the model and its search, what is wrong first."""
    result = records.result
    if result is None:
        return []
    early = hardly_trained(records.run, records.config, result, records.story)
    found = [*early, *_scores(records, result, early=bool(early))]
    found += [*_search(records, result), *_winner(records)]
    if records.insights is not None:
        found += _shown(records.insights, records.settings["class_weight"] is not None)
    order = ("bad", "open", "good")
    return sorted(found, key=lambda said: order.index(said.kind))


def _scores(records: Records, result: dict[str, Any], *, early: bool) -> Iterator[Said]:
    metric, valid, test = result["metric"], result["validation"], result["test"]
    if test is not None:
        apart = not _overlap(valid, test)
        if apart and better(metric, float(valid["score"]), float(test["score"])):
            yield Said(
                "bad",
                f"On sealed rows it scores {interval(test)}, clearly less well than on validation rows "
                f"({interval(valid)}): trust the sealed ones. Either the choice among many networks "
                "flattered, or the rows differ; --group or --time may tell which belong together.",
            )
        elif not apart:
            yield Said("good", "The scores on validation and on sealed rows agree within their intervals.")
    training = (records.insights or {}).get("training")
    if training is None or math.isnan(float(training["score"])):
        return
    if not _overlap(valid, training) and better(metric, float(training["score"]), float(valid["score"])):
        yield Said(
            "open",
            f"It does better on rows it trained on ({interval(training)}) than on validation rows "
            f"({interval(valid)}). More rows, more dropout or weight decay may help more than more search.",
        )
    elif not early:  # a network that has hardly begun to fit cannot over-fit
        yield Said("good", f"No over-fitting is seen: it scores {interval(training)} on its training rows.")


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    ends = [float(found[end]) for found in (one, other) for end in ("low", "high")]
    return not (ends[1] < ends[2] or ends[3] < ends[0])  # NaN ends tell nothing apart


def _search(records: Records, result: dict[str, Any]) -> Iterator[Said]:
    trials = len(records.story.trials) if records.story else 0
    diverged = result["diverged"]
    if trials and diverged / trials > _DIVERGED:
        yield Said(
            "open",
            f"{diverged:,} of {trials:,} trials diverged. They are ranked last and harm nothing, but cost "
            "time: lower the largest learning rates with --space.",
        )
    ranking = result.get("ranking")
    if ranking and len(ranking["alike"]) > 1:
        yield Said(
            "open",
            f"{len(ranking['alike']) - 1} of {count(ranking['compared'], 'full run')} cannot be told from "
            "the best single network: which one won is partly chance, the ensemble is not.",
        )
    if result["settled"]:
        yield Said("good", "The last rounds gained no more than noise, so the search ended early.")


def _winner(records: Records) -> Iterator[Said]:
    curve = winner_curve(records)
    if curve is None or len(curve.steps) < 5 or curve.steps[-1] < curve.horizon:
        return
    by_error = ranks_by_error(records.result or {})
    values = curve.errors if by_error else curve.losses
    best = len(values) - 1 - int(values[::-1].argmin())
    share = float(curve.steps[best] / curve.steps[-1])
    if share > 0.97 and values[best] < 0.97 * values[: int(0.8 * len(values))].min():
        yield Said("open", "The winner was still improving at its end: a larger --budget may help.")
    elif share < 0.6:
        yield Said(
            "open",
            f"The winner was best after {100 * share:.0f} % of its updates, and that state is kept; the rest "
            "did not help. More dropout, weight decay or label smoothing may.",
        )
    else:
        yield Said("good", "The winner's error settled before its training ended.")


def winner_curve(records: Records) -> Any:
    """Return the learning curve of the winner, or None if its state is not there."""
    if records.result is None:
        return None
    winner = records.result["winner"]
    alike = [curve for curve in records.curves.values() if curve.recipe == winner["recipe"]]
    alike = [c for c in alike if c.number == winner.get("trial")] or alike  # others are of other seeds
    return max(alike, key=lambda curve: curve.steps[-1], default=None)


def ranks_by_error(result: dict[str, Any]) -> bool:
    """Tell whether the metric ranks by error (share wrong, squares) rather than by loss."""
    metric = METRICS.get(result.get("metric") or "")
    return metric is not None and metric.told_by == "error"


def _shown(insights: dict[str, Any], weighted: bool) -> Iterator[Said]:
    seen = insights["test"] or insights["validation"]
    yield from _classes(seen) if "mistakes" in seen else _lean(seen["residuals"])
    if "mistakes" in seen:
        yield from _belief(seen["calibration"], weighted)
    yield from _columns(insights["importance"])
    agreement = seen["agreement"]
    if agreement and "mistakes" in seen and agreement["differ"] > _DIVIDED:
        yield Said(
            "open",
            f"Two networks of the ensemble differ on {100 * agreement['differ']:.0f} % of the rows: little "
            "is certain where they are divided.",
        )


def _classes(seen: dict[str, Any]) -> Iterator[Said]:
    classes = [one for one in seen["mistakes"]["by_class"] if one["rows"] >= _FEW]
    if not classes:
        return
    worst = min(classes, key=lambda one: one["found"] / one["rows"])
    share = worst["found"] / worst["rows"]
    if share < 0.75:
        mixed = [pair for pair in seen["mistakes"]["pairs"] if pair[0] == worst["label"]]
        two = len(seen["mistakes"]["by_class"]) == 2  # then there is one other that can be given
        told = f", most often given {mixed[0][1]!r}" if mixed and not two else ""
        yield Said(
            "bad" if share < 0.5 else "open",
            f"Of the class {worst['label']!r} only {worst['found']} of {worst['rows']} rows are found{told}. "
            "If rare classes count as much as common ones, try --class-weight balanced.",
        )
    elif share == 1.0:
        yield Said("good", "Every row of every class is found.")
    else:
        text = f"The class found least is {worst['label']!r}: {worst['found']} of {worst['rows']} rows."
        yield Said("good", text)


def _lean(off: dict[str, Any]) -> Iterator[Said]:
    mean, low, high = (float(off[key]) for key in ("mean", "low", "high"))
    if low > 0 or high < 0:
        way = "high" if mean > 0 else "low"
        least, most = sorted((abs(low), abs(high)))
        ends = f"[{number(least)}, {number(most)}]"
        yield Said("bad", f"Answers are too {way} on average, by {number(abs(mean))} {ends}.")
    else:
        yield Said("good", "On average answers are neither too high nor too low.")


def _belief(found: dict[str, Any], weighted: bool) -> Iterator[Said]:
    """Tell whether probabilities hold: a warning where they are off by much, and by more than chance.

    Each group's interval leaves the line out in 5 % of cases where the probabilities are right, so the number
    of groups that do is compared with a binomial one.
    """
    bins, points = found["bins"], f"{100 * found['gap']:.1f} points off on average"
    held = [one for one in bins if one["low"] <= one["said"] <= one["high"]]
    missed = [one for one in bins if one not in held]
    much, chance = found["gap"] > _GAP, _at_least(len(missed), len(bins)) > _CHANCE
    shown = max((missed or bins) if much and not chance else (held or bins), key=_off)
    where = (
        f"where the model says {100 * shown['said']:.0f} %, it is so {100 * shown['low']:.0f} to "
        f"{100 * shown['high']:.0f} % of the time; {len(held)} of {count(len(bins), 'group')} "
        f"{'is' if 1 in (len(held), len(bins)) else 'are'} within chance."
    )
    if not much:
        yield Said("good", f"Probabilities can be believed, {points}: {where}")
    elif chance:
        yield Said("open", f"Probabilities are {points}, which may be chance: {where}")
    else:
        lean = sum(one["rows"] * (one["said"] - one["was"]) for one in bins)
        way = "the model is too sure of itself" if lean > 0 else "the model is too cautious"
        way = "" if found["of"] is not None else f", {way}"
        more = " --class-weight balanced does that: it rates rare classes up." if weighted else ""
        yield Said("open" if weighted else "bad", f"Probabilities are {points}{way}: {where}{more}")


def _off(one: dict[str, Any]) -> float:
    return abs(one["said"] - one["was"])


def _at_least(missed: int, groups: int) -> float:
    """Return how likely so many of the groups' 95 % intervals miss the truth, or more."""
    return sum(math.comb(groups, k) * 0.05**k * 0.95 ** (groups - k) for k in range(missed, groups + 1))


def _columns(found: dict[str, Any]) -> Iterator[Said]:
    columns = found["columns"]
    if found["grid"] is not None or len(columns) < 2:
        return
    total = sum(max(one["mean"], 0.0) for one in columns)
    if total > 0 and columns[0]["mean"] > _ALONE * total and len(columns) > 2:
        yield Said(
            "open",
            f"The column {columns[0]['name']!r} does nearly all of the work. Make sure that it is known when "
            "predictions are made.",
        )
    idle = sum(not float(one["low"]) > 0 for one in columns)
    if idle:
        text = (
            f"{idle} of {count(len(columns), 'column')} can each be shuffled without harm that can be told."
        )
        yield Said("open", text)


def how_sure(found: dict[str, Any] | None) -> list[str]:
    """Return how sure a search's ranking of single networks is, or why that is not known, in sentences."""
    if not found:
        return ["There are no full runs, so the ranking of single networks cannot be relied on."]
    error = found["best"]["standard_error"]
    chosen_by = "on the rows that chose it" + (f" (standard error {digits(error)})" if error else "")
    said = [
        f"The best of {count(found['tried'], 'trial')} {_scored(found['best'])} {chosen_by}; "
        f"on fresh rows expect {interval(found['fresh'])}."
    ]
    same = len(found["alike"]) - 1
    if same:
        said.append(
            f"{count(same, 'other')} of {count(found['compared'], 'full run')} cannot be told from it. The "
            f"simplest within one standard error: {found['simplest']}"
        )
    return said


def _scored(best: dict[str, Any]) -> str:
    """Return ``scores 0.9681 (error 0.0319)``: the tables of trials show the latter."""
    measure, score = best.get("measure"), digits(best["score"])
    if measure is None:  # told by an earlier version
        return f"scores {score}"
    if measure == "loss":
        return f"has a loss of {score}"
    return f"scores {score} (error {digits(best['cost'])})"


def reached(trial: dict[str, Any]) -> float:
    """Return how far a trial came, from 0 to 1; NaN if it diverged."""
    return math.nan if trial["result"].startswith("diverged") else len(trial["keys"]) / 3


def round_rows(story: Story) -> list[tuple[str, ...]]:
    """Return a row of text for each round of a search, under `ROUND_HEAD`."""
    return [
        (
            str(i),
            "harvest" if one.harvest else "draws",
            str(len(one.trials)),
            str(one.structures),
            f"{one.steps:,}",
            " → ".join(map(str, one.reached)) or ("budget ended" if story.ended else "waiting"),
            str(len(one.diverged)),
            digits(one.best["error"]) if one.best else "",
        )
        for i, one in enumerate(story.rounds, start=1)
    ]


def about(result: dict[str, Any]) -> str:
    """Return what the scores of a run are, and are not."""
    lower = ", lower is better" if result["metric"] in LOWER_IS_BETTER else ""
    chosen = (
        "Each row judged networks that had not seen it, and yet chose among them"
        if result["folds"]
        else "The validation rows chose the networks"
    )
    text = f"In brackets: 95 % intervals over the rows{lower}. {chosen}, so their score flatters; "
    if result["test"] is None:
        return text + "the sealed rows have not been opened."
    times = result["test"]["opened"]
    how = "once, for this exam" if times == 1 else f"{times} times; this exam was the last"
    return text + f"the sealed rows have chosen nothing. They were opened {how}."


def options(found: dict[str, Any]) -> str:
    """Return ``relu``, or ``relu (always with batch norm off)`` where nothing tells the two apart."""
    others = ", ".join(" ".join(one) for one in found.get("with", ()))
    return f"{found['option']} (always with {others})" if others else found["option"]


def difference(found: dict[str, Any]) -> str:
    """Return ``+0.0123 [0.0100, 0.0150]``."""
    return f"{change(found['difference'])} [{digits(found['low'])}, {digits(found['high'])}]"
