"""1a. Four paths down a valley."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from goodfit.lab.comparison import Claim, Comparison, Plan, Record, number
from goodfit.lab.training import Bench
from goodfit.report.figures import paths
from goodfit.report.page import Table
from goodfit.techniques.optimizers import SGD, AdaGrad, Adam, Momentum

POINTS = 30
START = (-7.0, 2.0)
RULES = {"SGD": SGD(0.95), "Momentum": Momentum(0.1), "AdaGrad": AdaGrad(1.5), "Adam": Adam(0.3)}


def valley(x: Any, y: Any) -> Any:
    """Return ``x²/20 + y²``: flat along x, steep along y, lowest (0) at the origin."""
    return x**2 / 20 + y**2


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    routes = []
    for rule in map(dataclasses.replace, RULES.values()):  # a rule remembers its updates: fresh ones each run
        place = {"x": np.array([START[0]]), "y": np.array([START[1]])}
        route = [START]
        for _ in range(POINTS - 1):
            rule.update(place, {"x": place["x"] / 10, "y": 2 * place["y"]})
            route.append((float(place["x"][0]), float(place["y"][0])))
        routes.append(route)
    return {"points": np.array(routes)}, {"arms": list(RULES)}


def sign_changes(record: Record, arm: str) -> int:
    """Return how often y changes its sign along the path."""
    y = record.of("points", arm)[:, 1]
    return int((np.sign(y[1:]) * np.sign(y[:-1]) < 0).sum())


def length(record: Record, arm: str) -> float:
    """Return the path's length ÷ the straight distance from the start to the minimum."""
    return float(step_lengths(record, arm).sum() / np.hypot(*START))


def step_lengths(record: Record, arm: str) -> np.ndarray:
    """Return the length of each update, (updates,)."""
    return np.hypot(*np.diff(record.of("points", arm), axis=0).T)


def _others(measure: Any) -> Any:
    return lambda record: max(measure(record, arm) for arm in record.arms if arm != "SGD")


_CLAIMS = (
    Claim(
        "SGD is inefficient where the function is anisotropic: it zigzags.",
        "sign changes of y, SGD − the most of the others",
        lambda r: sign_changes(r, "SGD"),
        _others(sign_changes),
        drawn=False,
    ),
    Claim(
        "SGD takes the longest way.",
        "path ÷ straight distance, SGD − the longest of the others",
        lambda r: length(r, "SGD"),
        _others(length),
        drawn=False,
    ),
    Claim(
        "AdaGrad's steps become smaller and smaller.",
        "its last step ÷ its first",
        lambda r: step_lengths(r, "AdaGrad")[-1] / step_lengths(r, "AdaGrad")[0],
        inside=(-np.inf, 0.1),
        drawn=False,
    ),
    Claim(
        "Each of the other three ends lower in the valley than SGD.",
        "f at the end, SGD − the highest of the others",
        lambda r: float(valley(*r.of("points", "SGD")[-1])),
        _others(lambda r, arm: float(valley(*r.of("points", arm)[-1]))),
        drawn=False,
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    x, y = np.linspace(-10, 10, 120), np.linspace(-5, 5, 120)
    notes = {
        arm: f"path {length(record, arm):.1f}× the straight way, y changes sign {sign_changes(record, arm)}×"
        for arm in record.arms
    }
    routes = {arm: record.of("points", arm) for arm in record.arms}
    return {"figure": paths((x, y, valley(*np.meshgrid(x, y))), routes, notes=notes)}


def _tables(record: Record) -> tuple[Table, ...]:
    rows = []
    for arm in record.arms:
        end, steps = record.of("points", arm)[-1], step_lengths(record, arm)
        turns = str(sign_changes(record, arm))
        shrink = number(steps[-1] / steps[0])
        rows.append(
            (
                arm,
                *(f"{v:.4f}" for v in end),
                f"{valley(*end):.6f}",
                number(length(record, arm)),
                turns,
                shrink,
            )
        )
    head = ("rule", "x", "y", "f", "path ÷ straight", "sign changes of y", "last ÷ first step")
    return (Table(head, tuple(rows), f"After {POINTS - 1} updates from (−7, 2)."),)


COMPARISON = Comparison(
    "1a",
    "Four paths down a valley",
    "How do four update rules walk down f(x, y) = x²/20 + y², a valley that is steep one way and flat the "
    "other?",
    "SGD jumps from wall to wall, because the steep direction's gradient is large whatever the valley's "
    "direction. Momentum rolls like a ball, AdaGrad shortens the steps of the steep direction first and of "
    "all in the end, Adam does some of both. The zigzag costs path, not height: at its learning rate of "
    "0.95 SGD ends lower than Momentum and Adam do after as many updates.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Four contour plots of an elongated valley with the path of SGD, Momentum, AdaGrad and Adam.",
    needs="nothing",
)
