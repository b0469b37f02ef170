"""The README cannot rot: its blocks run in order, in one folder, as they stand but for time and set-up."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)

# What serves until it is ended is ended after a few seconds; by then it has told its address.
WATCHED = r"\1 > watched & sleep 5; kill $!; wait $! || true; grep -q http: watched"


def write_customers(folder: Path) -> None:
    """The table that the README speaks of, and new rows for it."""
    rng = np.random.default_rng(0)
    months, calls = rng.integers(1, 60, 400), rng.poisson(2, 400)
    plan = rng.choice(["small", "large", "family"], 400)
    churned = np.where(months - 8 * calls + 10 * (plan == "family") + rng.normal(0, 5, 400) < 10, "yes", "no")
    rows = list(zip(months, calls, plan, churned, strict=True))
    for name, part, width in (("customers.csv", rows[:300], 4), ("new.csv", rows[300:], 3)):
        with open(folder / name, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["months", "calls", "plan", "churned"][:width])
            writer.writerows(row[:width] for row in part)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    write_customers(folder)
    return folder


@pytest.mark.parametrize(("language", "code"), BLOCKS, ids=[f"{i}-{b[0]}" for i, b in enumerate(BLOCKS)])
def test_block_runs(folder, language, code):
    """Later blocks use what earlier ones leave, so they run in order."""
    code = code.replace("--budget 1min", "--budget 10s")
    code = re.sub(r"(goodfit watch \S+).*", WATCHED, code)
    command = {"bash": ["bash", "-euo", "pipefail", "-c", code], "python": [sys.executable, "-c", code]}
    assert language in command, f"a block of {language or 'no language'} is not run: name what to run it with"
    if code.startswith("python3 -m venv"):
        pytest.skip("an environment of 1 GB is not installed for a test")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command[language], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_blocks_leave_what_the_readme_says(folder):
    if not (folder / "runs").exists():
        pytest.skip("the blocks before this test were not run")
    with open(folder / "answers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100
    assert list(rows[0]) == ["prediction", "p(no)", "p(yes)"]
    assert (folder / "runs/churn/model.safetensors").is_file()
    assert (folder / "runs/churn/ledger.jsonl").read_text().count('"opening"') == 1


@pytest.mark.parametrize("target", sorted({*re.findall(r"`make (\w+)`", README), "bench", "lint"}))
def test_make_knows_each_target_named(target):
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere_and_the_readme_stays_short():
    assert len(README.splitlines()) < 150
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
