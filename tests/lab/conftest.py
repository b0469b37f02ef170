"""Small data for the lab's tests, and one lab folder that several tests look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from goodfit.lab.catalogue import chosen
from goodfit.lab.data import LabData, load_data
from goodfit.lab.run import run_lab

FAST = ("1a", "2a", "2c", "2d", "4c", "5b")  # few programs to compile


@pytest.fixture(scope="session")
def digits() -> LabData:
    return load_data("digits")


@pytest.fixture(scope="session")
def small() -> LabData:
    """Three classes of 8 numbers, learned in a moment."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(3, 8)) * 2
    y = rng.integers(3, size=400).astype(np.int32)
    x = (centres[y] + rng.normal(size=(400, 8))).astype(np.float32)
    return LabData(
        "small", x[:300], y[:300], x[300:], y[300:], ("a", "b", "c"), 1.0, "hash", True, "the rest"
    )


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, small: LabData) -> Path:
    """The folder of a quick run of the fast comparisons with four seeds."""
    out = tmp_path_factory.mktemp("lab")
    run_lab(chosen(FAST), small, out, seeds=4, quick=True)
    return out
