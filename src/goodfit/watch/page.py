"""What the live page shows: the parts of the run's report that there are so far, and where the run stands."""

from __future__ import annotations

import math
from html import escape

from goodfit.cluster.attempts import attempts_in_words
from goodfit.report.fit_page import fit_parts
from goodfit.report.fit_style import FIT_STYLE
from goodfit.report.page import document
from goodfit.report.parts import Part, hint, sentence
from goodfit.report.records import Records
from goodfit.report.text import count, digits
from goodfit.watch.progress import Progress

# Puts each part that the server sends in the place of the one before. What was unfolded stays so.
_SCRIPT = """
"use strict";
const main = document.querySelector("main"), told = document.getElementById("link");
const source = new EventSource("events");
source.onopen = () => { told.textContent = ""; };
source.onerror = () => { told.textContent = "No answer: this is the last state that was sent."; };
source.onmessage = (event) => {
  const { order, parts } = JSON.parse(event.data);
  for (const [id, html] of Object.entries(parts)) {
    const before = document.getElementById(id), box = document.createElement("div");
    const unfolded = before ? [...before.querySelectorAll("details")].map((one) => one.open) : [];
    box.innerHTML = html;
    const fresh = box.firstElementChild;
    fresh.querySelectorAll("details").forEach((one, i) => { one.open = unfolded[i] || false; });
    if (before) { before.replaceWith(fresh); } else { main.append(fresh); }
  }
  for (const one of [...main.children]) { if (!order.includes(one.id)) { one.remove(); } }
  if (order.some((id, i) => main.children[i].id !== id)) {
    order.forEach((id) => main.append(document.getElementById(id)));
  }
};
"""
_STYLE = """
progress { width: 100%; max-width: 46rem; height: 1.1rem; accent-color: var(--first); }
.best-so-far { font-size: 1.1rem; }
"""
_HEAD = '<link rel="icon" href="data:,"><noscript><meta http-equiv="refresh" content="5"></noscript>'
_FOOT = (
    "Made by goodfit watch from the run's records, again whenever they grow. It changes nothing in the run."
)


def live_parts(records: Records) -> list[Part]:
    """Return the parts of a run's report that have something to show by now."""
    hidden = () if records.finished else ("answer", "words")
    return [part for part in fit_parts(records) if not part.left_out and part.id not in hidden]


def now_part(records: Records, now: Progress) -> Part:
    """Return where the run stands."""
    said = [sentence(_state(records, now))]
    spent = f"{now.seconds:.0f} s of search"
    if now.share is not None:
        share = f"{100 * now.share:.0f} %"
        said.append(
            f'<progress value="{now.share:.4f}" max="1" aria-label="Share of the budget">{share}</progress>'
        )
        spent = f"{share} of the budget of {now.budget}, {spent}"
    written = (
        "" if now.silent is None or now.finished else f" The journal was last written {_ago(now.silent)}."
    )
    said.append(hint(f"{spent}.{written}"))
    if told := attempts_in_words(records.run):
        said.append(sentence(told))
    if not now.finished:
        said += _so_far(records)
    return Part("now", "Now").with_body(*said)


def _state(records: Records, now: Progress) -> str:
    if now.finished:
        return "Finished: the answer stands below, and in report.html."
    if now.writer is None:
        return f"Nobody works on this run. The same command goes on with it: {records.command()}"
    if records.story is None:
        return f"Begun by {now.writer}. Nothing is decided yet: data are read, the first programs compiled."
    if records.story.ended:
        return f"The search has ended; {now.writer} chooses the ensemble and examines it."
    return f"Searching, by {now.writer}."


def _ago(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 5400 else f"{seconds / 3600:.1f} h ago"


def _so_far(records: Records) -> list[str]:
    """Return counts, and the best trial so far."""
    story = records.story
    if story is None:
        return []
    trials = story.trials
    alive = [t for one in story.rounds if one.under_way for t in one.unfinished]
    facts = {
        "Trials begun": f"{len(trials):,}",
        "Rounds": str(len(story.rounds)),
        "Not yet at their end": f"{len(alive):,}",
        "Diverged": str(sum(len(one.diverged) for one in story.rounds)),
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    said = [f'<dl class="facts">{items}</dl>']
    ranked = story.ranked()
    if ranked:
        best = ranked[0]
        error = "" if math.isnan(best["error"]) else f"validation error {digits(best['error'])}, "
        text = f"Best of those that came furthest: {error}loss {digits(best['loss'])}; {best['text']}."
        said.append(f'<p class="best-so-far">{escape(text)}</p>')
        seen = count(len(ranked), "trial")
        said.append(hint(f"On the rows that choose among {seen}, so it flatters; the exam comes at the end."))
    return said


def live_page(records: Records, parts: dict[str, str]) -> str:
    """Return the page with these parts, as HTML by id; its script asks for those that change."""
    title = records.title()
    body = [
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(records.run)}</p>',
        '<p id="link" class="hint" role="status"></p></header>',
        f"<main>{''.join(parts.values())}</main><footer><p>{_FOOT}</p></footer>",
    ]
    return document(f"{title} – goodfit watch", "\n".join(body), FIT_STYLE + _STYLE, _SCRIPT, _HEAD)
