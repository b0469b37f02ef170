"""What a run's folder holds, read for its page; whatever is missing is None, with the reason."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.errors import RunFolderError
from goodfit.search.curves import Curve, read_curves
from goodfit.search.story import JOURNAL, Story, read_story
from goodfit.store.journal import Journal
from goodfit.store.run import RunFolder

_PLAIN = {"seed": 0, "sampler": "zoom", "device": "auto", "repeats": 1}  # unless given
_NOT_OPTIONS = ("data", "out", "budget", "space", "ignore")


@dataclass(frozen=True)
class Records:
    """One run, as plain data.

    Args:
        run: the folder.
        config: settings, budget, extensions.
        result: what a finished or an interrupted run found; None if it was stopped before that.
        finished: the `fingerprint` of the run's end; empty if it has not come to one.
        insights: what the model shows on its rows; see `goodfit.model.insights`.
        story: the search's rounds; ``no_story`` says why they are missing.
        curves: by trial number.
        openings: of the sealed rows, oldest first.
    """

    run: str
    config: dict[str, Any]
    result: dict[str, Any] | None
    finished: str
    insights: dict[str, Any] | None
    story: Story | None
    no_story: str
    curves: dict[int, Curve]
    openings: list[dict[str, Any]]

    @property
    def settings(self) -> dict[str, Any]:
        """What the command was told."""
        return self.config["settings"]

    def title(self) -> str:
        """Return the name of the data, without the folders above it, and of the target."""
        target = (self.insights or {}).get("target") or self.settings["target"]
        return Path(self.settings["data"]).name + (f": {target}" if target else "")

    def command(self) -> str:
        """Return the command that makes this run."""
        settings = self.settings
        words = ["goodfit", "fit", settings["data"]]
        for name, value in settings.items():
            if name in _NOT_OPTIONS or value in (None, False) or _PLAIN.get(name) == value:
                continue
            words += [_flag(name)] if value is True else [_flag(name), str(value)]
        words += [word for column in settings["ignore"] for word in ("--ignore", column)]
        words += ["--budget", self.config["budget"]]
        words += ["--space", "space.toml"] if settings["space"] else []
        return shlex.join([*words, "--out", self.run])

    def extensions(self) -> list[str]:
        """Return the commands that gave the run more budget."""
        found = []
        for more in self.config.get("extensions", []):
            space = ["--space", "space.toml"] if more["space"] else []
            words = ["goodfit", "study", "extend", self.run, "--budget", more["budget"], *space]
            found.append(shlex.join(words))
        return found


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def read_records(run: str | Path, result: dict[str, Any] | None = None) -> Records:
    """Return what a run's folder holds.

    ``result`` is what the run has just found, where it is not asked for on disk.

    Raises:
        RunFolderError: there is no run of `goodfit fit`, or its configuration is damaged.
    """
    folder = RunFolder(run)
    config = folder.config()
    if "budget" not in config:
        raise RunFolderError(f"{run} is no run of goodfit fit.")
    done = folder.result()
    result = done or result or folder.partial()
    insights = None if result is None else folder.insights(result)
    story, why = None, ""
    try:
        story = read_story(run)
    except RunFolderError as error:
        why = str(error) if folder.path.joinpath(JOURNAL).exists() else "The run has no journal of a search."
    curves = {} if story is None else read_curves(run, story)
    openings = result["ledger"] if result else _openings(folder.ledger)
    finished = folder.fingerprint() if done else ""
    return Records(str(run), config, result, finished, insights, story, why, curves, openings)


def _openings(ledger: Path) -> list[dict[str, Any]]:
    """Return the openings in a ledger whose run has no result yet."""
    try:
        found = [record for record in Journal(ledger).records() if record["event"] == "opening"]
    except RunFolderError:
        return []
    return [record | {"number": number} for number, record in enumerate(found, start=1)]
