"""2a to 2c: what a stack of layers makes of its input, before any learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from goodfit.engine.probe import effective_rank
from goodfit.lab.comparison import Plan, Record, number
from goodfit.lab.curves import table_of
from goodfit.lab.training import Bench
from goodfit.report.figures import histograms
from goodfit.report.page import Table
from goodfit.techniques.initializers import Initializer

LAYERS, WIDTH, ROWS = 5, 100, 1000
BINS = 30


def _derivative(kind: str, z: np.ndarray, a: np.ndarray) -> np.ndarray:
    return {"sigmoid": a * (1 - a), "tanh": 1 - a * a, "relu": (z > 0).astype(np.float64)}[kind]


def _activate(kind: str, z: np.ndarray) -> np.ndarray:
    if kind == "relu":
        return np.maximum(z, 0)
    return np.tanh(z) if kind == "tanh" else 0.5 * (1 + np.tanh(0.5 * z))


def measure(kind: str, init: Initializer, x: np.ndarray, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return each layer's activations (rows, width), and the gradient norm at each layer's output (layers,).

    No bias; float64. The gradient is that of the last layer's outputs weighted with standard-normal numbers.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 1], np.uint64)))
    weights, pre, outputs = [], [], [x]
    for _ in range(LAYERS):
        n_in = outputs[-1].shape[1]
        weights.append(rng.standard_normal((n_in, WIDTH)) * init.std(n_in, WIDTH))
        pre.append(outputs[-1] @ weights[-1])
        outputs.append(_activate(kind, pre[-1]))
    gradient = rng.standard_normal(outputs[-1].shape)
    norms = []
    for i in reversed(range(LAYERS)):
        norms.append(float(np.linalg.norm(gradient)))
        gradient = (gradient * _derivative(kind, pre[i], outputs[i + 1])) @ weights[i].T
    return outputs[1:], np.array(norms[::-1])


def run(kind: str, rules: Mapping[str, Initializer], plan: Plan, bench: Bench):
    """Return what each layer's activations look like, arms × seeds × layers."""
    shape = (len(rules), len(plan.seeds), LAYERS)
    arrays = {name: np.zeros(shape) for name in ("mean", "std", "extreme", "gradient", "rank", "dead")}
    low, high = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, 1.0)}[kind]
    edges = np.linspace(low, high, BINS + 1)
    counts = np.zeros((len(rules), LAYERS, BINS), np.int64)
    for s, seed in enumerate(plan.seeds):
        x = _inputs(plan, seed)
        for i, init in enumerate(rules.values()):
            layers, norms = measure(kind, init, x, seed)
            arrays["gradient"][i, s] = norms
            for j, a in enumerate(layers):
                near = np.minimum(a - low, high - a) if kind != "relu" else np.ones_like(a)
                arrays["mean"][i, s, j], arrays["std"][i, s, j] = a.mean(), a.std()
                arrays["extreme"][i, s, j] = (near < 0.05 * (high - low)).mean()
                arrays["rank"][i, s, j] = effective_rank(a)
                arrays["dead"][i, s, j] = (a <= 0).all(axis=0).mean() if kind == "relu" else 0.0
                if s == 0:
                    counts[i, j] = np.histogram(a, edges)[0]
        bench.tell((s + 1) / len(plan.seeds))
    own = plan.data.own and len(plan.data.x)
    inputs = f"{len(_inputs(plan, 0)):,} rows of {plan.data.name}" if own else "1,000 standard-normal rows"
    return {**arrays, "edges": edges, "counts": counts}, {"arms": list(rules), "inputs": inputs}


def _inputs(plan: Plan, seed: int) -> np.ndarray:
    """Return the book's standard-normal rows, or those of the user's data, standardised as a whole."""
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 0], np.uint64)))
    if not plan.data.own:
        return rng.standard_normal((ROWS, WIDTH))
    rows = rng.permutation(len(plan.data.x))[:ROWS]
    x = plan.data.x[rows].astype(np.float64)
    return (x - x.mean()) / max(float(x.std()), 1e-12)


def layer(name: str, arm: str, place: int) -> Any:
    """Return the function from a record to a measure of one layer (0-based, −1 the last), (seeds,)."""
    return lambda record: record.of(name, arm)[:, place]


def figure(record: Record, what: str) -> dict[str, Any]:
    """Return a histogram for each arm and layer, of the first seed."""
    notes = {arm: [f"std {number(float(v))}" for v in record.of("std", arm)[0]] for arm in record.arms}
    rows = {arm: list(record.of("counts", arm)) for arm in record.arms}
    return {"figure": histograms(rows, record["edges"], x_label=what, notes=notes)}


def tables(record: Record, names: Mapping[str, str]) -> tuple[Table, ...]:
    """Return a table a measure, a column a layer."""
    return tuple(
        table_of(
            {
                f"layer {j + 1}": {arm: record.of(name, arm)[:, j] for arm in record.arms}
                for j in range(LAYERS)
            },
            first="initial weights",
            caption=f"{words}: mean over seeds with 95 % interval. Input: {record.info['inputs']}.",
        )
        for name, words in names.items()
    )
