"""What happened in a study, told from its journal alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goodfit.errors import RunFolderError
from goodfit.store.journal import Journal

JOURNAL = "journal-search.jsonl"
OUT = ("diverged", "set aside")  # how the result of a trial begins that goes no further
REST = "rest"  # the kind of a record that tells when an interrupted search rested, and nothing else
HALVED = "halved"  # … that memory ran out, and how many members a chunk may have since
ASIDE = (REST, HALVED)  # no decisions: they are not replayed


@dataclass
class RoundStory:
    """One round: what was drawn, and how far its trials came."""

    wave: int  # in which it began
    harvest: bool
    region: Mapping[str, Any]
    stops: tuple[int, ...]  # steps at which it compares; the last one ends the full run
    trials: dict[int, dict[str, Any]] = field(default_factory=dict)  # by number: text, values, latest record
    reached: list[int] = field(default_factory=list)  # how many trials came to each stop

    @property
    def steps(self) -> int:
        """Steps of a full run."""
        return self.stops[-1]

    @property
    def under_way(self) -> bool:
        """Whether networks of it still go on: the furthest that are not out have a stop to come."""
        return bool(self._alive) and len(self.unfinished) == len(self._alive)

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """The trials that are not out and have stops to come."""
        return [t for t in self._alive if len(t["keys"]) < len(self.stops)]

    @property
    def _alive(self) -> list[dict[str, Any]]:
        return [t for t in self.trials.values() if not t["result"].startswith(OUT)]

    @property
    def structures(self) -> int:
        """How many structures were drawn."""
        return len({trial["text"] for trial in self.trials.values()})

    @property
    def diverged(self) -> list[dict[str, Any]]:
        """The trials that left the finite numbers."""
        return [t for t in self.trials.values() if t["result"].startswith("diverged")]

    @property
    def best(self) -> dict[str, Any] | None:
        """The trial of the lowest error among those that came furthest."""
        seen = [t for t in self.trials.values() if math.isfinite(t["error"])]
        return min(seen, key=lambda t: (-t["step"], t["error"], t["loss"]), default=None)


@dataclass(frozen=True)
class Story:
    """A study: its rounds, the seconds it took, and whether and how it came to its end."""

    rounds: tuple[RoundStory, ...]
    seconds: float
    ended: bool
    settled: bool  # before its budget, because rounds gained no more than noise

    @property
    def trials(self) -> list[dict[str, Any]]:
        """All trials, in the order in which they began."""
        return [trial for one in self.rounds for trial in one.trials.values()]

    @property
    def furthest(self) -> tuple[int, int]:
        """Where the trial stands that is nearest to the end of its full run, and the steps of that run."""
        seen = [
            (t["step"], one.steps)
            for one in self.rounds
            for t in one.trials.values()
            if not t["result"].startswith(OUT)
        ]
        return max(seen, key=lambda one: one[0] / one[1], default=(0, self.rounds[0].steps))

    def ranked(self, by_error: bool = True) -> list[dict[str, Any]]:
        """Return the trials with a score that did not diverge, as the search ranks them.

        Those nearest to the end of their full run come first, whose steps differ from round to round; of
        these the ones of the lowest error, or loss.
        """
        full = {number: one.steps for one in self.rounds for number in one.trials}
        seen = [t for t in self.trials if math.isfinite(t["error"]) and not t["result"].startswith(OUT)]
        first, then = ("error", "loss") if by_error else ("loss", "error")
        return sorted(seen, key=lambda t: (-t["step"] / full[t["number"]], t[first], t[then], t["number"]))

    def regions(self) -> list[tuple[str, str, str]]:
        """Return (path, first, last) of every range and choice that moved, in the last rounds' space."""
        last = self.rounds[-1].region
        alike = [one.region for one in self.rounds if _places(one.region) == _places(last)]
        first = alike[0]
        found = []
        for path, ends in first["ranges"].items():
            if ends != last["ranges"][path]:
                found.append(
                    (path, *(f"{low:.3g} … {high:.3g}" for low, high in (ends, last["ranges"][path])))
                )
        for path, options in first["options"].items():
            if options != last["options"][path]:
                found.append((path, " | ".join(options), " | ".join(last["options"][path])))
        return found


def _places(region: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    return set(region["ranges"]), set(region["options"])


def read_story(folder: str | Path) -> Story:
    """Return what a run folder's journal tells.

    Raises:
        RunFolderError: there is no journal, or it is damaged.
    """
    path = Path(folder) / JOURNAL
    records = Journal(path).records()
    if not records:
        raise RunFolderError(f"{folder} holds no study: there is no {JOURNAL}, or nothing in it yet.")
    rounds: list[RoundStory] = []
    owner: dict[int, RoundStory] = {}
    for record in records:
        if record["kind"] == "plan" and record["draws"]:
            rounds.append(_round(record, len(owner)))
            owner |= dict.fromkeys(rounds[-1].trials, rounds[-1])
        for found in record.get("trials", ()):
            trial = owner[found["number"]].trials[found["number"]]
            trial |= found | {"kept": found.get("kept") or trial.get("kept")}  # the last state that was kept
    for one in rounds:
        stops = max((len(t["keys"]) for t in one.trials.values()), default=0)
        one.reached = [sum(len(t["keys"]) > stop for t in one.trials.values()) for stop in range(stops)]
    last = next((r for r in reversed(records) if r["kind"] not in ASIDE), records[-1])
    nothing_left = last["kind"] == "plan" and not any(one.under_way for one in rounds)
    ended = nothing_left or bool(last.get("halted"))
    return Story(tuple(rounds), float(records[-1]["elapsed"]), ended, bool(last.get("settled")))


def _round(record: Mapping[str, Any], begun: int) -> RoundStory:
    one = RoundStory(record["wave"], record["first stop"] > 0, record["region"], tuple(record["stops"]))
    for place, (point, text) in enumerate(zip(record["draws"], record["texts"], strict=True)):
        number = begun + place
        waiting = {"error": math.nan, "loss": math.nan, "step": 0, "result": "waiting", "keys": []}
        one.trials[number] = {"number": number, "text": text, "point": point, **waiting}
    return one
