"""The zoom against other searches, each driving the same trainer with the same number of member-steps.

    GOODFIT_DATA=… python benchmarks/search.py [SET …] [--seeds 3] [--methods zoom,random] [--out DIR]
    python benchmarks/search.py --show [--out DIR]

Sets: five tables and the first 5,000 rows of MNIST. All methods see one space, one validation set, one seed a
network, and networks of the same full length; they differ in what they try and in when they give up on it:

- zoom: goodfit's search.
- random: independent draws, each trained in full.
- tpe: Optuna's TPE, asked for eight at a time, each trained in full.
- tpe-hyperband: the same with Optuna's Hyperband pruner, told after each thirtieth of a run.
- halving: as in scikit-learn's HalvingRandomSearchCV: factor 3, each rung from scratch.

A run's record holds, by steps spent, the best validation error so far and that network's error on the test
rows, which nothing chooses by. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.data.prepare import Request, prepare
from goodfit.engine.population import Legs, Member, Population
from goodfit.engine.program import use_cache
from goodfit.model.problem import make_problem
from goodfit.search.budget import Budget
from goodfit.search.plan import Settings
from goodfit.search.recipes import default_batch_size, recipe_of, recipe_space
from goodfit.search.region import Region
from goodfit.search.search import Search
from goodfit.search.space import Point, Space, choice, log_uniform, uniform
from goodfit.search.study import Study
from goodfit.stats.intervals import mean_interval

SETS = ("spam", "keel_phoneme", "satellite", "concrete", "bikeshare", "mnist-5k")
RUNS = 24  # full runs that a budget holds
EVALUATIONS = 30  # in a full run
BATCH = 8  # asked at once


def space_for(columns: int, rows: int, task: str) -> Space:
    """Return the space that every method searches: 16 structures and up to five ranges."""
    wide = columns > 300
    tree: dict[str, Any] = {
        "hidden": choice((256, 256), (128, 128)) if wide else choice((128, 128), (64, 64)),
        "activation": choice("relu", "silu"),
        "optimizer": choice(
            {
                "AdamW": {"lr": log_uniform(1e-5, 1e-1), "weight_decay": log_uniform(1e-5, 1.0)},
                "Momentum": {
                    "lr": log_uniform(1e-4, 1.0),
                    "momentum": uniform(0.5, 0.99),
                    "weight_decay": log_uniform(1e-8, 1e-2),
                },
            }
        ),
        "batch_norm": choice(False, True),
        "dropout": uniform(0.0, 0.5),
        "batch_size": default_batch_size(rows),
    }
    if task == "classification":
        tree["label_smoothing"] = uniform(0.0, 0.2)
    return recipe_space(Space(tree))


class Bench:
    """One set and seed: the trainer that all methods drive, its steps counted, the best so far noted."""

    def __init__(self, name: str, seed: int, ledger: Path) -> None:
        data = prepare(Request(name.removesuffix("-5k"), seed=seed))
        problem = make_problem(data, None)
        train, valid = data.train, data.valid
        test = data.examine(data.sealed.open(ledger, model_hash=f"{name} {seed}", reason="benchmark"))
        keep = slice(0, 4000) if name.endswith("-5k") else slice(None)
        self.x, self.y = train.x[keep], problem.targets(train)[keep]
        held = slice(0, 1000) if name.endswith("-5k") else slice(None)
        parts = [(valid.x[held], problem.targets(valid)[held]), (test.x, problem.targets(test))]
        sets = np.zeros((2, sum(len(x) for x, _ in parts)), np.float32)
        sets[0, : len(parts[0][0])] = sets[1, len(parts[0][0]) :] = 1.0
        holdout = (*(np.concatenate(side) for side in zip(*parts, strict=True)), sets)
        self.population = Population(problem.network, self.x, self.y, holdout=holdout)
        self.space = space_for(self.x.shape[1], len(self.x), problem.task)
        rows = len(self.x)
        epochs = min(max(2e5 / rows + 4, 10), 60)
        self.full = int(epochs * rows / default_batch_size(rows))
        self.budget, self.seed = RUNS * self.full, seed
        self.by_error, self.network = problem.by_error, problem.network
        self.spent, self.best = 0, (np.inf, np.inf)
        self.path: list[tuple[int, float, float]] = []
        self.drawn = 0

    def left(self) -> bool:
        """Tell whether steps are left."""
        return self.spent < self.budget

    def start(self, point: Point, full: int | None = None) -> Member:
        """Return a new network."""
        self.drawn += 1
        seed = self.seed * 1_000_003 + self.drawn
        return Member(recipe_of(self.space, point), seed, horizon=full or self.full, by_error=self.by_error)

    def train(self, members: list[Member], until: int) -> None:
        """Train members on to a step, note the best so far."""
        before = sum(m.step for m in members)
        self.population.advance(members, Legs(until, max(1, self.full // EVALUATIONS)))
        self.spent += sum(m.step for m in members) - before
        self.note(members)

    def note(self, members: list[Member]) -> None:
        """Note the best validation error so far, with its test error, at this many steps."""
        for member in members:
            if member.best is not None and not member.diverged:
                self.best = min(self.best, (float(member.best.error[0]), float(member.best.error[1])))
        self.path.append((self.spent, *self.best))


def run_zoom(bench: Bench) -> None:
    settings = Settings(Budget(steps=bench.budget), bench.seed, bench.full, bench.by_error)

    def tell(kind: str, data: dict[str, Any]) -> None:
        if kind == "round":
            bench.spent = search.planner._steps()
            bench.note([m for t in search.trials for m in t.members])

    search = Search(bench.population, bench.space, settings, Study(None, bench.network), tell=tell)
    search.run()
    bench.drawn = len(search.trials)


def run_random(bench: Bench) -> None:
    rng = np.random.default_rng(bench.seed)
    region = Region.whole(bench.space)
    while bench.left():
        points = []
        for _ in range(BATCH):
            picked = {path: int(rng.integers(len(c.options))) for path, c in bench.space.choices.items()}
            points += region.draw(bench.space.structure_with(picked), 1, rng)
        bench.train([bench.start(p) for p in points], bench.full)


def ask(trial: Any, space: Space) -> Point:
    """Return the point that an Optuna trial suggests."""
    point: Point = {}
    for path, node in space.choices.items():
        if space.exists(path, space.structure_of(point)) and len(node.options) > 1:
            point[path] = trial.suggest_categorical(path, list(range(len(node.options))))
        elif space.exists(path, space.structure_of(point)):
            point[path] = 0
    for path in space.ranges_of(space.structure_of(point)):
        box = space.ranges[path]
        point[path] = trial.suggest_float(path, box.low, box.high, log=box.log)
    return point


def run_tpe(bench: Bench, pruner: Any = None) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=bench.seed, multivariate=True, group=True, constant_liar=True)
    study = optuna.create_study(sampler=sampler, pruner=pruner or optuna.pruners.NopPruner())
    leg = max(1, bench.full // EVALUATIONS)
    while bench.left():
        trials = [study.ask() for _ in range(BATCH)]
        members = [bench.start(ask(t, bench.space)) for t in trials]
        going = list(zip(trials, members, strict=True))
        until = 0
        while going and bench.left():
            until = min(bench.full, until + leg) if pruner else bench.full
            bench.train([m for _, m in going], until)
            still = []
            for trial, member in going:
                error = float(member.best.error[0]) if member.best and not member.diverged else 1e9
                trial.report(error, until)
                if until >= bench.full or member.diverged:
                    study.tell(trial, error)
                elif trial.should_prune():
                    study.tell(trial, state=optuna.trial.TrialState.PRUNED)  # it keeps what was reported
                else:
                    still.append((trial, member))
            going = still


def run_hyperband(bench: Bench) -> None:
    import optuna

    smallest = max(1, bench.full // EVALUATIONS)
    run_tpe(bench, optuna.pruners.HyperbandPruner(smallest, bench.full, 3))


def run_halving(bench: Bench) -> None:
    rng = np.random.default_rng(bench.seed)
    region = Region.whole(bench.space)
    rungs = [max(1, round(bench.full * share)) for share in (1 / 9, 1 / 3, 1.0)]
    each = sum(rung / 3**i for i, rung in enumerate(rungs))
    candidates: list[Point] = []
    for _ in range(max(9, int(bench.budget / each))):
        picked = {path: int(rng.integers(len(c.options))) for path, c in bench.space.choices.items()}
        candidates += region.draw(bench.space.structure_with(picked), 1, rng)
    for rung in rungs:
        members = [bench.start(p, rung) for p in candidates]
        bench.train(members, rung)
        error = [float(m.best.error[0]) if m.best and not m.diverged else np.inf for m in members]
        order = np.argsort(error, kind="stable")[: -(-len(candidates) // 3)]
        candidates = [candidates[i] for i in order]


METHODS: dict[str, Callable[[Bench], None]] = {
    "zoom": run_zoom,
    "random": run_random,
    "tpe": run_tpe,
    "tpe-hyperband": run_hyperband,
    "halving": run_halving,
}


def measure(name: str, seed: int, method: str, out: Path) -> None:
    target = out / f"{name}-{seed}-{method}.json"
    if target.exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    bench = Bench(name, seed, out / "ledger.jsonl")
    began = time.time()
    METHODS[method](bench)
    record = {
        "set": name,
        "seed": seed,
        "method": method,
        "budget": bench.budget,
        "drawn": bench.drawn,
        "seconds": time.time() - began,
        "path": bench.path,
    }
    target.write_text(json.dumps(record))
    print(
        f"{name:14}{seed:3} {method:14} {record['seconds']:6.1f} s {bench.drawn:4} drawn, "
        f"validation {bench.best[0]:.4f}, test {bench.best[1]:.4f}, spent {bench.spent / bench.budget:.2f}",
        flush=True,
    )


def at(record: dict[str, Any], share: float) -> tuple[float, float]:
    """Return the best validation error, and its test error, when a share of the budget was spent."""
    seen = [p for p in record["path"] if p[0] <= share * record["budget"] * 1.02]
    return (seen[-1][1], seen[-1][2]) if seen else (np.inf, np.inf)


def show(out: Path) -> None:
    records = [json.loads(p.read_text()) for p in sorted(out.glob("*.json"))]
    methods = [m for m in METHODS if any(r["method"] == m for r in records)]
    cases = sorted({(r["set"], r["seed"]) for r in records})
    by = {(r["set"], r["seed"], r["method"]): r for r in records}
    cases = [c for c in cases if all((*c, m) in by for m in methods)]
    print(f"{len(cases)} cases (set and seed); mean ± standard error over cases")
    for place, title in ((0, "validation"), (1, "test")):
        for share in (0.25, 0.5, 1.05):
            table = np.array([[at(by[*c, m], share)[place] for m in methods] for c in cases])
            table = np.where(np.isfinite(table), table, np.nanmax(table[np.isfinite(table)]))
            ranks = np.array([[(row < v).sum() + ((row == v).sum() + 1) / 2 for v in row] for row in table])
            regret = table / table.min(axis=1, keepdims=True) - 1
            first = int(np.argmin(ranks.mean(axis=0)))
            print(f"\n{title} error at {share:.0%} of the budget: mean rank, regret (share of the best's),")
            print(
                "and how far the error lies above that of the first in rank: paired, with its 95 % interval"
            )
            for j, method in enumerate(methods):
                rank, more = ranks[:, j], regret[:, j]
                error = [a.std(ddof=1) / np.sqrt(len(a)) for a in (rank, more)]
                above, low, high = np.expm1(mean_interval(np.log(table[:, j] / table[:, first])))
                print(
                    f"  {method:14} {rank.mean():.2f} ± {error[0]:.2f}   {more.mean():7.1%} ± {error[1]:.1%}"
                    + ("   first" if j == first else f"   {above:+.1%} [{low:+.1%}, {high:+.1%}]")
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--out", type=Path, default=Path("build/search"))
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    use_cache()
    if not options.show:
        for name in options.sets:
            for seed in range(options.seeds):
                for method in options.methods.split(","):
                    measure(name, seed, method, options.out)
    show(options.out)


if __name__ == "__main__":
    main()
