"""What a search does next: how much of the budget is spent, and which points start in a wave."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.engine.plan import flops_per_step
from goodfit.engine.population import Population
from goodfit.search.budget import Budget
from goodfit.search.recipes import typical
from goodfit.search.sampler import Ask, Sampler
from goodfit.search.space import Space, Structure
from goodfit.search.trial import Trial, best_first

STOPS = (1 / 9, 1 / 3, 1.0)  # shares of a full run
KEEP = 1 / 3
HALVING = STOPS[0] + KEEP * (STOPS[1] - STOPS[0]) + KEEP**2 * (STOPS[2] - STOPS[1])  # full runs a draw
EXPLORE = 0.55  # share of the budget for rounds of draws; the rest harvests
FULL_RUNS = 16  # how many full runs' worth of work the budget should hold
NOMINAL = 4.5e10  # operations a second and lane, until the first wave has been measured
COMPILING = 0.15  # share of a time budget that compiling may take
COMPILATION = 2.5  # seconds of one core for a program (docs/log.md)
BEST = 4  # points that a harvest goes on from


@dataclass(frozen=True)
class Settings:
    """What a search is told beside data and space."""

    budget: Budget
    seed: int
    full_run: int  # steps of a full run, before the budget is looked at
    by_error: bool = True
    evaluations: int = 30  # in a full run
    structures: int = 4  # in a round, at most
    extensions: tuple[Budget, ...] = ()  # what was added after the budget was spent, one after another


def stops_of(steps: int) -> list[int]:
    """Return the steps at which a full run of so many is compared with its round."""
    return [max(1, round(steps * share)) for share in STOPS]


@dataclass
class Round:
    """Trials that are weeded out against each other, and the stop that they go to next."""

    trials: list[Trial]
    stop: int = 0

    @property
    def at_last_stop(self) -> bool:
        """Whether the next stop is the end of the full run."""
        return self.stop == len(self.trials[0].stops) - 1

    def survivors(self, by_error: bool) -> list[Trial]:
        """Return the best third of those at the stop, diverged ones left out; none after the last stop."""
        if self.at_last_stop:
            return []
        ranked = best_first(self.trials, by_error)
        return [t for t in ranked[: max(1, round(len(ranked) * KEEP))] if not t.diverged]

    def left(self) -> list[tuple[Structure, float]]:
        """Return the work that is expected to be left: (structure, steps) of one network each."""
        after = KEEP if self.stop < len(self.trials[0].stops) - 1 else 1.0
        return [(t.structure, after * (t.horizon - t.step)) for t in self.trials]


class Planner:
    """Decides what starts in each wave, from budget and results.

    Args:
        population: how its structures run here.
        space, settings, sampler: of the search.
        folds: networks a trial.
        spent: seconds that went before this process.
        started: `time.time()` that the clock counts from.
    """

    def __init__(
        self,
        population: Population,
        space: Space,
        settings: Settings,
        sampler: Sampler,
        *,
        folds: int,
        spent: float,
        started: float | None,
    ) -> None:
        self.population, self.space, self.settings, self.sampler = population, space, settings, sampler
        self.folds = folds
        self.budget = settings.budget  # grows when a study is extended
        self.trials: list[Trial] = []
        self.rate: float | None = None  # operations a second, all lanes, measured
        self._started = (time.time() if started is None else started) - spent

    def elapsed(self) -> float:
        """Seconds of search so far, those before a kill included."""
        return time.time() - self._started

    def late(self) -> bool:
        """Tell whether a time budget is used up."""
        seconds = self.budget.seconds
        return seconds is not None and self.elapsed() >= seconds

    def networks(self) -> int:
        """Return how many networks have begun."""
        return len(self.trials) * self.folds

    def _steps(self) -> int:
        return sum(t.step for t in self.trials) * self.folds

    def spent(self) -> float:
        """Return the share of the budget that is used."""
        budget = self.budget
        if budget.seconds is not None:
            return self.elapsed() / budget.seconds
        if budget.members is not None:
            return self.networks() / budget.members
        return self._steps() / (budget.steps or 1)

    def _share_of(self, work: Sequence[tuple[Structure, float]]) -> float:
        """Return the share of the budget that (structure, steps) pairs will take, a network a fold each."""
        budget = self.budget
        if budget.seconds is not None:
            operations = self.folds * sum(self.cost(structure) * steps for structure, steps in work)
            return operations / self._operations_per_second() / budget.seconds
        if budget.steps is not None:
            return self.folds * sum(steps for _, steps in work) / budget.steps
        return 0.0  # members count when they begin

    def _operations_per_second(self) -> float:
        return self.rate or NOMINAL * self.lanes()

    def lanes(self) -> int:
        """Return how many calls run at once here."""
        return self.population.plan(typical(self.space, next(self.space.structures()))).lanes

    def cost(self, structure: Structure) -> float:
        """Return the operations of one step of one network."""
        return float(flops_per_step(self.population.network, typical(self.space, structure)))

    def _chunk(self, structure: Structure) -> int:
        return self.population.plan(typical(self.space, structure)).chunk

    def plan(self, wave: int, rounds: Sequence[Round]) -> dict[str, Any]:
        """Decide what starts in this wave beside the rounds under way: draws, a harvest, or nothing."""
        nothing: dict[str, Any] = {
            "wave": wave,
            "draws": [],
            "stops": [],
            "first stop": 0,
            "region": self.sampler.region.to_json(),
        }
        if self.trials and self.spent() >= 1.0:
            return nothing
        under_way = self._share_of([work for one in rounds for work in one.left()])
        if not self.trials or self._explored() + under_way + self._half_a_round() < EXPLORE:
            return nothing | self._plan_draws(wave)
        if rounds or not any(t.complete for t in self.trials):
            return nothing  # the rounds under way come first
        return nothing | (self._plan_harvest(wave) or {})

    def _explored(self) -> float:
        """Return the share of the budget that went into draws; harvests before an extension do not count."""
        if self.budget.members is not None:
            return sum(not t.harvest for t in self.trials) * self.folds / self.budget.members
        work = [(t.harvest, t.step * self.cost(t.structure)) for t in self.trials]
        everything = sum(cost for _, cost in work)
        drawn = sum(cost for harvest, cost in work if not harvest)
        return self.spent() * (drawn / everything if everything else 1.0)

    def _half_a_round(self) -> float:
        """Return the share of the budget that half of another round like the last one would take."""
        latest = max(t.round for t in self.trials if not t.harvest)
        last = [t for t in self.trials if t.round == latest]
        if self.budget.members is not None:
            return len(last) * self.folds / self.budget.members / 2
        return self._share_of([(t.structure, HALVING * t.horizon / 2) for t in last])

    def _plan_draws(self, wave: int) -> dict[str, Any]:
        first = not self.trials
        seen = {t.structure for t in self.trials}
        chunk = self._chunk(next(self.space.structures()))
        per_fold = -(-chunk // self.folds)  # folds fill a chunk, too
        each = max(per_fold, 4 if first else 5)
        ask = Ask(wave, each, self.settings.structures, self._affordable() - len(seen), self.settings.seed)
        points = self.sampler.propose(ask, self.trials)
        steps = self._full_run([self.space.structure_of(p) for p in points])
        points = points[: self._most_trials(steps, len(points))]
        return {"draws": points, "stops": stops_of(steps)}

    def _affordable(self) -> int:
        """Return how many structures the budget can compile; counted budgets can all they ask for."""
        seconds = self.budget.seconds
        if seconds is None:
            return self.space.size()
        return max(2, int(seconds * self.lanes() * COMPILING / COMPILATION))

    def _full_run(self, structures: list[Structure]) -> int:
        """Return the steps of a full run, so that the budget holds about `FULL_RUNS` of them."""
        wanted, budget, folds = self.settings.full_run, self.budget, self.folds
        if budget.seconds is not None:
            cost = float(np.mean([self.cost(s) for s in structures])) * folds
            possible = budget.seconds * self._operations_per_second() / (cost * FULL_RUNS)
            return int(np.clip(possible, max(20, 0.1 * wanted), wanted))
        if budget.steps is not None:
            return int(np.clip(budget.steps / (FULL_RUNS * folds), 1, wanted))
        return wanted

    def _most_trials(self, steps: int, draws: int) -> int:
        """Return how many of ``draws`` a counted budget still allows to start."""
        budget, folds = self.budget, self.folds
        if budget.members is not None:
            return min(draws, max(not self.trials, (budget.members - self.networks()) // folds))
        if budget.steps is not None:
            left = budget.steps - self._steps()
            return max(1, min(draws, int(left / (steps * folds * HALVING * 1.2))))
        return draws

    def _plan_harvest(self, wave: int) -> dict[str, Any] | None:
        """Return a round of full runs close to the best points, or None if none fits any more."""
        best = [t for t in best_first(self.trials, self.settings.by_error) if t.complete][:BEST]
        chunk, folds = self._chunk(best[0].structure), self.folds
        count = (
            max(1, 2 * chunk // folds) if chunk > 1 else 4
        )  # never by the lanes, which decide nothing but time
        steps, budget = max(t.horizon for t in best), self.budget
        if budget.seconds is not None:
            longest = steps
            cost = folds * float(np.mean([self.cost(best[i % len(best)].structure) for i in range(count)]))
            left = 0.95 * (budget.seconds - self.elapsed()) * self._operations_per_second()
            while count > 1 and left / (cost * count) < steps:  # fewer networks rather than shorter runs
                count //= 2
            steps = min(steps, int(left / (cost * count)))
            if steps < longest / 3:
                return None
        elif budget.members is not None:
            count = min(count, (budget.members - self.networks()) // folds)
        elif budget.steps is not None:
            count = min(count, (budget.steps - self._steps()) // (steps * folds))
        rng = Ask(wave, 0, 0, 0, self.settings.seed).rng()
        region = self.sampler.region
        draws = [region.close_to(best[i % len(best)].point, rng) for i in range(count)]
        return {"draws": draws, "stops": stops_of(steps), "first stop": len(STOPS) - 1} if draws else None
