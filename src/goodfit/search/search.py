"""The search: rounds of draws, halved over legs, each round from boxes that the last ones moved.

A *halving* round draws values for a few structures, trains all to a ninth of a full run, the best third
on to a third, the best third of those to the end; nothing restarts. The schedule's horizon is the full run
from the start, so at a rung all stand at the same point of it. *Harvest* rounds then spend what is left on
full runs of the best recipes with new seeds and values close by: what an ensemble is made of.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from goodfit.engine.plan import flops_per_step
from goodfit.engine.population import Legs, Member, Population
from goodfit.search.budget import Budget
from goodfit.search.space import Range, Space, Structure
from goodfit.search.study import Study
from goodfit.search.trial import Trial
from goodfit.search.zoom import Outcome, zoom

RUNGS = (1 / 9, 1 / 3, 1.0)  # shares of a full run
KEEP = 1 / 3
HALVING = RUNGS[0] + KEEP * (RUNGS[1] - RUNGS[0]) + KEEP**2 * (RUNGS[2] - RUNGS[1])  # full runs a draw
EXPLORE = 0.55  # share of the budget for halving rounds; the rest harvests
FULL_RUNS = 16  # how many full runs' worth of work the budget should hold
NOMINAL = 4.5e10  # operations a second and lane, until the first rung has been measured
COMPILING = 0.15  # share of a time budget that compiling may take
COMPILATION = 2.5  # seconds of one core for a program (docs/log.md)


@dataclass(frozen=True)
class Settings:
    """What a search is told beside data and space."""

    budget: Budget
    seed: int
    full_run: int  # steps of a full run, before the budget is looked at
    by_error: bool = True
    evaluations: int = 30  # in a full run
    structures: int = 4  # in a round, at most


class Search:
    """One search over one population; `run` returns its trials.

    Args:
        population: the data, with a holdout whose set 0 ranks the trials.
        space: choices and boxes.
        settings: budget, seed, length of a full run.
        study: the journal; decisions and results in it are replayed.
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
        started: float | None = None,
        tell: Callable[[str, dict[str, Any]], None] = lambda kind, data: None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.population, self.space, self.settings, self.study = population, space, settings, study
        self.trials: list[Trial] = []
        self.boxes: dict[str, Range] = dict(space.boxes)
        self._tell, self._interrupted = tell, interrupted
        self._started = (time.time() if started is None else started) - study.elapsed
        self._rate: float | None = None  # operations a second, all lanes, measured
        self._last_told = 0.0
        self._last_round = 0.0  # share of the budget that the last halving round took
        self._running = 0
        self.stage = ""

    # --- the budget

    def elapsed(self) -> float:
        """Seconds of search so far, those before a kill included."""
        return time.time() - self._started

    def _out_of_time(self) -> bool:
        """Tell whether to stop; however short the time, one network is trained and evaluated first."""
        seconds = self.settings.budget.seconds
        late = seconds is not None and self.elapsed() >= seconds
        return self._interrupted() or (late and any(np.isfinite(t.error) for t in self.trials))

    def _spent(self) -> float:
        """Return the share of the budget that is used."""
        budget = self.settings.budget
        if budget.seconds is not None:
            return self.elapsed() / budget.seconds
        if budget.members is not None:
            return len(self.trials) / budget.members
        return sum(t.step for t in self.trials) / (budget.steps or 1)

    def _operations_per_second(self) -> float:
        return self._rate or NOMINAL * self._lanes()

    def _lanes(self) -> int:
        return self.population.plan(next(self.space.structures()).typical(self.boxes)).lanes

    def _cost(self, structure: Structure) -> float:
        """Return the operations of one step."""
        return float(flops_per_step(self.population.network, structure.typical(self.boxes)))

    # --- the rounds

    def run(self) -> list[Trial]:
        """Search until the budget is spent or the search is interrupted; return all trials."""
        number = 0
        while not self._interrupted():
            plan = self.study.record("round", lambda n=number: self._plan(n), self.elapsed)
            if not plan["draws"]:
                break
            self._run_round(plan)
            number += 1
        return self.trials

    def _plan(self, number: int) -> dict[str, Any]:
        """Decide the next round: a halving one, a harvest, or none (no draws)."""
        rng = np.random.Generator(
            np.random.Philox(key=np.array([self.settings.seed, 2**40 + number], np.uint64))
        )
        explored = any(t.complete for t in self.trials)
        nothing = {"round": number, "draws": [], "rungs": [], "steps": 0}
        if self.trials and self._spent() >= 1.0:
            return nothing
        if explored and self._spent() + self._last_round / 2 >= EXPLORE:  # half of another would be beyond
            return self._plan_harvest(number, rng) or nothing
        structures = self._structures(rng)
        size = self.population.plan(structures[0].typical(self.boxes)).chunk
        each = max(size, 5) if number else max(size, 4)
        moved = Space(self.space.choices, self.boxes)
        found = []
        for structure in structures:
            wide = max(1, each // 5) if number else 0  # a share of draws keeps looking at the full range
            values = moved.draw(structure, each - wide, rng) + self.space.draw(structure, wide, rng)
            found.append([{"structure": asdict(structure), "values": one} for one in values])
        draws = [draw for turn in zip(*found, strict=True) for draw in turn]  # a cut leaves some of each
        steps = self._full_run(structures)
        limit = self._most_members(steps, len(draws))
        return {
            "round": number,
            "draws": draws[:limit],
            "rungs": list(RUNGS),
            "steps": steps,
            "boxes": {name: asdict(box) for name, box in self.boxes.items()},
        }

    def _structures(self, rng: np.random.Generator) -> list[Structure]:
        """Return the structures of the next round: a spread at first, then the best two and neighbours."""
        seen = {t.structure for t in self.trials}
        count = min(self.settings.structures, self.space.size(), max(1, self._affordable() - len(seen)))
        if not self.trials:
            return self.space.spread(count, rng)
        count = min(self.settings.structures, self.space.size())
        chosen: list[Structure] = []
        for trial in self._ranked():
            if trial.structure not in chosen and len(chosen) < max(1, count // 2):
                chosen.append(trial.structure)
        room = self._affordable() - len(seen)
        for _ in range(50):
            if len(chosen) >= max(count - 1, 1):
                break
            near = self.space.neighbour(chosen[0], rng)
            if near not in chosen and (near in seen or room > 0):
                chosen.append(near)
                room -= near not in seen
        return chosen

    def _affordable(self) -> int:
        """Return how many structures the budget can compile; counted budgets can all they ask for."""
        seconds = self.settings.budget.seconds
        if seconds is None:
            return self.space.size()
        return max(2, int(seconds * self._lanes() * COMPILING / COMPILATION))

    def _full_run(self, structures: list[Structure]) -> int:
        """Return the steps of a full run, so that the budget holds about `FULL_RUNS` of them."""
        wanted, budget = self.settings.full_run, self.settings.budget
        if budget.seconds is not None:
            cost = float(np.mean([self._cost(s) for s in structures]))
            possible = budget.seconds * self._operations_per_second() / (cost * FULL_RUNS)
            return int(np.clip(possible, max(20, 0.1 * wanted), wanted))
        if budget.steps is not None:
            return int(np.clip(budget.steps / FULL_RUNS, 1, wanted))
        return wanted

    def _most_members(self, steps: int, draws: int) -> int:
        """Return how many of ``draws`` a counted budget still allows to start."""
        budget = self.settings.budget
        if budget.members is not None:
            return min(draws, budget.members - len(self.trials))
        if budget.steps is not None:
            left = budget.steps - sum(t.step for t in self.trials)
            return max(1, min(draws, int(left / (steps * HALVING * 1.2))))
        return draws

    def _plan_harvest(self, number: int, rng: np.random.Generator) -> dict[str, Any] | None:
        """Return a round of full runs close to the best recipes, or None if none fits any more."""
        best = [t for t in self._ranked() if t.complete][:4]
        chunk = self.population.plan(best[0].recipe).chunk
        count = 2 * chunk if chunk > 1 else 4  # never by the lanes, which may decide nothing but time
        steps, budget = max(t.horizon for t in best), self.settings.budget
        if budget.seconds is not None:
            cost = float(np.mean([self._cost(best[i % len(best)].structure) for i in range(count)]))
            left = 0.95 * (budget.seconds - self.elapsed()) * self._operations_per_second()
            while count > 1 and left / (cost * count) < steps:  # fewer networks rather than shorter runs
                count //= 2
            steps = min(steps, int(left / (cost * count)))
            if steps < max(t.horizon for t in best) / 3:
                return None
        elif budget.members is not None:
            count = min(count, budget.members - len(self.trials))
        elif budget.steps is not None:
            left = budget.steps - sum(t.step for t in self.trials)
            count = min(count, left // steps)
        draws = [self._close_to(best[i % len(best)], rng) for i in range(count)]
        return {"round": number, "draws": draws, "rungs": [1.0], "steps": steps} if draws else None

    def _close_to(self, trial: Trial, rng: np.random.Generator) -> dict[str, Any]:
        """Return a draw near a trial's values: within a tenth of each box, log boxes on the log scale."""
        values = {}
        for name in trial.structure.ranges():  # not the values' own order, which a journal does not keep
            box = self.boxes[name]
            share = box.share(trial.values[name]) + rng.uniform(-0.1, 0.1) if box.low < box.high else 0.5
            values[name] = min(max(box.between(share, share).low, box.floor), box.ceiling)
        return {"structure": asdict(trial.structure), "values": values}

    def _best_first(self, trials: list[Trial]) -> list[Trial]:
        """Return the trials by what they are ranked by, the best first, whatever step they stand at."""
        return sorted(trials, key=lambda t: (t.key(self.settings.by_error), t.number))

    def _ranked(self) -> list[Trial]:
        """Return the trials that came furthest first, the best of them first."""
        return sorted(self._best_first(self.trials), key=lambda t: -t.step / t.horizon)

    def _run_round(self, plan: dict[str, Any]) -> None:
        before = self._spent()
        trials = [self._start(plan, draw) for draw in plan["draws"]]
        for rung, share in enumerate(plan["rungs"]):
            until = max(1, round(plan["steps"] * share))
            last = rung == len(plan["rungs"]) - 1
            names = {1: "a full run"}.get(round(1 / share), f"1/{round(1 / share)} of a full run")
            self._running = len(trials)
            self.stage = f"round {plan['round'] + 1}: {len(trials)} networks to {names}"
            found = self._rung(trials, until, keep=len(trials) if last else self._survivors(len(trials)))
            for trial, record in zip(trials, found["trials"], strict=True):
                trial.take(record)
                if rung == 0 and share < 1.0 and not found["halted"]:
                    trial.first_step = until
                    trial.first_error, trial.first_loss = trial.error, trial.loss
            trials = [t for t in self._best_first(trials) if not t.diverged]
            if self._interrupted() or found["halted"]:
                break
            if not last:
                trials = trials[: self._survivors(len(plan["draws"]) if rung == 0 else len(trials))]
            if not trials:
                break
        self._running = 0
        if len(plan["rungs"]) > 1:
            self._last_round = self._spent() - before
        self._forget_losers()
        self._move_boxes(plan["round"])

    @staticmethod
    def _survivors(count: int) -> int:
        return max(1, round(count * KEEP))

    def _start(self, plan: dict[str, Any], draw: dict[str, Any]) -> Trial:
        fields = {**draw["structure"], "hidden": tuple(draw["structure"]["hidden"])}
        number = len(self.trials)
        seed = self.settings.seed * 1_000_003 + number
        trial = Trial(number, plan["round"], Structure(**fields), draw["values"], seed, plan["steps"])
        self.trials.append(trial)
        return trial

    def _rung(self, trials: list[Trial], until: int, *, keep: int) -> dict[str, Any]:
        """Train ``trials`` on to step ``until``; journal what came out; keep the states of the best."""

        def make() -> dict[str, Any]:
            halted = self._train(trials, until)
            records = {t.number: t.observe(self.member(t)) for t in trials}
            for trial in trials:
                trial.take(records[trial.number])
            if not self._interrupted():
                for trial in self._best_first(trials)[: keep if not halted else 12]:
                    if self.member(trial).state is not None:
                        records[trial.number]["kept"] = self.study.keep(self.member(trial))
            return {"trials": [records[t.number] for t in trials], "halted": halted}

        if self._interrupted() and not self.study.replaying:
            return make()
        return self.study.record("rung", make, self.elapsed, unless=self._interrupted)

    def _train(self, trials: list[Trial], until: int) -> bool:
        members = [self.member(t) for t in trials]
        by_member = {id(m): t for m, t in zip(members, trials, strict=True)}
        every = max(1, -(-trials[0].horizon // self.settings.evaluations))
        work = sum((until - m.step) * self._cost(t.structure) for m, t in zip(members, trials, strict=True))
        fresh = all(m.step == 0 for m in members)
        began = time.time()

        def on_leg(member: Member) -> None:
            trial = by_member[id(member)]
            trial.take(trial.observe(member))
            self.progress()

        self.population.advance(members, Legs(until, every), on_leg=on_leg, should_stop=self._out_of_time)
        halted = self._out_of_time()
        if not halted and (self._rate is None or (not fresh and len(trials) >= 2 * self._lanes())):
            self._rate = work / max(time.time() - began, 1e-3)
        return halted

    def member(self, trial: Trial) -> Member:
        """Return the trial's member, brought back from the run folder or begun anew."""
        if trial.member is None:
            if trial.kept is not None:
                trial.member = self.study.bring_back(trial.kept)
            else:
                trial.member = Member(
                    trial.recipe, trial.seed, horizon=trial.horizon, by_error=self.settings.by_error
                )
        return trial.member

    def _forget_losers(self) -> None:
        """Free the states of trials that can be brought back, or that will not be asked for again."""
        wanted = {t.number for t in self._ranked()[:40]}
        for trial in self.trials:
            if trial.kept is not None or trial.number not in wanted:
                trial.member = None

    def _move_boxes(self, number: int) -> None:
        """Move the boxes by how all trials rank: those that came furthest first, the best of them first."""
        outcomes = [Outcome(trial.values, float(rank)) for rank, trial in enumerate(self._ranked())]
        self.boxes, moves = zoom(self.boxes, outcomes)
        self._tell(
            "round",
            {
                "round": number + 1,
                "members": len(self.trials),
                "narrowed": [f"{m.name}: {m.after}" for m in moves if m.narrowed],
                "widened": [f"{m.name} ({m.widened}): {m.after}" for m in moves if m.widened],
            },
        )
        self.progress(force=True)

    def progress(self, *, force: bool = False) -> None:
        """Tell where the search stands, at most five times a second."""
        if not force and time.time() - self._last_told < 0.2:
            return
        self._last_told = time.time()
        best = min(self.trials, key=lambda t: t.key(self.settings.by_error), default=None)
        self._tell(
            "progress",
            {
                "seconds": self.elapsed(),
                "share": min(1.0, self._spent()),
                "members": len(self.trials),
                "running": self._running,
                "diverged": sum(t.diverged for t in self.trials),
                "best": None if best is None or np.isnan(best.error) else best,
                "stage": self.stage,
            },
        )
