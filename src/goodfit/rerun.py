"""What is done with a finished run: go on with it, open its sealed set, or train its ensemble on all rows."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np

from goodfit.data.prepare import Prepared, prepare, prepare_all
from goodfit.engine.population import Legs, Member, Population
from goodfit.engine.program import use_cache
from goodfit.errors import RunFolderError
from goodfit.events import Event, Tell, silent
from goodfit.job import FitSettings, Populate, run_fit
from goodfit.model.build import model_member
from goodfit.model.file import load_model, save_model
from goodfit.model.model import Model, ModelMember
from goodfit.model.problem import Problem, make_problem
from goodfit.recipe import Recipe
from goodfit.result import conclude, identity_of
from goodfit.search.budget import parse_budget
from goodfit.search.recipes import recipe_space
from goodfit.search.space_file import parse_space
from goodfit.search.study import whole_records
from goodfit.store.canonical import dumps
from goodfit.store.run import RunFolder


def _opened(run: str) -> tuple[RunFolder, FitSettings, Problem, Model]:
    """Return a run's folder, settings, problem and model, with the data read again.

    Raises:
        RunFolderError: no run, or its data are no longer what they were.
    """
    folder = RunFolder(run)
    config = folder.config()
    if not folder.model.exists():
        raise RunFolderError(f"{run} has no model yet: run its goodfit fit to the end first.")
    settings = _settings(config, run)
    data = _prepared(settings, config, run)
    return folder, settings, make_problem(data, settings.metric), load_model(folder.model)


def _prepared(settings: FitSettings, config: dict[str, Any], run: str) -> Prepared:
    """Return the run's data, read again.

    Raises:
        RunFolderError: they are no longer what they were.
    """
    data = prepare(settings.request())
    if data.data_hash != config["identity"]["data_hash"]:
        raise RunFolderError(f"{settings.data} has changed since {run} was made: restore it, or fit anew.")
    return data


def resume(
    run: str,
    *,
    more: str | None = None,
    space: str | None = None,
    on_event: Tell = silent,
    started: float | None = None,
    trainer: AbstractContextManager[Populate] | None = None,
) -> dict[str, Any]:
    """Go on with a run where it stopped, with ``more`` budget if given, and return its result.

    ``space``, the text of a TOML file, is what the added budget searches.

    A finished run that gets no more returns its recorded result. A new exam after an extension is one more
    opening of the sealed rows if the model changed; the ledger and the result count them. If it did not, the
    event ``unchanged`` says so.

    Raises:
        GoodfitError: no such run, its data have changed, or a budget of another kind.
    """
    folder = RunFolder(run)
    config = folder.config()
    settings = _settings(config, run)
    before = None
    if more is not None:
        budget = parse_budget(config["budget"])
        for text in (*(e["budget"] for e in folder.extensions()), more):
            budget = budget.more(parse_budget(text))
        if space is not None:
            recipe_space(parse_space(space))  # an error, before anything is written
        with folder.lock():
            if folder.result() is None:
                raise RunFolderError(f"{run} is not finished: go on with it first (`goodfit study resume`).")
            folder.check_ledger()
            whole_records(folder.path)  # an error, before the run counts as unfinished
            _prepared(settings, config, run)  # likewise
            before = identity_of(load_model(folder.model))
            folder.extend(more, space)
    result = run_fit(settings, on_event=on_event, started=started, trainer=trainer)
    if before is not None and not result["interrupted"] and identity_of(load_model(folder.model)) == before:
        rows = "were not opened again" if result["test"] else "stay sealed"
        text = f"The added budget did not change the ensemble: the model is the same, the sealed rows {rows}."
        on_event(Event("unchanged", {"text": text}))
    return result


def _settings(config: dict[str, Any], run: str) -> FitSettings:
    if "budget" not in config:
        raise RunFolderError(f"{run} is no run of goodfit fit.")
    return FitSettings(**{**config["settings"], "ignore": tuple(config["settings"]["ignore"]), "out": run})


def unseal(run: str, *, on_event: Tell = silent) -> dict[str, Any]:
    """Examine a run's model on its sealed rows and return the run's result with the score.

    The opening is written to the ledger first; examining the same model again is the same opening.

    Raises:
        GoodfitError: no such run, changed data, a damaged model.
    """
    result = RunFolder(run).result()
    folder, _, problem, model = _opened(run)
    if result is None:
        raise RunFolderError(f"{run} is not finished: repeat its goodfit fit command to go on with it.")
    if result["test"] is not None:
        return result
    training = model.record["training"]
    bare = Model(model.members, model.schema, model.target, model.target_name)
    with folder.lock():
        if dumps(folder.result()) != dumps(result):
            raise RunFolderError(f"Another process has changed {run} since this one began: try again.")
        return conclude(problem, bare, result, training, folder, on_event, examine=True)


def refit(run: str, *, on_event: Tell = silent) -> dict[str, Any]:
    """Train a run's ensemble again on all rows, sealed ones too, and write ``refit.safetensors``.

    Each network keeps its recipe and seed and trains for as many passes over the rows as its best state had;
    the networks of one candidate's folds become one, with the mean of their passes. The score stays the
    exam's: no row is left to measure it on.

    Raises:
        GoodfitError: no such run, changed data, a damaged model.
    """
    RunFolder(run).config()  # says what is no run, before a lock makes a folder of it
    with RunFolder(run).lock():
        return _refit(*_opened(run), on_event)


def _refit(
    folder: RunFolder, settings: FitSettings, problem: Problem, model: Model, on_event: Tell
) -> dict[str, Any]:
    """Train the model's networks again on all rows; return what `refit` returns."""
    schema, codec, part = prepare_all(settings.request())
    network = replace(problem.network, **schema.layout)
    y = part.y if codec.task == "classification" else codec.standardise(part.y).astype(np.float32)[:, None]
    use_cache()
    population = Population(network, part.x, y, part.loss_weight, chunk=settings.chunk, lanes=settings.lanes)
    members = []
    for alike in _candidates(model):
        kept, training = alike[0]
        passes = np.mean([(t["horizon"] / t["rows"], t["best_step"] / t["rows"]) for _, t in alike], axis=0)
        horizon, until = (max(1, math.ceil(round(steps, 6))) for steps in passes * len(part.x))
        member = Member(Recipe.from_json(kept.recipe), training["seed"], horizon=horizon)
        population.advance([member], Legs(until, until))
        on_event(Event("note", {"text": f"Trained again on {len(part.x)} rows: {member.recipe.text()}."}))
        weight = sum(m.weight for m, _ in alike)
        members.append(model_member(network, member, weight, training["temperature"]))
    record = {**model.record, "refit_rows": len(part.x)}
    target = folder.path / "refit.safetensors"
    sha = save_model(target, Model(tuple(members), schema, codec, model.target_name, record))
    return {
        "run": str(folder.path),
        "model": str(target),
        "sha256": sha,
        "rows": len(part.x),
        "members": len(members),
    }


def _candidates(model: Model) -> list[list[tuple[ModelMember, dict[str, Any]]]]:
    """Return the model's networks, each with how it was trained, those of one candidate's folds together."""
    found: dict[int, list[tuple[ModelMember, dict[str, Any]]]] = {}
    for kept, training in zip(model.members, model.record["training"], strict=True):
        found.setdefault(training["seed"], []).append((kept, training))
    return list(found.values())
