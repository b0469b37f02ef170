"""One HTML page that stands alone: no script, nothing loaded from anywhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from goodfit.report.page_style import STYLE

_LONG = 10  # rows of a table above which it is folded
_MANY, _VERY_MANY = 4, 8  # columns from which a table scrolls sideways on narrow screens
_KINDS = {  # by a verdict's first word: class, symbol
    "holds": ("holds", "✓"),
    "exact": ("holds", "✓"),
    "does": ("fails", "✗"),
    "fails": ("fails", "✗"),
    "cannot": ("unknown", "?"),
    "not": ("unknown", "–"),
}
_NUMBER = re.compile(r"[-−+]?[\d.,]+(e[-+−]?\d+)?\s*(%|s|min|h|MB|×)?|n/a|[-−]?∞|–|-", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """Numbers of a comparison, as texts: ``head`` names the columns, ``caption`` says what they are."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Claimed:
    """One claim with its answer.

    Args:
        says: the book's or the user's sentence.
        found: what the data say, with numbers.
        verdict: in words; the first ("holds", "does" not hold, "cannot" tell, "exact") decides the symbol.
    """

    says: str
    found: str
    verdict: str


@dataclass(frozen=True)
class Drawing:
    """A figure as SVG text, and what it shows, for those who cannot see it."""

    svg: str
    alt: str


@dataclass(frozen=True)
class Section:
    """One comparison on the page.

    Args:
        id: its short name, also the link to it.
        title, question: a few words; one sentence.
        reading: how to read the figure and what it means; blank lines part paragraphs.
        command: what to type to get the same again.
        drawings: the figures, in the order in which they are shown.
        claims, tables, notes: what else there is to say.
        skipped: why this comparison could not run on these data; then nothing is drawn.
    """

    id: str
    title: str
    question: str
    reading: str
    command: str
    drawings: tuple[Drawing, ...] = ()
    claims: tuple[Claimed, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: str = ""


def lab_page(title: str, lead: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section]) -> str:
    """Return a page: the verdicts first, then the facts, the contents, and a section a comparison.

    Args:
        title, lead: the page's name, and one or two sentences under it.
        facts: (name, value) of the data, seeds, time, versions.
        sections: the comparisons, in the order in which they are shown.
    """
    anchors = _anchors(sections)
    named = list(zip(sections, anchors, strict=True))
    body = [
        '<a class="skip" href="#answers">To the verdicts</a>',
        f"<header><h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(lead)}</p>' if lead else "",
        "</header><main>",
        _answers(named),
        _facts(facts),
        _contents(named),
        *(_section(section, anchor) for section, anchor in named),
        "</main>",
        "<footer><p>Made by goodfit. This file stands alone: it loads and sends nothing.</p></footer>",
    ]
    return document(title, "\n".join(part for part in body if part))


def document(title: str, body: str, more_style: str = "", script: str = "", head: str = "") -> str:
    """Return the whole file; its policy allows this style sheet and embedded images, nothing else.

    With a ``script`` also that one, which may ask the page's own server. ``head`` goes into the head.
    """
    style = STYLE + more_style
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )
    if script:
        policy += f"; script-src {_hash(script)}; connect-src 'self'"
        body += f"\n<script>{script}</script>"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n{head}</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    """Return what a policy names an embedded style sheet or script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _anchors(sections: Sequence[Section]) -> list[str]:
    """Return a name for each section that a link can carry, no two alike."""
    found: list[str] = []
    for section in sections:
        name = "c-" + (re.sub(r"[^a-z0-9]+", "-", section.id.lower()).strip("-") or "x")
        found.append(name if name not in found else f"{name}-{len(found)}")
    return found


def _kind(verdict: str) -> tuple[str, str]:
    words = verdict.lower().split()
    return _KINDS.get(words[0].strip(",.:;") if words else "", ("other", "•"))


def _badge(verdict: str, text: str = "") -> str:
    kind, symbol = _kind(verdict)
    return f'<span class="verdict {kind}"><b aria-hidden="true">{symbol}</b>{escape(text or verdict)}</span>'


def _answers(named: Sequence[tuple[Section, str]]) -> str:
    """Return the counts and the table of all verdicts, each linked to its section."""
    rows = []
    for section, anchor in named:
        link = f'<a class="id" href="#{anchor}" title="{escape(section.title)}">{escape(section.id)}</a>'
        answers = [(c.says, c.found, c.verdict) for c in section.claims if not section.skipped]
        if section.skipped:
            answers = [(section.title, section.skipped, "not run")]
        rows += [
            f'<tr role="row"><th role="rowheader" scope="row">{link}</th><td role="cell">{escape(says)}</td>'
            f'<td role="cell">{escape(found)}</td><td role="cell">{_badge(verdict)}</td></tr>'
            for says, found, verdict in answers
        ]
    if not rows:
        return ""
    names = ("", "What is claimed", "What your data say", "Verdict")
    head = "".join(f'<th role="columnheader" scope="col">{name}</th>' for name in names)
    head = head.replace('scope="col"></th>', 'scope="col"><abbr title="comparison">No.</abbr></th>', 1)
    return (
        f'<div class="block" id="answers"><h2>The answers</h2>{_counts(named)}'
        f'<table class="answers" role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(rows)}</tbody></table></div>'
    )


def _counts(named: Iterable[tuple[Section, str]]) -> str:
    kinds = Counter(
        _kind(c.verdict)[0] for section, _ in named if not section.skipped for c in section.claims
    )
    words = {
        "holds": ("holds", "claim holds", "claims hold"),
        "fails": ("does", "does not hold", "do not hold"),
        "unknown": ("cannot", "cannot be told", "cannot be told"),
        "other": ("", "other", "others"),
    }
    items = [
        f"<li>{_badge(first, f'{kinds[kind]} {one if kinds[kind] == 1 else many}')}</li>"
        for kind, (first, one, many) in words.items()
        if kinds[kind]
    ]
    return f'<ul class="count">{"".join(items)}</ul>' if items else ""


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    if not facts:
        return ""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f'<div class="block"><h2>What was run</h2><dl class="facts block-list">{items}</dl></div>'


def _contents(named: Sequence[tuple[Section, str]]) -> str:
    if len(named) < 2:
        return ""
    items = "".join(
        f'<li><a href="#{anchor}"><span class="id">{escape(section.id)}</span>'
        f"{escape(section.title)}</a></li>"
        for section, anchor in named
    )
    head = '<nav class="block" aria-labelledby="contents"><h2 id="contents">Comparisons</h2>'
    return f'{head}<ol class="contents">{items}</ol></nav>'


def _section(section: Section, anchor: str) -> str:
    parts = [
        f'<section id="{anchor}" aria-labelledby="{anchor}-title">',
        f'<h2 id="{anchor}-title"><span class="id">{escape(section.id)}</span>',
        f"<span>{escape(section.title)}</span></h2>",
        f'<p class="question">{escape(section.question)}</p>' if section.question else "",
    ]
    if section.skipped:
        parts.append(
            f'<p class="skipped"><strong>Not run on these data:</strong> {escape(section.skipped)}</p>'
        )
    else:
        parts += [
            *(_figure(drawing, section) for drawing in section.drawings),
            _cards(section.claims),
            _reading(section.reading),
            *(table_block(table, section.title) for table in section.tables),
            _notes(section.notes),
        ]
    if section.command:
        parts.append(
            f'<p class="again">The same again:</p><pre {_region("Command", section)}>'
            f"<code>{escape(section.command)}</code></pre>"
        )
    parts.append('<p class="up"><a href="#answers">↑ all verdicts</a></p></section>')
    return "\n".join(part for part in parts if part)


def _figure(drawing: Drawing, section: Section) -> str:
    data = base64.b64encode(drawing.svg.encode()).decode()
    return (
        f'<figure><div class="scroll" {_region("Figure", section)}>'
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(drawing.alt)}"{_size(drawing.svg)} '
        'decoding="async"></div></figure>'
    )


def _region(what: str, section: Section) -> str:
    """Return what makes a box that scrolls sideways reachable by keyboard, and told by name."""
    return f'tabindex="0" role="region" aria-label="{what} of {escape(section.id)}"'


def _size(svg: str) -> str:
    """Return width and height attributes in pixels, from the points that an SVG's first tag says."""
    tag = re.search(r"<svg\b[^>]*>", svg)
    found = [
        re.search(rf'\b{name}="([\d.]+)pt"', tag.group()) if tag else None for name in ("width", "height")
    ]
    if not all(found):
        return ""
    width, height = (round(float(match.group(1)) * 4 / 3) for match in found if match)
    return f' width="{width}" height="{height}"'


def _cards(claims: Sequence[Claimed]) -> str:
    items = "".join(
        f'<li class="card">{_badge(claim.verdict)}'
        f"<dl><dt>The book says</dt><dd>{escape(claim.says)}</dd></dl>"
        f"<dl><dt>Your data say</dt><dd>{escape(claim.found)}</dd></dl></li>"
        for claim in claims
    )
    return f'<ul class="cards">{items}</ul>' if items else ""


def _reading(reading: str) -> str:
    parts = "".join(
        f"<p>{escape(part.strip())}</p>" for part in re.split(r"\n\s*\n", reading) if part.strip()
    )
    return f'<div class="reading"><h3>How to read it</h3>{parts}</div>' if parts else ""


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if items else ""


def table_block(table: Table, title: str) -> str:
    """Return a table in a box that scrolls; a long one is folded, yet printed."""
    columns = max([len(table.head), *map(len, table.rows)], default=0)
    right = [
        all(_NUMBER.fullmatch(row[i].strip()) or not row[i].strip() for row in table.rows if i < len(row))
        for i in range(columns)
    ]
    marks = [' class="n"' if flag and i else "" for i, flag in enumerate(right)]
    head = "".join(
        f'<th scope="col"{mark}>{escape(name)}</th>' for name, mark in zip(table.head, marks, strict=False)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(cell)}</th>' if i == 0 else f"<td{marks[i]}>{escape(cell)}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in table.rows
    )
    width = " wider" if columns >= _VERY_MANY else " wide" if columns >= _MANY else ""
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    name = escape(table.caption or f"Numbers: {title}")
    box = (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
        f'<table class="numbers{width}">{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
    if len(table.rows) <= _LONG:
        return f'<div class="table">{box}</div>'
    said = f"{escape(table.caption or 'The numbers')} ({len(table.rows)} rows)"
    return f'<details><summary>{said}</summary></details><div class="table folded">{box}</div>'
