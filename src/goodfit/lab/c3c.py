"""3c. Three claims for batch normalisation, each measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.lab.comparison import Claim, Comparison, Plan, Record
from goodfit.lab.curves import accuracy, table_of
from goodfit.lab.training import Arm, Bench, watch
from goodfit.recipe import Recipe
from goodfit.report.figures import Curve, Panel, curves
from goodfit.report.page import Table
from goodfit.techniques.initializers import Gaussian
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.optimizers import SGD

ROWS, EPOCHS, BATCH = 1000, 50, 100
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
SCALES = (0.003, 0.01, 0.03, 0.1, 0.3)
LEARNED = 0.9  # training accuracy that counts as usable
ARMS = ("batch norm", "no batch norm")
DROPS = (0.0, 0.2)


def _recipe(norm: BatchNorm | bool, *, lr: float = 0.1, **more: Any) -> Recipe:
    return Recipe((100,) * 5, optimizer=SGD(lr), batch_norm=norm, batch_size=BATCH, **more)


def _arms() -> dict[str, Arm]:
    arms = {}
    for name, norm in zip(ARMS, (True, False), strict=True):
        arms |= {f"{name}, lr {lr:g}": Arm(_recipe(norm, lr=lr)) for lr in RATES}
        arms |= {f"{name}, σ = {s:g}": Arm(_recipe(norm, init=Gaussian(s))) for s in SCALES}
        arms |= {f"{name}, dropout {d:g}": Arm(_recipe(norm, dropout=d)) for d in DROPS}
    arms["batch norm after"] = Arm(_recipe(BatchNorm(position="after")))
    return arms


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    rows = plan.data.first(ROWS)
    steps = max(rows // BATCH, 1) * plan.length(EPOCHS)
    arms = _arms()
    looks = watch(plan.data, max(1, steps // 2), rows=rows)
    found = bench.train(plan.data, arms, plan.seeds, rows=rows, steps=steps, watch=looks)
    return found.arrays(), {"arms": list(arms), "rows": rows}


def _over(record: Record, arm: str, kind: str, values: tuple[float, ...], place: int = 0) -> np.ndarray:
    """Return accuracies (values, seeds) of an arm over learning rates or scales; set 0 training, 1 test."""
    sign = "lr " if kind == "lr" else "σ = "
    return np.stack([accuracy(record, f"{arm}, {sign}{v:g}", place) for v in values])


def _largest_rate(arm: str) -> Any:
    def largest(record: Record) -> np.ndarray:
        """Return log10 of the largest learning rate that learned, (seeds,); a decade below all if none "
        "did."""
        usable = np.nan_to_num(_over(record, arm, "lr", RATES), nan=0.0) >= LEARNED
        return np.max(np.where(usable, np.log10(RATES)[:, None], np.log10(RATES[0]) - 1), axis=0)

    return largest


def _dependence(arm: str) -> Any:
    """Return how much the accuracy varies over the scales: standard deviation, (seeds,)."""
    return lambda record: np.nan_to_num(_over(record, arm, "σ", SCALES), nan=0.0).std(axis=0)


def _test(arm: str, drop: float) -> Any:
    return lambda record: accuracy(record, f"{arm}, dropout {drop:g}", 1)


def _gap(arm: str) -> Any:
    name = f"{arm}, dropout 0"
    return lambda record: accuracy(record, name, 0) - accuracy(record, name, 1)


def _gain(arm: str) -> Any:
    """Return what dropout adds to the test accuracy of an arm, (seeds,)."""
    return lambda record: _test(arm, DROPS[1])(record) - _test(arm, DROPS[0])(record)


_CLAIMS = (
    Claim(
        "Batch normalisation makes larger learning rates usable.",
        f"log10 of the largest learning rate that reaches training accuracy {LEARNED:g}, with − without",
        _largest_rate("batch norm"),
        _largest_rate("no batch norm"),
    ),
    Claim(
        "The network depends less on its initial weights.",
        "spread of the training accuracy over five initial scales (diverged: 0), without − with",
        _dependence("no batch norm"),
        _dependence("batch norm"),
    ),
    Claim(
        "It over-fits less.",
        "training − test accuracy, without − with",
        _gap("no batch norm"),
        _gap("batch norm"),
        more_is_better=False,
    ),
    Claim(
        "It lowers the need for dropout.",
        "what dropout 0.2 adds to the test accuracy, without − with batch norm",
        _gain("no batch norm"),
        _gain("batch norm"),
    ),
    Claim(
        "In front of the activation is the better place.",
        "test accuracy, before − after",
        _test("batch norm", 0.0),
        lambda r: accuracy(r, "batch norm after", 1),
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    def panel(title: str, kind: str, values: tuple[float, ...], label: str) -> Panel:
        arms = {arm: Curve(np.array(values), _over(record, arm, kind, values).T) for arm in ARMS}
        return Panel(title, arms, label, "training accuracy", x_log=True, y_limits=(0.0, 1.05))

    panels = [
        panel("Larger learning rates?", "lr", RATES, "learning rate"),
        panel("Any initial scale?", "σ", SCALES, "σ of the initial weights (learning rate 0.1)"),
    ]
    drops = np.array(DROPS)
    arms = {arm: Curve(drops, np.stack([_test(arm, d)(record) for d in DROPS], axis=1)) for arm in ARMS}
    panels.append(Panel("Less need for dropout?", arms, "dropout ratio", "test accuracy"))
    return {"figure": curves(panels, columns=3, direct_labels=False)}


def _tables(record: Record) -> tuple[Table, ...]:
    names = record.arms
    columns = {
        "training accuracy": {arm: accuracy(record, arm, 0) for arm in names},
        "test accuracy": {arm: accuracy(record, arm, 1) for arm in names},
    }
    rows = record.info["rows"]
    words = f"After the last epoch on {rows} rows, learning rate 0.1 unless said; means over seeds."
    return (table_of(columns, caption=words),)


COMPARISON = Comparison(
    "3c",
    "Three claims for batch normalisation",
    "Does batch normalisation allow larger learning rates, forgive bad initial weights, and replace dropout?",
    "Each claim has its own arms on the network of 3b, with He's initial weights and learning rate 0.1 "
    "unless that is what varies. A learning rate counts as usable if nine tenths of the training rows come "
    "out right.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Three charts: accuracy by learning rate, by initial scale, and by dropout ratio, with and without it.",
)
