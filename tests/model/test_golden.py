"""Model files of every format, written once, load for ever and answer what they answered then."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from goodfit.model.file import FORMAT, load_model, model_bytes

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path.stem for path in GOLDEN.glob("*.safetensors"))


def rows_of(kept):
    """Return columns, null where missing; or images."""
    if isinstance(kept, list):
        return np.array(kept, np.uint8)
    return {
        name: cells if any(isinstance(cell, str) for cell in cells) else np.array(cells, float)
        for name, cells in kept.items()
    }


def test_every_format_has_a_file():
    assert {f"format-{n}" for n in range(1, FORMAT + 1)} == {"-".join(name.split("-")[:2]) for name in FILES}


@pytest.mark.parametrize("name", FILES)
def test_a_kept_file_answers_as_it_did(name):
    model = load_model(GOLDEN / f"{name}.safetensors")
    kept = json.loads((GOLDEN / f"{name}.json").read_text())
    found = model.outputs(model.schema.encode(rows_of(kept["rows"])))
    np.testing.assert_allclose(found, kept["outputs"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(f"format-{FORMAT}")])
def test_a_file_of_this_format_is_written_as_it_was(name):
    path = GOLDEN / f"{name}.safetensors"
    assert model_bytes(load_model(path)) == path.read_bytes()
