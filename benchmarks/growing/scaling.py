"""How the time of training grows with members, width, depth, rows and columns: what is run, and how timed.

A *point* is one size of a series: its ``value``, the ``work`` in GFLOP (operations a step as the engine
counts them, times members and steps), and the ``seconds`` of each repetition.
"""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from contest.records import say
from race.machine import describe, sgemm_peak

BATCH, CLASSES = 128, 10
REPETITIONS = 3
LOW, HIGH = 0.9, 1.1  # slopes between which time grows as work does

Point = dict[str, Any]
SERIES: dict[str, tuple[int, ...]] = {
    "members": tuple(2**k for k in range(9)),
    "width": (16, 32, 64, 128, 256, 512),
    "depth": (1, 2, 3, 4, 6, 8, 12),
    "rows": (1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000),
    "columns": (16, 32, 64, 128, 256, 512, 1_024, 2_048),
}
PER_MEMBER = "what each member costs beside its steps (first weights, and taking its state apart) counts less"
PRODUCTS = (
    "small products do not fill the cores, and reading rows and updating weights count less in larger ones"
)
WHY: dict[str, tuple[str, str]] = {  # why a slope is too low, and too high
    "members": (
        "a chunk costs the same half empty, and few chunks leave a lane idle",
        "the members' states no longer stay in the caches",
    ),
    "width": (
        f"{PRODUCTS}; above 64 one member a call replaces several",
        "a layer's weights, gradients and running means no longer stay in the caches",
    ),
    "depth": (
        f"the first weights and the calls cost the same at any depth; {PER_MEMBER}",
        "a member's weights, gradients and running means no longer stay in the caches",
    ),
    "rows": (
        f"{PER_MEMBER} over more steps",
        "the rows no longer stay in the caches, and drawing their order costs more than reading it",
    ),
    "columns": (
        f"the layers behind the first do the same work at any number of columns; {PRODUCTS}",
        "the picked rows and the first layer's weights no longer stay in the caches",
    ),
}


def seconds_of(population: Any, recipe: Any, count: int, steps: int) -> float:
    """Return the seconds in which ``count`` fresh members of a recipe make so many steps.

    Raises:
        RuntimeError: a member did not train to the end.
    """
    from goodfit.engine.population import Legs, Member

    members = [Member(recipe, seed, horizon=steps) for seed in range(count)]
    began = time.perf_counter()
    population.advance(members, Legs(steps, steps))
    seconds = time.perf_counter() - began
    lost = [member.result for member in members if member.result != "trained"]
    if lost:
        raise RuntimeError(f"{len(lost)} of {count} members did not train: {lost[0]}")
    return seconds


@dataclass(frozen=True)
class Size:
    """What is trained: ``depth`` hidden layers of ``width`` units on noise, (rows, columns) float32."""

    members: int = 16
    width: int = 64
    depth: int = 2
    rows: int = 12_800
    columns: int = 64
    steps: int = 200

    @property
    def network(self) -> Any:
        """The network's shape in goodfit."""
        from goodfit.network import Network

        return Network(self.columns, CLASSES)

    @property
    def recipe(self) -> Any:
        """The recipe in goodfit."""
        from goodfit.recipe import Recipe
        from goodfit.techniques.optimizers import Adam

        return Recipe((self.width,) * self.depth, optimizer=Adam(0.001), batch_size=BATCH)

    @property
    def work(self) -> float:
        """Operations of all members' steps, in GFLOP."""
        from goodfit.engine.plan import flops_per_step

        return flops_per_step(self.network, self.recipe) * self.members * self.steps / 1e9

    def trainer(self) -> Callable[[int], float]:
        """Return what trains fresh members for some steps and returns the seconds; the rows are placed."""
        from goodfit.engine.population import Population

        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.rows, self.columns), dtype=np.float32)
        y = rng.integers(0, CLASSES, self.rows).astype(np.int32)
        return functools.partial(seconds_of, Population(self.network, x, y), self.recipe, self.members)


def values_of(name: str, tiny: bool) -> tuple[int, ...]:
    """Return a series' sizes; of a tiny one the first three."""
    return SERIES[name][:3] if tiny else SERIES[name]


def size_of(name: str, value: int, tiny: bool) -> Size:
    """Return what is trained at a point; more rows mean more steps, at three epochs."""
    base = Size(members=4, steps=8) if tiny else Size()
    size = replace(base, **{name: value})
    epoch = -(-size.rows // BATCH)
    return replace(size, steps=epoch * (1 if tiny else 3)) if name == "rows" else size


def run_series(name: str, tiny: bool) -> dict[str, Any]:
    """Time a series and return its record: compiled beforehand, each repetition through all its points."""
    sizes = {value: size_of(name, value, tiny) for value in values_of(name, tiny)}
    trainers = {}
    for value, size in sizes.items():
        trainers[value] = size.trainer()
        trainers[value](1)  # compiles
    seconds: dict[int, list[float]] = {value: [] for value in sizes}
    for _ in range(REPETITIONS):
        for value, size in sizes.items():
            seconds[value].append(trainers[value](size.steps))
    points = [
        {"value": v, "members": s.members, "steps": s.steps, "work": s.work, "seconds": seconds[v]}
        for v, s in sizes.items()
    ]
    say(f"  {name}: {sum(map(sum, seconds.values())):.0f} s on the clock")
    return {"series": name, "tiny": tiny, "points": points, "machine": describe(), "peak": sgemm_peak()}


def middle(point: Point) -> float:
    """Return a point's median seconds."""
    return statistics.median(point["seconds"])


def rate(point: Point) -> float:
    """Return a point's GFLOP/s."""
    return point["work"] / middle(point)


def upper_half(points: list[Point]) -> list[Point]:
    """Return the points in the upper half of the range of work, by its logarithm; three at least."""
    least = math.sqrt(points[0]["work"] * points[-1]["work"])
    return [p for i, p in enumerate(points) if p["work"] >= least * (1 - 1e-9) or i >= len(points) - 3]


def slope(points: list[Point]) -> float:
    """Return the fitted slope of log time by log work over the upper half of the range."""
    half = upper_half(points)
    work, seconds = np.log([p["work"] for p in half]), np.log([middle(p) for p in half])
    return float(np.polyfit(work, seconds, 1)[0])


def verdict(name: str, points: list[Point]) -> str:
    """Return the fitted slope in words, and where it is not near 1 how the rate moves and a likely reason."""
    found, half = round(slope(points), 2), upper_half(points)  # as it is told
    text = f"slope {found:.2f} for {name} {half[0]['value']:,} to {half[-1]['value']:,}"
    if LOW <= found <= HIGH:
        return f"{text.capitalize()}: time grows as work does."
    low = found < LOW
    how = f"the rate goes from {rate(half[0]):.0f} to {rate(half[-1]):.0f} GFLOP/s"
    return (
        f"{text}, {'below' if low else 'above'} {LOW if low else HIGH}: {how}; likely {WHY[name][not low]}."
    )


def table(record: dict[str, Any]) -> str:
    """Return a series' points as a Markdown table, with the verdict below."""
    name, points = record["series"], record["points"]
    lines = [
        f"| {name} | members | steps | GFLOP | seconds | slowest by fastest | GFLOP/s |",
        "|---" * 7 + "|",
    ]
    for p in points:
        apart = max(p["seconds"]) / min(p["seconds"])
        lines.append(
            f"| {p['value']:,} | {p['members']} | {p['steps']:,} | {p['work']:.3g} | {middle(p):.3g} "
            f"| {apart:.2f} | {rate(p):.0f} |"
        )
    tiny = ", TINY: these are no results" if record["tiny"] else ""
    title = f"### Time by {name}{tiny}"
    below = f"{verdict(name, points)} A large product: {record['peak']:.0f} GFLOP/s."
    return "\n".join([title, "", *lines, "", below])
