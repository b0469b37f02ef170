"""One JSON file a run (table, split, method), written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def path_of(folder: Path, table: str, split: int, method: str) -> Path:
    """Return where a run's record lies."""
    return folder / f"{table}.{split}.{method}.json"


def tidy(value: Any) -> Any:
    """Return plain Python values: numbers of five digits, what is not finite as None."""
    if isinstance(value, dict):
        return {str(k): tidy(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(v) for v in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return value
    number = float(value)
    return float(f"{number:.6g}") if math.isfinite(number) else None


def write(path: Path, record: Record) -> None:
    """Write a record: beside its place, then moved there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(tidy(record), indent=1, sort_keys=True) + "\n")
    part.replace(path)


def read(folder: Path) -> list[Record]:
    """Return all records of a folder."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def failure(kind: str, text: str) -> str:
    """Return an exception as one line without paths."""
    line = " ".join(text.split())[:300]
    return re.sub(r"(?<![\w.])(/[\w.+-]+){2,}/?", "…", f"{kind}: {line}" if line else kind)


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions that a run was made with."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)


def read_one(path: Path) -> Record:
    """Return one record."""
    return json.loads(path.read_text())


def summary(record: Record) -> str:
    """Return a run's end in a line."""
    if record["status"] != "done":
        return f"{record['status']}: {record['message']}"
    scores = record["scores"]
    score = f"error {scores['error']:.4f}" if "error" in scores else f"RMSE {scores['rmse']:.5g}"
    tried = f", {record['candidates']} candidates" if "candidates" in record else ""
    return f"{score} in {record['fit_seconds']:.1f} s{tried}"
