"""Where a run stands, told from its records, its lock and the clock."""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.report.records import Records
from goodfit.search.budget import parse_budget


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Args:
        writer: who works on it, such as ``process 12 on host``; None if nobody does.
        finished: whether it came to its end.
        seconds: of search, so far.
        share: of the budget that is spent, 0 to 1; None where the records cannot tell.
        budget: all that it was given, in words.
        silent: seconds since something was written; None if nothing has been.
    """

    writer: str | None
    finished: bool
    seconds: float
    share: float | None
    budget: str
    silent: float | None


def progress_of(records: Records, writer: str | None, silent: float | None) -> Progress:
    """Return where a run stands, ``silent`` seconds after its journal was written last."""
    config = records.config
    budget = parse_budget(config["budget"])
    for more in config.get("extensions", []):
        budget = budget.more(parse_budget(more["budget"]))
    story, result = records.story, records.result
    finished = bool(records.finished)
    if finished and result is not None:
        return Progress(writer, True, float(result["seconds"]), None, str(budget), silent)
    seconds = 0.0 if story is None else story.seconds
    if writer is not None and silent is not None and not (story and story.ended):
        seconds += silent
    share = None
    if budget.seconds is not None:
        share = seconds / budget.seconds
    elif story is not None and budget.members is not None:
        share = len(story.trials) * _folds(records) / budget.members
    elif story is not None and budget.steps is not None:
        share = sum(trial["step"] for trial in story.trials) * _folds(records) / budget.steps
    return Progress(writer, False, seconds, None if share is None else min(share, 1.0), str(budget), silent)


def _folds(records: Records) -> int:
    """Return how many networks a trial has: one a fold."""
    kept = [len(t["kept"]) for t in records.story.trials if t.get("kept")] if records.story else []
    settings = records.settings
    return max([*kept, (settings["cv"] or 1) * settings["repeats"]])
