"""Pieces of a run's page: a part with its heading, a figure, sentences with their marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from goodfit.report.page import Table, table_block
from goodfit.report.words import Said

_SIGNS = {"good": ("holds", "✓", "good"), "bad": ("fails", "!", "problem"), "open": ("unknown", "i", "note")}


@dataclass(frozen=True)
class Part:
    """One part of the page; ``left_out`` says why there is nothing to show."""

    id: str
    title: str
    body: str = ""
    left_out: str = ""

    def with_body(self, *pieces: str) -> Part:
        """Return the part with its content, HTML that is escaped already."""
        return replace(self, body="\n".join(piece for piece in pieces if piece))

    def without(self, reason: str) -> Part:
        """Return the part left out, for a reason."""
        return replace(self, left_out=reason)

    def html(self) -> str:
        """Return the part as it stands in the page."""
        head = f'<section id="{self.id}" aria-labelledby="{self.id}-h"><h2 id="{self.id}-h">'
        body = self.body
        if self.left_out:
            body = f'<p class="left-out"><strong>Left out:</strong> {escape(self.left_out)}</p>'
        return f"{head}{escape(self.title)}</h2>\n{body}\n</section>"


def figure(svg: str, caption: str) -> str:
    """Return a chart in its frame."""
    words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="chart">{words}{svg}</figure>'


def grid(figures: Sequence[str], *, small: bool = False) -> str:
    """Return figures side by side where there is room."""
    kind = "charts small" if small else "charts"
    return f'<div class="{kind}">{"".join(figures)}</div>' if figures else ""


def words(text: str) -> str:
    """Return a text as HTML in which no line breaks within an option: a browser may break after a hyphen."""
    return re.sub(r"(?<!\S)--?\w[\w-]*", r'<span class="option">\g<0></span>', escape(text))


def code(text: str, what: str) -> str:
    """Return lines to copy, in a box that scrolls; ``what`` names it to those who do not see it."""
    return f'<pre tabindex="0" role="region" aria-label="{escape(what)}"><code>{escape(text)}</code></pre>'


def sentence(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{words(text)}</p>"


def hint(text: str) -> str:
    """Return a paragraph in small print: how to read what stands above."""
    return f'<p class="hint">{words(text)}</p>'


def said_list(said: Sequence[Said]) -> str:
    """Return sentences, each with a mark that does not rely on its colour."""
    items = []
    for one in said:
        kind, sign, word = _SIGNS[one.kind]
        items.append(f'<li><b class="{kind}" title="{word}">{sign}</b><span>{words(one.text)}</span></li>')
    return f'<ul class="said">{"".join(items)}</ul>' if items else ""


def tables(title: str, *found: Table | None) -> list[str]:
    """Return tables in boxes that scroll, long ones folded."""
    return [table_block(one, title) for one in found if one is not None]
