"""4a and 4b: the book's demonstration on few rows, and the same made fair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from goodfit.lab.comparison import Plan, Record, number
from goodfit.lab.curves import accuracy, accuracy_curves, table_of
from goodfit.lab.training import Arm, Bench, Watch, watch
from goodfit.recipe import Recipe
from goodfit.report.figures import Curve, Panel, curves
from goodfit.report.page import Table
from goodfit.techniques.optimizers import SGD

ROWS, BATCH = 300, 100
LOOKS = 40  # looks along the way, about; the book takes one an epoch, which costs more than the training
RATES = (0.01, 0.03, 0.1, 0.3)
Change = Mapping[str, Any]  # fields of the recipe


def recipe(change: Change, lr: float = 0.01) -> Recipe:
    """Return the network of 4a to 5b: six hidden layers of 100, ReLU, He, SGD, batches of 100."""
    return Recipe((100,) * 6, optimizer=SGD(lr), batch_size=BATCH, **change)


def steps_for(rows: int, epochs: int) -> int:
    """Return the updates in so many of the book's epochs: whole batches only."""
    return max(rows // BATCH, 1) * epochs


def run(plan: Plan, bench: Bench, book: Mapping[str, Change], fair: Mapping[str, Change], epochs: int):
    """Train the book's arms at its learning rate, and the fair arms at each of `RATES`.

    The fair arms are evaluated on two halves of the test rows: the first chooses each arm's learning rate,
    the second tells what that is worth.
    """
    data, rows = plan.data, plan.data.first(ROWS)
    steps = steps_for(rows, plan.length(epochs))
    arms = {name: Arm(recipe(change)) for name, change in book.items()}
    every = steps_for(rows, max(1, round(plan.length(epochs) / LOOKS)))
    looks = watch(data, every, rows=rows, norms=True)
    share = len(book) / (len(book) + len(fair) * len(RATES))
    found = bench.train(data, arms, plan.seeds, rows=rows, steps=steps, watch=looks, share=(0.0, share))
    tuned = {f"{name}, lr {lr:g}": Arm(recipe(change, lr)) for name, change in fair.items() for lr in RATES}
    halves = bench.train(
        data, tuned, plan.seeds, rows=rows, steps=steps, watch=_halves(looks, steps), share=(share, 1.0)
    )
    info = {
        "arms": list(arms),
        "fair_arms": list(fair),
        "per_epoch": max(rows // BATCH, 1),
        "rows": rows,
    }
    return {**found.arrays(), **halves.arrays("fair ")}, info


def _halves(looks: Watch, steps: int) -> Watch:
    """Return a single look at the end: training rows, even test rows, odd test rows."""
    train, test = looks.sets
    even = np.arange(len(test)) % 2 == 0
    return Watch(steps, looks.x, looks.y, np.stack([train, test * even, test * ~even]))


def tuned(record: Record, arm: str) -> tuple[float, np.ndarray, np.ndarray]:
    """Return a fair arm's learning rate, chosen on one half of the test rows, and what it is worth on the
    other: test accuracy (seeds,) and training accuracy (seeds,)."""
    i = list(record.info["fair_arms"]).index(arm)
    error = record["fair error"][i * len(RATES) : (i + 1) * len(RATES), :, -1].astype(np.float64)
    chosen = int(np.argmin(np.nan_to_num(error[:, :, 1], nan=1.0).mean(axis=1)))
    return RATES[chosen], 1.0 - error[chosen, :, 2], 1.0 - error[chosen, :, 0]


def tuned_test(arm: str) -> Callable[[Record], np.ndarray]:
    """Return the function from a record to an arm's test accuracy at its own learning rate."""
    return lambda record: tuned(record, arm)[1]


def at_book_rate(arm: str) -> Callable[[Record], np.ndarray]:
    """Return the function from a record to a fair arm's test accuracy (odd rows) at the book's rate."""

    def found(record: Record) -> np.ndarray:
        i = list(record.info["fair_arms"]).index(arm) * len(RATES) + RATES.index(0.01)
        return 1.0 - record["fair error"][i, :, -1, 2].astype(np.float64)

    return found


def on_training(arm: str) -> Callable[[Record], np.ndarray]:
    """Return the function from a record to a book's arm's final training accuracy."""
    return lambda record: accuracy(record, arm, 0)


def on_test(arm: str) -> Callable[[Record], np.ndarray]:
    """Return the function from a record to a book's arm's final test accuracy."""
    return lambda record: accuracy(record, arm, 1)


def gap(arm: str) -> Callable[[Record], np.ndarray]:
    """Return the function from a record to training − test accuracy at the end."""
    return lambda record: accuracy(record, arm, 0) - accuracy(record, arm, 1)


def figures(record: Record) -> dict[str, Any]:
    """Return the book's picture with Σ‖W‖² beside it, and the fair comparison by learning rate."""
    per = record.info["per_epoch"]
    both = {}
    line_of = {}
    for place, what in enumerate(("training", "test")):
        for arm, curve in accuracy_curves(record, record.arms, place, per).items():
            both[f"{arm}, {what}"] = curve
            line_of[f"{arm}, {what}"] = arm
    norms = {arm: Curve(record["steps"] / per, record.of("norm", arm)) for arm in record.arms}
    first = curves(
        [
            Panel("", both, "epoch", "accuracy", y_limits=(0.0, 1.05), line_of=line_of),
            Panel("", norms, "epoch", "Σ‖W‖²"),
        ],
        columns=2,
    )
    fair = {}
    for i, arm in enumerate(record.info["fair_arms"]):
        error = record["fair error"][i * len(RATES) : (i + 1) * len(RATES), :, -1, 2]
        fair[arm] = Curve(np.array(RATES), 1.0 - error.astype(np.float64).T)
    second = curves([Panel("", fair, "learning rate", "test accuracy", x_log=True)])
    return {"figure": first, "fair": second}


def tables(record: Record) -> tuple[Table, ...]:
    """Return the book's arms at its learning rate, and the fair ones at their own."""
    names = record.arms
    first = table_of(
        {
            "training accuracy": {arm: accuracy(record, arm, 0) for arm in names},
            "test accuracy": {arm: accuracy(record, arm, 1) for arm in names},
            "gap": {arm: gap(arm)(record) for arm in names},
            "Σ‖W‖²": {arm: record.of("norm", arm)[:, -1].astype(np.float64) for arm in names},
        },
        caption=f"The book's settings, {record.info['rows']} rows; means over seeds with 95 % intervals.",
    )
    fair = list(record.info["fair_arms"])
    worth = {arm: tuned(record, arm) for arm in fair}
    second = table_of(
        {
            "training accuracy": {arm: worth[arm][2] for arm in fair},
            "test accuracy": {arm: worth[arm][1] for arm in fair},
        },
        caption="Made fair: every arm at the learning rate that suits it, chosen on half of the test rows "
        f"among {', '.join(map(number, RATES))} and judged on the other.",
    )
    rows = tuple((row[0], f"{worth[row[0]][0]:g}", *row[1:]) for row in second.rows)
    return (first, Table((second.head[0], "learning rate", *second.head[1:]), rows, second.caption))
