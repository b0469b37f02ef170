"""What `class_weight="balanced"` does for a rare class: lending_club, 5 % of whose loans are bad.

    GOODFIT_DATA=… python benchmarks/weights.py [--seeds 5]

Each seed splits the rows 75 : 25 by classes; both forms train on the same rows, with the same random state,
and are examined on the same others. Printed are accuracy and balanced accuracy of each, and the paired
difference in balanced accuracy with its 95 % interval (Student's t over seeds).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import train_test_split

from goodfit import MLPClassifier, TabularClassifier

ESTIMATORS = {
    "TabularClassifier": lambda weight, seed: TabularClassifier(class_weight=weight, random_state=seed),
    "MLPClassifier": lambda weight, seed: MLPClassifier(
        (64, 64), class_weight=weight, early_stopping=True, random_state=seed
    ),
}


def numbers(train: pd.DataFrame, test: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return both tables one-hot and standardised, for the estimator that takes numbers alone."""
    both = pd.get_dummies(pd.concat([train, test]), dtype=float)
    found = both.iloc[: len(train)].to_numpy(), both.iloc[len(train) :].to_numpy()
    mean, std = found[0].mean(axis=0), found[0].std(axis=0)
    return tuple((x - mean) / np.where(std > 0, std, 1.0) for x in found)  # type: ignore[return-value]


def main() -> None:
    """Run both estimators with and without weights and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    frame = pd.read_parquet(Path(os.environ["GOODFIT_DATA"]) / "tables" / "lending_club.parquet")
    y, x = frame.pop("Class").astype(str).to_numpy(), frame
    for name, make in ESTIMATORS.items():
        found = {weight: np.zeros((seeds, 2)) for weight in (None, "balanced")}
        for seed in range(seeds):
            parts = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)
            inputs = numbers(parts[0], parts[1]) if name == "MLPClassifier" else parts[:2]
            for weight, rows in found.items():
                predicted = make(weight, seed).fit(inputs[0], parts[2]).predict(inputs[1])
                rows[seed] = accuracy_score(parts[3], predicted), balanced_accuracy_score(parts[3], predicted)
        for weight, rows in found.items():
            accuracy, balanced = rows.mean(axis=0)
            print(f"{name:18s} class_weight={weight!s:9s} accuracy {accuracy:.3f} balanced {balanced:.3f}")
        gain = found["balanced"][:, 1] - found[None][:, 1]
        half = stats.t.ppf(0.975, seeds - 1) * gain.std(ddof=1) / seeds**0.5
        low, high = gain.mean() - half, gain.mean() + half
        print(f"{'':18s} balanced accuracy {gain.mean():+.3f} [{low:+.3f}, {high:+.3f}], {seeds} seeds")


if __name__ == "__main__":
    main()
