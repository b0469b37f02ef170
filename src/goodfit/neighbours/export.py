"""A goodfit study in an Optuna storage, where optuna-dashboard and Optuna's own figures show it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.errors import InputError
from goodfit.neighbours.distributions import numeric
from goodfit.neighbours.extra import missing_optuna, quiet_optuna
from goodfit.search.story import RoundStory, read_story

try:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.trial import FrozenTrial, TrialState
except ImportError as error:
    raise missing_optuna("Exporting a study") from error

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def export_study(run: str | Path, storage: str | BaseStorage, name: str | None = None) -> optuna.Study:
    """Write the study of a run folder, finished or not, to an Optuna storage as a new study.

    A trial that came to its end is COMPLETE, one that was weeded out (or that still waits for its next stop)
    PRUNED, one that diverged FAIL; one that never began is left out. Its value is what it was ranked by,
    error or loss, lower is better; intermediate values stand at its round's stops, by step. Parameters
    are named by their paths in the space, such as ``optimizer.Adam.lr``; options by their names. A range
    is the whole space's, as wide as any value that was tried beyond it. Where a study was extended in another
    space, ranges and options of both are joined; where a place has a range in one and options in the other,
    the options are left out. User attributes tell the trial's
    ``number`` and ``round`` in goodfit, ``text``, ``harvest``, ``result``, ``step``, ``error``, ``loss``.

    Args:
        run: the folder of a ``goodfit fit``.
        storage: a URL such as ``sqlite:///study.db``, or a storage of Optuna.
        name: of the new study; the folder's name unless given.

    Returns:
        The new study.

    Raises:
        RunFolderError: the folder holds no study, or a damaged one; nothing has been written then.
        InputError: the storage cannot be opened or written, or holds a study of that name.
        MissingExtraError: Optuna is not installed (raised by the import of this module).
    """
    story = read_story(run)
    name = name or Path(run).resolve().name
    distributions = _distributions(story.rounds)
    trials = [
        _frozen(trial, one, number, _space(one, story.rounds), distributions)
        for number, one in enumerate(story.rounds, start=1)
        for trial in one.trials.values()
        if trial["step"] or trial["keys"]
    ]
    try:
        with quiet_optuna():
            study = optuna.create_study(storage=storage, study_name=name, direction="minimize")
            study.set_metric_names([_ranked_by(story.trials)])
            study.set_user_attr("goodfit", {"seconds": story.seconds, "ended": story.ended})
            study.add_trials(trials)
    except optuna.exceptions.DuplicatedStudyError:
        raise InputError(
            f"{_place(storage)} already holds a study named {name!r}: choose another name (--name)."
        ) from None
    except Exception as error:  # whatever the storage's own driver raises
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"The storage {_place(storage)} cannot be written ({type(error).__name__}: {reason}). "
            "Give a URL such as sqlite:///study.db, in a folder that exists."
        ) from error
    return study


def _place(storage: str | BaseStorage) -> str:
    """Return what a storage is called, without a user's name and password."""
    if not isinstance(storage, str):
        return type(storage).__name__
    scheme, mark, rest = storage.partition("://")
    return repr(scheme + mark + rest.rsplit("@", 1)[-1])


def _space(one: RoundStory, rounds: Sequence[RoundStory]) -> Mapping[str, Any]:
    """Return the ranges and options of a round's whole space; older journals tell the first region alone."""
    return one.region.get("space") or rounds[0].region


def _distributions(rounds: Sequence[RoundStory]) -> dict[str, BaseDistribution]:
    """Return a distribution by path: of all spaces searched, widened to hold every value tried."""
    options: dict[str, list[str]] = {}
    ends: dict[str, list[float]] = {}
    log, whole = {}, {}
    for one in rounds:
        space = _space(one, rounds)
        for path, labels in space["options"].items():
            options[path] = list(dict.fromkeys([*options.get(path, ()), *labels]))
        for path, pair in space["ranges"].items():
            seen = (trial["point"][path] for trial in one.trials.values() if path in trial["point"])
            ends[path] = [*ends.get(path, ()), *pair, *seen]
            log[path] = log.get(path, True) and path in space.get("log", ())
            whole[path] = whole.get(path, True) and path in space.get("whole", ())
    found: dict[str, BaseDistribution] = {
        path: CategoricalDistribution(tuple(labels)) for path, labels in options.items() if path not in ends
    }
    for path, seen in ends.items():
        found[path] = numeric(min(seen), max(seen), log=log[path], whole=whole[path])
    return found


def _frozen(
    trial: Mapping[str, Any],
    one: RoundStory,
    number: int,
    space: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
) -> FrozenTrial:
    """Return a trial as Optuna keeps it."""
    values = _values(trial["point"], space, distributions)
    own = {path: distributions[path] for path in values}
    told = {"number": trial["number"], "round": number, "harvest": one.harvest, "text": trial["text"]}
    told |= {key: trial[key] for key in ("result", "step", "error", "loss")}
    ranked_by = [float(key[0]) for key in trial["keys"]]  # at the stops that it reached
    state = _state(trial, one)
    last = ranked_by[-1] if ranked_by else math.inf
    return optuna.trial.create_trial(
        state=state,
        value=last if state != TrialState.FAIL and math.isfinite(last) else None,
        params=values,
        distributions=own,
        intermediate_values={s: v for s, v in zip(one.stops, ranked_by, strict=False) if math.isfinite(v)},
        user_attrs={k: v for k, v in told.items() if not isinstance(v, float) or math.isfinite(v)},
    )


def _state(trial: Mapping[str, Any], one: RoundStory) -> TrialState:
    if trial["result"].startswith("diverged"):
        return TrialState.FAIL
    complete = len(trial["keys"]) == len(one.stops) and math.isfinite(trial["keys"][-1][0])
    return TrialState.COMPLETE if complete else TrialState.PRUNED


def _values(
    point: Mapping[str, float], space: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """Return the parameters of a point; options where another space has a range are left out."""
    found: dict[str, Any] = {}
    for path, value in point.items():
        if path in space["ranges"]:
            found[path] = distributions[path].to_external_repr(value)
        elif isinstance(distributions[path], CategoricalDistribution):
            found[path] = space["options"][path][int(value)]
    return found


def _ranked_by(trials: Sequence[Mapping[str, Any]]) -> str:
    """Return what the trials were ranked by: what stands first in the keys of those at their end."""
    last = [(t["keys"][-1][0], t) for t in trials if t["keys"] and math.isfinite(t["keys"][-1][0])]
    return "loss" if any(key != t["error"] and key == t["loss"] for key, t in last) else "error"
