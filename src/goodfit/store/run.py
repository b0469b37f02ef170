"""The folder of a run: whose it is, whether it is finished, where its files are."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from goodfit.errors import RunFolderError
from goodfit.store.atomic import write_json
from goodfit.store.canonical import dumps, loads
from goodfit.store.journal import Journal
from goodfit.store.lock import only_writer


class RunFolder:
    """A run's folder: ``config.json``, journals, ``members/``, ``ledger.jsonl``, the model, ``DONE``."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.result_file = self.path / "result.json"
        self.ledger = self.path / "ledger.jsonl"
        self.model = self.path / "model.safetensors"
        self.report = self.path / "report.html"
        self._insights = self.path / "insights.json"
        self._partial = self.path / "partial.json"
        self._done = self.path / "DONE"

    def lock(self) -> AbstractContextManager[bool]:
        """Be the only one to write here until the block ends; see `goodfit.store.lock.only_writer`."""
        return only_writer(self.path)

    def claim(self, config: dict[str, Any]) -> None:
        """Make the folder this run's, or go on with it if it is already.

        Raises:
            RunFolderError: it cannot be written, or holds other files or another run.
        """
        config = loads(dumps(config))  # as it is read
        if not self._holds_a_run():
            with self.lock():
                if not self.config_file.exists():
                    self._write(config)
        theirs, ours = self.config()["identity"], config["identity"]
        keys = [k for k in sorted({*theirs, *ours}) if theirs.get(k) != ours.get(k)]
        if keys == ["budget"]:
            raise RunFolderError(
                f"{self.path} holds a run with a budget of {theirs['budget']}. For more: "
                f"goodfit study extend {self.path} --budget …; for a new run choose another --out."
            )
        if keys:
            differ = f"{', '.join(keys)} {'differs' if len(keys) == 1 else 'differ'}"
            raise RunFolderError(
                f"{self.path} holds another run (in its {self.config_file.name}, {differ}): "
                "choose another --out, or repeat its settings to go on with it."
            )

    def _holds_a_run(self) -> bool:
        """Tell whether a run has begun here, rather than could.

        Raises:
            RunFolderError: neither: the folder holds other files, or cannot be looked into.
        """
        try:
            free = not self.path.is_dir() or all(map(_from_a_start, self.path.iterdir()))
            begun = self.config_file.exists()  # asked last: another process may begin in this instant
        except OSError as error:
            message = f"{self.path} cannot be read ({error.strerror}): choose another --out."
            raise RunFolderError(message) from None
        if not begun and not free:
            raise RunFolderError(f"{self.path} is not empty and holds no run: choose another --out.")
        return begun

    def config(self) -> dict[str, Any]:
        """Return the run's configuration.

        Raises:
            RunFolderError: the folder holds no run, or its configuration is damaged.
        """
        path = self.config_file
        try:
            found = loads(path.read_bytes())
            if found.pop(_CHECK) != _sha256(dumps(found).encode()):
                raise ValueError("it was altered after it was written")
        except FileNotFoundError:
            raise RunFolderError(f"{self.path} holds no run of goodfit: there is no {path.name}.") from None
        except OSError as error:
            raise RunFolderError(f"Cannot read {path}: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunFolderError(
                f"{path} is damaged ({error}): restore it from a copy, or start anew in another folder."
            ) from None
        return found

    def _write(self, config: dict[str, Any]) -> None:
        write_json(self.config_file, config | {_CHECK: _sha256(dumps(config).encode())})

    def result(self) -> dict[str, Any] | None:
        """Return the recorded result of a finished run; None if it is not finished, or extended since.

        None, too, if result or model is missing or not what was written: the run is then gone on with, and
        its journal leads to the same end.
        """
        found, files = self._recorded()
        whole = all(_holds(self.path / name, digits) for name, digits in files.items())
        return found if whole and found and found.get("extensions", []) == self.extensions() else None

    def _recorded(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return result and hashes of the finished run's files, or nothing if the result was altered."""
        try:
            files = dict(loads(self._done.read_bytes()))
            if _holds(self.result_file, files[self.result_file.name]):
                return loads(self.result_file.read_bytes()), files
        except (OSError, ValueError, TypeError, KeyError):
            pass
        return {}, {}

    def check_ledger(self) -> None:
        """Make sure, before work is put into a run, that its ledger is whole.

        Raises:
            RunFolderError: it is damaged, or lacks an opening that the recorded result tells of.
        """
        written = {record.get("model") for record in Journal(self.ledger).records()}
        lost = [one for one in self._recorded()[0].get("ledger", []) if one["model"] not in written]
        if lost:
            raise RunFolderError(
                f"{self.ledger} has lost {len(lost)} of the openings that {self.result_file.name} tells of: "
                "restore it from a copy, or start anew in another folder."
            )

    def extensions(self) -> list[dict[str, Any]]:
        """Return the budgets that were added to the run's own, each with the text of its space or None."""
        return self.config().get("extensions", [])

    def extend(self, budget: str, space: str | None = None) -> None:
        """Add a budget to a run, and another space if any: it is not finished any more."""
        config = self.config()
        extensions = [*config.get("extensions", []), {"budget": budget, "space": space}]
        self._write(config | {"extensions": extensions})

    def finish(self, result: dict[str, Any]) -> None:
        """Record the result and mark the run finished: ``DONE`` holds the hashes of result and model."""
        self._partial.unlink(missing_ok=True)
        write_json(self.result_file, result)
        files = [path for path in (self.result_file, self.model) if path.exists()]
        write_json(self._done, {path.name: _sha256(path.read_bytes()) for path in files})

    def fingerprint(self) -> str:
        """Return a hash that tells one end of the run from another; empty if it has not come to one."""
        try:
            return _sha256(self._done.read_bytes())
        except OSError:
            return ""

    def pause(self, result: dict[str, Any]) -> None:
        """Record what an interrupted run has, for its report alone: the run goes on from its journal."""
        write_json(self._partial, result)

    def partial(self) -> dict[str, Any] | None:
        """Return what `pause` recorded, or None."""
        return _readable(self._partial)

    def keep_insights(self, found: dict[str, Any], result: dict[str, Any]) -> None:
        """Record what a model shows on its rows, beside the scores that it goes with."""
        found = loads(dumps(found | {"of": _scores(result), "format": _FORMAT}))
        write_json(self._insights, found | {_CHECK: _sha256(dumps(found).encode())})

    def insights(self, result: dict[str, Any]) -> dict[str, Any] | None:
        """Return what a model shows on its rows, or None if nothing whole is recorded for this result."""
        found = _readable(self._insights) or {}
        whole = found.pop(_CHECK, None) == _sha256(dumps(found).encode())
        ours = {"of": found.get("of"), "format": found.get("format")}
        return found if whole and dumps(ours) == dumps({"of": _scores(result), "format": _FORMAT}) else None


_CHECK = "sha256"  # what config.json and insights.json keep the hash of the rest under
_FORMAT = 1  # of insights.json


def _scores(result: dict[str, Any]) -> dict[str, Any]:
    return {"validation": result["validation"], "test": result["test"]}


def _readable(path: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds; None if it is missing or damaged, where nothing depends on it."""
    try:
        found = loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _holds(path: Path, digits: str) -> bool:
    try:
        return _sha256(path.read_bytes()) == digits
    except OSError:  # gone, or not to be read
        return False


def _from_a_start(path: Path) -> bool:
    """Tell whether a file is what the start of a run leaves where it is killed at once."""
    return path.name == "lock" or path.name.startswith(".config.json.")
