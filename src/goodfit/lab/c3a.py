"""3a. Gradient check: back-propagated against numerical gradients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from goodfit.cores import available_cores
from goodfit.engine.gradient_check import gradient_check
from goodfit.lab.comparison import Claim, Comparison, Plan, Record
from goodfit.lab.training import Bench
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.report.figures import dots
from goodfit.report.page import Table
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.losses import LOSSES
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.regularization import Dropout

ROWS, COLUMNS, OUTPUTS = 12, 20, 4
HIDDEN = (10, 10, 10)
SMALL = -5.0  # log10 of the relative error that still counts as equal
BOOK = "batch norm before"
ANEW = 1000  # added to a seed to draw everything anew

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    BOOK: ("softmax_cross_entropy", {"batch_norm": BatchNorm(epsilon=1e-6)}),
    "batch norm after": ("softmax_cross_entropy", {"batch_norm": BatchNorm(position="after")}),
    "layer norm before": ("softmax_cross_entropy", {"layer_norm": True}),
    "layer norm after": ("softmax_cross_entropy", {"layer_norm": LayerNorm(position="after")}),
    **{name: ("softmax_cross_entropy", {"activation": name}) for name in ACTIVATIONS},
    **{
        f"dropout ({form})": ("softmax_cross_entropy", {"dropout": Dropout(0.3, scaling=form)})
        for form in ("inverted", "book", "slip")
    },
    "label smoothing": ("softmax_cross_entropy", {"label_smoothing": 0.1}),
    **{name.replace("_", " "): (name, {}) for name in LOSSES if name != "softmax_cross_entropy"},
}


def _targets(loss: str, rng: np.random.Generator) -> np.ndarray:
    if loss == "softmax_cross_entropy":
        return rng.integers(OUTPUTS, size=ROWS).astype(np.int32)
    numbers = rng.standard_normal((ROWS, OUTPUTS))
    return ((numbers > 0) if loss == "binary_cross_entropy" else numbers).astype(np.float32)


def _rows(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Return rows of the data, their most varied columns, standardised; normal ones where there are too "
    "few."""
    if not plan.data.own or len(plan.data.x) < ROWS:
        return rng.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    x = plan.data.x[rng.permutation(len(plan.data.x))[:ROWS]].astype(np.float64)
    x = x[:, np.argsort(-x.std(axis=0))[:COLUMNS]]
    return ((x - x.mean()) / max(float(x.std()), 1e-12)).astype(np.float32)


def _checked(plan: Plan, kind: str, seed: int) -> dict[str, float]:
    loss, change = KINDS[kind]
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 31], np.uint64)))
    x = _rows(plan, rng)
    network = Network(x.shape[1], OUTPUTS, loss)
    return gradient_check(network, Recipe(HIDDEN, **change), x, _targets(loss, rng), seed=seed)


def _worst(plan: Plan, bench: Bench, kind: str) -> tuple[np.ndarray, str]:
    """Return a kind's largest relative error, (seeds,), and the array that has the largest of all."""
    worst, blame = [], ""
    for seed in plan.seeds:
        if bench.should_stop():
            raise KeyboardInterrupt
        errors = _checked(plan, kind, seed)
        if max(errors.values()) > 10**SMALL:  # a unit at ReLU's kink (one check in a thousand), or a fault:
            errors = _checked(plan, kind, seed + ANEW)  # fresh weights and rows tell the two apart
        name = max(errors, key=lambda key: errors[key])
        if errors[name] >= max(worst, default=0.0):
            blame = name
        worst.append(errors[name])
    return np.array(worst), blame


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    found = []
    with ThreadPoolExecutor(bench.lanes or available_cores()) as pool:  # nearly all of it is compiling
        for one in pool.map(lambda kind: _worst(plan, bench, kind), KINDS):
            found.append(one)
            bench.tell(len(found) / len(KINDS))
    worst, blame = zip(*found, strict=True)
    return {"worst": np.stack(worst)}, {"arms": list(KINDS), "blame": dict(zip(KINDS, blame, strict=True))}


def _size(value: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(value, 1e-16))


_CLAIMS = (
    Claim(
        "Back-propagation through batch normalisation gives the numerical gradients of W, b, γ and β in "
        "every layer.",
        "log10 of the largest relative error (equal: below −5)",
        lambda r: _size(r.of("worst", BOOK)),
        inside=(-np.inf, SMALL),
    ),
    Claim(
        "So does every other kind of layer and loss.",
        "log10 of the largest relative error of all kinds (equal: below −5)",
        lambda r: _size(r["worst"]).max(axis=0),
        inside=(-np.inf, SMALL),
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    arms = {arm: np.maximum(record.of("worst", arm), 1e-16) for arm in record.arms}
    return {"figure": dots(arms, x_label="largest relative error of any gradient", x_log=True)}


def _tables(record: Record) -> tuple[Table, ...]:
    rows = tuple(
        (arm, f"{record.of('worst', arm).max():.1e}", record.info["blame"][arm]) for arm in record.arms
    )
    words = (
        f"Central differences in float64 on {ROWS} rows; the largest relative error of any weight matrix, "
        "bias, γ or β, over the seeds."
    )
    return (Table(("kind", "largest relative error", "where"), rows, words),)


COMPARISON = Comparison(
    "3a",
    "Gradient check",
    "Are the gradients of back-propagation those of central differences, for W, b, γ and β of every layer?",
    "Both gradients are computed in float64. The relative error is the norm of the difference over the sum "
    "of the norms; a bias in front of batch normalisation has gradient zero, and is measured against all "
    "gradients together. Where a step carries a unit across ReLU's "
    "kink, the numerical gradient is the wrong one, and fresh weights and rows are drawn. A batch of one "
    "row would prove nothing: batch normalisation then puts out β whatever comes in.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Largest relative error for each kind of layer and loss, a dot a seed.",
    needs="rows",
)
