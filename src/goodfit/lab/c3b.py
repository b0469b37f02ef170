"""3b. Batch normalisation across 16 initial scales."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.lab.comparison import Claim, Comparison, Plan, Record, mean_of_seeds
from goodfit.lab.curves import accuracy
from goodfit.lab.training import Arm, Bench, watch
from goodfit.recipe import Recipe
from goodfit.report.figures import Curve, Panel, curves
from goodfit.report.page import Table
from goodfit.techniques.initializers import Gaussian
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.optimizers import SGD

SCALES = np.logspace(0, -4, 16)
RIGHT = (4, 5)  # the scales .086 and .046 lie below He's √(2/100) = .14; .158 is nearest to it
ROWS, EPOCHS, BATCH = 1000, 20, 100
ARMS = ("batch norm", "no batch norm")
BOOKS = BatchNorm(epsilon=1e-6, bias_correction=False)


def _name(arm: str, scale: float) -> str:
    return f"{arm}, σ = {scale:.4f}"


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    rows = plan.data.first(ROWS)
    per_epoch = max(rows // BATCH, 1)
    arms = {
        _name(name, scale): Arm(
            Recipe(
                (100,) * 5,
                optimizer=SGD(0.01),
                init=Gaussian(float(scale)),
                batch_norm=BOOKS if name == ARMS[0] else False,
                batch_size=BATCH,
            )
        )
        for name in ARMS
        for scale in SCALES
    }
    found = bench.train(
        plan.data,
        arms,
        plan.seeds,
        rows=rows,
        steps=per_epoch * plan.length(EPOCHS),
        watch=watch(plan.data, per_epoch, rows=rows, test=False),
    )
    guess = plan.data.majority(rows)
    return found.arrays(), {"arms": list(arms), "per_epoch": per_epoch, "rows": rows, "majority": guess}


def final(record: Record, arm: str) -> np.ndarray:
    """Return the final training accuracy, (scales, seeds), NaN where diverged."""
    return np.stack([accuracy(record, _name(arm, scale), 0) for scale in SCALES])


def _share_won(record: Record) -> np.ndarray:
    """Return the share of scales at which batch norm ends higher; a diverged network loses."""
    with_norm, without = (np.nan_to_num(final(record, arm), nan=-1.0) for arm in ARMS)
    return (with_norm > without).mean(axis=0)


def _small_scales(record: Record) -> np.ndarray:
    """Return the best accuracy without batch norm over the scales below 0.02, (seeds,)."""
    return np.max(final(record, "no batch norm")[SCALES < 0.02], axis=0)


def _at_best_scale(arm: str) -> Any:
    """Return the accuracy at the scale nearest to He's, where a plain network does best, (seeds,)."""
    place = int(np.argmin(np.abs(np.log(SCALES / np.sqrt(2 / 100)))))
    return lambda record: final(record, arm)[place]


_CLAIMS = (
    Claim(
        "Learning is faster with batch normalisation at almost every scale.",
        "share of the 16 scales at which it ends higher (almost every: over ¾)",
        _share_won,
        inside=(0.75, np.inf),
    ),
    Claim(
        "Without it, and with a bad scale, nothing is learned at all.",
        "training accuracy without it, the best scale below 0.02 − always guessing the commonest class "
        "(nothing: below 0.05)",
        _small_scales,
        lambda r: r.info["majority"],
        inside=(-np.inf, 0.05),
    ),
    Claim(
        "It is faster also at the right scale (σ = 0.158, next to He's).",
        "training accuracy after the last epoch, with − without",
        _at_best_scale("batch norm"),
        _at_best_scale("no batch norm"),
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    x = record["steps"] / record.info["per_epoch"]
    panels = []
    for i, scale in enumerate(SCALES):
        arms = {
            arm: Curve(x, 1.0 - record.of("error", _name(arm, scale))[:, :, 0].astype(np.float64))
            for arm in ARMS
        }
        gone = {arm: int(np.isnan(final(record, arm)[i]).sum()) for arm in ARMS}
        seeds = len(record.info["seeds"])
        note = "; ".join(f"{arm}: {n} of {seeds} diverged" for arm, n in gone.items() if n)
        panels.append(
            Panel(f"σ = {scale:.2g}", arms, "epoch", "training accuracy", y_limits=(0.0, 1.0), note=note)
        )
    return {"figure": curves(panels, columns=4, direct_labels=False, share_y=True)}


def _tables(record: Record) -> tuple[Table, ...]:
    both = [final(record, arm) for arm in ARMS]
    rows = tuple(
        (f"{scale:.4f}", mean_of_seeds(both[0][i]), mean_of_seeds(both[1][i]))
        for i, scale in enumerate(SCALES)
    )
    words = f"Training accuracy after the last epoch on {record.info['rows']} rows; means over seeds."
    return (Table(("σ", *ARMS), rows, words),)


COMPARISON = Comparison(
    "3b",
    "Batch normalisation across 16 initial scales",
    "Does batch normalisation make learning faster, and does it free us from choosing the initial scale "
    "well?",
    "With batch normalisation every scale but the extremes learns. Without it there is a window of scales, "
    "about He's; inside it the plain network is the faster one, at this learning rate. A diverged network is "
    "called so: the book's picture shows it at the accuracy of always answering 0.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Sixteen small charts of training accuracy by epoch, with and without batch normalisation.",
)
