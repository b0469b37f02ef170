"""The random search that the peers share: a clock, an inner validation, then a refit on all rows.

A peer gives its candidates (the library's defaults first, then draws), and trains one with early
stopping. Tables of at most 3,000 training rows are validated in five folds, two at a time on one thread
each; larger ones on a holdout of 20 %, on two threads. The candidate of the lowest validation error
(ties: log loss) is trained again on all rows, for as many rounds as were best, if that is forecast to
fit into what is left; else the models of its folds answer together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from threadpoolctl import threadpool_limits

from contest.scores import validation_scores
from contest.tables import Problem

SEARCH_SHARE = 0.72  # of the budget, after which no candidate trains on; the rest is the refit's,
SEARCH_MOST = 0.95  # or as much of it as the best candidate so far will need
CV_ROWS, FOLDS, HOLDOUT = 3000, 5, 0.2
CORES = 2

Params = dict[str, Any]
Predict = Callable[[pd.DataFrame], np.ndarray]  # probabilities [n, K] or numbers [n]


class Clock:
    """The wall clock of one fit."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began = seconds, time.perf_counter()

    def used(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self.began

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.seconds - self.used()

    def at(self, share: float) -> float:
        """Return the `time.perf_counter()` at which this share of the budget is spent."""
        return self.began + share * self.seconds


@dataclass
class Part:
    """Rows to train on, and rows to stop by (none in a refit)."""

    x: pd.DataFrame
    y: np.ndarray
    x_valid: pd.DataFrame | None = None
    y_valid: np.ndarray | None = None


@dataclass
class Trained:
    """One trained candidate, answering as it stood after its best round."""

    predict: Predict
    rounds: int  # the best number of rounds (trees, epochs, iterations)
    ran: int  # rounds that were run to find out


@dataclass
class Fitted:
    """What a method hands back: how it answers, and what is worth recording."""

    predict: Predict
    info: dict[str, Any] = field(default_factory=dict)
    labels: Callable[[pd.DataFrame], np.ndarray] | None = None  # codes, where not the likeliest class
    raw: bool = False  # answers the frame as read, not the prepared one


class Trainer(Protocol):
    """A library behind one face."""

    def candidates(self, rng: np.random.Generator) -> Iterator[Params]:
        """Yield parameters, the library's defaults first."""
        ...

    def prepare(self, part: Part) -> Any:
        """Return rows in the library's own form."""
        ...

    def train(self, params: Params, data: Any, deadline: float) -> Trained:
        """Train with early stopping on the validation rows, until the deadline at the latest."""
        ...

    def refit(self, params: Params, data: Any, rounds: int, deadline: float) -> Trained:
        """Train for a number of rounds."""
        ...


def inner_parts(problem: Problem) -> list[Part]:
    """Return the folds, or the one holdout, that candidates are validated on."""
    x, y = problem.x_train, problem.y_train
    rare = problem.classification and np.bincount(y)[np.unique(y)].min() < 2
    stratify = problem.classification and not rare
    if len(y) <= CV_ROWS:
        kind = StratifiedKFold if stratify else KFold
        pairs = list(kind(FOLDS, shuffle=True, random_state=problem.seed).split(np.zeros(len(y)), y))
    else:
        rows, by = np.arange(len(y)), y if stratify else None
        pairs = [train_test_split(rows, test_size=HOLDOUT, random_state=problem.seed, stratify=by)]
    return [Part(x.iloc[a], y[a], x.iloc[b], y[b]) for a, b in pairs]


def together(models: list[Trained]) -> Predict:
    """Return the mean answer of several models."""
    return lambda x: np.mean([m.predict(x) for m in models], axis=0)


@dataclass
class Tried:
    """A candidate with the models of its folds."""

    params: Params
    models: list[Trained]
    scores: list[tuple[float, float]]  # one a fold
    seconds: float  # that its models took, added up

    @property
    def score(self) -> tuple[float, float]:
        """Return the mean error, then the mean log loss."""
        error, loss = np.mean(self.scores, axis=0)
        return float(error), float(loss)

    @property
    def rounds(self) -> int:
        """Return the folds' mean best number of rounds."""
        return max(1, round(float(np.mean([m.rounds for m in self.models]))))

    def forecast(self, rows_ratio: float) -> float:
        """Return the seconds that training on all rows for the best rounds will take."""
        ran = float(np.sum([m.ran for m in self.models]))
        return 1.15 * self.seconds / ran * self.rounds * rows_ratio


@dataclass
class Folds:
    """The parts to validate on, in the library's own form, and how many are trained at a time."""

    trainer: Trainer
    parts: list[Part]
    data: list[Any]
    at_once: int

    def train(self, params: Params, fold: int, end: float) -> tuple[Trained, tuple[float, float], float]:
        """Train on one fold; return the model, its validation scores and its seconds."""
        began = time.perf_counter()
        with threadpool_limits(CORES // self.at_once):
            model = self.trainer.train(params, self.data[fold], end)
        seconds = time.perf_counter() - began
        part = self.parts[fold]
        assert part.x_valid is not None
        assert part.y_valid is not None
        return model, validation_scores(part.y_valid, model.predict(part.x_valid)), seconds

    def try_one(self, pool: ThreadPoolExecutor, params: Params, best: Tried | None, end: float) -> Tried:
        """Train one candidate; leave off where a fold is worse than the best candidate's worst."""
        one = Tried(params, [], [], 0.0)
        while len(one.models) < len(self.parts):
            next_ = range(len(one.models), min(len(one.models) + self.at_once, len(self.parts)))
            for model, score, seconds in pool.map(lambda fold: self.train(params, fold, end), next_):
                one.models.append(model)
                one.scores.append(score)
                one.seconds += seconds
            if time.perf_counter() > end or (best is not None and max(one.scores) > max(best.scores)):
                break
        return one


def find(folds: Folds, problem: Problem, clock: Clock) -> tuple[Tried, int]:
    """Return the best candidate that the clock allows, and how many were tried."""
    best, tried, end = None, 0, clock.at(SEARCH_SHARE)
    ratio = len(problem.y_train) / len(folds.parts[0].y)
    with ThreadPoolExecutor(folds.at_once) as pool:
        for params in folds.trainer.candidates(np.random.default_rng(problem.seed)):
            if best is not None:  # the first candidate always has its turn
                end = max(clock.at(SEARCH_SHARE), clock.at(SEARCH_MOST) - 1.2 * best.forecast(ratio))
                if time.perf_counter() > end:
                    break
            one = folds.try_one(pool, params, best, end)
            tried += 1
            if best is None or (len(one.models) == len(folds.parts) and one.score < best.score):
                best = one
    assert best is not None
    return best, tried


def search(make: Callable[[str, int, int, int], Trainer], problem: Problem, clock: Clock) -> Fitted:
    """Find the best candidate that the clock allows, and train it; `make` is a trainer's class."""
    parts = inner_parts(problem)
    at_once = 1 if len(parts) == 1 or getattr(make, "alone", False) else CORES
    threads = CORES // at_once
    trainer = make(problem.task, len(problem.classes), problem.seed, threads)
    folds = Folds(trainer, parts, [trainer.prepare(part) for part in parts], at_once)
    best, tried = find(folds, problem, clock)
    forecast = best.forecast(len(problem.y_train) / len(parts[0].y))
    refitted = forecast < clock.left()
    info = {"candidates": tried, "parameters": best.params, "rounds": best.rounds, "refitted": refitted}
    info |= {"validation": best.score, "folds": len(best.models), "forecast": forecast}
    if not refitted:
        return Fitted(together(best.models), info)
    data = trainer.prepare(Part(problem.x_train, problem.y_train))
    with threadpool_limits(threads):
        final = trainer.refit(best.params, data, best.rounds, clock.at(1.03))
    return Fitted(final.predict, info)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def log_integer(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw a whole number whose logarithm is about uniform, both ends possible."""
    return int(np.clip(np.floor(log_uniform(rng, low, high + 1)), low, high))
