"""A row's record as a Markdown table, with which floors were reached."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from race.arithmetic import SUMMARIES, Run, difference, full_seconds, rate_share, ratios, spread
from race.rows import Contestant, Row

Runs = dict[int, Run]
MARKS = {True: "pass", False: "FAIL", None: "not measured"}
Passed = list[bool | None]  # by floor; None: not measured, or not counted


def ends(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Return "median (lowest–highest)"."""
    middle, low, high = (form.format(value) for value in spread(values))
    return f"{middle} ({low}–{high})"


def seconds_in_words(seconds: Sequence[float]) -> str:
    """Return seconds with as many places as their size asks for."""
    return ends(seconds, "{:.1f}" if min(seconds) >= 10 else "{:.2f}" if min(seconds) >= 1 else "{:.3f}")


def _read(run: Run) -> Run:
    """Return a run as it was: JSON has no number for a score that is not finite."""
    return run | {"scores": [math.nan if score is None else score for score in run["scores"]]}


@dataclass
class Table:
    """A row and its record; ``work`` in GFLOP, or 0 where it is not counted."""

    row: Row
    record: dict[str, Any]
    work: float

    def __post_init__(self) -> None:
        found = self.record["runs"]
        self.runs = {name: {int(i): _read(run) for i, run in some.items()} for name, some in found.items()}
        self.passed: Passed = []

    def text(self) -> str:
        """Return the row's section, and note in ``passed`` which floors were reached."""
        row, quick = self.row, self.record["quick"]
        peers = len(row.ours) < len(row.contestants)
        named = [mine.name if len(row.ours) > 1 else "goodfit" for mine in row.ours] * peers
        head = ["", "seconds", row.score, "of the work", *["GFLOP/s"] * bool(self.work)]
        head += [*(f"times as long as {name}" for name in named), "floor"]
        lines = [self._cells(contestant, bool(peers)) for contestant in row.contestants]
        rows = [head, ["---"] * len(head), *lines]
        filled = ["| " + " | ".join([*cells, *[""] * (len(head) - len(cells))]) + " |" for cells in rows]
        title = f"### ({row.key}) {row.title}{', TINY: these are no results' if quick else ''}"
        parts = [text for contestant in row.contestants for text in self._parts(contestant.name)]
        return "\n".join([title, "", *filled, "", self._below(), *parts])

    def _cells(self, contestant: Contestant, peers: bool) -> list[str]:
        """Return a contestant's line."""
        here, row = self.runs[contestant.name], self.row
        if not here:
            self.passed += [None] * self._floors(contestant)
            return [contestant.name, f"left out: {self.record['lost'].get(contestant.name, 'no run')}"]
        seconds = [full_seconds(run) for run in here.values()]
        fine, score = self._score(contestant, here)
        share = min(run["fraction"] for run in here.values())
        cells = [contestant.name, seconds_in_words(seconds), score]
        cells.append("all" if share == 1 else f"{100 * share:.3g} %, scaled up")
        if self.work:
            rate = self.work / statistics.median(seconds)
            shares = [100 * rate_share(self.work, run) for run in here.values()]
            cells.append(f"{rate:.0f}, {ends(shares, '{:.0f}')} % of sgemm")
        if peers:
            cells += [self._ratio(contestant, here, self.runs[mine.name], fine) for mine in row.ours]
        return [*cells, self._own(contestant, here)]

    def _floors(self, contestant: Contestant) -> int:
        """Return how many floors depend on a contestant."""
        wanted = [contestant.most, contestant.share, *[contestant.floor] * len(self.row.ours)]
        return sum(one is not None for one in wanted)

    def _score(self, contestant: Contestant, here: Runs) -> tuple[bool, str]:
        """Tell whether the scores are close enough to goodfit's, and return them in words."""
        scores = [SUMMARIES[contestant.by](run["scores"]) for run in here.values() if run["scores"]]
        if not scores:
            return True, "–"
        apart = difference(here, self.runs[self.row.ours[0].name], contestant.by)
        fine = apart <= (self.row.tolerance if contestant.tolerance is None else contestant.tolerance)
        text = f"{statistics.median(scores):.4f}" + ("" if contestant.by == "mean" else f", {contestant.by}")
        if contestant is not self.row.ours[0]:
            text += f", {apart:.0e} apart" + ("" if fine else ": NOT THE SAME")
        return fine, text

    def _ratio(self, contestant: Contestant, theirs: Runs, ours: Runs, fine: bool) -> str:
        """Return their seconds by ours, and whether the floor was reached."""
        found = ratios(theirs, ours) if fine else []
        if contestant.ours:
            return "–"
        if contestant.floor is None:
            return ends(found) if found else "not counted"
        self.passed.append(spread(found).median >= contestant.floor if found else None)
        return f"{ends(found)}, {MARKS[self.passed[-1]]}" if found else "not counted"

    def _own(self, contestant: Contestant, here: Runs) -> str:
        """Return the floor, and of goodfit's own whether it was reached."""
        if contestant.floor is not None:
            return f"≥ {contestant.floor:g}"
        if contestant.most is not None:
            self.passed.append(spread([full_seconds(run) for run in here.values()]).median <= contestant.most)
            return f"≤ {contestant.most:g} s, {MARKS[self.passed[-1]]}"
        if contestant.share is not None:
            middle = spread([rate_share(self.work, run) for run in here.values()]).median
            self.passed.append(middle >= contestant.share)
            return f"≥ {100 * contestant.share:g} % of sgemm, {MARKS[self.passed[-1]]}"
        return ""

    def _below(self) -> str:
        """Return rounds, tolerance and what the machine could do meanwhile."""
        count, row = self.record["rounds"], self.row
        text = [f"{count} round{'s' * (count != 1)}; median (lowest–highest)."]
        if row.tolerance:
            others = [c for c in row.contestants if c.by != "mean"]
            own = [f", {c.name} by its {c.by} within {c.tolerance or row.tolerance:g}" for c in others]
            text.append(f"Scores agree within {row.tolerance:g}{''.join(own)} ({row.why}).")
        runs = [run for some in self.runs.values() for run in some.values()]
        if runs:
            text.append(f"sgemm {ends([run['peak'] for run in runs], '{:.0f}')} GFLOP/s,")
            text.append(f"copying {self.record['machine']['copy']:.0f} GB/s,")
            text.append(f"load {ends([run['load'] for run in runs], '{:.1f}')}.")
        return " ".join(text)

    def _parts(self, name: str) -> list[str]:
        """Return the seconds of a contestant's parts, where it has any."""
        found = [run["parts"] for run in self.runs[name].values() if run.get("parts")]
        if not found:
            return []
        middles = [(part, statistics.median(one[part] for one in found)) for part in found[0]]
        return ["", f"{name}: " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in middles) + "."]


def machine_line(record: dict[str, Any]) -> str:
    """Return what the machine is and which versions ran."""
    machine = record["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return f"{machine['cpu']}, {machine['cores']} cores. {versions}."


def counts(passed: Passed) -> str:
    """Return how many floors were reached."""
    measured = [one for one in passed if one is not None]
    rest = len(passed) - len(measured)
    missing = f", {rest} not measured or not counted" if rest else ""
    return f"{sum(measured)} of {len(measured)} floors reached{missing}."
