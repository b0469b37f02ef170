"""The main job: data → search → ensemble → final exam → model, in one run folder."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean
from typing import Any

from goodfit.cores import available_cores
from goodfit.data.prepare import Request, prepare
from goodfit.engine.plan import check_memory, check_overrides, flops_per_step, member_bytes
from goodfit.engine.population import Member, Population
from goodfit.engine.program import use_cache
from goodfit.errors import InputError, must_be
from goodfit.events import Event, Tell, first_interrupt, silent
from goodfit.model.build import choose_ensemble
from goodfit.model.model import Model
from goodfit.model.problem import Problem, make_problem
from goodfit.network import Network
from goodfit.result import conclude, found_by
from goodfit.search.budget import Budget, parse_budget
from goodfit.search.plan import ENOUGH, EXPLORE, FULL_RUNS, HALVING, NOMINAL, Extension, Settings
from goodfit.search.recipes import default_batch_size, default_space, recipe_space, typical
from goodfit.search.sampler import Sampler, Zoom
from goodfit.search.search import Search
from goodfit.search.space import Space
from goodfit.search.space_file import parse_space
from goodfit.search.study import Study
from goodfit.search.trial import Trial
from goodfit.store.run import RunFolder

NO_LOCK = "This folder cannot be locked: take care that no other process works on the same run."


@dataclass(frozen=True)
class FitSettings(Request):
    """What `goodfit fit` is told: a request for data, and how to search; see the command line."""

    budget: str | None = None
    space: str | None = None  # the text of a TOML file
    sampler: str = "zoom"
    metric: str | None = None
    out: str | None = None
    device: str = "auto"
    lanes: int | None = None
    chunk: int | None = None
    keep_sealed: bool = False

    def request(self) -> Request:
        """Return the part that concerns the data."""
        return Request(**{f.name: getattr(self, f.name) for f in fields(Request)})


def default_budget(rows: int) -> Budget:
    """Return 30 s for small tables, a minute for middling ones, five for large ones."""
    return Budget(seconds=30.0 if rows < 2000 else 60.0 if rows < 40_000 else 300.0)


Populate = Callable[..., Population]  # of a network, the run's folder, what is told of failures, and rows


def here(network: Network, folder: Path, tell: Callable[[str], None], **rows: Any) -> Population:
    """Return the population that trains in this process."""
    return Population(network, **rows)


def run_fit(
    settings: FitSettings,
    *,
    on_event: Tell = silent,
    started: float | None = None,
    trainer: AbstractContextManager[Populate] | None = None,
) -> dict[str, Any]:
    """Run the main job, or go on with it, and return its result (the object of ``goodfit fit --json``).

    Args:
        settings: data, budget, options.
        on_event: called with each `Event`, from several threads but never twice at once.
        started: `time.time()` that a time budget counts from; now unless given.
        trainer: where networks are trained; in this process unless given.

    Raises:
        GoodfitError: the data, an option or the output folder cannot be used; nothing has been written then.
    """
    started = time.time() if started is None else started
    budget = parse_budget(settings.budget) if settings.budget else None
    if settings.seed < 0:
        raise must_be("--seed", "a whole number >= 0", settings.seed)
    check_overrides(settings.chunk, settings.lanes)
    space = recipe_space(parse_space(settings.space)) if settings.space else None
    _sampler(settings.sampler)
    _choose_device(settings.device)
    with first_interrupt() as interrupted, trainer or nullcontext(here) as populate:
        return _fit(settings, budget, space, populate, on_event, started, interrupted)


def _fit(
    settings: FitSettings,
    budget: Budget | None,
    space: Space | None,
    populate: Populate,
    on_event: Tell,
    started: float,
    interrupted: Callable[[], bool],
) -> dict[str, Any]:
    """Prepare the data, claim the folder and run the job, or return what a finished run recorded."""
    data = prepare(settings.request())
    problem = make_problem(data, settings.metric)
    budget = budget or default_budget(len(data.train.x))
    identity = _identity(settings, problem, budget, space)
    folder = RunFolder(settings.out or f"goodfit-runs/{data.name}-{_hash8(identity)}")
    folder.claim({"identity": identity, "settings": asdict(settings), "budget": str(budget)})
    recorded = folder.result()
    if recorded is not None:
        on_event(Event("note", {"text": "This run is finished; its recorded result follows."}))
        return recorded
    with folder.lock() as locked:
        if not locked:
            on_event(Event("note", {"text": NO_LOCK}))
        folder.check_ledger()
        _tell_data(problem, on_event)
        job = _Job(settings, problem, budget, space, populate, folder, on_event, started, interrupted)
        return job.run()


def _hash8(identity: dict[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(identity.items())).encode()).hexdigest()[:8]


def _identity(settings: FitSettings, problem: Problem, budget: Budget, space: Space | None) -> dict[str, Any]:
    """Return what makes two runs the same: the data and every setting that changes the result."""
    known = {
        k: v
        for k, v in asdict(settings).items()
        if k not in ("out", "lanes", "keep_sealed", "budget", "space")
    }
    known |= {"data": problem.data.name, "data_hash": problem.data.data_hash, "budget": str(budget)}
    known |= {"metric": problem.metric.name, "ignore": list(settings.ignore)}
    return known if space is None else known | {"space": str(space)}


def _sampler(name: str) -> Callable[[Space], Sampler]:
    """Return what makes the source of a space's points."""
    if name not in ("zoom", "tpe"):
        raise must_be("--sampler", "zoom or tpe", name)
    if name == "zoom":
        return Zoom
    from goodfit.neighbours.tpe import Tpe

    return Tpe


def _choose_device(device: str) -> None:
    import jax

    if device not in ("auto", "cpu", "gpu"):
        raise must_be("--device", "auto, cpu or gpu", device)
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    if device == "gpu" and jax.default_backend() != "gpu":
        raise InputError("--device gpu: JAX finds no GPU here; install jax[cuda] or use --device auto.")


def _tell_data(problem: Problem, tell: Tell) -> None:
    data = problem.data
    sizes = problem.sizes()
    rows = sizes["train"] + sizes["sealed"] + (0 if problem.folds else sizes["valid"])
    tell(
        Event(
            "data",
            {
                "name": data.name,
                "rows": rows,
                "columns": len(data.schema.inputs) or None,
                "features": data.schema.width,
                "task": problem.task,
                "target": data.target,
                "classes": data.classes(),
                "metric": problem.metric.name,
                "folds": len(problem.folds or ()),
                **sizes,
            },
        )
    )
    for note in data.notes:
        tell(Event("note", {"text": note}))


class _Job:
    """One run from prepared data to the recorded result."""

    def __init__(
        self,
        settings: FitSettings,
        problem: Problem,
        budget: Budget,
        space: Space | None,
        populate: Populate,
        folder: RunFolder,
        tell: Tell,
        started: float,
        interrupted: Callable[[], bool],
    ) -> None:
        self.settings, self.problem, self.budget, self.folder = settings, problem, budget, folder
        self.space, self.populate = space, populate
        self.tell, self.started, self.interrupted = tell, started, interrupted

    def run(self) -> dict[str, Any]:
        """Search, choose the ensemble, examine it, write everything down."""
        use_cache()
        search = self._search()
        search.run()
        seconds = round(search.elapsed(), 3)
        problem, candidates = self.problem, self._candidates(search)
        networks = [search.networks(t) for t in candidates]
        chosen = choose_ensemble(
            problem.network, networks, problem.data.valid.x, problem.cost(problem.judged), problem.folds
        )
        validation = problem.score(problem.judged, chosen.prediction)
        self.tell(Event("ensemble", {"members": len(chosen.members), "score": validation["score"]}))
        found = found_by(problem, search, candidates[0])
        places = {"run": str(self.folder.path), "model": str(self.folder.model)}
        kept = [{"text": candidates[i].recipe.text(), "weight": w} for i, w in chosen.weights().items()]
        result = places | found | {"validation": validation, "ensemble": kept, "seconds": seconds}
        result |= {"interrupted": self.interrupted(), "extensions": self.folder.extensions()}
        data = problem.data
        model = Model(chosen.members, data.schema, data.codec, data.target)
        trained = [one for place in chosen.weights() for one in networks[place]]
        training = [
            _training(one, len(data.train.x))
            | {"temperature": m.temperature, "chunk": search.population.plan(one.recipe).chunk}
            for one, m in zip(trained, chosen.members, strict=True)
        ]
        return conclude(problem, model, result, training, self.folder, self.tell, self._exam_now())

    def _exam_now(self) -> bool:
        return not self.settings.keep_sealed and not self.interrupted()

    def _search(self) -> Search:
        problem, data = self.problem, self.problem.data
        space, folds = self.space, problem.folds
        if space is None:
            most = self._most(self._full_run(None))
            space = default_space(problem.task, self._rows(), problem.network, most=most)
        full_run = self._full_run(self.space)
        y = problem.targets(data.train)
        holdout_y = y if folds else problem.targets(data.valid)  # with folds the same rows, kept once
        population = self.populate(
            problem.network,
            self.folder.path,
            lambda text: self.tell(Event("note", {"text": text})),
            x=data.train.x,
            y=y,
            weight=data.train.loss_weight,
            holdout=(data.valid.x, holdout_y, problem.holdout_weight(data.valid)[None]),
            chunk=self.settings.chunk,
            lanes=self.settings.lanes,
        )
        self._forecast(population, space, full_run)
        return Search(
            population,
            space,
            Settings(
                self.budget,
                self.settings.seed,
                full_run,
                problem.by_error,
                extensions=self._extensions(),
            ),
            Study(self.folder.path, problem.network),
            folds=folds,
            sampler=_sampler(self.settings.sampler),
            started=self.started,
            tell=self._tell_search,
            interrupted=self.interrupted,
        )

    def _rows(self) -> int:
        """Return how many rows a network trains on."""
        folds = self.problem.folds
        return round(mean(len(f.train) for f in folds)) if folds else len(self.problem.data.train.x)

    def _full_run(self, space: Space | None) -> int:
        """Return the steps of a full run; ``space`` None is the default one."""
        rows = self._rows()
        epochs = min(max(4e5 / rows + 8, 12), 150)
        batch = default_batch_size(rows)
        if space is not None:
            batch = typical(space, next(space.structures())).batch_size
        return max(50, math.ceil(epochs * rows / batch))

    def _extensions(self) -> tuple[Extension, ...]:
        found = []
        for more in self.folder.extensions():
            space = recipe_space(parse_space(more["space"])) if more["space"] else None
            found.append(Extension(parse_budget(more["budget"]), space, self._full_run(space or self.space)))
        return tuple(found)

    def _most(self, full_run: int) -> float:
        """Return the most operations a step may take for the budget to hold eight half runs."""
        if self.budget.seconds is None:
            return math.inf
        rate = 2 * NOMINAL * available_cores()
        return self.budget.seconds * rate / (8 * 0.5 * full_run)

    def _forecast(self, population: Population, space: Space, full_run: int) -> None:
        recipes = [typical(space, structure) for structure in space.variations()]
        each = max(member_bytes(self.problem.network, recipe) for recipe in recipes)
        data = self.problem.data
        candidates = ENOUGH * len(self.problem.folds or [None])
        needed = each * (candidates + 20) + 3 * (data.train.x.nbytes + data.valid.x.nbytes)
        check_memory(needed, "This run")
        plan, members = population.plan(recipes[0]), self.budget.members
        if self.budget.seconds is not None:
            cost = flops_per_step(self.problem.network, recipes[0]) * full_run
            runs = min(max(self.budget.seconds * NOMINAL * plan.lanes / cost, FULL_RUNS), 40 * FULL_RUNS)
            members = round(min(runs * (EXPLORE / HALVING + 1 - EXPLORE), 8 * self.budget.seconds))
        elif self.budget.steps is not None:
            members = round(FULL_RUNS * (EXPLORE / HALVING + 1 - EXPLORE))
        self.tell(
            Event(
                "forecast",
                {
                    "budget": str(self.budget),
                    "members": members,
                    "seconds": self.budget.seconds,
                    "bytes": needed,
                    "structures": space.size(),
                    "steps": full_run,
                    "lanes": plan.lanes,
                    "chunk": plan.chunk,
                    "platform": population.hardware.platform,
                },
            )
        )

    def _tell_search(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "progress" and isinstance(data["best"], Trial):
            trial = data["best"]
            data = {
                **data,
                "best": {
                    "score": self.problem.score_of(trial.error, trial.loss),
                    "text": trial.text,
                },
            }
        self.tell(Event(kind, data))

    def _candidates(self, search: Search) -> list[Trial]:
        """Return the trials that an ensemble may be made of, complete ones first, the best before others."""
        by_error = self.problem.by_error
        usable = [t for t in search.trials if not t.out and math.isfinite(t.error)]
        if not self.interrupted():  # what only this process remembers is not there after a kill
            usable = [t for t in usable if t.kept is not None] or usable
        usable = [t for t in usable if t.kept is not None or t.begun]
        if not usable and self.interrupted():
            raise KeyboardInterrupt  # nothing to keep yet
        if not usable:
            raise InputError(
                f"No network was trained: all {len(search.trials)} diverged or the budget {self.budget} "
                "ended before the first evaluation. Give a larger --budget, or look for extreme values."
            )
        usable.sort(key=lambda t: (not t.complete, t.key(by_error), t.number))
        complete = [t for t in usable if t.complete]
        return complete[:ENOUGH] if len(complete) >= 3 else usable[:10]


def _training(member: Member, rows: int) -> dict[str, Any]:
    """Return what a refit needs to know of how a member was trained, on ``rows`` rows or on its own."""
    step = int(member.state.best_step) if member.state is not None else 0
    rows = rows if member.rows is None else len(member.rows)
    return {"seed": member.seed, "horizon": member.horizon, "best_step": step, "rows": rows}
