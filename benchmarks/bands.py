"""A lab run on MNIST against figures that others found with the book's own code.

    python benchmarks/bands.py RUN

The bands are ranges over outputs that readers of the book published, or single values where only one is known
(then a tenth of it either way, or three standard errors of ours, counts as inside). Printed are ours (mean
over seeds), the band, and whether they agree. With ``--book 3`` the networks of 1b and 2d are also trained in
the book's way (benchmarks/book.py), which tells whose figures are odd where they do not agree.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from book import RANDOM, BookNetwork, book_optimizer, rows_to_time

from goodfit.lab.c3b import final
from goodfit.lab.comparison import Record
from goodfit.lab.curves import accuracy, loss_near
from goodfit.lab.records import records_of
from goodfit.lab.regularization import tuned
from goodfit.recipe import Recipe
from goodfit.techniques.initializers import He, Xavier
from goodfit.techniques.optimizers import SGD, Adam, Momentum

Band = float | tuple[float, float]
Rows = Iterator[tuple[str, np.ndarray, Band]]


def updates(record: Record) -> Rows:
    known = {"SGD": (0.16, 0.28), "Momentum": (0.05, 0.13), "AdaGrad": (0.018, 0.12), "Adam": (0.026, 0.14)}
    for arm, band in known.items():
        yield f"{arm}, loss near update 1,900", loss_near(record, arm, 0.95), band
    for arm, early in (("SGD", 1.77), ("Momentum", 0.51), ("AdaGrad", 0.23), ("Adam", 0.38)):
        yield f"{arm}, loss near update 100", loss_near(record, arm, 0.05, 20), early


def spreads(name: str, known: dict[str, tuple[float | None, ...]]) -> Callable[[Record], Rows]:
    def rows(record: Record) -> Rows:
        for arm, values in known.items():
            for layer, value in enumerate(values):
                if value is not None:
                    yield f"{arm}, {name}, layer {layer + 1}", record.of(name, arm)[:, layer], value

    return rows


def sigmoid(record: Record) -> Rows:
    for layer in range(5):
        share = record.of("extreme", "σ = 1")[:, layer]
        yield f"σ = 1, share outside [.05, .95], layer {layer + 1}", share, (0.64, 0.78)
    known = {"σ = 0.01": (0.025, *[0.012] * 4), "Xavier": (0.21, *[0.12] * 4)}
    yield from spreads("std", known)(record)


def weights(record: Record) -> Rows:
    for arm, band in (("σ = 0.01", 2.30), ("Xavier", (0.20, 0.26)), ("He", (0.09, 0.15))):
        yield f"{arm}, loss near update 1,900", loss_near(record, arm, 0.95), band


def scales(record: Record) -> Rows:
    with_norm = [0.42, 0.48, 0.62, 0.78, 0.89, 0.95, 0.99, *[1.0] * 4, 0.90, 0.81, 0.62, None, 0.41]
    without = [None, None, 0.98, 0.88, 0.26, 0.13, *[0.12] * 10]
    for arm, known in (("batch norm", with_norm), ("no batch norm", without)):
        ours = final(record, arm)
        for i, value in enumerate(known):
            if value is not None:
                yield f"{arm}, scale {i + 1}, final training accuracy", ours[i], value


def decay(record: Record) -> Rows:
    yield "λ 0, training accuracy", accuracy(record, "no decay", 0), 1.0
    yield "λ 0, test accuracy", accuracy(record, "no decay", 1), (0.74, 0.77)
    yield "λ 0.1, training accuracy", accuracy(record, "weight decay 0.1", 0), 0.90
    yield "λ 0.1, test accuracy", accuracy(record, "weight decay 0.1", 1), (0.69, 0.765)
    for arm, value in (("no decay", 0.841), ("weight decay 0.001", 0.845)):
        yield f"fair, {arm}, test accuracy + .045", tuned(record, arm)[1] + 0.045, value


def dropout(record: Record) -> Rows:
    yield "off, training accuracy", accuracy(record, "no dropout", 0), 1.0
    yield "off, test accuracy", accuracy(record, "no dropout", 1), 0.76
    yield "on (book), training accuracy", accuracy(record, "dropout (book)", 0), (0.66, 0.76)
    yield "on (book), test accuracy", accuracy(record, "dropout (book)", 1), (0.52, 0.62)
    yield "on (inverted), training accuracy", accuracy(record, "dropout (inverted)", 0), 0.97
    yield "on (inverted), test accuracy", accuracy(record, "dropout (inverted)", 1), 0.74
    for arm, value in (("no dropout", 0.841), ("dropout 0.1", 0.845), ("dropout 0.2", 0.835)):
        yield f"fair, {arm}, test accuracy + .045", tuned(record, arm)[1] + 0.045, value


def search(record: Record) -> Rows:
    best = record["best"]
    yield "first round, best validation accuracy", best[0, :, 2], (0.77, 0.84)
    yield "first round, best learning rate", best[0, :, 0], (0.0059, 0.0099)
    yield "last round, best learning rate (> .02)", best[-1, :, 0], (0.02, 0.64)


CHECKS: dict[str, Callable[[Record], Rows]] = {
    "1b": updates,
    "2a": sigmoid,
    "2b": spreads(
        "std", {"Xavier": (0.63, 0.49, 0.41, 0.36, 0.32), "σ = 0.01": (0.099, 9.9e-3, 1e-3, 1e-4, 1e-5)}
    ),
    "2c": spreads(
        "std",
        {
            "σ = 0.01": (0.059, None, None, None, 1.6e-6),
            "Xavier": (0.59, 0.42, 0.31, 0.22, 0.16),
            "He": (0.83, 0.83, 0.87, 0.88, 0.90),
        },
    ),
    "2d": weights,
    "3b": scales,
    "4a": decay,
    "4b": dropout,
    "5a": search,
}


def book_losses(networks: int) -> None:
    """Train the networks of 1b and 2d in the book's way; print their losses near updates 100 and 1,900."""
    what, x, y, first = rows_to_time()
    x, y = x[:first], y[:first]
    arms = {
        "1b SGD and 2d He": Recipe((100,) * 4, optimizer=SGD(), init=He()),
        "1b Momentum": Recipe((100,) * 4, optimizer=Momentum(), init=He()),
        "1b Adam": Recipe((100,) * 4, optimizer=Adam(), init=He()),
        "2d Xavier": Recipe((100,) * 4, optimizer=SGD(), init=Xavier()),
    }
    print(f"The book's way in NumPy on {what}, {networks} networks an arm: loss near update 100 and 1,900")
    for name, recipe in arms.items():
        near = np.zeros((networks, 2))
        for k in range(networks):
            network, rule, losses = BookNetwork(784, 10, recipe), book_optimizer(recipe), []
            for _ in range(1950):
                rows = RANDOM.choice(len(x), 128)
                rule.update(network.params, network.gradient(x[rows], y[rows]))
                losses.append(network.loss(x[rows], y[rows], train=False))
            near[k] = np.mean(losses[90:110]), np.mean(losses[1850:1950])
        error = near.std(axis=0, ddof=1) / np.sqrt(networks)
        print(f"{name:20}{near[:, 0].mean():8.3f} ± {error[0]:.3f}{near[:, 1].mean():10.3f} ± {error[1]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a lab run")
    parser.add_argument("--book", type=int, default=0, help="train so many networks an arm in the book's way")
    options = parser.parse_args()
    if options.book > 1:
        book_losses(options.book)
    total = apart = 0
    for one, record in records_of(options.run):
        for what, values, band in CHECKS.get(one.id, lambda record: iter(()))(record):
            alive = values[~np.isnan(values)]
            mean, error = float(alive.mean()), float(alive.std(ddof=1) / np.sqrt(len(alive)))
            slack = max(0.1 * abs(band), 3 * error) if isinstance(band, float) else 3 * error
            low, high = (band - slack, band + slack) if isinstance(band, float) else band
            fits = low - 3 * error <= mean <= high + 3 * error
            total, apart = total + 1, apart + (not fits)
            known = f"{band:g}" if isinstance(band, float) else f"{band[0]:g} … {band[1]:g}"
            print(f"{one.id}  {what:48}{mean:11.4g} ± {error:<9.2g}{known:>16}  {'' if fits else 'APART'}")
    print(f"{total} figures, {apart} apart")


if __name__ == "__main__":
    main()
