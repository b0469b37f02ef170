"""Rules about the files of the repository: nothing in them belongs to one machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# put together from pieces, so that this file does not hold what it looks for
PLACES = "|".join(("work", "root", r"home/\w+", r"Users/\w+", "opt/wheels"))
MACHINE_PATH = re.compile(rf"(?<![\w.~/-])/(?:{PLACES})(?:/|\b)")


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_a_machine():
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        found = MACHINE_PATH.search(text)
        assert found is None, f"{path.relative_to(ROOT)} holds a path of one machine: {found[0]}"


def test_a_machine_path_would_be_found():
    assert MACHINE_PATH.search("see " + "/" + "root/x")
    assert MACHINE_PATH.search('"' + "/" + 'home/anna/data"')
    assert not MACHINE_PATH.search("https://example.org/work/x, ~/work, a/work/b, and/or root/x")


def test_no_large_file_is_tracked():
    for path in tracked():
        assert path.stat().st_size < 500_000, (
            f"{path.relative_to(ROOT)}: data do not belong in the repository"
        )
