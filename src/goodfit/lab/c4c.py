"""4c. Ensembles: the mean of K networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.engine.population import Member
from goodfit.ensemble.select import disagreement
from goodfit.lab.comparison import Claim, Comparison, Plan, Record, mean_of_seeds
from goodfit.lab.regularization import ROWS, recipe, steps_for
from goodfit.lab.training import Arm, Bench
from goodfit.model.predict import member_output
from goodfit.report.figures import Curve, Panel, curves
from goodfit.report.page import Table

MOST = 32
SIZES = (1, 2, 4, 8, 16, 32)
EPOCHS, RATE = 101, 0.1
APART = 1000  # between the seeds of one ensemble's networks


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    data, rows = plan.data, plan.data.first(ROWS)
    assert data.y_test is not None
    sizes = [k for k in SIZES if k <= (8 if plan.quick else MOST)]
    arms = {f"network {k + 1}": Arm(recipe({}, RATE), shift=APART * k) for k in range(sizes[-1])}
    place = {name: k for k, name in enumerate(arms)}
    outputs = np.full((len(plan.seeds), len(arms), len(data.x_test), len(data.classes)), np.nan, np.float32)

    def predicted(name: str, seed: int, member: Member) -> None:
        if not member.diverged:
            params, running, _ = member.weights(best=False)
            architecture = data.network.architecture(member.recipe)
            found = member_output(architecture, params, running, data.x_test)
            outputs[plan.seeds.index(seed), place[name]] = found

    steps = steps_for(rows, plan.length(EPOCHS))
    found = bench.train(data, arms, plan.seeds, rows=rows, steps=steps, after=predicted)
    together = np.array([_accuracies(outputs[s], data.y_test, sizes) for s in range(len(plan.seeds))])
    labels, alive = outputs.argmax(axis=-1), found.diverged.T < 0  # seeds, networks
    alone = np.where(alive, (labels == data.y_test).mean(axis=-1), np.nan)
    apart = np.array([disagreement(list(one[kept])) for one, kept in zip(labels, alive, strict=True)])
    arrays = {"together": together, "alone": alone, "apart": apart, "diverged": found.diverged}
    return arrays, {"arms": list(arms), "sizes": sizes, "rows": rows}


def _accuracies(outputs: np.ndarray, y: np.ndarray, sizes: list[int]) -> list[float]:
    """Return the accuracy of the mean of those of the first K networks that did not diverge, for each K.

    ``outputs`` (networks, rows, classes), NaN where diverged; the accuracy is NaN where all of them did.
    """
    alive = ~np.isnan(outputs[:, 0, 0])
    means = [outputs[:k][alive[:k]].mean(axis=0) if alive[:k].any() else None for k in sizes]
    return [np.nan if mean is None else float((mean.argmax(axis=1) == y).mean()) for mean in means]


def _most(record: Record) -> np.ndarray:
    return record["together"][:, -1]


def _one(record: Record) -> np.ndarray:
    """Return the mean accuracy of the networks that did not diverge, (seeds,), NaN where all did."""
    alive = ~np.isnan(record["alone"])
    total = np.nan_to_num(record["alone"]).sum(axis=1)
    return np.where(alive.any(axis=1), total / np.maximum(alive.sum(axis=1), 1), np.nan)


_CLAIMS = (
    Claim(
        "An ensemble is more accurate than one network.",
        "test accuracy, the largest ensemble − the mean of its networks alone",
        _most,
        _one,
    ),
    Claim(
        "It gains some per cent.",
        "test accuracy, the largest ensemble − the mean of its networks alone (some: over 0.01)",
        _most,
        _one,
        inside=(0.01, np.inf),
    ),
    Claim(
        "More networks give more.",
        "test accuracy, the largest ensemble − one of four",
        _most,
        lambda r: r["together"][:, list(r.info["sizes"]).index(4)],
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    sizes = np.array(record.info["sizes"])
    alone = np.repeat(_one(record)[:, None], len(sizes), axis=1)
    arms = {"ensemble of K": Curve(sizes, record["together"]), "one network (mean)": Curve(sizes, alone)}
    return {"figure": curves([Panel("", arms, "networks K", "test accuracy", x_log=True)])}


def _tables(record: Record) -> tuple[Table, ...]:
    rows = [("mean of one", mean_of_seeds(_one(record)))]
    rows += [(f"{k}", mean_of_seeds(record["together"][:, i])) for i, k in enumerate(record.info["sizes"])]
    rows.append(("rows on which two networks disagree", mean_of_seeds(record["apart"])))
    words = (
        f"Trained on {record.info['rows']} rows; means over seeds, each seed an ensemble of its own networks."
    )
    return (Table(("networks", "test accuracy"), tuple(rows), words),)


COMPARISON = Comparison(
    "4c",
    "Ensembles",
    "How much more accurate is the mean of K networks than one of them?",
    "The networks differ in their first weights and batches alone. Where they disagree, most of them are "
    "often right: the mean takes the odd errors away. The first few networks bring most of it. Learning "
    "rate 0.1, since at the book's 0.01 single networks are too weak for a fair question.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Test accuracy of the ensemble by its number of networks.",
)
