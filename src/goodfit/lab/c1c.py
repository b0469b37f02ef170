"""1c. Do the paper's β work almost everywhere?"""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.lab.c1b import recipe
from goodfit.lab.comparison import Claim, Comparison, Plan, Record, mean_of_seeds
from goodfit.lab.curves import loss_near
from goodfit.lab.training import Arm, Bench, watch
from goodfit.report.figures import heatmap
from goodfit.report.page import Table
from goodfit.techniques.optimizers import Adam

UPDATES = 1000
BETA1 = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
BETA2 = (0.9, 0.99, 0.999, 0.9999)
PAPER = "0.9, 0.999"
NOISE = 0.02  # nats; about the spread of one cell over seeds


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    steps = plan.length(UPDATES)
    arms = {f"{a:g}, {b:g}": Arm(recipe(Adam(beta1=a, beta2=b))) for a in BETA1 for b in BETA2}
    found = bench.train(
        plan.data, arms, plan.seeds, steps=steps, watch=watch(plan.data, steps, train=False, losses=True)
    )
    record = Record({"arms": list(arms)}, found.arrays())
    final = np.stack([loss_near(record, arm, 1.0, 200) for arm in arms])
    return {"final": final, "diverged": found.diverged}, {"arms": list(arms)}


def _paper_against_best(record: Record) -> np.ndarray:
    """Return the paper's loss − that of the cell which was best on the *other* seeds, (seeds,)."""
    final = record["final"]
    paper = final[record.arms.index(PAPER)]
    n = final.shape[1]
    if n < 2:
        return np.full(n, np.nan)
    others = [np.nanmean(np.delete(final, s, axis=1), axis=1) for s in range(n)]
    return np.array([paper[s] - final[int(np.nanargmin(others[s])), s] for s in range(n)])


def _share_alike(record: Record) -> np.ndarray:
    """Return the share of cells whose loss is at most `NOISE` above the paper's, (seeds,)."""
    paper = record["final"][record.arms.index(PAPER)]
    return (record["final"] <= paper + NOISE).mean(axis=0)


_CLAIMS = (
    Claim(
        "The paper's β1 = 0.9, β2 = 0.999 work as well as any.",
        f"training loss, the paper's β − the cell that was best on the other seeds (as well: below {NOISE})",
        _paper_against_best,
        inside=(-np.inf, NOISE),
        more_is_better=False,
    ),
    Claim(
        "They hardly matter: most of the grid does as well.",
        f"share of cells at most {NOISE} above the paper's loss (most: over ½)",
        _share_alike,
        inside=(0.5, np.inf),
    ),
)


def _grid(record: Record) -> np.ndarray:
    """Return the median over seeds of each cell, NaN where any seed diverged."""
    return np.median(record["final"], axis=1).reshape(len(BETA1), len(BETA2))


def _figure(record: Record) -> dict[str, Any]:
    grid = _grid(record)
    return {
        "figure": heatmap(
            grid,
            row_labels=[f"{b:g}" for b in BETA1],
            column_labels=[f"{b:g}" for b in BETA2],
            row_title="β1",
            column_title="β2",
            value_label="training loss at the end",
            mark=grid <= np.nanmin(grid) + NOISE,
            title=f"outlined: within {NOISE} of the best",
            text_format="{:.3g}",
            top=3 * float(np.nanmin(grid)),
        )
    }


def _tables(record: Record) -> tuple[Table, ...]:
    rows = tuple((arm, mean_of_seeds(record["final"][i])) for i, arm in enumerate(record.arms))
    return (Table(("β1, β2", "training loss at the end"), rows, "Means over seeds with 95 % intervals."),)


COMPARISON = Comparison(
    "1c",
    "Do the paper's β work almost everywhere?",
    "How much do Adam's β1 and β2 matter on the network of 1b, at the learning rate 0.001?",
    "A cell is the training loss of the last 200 updates, the median of the seeds. To be fair to the paper, "
    "the cell that it is compared with is chosen on other seeds than those it is judged by.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Heat map of the training loss over β1 and β2.",
    needs="target",
)
