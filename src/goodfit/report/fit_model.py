"""The parts of a run's page that tell of its model: mistakes, calibration, columns, the ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodfit.report.charts import Group, Line, Mark, agreement, forest, histogram, matrix, patches, scatter
from goodfit.report.page import Table
from goodfit.report.parts import Part, figure, grid, hint, sentence, tables
from goodfit.report.records import Records
from goodfit.report.text import count, interval, number, unbroken

_NONE = "The run has no record of it: it was made before goodfit kept one, or stopped before its model."
_COLUMNS = 20  # drawn at most; the table has all
_ROWS = {"validation": "validation rows", "test": "sealed rows"}
_MORE = {
    "wrong": "more rows answered wrong, share",
    "log loss": "more log loss",
    "variance": "less of the target's variance explained",
    "absolute": "more mean absolute error",
}


def _which(insights: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the sets of rows that are recorded: sealed ones first, which have chosen nothing."""
    return [(name, insights[name]) for name in ("test", "validation") if insights[name] is not None]


def _of(seen: dict[str, Any], name: str) -> str:
    some = f" of {seen['of']:,}" if seen["of"] > seen["rows"] else ""
    return f"{seen['rows']:,}{some} {_ROWS[name]}"


def mistakes_part(records: Records) -> Part:
    """Return the confusion of classes, or the residuals of numbers."""
    numbers = (records.result or {}).get("task") == "regression"
    part = Part("mistakes", "Where it errs")
    if records.insights is None:
        return part.without(_NONE)
    charts, found = [], []
    for name, seen in _which(records.insights):
        if numbers:
            charts += _residuals(name, seen)
        else:
            chart, table = _confusion(name, seen, records.insights["classes"])
            charts += chart
            found = found or table  # of the rows that say most
    if numbers:
        words = (
            "On the dashed diagonal the answer is the target. An error above 0 is an answer that is too "
            "high; the columns at either end hold what lies beyond."
        )
    elif not charts:
        words = "There are too many classes for a chart of them all: here are those that are found least."
    else:
        words = (
            "Rows of the chart are true classes, columns what the model said: blue is right, orange wrong, "
            "each darker the larger its share of the class. Point at a field for its numbers."
        )
    if records.insights["test"] is not None:
        words += " The sealed rows here and below were looked at in the exam's own opening."
    return part.with_body(grid(charts), hint(words), *tables(part.title, *found))


def _residuals(name: str, seen: dict[str, Any]) -> list[str]:
    off = seen["residuals"]
    spread = off["quantiles"]
    points = scatter(
        f"points-{name}",
        "Answers against the target",
        f"{len(off['points'])} rows around the diagonal.",
        off["points"],
        ("target", "answer"),
    )
    bars = histogram(
        f"off-{name}",
        "Errors",
        f"Half of the errors lie from {number(spread['25'])} to {number(spread['75'])}.",
        off["histogram"]["edges"],
        off["histogram"]["counts"],
        ("answer − target", "rows"),
    )
    ends = f"[{number(off['low'])}, {number(off['high'])}]"
    half = f"{number(spread['25'])} … {number(spread['75'])}"
    mean = f"Errors: mean {number(off['mean'])} {ends}, half within {half}"
    return [figure(points, f"Answers, {_of(seen, name)}"), figure(bars, mean)]


def _confusion(
    name: str, seen: dict[str, Any], classes: Sequence[str]
) -> tuple[list[str], list[Table | None]]:
    found = seen["mistakes"]
    wrong = seen["rows"] - sum(one["found"] for one in found["by_class"])
    charts = []
    if found["counts"] is not None:
        says = f"{wrong} of {seen['rows']} rows are answered wrong; the table below tells of each class."
        chart = matrix(f"mix-{name}", "Confusion matrix", says, classes, found["counts"])
        charts.append(figure(chart, _of(seen, name)))
    where = _of(seen, name)
    rows = tuple(
        (
            one["label"],
            str(one["rows"]),
            _share(one["found"], one["rows"]),
            _share(one["found"], one["named"]),
        )
        for one in found["by_class"]
    )
    least = "Classes" if found["counts"] is not None else f"The {len(rows)} classes that are found least"
    head = ("class", "rows", "found (recall)", "right where given (precision)")
    pairs = tuple((true, given, str(n)) for true, given, n in found["pairs"])
    mixed = Table(("true class", "given", "rows"), pairs, f"The most frequent mistakes, {where}")
    return charts, [Table(head, rows, f"{least}, {where}"), mixed if pairs else None]


def _share(part: int, whole: int) -> str:
    """Return a share with Wilson's interval (`goodfit.stats.intervals.share_interval`)."""
    from goodfit.stats.intervals import share_interval

    if not whole:
        return "never given"
    low, high = share_interval(part / whole, whole)
    return f"{part / whole:.3f} [{low:.3f}, {high:.3f}]"


def calibration_part(records: Records) -> Part:
    """Return whether what is said is so: probabilities, or mean answers."""
    numbers = (records.result or {}).get("task") == "regression"
    part = Part(
        "calibration", "Do the answers hold on average?" if numbers else "Can its probabilities be believed?"
    )
    if records.insights is None:
        return part.without(_NONE)
    charts, found = [], []
    for name, seen in _which(records.insights):
        bins = seen["calibration"]["bins"]
        of = seen["calibration"]["of"]
        axes = _axes(numbers, of)
        groups = [_group(one) for one in bins]
        gap = f"{number(seen['calibration']['gap'])} apart on average"
        chart = agreement(f"cal-{name}", "Calibration", f"{len(bins)} groups of rows, {gap}.", groups, axes)
        charts.append(figure(chart, f"{_of(seen, name)}: {gap}"))
        rows = tuple((f"{number(b['said'])}", interval(b, "was"), str(b["rows"])) for b in bins)
        table = Table(("said, mean", "was, 95 % interval", "rows"), rows, f"Groups, {_of(seen, name)}")
        found = found or [table]
    words = (
        "Rows in order of the answer, cut into groups of equal size; a dot off the dashed line by more than "
        "its interval is an answer that does not hold."
        if numbers
        else "Rows in order of the probability, cut into groups of equal size. Above the dashed line it "
        "was so more often than the model said, below it less often; a bar that crosses the line cannot be "
        "told from right."
    )
    return part.with_body(grid(charts), hint(words), *tables(part.title, *found))


def _group(one: dict[str, Any]) -> Group:
    tip = f"{one['rows']} rows: said {number(one['said'])}, was {number(one['was'])}"
    return Group(*(float(one[key]) for key in ("said", "was", "low", "high")), tip=tip)


def _axes(numbers: bool, of: str | None) -> tuple[str, str]:
    if numbers:
        return "answer, mean of the group", "target, mean of the group"
    if of is None:
        return "probability of the class given", "share that was right"
    return f"probability of {of[:24]}", f"share that was {of[:24]}"


def columns_part(records: Records) -> Part:
    """Return permutation importance, by column or by patch of an image."""
    part = Part("columns", "Which columns matter")
    if records.insights is None:
        return part.without(_NONE)
    found = records.insights["importance"]
    more = _MORE[found["what"]]
    columns = found["columns"]
    how = (
        f"{found['rows']:,} validation rows, {count(found['repeats'], 'shuffle')} each. A column's values "
        "are shuffled among the rows and the answers compared with those before; the interval is over the "
        "rows."
    )
    if found["grid"] is not None:
        part = Part("columns", "Which parts of the image matter")
        tips = [f"{one['name']}: {_ends(one)}" for one in columns]
        says = f"{len(columns)} patches, darker the more their shuffling harms."
        values = [float(one["mean"]) for one in columns]
        chart = patches("columns", part.title, says, tuple(found["grid"]), values, tips)
        columns = sorted(columns, key=lambda one: -one["mean"])
        how = how.replace("A column's values are", "A patch's pixels are")
    else:
        lines = [
            Line(
                one["name"],
                (Mark.of(one, "mean", "first" if float(one["low"]) > 0 else "faint", _ends(one)),),
            )
            for one in columns[:_COLUMNS]
        ]
        says = f"The {len(lines)} columns whose shuffling harms most, each with its interval."
        chart = forest("columns", part.title, says, lines, more, zero=True)
        how += " Columns that tell the same share their importance: each alone may look needless."
    rows = tuple((one["name"], _ends(one)) for one in columns)
    table = Table(("shuffled", f"{more}, 95 % interval"), rows, "All that were shuffled")
    left = found["left_out"]
    rest = (
        f" {count(left, 'column')} that go less with the answers were not shuffled, to save time."
        if left
        else ""
    )
    return part.with_body(
        figure(chart, more[0].upper() + more[1:]), hint(how + rest), *tables(part.title, table)
    )


def _ends(one: dict[str, Any]) -> str:
    return interval(one, "mean")


def ensemble_part(records: Records) -> Part:
    """Return the ensemble's networks, their own scores and their disagreement."""
    part = Part("ensemble", "The ensemble")
    result = records.result
    if result is None:
        return part.without("The run has not come to choosing one.")
    folds = f" × {result['folds']} folds" if result["folds"] else ""
    networks = result["ensemble"]
    averaged = "; their answers are averaged with these weights" if len(networks) > 1 or folds else ""
    words = sentence(f"{count(len(networks), 'network')}{folds}{averaged}.")
    if records.insights is None:
        rows = tuple((f"{float(one['weight']):.3f}", one["text"]) for one in networks)
        table = Table(("weight", "network"), rows, "Networks; their own scores were not recorded")
        return part.with_body(words, *tables(part.title, table))
    found = records.insights["validation"]["members"]
    name, seen = _which(records.insights)[0]
    lines = [
        Line(f"{one['weight']:.2f} × network {i}", (Mark.of(one, "score", "plain", interval(one)),))
        for i, one in enumerate(found["each"], start=1)
    ]
    lines = [
        Line("together", (Mark.of(found["together"], "score", "first", interval(found["together"])),)),
        *lines,
    ]
    where = f"{found['rows']:,} {_ROWS['validation']}"
    says = f"Scores of the ensemble and of {len(lines) - 1} of its networks on {where}."
    chart = forest("ensemble", "Networks alone and together", says, lines, result["metric"])
    rows = tuple(
        (str(i), f"{one['weight']:.3f}", unbroken(one), one["text"])
        for i, one in enumerate(found["each"], start=1)
    )
    table = Table(("network", "weight", f"{result['metric']} alone", "recipe"), rows, f"Networks, {where}")
    more = found["count"] - len(found["each"])
    rest = f" {count(more, 'lighter network')} not shown." if more > 0 else ""
    rest = hint(
        "These rows chose the networks, so all of these scores flatter; the exam is of the whole." + rest
    )
    return part.with_body(
        words,
        figure(chart, f"Alone and together, {where}") if found["count"] > 1 else "",
        rest,
        _divided(seen, name),
        *tables(part.title, table),
    )


def _divided(seen: dict[str, Any], name: str) -> str:
    found = seen["agreement"]
    if not found:
        return sentence("With a single network there is no disagreement.")
    agreed, divided = found["agreed"], found["divided"]
    where = f"{found['rows']:,} {_ROWS[name]}"
    if "error" in agreed:
        return sentence(
            f"On {where} the networks' answers lie {number(found['differ'])} apart (standard deviation). On "
            f"the half where they are closest the mean error is {_error(agreed)}, on the other half "
            f"{_error(divided)}."
        )
    text = (
        f"Two networks differ on {100 * found['differ']:.1f} % of {where}. Where all agree "
        f"({agreed['rows']:,} rows) {_right(agreed)} are right; "
    )
    if not divided["rows"]:
        return sentence(text + "they agree on all rows.")
    return sentence(text + f"where they are divided ({divided['rows']:,} rows) {_right(divided)}.")


def _right(found: dict[str, Any]) -> str:
    if not found["rows"]:
        return "none"
    return f"{100 * found['right']:.1f} % [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def _error(found: dict[str, Any]) -> str:
    return f"{number(found['error'])} [{number(found['low'])}, {number(found['high'])}]"
