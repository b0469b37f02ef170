"""Rows (a) to (d) and (i): populations of networks. What is trained, and goodfit's way.

All contestants of a row start from the same first weights, drawn by `Network.init`, and see the same batches,
drawn by `BatchOrder`. Peers get both as NumPy arrays before the clock starts; goodfit draws its own on the
clock. Goodfit takes MNIST's bytes as they are, as its command line does; peers take float32, which costs them
less. A member's score is its training loss, averaged over the last epoch or over all steps (late in training
by Adam it jumps, and tells of rounding), or its accuracy on rows held out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from race.arithmetic import affordable
from race.worker import CORES, Answer, on_clock

LONGEST = 12.0  # seconds: who goes through members one by one does no more of them than fit into it
CLIP = 1e9  # never reached: what clipping costs is paid, and nothing changes
ROWS = 10_000  # of 784 numbers


@dataclass(frozen=True)
class Task:
    """Members that differ by their seeds; ``steps`` updates each of the batch's mean cross-entropy."""

    widths: tuple[int, ...]
    batch: int
    steps: int
    members: int
    optimizer: str  # "sgd" or "adam" (Algorithm 1 of the paper, ε = 1e-8)
    rate: float
    clip: bool = True  # by goodfit, with the others nothing
    norm: bool = False
    dropout: float = 0.0
    judge: str = "loss"  # of the last epoch, or "curve" of all steps, or "accuracy"
    conv: tuple[int, ...] = ()  # channels of convolutions in front, of images 28 × 28

    @property
    def flops(self) -> int:
        """Operations by the usual count: 6·B·weights a step (forward 2, both gradients 4)."""
        weights = sum(a * b for a, b in pairwise(self.widths))
        return 6 * self.batch * weights * self.steps * self.members

    @property
    def classes(self) -> int:
        """Outputs."""
        return self.widths[-1]

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows and classes to train on and to be judged by, float32 (N, inputs) and int32 (N,)."""
        return digits() if self.widths[0] == 64 else images()

    @property
    def given(self) -> np.ndarray:
        """The rows to train on as goodfit takes them: of images the bytes."""
        return pixels()[0][:ROWS] if self.widths[0] == 784 else self.rows[0]

    @property
    def epoch(self) -> int:
        """Steps of an epoch."""
        return -(-len(self.rows[0]) // self.batch)

    @property
    def ragged(self) -> bool:
        """Whether the last batch of an epoch is short."""
        return len(self.rows[0]) % self.batch > 0

    @property
    def tail(self) -> int:
        """The last steps, whose losses are averaged."""
        return self.steps if self.judge == "curve" else min(self.epoch, self.steps)

    @property
    def network(self):
        """The network's shape in goodfit."""
        from goodfit.network import Network

        scale, image = (1.0, None) if self.widths[0] == 64 else (1.0 / 255.0, (28, 28, 1))
        return Network(self.widths[0], self.classes, input_scale=scale, image=image if self.conv else None)

    @property
    def recipe(self):
        """The recipe in goodfit."""
        from goodfit.recipe import Recipe
        from goodfit.techniques.optimizers import SGD, Adam

        rule = SGD(self.rate) if self.optimizer == "sgd" else Adam(self.rate, paper=True)
        return Recipe(
            self.widths[1:-1],
            optimizer=rule,
            batch_size=self.batch,
            batch_norm=self.norm,
            dropout=self.dropout,
            conv=self.conv,
            clip_norm=CLIP if self.clip else None,
        )

    def first_weights(self) -> list[dict[str, np.ndarray]]:
        """Return each member's first parameters by the engine's names; weights are (n_in, n_out)."""
        return [self.network.init(self.recipe, seed)[0] for seed in range(self.members)]

    def batches(self) -> np.ndarray:
        """Return the members' batches, row numbers, (members, steps, B) int32; −1 fills a short one."""
        from goodfit.engine.order import STEPS, BatchOrder

        found = np.empty((self.members, self.steps, self.batch), np.int32)
        for seed in range(self.members):
            order = BatchOrder(np.arange(len(self.rows[0])), self.batch, seed)
            for first in range(0, self.steps, STEPS):
                some = min(STEPS, self.steps - first)
                found[seed, first : first + some] = order.block(first, some)[:some]
        return found

    def layers(self, params: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weight (n_in, n_out) and bias (n_out,) of each layer, the first one first."""
        names = [f"hidden.{i}" for i in range(len(self.widths) - 2)] + ["output"]
        return [(params[f"{name}.weight"], params[f"{name}.bias"]) for name in names]


_DEEP = Task((784, *(100,) * 6, 10), 100, 200, 100, "sgd", 0.01)
TASKS = {
    "a": _DEEP,
    "b": Task((64, 32, 32, 10), 32, 50 * 45, 64, "adam", 0.001, judge="accuracy"),
    "c": Task((784, *(100,) * 4, 10), 128, 2000, 1, "adam", 0.001, clip=False, judge="curve"),
    "d": replace(_DEEP, norm=True, dropout=0.2),
    "i": Task((784, 64, 10), 128, 60, 8, "adam", 0.001, clip=False, judge="curve", conv=(16, 32)),
}


def task_of(key: str, quick: bool) -> Task:
    """Return a row's task; a tiny one to see whether everything runs."""
    task = TASKS[key]
    few = 45 if task.judge == "accuracy" else 8
    return replace(task, members=min(task.members, 4), steps=few) if quick else task


def images() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return 10,000 rows of 784 numbers in [0, 1] and the next 1,000: MNIST's, or noise of the same shape."""
    x, y = pixels()
    x = x.astype(np.float32) / 255.0
    return x[:ROWS], y[:ROWS], x[ROWS:], y[ROWS:]


def pixels() -> tuple[np.ndarray, np.ndarray]:
    """Return the same rows as bytes, (11,000, 784), and their classes, int32."""
    from goodfit.data.builtin import data_folder
    from goodfit.data.idx import read_idx_folder

    folder, count = data_folder(), ROWS + 1000
    if folder is None or not (folder / "mnist").is_dir():
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 256, (count, 784), dtype=np.uint8), rng.integers(0, 10, count)
        return x, y.astype(np.int32)
    table = read_idx_folder(folder / "mnist")
    return table.images[:count].reshape(count, -1), table.columns["label"][:count].astype(np.int32)


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return scikit-learn's digits, sixteenths: 1,437 rows to train on and 360 to be judged by."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype(np.float32), y.astype(np.int32)
    x, far, y, far_y = train_test_split(x, y, test_size=360, stratify=y, random_state=0)
    return x, y, far, far_y


def one_by_one(members: int, train: Callable[[int], float], seconds_each: float) -> Callable[[], Answer]:
    """Return a race that trains as many members, one after another, as fit into `LONGEST` seconds."""
    count = affordable(members, seconds_each, LONGEST)
    return lambda: on_clock(lambda: [train(member) for member in range(count)], count / members)


def two_processes() -> Any:
    """Return joblib's pool of two processes of one thread, which live on from round to round."""
    from joblib import Parallel

    return Parallel(CORES, backend="loky", inner_max_num_threads=1, idle_worker_timeout=3600)


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a second call takes; the first one warms up."""
    work()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def goodfit(key: str, quick: bool) -> Callable[[], Answer]:
    """Return goodfit's race: a `Population`, with quarantine, masks and best weights as always."""
    from goodfit.engine.population import Legs, Member, Population

    task = task_of(key, quick)
    _, y, far, far_y = task.rows
    accuracy = task.judge == "accuracy"
    holdout = (far, far_y, np.ones((1, len(far)), np.float32)) if accuracy else None
    population, recipe = Population(task.network, task.given, y, holdout=holdout), task.recipe

    def train(steps: int) -> list[float]:
        members = [Member(recipe, seed, horizon=task.steps) for seed in range(task.members)]
        population.advance(members, Legs(steps, steps, keep_losses=not accuracy))
        if accuracy:
            return [1.0 - float(m.evaluations[-1].error[0]) for m in members]
        return [float(np.mean(m.loss_curve[-task.tail :])) for m in members]

    train(2)  # compiles
    return lambda: on_clock(lambda: train(task.steps))
