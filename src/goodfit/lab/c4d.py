"""4d. Why networks over-fit: rows, width and depth."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.lab.comparison import Claim, Comparison, Plan, Record, mean_of_seeds
from goodfit.lab.data import LabData
from goodfit.lab.training import Arm, Bench, Watch
from goodfit.recipe import Recipe
from goodfit.report.figures import Curve, Panel, curves
from goodfit.report.page import Table
from goodfit.techniques.optimizers import SGD

ROWS = (100, 300, 1000, 3000, 10_000, 60_000)
SHAPES = {"30 wide, 2 deep": (30,) * 2, "100 wide, 2 deep": (100,) * 2, "300 wide, 2 deep": (300,) * 2,
          "100 wide, 6 deep": (100,) * 6}  # fmt: skip
UPDATES, RATE, BATCH = 600, 0.1, 100
FEW, MANY = 300, 3000  # the rows between which the claims look
SEEN = 2000  # training rows of each network that its training accuracy is measured on


def _sizes(data: LabData) -> list[int]:
    sizes = [n for n in ROWS if n <= len(data.x)]
    return sizes if len(sizes) > 1 else [max(2, len(data.x) // 4), len(data.x)]


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    data, sizes = plan.data, _sizes(plan.data)
    assert data.y is not None
    assert data.y_test is not None
    seen = min(SEEN, sizes[-1])
    arms = {
        f"{shape}, {n} rows": Arm(
            Recipe(hidden, optimizer=SGD(RATE), batch_size=BATCH),
            rows=np.arange(n, dtype=np.int32),
            sets=_sets(min(n, seen), seen, len(data.x_test)),
        )
        for shape, hidden in SHAPES.items()
        for n in sizes
    }
    steps = plan.length(UPDATES)
    x = np.concatenate([data.x[:seen], data.x_test])
    y = np.concatenate([data.y[:seen], data.y_test])
    looks = Watch(steps, x, y, _sets(seen, seen, len(data.x_test)))
    found = bench.train(data, arms, plan.seeds, rows=sizes[-1], steps=steps, watch=looks)
    shape = (len(SHAPES), len(sizes), len(plan.seeds))
    accuracy = 1.0 - found.error[:, :, -1].astype(np.float64)
    arrays = {"train": accuracy[..., 0].reshape(shape), "test": accuracy[..., 1].reshape(shape)}
    return {**arrays, "diverged": found.diverged}, {"arms": list(SHAPES), "sizes": sizes}


def _sets(n: int, seen: int, tested: int) -> np.ndarray:
    sets = np.zeros((2, seen + tested), np.float32)
    sets[0, :n], sets[1, seen:] = 1, 1
    return sets


def _gap(record: Record, shape: str, rows: int) -> np.ndarray:
    """Return training − test accuracy at the recorded size next to ``rows``, (seeds,)."""
    sizes = np.array(record.info["sizes"])
    i = int(np.argmin(np.abs(np.log(sizes / rows))))
    return record.of("train", shape)[i] - record.of("test", shape)[i]


def _test(record: Record, shape: str, rows: int) -> np.ndarray:
    i = int(np.argmin(np.abs(np.log(np.array(record.info["sizes"]) / rows))))
    return record.of("test", shape)[i]


_CLAIMS = (
    Claim(
        "Few rows make a network over-fit.",
        f"training − test accuracy of 100 wide, 6 deep, about {FEW} rows − about {MANY}",
        lambda r: _gap(r, "100 wide, 6 deep", FEW),
        lambda r: _gap(r, "100 wide, 6 deep", MANY),
        more_is_better=False,
    ),
    Claim(
        "Wider networks, having more parameters, over-fit more.",
        f"training − test accuracy at about {FEW} rows, 300 wide − 30 wide",
        lambda r: _gap(r, "300 wide, 2 deep", FEW),
        lambda r: _gap(r, "30 wide, 2 deep", FEW),
        more_is_better=False,
    ),
    Claim(
        "Deeper networks over-fit more.",
        f"training − test accuracy at about {FEW} rows, 6 deep − 2 deep",
        lambda r: _gap(r, "100 wide, 6 deep", FEW),
        lambda r: _gap(r, "100 wide, 2 deep", FEW),
        more_is_better=False,
    ),
    Claim(
        "So narrower networks do better on few rows.",
        f"test accuracy at about {FEW} rows, 30 wide − 300 wide",
        lambda r: _test(r, "30 wide, 2 deep", FEW),
        lambda r: _test(r, "300 wide, 2 deep", FEW),
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    x = np.array(record.info["sizes"])

    def panel(title: str, values: Any) -> Panel:
        arms = {shape: Curve(x, values(shape).T) for shape in record.arms}
        return Panel(title, arms, "training rows", title, x_log=True)

    gaps = panel("training − test accuracy", lambda s: record.of("train", s) - record.of("test", s))
    return {"figure": curves([gaps, panel("test accuracy", lambda s: record.of("test", s))], columns=2)}


def _tables(record: Record) -> tuple[Table, ...]:
    head = ("network", *(f"{n:,} rows" for n in record.info["sizes"]))
    tables = []
    for words, values in (
        ("Training − test accuracy", record["train"] - record["test"]),
        ("Test accuracy", record["test"]),
    ):
        rows = tuple((arm, *(mean_of_seeds(one) for one in values[i])) for i, arm in enumerate(record.arms))
        tables.append(Table(head, rows, f"{words}; means over seeds with 95 % intervals."))
    return tuple(tables)


COMPARISON = Comparison(
    "4d",
    "Why networks over-fit",
    "How does the gap between training and test accuracy depend on the number of rows, the width and the "
    "depth?",
    f"Every network is trained for {UPDATES} updates of {BATCH} rows at learning rate {RATE}, so that small "
    "sets are seen often and large ones hardly more than once. The gap is a matter of rows first; a wider "
    "network has many more parameters and still need not have the worse test accuracy.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Gap and test accuracy by number of training rows, one line a network shape.",
)
