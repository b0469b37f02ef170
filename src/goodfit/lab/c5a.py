"""5a. The book's search, and the narrowing that it describes."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.lab.comparison import Claim, Comparison, Plan, Record, mean_of_seeds, number
from goodfit.lab.data import LabData
from goodfit.lab.regularization import recipe, steps_for
from goodfit.lab.training import Arm, Bench, Curves, Watch
from goodfit.report.figures import Curve, Panel, curves
from goodfit.report.page import Table
from goodfit.search.region import Region
from goodfit.search.space import Space, log_uniform
from goodfit.search.zoom import Outcome, zoom

ROWS, HELD = 500, 0.2
EPOCHS, DRAWS = 50, 100
LOOKS = 25  # looks along the way
ROUNDS, MORE = 4, 25  # rounds after the book's, draws in each
SHOWN = 20
SPACE = Space(
    {
        "lr": log_uniform(1e-6, 1e-2, floor=1e-9, ceiling=10.0),
        "weight_decay": log_uniform(1e-8, 1e-4, floor=1e-12, ceiling=10.0),
    }
)


class Split:
    """The book's shuffled split of the first rows, one a seed: row numbers and evaluation sets."""

    def __init__(self, data: LabData) -> None:
        assert data.y is not None
        self.n = data.first(ROWS)
        self.held = max(1, round(HELD * self.n))
        self.kept = self.n - self.held
        self.x, self.y = data.x[: self.n], data.y[: self.n]

    def arm(self, seed: int, values: dict[str, float]) -> Arm:
        """Return a draw's arm: what it trains on and the sets training and validation."""
        order = np.random.Generator(np.random.Philox(key=np.array([seed, 5], np.uint64))).permutation(self.n)
        held = np.zeros(self.n, bool)
        held[order[: self.held]] = True
        change = {"weight_decay": values["weight_decay"]}
        rows = np.flatnonzero(~held).astype(np.int32)
        return Arm(recipe(change, values["lr"]), rows, np.stack([~held, held]).astype(np.float32))


def _draws(region: Region, count: int, seed: int, stage: int) -> list[dict[str, float]]:
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, 50 + stage], np.uint64)))
    return [{name: box.at(float(rng.random())) for name, box in region.ranges.items()} for _ in range(count)]


def _train(plan: Plan, bench: Bench, drawn: dict[int, list[dict[str, float]]], share: Any) -> Curves:
    split = Split(plan.data)
    per_epoch = steps_for(split.kept, 1)
    sets = np.ones((2, split.n), np.float32)
    steps = per_epoch * plan.length(EPOCHS)
    looks = Watch(max(1, steps // LOOKS), split.x, split.y, sets)

    def arm(k: int) -> Any:
        return lambda seed: split.arm(seed, drawn[seed][k])

    arms = {f"draw {k}": arm(k) for k in range(len(drawn[plan.seeds[0]]))}
    return bench.train(plan.data, arms, plan.seeds, rows=split.n, steps=steps, watch=looks, share=share)


def _run(plan: Plan, bench: Bench) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    draws, more = (plan.length(DRAWS), plan.length(MORE * 2)) if plan.quick else (DRAWS, MORE)
    total = draws + ROUNDS * more
    regions = {seed: Region.whole(SPACE) for seed in plan.seeds}
    past: dict[int, list[tuple[dict[str, float], float]]] = {seed: [] for seed in plan.seeds}
    shape = (ROUNDS + 1, len(plan.seeds))
    edges = np.zeros((*shape, 2, 2))  # round, seed, lr or decay, low or high
    best = np.zeros((*shape, 3))  # round, seed: lr, decay, validation accuracy of the best so far
    first: dict[str, np.ndarray] = {}
    done = 0
    for stage in range(ROUNDS + 1):
        count = draws if stage == 0 else more
        drawn = {seed: _draws(regions[seed], count, seed, stage) for seed in plan.seeds}
        found = _train(plan, bench, drawn, (done / total, (done + count) / total))
        done += count
        score = np.nan_to_num(1.0 - found.error[:, :, -1, 1].astype(np.float64), nan=0.0)
        if stage == 0:
            first = _first(found, drawn, plan)
        for s, seed in enumerate(plan.seeds):
            edges[stage, s] = [[box.low, box.high] for box in regions[seed].ranges.values()]
            past[seed] += list(zip(drawn[seed], score[:, s], strict=True))
            top = max(past[seed], key=lambda pair: pair[1])
            best[stage, s] = (top[0]["lr"], top[0]["weight_decay"], top[1])
            regions[seed] = _next(regions[seed], drawn[seed], score[:, s])
    per_epoch = steps_for(Split(plan.data).kept, 1)
    info = {"arms": [f"draw {k}" for k in range(draws)], "draws": draws, "more": more, "per_epoch": per_epoch}
    return {**first, "edges": edges, "best": best}, info


def _next(region: Region, drawn: list[dict[str, float]], score: np.ndarray) -> Region:
    """Return the region after a round: narrowed to the best third, widened where the winner is at an edge."""
    order = np.argsort(np.argsort(-score, kind="stable"), kind="stable")
    return zoom(region, [Outcome(v, float(rank)) for v, rank in zip(drawn, order, strict=True)])[0]


def _first(found: Curves, drawn: dict[int, list[dict[str, float]]], plan: Plan) -> dict[str, np.ndarray]:
    values = np.array([[[d["lr"], d["weight_decay"]] for d in drawn[s]] for s in plan.seeds])
    keep = {k: v for k, v in found.arrays().items() if k in ("steps", "error", "diverged")}
    return {**keep, "values": values.transpose(1, 0, 2)}  # draw, seed, (lr, decay)


def _score(record: Record) -> np.ndarray:
    """Return the final validation accuracy of the first round, (draws, seeds); a diverged network has 0."""
    return np.nan_to_num(1.0 - record["error"][:, :, -1, 1].astype(np.float64), nan=0.0)


def _best_twenty(record: Record, which: int) -> np.ndarray:
    """Return the mean log10 of lr (0) or decay (1) over the best fifth of the draws, (seeds,)."""
    order = np.argsort(-_score(record), axis=0, kind="stable")[: max(1, len(_score(record)) // 5)]
    values = np.log10(record["values"][:, :, which])
    return np.take_along_axis(values, order, axis=0).mean(axis=0)


def _final(record: Record, which: int) -> np.ndarray:
    return record["best"][-1, :, which]


_CLAIMS = (
    Claim(
        "Good learning rates lie between 0.001 and 0.01.",
        "mean log10 learning rate of the best fifth of the draws (between −3 and −2)",
        lambda r: _best_twenty(r, 0),
        inside=(-3.0, -2.0),
    ),
    Claim(
        "Good weight decays lie between 1e-8 and 1e-6, the lower half of the range.",
        "mean log10 decay of the best fifth − the range's middle",
        lambda r: _best_twenty(r, 1),
        lambda r: -6.0,
        inside=(-np.inf, 0.0),
    ),
    Claim(
        "The range holds the best learning rate: narrowing suffices.",
        "log10 of the best learning rate after ranges that may widen too − the range's upper end (inside: ≤ "
        "0)",
        lambda r: np.log10(_final(r, 0)),
        lambda r: -2.0,
        inside=(-np.inf, 1e-9),
    ),
    Claim(
        "Rounds that narrow find better networks than the first round.",
        "validation accuracy of the best, after all rounds − after the first",
        lambda r: r["best"][-1, :, 2],
        lambda r: r["best"][0, :, 2],
    ),
)


def _figure(record: Record) -> dict[str, Any]:
    order = np.argsort(-_score(record)[:, 0], kind="stable")[:SHOWN]
    x = record["steps"] / record.info["per_epoch"]
    panels = []
    for place, k in enumerate(order):
        both = 1.0 - record["error"][k, :1].astype(np.float64)
        lr, decay = record["values"][k, 0]
        arms = {"training": Curve(x, both[..., 0]), "validation": Curve(x, both[..., 1])}
        title = f"{place + 1}. lr {lr:.2g}, λ {decay:.0e}"
        panels.append(Panel(title, arms, "epoch", "accuracy", y_limits=(0.0, 1.05)))
    best = curves(panels, columns=5, direct_labels=False, share_y=True)
    rounds = np.arange(len(record["edges"]))
    sides = {
        "upper end of the range": Curve(rounds, record["edges"][:, :, 0, 1].T),
        "best so far": Curve(rounds, record["best"][:, :, 0].T),
        "lower end of the range": Curve(rounds, record["edges"][:, :, 0, 0].T),
    }
    lr = Panel(
        "", sides, "round (0: the book's)", "learning rate", y_log=True, levels={"the book's end": 1e-2}
    )
    score = Panel(
        "", {"best so far": Curve(rounds, record["best"][:, :, 2].T)}, "round", "validation accuracy"
    )
    return {"figure": best, "rounds": curves([lr, score], columns=2)}


def _tables(record: Record) -> tuple[Table, ...]:
    rows = []
    for stage in range(len(record["best"])):
        ends = [np.median(record["edges"][stage, :, 0, side]) for side in (0, 1)]
        draws = record.info["draws"] if stage == 0 else record.info["more"]
        best = record["best"][stage]
        middle = [np.median(best[:, i]) for i in (0, 1)]
        rows.append(
            (
                str(stage),
                str(draws),
                f"{number(ends[0])} … {number(ends[1])}",
                *map(number, middle),
                mean_of_seeds(best[:, 2]),
            )
        )
    head = (
        "round",
        "draws",
        "learning rates (median ends)",
        "best lr (median)",
        "best λ (median)",
        "its validation accuracy",
    )
    words = (
        "The best so far, after each round. Its validation accuracy is the best of many and therefore "
        "flatters: see 5b."
    )
    return (Table(head, tuple(rows), words),)


COMPARISON = Comparison(
    "5a",
    "The book's search, and its narrowing",
    "Which learning rates and weight decays does a random search on 500 rows find, and does narrowing the "
    "range suffice?",
    "The first round is the book's. The next ones do what it describes, and one thing more: where the winner "
    "stands at the end of a range, the range is moved outwards. The book's range ends at 0.01, and the best "
    "learning rate lies beyond it.",
    _run,
    _CLAIMS,
    _figure,
    _tables,
    "Learning curves of the twenty best draws of one seed, and the learning rates' range round by round.",
)
