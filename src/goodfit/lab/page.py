"""The lab's page, from records and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from goodfit.lab.catalogue import comparison
from goodfit.lab.comparison import Comparison
from goodfit.lab.findings import Findings
from goodfit.report.page import Claimed, Drawing, Section, lab_page
from goodfit.stats.verdict import FAILS, FEWEST, HOLDS


def page_of(out: Path, found: Sequence[Findings], skipped: Mapping[str, str]) -> str:
    """Return the HTML page of a lab's folder."""
    sections = {one.comparison.id: _section(out, one) for one in found}
    for name, reason in skipped.items():
        one = comparison(name)
        sections[name] = _left_out(one, reason)
    ordered = [sections[name] for name in sorted(sections)]
    return lab_page("The lab: every technique seen and judged", _lead(found), _facts(found), ordered)


def _left_out(one: Comparison, reason: str) -> Section:
    return Section(
        id=one.id,
        title=one.title,
        question=one.question,
        reading=one.reading,
        command="",
        skipped=reason,
    )


def _lead(found: Sequence[Findings]) -> str:
    verdicts = [verdict for one in found for verdict in one.verdicts]
    words = [verdict.verdict for verdict in verdicts]
    drawn = max((verdict.claims for verdict in verdicts), default=0)
    held, failed = words.count(HOLDS), words.count(FAILS)
    unknown = len(words) - held - failed
    return (
        f"Of {len(words)} claims, {held} hold on these data, {failed} do not, and {unknown} cannot be told. "
        f"Each interval is wide enough that all {drawn} together cover with 95 %; a claim holds if its whole "
        "interval lies where the claim says, and does not if it lies outside."
    )


def _facts(found: Sequence[Findings]) -> list[tuple[str, str]]:
    if not found:
        return []
    records = [one.record for one in found]
    info = records[0].info
    data = info["data"]
    seeds = sorted({len(record.info["seeds"]) for record in records})
    seconds = sum(record.info["seconds"] for record in records)
    facts = [
        ("Data", f"{data['name']}: {data['rows']:,} training rows of {data['inputs']:,} inputs, "
                 f"{data['test_rows']:,} test rows ({data['test_what']})"),
        ("Seeds", " or ".join(map(str, seeds)) + (" (a quick look)" if info["quick"] else "")
                  + (f"; fewer than {FEWEST} tell nothing" if min(seeds) < FEWEST else "")),
        ("Networks", f"{sum(record.info['members'] for record in records):,} trained, "
                     f"{sum(record.info['diverged'] for record in records):,} of them diverged"),
        ("Time", f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"),
        ("Versions", ", ".join(f"{name} {v}" for name, v in info["versions"].items())),
        ("Intervals", "over seeds (first weights, batches, and draws where there are any) on the same rows"),
    ]  # fmt: skip
    return facts + [("Note", note) for note in data["notes"]]


def _section(out: Path, found: Findings) -> Section:
    one, record, verdicts = found.comparison, found.record, found.verdicts
    claims = tuple(
        Claimed(
            claim.says, claim.found(verdict), verdict.words if verdict.claims else f"{verdict.words} (exact)"
        )
        for claim, verdict in zip(one.claims, verdicts, strict=True)
    )
    drawings = tuple(
        Drawing(path.read_text(encoding="utf-8"), one.alt)
        for path in sorted((out / one.id).glob("*.svg"), key=lambda p: (p.stem != "figure", p.stem))
    )
    notes = list(one.notes)
    if record.info["diverged"]:
        notes.append(f"{record.info['diverged']:,} of {record.info['members']:,} networks diverged.")
    if record.info["members"]:
        notes.append(
            f"{record.info['members']:,} networks, {record.info['steps']:,} updates, "
            f"{record.info['seconds']:.0f} s."
        )
    if one.needs == "nothing" and record.info["data"]["own"]:
        notes.append("This comparison uses no data: it is the same for all.")
    if record.info["quick"]:
        notes.append("A quick look: a quarter of the updates. The claims are about the full run.")
    return Section(
        id=one.id,
        title=one.title,
        question=one.question,
        reading=one.reading,
        command=record.info["command"],
        drawings=drawings,
        claims=claims,
        tables=one.tables(record),
        notes=tuple(notes),
    )
