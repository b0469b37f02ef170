"""1b. Update rules on the same network."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.lab.comparison import Claim, Comparison, Plan, Record
from goodfit.lab.curves import accuracy, loss_curves, loss_near, table_of
from goodfit.lab.training import Arm, Bench, watch
from goodfit.recipe import Recipe
from goodfit.report.figures import Panel, curves
from goodfit.report.page import Table
from goodfit.techniques.initializers import He
from goodfit.techniques.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSProp

UPDATES = 2000
RULES = (SGD(), Momentum(), AdaGrad(), Adam(), Nesterov(), RMSProp(), AdamW())
BOOK = ("Momentum", "AdaGrad", "Adam")


def recipe(rule: Optimizer) -> Recipe:
    """Return the network of 1b, 1c and 2d: four hidden layers of 100, ReLU, batches of 128."""
    return Recipe((100,) * 4, optimizer=rule, init=He(), batch_size=128)


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    steps = plan.length(UPDATES)
    arms = {type(rule).__name__: Arm(recipe(rule)) for rule in RULES}
    found = bench.train(
        plan.data, arms, plan.seeds, steps=steps, watch=watch(plan.data, steps, train=False, losses=True)
    )
    return found.arrays(), {"arms": list(arms), "classes": plan.data.is_classes}


def _near_end(record: Record, arm: str) -> np.ndarray:
    return loss_near(record, arm, 0.95)


def _spread(record: Record) -> np.ndarray:
    values = np.stack([_near_end(record, arm) for arm in BOOK])
    return (values.max(axis=0) - values.min(axis=0)) / (_near_end(record, "SGD") - values.mean(axis=0))


_CLAIMS = (
    Claim(
        "SGD learns slowest.",
        "training loss near 95 % of the updates, SGD − the highest of Momentum, AdaGrad, Adam",
        lambda r: _near_end(r, "SGD"),
        lambda r: np.max([_near_end(r, arm) for arm in BOOK], axis=0),
    ),
    Claim(
        "The other three learn about alike.",
        "their spread ÷ how far SGD lies behind their mean (alike: below ½)",
        _spread,
        inside=(-np.inf, 0.5),
    ),
    Claim(
        "AdaGrad is a little ahead.",
        "training loss near 95 % of the updates, the lower of Momentum and Adam − AdaGrad",
        lambda r: np.min([_near_end(r, arm) for arm in ("Momentum", "Adam")], axis=0),
        lambda r: _near_end(r, "AdaGrad"),
    ),
    Claim(
        "AdaGrad is ahead in the first hundred updates.",
        "training loss near 5 % of the updates, the lower of Momentum and Adam − AdaGrad",
        lambda r: np.min([loss_near(r, arm, 0.05, 50) for arm in ("Momentum", "Adam")], axis=0),
        lambda r: loss_near(r, "AdaGrad", 0.05, 50),
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    arms = loss_curves(record)
    start = float(np.nanmedian(arms["SGD"].y[:, 0]))
    lowest = float(np.nanmin([np.nanmedian(curve.y[:, -1]) for curve in arms.values()]))
    beyond = [arm for arm, curve in arms.items() if np.nanmax(np.nanmedian(curve.y, axis=0)) > 1.5 * start]
    panel = Panel(
        "",
        arms,
        "update",
        "training loss (mean of 25 updates)",
        y_log=True,
        y_limits=(lowest / 1.5, 1.5 * start),
        note="; ".join(f"{arm} leaves the picture at first" for arm in beyond),
    )
    return {"figure": curves([panel])}


def _tables(record: Record) -> tuple[Table, ...]:
    columns = {
        f"loss near {share:.0%} of the updates": {
            arm: loss_near(record, arm, share, 50 if share < 0.5 else 100) for arm in record.arms
        }
        for share in (0.05, 0.25, 0.5, 0.95)
    }
    if record.info["classes"]:
        columns["test accuracy at the end"] = {arm: accuracy(record, arm, 0) for arm in record.arms}
    return (table_of(columns, first="rule"),)


COMPARISON = Comparison(
    "1b",
    "Update rules on the same network",
    "Which update rule lowers the training loss fastest, each at its default learning rate?",
    "All rules start from the same weights and see the same batches, seed by seed. A rule's place depends on "
    "its learning rate: SGD is slow at 0.01 because 0.01 is small for it, and RMSProp is rough at 0.01 "
    "because 0.01 is large for it. The chapter compares the first four; Nesterov, RMSProp and AdamW are "
    "added.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Training loss by update, one line an update rule.",
    needs="target",
)
