"""What a search found, as the run's result tells it: plain JSON types, scores in the metric's own terms."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from typing import Any

from goodfit.engine.program import compilations
from goodfit.events import Event, Tell
from goodfit.model.file import model_bytes, save_model
from goodfit.model.insights import insights
from goodfit.model.model import Model
from goodfit.model.problem import Problem
from goodfit.search.budget import parse_budget
from goodfit.search.effects import contributions, interactions
from goodfit.search.search import Ranking, Search
from goodfit.search.trial import Trial
from goodfit.store.run import RunFolder


def found_by(problem: Problem, search: Search, best: Trial) -> dict[str, Any]:
    """Return what the search adds to a run's result; ``best`` is the best single network."""
    data = problem.data
    return {
        "task": problem.task,
        "metric": problem.metric.name,
        "test": None,
        "ledger": [],
        "baselines": {k: {"validation": v} for k, v in problem.validated_baselines().items()},
        "winner": {"trial": best.number, "text": best.recipe.text(), "recipe": best.recipe.to_json()},
        "members": search.planner.networks(),
        "settled": search.settled,
        "diverged": sum(t.diverged for t in search.trials),
        "compilations": compilations(),
        "versions": _versions(),
        "notes": list(data.notes),
        "rows": problem.sizes(),
        "folds": len(problem.folds or ()),
        **_worth(problem, search),
        "ranking": _ranking(problem, search.ranking()),
    }


def _worth(problem: Problem, search: Search) -> dict[str, Any]:
    """Return what went with better scores, alone and in pairs; above 0 is better whatever the metric."""
    sign = 1 if problem.metric.greater_is_better and problem.by_error else -1

    def score(trial: Trial) -> float:
        return sign * problem.score_of(*trial.at_first_stop(problem.by_error))

    found = {"contributions": contributions(search.trials, score)}
    return found | {"interactions": interactions(search.trials, score)}


def _ranking(problem: Problem, found: Ranking | None) -> dict[str, Any] | None:
    """Return how sure the ranking of single networks is; see `goodfit.search.rank`."""
    if found is None:
        return None

    def score(cost: float) -> float:
        return problem.score_of(cost, cost)

    best = found.standing.best
    cost, error = float(found.standing.cost[best]), float(found.standing.error[best])
    fresh = found.optimism
    return {
        "tried": found.tried,
        "compared": len(found.compared),
        "alike": [t.recipe.text() for t in found.alike],
        "simplest": found.simplest.recipe.text(),
        "best": {
            "score": score(cost),
            "standard_error": abs(score(cost + error) - score(cost)),
            "measure": "error" if problem.by_error else "loss",  # what the trials' tables show, and its value
            "cost": cost,
        },
        "fresh": {"score": score(fresh.expected)}
        | dict(zip(("low", "high"), sorted((score(fresh.low), score(fresh.high))), strict=True)),
    }


def _versions() -> dict[str, str]:
    found = {package: version(package) for package in ("goodfit", "jax", "numpy")}
    return {**found, "python": platform.python_version()}


def identity_of(model: Model) -> str:
    """Return the hash that the ledger knows a model by: of all but the record of how it was made."""
    bare = Model(model.members, model.schema, model.target, model.target_name)
    return hashlib.sha256(model_bytes(bare)).hexdigest()


def conclude(
    problem: Problem,
    model: Model,
    result: dict[str, Any],
    training: list[dict[str, Any]],
    folder: RunFolder,
    tell: Tell,
    examine: bool,
) -> dict[str, Any]:
    """Examine the model if wanted, write insights, model and result, and return the result.

    The result is written last: a kill before it leaves a run that is gone on with and comes to the same end.
    """
    identity = identity_of(model)
    sealed, opened = problem.data.sealed, 0
    examined = None
    if examine:
        part = problem.data.examine(sealed.open(folder.ledger, model_hash=identity, reason="final exam"))
        ledger = sealed.ledger(folder.ledger)
        examined = part, model.outputs(part.x)
        score = problem.score(*examined)
        ledger.note(identity, problem.metric.name, score)
        openings = ledger.openings()
        opened = len(openings)
        result |= {"test": {**score, "opened": opened}, "ledger": openings}
        for name, found in problem.examined_baselines(part).items():
            result["baselines"][name]["test"] = found
        tell(Event("exam", result["test"]))
    seeds, budget = [one["seed"] for one in training], parse_budget(folder.config()["budget"])
    folder.keep_insights(insights(problem, model, examined, seeds, budget.seconds), result)
    record = {key: result[key] for key in ("metric", "validation", "test", "baselines", "rows", "versions")}
    record |= {"openings": opened, "training": training}
    save_model(folder.model, Model(model.members, model.schema, model.target, model.target_name, record))
    if result["interrupted"]:
        folder.pause(result)
    else:
        folder.finish(result)
    return result
