"""Time of a search: goodfit beside scikit-learn's random search and Optuna + PyTorch, to the same score.

    GOODFIT_DATA=… python benchmarks/search_time.py [--sets digits letter] [--rounds 3] [--peers …]
    python benchmarks/search_time.py --show [--out DIR]

All see the same rows (80 % of them, standardised; 20 % are a test that nothing chooses by), the same
three stratified folds, one space (three structures, learning rate, weight decay) and one batch size;
Adam, ReLU, a constant learning rate. A peer trains 20 candidates × 3 folds for 60 epochs:

- sklearn: `RandomizedSearchCV(MLPClassifier(max_iter=60), n_jobs=2)`, its workers started beforehand.
- optuna: TPE and an eager PyTorch loop (tensors in memory, batches by index, fused Adam), two threads.
- optuna-jobs: the same with `n_jobs=2` and one thread each.
- optuna-processes: the same in two processes that share a journal, one thread each.
- optuna-pruned: like optuna-processes, with Optuna's default pruner told after each fold.

and goodfit, in as many member-steps as a peer makes (times --budget):

- goodfit: its search, nothing compiled beforehand; goodfit-warm: with the programs of an earlier process.
- goodfit-all: scikit-learn's own 20 candidates, all trained in full; goodfit-all-warm likewise.

Each run is a process of its own, its clock started after imports and before anything is moved or
compiled; the rounds take turns. A score is the mean of three folds' accuracies. Three of ours are
recorded, with the seconds at which each was first reached: *full* (all folds at the end of a full run,
as peers have it), *step* (all folds at one same step, as if max_iter had been that) and *kept* (each
fold at its best state: what the search ranks by). *Step* is compared, being what a user could have had;
the test shows whether it flatters: the candidate that first reached a peer's score is trained again on
all the rows for as many epochs. Two threads of PyTorch wait for each other where other programs run:
take these times on an idle machine.

With --fraction below 1 the peers try fewer candidates: ratios are to the time and score of those, and the
table's seconds are scaled up and say so.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

CANDIDATES, FOLDS, EPOCHS = 20, 3, 60
HIDDEN = ((64,), (64, 64), (128,))
RATES, DECAYS = (1e-4, 1e-1), (1e-6, 1e-2)
BATCH = {"digits": 64, "letter": 128}
OPTUNA = {  # threads, n_jobs, processes, told after each fold
    "optuna": (2, 1, 1, False),
    "optuna-jobs": (1, 2, 1, False),
    "optuna-processes": (1, 1, 2, False),
    "optuna-pruned": (1, 1, 2, True),
}
PEERS = ("sklearn", *OPTUNA)
OURS = ("goodfit", "goodfit-warm", "goodfit-all", "goodfit-all-warm")


class Case:
    """One set and round: rows to search with, folds, rows for the test."""

    def __init__(self, name: str, round_: int, fraction: float, budget: float) -> None:
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler

        from goodfit.search.folds import make_folds

        x, y = read(name)
        parts = train_test_split(x, y, test_size=0.2, stratify=y, random_state=round_)
        x, far, self.y, self.far_y = parts
        scaler = StandardScaler().fit(x)
        self.x, self.far = (scaler.transform(a).astype(np.float32) for a in (x, far))
        self.folds = make_folds(FOLDS, self.y, seed=round_)
        self.name, self.round, self.budget = name, round_, budget
        self.batch, self.classes = BATCH[name], int(y.max()) + 1
        self.trials = max(2, round(CANDIDATES * fraction))

    def epoch(self, rows: int) -> int:
        """Return the steps of an epoch."""
        return -(-rows // self.batch)

    @property
    def full(self) -> int:
        """Steps of a full run on a fold."""
        return EPOCHS * self.epoch(len(self.folds[0].train))

    @cached_property
    def candidates(self) -> list[dict[str, Any]]:
        """What scikit-learn's random search draws in this round."""
        from sklearn.model_selection import ParameterSampler

        return list(ParameterSampler(self.distributions, self.trials, random_state=self.round))

    @property
    def distributions(self) -> dict[str, Any]:
        """The space in scikit-learn's words: it divides alpha by the rows of a batch."""
        from scipy.stats import loguniform

        decays = [end * self.batch for end in DECAYS]
        space = {"learning_rate_init": loguniform(*RATES), "alpha": loguniform(*decays)}
        return {"hidden_layer_sizes": list(HIDDEN), **space}


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return all rows and their classes by number."""
    if name == "digits":
        from sklearn.datasets import load_digits

        return load_digits(return_X_y=True)
    import pandas

    table = pandas.read_parquet(Path(os.environ["GOODFIT_DATA"]) / "tables" / f"{name}.parquet")
    column = "lettr"
    y = np.unique(table[column].astype(str), return_inverse=True)[1]
    return table.drop(columns=column).to_numpy(np.float64), y.astype(np.int32)


# --- scikit-learn


def run_sklearn(case: Case) -> dict[str, Any]:
    from joblib import Parallel, delayed
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.neural_network import MLPClassifier

    os.environ["PYTHONWARNINGS"] = "ignore"
    warnings.simplefilter("ignore")
    network = MLPClassifier(max_iter=EPOCHS, batch_size=case.batch, random_state=case.round)
    cv = [(fold.train, fold.valid) for fold in case.folds]
    settings = {"n_iter": case.trials, "cv": cv, "n_jobs": 2, "refit": False, "random_state": case.round}
    search = RandomizedSearchCV(network, case.distributions, **settings)
    Parallel(2)(delayed(__import__)("sklearn.neural_network") for _ in range(4))  # imports
    started = time.perf_counter()
    search.fit(case.x, case.y)
    seconds = time.perf_counter() - started
    found = search.cv_results_
    best = int(np.argmax(found["mean_test_score"]))
    share = np.cumsum(found["mean_fit_time"])[best] / np.sum(found["mean_fit_time"])
    network.set_params(**found["params"][best]).fit(case.x, case.y)
    return {
        "seconds": seconds,
        "seconds to best": seconds * float(share),  # it does not tell; by the times of its fits
        "best": float(found["mean_test_score"][best]),
        "scores": found["mean_test_score"].tolist(),
        "test": float(network.score(case.far, case.far_y)),
    }


# --- Optuna and PyTorch


def train_torch(case: Case, recipe: dict[str, Any], x: Any, y: Any, seed: int) -> Any:
    """Return a network trained on rows in memory: what one writes who knows PyTorch well."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    widths = (x.shape[1], *recipe["hidden"])
    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], case.classes))
    values = {"lr": recipe["lr"], "weight_decay": recipe["decay"]}
    rule = torch.optim.Adam(model.parameters(), **values, fused=True)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(case.batch):
            rule.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            rule.step()
    return model


def accuracy_torch(model: Any, x: Any, y: Any) -> float:
    import torch

    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


def objective_for(case: Case, told: bool) -> Callable[[Any], float]:
    import optuna
    import torch

    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y).long()
    folds = [(torch.from_numpy(f.train), torch.from_numpy(f.valid)) for f in case.folds]
    parts = [((x[train], y[train]), (x[valid], y[valid])) for train, valid in folds]

    def objective(trial: Any) -> float:
        recipe = {
            "hidden": HIDDEN[trial.suggest_categorical("hidden", range(len(HIDDEN)))],
            "lr": trial.suggest_float("lr", *RATES, log=True),
            "decay": trial.suggest_float("decay", *DECAYS, log=True),
        }
        scores: list[float] = []
        for number, (train, valid) in enumerate(parts):
            scores.append(accuracy_torch(train_torch(case, recipe, *train, case.round), *valid))
            if told and number < FOLDS - 1:
                trial.report(float(np.mean(scores)), number)
                if trial.should_prune():
                    raise optuna.TrialPruned
        return float(np.mean(scores))

    return objective


def make_study(case: Case, storage: str | None, seed: int) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        study_name="search",
        storage=storage and optuna.storages.JournalStorage(JournalFileBackend(storage)),
        sampler=optuna.samplers.TPESampler(seed=seed),
        direction="maximize",
        load_if_exists=True,
    )


def work(case: Case, storage: str, number: int, trials: int, told: bool, ready: Any) -> None:
    """One process of a search that several share."""
    import torch

    torch.set_num_threads(1)
    study, objective = make_study(case, storage, case.round * 10 + number), objective_for(case, told)
    ready.wait()
    study.optimize(objective, trials)


def run_optuna(case: Case, threads: int, jobs: int, processes: int, told: bool) -> dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        if processes == 1:
            study, objective = make_study(case, None, case.round), objective_for(case, told)
            began, started = time.time(), time.perf_counter()
            study.optimize(objective, case.trials, n_jobs=jobs)
        else:
            storage = f"{folder}/journal"
            make_study(case, storage, case.round)
            spawn = multiprocessing.get_context("spawn")
            ready = spawn.Barrier(processes + 1)
            counts = [len(range(i, case.trials, processes)) for i in range(processes)]
            args = [(case, storage, i, n, told, ready) for i, n in enumerate(counts)]
            workers = [spawn.Process(target=work, args=one) for one in args]
            for worker in workers:
                worker.start()
            ready.wait()
            began, started = time.time(), time.perf_counter()
            for worker in workers:
                worker.join()
            study = make_study(case, storage, case.round)
        seconds = time.perf_counter() - started
        best = study.best_trial
        values = [t.value for t in study.trials]
    recipe = {**best.params, "hidden": HIDDEN[best.params["hidden"]]}
    tensors = [torch.from_numpy(a) for a in (case.x, case.y, case.far, case.far_y)]
    model = train_torch(case, recipe, tensors[0], tensors[1].long(), case.round)
    return {
        "seconds": seconds,
        "seconds to best": best.datetime_complete.timestamp() - began,
        "best": best.value,
        "scores": values,
        "test": accuracy_torch(model, *tensors[2:]),
    }


# --- goodfit


class Compiling:
    """Seconds spent compiling, all lanes together."""

    def __init__(self) -> None:
        import jax.monitoring

        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._add)

    def _add(self, event: str, seconds: float, **_: Any) -> None:
        if "/jax/core/compile/" in event:
            self.seconds += seconds


def population_of(case: Case, kind: Any, *, test: bool = False) -> Any:
    from goodfit.network import Network

    network = Network(case.x.shape[1], case.classes)
    x, y = (case.far, case.far_y) if test else (case.x, case.y)
    return kind(network, case.x, case.y, holdout=(x, y, np.ones((1, len(x)), np.float32)))


def run_ours(case: Case) -> dict[str, Any]:
    from goodfit.engine.population import Population
    from goodfit.search.budget import Budget
    from goodfit.search.plan import Settings
    from goodfit.search.recipes import recipe_space
    from goodfit.search.search import Search
    from goodfit.search.space import Space, choice, log_uniform
    from goodfit.search.study import Study

    class Watched(Population):
        """Notes when each evaluation came in."""

        def advance(self, members, legs, *, on_leg=None, **more):
            def told(member):
                now = time.perf_counter() - started
                for step, _, error in member.evaluations[known.get(id(member), 0) :]:
                    seen.append((now, member, step, float(error[0])))
                known[id(member)] = len(member.evaluations)
                if on_leg is not None:
                    on_leg(member)

            super().advance(members, legs, on_leg=told, **more)

    rules = {"Adam": {"lr": log_uniform(*RATES)}}
    fixed = {"activation": "relu", "schedule": None, "batch_size": case.batch}
    tree = {"hidden": choice(*HIDDEN), "optimizer": choice(rules), "weight_decay": log_uniform(*DECAYS)}
    steps = int(CANDIDATES * FOLDS * case.full * case.budget)
    settings = Settings(Budget(steps=steps), case.round, case.full)
    seen: list[tuple[float, Any, int, float]] = []
    known: dict[int, int] = {}  # evaluations seen, by member
    compiling = Compiling()
    started = time.perf_counter()
    population = population_of(case, Watched)
    study = Study(None, population.network)
    search = Search(population, recipe_space(Space(tree | fixed)), settings, study, folds=case.folds)
    search.run()
    seconds, compiled = time.perf_counter() - started, compiling.seconds
    recipes = {trial.seed: trial.recipe for trial in search.trials}
    spent = sum(trial.step for trial in search.trials) * FOLDS
    paths = paths_of(seen, case.full)
    again = {(seed, step) for way in ("step", "full") for _, _, seed, step in paths[way]}
    wanted = sorted(again)
    tests = refit(case, [recipes[seed] for seed, _ in wanted], [step for _, step in wanted])
    found = dict(zip(wanted, tests, strict=True))
    return {
        "seconds": seconds,
        "compiling": compiled,
        "tried": len(search.trials),
        "share of work": spent / (CANDIDATES * FOLDS * case.full),
        "paths": {
            way: [(*one, recipes[one[2]].text(), found.get(one[2:])) for one in path]
            for way, path in paths.items()
        },
    }


def paths_of(seen: list[tuple[float, Any, int, float]], full: int) -> dict[str, list[Any]]:
    """Return, by kind of score, (seconds, score, seed, step) each time that the best one rose."""
    paths: dict[str, list[Any]] = {"full": [], "step": [], "kept": []}
    errors: dict[tuple[int, int], dict[int, float]] = {}
    lowest: dict[int, dict[int, float]] = {}
    for seconds, member, step, error in seen:
        fold, seed = int(member.judged[0]), member.seed  # a fold is known by its first row
        there, least = errors.setdefault((seed, step), {}), lowest.setdefault(seed, {})
        there[fold] = error
        least[fold] = min(error, least.get(fold, np.inf))
        for way, found in (("full", there), ("step", there), ("kept", least)):
            if len(found) < FOLDS or (way == "full" and step < full):
                continue
            score = 1.0 - float(np.mean(list(found.values())))
            if not paths[way] or score > paths[way][-1][1]:
                paths[way].append((seconds, score, seed, step))
    return paths


def refit(case: Case, recipes: list[Any], steps: list[int]) -> list[float]:
    """Return test accuracies of recipes trained on all rows, for as many epochs as on a fold."""
    from goodfit.engine.population import Legs, Member, Population

    population = population_of(case, Population, test=True)
    scale = case.epoch(len(case.x)) / case.epoch(len(case.folds[0].train))
    horizons = [max(1, round(step * scale)) for step in steps]
    members = [Member(r, case.round, horizon=h) for r, h in zip(recipes, horizons, strict=True)]
    population.advance(members, [Legs(m.horizon, m.horizon) for m in members])
    return [1.0 - float(m.evaluations[-1].error[0]) if m.evaluations else 0.0 for m in members]


def run_all(case: Case) -> dict[str, Any]:
    """scikit-learn's candidates, all in full: the same work."""
    from goodfit.engine.population import Legs, Member, Population
    from goodfit.recipe import Recipe
    from goodfit.techniques.optimizers import Adam

    recipes = [
        Recipe(
            one["hidden_layer_sizes"],
            optimizer=Adam(one["learning_rate_init"]),
            weight_decay=one["alpha"] / case.batch,
            batch_size=case.batch,
        )
        for one in case.candidates
    ]
    compiling = Compiling()
    started = time.perf_counter()
    population = population_of(case, Population)
    members = [
        Member(recipe, case.round, rows=fold.train, judged=fold.valid, horizon=case.full)
        for recipe in recipes
        for fold in case.folds
    ]
    population.advance(members, Legs(case.full, case.full))
    seconds, compiled = time.perf_counter() - started, compiling.seconds
    errors = [float(m.evaluations[-1].error[0]) if m.evaluations else 1.0 for m in members]
    scores = 1.0 - np.reshape(errors, (-1, FOLDS)).mean(axis=1)
    best = int(np.argmax(scores))
    test = refit(case, [recipes[best]], [case.full])[0]
    found = {"best": float(scores[best]), "scores": scores.tolist(), "test": test}
    return {"seconds": seconds, "compiling": compiled, **found}


# --- runs and tables


def measure(case: Case, who: str, cache: Path) -> dict[str, Any]:
    """Run one search in this process."""
    if who == "sklearn":
        return run_sklearn(case)
    if who in OPTUNA:
        return run_optuna(case, *OPTUNA[who])
    import goodfit.search.search  # noqa: F401
    from goodfit.engine.program import use_cache

    with tempfile.TemporaryDirectory() as empty:
        use_cache(cache if who.endswith("-warm") else empty)
        return (run_all if who.startswith("goodfit-all") else run_ours)(case)


def launch(options: argparse.Namespace, name: str, round_: int, who: str, target: Path) -> None:
    command = [sys.executable, __file__, "--one", name, str(round_), who, str(target)]
    command += ["--fraction", str(options.fraction), "--budget", str(options.budget)]
    subprocess.run([*command, "--out", str(options.out)], check=True)


def run_missing(options: argparse.Namespace) -> None:
    """Take turns: each round and set, the methods in an order that moves on by one a round."""
    options.out.mkdir(parents=True, exist_ok=True)
    filled: set[tuple[str, str]] = set()
    methods = [*OURS, *options.peers]
    for round_ in range(options.rounds):
        for name in options.sets:
            shift = round_ % len(methods)
            for who in methods[shift:] + methods[:shift]:
                target = options.out / f"{name}-{round_}-{who}.json"
                if target.exists():
                    continue
                if who.endswith("-warm") and (name, who) not in filled:
                    launch(options, name, round_, who, options.out / "filling")
                    filled.add((name, who))
                launch(options, name, round_, who, target)


def run_one(options: argparse.Namespace) -> None:
    name, round_, who, target = options.one
    case = Case(name, int(round_), options.fraction, options.budget)
    load = os.getloadavg()[0]
    record: dict[str, Any] = {
        "set": name,
        "round": int(round_),
        "method": who,
        "load": load,
        "test rows": len(case.far),
    }
    trials = CANDIDATES if who in ("goodfit", "goodfit-warm") else case.trials
    record |= {"trials": trials, "budget": case.budget, **measure(case, who, options.out / "cache")}
    written = Path(target).with_suffix(".part")
    written.write_text(json.dumps(record))
    written.rename(target)
    print(f"{name:8}{round_:>3} {who:18}{record['seconds']:8.2f} s", file=sys.stderr, flush=True)


def reached(path: list[Any], score: float) -> list[Any] | None:
    """Return the first entry of a path with at least this score."""
    return next((one for one in path if one[1] >= score - 1e-9), None)


def spread(values: list[float]) -> str:
    """Return the median and the ends; a ratio of 0 stands for a score that was not reached."""
    if not values:
        return "–"
    middle = statistics.median(values)
    return f"{middle:.1f} ({min(values):.1f}–{max(values):.1f})" if middle else "not reached"


def scored(shares: list[float], rows: int) -> str:
    """Return the mean accuracy and Wilson's interval of one test set."""
    from goodfit.stats.intervals import share_interval

    if not shares:
        return "–"
    low, high = share_interval(float(np.mean(shares)), rows)
    return f"{np.mean(shares):.4f} [{low:.4f}, {high:.4f}]"


class Results:
    """The records of one set."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.by = {(r["method"], r["round"]): r for r in records}
        self.rounds = sorted({r["round"] for r in records})
        self.rows = records[0]["test rows"]
        self.load = max(r["load"] for r in records)

    def of(self, who: str) -> list[dict[str, Any]]:
        """Return a method's records."""
        return [self.by[who, r] for r in self.rounds if (who, r) in self.by]

    def seconds(self, who: str) -> list[float]:
        """Return a method's seconds, scaled to all candidates."""
        return [r["seconds"] * CANDIDATES / r["trials"] for r in self.of(who)]

    def scaled(self, who: str) -> bool:
        """Tell whether a method tried fewer candidates than the full search."""
        return any(r["trials"] < CANDIDATES for r in self.of(who))

    def show(self, name: str) -> None:
        """Print all that was found."""
        print(f"\n{name}: {len(self.rounds)} rounds, median (lowest–highest); load ≤ {self.load:.1f}")
        print(f"{'':18}{'seconds':>20}{'score':>9}  test: mean, interval of {self.rows} rows")
        for who in (*PEERS, *OURS):
            self._show_method(who)
        print("Their seconds by ours, to the score that they reach")
        heads = ("by step", "at full runs", "kept states", "to their best's end", "same work, in all")
        print(f"{'':36}" + "".join(f"{h:>20}" for h in heads) + "  test of what reached it | theirs")
        for who in PEERS:
            for ours in ("goodfit", "goodfit-warm"):
                self._show_ratios(who, ours)
        self._show_fastest()

    def _show_method(self, who: str) -> None:
        here = self.of(who)
        if not here:
            return
        last = [r["paths"]["step"][-1] if "paths" in r else (0, r["best"], r["test"]) for r in here]
        note = ", scaled up" if self.scaled(who) else ""
        if "compiling" in here[0]:
            note += f", compiling {spread([r['compiling'] for r in here])} s of all lanes"
        score = np.mean([one[1] for one in last])
        test = scored([one[-1] for one in last], self.rows)
        print(f"{who:18}{spread(self.seconds(who)):>20}{score:9.4f}  {test}{note}")

    def ratios(self, who: str, ours: str) -> tuple[dict[str, list[float]], list[tuple[float, float]]]:
        """Return by kind of score how many times as long they took; tests of what reached it, theirs."""
        found: dict[str, list[float]] = {}
        tests = []
        for round_ in self.rounds:
            theirs, mine = self.by.get((who, round_)), self.by.get((ours, round_))
            if theirs is None or mine is None:
                continue
            entries = {way: reached(path, theirs["best"]) for way, path in mine["paths"].items()}
            for way, one in entries.items():
                found.setdefault(way, []).append(theirs["seconds"] / one[0] if one else 0.0)
            one = entries["step"]
            found.setdefault("best", []).append(theirs["seconds to best"] / one[0] if one else 0.0)
            tests += [(one[-1], theirs["test"])] if one else []
            same = self.by.get((ours.replace("goodfit", "goodfit-all"), round_))
            if same is not None:
                ratio = theirs["seconds"] / same["seconds"] * same["trials"] / theirs["trials"]
                found.setdefault("same", []).append(ratio)
        return found, tests

    def _show_ratios(self, who: str, ours: str) -> None:
        found, tests = self.ratios(who, ours)
        if found:
            cells = [spread(found.get(key, [])) for key in ("step", "full", "kept", "best", "same")]
            both = " | ".join(scored([t[i] for t in tests], self.rows) for i in range(2))
            print(f"{who:17}/ {ours:17}" + "".join(f"{cell:>20}" for cell in cells) + f"  {both}")

    def _show_fastest(self) -> None:
        """Print the ratio to the form of Optuna that took least, and to scikit-learn."""
        there = [who for who in OPTUNA if self.of(who)]
        quickest = sorted(there, key=lambda who: statistics.median(self.seconds(who)))[:1]
        for who in [w for w in ("sklearn", *quickest) if self.of(w)]:
            found = [self.ratios(who, ours)[0].get("step", []) for ours in ("goodfit", "goodfit-warm")]
            cold, warm = map(spread, found)
            print(f"To {who}'s score: {cold} times as fast, {warm} with known programs.")


def show(out: Path) -> None:
    records = [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]
    for name in BATCH:
        some = [r for r in records if r["set"] == name]
        if some:
            Results(some).show(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(BATCH), choices=list(BATCH))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--fraction", type=float, default=1.0, help="share of the peers' candidates")
    parser.add_argument("--budget", type=float, default=1.0, help="our steps, as a multiple of theirs")
    parser.add_argument("--out", type=Path, default=Path("build/search_time"))
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options)
        return
    if not options.show:
        run_missing(options)
    show(options.out)


if __name__ == "__main__":
    main()
