"""Three examples of scikit-learn's gallery, each run as it stands with both imports.

    python benchmarks/migration.py [--out build/migration] [--only NAME]

plot_mlp_alpha (decision boundaries by alpha), plot_mlp_training_curves (learning rules compared) and
plot_mnist_filters (first-layer weights, here of scikit-learn's own digits). Figures go to OUT, one an example
and import; the table says how long each took, the second time round, and how far the numbers are apart.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import sklearn.neural_network
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import goodfit

Found = tuple[Any, list[float]]  # a figure, and the numbers to compare


def alpha(home: ModuleType) -> Found:
    """plot_mlp_alpha: three data sets, five penalties, L-BFGS."""
    alphas = np.logspace(-1, 1, 5)
    x, y = datasets.make_classification(
        n_features=2, n_redundant=0, n_informative=2, random_state=0, n_clusters_per_class=1
    )
    x += 2 * np.random.RandomState(2).uniform(size=x.shape)
    sets = [
        datasets.make_moons(noise=0.3, random_state=0),
        datasets.make_circles(noise=0.2, factor=0.5, random_state=1),
        (x, y),
    ]
    figure, axes = plt.subplots(3, 6, figsize=(17, 9))
    numbers = []
    for row, (x, y) in zip(axes, sets, strict=True):
        x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, random_state=42)
        (left, right), (low, high) = ((x[:, i].min() - 0.5, x[:, i].max() + 0.5) for i in (0, 1))
        xx, yy = np.meshgrid(np.arange(left, right, 0.02), np.arange(low, high, 0.02))
        row[0].scatter(*x_train.T, c=y_train, cmap="bwr", edgecolors="black", s=25)
        row[0].scatter(*x_test.T, c=y_test, cmap="bwr", alpha=0.6, edgecolors="black", s=25)
        for axis, penalty in zip(row[1:], alphas, strict=True):
            network = home.MLPClassifier(
                solver="lbfgs", alpha=penalty, random_state=1, max_iter=2000, hidden_layer_sizes=[10, 10]
            )
            model = make_pipeline(StandardScaler(), network).fit(x_train, y_train)
            score = model.score(x_test, y_test)
            shown = model.predict_proba(np.c_[xx.ravel(), yy.ravel()])[:, 1].reshape(xx.shape)
            axis.contourf(xx, yy, shown, cmap="RdBu_r", alpha=0.8)
            axis.scatter(*x_train.T, c=y_train, cmap="bwr", edgecolors="black", s=25)
            axis.scatter(*x_test.T, c=y_test, cmap="bwr", alpha=0.6, edgecolors="black", s=25)
            axis.set_title(f"alpha {penalty:.2f}")
            axis.text(xx.max() - 0.3, yy.min() + 0.3, f"{score:.2f}".lstrip("0"), size=15, ha="right")
            numbers.append(score)
        for axis in row:
            axis.set(xlim=(left, right), ylim=(low, high), xticks=(), yticks=())
    return figure, numbers


RULES = [
    ("constant learning-rate", {"learning_rate": "constant", "momentum": 0}),
    ("constant with momentum", {"learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": False}),
    ("constant with Nesterov's", {"learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": True}),
    ("inv-scaling learning-rate", {"learning_rate": "invscaling", "momentum": 0}),
    (
        "inv-scaling with momentum",
        {"learning_rate": "invscaling", "momentum": 0.9, "nesterovs_momentum": False},
    ),
    (
        "inv-scaling with Nesterov's",
        {"learning_rate": "invscaling", "momentum": 0.9, "nesterovs_momentum": True},
    ),
    ("adam", {"solver": "adam", "learning_rate_init": 0.01}),
]
LINES = [(color, dash) for dash in ("-", "--") for color in ("red", "green", "blue")] + [("black", "-")]


def training_curves(home: ModuleType) -> Found:
    """plot_mlp_training_curves: seven learning rules on four data sets."""
    sets = {
        "iris": datasets.load_iris(return_X_y=True),
        "digits": datasets.load_digits(return_X_y=True),
        "circles": datasets.make_circles(noise=0.2, factor=0.5, random_state=1),
        "moons": datasets.make_moons(noise=0.3, random_state=0),
    }
    figure, axes = plt.subplots(2, 2, figsize=(15, 10))
    numbers = []
    for axis, (name, (x, y)) in zip(axes.ravel(), sets.items(), strict=True):
        x = MinMaxScaler().fit_transform(x)
        for (label, params), (color, dash) in zip(RULES, LINES, strict=True):
            params = {"solver": "sgd", "learning_rate_init": 0.2, **params}
            epochs = 15 if name == "digits" else 400
            model = home.MLPClassifier(random_state=0, max_iter=epochs, **params).fit(x, y)
            axis.plot(model.loss_curve_, c=color, ls=dash, label=label)
            numbers += [model.loss_, model.score(x, y)]
        axis.set_title(name)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), ncol=3, loc="upper center")
    return figure, numbers


def filters(home: ModuleType) -> Found:
    """plot_mnist_filters, on the 8×8 digits: 16 of the first layer's 40 weight images."""
    x, y = datasets.load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x / 16, y, random_state=0, test_size=0.3)
    model = home.MLPClassifier(
        hidden_layer_sizes=(40,),
        max_iter=8,
        alpha=1e-4,
        solver="sgd",
        verbose=False,
        random_state=1,
        learning_rate_init=0.2,
    ).fit(x_train, y_train)
    figure, axes = plt.subplots(4, 4)
    low, high = model.coefs_[0].min(), model.coefs_[0].max()
    for coef, axis in zip(model.coefs_[0].T, axes.ravel(), strict=False):
        axis.matshow(coef.reshape(8, 8), cmap="gray", vmin=0.5 * low, vmax=0.5 * high)
        axis.set(xticks=(), yticks=())
    return figure, [model.score(x_train, y_train), model.score(x_test, y_test), *model.coefs_[0].ravel()]


EXAMPLES = {
    "plot_mlp_alpha": alpha,
    "plot_mlp_training_curves": training_curves,
    "plot_mnist_filters": filters,
}
HOMES = {"scikit-learn": sklearn.neural_network, "goodfit": goodfit}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/migration"))
    parser.add_argument("--only", choices=EXAMPLES)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    print(f"{'example':26}{'scikit-learn':>14}{'goodfit':>10}{'first time':>12}   largest difference")
    for name in [asked.only] if asked.only else EXAMPLES:
        seconds, found = {}, {}
        for home, module in HOMES.items():
            for time_round in ("first", "warm"):
                began = time.perf_counter()
                figure, found[home] = EXAMPLES[name](module)
                seconds[home, time_round] = time.perf_counter() - began
                figure.savefig(asked.out / f"{name}-{home}.png", dpi=60)
                plt.close(figure)
        apart = np.abs(np.subtract(*found.values())).max()
        print(
            f"{name:26}{seconds['scikit-learn', 'warm']:12.1f} s{seconds['goodfit', 'warm']:8.1f} s"
            f"{seconds['goodfit', 'first']:10.1f} s   {apart:.1e} of {len(found['goodfit'])} numbers"
        )


if __name__ == "__main__":
    main()
