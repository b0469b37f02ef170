"""How many workers pay: what a task costs beside its training, and equal work on one and on two workers.

    python benchmarks/cluster_throughput.py [--rounds 5] [--budget "20000 steps"] [--tiny]

Three parts, on Dask workers of this machine, one thread each, programs compiled before anything is timed:

    cost        tasks that train nothing: from being submitted to the outcome, and what the processor of this
                process, which is client and scheduler, has to do for each; small ones and those of a network
                that is half way
    efficiency  the same networks for the same steps, as short and as long tasks: on one worker, on two, and
                in this process with as many lanes; in turns, medians
    bound       from both: how long a task must last for 100 workers to be busy nine tenths of the time,
                beside how long the tasks of a study last

Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from clusters.told import lines_of
from sklearn.datasets import load_digits

from goodfit.cluster.dask import DaskAdapter
from goodfit.cluster.packing import name_of, pack_problem, pack_task
from goodfit.cluster.train import on_adapter
from goodfit.engine.legs import Legs, Member
from goodfit.engine.population import Population
from goodfit.engine.program import use_cache
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.optimizers import Adam

NETWORK = Network(64, 10)
RECIPE = Recipe((128, 128), optimizer=Adam(lr=1e-3))  # one to a chunk, so one to a task
WORKERS = 100


class Sizes(NamedTuple):
    """How much is measured."""

    tasks: int
    members: int
    steps: tuple[int, ...]
    rounds: int


class Cost(NamedTuple):
    """Of a task that trains nothing: seconds to its outcome, processor seconds here, bytes there and back."""

    latency: float
    processor: float
    task: int
    result: int


def rows() -> dict[str, Any]:
    """Return the digits, a fifth of them held out: arguments of a `Population`."""
    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype(np.float32), y.astype(np.int32)
    cut = len(x) * 4 // 5
    holdout = (x[cut:], y[cut:], np.ones((1, len(x) - cut), np.float32))
    return {"x": x[:cut], "y": y[:cut], "weight": None, "holdout": holdout}


def members(count: int, steps: int) -> list[Member]:
    """Return members that have not begun."""
    return [Member(RECIPE, seed, horizon=steps) for seed in range(count)]


def cost(adapter: DaskAdapter, some: list[Member], count: int) -> Cost:
    """Return what tasks cost that ask for no step: as many under way at once as there are threads."""
    problem = pack_problem(NETWORK, rows())
    adapter.offer(problem, None)
    task = pack_task(name_of(problem), some, Legs(0, 1), 1)
    left, latencies, result = count + 20, [], 0  # the first ones are sent the rows
    running, processor = 0, 0.0
    while left or running:
        while left and running < adapter.capacity():
            adapter.submit(f"{left}", task)
            left, running = left - 1, running + 1
            if left == count:
                processor = time.process_time()
        for outcome in adapter.wait(10.0):
            running -= 1
            if outcome.kind == "done":
                latencies.append(outcome.seconds)
                result = len(outcome.content or b"")
    used = (time.process_time() - processor) / count
    return Cost(statistics.median(latencies[-count:]), used, len(task), result)


def seconds(population: Population, some: list[Member], steps: int) -> float:
    """Return how long members take together."""
    began = time.perf_counter()
    population.advance(some, Legs(steps, steps))
    return time.perf_counter() - began


def efficiency(adapters: dict[int, DaskAdapter], folder: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """Return, by steps of a task, the medians of the seconds on workers and in lanes."""
    arms: dict[str, Callable[[], Population]] = {}
    for n, adapter in adapters.items():
        arms[f"{n} lanes"] = lambda n=n: Population(NETWORK, **rows(), lanes=n)
        arms[f"{n} workers"] = lambda a=adapter: on_adapter(
            a, NETWORK, Path(tempfile.mkdtemp(dir=folder)), print, **rows()
        )
    found = []
    for steps in sizes.steps:
        taken: dict[str, list[float]] = {name: [] for name in arms}
        for turn in range(sizes.rounds + 1):
            for name in list(arms)[:: 1 if turn % 2 else -1]:
                population = arms[name]()
                seconds(population, members(4, steps), steps)  # the rows are there, the program is known
                some = members(sizes.members, steps)
                for m in some:
                    m.seed += 1000  # other tasks than those of the line above
                taken[name].append(seconds(population, some, steps))
        found.append({"steps": steps} | {name: statistics.median(times[1:]) for name, times in taken.items()})
    return found


def tasks_of_a_study(budget: str) -> list[float]:
    """Return the seconds of the tasks of `goodfit fit digits` on two workers."""
    with tempfile.TemporaryDirectory() as home:
        out = Path(home) / "study"
        words = [sys.executable, "-m", "goodfit", "fit", "digits", "--json", "--workers", "2"]
        words += ["--budget", budget, "--out", str(out)]
        subprocess.run(words, capture_output=True, check=True)
        attempts = lines_of(out / "cluster" / "attempts.jsonl")
    return [one["seconds"] for one in attempts if one["kind"] == "done"]


def show_cost(workers: int, name: str, found: Cost) -> None:
    """Print a line of the first part."""
    print(
        f"  {workers} workers, {name:9s} {found.latency * 1e3:6.1f} ms to the outcome, "
        f"{found.processor * 1e3:5.1f} ms of this process, "
        f"{found.task / 1e3:6.1f} kB there, {found.result / 1e3:6.1f} kB back",
        flush=True,
    )


def show_efficiency(found: list[dict[str, Any]], count: int) -> None:
    """Print the second part."""
    for one in found:
        alone, both = one["1 workers"], one["2 workers"]
        print(
            f"  {one['steps']:6,} steps: {alone / count * 1e3:7.1f} ms a task on 1 worker; seconds: "
            f"{one['1 lanes']:.2f} in 1 lane, {alone:.2f} on 1 worker, "
            f"{one['2 lanes']:.2f} in 2 lanes, {both:.2f} on 2 workers: "
            f"{alone / both / 2:.0%} of twice one worker, {one['2 lanes'] / both:.0%} of 2 lanes",
            flush=True,
        )


def show_bound(found: Cost, lasting: list[float]) -> None:
    """Print the third part: a worker waits ``latency`` between tasks, and this process serves all in turn."""
    rate = 1 / found.processor
    waits, turns = 9 * found.latency, 0.9 * WORKERS * found.processor
    middle = statistics.median(lasting)
    print(f"  At most {rate:,.0f} tasks a second, however many workers there are.")
    print(
        f"  {WORKERS} workers are busy nine tenths of the time if a task lasts {max(waits, turns):.2f} s: "
        f"{turns:.2f} so that this process keeps up, {waits:.2f} so that waiting is a tenth."
    )
    print(
        f"  The {len(lasting)} tasks of a study: median {middle:.2f} s, "
        f"{min(lasting):.2f} to {max(lasting):.2f}: this process keeps "
        f"{statistics.mean(lasting) * rate:,.0f} workers busy."
    )


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", default="20000 steps", help="of the study whose tasks are looked at")
    parser.add_argument("--tiny", action="store_true", help="a trial of the benchmark itself")
    args = parser.parse_args()
    sizes = Sizes(5, 4, (5,), 1) if args.tiny else Sizes(300, 32, (50, 300, 1500), args.rounds)
    use_cache()
    half_way = members(1, 10)
    Population(NETWORK, **rows()).advance(half_way, Legs(10, 10))
    adapters = {n: DaskAdapter(workers=n) for n in (1, 2)}
    try:
        print("Cost of a task that trains nothing:")
        for n, adapter in adapters.items():
            for name, some in (("new", members(1, 10)), ("half way", half_way)):
                found = cost(adapter, some, sizes.tasks)
                show_cost(n, name, found)
        print(f"Efficiency, {sizes.members} networks of 128-128 on the digits, a task each:")
        with tempfile.TemporaryDirectory() as folder:
            show_efficiency(efficiency(adapters, Path(folder), sizes), sizes.members)
    finally:
        for adapter in adapters.values():
            adapter.close()
    print(f"Bound, for {WORKERS} workers:")
    show_bound(found, tasks_of_a_study("4 members" if args.tiny else args.budget))


if __name__ == "__main__":
    main()
