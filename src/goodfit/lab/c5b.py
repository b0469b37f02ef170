"""5b. Why the test set must be sealed."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.lab.c5a import ROWS
from goodfit.lab.comparison import Claim, Comparison, Plan, Record, mean_of_seeds
from goodfit.lab.regularization import recipe, steps_for
from goodfit.lab.training import Arm, Bench, Watch
from goodfit.report.figures import Curve, Panel, curves
from goodfit.report.page import Table
from goodfit.search.space import Range

NETWORKS, EPOCHS = 50, 50
SIZES = (1, 2, 5, 10, 20, 50)
TESTS, TEST_ROWS = 20, 100  # small test sets drawn from the test rows, and their size
RANGE = Range(0.01, 0.3, log=True)
RESAMPLES = 200


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    data, rows = plan.data, plan.data.first(ROWS)
    assert data.y_test is not None
    count = 20 if plan.quick else NETWORKS
    looks, small = _sets(len(data.x_test))
    steps = steps_for(rows, plan.length(EPOCHS))

    def arm(k: int) -> Any:
        def made(seed: int) -> Arm:
            rng = np.random.Generator(np.random.Philox(key=np.array([seed, 1000 + k], np.uint64)))
            return Arm(recipe({}, RANGE.at(float(rng.random()))), shift=1000 * k)

        return made

    arms = {f"network {k + 1}": arm(k) for k in range(count)}
    watched = Watch(steps, data.x_test, data.y_test, looks)
    found = bench.train(data, arms, plan.seeds, rows=rows, steps=steps, watch=watched)
    accuracy = 1.0 - found.error[:, :, -1].astype(np.float64)  # networks, seeds, sets
    sizes = [n for n in SIZES if n <= count]
    picked = np.array([[_picked(accuracy[:, s], n) for n in sizes] for s in range(len(plan.seeds))])
    info = {"arms": list(arms), "sizes": sizes, "small": small, "fresh": len(data.x_test) - small * TESTS}
    return {"picked": picked, "accuracy": accuracy, "diverged": found.diverged}, info


def _sets(rows: int) -> tuple[np.ndarray, int]:
    """Return weights of `TESTS` small test sets and, last, of the fresh rows; and the small sets' size."""
    small = min(TEST_ROWS, max(1, rows // (2 * TESTS)))
    order = np.random.Generator(np.random.Philox(key=np.array([7, rows], np.uint64))).permutation(rows)
    sets = np.zeros((TESTS + 1, rows), np.float32)
    for t in range(TESTS):
        sets[t, order[t * small : (t + 1) * small]] = 1
    sets[TESTS, order[TESTS * small :]] = 1
    return sets, small


def _picked(accuracy: np.ndarray, n: int) -> tuple[float, float]:
    """Return what the best of n networks has on the test set that chose it, and on fresh rows.

    ``accuracy`` (networks, sets). Means over the small test sets and many choices of n networks; a diverged
    network is never chosen.
    """
    rng = np.random.Generator(np.random.Philox(key=np.array([n, len(accuracy)], np.uint64)))
    shown, fresh = [], []
    for _ in range(RESAMPLES):
        some = rng.permutation(len(accuracy))[:n]
        for t in range(TESTS):
            scores = accuracy[some, t]
            if np.isnan(scores).all():
                continue
            best = some[int(np.nanargmax(scores))]
            shown.append(accuracy[best, t])
            fresh.append(accuracy[best, -1])
    return (float(np.mean(shown)), float(np.mean(fresh))) if shown else (np.nan, np.nan)


def _shortfall(place: int) -> Any:
    return lambda record: record["picked"][:, place, 0] - record["picked"][:, place, 1]


_CLAIMS = (
    Claim(
        "A single network's test accuracy is honest.",
        "accuracy on the test set − on fresh rows, one network (honest: within 0.02)",
        _shortfall(0),
        inside=(-0.02, 0.02),
    ),
    Claim(
        "Choosing the best of many by the test set makes it flatter.",
        "accuracy on the test set that chose − on fresh rows, best of the most",
        _shortfall(-1),
    ),
    Claim(
        "The more are tried, the more it flatters.",
        "the flattery of the best of the most − of the best of five",
        _shortfall(-1),
        _shortfall(2),
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    sizes = np.array(record.info["sizes"])
    arms = {
        "on the test set that chose it": Curve(sizes, record["picked"][:, :, 0]),
        "on fresh rows": Curve(sizes, record["picked"][:, :, 1]),
    }
    panel = Panel("", arms, "networks tried", "accuracy of the one chosen", x_log=True)
    return {"figure": curves([panel])}


def _tables(record: Record) -> tuple[Table, ...]:
    rows = tuple(
        (
            str(n),
            mean_of_seeds(record["picked"][:, i, 0]),
            mean_of_seeds(record["picked"][:, i, 1]),
            mean_of_seeds(_shortfall(i)(record)),
        )
        for i, n in enumerate(record.info["sizes"])
    )
    words = (
        f"Chosen by {record.info['small']} test rows (mean of {TESTS} such sets), then judged on "
        f"{record.info['fresh']:,} fresh rows; means over seeds."
    )
    return (Table(("best of", "on the test set", "on fresh rows", "flattery"), rows, words),)


COMPARISON = Comparison(
    "5b",
    "Why the test set must be sealed",
    "How much does a test accuracy flatter that has chosen the best of many networks?",
    "The best of many is partly the luckiest of many, and luck does not come along to fresh rows. The "
    "networks differ in learning rate (0.01 to 0.3) and first weights. goodfit chooses by validation rows "
    "and opens the sealed rows once.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Accuracy of the chosen network on the test set that chose it and on fresh rows, by networks tried.",
)
