"""The lab against the book's own way: what a lab run took, and what it would have taken network by network.

    GOODFIT_DATA=… goodfit lab run all --out RUN
    GOODFIT_DATA=… python benchmarks/lab.py RUN [--seconds 1]

Reads what each comparison trained from its records (how many networks of which structure, how many
updates, how many rows evaluated), times one network of each structure in the book's way (benchmarks/book.py:
NumPy, float64, one network after another), and multiplies. Two totals: with exactly the lab's evaluations,
and as the book's programs have it, which compute the loss again after every update (1b, 2d) and evaluate
after every epoch (4a, 4b, 5a). Comparisons that train nothing count their own time here and nothing there.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from book import cost

from goodfit.lab.data import LabData, default_data
from goodfit.lab.records import records_of
from goodfit.recipe import Recipe
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.optimizers import Adam, AdamW

AGAIN = ("1b", "1c", "2d")  # the loss is computed again after each update, as the book's program for 1b does
EPOCHS = {"4a": 201, "4b": 301, "5a": 50}  # the book's looks: after each epoch


def books(recipe: Recipe) -> Recipe:
    """Return the nearest recipe that the book's code has."""
    changes: dict[str, Any] = {}
    if isinstance(recipe.norm, BatchNorm):
        changes["batch_norm"] = BatchNorm(epsilon=1e-6, bias_correction=False)
    if isinstance(recipe.optimizer, AdamW):
        changes["optimizer"] = Adam()
    return replace(recipe, **changes)


def book_seconds(name: str, work: list[dict[str, Any]], data: LabData, seconds: float) -> tuple[float, float]:
    """Return what a comparison's work would take in the book's way: with equal looks, and with the book's."""
    assert data.y is not None
    assert data.y_test is not None
    x, x_test = (a.astype(np.float32) * np.float32(data.scale) for a in (data.x, data.x_test))
    equal = own = 0.0
    for part in work:
        recipe = Recipe.from_json(part["recipe"])
        found = cost(books(recipe), x, data.y, x_test, data.y_test, seconds=seconds)
        updates = part["members"] * part["steps"]
        equal += updates * found.step + part["members"] * part["rows"] * found.row
        looked = part["rows"]
        if name in EPOCHS and looked:
            looks_rows = 500 if name == "5a" else 300 + len(data.x_test)
            looked = looks_rows * EPOCHS[name] if looked > looks_rows else looked
        again = found.second_forward if name in AGAIN else 0.0
        own += updates * (found.step + again) + part["members"] * looked * found.row
    return equal, own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a lab run")
    parser.add_argument("--seconds", type=float, default=1.0, help="of timing for each structure")
    options = parser.parse_args()
    data = default_data()
    total = np.zeros(3)
    print(
        f"{'':4}{'networks':>9}{'updates':>11}{'lab s':>9}{'equal looks':>13}{'book looks':>12}{'ratio':>8}"
    )
    for one, record in records_of(options.run):
        info = record.info
        equal, own = book_seconds(one.id, info["work"], data, options.seconds)
        total += (info["seconds"], equal, own)
        ratio = f"{equal / info['seconds']:8.1f}" if equal else ""
        counts = f"{one.id:4}{info['members']:9,}{info['steps']:11,}{info['seconds']:9.1f}"
        print(f"{counts}{equal:13.0f}{own:12.0f}{ratio}", flush=True)
    print(
        f"{'all':4}{'':20}{total[0]:9.0f}{total[1]:13.0f}{total[2]:12.0f}{total[1] / total[0]:8.1f}"
        f"  (book's looks: {total[2] / total[0]:.1f})"
    )


if __name__ == "__main__":
    main()
