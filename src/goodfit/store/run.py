"""The folder of a run: whose it is, whether it is finished, where its files are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from goodfit.errors import RunFolderError
from goodfit.store.atomic import check_writable_folder, write_json, write_text


class RunFolder:
    """A run's folder: ``config.json``, journals, ``members/``, ``ledger.jsonl``, the model, ``DONE``."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.result_file = self.path / "result.json"
        self.ledger = self.path / "ledger.jsonl"
        self.model = self.path / "model.safetensors"

    def claim(self, config: dict[str, Any]) -> None:
        """Make the folder this run's, or go on with it if it is already.

        Raises:
            RunFolderError: it cannot be written, or holds other files or another run.
        """
        config = json.loads(json.dumps(config))
        if self.config_file.exists():
            found = self.config()
            if found.get("identity") != config["identity"]:
                theirs, ours = found.get("identity", {}), config["identity"]
                keys = [k for k in sorted({*theirs, *ours}) if theirs.get(k) != ours.get(k)]
                raise RunFolderError(
                    f"{self.path} holds another run (its {', '.join(keys) or 'settings'} differ): "
                    "choose another --out, or repeat its settings to go on with it."
                )
            return
        if self.path.is_dir() and any(self.path.iterdir()):
            raise RunFolderError(f"{self.path} is not empty and holds no run: choose another --out.")
        check_writable_folder(self.path)
        write_json(self.config_file, config)

    def config(self) -> dict[str, Any]:
        """Return the run's configuration.

        Raises:
            RunFolderError: the folder holds no run, or its configuration is damaged.
        """
        return self._read(self.config_file, "holds no run of goodfit")

    def result(self) -> dict[str, Any] | None:
        """Return the recorded result of a finished run; None if it is not finished, or extended since."""
        if not (self.path / "DONE").exists():
            return None
        found = self._read(self.result_file, "has lost its result")
        return found if found.get("extensions", []) == self.extensions() else None

    def extensions(self) -> list[dict[str, Any]]:
        """Return the budgets that were added to the run's own, each with the text of its space or None."""
        return self.config().get("extensions", [])

    def extend(self, budget: str, space: str | None = None) -> None:
        """Add a budget to a run, and another space if any: it is not finished any more."""
        config = self.config()
        extensions = [*config.get("extensions", []), {"budget": budget, "space": space}]
        write_json(self.config_file, config | {"extensions": extensions})

    def finish(self, result: dict[str, Any]) -> None:
        """Record the result and mark the run finished."""
        write_json(self.result_file, result)
        write_text(self.path / "DONE", "")

    def _read(self, path: Path, trouble: str) -> dict[str, Any]:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunFolderError(f"{self.path} {trouble}: there is no {path.name}.") from None
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path} cannot be read ({error}).") from None
