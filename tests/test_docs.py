"""The pages under docs/ cannot rot: their Python runs, their TOML is a space."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from goodfit.search.recipes import recipe_space
from goodfit.search.space_file import parse_space

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCKS = [
    (f"{page.name}-{number}", language, code)
    for page in sorted(DOCS.glob("*.md"))
    for number, (language, code) in enumerate(
        re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("code", [c for _, kind, c in BLOCKS if kind == "python"])
def test_python_runs(code, tmp_path):
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", [c for _, kind, c in BLOCKS if kind == "toml"])
def test_toml_is_a_space(code):
    space = recipe_space(parse_space(code))
    assert space.size() >= 2
    assert space.ranges
