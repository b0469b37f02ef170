"""2d. Initial weights and learning."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from goodfit.lab.c1b import UPDATES, recipe
from goodfit.lab.comparison import Claim, Comparison, Plan, Record
from goodfit.lab.curves import accuracy, loss_curves, loss_near, table_of
from goodfit.lab.training import Arm, Bench, watch
from goodfit.report.figures import Panel, curves
from goodfit.report.page import Table
from goodfit.techniques.initializers import Gaussian, He, Initializer, Xavier
from goodfit.techniques.optimizers import SGD

RULES: dict[str, Initializer] = {"σ = 0.01": Gaussian(0.01), "Xavier": Xavier(), "He": He()}
STUCK = 0.02  # nats from knowing nothing


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    steps = plan.length(UPDATES)
    arms = {name: Arm(dataclasses.replace(recipe(SGD()), init=init)) for name, init in RULES.items()}
    found = bench.train(
        plan.data, arms, plan.seeds, steps=steps, watch=watch(plan.data, steps, train=False, losses=True)
    )
    facts = {"arms": list(arms), "classes": plan.data.is_classes, "blind": plan.data.blind_loss()}
    return found.arrays(), facts


def _near_end(arm: str) -> Any:
    return lambda record: loss_near(record, arm, 0.95)


_CLAIMS = (
    Claim(
        "With σ = 0.01 nothing is learned: the loss stays where knowing nothing leaves it (ln 10 for ten "
        "balanced classes).",
        f"training loss near 95 % of the updates − the loss of knowing nothing (stays: within {STUCK})",
        _near_end("σ = 0.01"),
        lambda r: r.info["blind"],
        inside=(-STUCK, STUCK),
        more_is_better=False,
    ),
    Claim(
        "He learns faster than Xavier.",
        "training loss near 95 % of the updates, Xavier − He",
        _near_end("Xavier"),
        _near_end("He"),
        more_is_better=False,
    ),
    Claim(
        "Xavier learns faster than σ = 0.01.",
        "training loss near 95 % of the updates, σ = 0.01 − Xavier",
        _near_end("σ = 0.01"),
        _near_end("Xavier"),
        more_is_better=False,
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    panel = Panel(
        "",
        loss_curves(record),
        "update",
        "training loss (mean of 25 updates)",
        levels={"knowing nothing": record.info["blind"]},
    )
    return {"figure": curves([panel])}


def _tables(record: Record) -> tuple[Table, ...]:
    columns = {
        f"loss near {share:.0%} of the updates": {arm: loss_near(record, arm, share) for arm in record.arms}
        for share in (0.25, 0.5, 0.95)
    }
    if record.info["classes"]:
        columns["test accuracy at the end"] = {arm: accuracy(record, arm, 0) for arm in record.arms}
    return (table_of(columns, first="initial weights"),)


COMPARISON = Comparison(
    "2d",
    "Initial weights and learning",
    "How fast does the network of 1b learn by SGD (learning rate 0.01) from three kinds of initial weights?",
    "With σ = 0.01 the activations shrink from layer to layer (2c), and so do the gradients: only the last "
    "bias learns, and the loss rests at what the class frequencies alone are worth.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Training loss by update, one line for each kind of initial weights.",
    needs="target",
)
