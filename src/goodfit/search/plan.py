"""What a search does next: how much of the budget is spent, and which points start in a wave."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.engine.plan import flops_per_step
from goodfit.engine.population import Population
from goodfit.recipe import Recipe
from goodfit.search.budget import Budget
from goodfit.search.recipes import recipe_of, typical
from goodfit.search.sampler import Ask, Sampler
from goodfit.search.space import Space
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
PATIENCE = 3  # rounds of draws in a row that gain no more than noise before no more are drawn
HARVESTS = 2  # harvests in a row that gain no more before the search ends early
ENOUGH = 30  # full runs that an ensemble is chosen from; with fewer a search does not end early


@dataclass(frozen=True)
class Extension:
    """What a finished study is given: more budget, and another space if any."""

    budget: Budget
    space: Space | None = None
    full_run: int = 0  # steps in that space


@dataclass(frozen=True)
class Settings:
    """What a search is told beside data and space."""

    budget: Budget
    seed: int
    full_run: int  # steps of a full run, before the budget is looked at
    by_error: bool = True
    evaluations: int = 30  # in a full run
    structures: int = 4  # in a round, at most
    extensions: tuple[Extension, ...] = ()  # given after the budget was spent, one after another


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
        return [t for t in ranked[: max(1, round(len(ranked) * KEEP))] if not t.out]

    def left(self) -> list[tuple[Recipe, float]]:
        """Return the work that is expected to be left: (recipe, steps) of one network each."""
        after = KEEP if self.stop < len(self.trials[0].stops) - 1 else 1.0
        return [(t.recipe, after * (t.horizon - t.step)) for t in self.trials]


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
        self.budget, self.full_run = settings.budget, settings.full_run
        self.trials: list[Trial] = []
        self._begun = 0  # trials before the last extension
        self.rate: float | None = None  # operations a second, all lanes, measured
        self._started = (time.time() if started is None else started) - spent

    def extend(self, more: Extension, sampler: Sampler) -> None:
        """Go on with more budget, in another space if one is given."""
        self.budget, self.sampler = self.budget.more(more.budget), sampler
        self._begun = len(self.trials)
        if more.space is not None:
            self.space, self.full_run = more.space, more.full_run or self.full_run

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

    def _share_of(self, work: Sequence[tuple[Recipe, float]]) -> float:
        """Return the share of the budget that (recipe, steps) pairs will take, a network a fold each."""
        budget = self.budget
        if budget.seconds is not None:
            operations = self.folds * sum(self.cost(recipe) * steps for recipe, steps in work)
            return operations / self._operations_per_second() / budget.seconds
        if budget.steps is not None:
            return self.folds * sum(steps for _, steps in work) / budget.steps
        return 0.0  # members count when they begin

    def _operations_per_second(self) -> float:
        return self.rate or NOMINAL * self.lanes()

    def lanes(self) -> int:
        """Return how many calls run at once here."""
        return self.population.plan(self._first()).lanes

    def cost(self, recipe: Recipe) -> float:
        """Return the operations of one step of one network."""
        return float(flops_per_step(self.population.network, recipe))

    def _first(self) -> Recipe:
        """Return a recipe of the space's first structure."""
        return typical(self.space, next(self.space.structures()))

    def plan(
        self, wave: int, rounds: Sequence[Round], gained: Callable[[int], bool] = lambda number: True
    ) -> dict[str, Any]:
        """Decide what starts in this wave beside the rounds under way: draws, a harvest, or nothing.

        ``gained(number)`` tells whether the best full run of all is better by more than noise than the best
        from before the round of that number.
        """
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
        drawing = not self.trials or self._explored() + under_way + self._half_a_round() < EXPLORE
        settled = self._settled(rounds, PATIENCE, gained, harvest=False)
        if drawing and not settled:
            return nothing | self._plan_draws(wave)
        if rounds or not any(t.complete for t in self.trials):
            return nothing  # the rounds under way come first
        enough = sum(t.complete for t in self.trials) >= ENOUGH
        if settled and enough and self._settled(rounds, HARVESTS, gained, harvest=True):
            return nothing | {"settled": True}
        return nothing | (self._plan_harvest(wave) or {})

    def _settled(
        self, rounds: Sequence[Round], patience: int, gained: Callable[[int], bool], *, harvest: bool
    ) -> bool:
        """Tell whether the last rounds of a kind, since the last extension, gained no more than noise."""
        under_way = {one.trials[0].round for one in rounds}
        ended = {t.round for t in self.trials[self._begun :] if t.harvest == harvest} - under_way
        if len(ended) < patience + (not harvest):  # the first draws have nothing to gain on
            return False
        return not gained(sorted(ended)[-patience])

    def _explored(self) -> float:
        """Return the share of the budget that went into draws; harvests before an extension do not count."""
        if self.budget.members is not None:
            return sum(not t.harvest for t in self.trials) * self.folds / self.budget.members
        work = [(t.harvest, t.step * self.cost(t.recipe)) for t in self.trials]
        everything = sum(cost for _, cost in work)
        drawn = sum(cost for harvest, cost in work if not harvest)
        return self.spent() * (drawn / everything if everything else 1.0)

    def _half_a_round(self) -> float:
        """Return the share of the budget that half of another round like the last one would take."""
        latest = max(t.round for t in self.trials if not t.harvest)
        last = [t for t in self.trials if t.round == latest]
        if self.budget.members is not None:
            return len(last) * self.folds / self.budget.members / 2
        return self._share_of([(t.recipe, HALVING * t.horizon / 2) for t in last])

    def _plan_draws(self, wave: int) -> dict[str, Any]:
        first = not self.trials
        chunk = self.population.plan(self._first()).chunk
        each = max(-(-chunk // self.folds), 4 if first else 5)
        each = -(-each * self.folds // chunk) * chunk // self.folds  # fills the last chunk, too
        ask = Ask(wave, each, self.settings.structures, self._new_structures(), self.settings.seed)
        points = self.sampler.propose(ask, self.trials)
        steps = self._full_run([recipe_of(self.space, point) for point in points])
        points = points[: self._most_trials(steps, len(points))]
        return {"draws": points, "stops": stops_of(steps)}

    def _new_structures(self) -> int:
        """Return how many more structures the budget can compile; counted budgets can all they ask for."""
        seconds = self.budget.seconds
        if seconds is None:
            return self.space.size()
        affordable = max(2, int(seconds * self.lanes() * COMPILING / COMPILATION))
        return affordable - len({(id(t.space), t.structure) for t in self.trials})

    def _full_run(self, recipes: list[Recipe]) -> int:
        """Return the steps of a full run, so that the budget holds about `FULL_RUNS` of them."""
        wanted, budget, folds = self.full_run, self.budget, self.folds
        if budget.seconds is not None:
            cost = float(np.mean([self.cost(recipe) for recipe in recipes])) * folds
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
        complete = [t for t in best_first(self.trials, self.settings.by_error) if t.complete]
        carried = [(t, point) for t in complete if (point := self.space.carry(t.point, t.space)) is not None]
        if not carried:
            return None  # all are of a space that is searched no more
        best = [t for t, _ in carried[:BEST]]
        chunk, folds = self.population.plan(best[0].recipe).chunk, self.folds
        # Never by the lanes, which decide nothing but time.
        count = max(1, 2 * chunk // folds) if chunk > 1 else 4
        steps, budget = max(t.horizon for t in best), self.budget
        if budget.seconds is not None:
            longest = steps
            cost = folds * float(np.mean([self.cost(best[i % len(best)].recipe) for i in range(count)]))
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
        draws = [region.close_to(carried[i % len(best)][1], rng) for i in range(count)]
        return {"draws": draws, "stops": stops_of(steps), "first stop": len(STOPS) - 1} if draws else None
