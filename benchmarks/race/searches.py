"""Row (f): a random search on digits, 27 candidates × 3 folds, by goodfit and by those who search.

A network 64-32-32-10, batch 32, 50 epochs of Adam; learning rate and scikit-learn's ``alpha`` are drawn
log-uniformly. goodfit and scikit-learn try the same candidates, and a score is a candidate's mean accuracy
over the folds; Optuna's TPE draws its own. In (f1) the process lives, imports, programs and workers ready; in
(f2) a script (`whole.py`) is timed from its start to its exit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from race.arithmetic import affordable
from race.worker import CORES, Answer, on_clock

HIDDEN, BATCH, EPOCHS, CANDIDATES, FOLDS = (32, 32), 32, 50, 27, 3
RATES, ALPHAS = (1e-4, 1e-1), (1e-6, 1e-2)
LONGEST = 20.0  # seconds: a peer tries no more candidates than fit into it


@dataclass(frozen=True)
class Problem:
    """What is searched."""

    candidates: int
    epochs: int

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """All digits in sixteenths, float32 (1797, 64), and their classes."""
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        return (x / 16).astype(np.float32), y

    @cached_property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Row numbers to train on and to be judged by."""
        from sklearn.model_selection import StratifiedKFold

        return list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(*self.rows))

    @cached_property
    def distributions(self) -> dict[str, Any]:
        """The space in scikit-learn's words."""
        from scipy.stats import loguniform

        return {"learning_rate_init": loguniform(*RATES), "alpha": loguniform(*ALPHAS)}


def problem_of(quick: bool) -> Problem:
    return Problem(2, 2) if quick else Problem(CANDIDATES, EPOCHS)


def ours_search(problem: Problem) -> list[float]:
    """Return each candidate's mean accuracy: all candidates and folds as one population."""
    from sklearn.model_selection import ParameterSampler

    from goodfit.engine.population import Legs, Member, Population
    from goodfit.engine.program import use_cache
    from goodfit.network import Network
    from goodfit.recipe import Recipe
    from goodfit.techniques.optimizers import Adam
    from goodfit.techniques.regularization import BatchDecay

    use_cache()
    x, y = problem.rows
    y = y.astype(np.int32)
    population = Population(Network(x.shape[1], 10), x, y, holdout=(x, y, np.ones((1, len(x)), np.float32)))
    members = []
    for drawn in ParameterSampler(problem.distributions, problem.candidates, random_state=0):
        rule, decay = Adam(drawn["learning_rate_init"], paper=True), BatchDecay(drawn["alpha"])
        recipe = Recipe(HIDDEN, optimizer=rule, weight_decay=decay, batch_size=BATCH)
        for train, valid in problem.folds:
            steps = problem.epochs * -(-len(train) // BATCH)
            members.append(Member(recipe, 0, rows=train, judged=valid, horizon=steps))
    population.advance(members, Legs(None, max(m.horizon for m in members)))
    shares = [1.0 - float(m.evaluations[-1].error[0]) if m.evaluations else 0.0 for m in members]
    return np.reshape(shares, (-1, FOLDS)).mean(axis=1).tolist()


def sklearn_search(problem: Problem, candidates: int | None = None) -> list[float]:
    """Return each candidate's mean accuracy by `RandomizedSearchCV` of `MLPClassifier`, two processes."""
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.neural_network import MLPClassifier

    os.environ["PYTHONWARNINGS"] = "ignore"  # of an end before convergence, by its processes
    warnings.simplefilter("ignore")
    network = MLPClassifier(
        HIDDEN,
        batch_size=BATCH,
        max_iter=problem.epochs,
        tol=0.0,
        n_iter_no_change=problem.epochs,
        random_state=0,
    )
    settings = {"cv": problem.folds, "n_jobs": CORES, "refit": False, "random_state": 0}
    count = candidates or problem.candidates
    search = RandomizedSearchCV(network, problem.distributions, n_iter=count, **settings)
    return search.fit(*problem.rows).cv_results_["mean_test_score"].tolist()


def goodfit(key: str, quick: bool) -> Callable[[], Answer]:
    """Return goodfit's race in a living process; one search has been made."""
    problem = problem_of(quick)
    ours_search(problem)
    return lambda: on_clock(lambda: ours_search(problem))


def sklearn(key: str, quick: bool) -> Callable[[], Answer]:
    """Return scikit-learn's race in a living process; its workers have made a search."""
    problem = problem_of(quick)
    sklearn_search(Problem(CORES, 1))
    began = time.perf_counter()
    sklearn_search(problem, 2)
    each = (time.perf_counter() - began) / 2
    count = affordable(problem.candidates, each, LONGEST)
    return lambda: on_clock(lambda: sklearn_search(problem, count), count / problem.candidates)


def optuna(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of Optuna's TPE around PyTorch's plain loop: tensors in memory."""
    import optuna
    import torch

    from race.with_torch import use_faster_threads

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = problem_of(quick)
    x, y = map(torch.from_numpy, problem.rows)
    parts = [[(x[rows], y[rows]) for rows in map(torch.from_numpy, fold)] for fold in problem.folds]

    use_faster_threads(lambda *_: train_torch(1e-3, 0.0, 1, *parts[0]))

    def objective(trial: Any) -> float:
        rate = trial.suggest_float("learning_rate_init", *RATES, log=True)
        decay = trial.suggest_float("alpha", *ALPHAS, log=True) / BATCH
        return float(np.mean([train_torch(rate, decay, problem.epochs, *part) for part in parts]))

    def work(trials: int) -> list[float]:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), direction="maximize")
        study.optimize(objective, trials)
        return [trial.value for trial in study.trials]

    work(1)
    began = time.perf_counter()
    work(1)
    count = affordable(problem.candidates, time.perf_counter() - began, LONGEST)
    return lambda: on_clock(lambda: work(count), count / problem.candidates)


def train_torch(rate: float, decay: float, epochs: int, train: Any, valid: Any) -> float:
    """Return the accuracy on ``valid`` (rows, classes) of a network trained on ``train``."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    widths = (64, *HIDDEN)
    layers = [part for pair in pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], 10))
    rule = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay, fused=True)
    x, y = train
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            rule.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            rule.step()
    with torch.no_grad():
        return float((model(valid[0]).argmax(1) == valid[1]).float().mean())


def _whole(who: str, quick: bool, cache: str) -> Answer:
    """Return the run of a script from its start to its exit."""
    command = [sys.executable, str(Path(__file__).with_name("whole.py")), who, *["--quick"] * quick]
    environment = os.environ | {"GOODFIT_CACHE": cache}

    def work() -> str:
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout.splitlines()[-1]

    return on_clock(work, judge=json.loads)


def goodfit_cold(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of goodfit's script, nothing compiled by an earlier one."""

    def race() -> Answer:
        with tempfile.TemporaryDirectory() as empty:
            return _whole("goodfit", quick, empty)

    return race


def goodfit_known(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of goodfit's script after an earlier run of it."""
    cache = os.environ["GOODFIT_CACHE"]
    _whole("goodfit", quick, cache)
    return lambda: _whole("goodfit", quick, cache)


def sklearn_whole(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of scikit-learn's script."""
    return lambda: _whole("sklearn", quick, os.environ["GOODFIT_CACHE"])
