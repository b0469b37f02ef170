"""4a. Weight decay on few rows."""

from __future__ import annotations

import numpy as np

from goodfit.lab.comparison import Claim, Comparison, Plan, Record
from goodfit.lab.regularization import (
    at_book_rate,
    figures,
    gap,
    on_test,
    on_training,
    run,
    tables,
    tuned_test,
)
from goodfit.lab.training import Bench

EPOCHS = 201
BOOK = {"no decay": {"weight_decay": 0.0}, "weight decay 0.1": {"weight_decay": 0.1}}
FAIR = {
    "no decay": {"weight_decay": 0.0},
    "weight decay 0.001": {"weight_decay": 0.001},
    "weight decay 0.01": {"weight_decay": 0.01},
    "weight decay 0.1": {"weight_decay": 0.1},
}


def _run(plan: Plan, bench: Bench):
    return run(plan, bench, BOOK, FAIR, EPOCHS)


def _squared_weights(arm: str):
    return lambda record: record.of("norm", arm)[:, -1].astype(np.float64)


def _best_decay(record: Record) -> np.ndarray:
    """Return the test accuracy of the middling decay, each seed at the rate that suits it."""
    return tuned_test("weight decay 0.01")(record)


_CLAIMS = (
    Claim(
        "Without weight decay the training accuracy reaches 100 %.",
        "training accuracy at the end − 1 (reaches: above 99.5 %)",
        on_training("no decay"),
        lambda r: 1.0,
        inside=(-0.005, np.inf),
    ),
    Claim(
        "With it, 100 % is not reached.",
        "training accuracy at the end with λ = 0.1 − 1 (not reached: below 99.5 %)",
        on_training("weight decay 0.1"),
        lambda r: 1.0,
        inside=(-np.inf, -0.005),
    ),
    Claim(
        "The gap between training and test narrows.",
        "training − test accuracy, λ = 0 − λ = 0.1",
        gap("no decay"),
        gap("weight decay 0.1"),
        more_is_better=False,
    ),
    Claim(
        "So over-fitting is suppressed: the test accuracy is better.",
        "test accuracy at the end, λ = 0.1 − λ = 0",
        on_test("weight decay 0.1"),
        on_test("no decay"),
    ),
    Claim(
        "The weights stay smaller.",
        "Σ‖W‖² at the end, λ = 0 − λ = 0.1",
        _squared_weights("no decay"),
        _squared_weights("weight decay 0.1"),
    ),
    Claim(
        "Made fair: a mild decay (λ = 0.001) helps, each at its own learning rate.",
        "test accuracy, λ = 0.001 − λ = 0",
        tuned_test("weight decay 0.001"),
        tuned_test("no decay"),
    ),
    Claim(
        "Made fair: a stronger decay (λ = 0.01) helps, each at its own learning rate.",
        "test accuracy, λ = 0.01 − λ = 0",
        _best_decay,
        tuned_test("no decay"),
    ),
    Claim(
        "The right learning rate alone improves the test accuracy.",
        "test accuracy of no decay, at its own learning rate − at the book's",
        tuned_test("no decay"),
        at_book_rate("no decay"),
    ),
    Claim(
        "The right learning rate is worth more than the mild decay (λ = 0.001).",
        "test accuracy, what the learning rate adds − what the decay adds to that",
        lambda r: tuned_test("no decay")(r) - at_book_rate("no decay")(r),
        lambda r: tuned_test("weight decay 0.001")(r) - tuned_test("no decay")(r),
    ),
)

COMPARISON = Comparison(
    "4a",
    "Weight decay on few rows",
    "Does weight decay stop a deep network from learning 300 rows by heart, and does it generalise better "
    "then?",
    "The book shows that the gap narrows. It narrows because the training accuracy falls: look at the test "
    "accuracy itself. The second figure gives every arm the learning rate that suits it, which is the fair "
    "question.",
    _run,
    _CLAIMS,
    figures,
    tables,
    "Training and test accuracy by epoch with and without weight decay, and the sum of squared weights.",
)
