"""4b. Dropout on few rows."""

from __future__ import annotations

import numpy as np

from goodfit.lab.comparison import Claim, Comparison, Plan
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
from goodfit.techniques.regularization import Dropout

EPOCHS = 301
RATIO = 0.2
BOOK = {
    "no dropout": {"dropout": 0.0},
    "dropout (book)": {"dropout": Dropout(RATIO, scaling="book")},
    "dropout (inverted)": {"dropout": Dropout(RATIO)},
    "dropout (slip)": {"dropout": Dropout(RATIO, scaling="slip")},
}
FAIR = {
    "no dropout": {"dropout": 0.0},
    "dropout 0.1": {"dropout": 0.1},
    "dropout 0.2": {"dropout": 0.2},
    "dropout 0.4": {"dropout": 0.4},
}


def _run(plan: Plan, bench: Bench):
    return run(plan, bench, BOOK, FAIR, EPOCHS)


_CLAIMS = (
    Claim(
        "Without dropout the training accuracy reaches 100 %.",
        "training accuracy at the end − 1 (reaches: above 99.5 %)",
        on_training("no dropout"),
        lambda r: 1.0,
        inside=(-0.005, np.inf),
    ),
    Claim(
        "With it (the book's form), 100 % is not reached.",
        "training accuracy at the end − 1 (not reached: below 99.5 %)",
        on_training("dropout (book)"),
        lambda r: 1.0,
        inside=(-np.inf, -0.005),
    ),
    Claim(
        "The gap between training and test narrows.",
        "training − test accuracy, none − the book's dropout",
        gap("no dropout"),
        gap("dropout (book)"),
        more_is_better=False,
    ),
    Claim(
        "So over-fitting is suppressed: the test accuracy is better.",
        "test accuracy at the end, the book's dropout − none",
        on_test("dropout (book)"),
        on_test("no dropout"),
    ),
    Claim(
        "The two forms are the same thing.",
        "training accuracy at the end, inverted − the book's (the same: within 0.02)",
        on_training("dropout (inverted)"),
        on_training("dropout (book)"),
        inside=(-0.02, 0.02),
    ),
    Claim(
        "At test time the output is scaled by the share deleted (the notes' slip): it does as well.",
        "test accuracy at the end, × ratio − × (1 − ratio) (as well: above −0.01)",
        on_test("dropout (slip)"),
        on_test("dropout (book)"),
        inside=(-0.01, np.inf),
    ),
    Claim(
        "Made fair: dropout 0.1 helps, each at its own learning rate.",
        "test accuracy, 0.1 − none",
        tuned_test("dropout 0.1"),
        tuned_test("no dropout"),
    ),
    Claim(
        "Made fair: dropout 0.2 helps, each at its own learning rate.",
        "test accuracy, 0.2 − none",
        tuned_test("dropout 0.2"),
        tuned_test("no dropout"),
    ),
    Claim(
        "The right learning rate alone improves the test accuracy.",
        "test accuracy of no dropout, at its own learning rate − at the book's",
        tuned_test("no dropout"),
        at_book_rate("no dropout"),
    ),
    Claim(
        "The right learning rate is worth more than dropout 0.1.",
        "test accuracy, what the learning rate adds − what dropout adds to that",
        lambda r: tuned_test("no dropout")(r) - at_book_rate("no dropout")(r),
        lambda r: tuned_test("dropout 0.1")(r) - tuned_test("no dropout")(r),
    ),
)

COMPARISON = Comparison(
    "4b",
    "Dropout on few rows",
    "Does dropout stop a deep network from learning 300 rows by heart, and does it generalise better then?",
    "At the book's learning rate the networks with dropout are not regularised but unfinished: after 301 "
    "epochs their training accuracy still rises. The book's form shrinks every layer's input in training, "
    "the inverted one does not, so the same learning rate means another thing to each. Scaling by the "
    "deleted share at test time, as the notes have it, makes the layers' outputs too small by a factor of "
    "four each; ReLU lets the ranking of the classes survive only as far as the biases are small.",
    _run,
    _CLAIMS,
    figures,
    tables,
    "Training and test accuracy by epoch with and without dropout, and the sum of squared weights.",
)
