"""The search: waves of training, in which new draws start and survivors of earlier rounds go on.

A *round* draws points for a few structures. All train to a ninth of a full run, the best third on to a
third, the best third of those to the end; nothing restarts. A *wave* trains everything that stands between
two decisions: the new round, and the survivors of the rounds before it, each to its next stop. So a rung
waits for its own round alone, and the lanes have the other rounds to work on meanwhile. A decision knows
whole waves only, never which of their members came in first.

A schedule's horizon is the full run from the start: at a stop all trials of a round stand at the same point
of it, with learning rates that have not yet fallen. Rankings at early stops are therefore provisional, and
only trials of one round, at one stop, are ever weeded out against each other.

*Harvest* rounds then spend what is left on full runs of the best points with new seeds and values close by:
what an ensemble is made of, and more seeds for those that cannot be told from the best.

Draws end before their share of the budget where three rounds in a row gained no more than a standard error.
The search ends before its budget where, besides, two harvests gained no more, and an ensemble has enough
networks to choose from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from goodfit.engine.population import Legs, Member, Population
from goodfit.recipe import Recipe
from goodfit.search.folds import Fold, out_of_fold
from goodfit.search.plan import Extension, Planner, Round, Settings
from goodfit.search.rank import Optimism, Standing, gain, optimism, simplest, standing
from goodfit.search.sampler import Sampler, Zoom
from goodfit.search.space import Point, Space
from goodfit.search.study import Study
from goodfit.search.trial import Trial, best_first

KEPT_WHEN_HALTED = 12  # states written down when time ends a wave
REMEMBERED = 40  # trials, the best, whose states stay in memory where there is no folder


@dataclass(frozen=True, eq=False)
class Ranking:
    """How sure a search's ranking is."""

    tried: int  # trials in all, those given up early too
    compared: list[Trial]  # full runs, the best first
    standing: Standing  # of those
    simplest: Trial  # the one that costs least to run among those within one standard error of the best
    optimism: Optimism  # of choosing the best of all that were tried

    @property
    def alike(self) -> list[Trial]:
        """The full runs that cannot be told from the best."""
        return [t for t, same in zip(self.compared, self.standing.alike, strict=True) if same]


class Search:
    """One search over one population; `run` returns its trials.

    Args:
        population: the data, with a holdout whose set 0 ranks the trials.
        space: choices and ranges.
        settings: budget, seed, length of a full run.
        study: the journal; decisions and results in it are replayed.
        folds: train each trial once a fold, judged by the fold's rows; None: one network a trial.
        sampler: makes what draws points from a space.
        started: `time.time()` that the budget's clock counts from.
        tell: called with (kind, data) for every event worth showing.
        interrupted: polled between calls; true ends the search with what it has.
    """

    def __init__(
        self,
        population: Population,
        space: Space,
        settings: Settings,
        study: Study,
        *,
        folds: Sequence[Fold] | None = None,
        sampler: Callable[[Space], Sampler] = Zoom,
        started: float | None = None,
        tell: Callable[[str, dict[str, Any]], None] = lambda kind, data: None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.population, self.space, self.settings, self.study = population, space, settings, study
        self.folds: Sequence[Fold | None] = [None] if folds is None else folds
        self._make_sampler, self.sampler = sampler, sampler(space)
        self.planner = Planner(
            population,
            space,
            settings,
            self.sampler,
            folds=len(self.folds),
            spent=study.elapsed,
            started=started,
        )
        self.trials = self.planner.trials
        self._rounds: list[Round] = []  # those under way
        self._tell, self._interrupted = tell, interrupted
        self._told = 0.0
        self._running = 0
        self._stage = ""
        self.settled = False  # ended before its budget, because rounds gained no more than noise
        population.most, population.on_halved, population.sets_aside = study.most, self._halved, True
        self._shares = [float(self._judging(fold)[1].sum()) for fold in self.folds]

    def elapsed(self) -> float:
        """Seconds of search so far, those before a kill or an interruption included."""
        return self.planner.elapsed()

    def _halved(self, most: int) -> None:
        self.study.halved(most, self.elapsed())
        text = f"Memory ran out: from now on one call trains {most} network{'s' * (most != 1)} at most."
        self._tell("note", {"text": text})

    def _must_stop(self) -> bool:
        """Tell whether to stop; however short the time, one network is trained and evaluated first."""
        return self._interrupted() or (self.planner.late() and any(np.isfinite(t.error) for t in self.trials))

    def run(self) -> list[Trial]:
        """Search until the budget is spent or the search is interrupted; return all trials."""
        extensions = list(self.settings.extensions)
        wave = 0
        while not self._interrupted():
            self._begin(self.study.record("plan", lambda n=wave: self._plan(n), self.elapsed))
            if not self._rounds or self._run_wave(wave):
                if not extensions or self._interrupted():
                    break
                self._extend(extensions.pop(0))
            wave += 1
        if self._interrupted():
            self.study.rest(self.elapsed())
        return self.trials

    def _extend(self, more: Extension) -> None:
        if more.space is not None:
            self.space, self.sampler = more.space, self._make_sampler(more.space)
            self.sampler.observe(self.trials)
        self.planner.extend(more, self.sampler)

    def _plan(self, wave: int) -> dict[str, Any]:
        plan = self.planner.plan(wave, self._rounds, self._gained)
        texts = [self.space.text(self.space.structure_of(point)) for point in plan["draws"]]
        return plan | {"texts": texts}

    def _gained(self, number: int) -> bool:
        """Tell whether a full run is better, by a standard error, than all from before a round."""
        ranked = [t for t in self.ranked() if t.complete and self.costs(t) is not None]
        before = [t for t in ranked if t.round < number]
        if not before:
            return True
        judged = self._judges > 0
        costs = [np.asarray(self.costs(t))[judged] for t in (before[0], ranked[0])]
        fallen, error = gain(costs[0], costs[1], self._judges[judged])
        return not fallen <= error  # of too few rows the error is not known

    def ranked(self) -> list[Trial]:
        """Return the trials that came furthest first, the best of them first."""
        return sorted(best_first(self.trials, self.settings.by_error), key=lambda t: -t.step / t.horizon)

    def _begin(self, plan: dict[str, Any]) -> None:
        """Start the trials of a plan as a round of their own."""
        self.settled = plan.get("settled", False)
        trials = []
        for point in plan["draws"]:
            number = len(self.trials)
            seed = self.settings.seed * 1_000_003 + number
            stops = tuple(plan["stops"])
            place = self._in_order(point)
            trial = Trial(
                number, plan["wave"], self.space, place, seed, stops, harvest=plan["first stop"] > 0
            )
            self.trials.append(trial)
            trials.append(trial)
        if trials:
            self._rounds.append(Round(trials, plan["first stop"]))

    def _in_order(self, point: Point) -> Point:
        """Return the point in the space's own order, which a journal does not keep."""
        paths = (*self.space.choices, *self.space.ranges)
        return {path: point[path] for path in paths if path in point}

    def _run_wave(self, wave: int) -> bool:
        """Train every round under way to its next stop; weed out; return whether the search must end."""
        tasks = [(t, t.stops[r.stop]) for r in self._rounds for t in r.trials]
        self._running = len(tasks)
        self._stage = _words(self._rounds, len(self.folds))
        found = self._train_and_record(tasks)
        for (trial, _), record in zip(tasks, found["trials"], strict=True):
            trial.take(record)
            trial.rests.append(trial.step)
            trial.costs_in = found["costs"]
        halted = found["halted"] or self._interrupted()
        if not halted:
            for one in self._rounds:
                one.trials, one.stop = one.survivors(self.settings.by_error), one.stop + 1
            self._rounds = [one for one in self._rounds if one.trials]
        self._running = 0
        moves = self.sampler.observe(self.trials)
        self._forget_losers()
        self._tell(
            "round",
            {
                "round": wave + 1,
                "members": self.planner.networks(),
                "narrowed": [str(m) for m in moves if m.narrowed and not m.widened],
                "widened": [str(m) for m in moves if m.widened],
            },
        )
        self.progress(force=True)
        return halted

    def _train_and_record(self, tasks: list[tuple[Trial, int]]) -> dict[str, Any]:
        """Train (trial, until step) pairs; journal what came out; keep the states that will be asked for."""

        def make() -> dict[str, Any]:
            halted = self._train(tasks)
            for trial, _ in tasks:
                trial.take(self._observe(trial))
                trial.costs = self._costs(trial)
            wanted = [] if self._interrupted() else self._wanted(halted)
            kept = {t.number: self.study.keep(self.networks(t)) for t in wanted if t.begun}
            costs = self.study.keep_costs({t.number: t.costs for t, _ in tasks if t.costs is not None})
            records = [self._observe(t) | {"kept": kept.get(t.number)} for t, _ in tasks]
            return {"trials": records, "halted": halted, "costs": costs}

        if self._interrupted() and not self.study.replaying:
            return make()
        return self.study.record("wave", make, self.elapsed, unless=self._interrupted)

    def _observe(self, trial: Trial) -> dict[str, Any]:
        return trial.observe(self._shares, self.settings.by_error)

    def _wanted(self, halted: bool) -> list[Trial]:
        """Return the trials whose states are kept after this wave."""
        by_error = self.settings.by_error
        if halted:
            return best_first([t for one in self._rounds for t in one.trials], by_error)[:KEPT_WHEN_HALTED]
        wanted = []
        for one in self._rounds:
            last = [t for t in one.trials if not t.out]
            wanted += last if one.at_last_stop else one.survivors(by_error)
        return wanted

    def _train(self, tasks: list[tuple[Trial, int]]) -> bool:
        members, legs, owner = [], [], {}
        work, fresh = 0.0, True
        for trial, until in tasks:
            for member in self.networks(trial):
                members.append(member)
                legs.append(self._legs(trial, until))
                owner[id(member)] = trial
                work += (until - member.step) * self.planner.cost(trial.recipe)
                fresh = fresh and member.step == 0
        began = time.time()

        def on_leg(member: Member) -> None:
            owner[id(member)].take(self._observe(owner[id(member)]))
            self.progress()

        self.population.advance(members, legs, on_leg=on_leg, should_stop=self._must_stop)
        halted = self._must_stop()
        if not halted and (
            self.planner.rate is None or (not fresh and len(members) >= 2 * self.planner.lanes())
        ):
            self.planner.rate = work / max(time.time() - began, 1e-3)
        return halted

    # --- networks

    def networks(self, trial: Trial) -> list[Member]:
        """Return the trial's networks, one a fold, brought back from the run folder or begun anew."""
        if not trial.members:
            if trial.kept is None:
                trial.members = [self._member(trial, fold) for fold in self.folds]
            else:
                trial.members = [
                    self.study.bring_back(name, self._again(trial, fold), **_rows(fold))
                    for name, fold in zip(trial.kept, self.folds, strict=True)
                ]
        return trial.members

    def _member(self, trial: Trial, fold: Fold | None) -> Member:
        by_error = self.settings.by_error
        return Member(trial.recipe, trial.seed, horizon=trial.horizon, by_error=by_error, **_rows(fold))

    def _legs(self, trial: Trial, until: int) -> Legs:
        return Legs(until, max(1, -(-trial.horizon // self.settings.evaluations)))

    def _again(self, trial: Trial, fold: Fold | None) -> Iterator[Member]:
        """Train a network anew, from wave to wave, as its trial went: its state is lost or damaged."""
        text = f"The state of trial {trial.number} is lost or damaged: it is trained again."
        self._tell("note", {"text": text})
        member = self._member(trial, fold)
        for step in trial.rests:
            self.population.advance([member], self._legs(trial, step))
            yield member

    def _judging(self, fold: Fold | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that a fold's network is judged by, and their weights, padded."""
        rows, sets = self.population.judged_by(Member(Recipe(), 0, **_rows(fold)))
        return rows, sets[0]

    @cached_property
    def _judges(self) -> np.ndarray:
        """The weights of the validation rows over all folds, (N,); 0 where none holds the row."""
        weight = np.zeros(self.population.held_out)
        for fold in self.folds:
            np.add.at(weight, *self._judging(fold))
        return weight

    def _costs(self, trial: Trial) -> np.ndarray | None:
        """Return the cost on each validation row, (N,): the mean over the folds that hold it, NaN if none."""
        members = self.networks(trial)
        if any(m.costs is None for m in members):
            return None
        if self.folds[0] is None:
            return members[0].costs
        folds = [f for f in self.folds if f is not None]
        each = [m.costs for m in members if m.costs is not None]
        return out_of_fold(folds, each, self.population.held_out).astype(np.float32)

    def costs(self, trial: Trial) -> np.ndarray | None:
        """Return the trial's cost on each validation row at its best state, (N,), or None if it has none."""
        if trial.costs is None and trial.costs_in is not None:
            found = self.study.costs(trial.costs_in)
            for one in self.trials:  # all that the file holds, so that it is read once
                if one.costs_in == trial.costs_in:
                    one.costs = found.get(str(one.number))
        return trial.costs

    def ranking(self) -> Ranking | None:
        """Return how sure the ranking is, or None where no full run has costs by row."""
        complete = [t for t in self.ranked() if t.complete and self.costs(t) is not None]
        if not complete:
            return None
        weight = self._judges
        judged = weight > 0
        everyone = np.array([c[judged] for c in map(self.costs, self.trials) if c is not None])
        found = standing(np.array([self.costs(t) for t in complete])[:, judged], weight[judged])
        size = np.array([self.planner.cost(t.recipe) for t in complete])
        return Ranking(
            tried=len(self.trials),
            compared=complete,
            standing=found,
            simplest=complete[simplest(found, size)],
            optimism=optimism(everyone, weight[judged], seed=self.settings.seed),
        )

    def _forget_losers(self) -> None:
        """Free the states of trials that can be brought back, or that will not be asked for again."""
        wanted = {t.number for t in self.ranked()[:REMEMBERED]}
        wanted |= {t.number for one in self._rounds for t in one.trials}
        for trial in self.trials:
            if trial.kept is not None or trial.number not in wanted:
                trial.members = []

    def progress(self, *, force: bool = False) -> None:
        """Tell where the search stands, at most five times a second."""
        if not force and time.time() - self._told < 0.2:
            return
        self._told = time.time()
        best = min(self.trials, key=lambda t: t.key(self.settings.by_error), default=None)
        self._tell(
            "progress",
            {
                "seconds": self.elapsed(),
                "share": min(1.0, self.planner.spent()),
                "members": self.planner.networks(),
                "running": self._running,
                "diverged": sum(t.diverged for t in self.trials),
                "best": None if best is None or np.isnan(best.error) else best,
                "stage": self._stage,
            },
        )


def _rows(fold: Fold | None) -> dict[str, Any]:
    return {} if fold is None else {"rows": fold.train, "judged": fold.valid}


def _words(rounds: Sequence[Round], folds: int) -> str:
    """Return what a wave trains: ``20 networks to 1/9 of a full run, 7 to 1/3``."""
    parts = []
    for one in reversed(rounds):
        share = one.trials[0].stops[one.stop] / one.trials[0].horizon
        where = "the end" if share == 1.0 else f"1/{round(1 / share)}"
        parts.append(f"{len(one.trials) * folds} networks to {where}")
    return ", ".join(parts)
