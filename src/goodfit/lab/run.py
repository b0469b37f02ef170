"""Run comparisons into a folder, judge them together, and make the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from goodfit.engine.program import compilations, use_cache
from goodfit.errors import RunFolderError, must_be
from goodfit.lab.catalogue import IDS, comparison
from goodfit.lab.comparison import Comparison, Plan, Record
from goodfit.lab.data import LabData
from goodfit.lab.findings import judged
from goodfit.lab.page import page_of
from goodfit.lab.records import records_of, write_record
from goodfit.lab.training import Bench
from goodfit.store.atomic import write_json, write_text
from goodfit.store.run import RunFolder

SEEDS, QUICK_SEEDS = 10, 3


class LabEvent(NamedTuple):
    """Something worth showing: "begin", "progress", "done", "skipped" or "drawing"."""

    kind: str
    id: str
    text: str = ""
    share: float = 0.0


def _silent(event: LabEvent) -> None:
    pass


def run_lab(
    comparisons: Sequence[Comparison],
    data: LabData,
    out: str | Path,
    *,
    seeds: int = SEEDS,
    quick: bool = False,
    command: str = "goodfit lab run {id}",
    on_event: Callable[[LabEvent], None] = _silent,
    should_stop: Callable[[], bool] = lambda: False,
    chunk: int | None = None,
    lanes: int | None = None,
) -> dict[str, Any]:
    """Run each comparison that is not done yet, then judge all that the folder holds and make ``lab.html``.

    A comparison that makes no sense on the data is skipped, with the reason. Where ``should_stop()`` turns
    true, the comparison under way is given up and what is done is judged.

    Returns:
        The content of ``verdicts.json``.

    Raises:
        InputError: ``seeds`` is not a whole number >= 1.
        RunFolderError: the folder cannot be written, or holds the same comparison run otherwise.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise must_be("seeds", "a whole number >= 1", seeds)
    use_cache()
    out = Path(out)
    plan = Plan(data, tuple(range(seeds)), quick)
    skipped: dict[str, str] = {}
    stopped = False
    for one in comparisons:
        reason = one.refuses(data)
        if reason:
            skipped[one.id] = f"{one.id} is left out: {reason}."
            on_event(LabEvent("skipped", one.id, reason))
            continue
        folder = RunFolder(out / one.id)
        folder.claim(_config(one, plan, command, chunk))
        if folder.result() is None:
            on_event(LabEvent("begin", one.id, one.title))
            try:
                seconds = _run_one(folder, one, plan, on_event, should_stop, chunk, lanes)
            except KeyboardInterrupt:
                stopped = True
                break
            on_event(LabEvent("done", one.id, f"{seconds:.0f} s", 1.0))
    on_event(LabEvent("drawing", ""))
    return {**publish(out, skipped), "interrupted": stopped}


def _config(one: Comparison, plan: Plan, command: str, chunk: int | None) -> dict[str, Any]:
    data = plan.data
    return {
        "identity": {
            "comparison": one.id,
            "data": data.content,
            "own": data.own,
            "seeds": len(plan.seeds),
            "quick": plan.quick,
            "chunk": chunk,
            "version": version("goodfit"),
        },
        "seeds": list(plan.seeds),
        "quick": plan.quick,
        "command": command.format(id=one.id),
        "data": {
            "name": data.name,
            "rows": len(data.x),
            "test_rows": len(data.x_test),
            "test_what": data.test_what,
            "inputs": data.x.shape[1],
            "classes": list(data.classes),
            "own": data.own,
            "notes": list(data.notes),
        },
        "needs": one.needs,
        "versions": {name: version(name) for name in ("goodfit", "jax", "numpy")},
    }


def _run_one(
    folder: RunFolder,
    one: Comparison,
    plan: Plan,
    on_event: Callable[[LabEvent], None],
    should_stop: Callable[[], bool],
    chunk: int | None,
    lanes: int | None,
) -> float:
    bench = Bench(lambda share: on_event(LabEvent("progress", one.id, "", share)), should_stop, chunk, lanes)
    began, programs = time.perf_counter(), compilations()
    arrays, info = one.run(plan, bench)
    seconds = time.perf_counter() - began
    facts = {
        "seconds": seconds,
        "members": bench.members,
        "steps": bench.steps,
        "work": bench.work,
        "diverged": bench.diverged,
        "compilations": compilations() - programs,
    }
    write_record(folder, arrays, {**info, **facts})
    return seconds


def publish(
    out: str | Path, skipped: dict[str, str] | None = None, *, redraw: bool = False
) -> dict[str, Any]:
    """Judge the records of a lab's folder together, draw what is not drawn (or all anew), and write
    ``verdicts.json`` and ``lab.html``. Nothing is trained.

    Raises:
        RunFolderError: there is no finished comparison (and none was skipped), or a record is damaged.
    """
    out = Path(out)
    records = records_of(out)
    if not records and not skipped:
        raise RunFolderError(
            f"{out} holds no finished comparison: `goodfit lab run ID --out {out}` makes one."
        )
    out.mkdir(parents=True, exist_ok=True)
    found = judged(records)
    told = {}
    for one in found:
        name = one.comparison.id
        if redraw or not (out / name / "figure.svg").exists():
            one.draw(out / name)
        told[name] = {**one.write_verdict(out / name), **_facts(one.record)}
    for name, reason in (skipped or {}).items():
        told[name] = {"id": name, "title": comparison(name).title, "skipped": reason, "claims": []}
    told = {name: told[name] for name in IDS if name in told}
    whole = {
        "claims": sum(len(one.verdicts) for one in found),
        "seconds": sum(record.info["seconds"] for _, record in records),
        "comparisons": told,
    }
    write_json(out / "verdicts.json", whole)
    write_text(out / "lab.html", page_of(out, found, skipped or {}))
    return whole


def _facts(record: Record) -> dict[str, Any]:
    names = ("seconds", "members", "steps", "diverged", "compilations", "seeds", "quick", "command")
    return {name: record.info[name] for name in names} | {"data": record.info["data"]["name"]}
