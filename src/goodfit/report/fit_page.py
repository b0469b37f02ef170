"""The page of a run of `goodfit fit`, from its records: the answer first, then how it was found."""

from __future__ import annotations

import math
import shlex
from html import escape
from typing import Any

from goodfit.report.charts import Line, Mark, forest
from goodfit.report.fit_model import calibration_part, columns_part, ensemble_part, mistakes_part
from goodfit.report.fit_search import curves_part, search_part, worth_part
from goodfit.report.fit_style import FIT_STYLE
from goodfit.report.page import Table, document
from goodfit.report.parts import Part, code, figure, grid, hint, said_list, sentence, tables
from goodfit.report.records import Records
from goodfit.report.svg import around
from goodfit.report.text import count, digits, interval, unbroken
from goodfit.report.words import Said, about, baselines, compared, diagnosis

_SETS = {"test": "sealed rows", "validation": "validation rows"}
_FOOT = "Made by goodfit from the run's records. This file stands alone: it loads and sends nothing."


def fit_page(records: Records) -> str:
    """Return the HTML page of a run."""
    return page_of(records, fit_parts(records))


def fit_parts(records: Records) -> list[Part]:
    """Return the parts of a run's page, the answer first; what cannot be shown says why."""
    return [
        _answer(records),
        _words(records),
        curves_part(records),
        search_part(records),
        worth_part(records),
        mistakes_part(records),
        calibration_part(records),
        columns_part(records),
        ensemble_part(records),
        _ledger(records),
        _making(records),
    ]


def page_of(records: Records, parts: list[Part]) -> str:
    """Return the HTML page of a run with these parts."""
    title = records.title()
    lead = _lead(records, records.result)
    body = [
        '<a class="skip" href="#answer">To the answer</a>',
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p></header><main>',
        parts[0].html(),
        _contents(parts[1:]),
        *(part.html() for part in parts[1:]),
        f"</main><footer><p>{_FOOT}</p></footer>",
    ]
    return document(f"{title} – goodfit", "\n".join(body), FIT_STYLE)


def _lead(records: Records, result: dict[str, Any] | None) -> str:
    if result is None:
        return (
            "This run has not come to its end: it was stopped, or is still going on. There is no model yet."
        )
    rows = result["rows"]
    folds = f" in {result['folds']} folds" if result["folds"] else ""
    text = (
        f"{result['task'].capitalize()}: {rows['train']:,} rows to train, {rows['valid']:,} to compare "
        f"networks{folds}, {rows['sealed']:,} sealed. {count(result['members'], 'network')} in "
        f"{result['seconds']:.0f} s."
    )
    return text if records.finished else text + " Interrupted before its budget was spent."


def _contents(parts: list[Part]) -> str:
    items = "".join(f'<li><a href="#{part.id}">{escape(part.title)}</a></li>' for part in parts)
    return f'<nav class="block" aria-label="Contents"><ol class="contents short">{items}</ol></nav>'


def _answer(records: Records) -> Part:
    """Return the score, large, and how it compares with the baselines."""
    part, result = Part("answer", "The answer"), records.result
    if result is None:
        again = sentence("There is no score yet. The same command goes on with the run:")
        return part.with_body(again, code(records.command(), "Command that goes on"))
    name = "validation" if result["test"] is None else "test"
    found = result[name]
    metric, shown = escape(result["metric"]), escape(digits(found["score"]))
    score = (
        f'<p class="score"><span>{metric}</span><strong>{shown}</strong>'
        f"<span>{escape(_ends(found))} on {result['rows']['valid' if name == 'validation' else 'sealed']:,} "
        f"{_SETS[name]}</span></p>"
    )
    said = compared(result, name)
    if result.get("interrupted"):
        said.append(Said("open", "Interrupted before its budget was spent, so no exam was held."))
    elif result["test"] is None:
        said.append(Said("open", "The sealed rows have not been opened: `goodfit unseal` holds the exam."))
    beside = grid([figure(_scores(result), ""), *tables(part.title, _score_table(result))])
    winner = sentence(f"The winner: {result['winner']['text']}.")
    return part.with_body(score, said_list(said), beside, hint(about(result)), winner)


def _ends(found: dict[str, Any]) -> str:
    """Return what stands behind the score: its interval, or why there is none."""
    return interval(found).split(" ", 1)[1]


def _named(result: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the model's and the baselines' scores by set of rows."""
    own = {name: result[name] for name in _SETS if result[name] is not None}
    return [("this model", own), *baselines(result)]


def _scores(result: dict[str, Any]) -> str:
    kinds = {"test": "first", "validation": "faint"}
    named = _named(result)
    lines = [
        Line(
            name,
            tuple(
                Mark.of(found[part], "score", kind, interval(found[part]))
                for part, kind in kinds.items()
                if part in found
            ),
        )
        for name, found in named
    ]
    key = [(kinds[part], words) for part, words in _SETS.items() if result[part] is not None]
    says = "; ".join(f"{name}: {', '.join(map(interval, found.values()))}" for name, found in named)
    title = "Scores beside the baselines"
    return forest("scores", title, says, lines, result["metric"], key=key, ends=_ends_of(lines))


def _ends_of(lines: list[Line]) -> tuple[float, float] | None:
    """Return limits that show model and linear model well, where guessing lies too far off for that."""
    values = [[v for m in line.marks for v in (m.low, m.value, m.high) if math.isfinite(v)] for line in lines]
    near, every = (sorted(v for some in part for v in some) for part in (values[:2], values))
    if len(lines) < 3 or not near or every[-1] - every[0] < 3 * (near[-1] - near[0]):
        return None
    return around(near, room=0.25)


def _score_table(result: dict[str, Any]) -> Table:
    parts = [name for name in _SETS if result[name] is not None]
    rows = tuple(
        (name, *(unbroken(found[part]) if part in found else "" for part in parts))
        for name, found in _named(result)
    )
    return Table((result["metric"], *(_SETS[part] for part in parts)), rows)


def _words(records: Records) -> Part:
    """Return the diagnosis in words."""
    part = Part("words", "In words")
    said = diagnosis(records)
    if not said:
        return part.without("There is no result yet to speak of.")
    settings = records.settings
    target = ["--target", settings["target"]] if settings["target"] else []
    words = ["goodfit", "diagnose", settings["data"], *target, "--model", records.run]
    more = [hint("What goes on inside of the winner's layers:"), code(shlex.join(words), "To diagnose it")]
    return part.with_body(said_list(said), *(more if records.finished else []))


def _ledger(records: Records) -> Part:
    """Return every opening of the sealed rows."""
    part = Part("ledger", "The sealed rows")
    if not records.openings:
        return part.with_body(sentence("They have not been opened: nothing has looked at them."))
    rows = tuple(
        (
            str(one["number"]),
            one["time"],
            one["model"][:8],
            f"{one['metric']} {interval(one)}" if "score" in one else "no score: the exam was cut short",
            one["reason"],
        )
        for one in records.openings
    )
    times = "once" if len(rows) == 1 else f"{len(rows)} times"
    words = (
        f"Opened {times}, written down before the rows were looked at. An opening is one model examined; a "
        "model that is changed after having seen its score needs new rows."
    )
    table = Table(("opening", "time", "model", "score", "reason"), rows, "Ledger")
    return part.with_body(sentence(words), *tables(part.title, table))


def _making(records: Records) -> Part:
    """Return commands, versions, data and notes."""
    part, result, config = Part("making", "How it was made"), records.result, records.config
    lines = [records.command(), *records.extensions()]
    body = [code("\n".join(lines), "Command")]
    spaces = [config["settings"]["space"], *(one["space"] for one in config.get("extensions", []))]
    for text in (text for text in spaces if text):
        body.append(sentence("space.toml, what was searched:"))
        body.append(code(text, "Space"))
    facts = [("Run", records.run), ("Data, SHA-256", config["identity"]["data_hash"])]
    facts += [("Records, SHA-256 of DONE", records.finished)] if records.finished else []
    if result is not None:
        facts += [
            ("Versions", ", ".join(f"{name} {v}" for name, v in result["versions"].items())),
            ("Programs compiled", str(result["compilations"])),
            ("Diverged", count(result["diverged"], "network")),
        ]
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    body.append(f'<dl class="facts">{items}</dl>')
    if result is not None and result["notes"]:
        notes = "".join(f"<li>{escape(note)}</li>" for note in result["notes"])
        body.append(f'<h3>Notes on the data</h3><ul class="notes">{notes}</ul>')
    return part.with_body(*body)
