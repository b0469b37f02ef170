"""Row (a) in the book's way, and row (b) in scikit-learn: one network after another."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from race.arithmetic import affordable
from race.task import LONGEST, Task, one_by_one, seconds_of, task_of, two_processes
from race.worker import CORES, Answer, on_clock

TRIAL = 10  # steps, or epochs, that tell the pace


def book(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of `benchmarks/book.py`: layer objects, NumPy float64; losses of the last epoch."""
    from dataclasses import replace

    from book import BookNetwork, book_optimizer

    task = task_of(key, quick)
    recipe = replace(task.recipe, clip_norm=None)
    first, blocks, (x, y, _, _) = task.first_weights(), task.batches(), task.rows

    def train(member: int, steps: int | None = None) -> float:
        network, rule = BookNetwork(task.widths[0], task.classes, recipe), book_optimizer(recipe)
        for i, (weight, bias) in enumerate(task.layers(first[member]), start=1):
            network.params[f"W{i}"][...] = weight
            network.params[f"b{i}"][...] = bias
        losses = []
        for rows in blocks[member][:steps]:
            t = y[rows]
            rule.update(network.params, network.gradient(x[rows], t))
            losses.append(-np.mean(np.log(network.last_layer.p[np.arange(len(t)), t] + 1e-7)))
        return float(np.mean(losses[-task.tail :]))

    some = min(TRIAL, task.steps)
    return one_by_one(task.members, train, seconds_of(lambda: train(0, some)) * task.steps / some)


def _fit(task: Task, member: int, epochs: int) -> float:
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")  # of an end before convergence
    x, y, far, far_y = task.rows
    network = MLPClassifier(
        task.widths[1:-1],
        alpha=0.0,
        batch_size=task.batch,
        learning_rate_init=task.rate,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs,
        random_state=member,
    )
    return float(network.fit(x, y).score(far, far_y))


def sklearn(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of `MLPClassifier`, one after another. First weights and batches are its own."""
    task = task_of(key, quick)
    epochs = max(1, task.steps // task.epoch)
    each = seconds_of(lambda: _fit(task, 0, min(TRIAL, epochs))) * epochs / min(TRIAL, epochs)
    return one_by_one(task.members, lambda member: _fit(task, member, epochs), each)


def sklearn_processes(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of `MLPClassifier` in two processes of one thread, started beforehand."""
    from joblib import delayed

    task = task_of(key, quick)
    epochs = max(1, task.steps // task.epoch)
    pool = two_processes()
    assert len(task.rows[0])  # read, and handed to the processes

    def train(members: int, epochs: int) -> list[Any]:
        return pool(delayed(_fit)(task, member, epochs) for member in range(members))

    some = min(TRIAL, epochs)
    train(CORES, 1)
    each = seconds_of(lambda: train(CORES, some)) / CORES * epochs / some
    count = affordable(task.members, each, LONGEST)
    return lambda: on_clock(lambda: train(count, epochs), count / task.members)
