"""Does a search fool itself? Searches on labels drawn by lot, where every network's true error is one half.

    python benchmarks/optimism.py [--searches 200]

Each search has its own rows and labels and tries dozens of networks. The best of them looks better than
chance on the rows that chose it. Printed: how far it flatters, how often the 95 % interval of what to expect
on fresh rows holds the truth, and what the chosen networks score on sealed rows, which they have not seen.
One search goes before, which compiles.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from goodfit.engine.population import Population
from goodfit.engine.program import use_cache
from goodfit.network import Network
from goodfit.search.budget import Budget
from goodfit.search.plan import Settings
from goodfit.search.recipes import default_optimizers, recipe_space
from goodfit.search.search import Search
from goodfit.search.space import Space, choice, uniform
from goodfit.search.study import Study
from goodfit.stats.intervals import mean_interval, share_interval

SPACE = recipe_space(
    Space(
        {
            "hidden": choice((16,), (32,)),
            "optimizer": default_optimizers("AdamW"),
            "dropout": uniform(0.0, 0.5),
            "batch_size": 32,
        }
    )
)
TRAIN, SEALED = 200, 1000
VALIDATION = (50, 100, 200, 400)  # rows, in turn
TRUTH = 0.5


def search_noise(seed: int) -> dict[str, float]:
    """Return what one search on labels drawn by lot believes, and what its best network is worth."""
    rng = np.random.default_rng(seed)
    valid = VALIDATION[seed % len(VALIDATION)]
    rows = TRAIN + valid + SEALED
    x = rng.normal(size=(rows, 8)).astype(np.float32)
    y = rng.integers(2, size=rows).astype(np.int32)
    sets = np.zeros((2, valid + SEALED), np.float32)  # what chooses, and what is sealed
    sets[0, :valid] = sets[1, valid:] = 1.0
    population = Population(Network(8, 2), x[:TRAIN], y[:TRAIN], holdout=(x[TRAIN:], y[TRAIN:], sets))
    began = time.monotonic()
    run = Search(population, SPACE, Settings(Budget(members=40), seed, 60), Study(None, population.network))
    trials = run.run()
    seconds = time.monotonic() - began
    found = run.ranking()
    assert found is not None
    best = min((e for m in found.compared[0].members for e in [m.best] if e), key=lambda e: float(e.error[0]))
    return {
        "tried": len(trials),
        "apparent": found.optimism.apparent,
        "expected": found.optimism.expected,
        "covered": found.optimism.low <= TRUTH <= found.optimism.high,
        "sealed": float(best.error[1]),
        "seconds": seconds,
        "rows": valid,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--searches", type=int, default=200)
    options = parser.parse_args()
    use_cache()
    search_noise(options.searches)
    began = time.monotonic()
    found = [search_noise(seed) for seed in range(options.searches)]
    table = {key: np.array([one[key] for one in found]) for key in found[0]}
    seconds = table["seconds"]
    whole = time.monotonic() - began
    print(f"{len(found)} searches of {table['tried'].mean():.0f} networks on labels drawn by lot")
    print(f"{np.median(seconds):.2f} s each, the slowest {seconds.max():.2f} s, {whole:.0f} s in all")
    print(f"{'validation rows':>16}{'accuracy of the best':>24}{'expected on fresh':>20}   interval holds .5")
    for rows in (*VALIDATION, None):
        here = np.ones(len(found), bool) if rows is None else table["rows"] == rows
        share = float(table["covered"][here].mean())
        low, high = share_interval(share, float(here.sum()))
        apparent, expected = (1 - table[key][here].mean() for key in ("apparent", "expected"))
        print(f"{rows or 'all':>16}{apparent:>24.3f}{expected:>20.3f}   {share:.1%} [{low:.1%}, {high:.1%}]")
    mean, low, high = mean_interval(1 - table["sealed"])
    print(f"accuracy of the chosen network on {SEALED} sealed rows: {mean:.4f} [{low:.4f}, {high:.4f}]")


if __name__ == "__main__":
    main()
