"""How often a study on a cluster sets a network aside that kills nothing, and how late one that does.

    python benchmarks/cluster_chance.py [--studies 1000]

Thousands of studies in no time: `ClusterPopulation` as it is, on workers that exist in numbers only. A study
has five rounds of 48, 24, 12, 6 and 3 tasks, which last half a second to six; a worker that was killed is
back after 2.5 s and takes 2 s longer for its first task. Any worker is killed, again and again, at random.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from goodfit.cluster import population
from goodfit.cluster.adapter import Outcome
from goodfit.engine.hardware import Hardware
from goodfit.engine.legs import Legs, Member
from goodfit.network import Network
from goodfit.recipe import Recipe

ROUNDS = ((48, 0.5), (24, 1.0), (12, 2.0), (6, 3.5), (3, 3.5))  # tasks, about how many seconds each
BACK, LONGER = 2.5, 2.0  # seconds until a killed worker is back; more for its first task
DEADLY = 5  # the seed of the network that kills, where there is one
NEVER = (1e9, 1e9)


class World(NamedTuple):
    """How a study's workers live."""

    every: tuple[float, float]  # seconds between kills of any worker, from and to
    workers: int = 2
    longer: float = 1.0  # times the seconds of a task
    deadly: bool = False


class Study(NamedTuple):
    """What came of one: networks set aside by seed, with why; kills; outcomes by kind; its seconds."""

    aside: dict[int, str]
    kills: int
    kinds: Counter
    seconds: float


class Workers:
    """What a study asks of an adapter; time passes in `wait` only."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng, self.now, self.kills = world, rng, 0.0, 0
        self.seconds: dict[str, float] = {}
        self.back = [BACK] * world.workers
        self.fresh = [True] * world.workers
        self.task: list[tuple[str, float, float] | None] = [None] * world.workers  # name, began, will end
        self.next_kill = rng.uniform(*world.every)
        self.outcomes: list[Outcome] = []

    def capacity(self) -> int:
        """Return how many workers there are now."""
        return sum(back <= self.now for back in self.back)

    def hardware(self) -> Hardware:
        """Return that they have no device of their own."""
        return Hardware("cpu", 1, None)

    def submit(self, name: str, task: bytes) -> None:
        """Give a task to the idle worker that was back first."""
        worker = min((w for w, task in enumerate(self.task) if task is None), key=lambda w: self.back[w])
        length = self.seconds[name.split(" again")[0]] + LONGER * self.fresh[worker]
        self.fresh[worker] = False
        self.task[worker] = name, self.now, max(self.now, self.back[worker]) + length

    def wait(self, seconds: float) -> list[Outcome]:
        """Let time pass until something has come of a task, or a worker is back."""
        while not self.outcomes:
            ends = [(task[2], w, self._end) for w, task in enumerate(self.task) if task]
            backs = [(back, w, None) for w, back in enumerate(self.back) if back > self.now]
            soonest = min([*ends, *backs, (self.next_kill, -1, self._kill_any)], key=lambda one: one[:2])
            self.now = max(self.now, soonest[0])
            if soonest[2] is None:
                break
            soonest[2](soonest[1])
        found, self.outcomes = self.outcomes, []
        return found

    def _end(self, worker: int) -> None:
        name, began, _ = self.task[worker] or ("", 0.0, 0.0)
        if self.world.deadly and name.split()[0] == str(DEADLY):
            self._kill(worker)
            return
        self.task[worker] = None
        self.outcomes.append(Outcome(name, "done", b"", "", "", self.now - began))

    def _kill_any(self, worker: int) -> None:
        self.next_kill = self.now + self.rng.uniform(*self.world.every)
        alive = [w for w, back in enumerate(self.back) if back <= self.now]
        if alive:
            self.kills += 1
            self._kill(self.rng.choice(alive))

    def _kill(self, worker: int) -> None:
        task, self.task[worker] = self.task[worker], None
        self.back[worker], self.fresh[worker] = self.now + BACK, True
        if task:
            self.outcomes.append(Outcome(task[0], "lost", None, "killed", "", self.now - task[1]))

    def cancel(self, name: str) -> None:
        """Nothing is under way at the end."""


@contextmanager
def no_training(workers: Workers):
    """Let tasks be names, results nothing, and the clock that of the workers."""
    with mock.patch.multiple(
        population,
        pack_task=lambda problem, chunk, legs, size: f"{chunk[0].seed} {legs.until}".encode(),
        name_of=bytes.decode,
        take_result=lambda network, chunk, content: None,
        time=SimpleNamespace(monotonic=lambda: workers.now),
    ):
        yield


def study(world: World, seed: int) -> Study:
    """Return what came of a study in a world."""
    rng = random.Random(seed)
    workers: Any = Workers(world, rng)
    x, y = np.zeros((8, 4), np.float32), np.arange(8) % 2
    with no_training(workers):
        here = population.ClusterPopulation(
            Network(4, 2), x, y, None, holdout=None, chunk=1, adapter=workers, problem=""
        )
        members = [Member(Recipe((128,)), number, horizon=9) for number in range(ROUNDS[0][0])]
        kinds: Counter = Counter()
        with mock.patch.object(here, "_note", lambda job, outcome: kinds.update([outcome.kind])):
            for steps, (count, seconds) in enumerate(ROUNDS, start=1):
                some = [m for m in members if not m.failed][:count]
                for m in some:
                    workers.seconds[f"{m.seed} {steps}"] = world.longer * seconds * rng.uniform(0.7, 1.6)
                here.advance(some, Legs(steps, 1))
    return Study({m.seed: m.failed for m in members if m.failed}, workers.kills, kinds, workers.now)


WORLDS = {
    "a kill every 0.5 to 6 s": World((0.5, 6.0)),
    "the same, eight workers": World((0.5, 6.0), workers=8),
    "the same, tasks twice as long": World((0.5, 6.0), longer=2.0),
    "a kill every 2 to 20 s": World((2.0, 20.0)),
    "a kill every 5 to 60 s": World((5.0, 60.0)),
    "a deadly network, no kills": World(NEVER, deadly=True),
    "a deadly network, a kill every 5 to 60 s": World((5.0, 60.0), deadly=True),
    "a deadly network, a kill every 0.5 to 6 s": World((0.5, 6.0), deadly=True),
}


def told(name: str, found: list[Study]) -> str:
    """Return a line about the studies of a world."""
    culprits = {DEADLY} if WORLDS[name].deadly else set()
    innocent = sum(bool(set(one.aside) - culprits) for one in found)
    tries = [int(one.aside[DEADLY].split()[1]) for one in found if DEADLY in one.aside]
    text = (
        f"  {name:43s} {statistics.mean(one.kills for one in found):5.1f} kills, "
        f"{statistics.mean(one.kinds['lost'] for one in found):5.1f} tasks lost, "
        f"{statistics.mean(one.seconds for one in found):4.0f} s; "
        f"an innocent set aside in {innocent} of {len(found)}"
    )
    if WORLDS[name].deadly:
        text += f"; the deadly one in {len(tries)}, after {statistics.median(tries):.0f} to {max(tries)}"
    return text


def main() -> None:
    """Run the studies and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000)
    args = parser.parse_args()
    for name, world in WORLDS.items():
        print(told(name, [study(world, seed) for seed in range(args.studies)]), flush=True)


if __name__ == "__main__":
    main()
