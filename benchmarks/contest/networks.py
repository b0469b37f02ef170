"""pytabkit's networks: RealMLP with tuned defaults, and TabM, sized to the clock.

Both hold out 20 % of the training rows for choosing the epoch, as pytabkit does by itself. Where one
fit leaves more than five and a half times its own time, five are fitted in cross-validation and
averaged (`n_cv=5`), which is how pytabkit's authors use spare time. Numbers' missing values are
replaced by the median and marked in a column.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd

from contest.search import Clock, Fitted
from contest.tables import Problem

EPOCHS, TRIAL_ROWS = 256, 2560  # RealMLP's; rows that its speed is measured on
TABM_SIZES = ((3, 512), (2, 256), (2, 128), (2, 64))  # blocks, width: the default, then less
TABM_EPOCHS, TABM_PATIENCE = 30, 16  # epochs that a size must allow to be taken; the default patience
TABM_LEAST = 4  # epochs that the rows are thinned for, where the smallest size allows fewer
FOLDS, SPARE = 5, 5.5
THREADS = 2


def quiet() -> None:
    """Silence Lightning."""
    warnings.simplefilter("ignore")
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


class Filled:
    """Replaces missing numbers by the training rows' median, and marks where a column had any."""

    def __init__(self, x: pd.DataFrame) -> None:
        numbers = x.select_dtypes("number")
        self.median = numbers.median().fillna(0.0)
        self.holed = [c for c in numbers if numbers[c].isna().any()]

    def __call__(self, x: pd.DataFrame) -> pd.DataFrame:
        """Return the frame without missing numbers."""
        marks = {f"{c} is missing": x[c].isna().astype("float64") for c in self.holed}
        return x.fillna(dict(self.median.items())).assign(**marks)


def answer(model: Any, filled: Filled, classification: bool) -> Any:
    """Return how a fitted estimator answers a frame."""
    return lambda x: model.predict_proba(filled(x)) if classification else model.predict(filled(x))


def real_mlp(problem: Problem, clock: Clock, whole: bool = False) -> Fitted:
    """Fit RealMLP-TD for as many of its 256 epochs as the clock allows, or for all (`whole`)."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    quiet()
    kind = RealMLP_TD_Classifier if problem.classification else RealMLP_TD_Regressor
    filled = Filled(problem.x_train)
    x = filled(problem.x_train)
    fixed = {"device": "cpu", "random_state": problem.seed, "n_threads": THREADS}

    y, rows = problem.y_train, np.random.default_rng(problem.seed).permutation(len(x))

    def fit(
        epochs: int, folds: int = 1, most: int | None = None, some: Any = slice(None)
    ) -> tuple[Any, float]:
        began = time.perf_counter()
        model = kind(**fixed, n_epochs=epochs, n_cv=folds)
        model.fit(x.iloc[some], y[some], time_to_fit_in_seconds=most)
        return model, time.perf_counter() - began

    def guard() -> int:
        return max(1, math.ceil(clock.left()))  # seconds: only where the forecast was wrong

    info: dict[str, Any] = {"parameters": {"n_epochs": EPOCHS}}
    if whole:
        return Fitted(answer(fit(EPOCHS)[0], filled, problem.classification), info)
    some = rows[:TRIAL_ROWS]
    fit(1, some=rows[:320])  # a warm-up
    once = fit(1, some=some)[1]
    four = max(fit(5, some=some)[1] - once, 1e-3)  # epochs, without what a fit costs once
    each = four / 4 * len(y) / len(some)
    epochs = int(np.clip(0.93 * (clock.left() - max(0.0, once - four / 4)) / each, 1, EPOCHS))
    model, took = fit(epochs, 1, guard())
    folds = FOLDS if clock.left() > SPARE * took else 1
    if folds > 1:
        model, _ = fit(epochs, folds, guard())
    info["parameters"] = {"n_epochs": epochs, "n_cv": folds}
    return Fitted(answer(model, filled, problem.classification), info)


def real_mlp_whole(problem: Problem, clock: Clock) -> Fitted:
    """Fit RealMLP-TD for its 256 epochs, however long they take."""
    return real_mlp(problem, clock, whole=True)


class Patience(int):
    """TabM's patience, out of which it also runs at a deadline; counts the epochs.

    TabM takes no limit of time, but after an epoch it takes one from what is left of its patience,
    unless the epoch was its best, and stops where that is below zero.
    """

    def __new__(cls, left: int, deadline: float, epochs: list[int]) -> Patience:
        """Make a patience of so many epochs."""
        made = super().__new__(cls, left)
        made.deadline, made.epochs = deadline, epochs
        return made

    def __sub__(self, other: int) -> Patience:
        """Return less patience."""
        return Patience(int(self) - other, self.deadline, self.epochs)

    def __lt__(self, other: int) -> bool:
        """Tell whether it is out of patience or of time; asked once an epoch."""
        self.epochs[0] += 1
        return int(self) < other or time.perf_counter() > self.deadline


def tabm(problem: Problem, clock: Clock) -> Fitted:
    """Fit TabM-D, batches of its authors' size, in the largest of four sizes that allows 30 epochs."""
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor
    from pytabkit.models.alg_interfaces.tabm_interface import get_tabm_auto_batch_size

    quiet()
    kind = TabM_D_Classifier if problem.classification else TabM_D_Regressor
    filled = Filled(problem.x_train)
    x, y = filled(problem.x_train), problem.y_train
    rows = np.random.default_rng(problem.seed).permutation(len(y))
    batch = get_tabm_auto_batch_size(int(0.8 * len(y)))
    fixed = {"device": "cpu", "random_state": problem.seed, "n_threads": THREADS, "batch_size": batch}

    def fit(size: tuple[int, int], some: Any = slice(None), **more: Any) -> tuple[Any, float]:
        began = time.perf_counter()
        model = kind(n_blocks=size[0], d_block=size[1], **fixed, **more).fit(x.iloc[some], y[some])
        return model, time.perf_counter() - began

    def step_seconds(size: tuple[int, int]) -> float:
        some = rows[: int(1.25 * batch)]  # one batch to train on, a quarter of it to validate
        fit(size, some, n_epochs=1)  # a warm-up
        return max(fit(size, some, n_epochs=4)[1] - fit(size, some, n_epochs=1)[1], 1e-3) / 3

    for size in TABM_SIZES:
        epoch = step_seconds(size) * math.ceil(0.8 * len(y) / batch)
        if 0.9 * clock.left() / epoch >= TABM_EPOCHS:
            break
    share = min(1.0, clock.left() / epoch / TABM_LEAST)
    some, epoch = rows[: int(share * len(y))], share * epoch
    ran, folds = [0], 1
    model, took = fit(size, some, patience=Patience(TABM_PATIENCE, clock.at(0.97) - epoch, ran))
    if clock.left() > SPARE * took:
        each, folds = took / max(1, ran[0]), FOLDS
        most = max(1, int(0.95 * clock.left() / FOLDS / each))
        patience = Patience(TABM_PATIENCE, clock.at(1.0), [0])
        model, _ = fit(size, some, patience=patience, n_epochs=most, n_cv=FOLDS)
    sizes = {"n_blocks": size[0], "d_block": size[1], "batch_size": batch}
    info = {"parameters": sizes | {"epochs": ran[0], "n_cv": folds, "rows": len(some)}}
    return Fitted(answer(model, filled, problem.classification), info)
