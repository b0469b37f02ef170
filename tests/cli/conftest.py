"""A finished run, made once by the real command, and the command in this process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from goodfit.cli.main import app


def make_csv(path: Path, rows: int = 120) -> Path:
    """A table of two numbers, a category with a rare value, and a class they decide."""
    rng = np.random.default_rng(0)
    size, age = rng.normal(size=rows), rng.integers(20, 60, rows)
    town = rng.choice(["Bern", "Genf", "Basel"], rows)
    grade = np.where(size + (town == "Bern") > 0.3, "good", "poor")
    lines = [f"{s:.4f},{a},{t},{g}" for s, a, t, g in zip(size, age, town, grade, strict=True)]
    path.write_text("size,age,town,grade\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def goodfit():
    """Run the command in this process: ``goodfit("fit", "iris")`` has stdout, stderr, exit_code."""
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture(scope="session")
def table(tmp_path_factory) -> Path:
    return make_csv(tmp_path_factory.mktemp("data") / "people.csv")


@pytest.fixture(scope="session")
def fitted(goodfit, table, tmp_path_factory) -> dict:
    """The result of one short fit with its exam."""
    out = tmp_path_factory.mktemp("fitted") / "run"
    done = goodfit("fit", table, "--target", "grade", "--budget", "4 members", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def sealed(goodfit, table, tmp_path_factory) -> dict:
    """The result of one short fit that kept its test set sealed."""
    out = tmp_path_factory.mktemp("sealed") / "run"
    words = (
        "fit",
        table,
        "--target",
        "grade",
        "--budget",
        "2 members",
        "--out",
        out,
        "--keep-sealed",
        "--json",
    )
    done = goodfit(*words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
