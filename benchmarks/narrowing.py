"""Comparison 5a as a search: started on the book's own range, beside the book's own search.

    GOODFIT_DATA=… python benchmarks/narrowing.py [--seeds 5] [--budget 20000]

500 MNIST rows, 100 of them to validate, 784-100×6-10, SGD, batch 100, at most 50 epochs a network. The book
draws 100 pairs of learning rate (1e-6 to 1e-2) and weight decay (1e-8 to 1e-4) and trains each for 200 steps:
20,000 steps. goodfit's search has as many steps and the same range, which it may widen. Both winners are then
trained again on all 500 rows, and judged by 4,000 rows that nothing saw, before and after that.
"""

from __future__ import annotations

import argparse

import numpy as np

from goodfit.engine.population import Legs, Member, Population
from goodfit.engine.program import use_cache
from goodfit.lab.data import LabData, default_data
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.search.budget import Budget
from goodfit.search.plan import Settings
from goodfit.search.recipes import recipe_of, recipe_space
from goodfit.search.search import Search
from goodfit.search.space import Space, choice, log_uniform
from goodfit.search.study import Study

SPACE = recipe_space(
    Space(
        {
            "hidden": (100,) * 6,
            "optimizer": choice({"SGD": {"lr": log_uniform(1e-6, 1e-2)}}),
            "weight_decay": log_uniform(1e-8, 1e-4),
            "schedule": None,
            "batch_size": 100,
        }
    )
)
LR = "optimizer.SGD.lr"
STEPS, DRAWS = 200, 100


class Case:
    """One seed: 400 rows to train on, 100 to validate, 4,000 that nothing sees."""

    def __init__(self, data: LabData, seed: int) -> None:
        assert data.y is not None
        rng = np.random.default_rng(seed)
        rows, far = rng.permutation(500), 500 + rng.choice(len(data.x) - 500, 4000, replace=False)
        held = np.concatenate([rows[:100], far])
        sets = np.zeros((2, len(held)), np.float32)
        sets[0, :100] = sets[1, 100:] = 1.0
        self.network = Network(data.x.shape[1], len(data.classes), "softmax_cross_entropy", data.scale)
        holdout = (data.x[held], data.y[held], sets)
        self.population = Population(self.network, data.x[rows[100:]], data.y[rows[100:]], holdout=holdout)
        holdout = (data.x[far], data.y[far], np.ones((1, 4000)))
        self.everything = Population(self.network, data.x[rows], data.y[rows], holdout=holdout)
        self.rng, self.seed = rng, seed

    def refit(self, recipe: Recipe) -> float:
        """Return the fresh accuracy of a recipe trained on all 500 rows for as many epochs."""
        member = Member(recipe, self.seed, horizon=STEPS * 500 // 400)
        self.everything.advance([member], Legs(member.horizon, member.horizon))
        return 1.0 - float(member.evaluations[-1].error[0])

    def ours(self, budget: int) -> tuple[float, ...]:
        """Return learning rate, validation and fresh accuracy, and that of the refit, of goodfit's winner."""
        study = Study(None, self.network)
        search = Search(self.population, SPACE, Settings(Budget(steps=budget), self.seed, STEPS), study)
        search.run()
        winner = search.ranked()[0]
        best = search.networks(winner)[0].best
        assert best is not None
        return winner.point[LR], 1 - best.error[0], 1 - best.error[1], self.refit(winner.recipe)

    def book(self) -> tuple[float, ...]:
        """Return the same of the book's search: networks as they stand after their last step."""
        middle = SPACE.middle(next(SPACE.structures()))
        points = [
            {**middle, LR: 10 ** self.rng.uniform(-6, -2), "weight_decay": 10 ** self.rng.uniform(-8, -4)}
            for _ in range(DRAWS)
        ]
        members = [
            Member(recipe_of(SPACE, p), self.seed * 1000 + k, horizon=STEPS) for k, p in enumerate(points)
        ]
        self.population.advance(members, Legs(STEPS, STEPS))
        best = int(np.argmin([m.evaluations[-1].error[0] for m in members]))
        error = members[best].evaluations[-1].error
        return points[best][LR], 1 - error[0], 1 - error[1], self.refit(members[best].recipe)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=STEPS * DRAWS)
    options = parser.parse_args()
    use_cache()
    data = default_data()
    if len(data.x) < 4500:
        parser.error("this needs MNIST: set GOODFIT_DATA to the folder that holds mnist/.")
    print(f"{'':14}{'lr':>9}{'validation':>12}{'fresh':>8}{'refit, fresh':>14}")
    found: dict[str, list[tuple[float, ...]]] = {"goodfit": [], "the book's": []}
    for seed in range(options.seeds):
        case = Case(data, seed)
        for name, one in (("goodfit", case.ours(options.budget)), ("the book's", case.book())):
            found[name].append(one)
            print(f"{seed} {name:12}{one[0]:9.4f}{one[1]:12.3f}{one[2]:8.4f}{one[3]:14.4f}", flush=True)
    for name, rows in found.items():
        _, valid, fresh, refit = np.mean(rows, axis=0)
        print(f"mean {name:12}{min(r[0] for r in rows):6.4f}+{valid:12.3f}{fresh:8.4f}{refit:14.4f}")


if __name__ == "__main__":
    main()
