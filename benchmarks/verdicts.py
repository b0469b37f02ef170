"""Are verdicts as often wrong as they say, and do they find what is there?

    python benchmarks/verdicts.py [--repetitions 200]

False claims: the same recipe twice, the second arm's seeds shifted by 1,000, 10 seeds an arm, trained on a
small problem drawn anew each time; a verdict other than "cannot tell" is false. At most 5 % may be, give or
take the sampling error of the repetitions. Power: a true paired difference of 1.5 standard deviations, as the
verdict sees it, must be found in at least 80 %: the differences of two such arms are moved by 1.5 times the
standard deviation of such differences over all repetitions.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from goodfit import Adam, Recipe, compare
from goodfit.stats.verdict import HOLDS, UNKNOWN, judge

SEEDS, SHIFT = 10, 1000
RECIPE = Recipe((16,), optimizer=Adam(0.01), batch_size=32)


def problem(repetition: int) -> tuple[np.ndarray, np.ndarray]:
    """Return 300 rows of 6 columns and noisy classes, drawn anew."""
    rng = np.random.default_rng(repetition)
    x = rng.normal(size=(300, 6)).astype(np.float32)
    score = x[:, 0] * x[:, 1] + x[:, 2] + rng.normal(size=300)
    return x, (score > 0).astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=200)
    count = parser.parse_args().repetitions
    seeds = {"first": range(SEEDS), "second": range(SHIFT, SHIFT + SEEDS)}
    pairs, wrong = [], 0
    for repetition in range(count):
        x, y = problem(repetition)
        found = compare({"first": RECIPE, "second": RECIPE}, x, y, seeds=seeds, epochs=5)
        wrong += found.verdicts[0].verdict != UNKNOWN
        pairs.append(found.curves["score"][:, :, -1])
    scores = np.array(pairs)  # repetitions, arms, seeds
    spread = float((scores[:, 0] - scores[:, 1]).std(ddof=1))
    hits = sum(judge(a + 1.5 * spread, b).verdict == HOLDS for a, b in scores)
    limit = 0.05 + 2 * math.sqrt(0.05 * 0.95 / count)
    print(f"{count} repetitions, {SEEDS} seeds an arm, differences with a standard deviation of {spread:.4f}")
    print(f"false claims: {wrong} = {wrong / count:.1%} (at most 5 %; with sampling error {limit:.1%})")
    print(f"a difference of 1.5 standard deviations is found in {hits} = {hits / count:.1%} (at least 80 %)")


if __name__ == "__main__":
    main()
