"""A packed ensemble: networks of different hyper-parameters, each trained on every fold, in one population.

Every recipe of a pack has the same structure, so that one compiled program serves all. The networks of a
recipe, one a fold, judge it by the rows that they have not seen; weights are then chosen greedily on those
rows, as TabPack's are (arXiv 2607.05380). The first recipe is RealMLP-TD (Holzmüller, Grinsztajn and
Steinwart 2024), the others are drawn around it.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from goodfit.cores import available_cores
from goodfit.engine.plan import flops_per_step
from goodfit.engine.population import Legs, Member, Population
from goodfit.engine.program import use_cache
from goodfit.errors import InputError
from goodfit.model.build import Candidates, Chosen, Cost
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.search.budget import Budget
from goodfit.search.folds import Fold
from goodfit.techniques.embeddings import Periodic
from goodfit.techniques.initializers import DataDriven
from goodfit.techniques.optimizers import AdamW, LearningRateFactors
from goodfit.techniques.schedules import CosLog, FlatCosine

GOOD_EPOCHS = 128  # of a network, where there is time for several
WIDTHS = ((256, 600), (128, 100), (64, 0))  # of layers, and the epochs that a time must allow to take them
MOST_EPOCHS, LEAST_EPOCHS = 256, 24
MOST_RECIPES = 32
LOOKS = 32  # evaluations of a network, at most
TRIAL, TRIAL_SECONDS = 16, 0.4  # steps that tell the pace, more of them until they take so long
PLANNED, SPENT = 0.92, 0.96  # shares of a time budget after which training should end, and does
WINDOW = 2.0  # seconds whose pace tells how long the rest takes
LEAST_STEPS = 100  # of a network that would not have begun when the time was over
FINISHED = 0.85  # share of its steps after which a network that time cut short still counts
FOLDS = 5
FOLDED_ROWS = 20_000  # above, one split, unless there is a time budget
NARROW_ROWS = 1000  # up to so many rows networks are 64 wide unless there is a time budget
DEFAULT_STEPS = 20_000  # of all networks, without a budget
# a first guess: operations a second, seconds a cosine, a step
ARITHMETIC, COSINE, OVERHEAD = 45e9, 1e-8, 2e-4


@dataclass(frozen=True, eq=False)
class PackTask:
    """What is to be learned.

    ``x`` (N, inputs); ``y`` (N,) or (N, K) as trained on; ``weight`` (N,) of the rows in scores and
    ``loss_weight`` (N,) in training; ``cost`` of a prediction on the rows that some fold holds.
    """

    network: Network
    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    loss_weight: np.ndarray
    folds: list[Fold]
    cost: Cost
    by_error: bool = False  # each network's best state is that of the lowest error, else of the lowest loss


@dataclass(frozen=True)
class PackPlan:
    """The structure that all networks share, how many recipes, and how long each trains."""

    hidden: tuple[int, ...]
    batch_size: int
    recipes: int
    epochs: int


@dataclass(eq=False)
class Pack:
    """What was trained: the networks of each recipe, one a fold, and the ensemble of them."""

    plan: PackPlan
    candidates: list[list[Member]]
    chosen: Chosen
    diverged: int = 0
    late: bool = False  # the time was over before every network of a recipe had begun


def pack_recipe(network: Network, plan: PackPlan, number: int, seed: int) -> Recipe:
    """Return the pack's recipe of this number: RealMLP-TD for 0, else one drawn around it."""
    classes = network.loss in ("softmax_cross_entropy", "binary_cross_entropy")
    recipe = Recipe(
        plan.hidden,
        "selu" if classes else "mish",
        optimizer=AdamW(0.04 if classes else 0.2, beta2=0.95, weight_decay=0.02),
        init=DataDriven(),
        dropout=0.15,
        schedule=CosLog(),
        dropout_schedule=FlatCosine(),
        decay_schedule=FlatCosine(),
        batch_size=plan.batch_size,
        label_smoothing=0.1 if classes else 0.0,
        embedding=Periodic(),
        front_scale=True,
        parametric=True,
        ntk=True,
        learning_rate_factors=LearningRateFactors(),
    )
    if number == 0:
        return recipe
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(math.log(low), math.log(high))))

    rate = recipe.optimizer.lr * log_uniform(0.4, 2.0)  # type: ignore[attr-defined]
    return replace(
        recipe,
        optimizer=AdamW(rate, beta2=0.95, weight_decay=log_uniform(0.002, 0.2)),
        dropout=float(rng.choice([0.02, 0.1, 0.2, 0.35])),
        label_smoothing=recipe.label_smoothing * float(rng.choice([0.0, 0.3, 1.0])),
        embedding=Periodic(log_uniform(0.05, 0.3)),
        learning_rate_factors=LearningRateFactors(scale=float(rng.choice([0.0, 1.0, 6.0]))),
    )


def fold_count(network: Network, rows: int, budget: Budget | None) -> int:
    """Return into how many folds the rows are cut; 1 for a single split, where time is short."""
    if budget is None or budget.seconds is None:
        return FOLDS if rows <= FOLDED_ROWS else 1
    affordable = budget.seconds / _guessed_epoch(network, rows, PackPlan((64,) * 3, 256, 1, 1))
    return next((k for k in (FOLDS, 3) if affordable >= k * LEAST_EPOCHS), 1)


def _guessed_epoch(network: Network, rows: int, plan: PackPlan) -> float:
    """Return about how many seconds an epoch of one network takes, all cores at work on several."""
    cosines = plan.batch_size * network.numbers * Periodic().frequencies
    arithmetic = flops_per_step(network, pack_recipe(network, plan, 0, 0)) / ARITHMETIC
    return _steps(rows, plan.batch_size) * (arithmetic + COSINE * cosines + OVERHEAD) / available_cores()


def first_plan(network: Network, rows: int, folds: int, budget: Budget | None) -> PackPlan:
    """Return how wide the networks are, and how many and how long by a count; `timed_plan` sees to a time.

    Without a budget the work grows with the rows up to a limit: seconds for hundreds of rows, a minute for
    tens of thousands.
    """
    width, recipes = 64 if rows <= NARROW_ROWS else 128, 1
    batch = min(256, -(-rows // 32) * 32)
    epochs = int(np.clip(DEFAULT_STEPS * batch / (folds * rows), LEAST_EPOCHS, 2 * GOOD_EPOCHS))
    if budget is not None and budget.seconds is not None:
        for width, enough in WIDTHS:
            epoch = _guessed_epoch(network, rows, PackPlan((width,) * 3, batch, 1, 1))
            if budget.seconds / (epoch * folds) >= enough:
                break
    elif budget is not None and budget.members is not None:
        recipes, epochs = max(1, budget.members // folds), GOOD_EPOCHS
    elif budget is not None and budget.steps is not None:
        return timed_plan(PackPlan((width,) * 3, batch, 1, 1), rows, folds, 1, budget.steps)
    return PackPlan((width,) * 3, batch, recipes, epochs)


def timed_plan(plan: PackPlan, rows: int, folds: int, at_once: int, steps: float) -> PackPlan:
    """Return the plan with as many recipes and epochs as so many steps, ``at_once`` networks each, allow."""
    affordable = steps / _steps(rows, plan.batch_size)  # epochs, ``at_once`` networks each
    able = [n for n in range(1, MOST_RECIPES + 1) if affordable / -(-n * folds // at_once) >= GOOD_EPOCHS]
    recipes = max(able, default=1)
    epochs = int(np.clip(affordable / -(-recipes * folds // at_once), 1, MOST_EPOCHS))
    return replace(plan, recipes=recipes, epochs=epochs)


def train_pack(
    task: PackTask,
    budget: Budget | None,
    *,
    seed: int = 0,
    began: float | None = None,
    plan: PackPlan | None = None,
    chunk: int | None = None,
    lanes: int | None = None,
    on_leg: Callable[[Member], None] | None = None,
    on_ensemble: Callable[[Chosen], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Pack:
    """Train a pack within the budget; None gives one that depends on the sizes of the data alone.

    However short the time, one recipe is trained, for a moment at least, and evaluated on every fold.

    ``began`` is when a budget of seconds began (`time.monotonic`), now unless given. Ctrl-C or
    ``should_stop`` end it early; the networks keep what they reached. ``on_leg(member)`` is called as
    `Population.advance` says, ``on_ensemble(chosen)`` when a recipe's networks are done and the ensemble
    of all recipes so far is chosen anew.

    Raises:
        InputError: no network stayed finite.
    """
    use_cache()
    began = time.monotonic() if began is None else began
    population = _population(task, chunk, lanes)
    seconds = None if budget is None else budget.seconds
    deadline = math.inf if seconds is None else began + seconds * SPENT
    plan = plan or _planned(task, population, budget, began, seed)
    packed = [_members(task, plan, i, seed) for i in range(plan.recipes)]
    members = [member for candidate in packed for member in candidate]
    for member in members:
        member.horizon = plan.epochs * _steps(_rows(member), plan.batch_size)
    legs = [Legs(None, max(1, m.horizon // min(plan.epochs, LOOKS))) for m in members]
    growing = _Growing(task, packed, on_ensemble)
    timing = None if seconds is None else _Timing(members, plan, began + seconds * PLANNED)

    def noted(member: Member) -> None:
        growing.see(member)
        if on_leg is not None:
            on_leg(member)

    def told(member: Member) -> None:
        if timing is not None:
            timing.see(member)
        noted(member)

    def stop() -> bool:
        return should_stop() or time.monotonic() > deadline

    population.advance(members, legs, on_leg=told, should_stop=stop)
    late = _begin_late(packed, plan)
    population.advance(late, [Legs(None, m.horizon) for m in late], on_leg=noted, should_stop=should_stop)
    return growing.end(plan, late=bool(late))


def _population(task: PackTask, chunk: int | None, lanes: int | None) -> Population:
    held = (task.x, task.y, task.weight[None].astype(np.float32))
    return Population(task.network, task.x, task.y, task.loss_weight, holdout=held, chunk=chunk, lanes=lanes)


def _planned(
    task: PackTask, population: Population, budget: Budget | None, began: float, seed: int
) -> PackPlan:
    """Return the plan for this budget; where it is one of time, after a trial of a recipe's networks."""
    trained_on = round(float(np.mean([len(fold.train) for fold in task.folds])))
    plan = first_plan(task.network, trained_on, len(task.folds), budget)
    if budget is None or budget.seconds is None:
        return plan
    trial = _members(task, plan, 0, seed)
    at_once = math.prod(dataclasses.astuple(population.plan(trial[0].recipe)))
    pace = _pace(population, trial, at_once)
    left = began + budget.seconds * PLANNED - time.monotonic()
    return timed_plan(plan, trained_on, len(task.folds), at_once, left / pace)


def _members(task: PackTask, plan: PackPlan, number: int, seed: int) -> list[Member]:
    """Return the networks of one recipe, one a fold."""
    recipe = pack_recipe(task.network, plan, number, seed)
    return [
        Member(
            recipe,
            seed=seed * 2**20 + number * len(task.folds) + i,
            rows=fold.train,
            judged=fold.valid,
            by_error=task.by_error,
        )
        for i, fold in enumerate(task.folds)
    ]


def _begin_late(packed: Sequence[list[Member]], plan: PackPlan) -> list[Member]:
    """Return networks that must begin although the time is over, each with a short way to its end.

    None where every network of some recipe has begun: what has begun stands evaluated.
    """
    if any(all(m.state is not None for m in recipe) for recipe in packed):
        return []
    late = [member for member in packed[0] if member.state is None]
    for member in late:
        member.horizon = min(LEAST_STEPS, plan.epochs * _steps(_rows(member), plan.batch_size))
    return late


def _rows(member: Member) -> int:
    """Return how many rows the network trains on."""
    assert member.rows is not None
    return len(member.rows)


def _steps(rows: int, batch_size: int) -> int:
    """Return the steps of an epoch."""
    return -(-rows // batch_size)


def _pace(population: Population, members: Sequence[Member], at_once: int) -> float:
    """Return the seconds of a step of ``at_once`` networks, one a lane and a place in its chunk."""
    for member in members:
        member.horizon = 10**6  # the first steps of a long schedule: hardly any
    population.advance(members, Legs(1, 1))
    steps, reached = TRIAL, 1
    while True:
        reached, began = reached + steps, time.monotonic()
        population.advance(members, Legs(reached, reached))
        took = time.monotonic() - began
        if took > TRIAL_SECONDS or steps > 500:
            return took / (steps * -(-len(members) // at_once))
        steps *= 4


class _Timing:
    """Moves the ends of all networks' training so that the last one comes in time, its schedule run through.

    A trial of a second says little of the next minutes on a machine with other work. What is left of each
    network's training is stretched or shortened by the same factor, so that schedules bend, not break.
    """

    def __init__(self, members: Sequence[Member], plan: PackPlan, end: float) -> None:
        self._members, self._end = list(members), end
        self._most = MOST_EPOCHS / plan.epochs * max(m.horizon for m in members)
        self._seen = [(time.monotonic(), 0)]

    def see(self, member: Member) -> None:
        """Note the pace after a leg of a network, and move the ends of those that are not done."""
        now, done = time.monotonic(), sum(m.step for m in self._members)
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            del self._seen[0]
        then, before = self._seen[0]
        going = [m for m in self._members if m.step < m.horizon and not m.diverged]
        left = sum(m.horizon - m.step for m in going)
        if now - then < WINDOW or not left or done == before:
            return
        factor = (done - before) / (now - then) * max(self._end - now, 0.0) / left
        for one in going:
            rest = round((one.horizon - one.step) * factor)
            one.horizon = int(min(one.step + max(1, rest), max(self._most, one.step + 1)))


class _Growing:
    """The ensemble while its networks train: a recipe whose networks are all done is taken in at once."""

    def __init__(
        self, task: PackTask, packed: Sequence[list[Member]], on_ensemble: Callable[[Chosen], None] | None
    ) -> None:
        self._candidates = Candidates(task.network, task.x, task.cost, task.folds)
        self._packed, self._on_ensemble = packed, on_ensemble
        self._open = dict(enumerate(packed))

    def see(self, member: Member) -> None:
        """Take in the member's recipe if all of its networks are done, and choose anew."""
        place = next((i for i, recipe in self._open.items() if member in recipe), None)
        if place is not None and self._take(place, 1.0) and self._on_ensemble is not None:
            self._on_ensemble(self._candidates.choose())

    def end(self, plan: PackPlan, *, late: bool) -> Pack:
        """Take in what time cut short close to its end, or at all if there is nothing else."""
        for share in (FINISHED, 0.0):
            for place in list(self._open):
                if share > 0.0 or len(self._open) == len(self._packed):
                    self._take(place, share)
        taken = [recipe for place, recipe in enumerate(self._packed) if place not in self._open]
        diverged = sum(m.diverged for recipe in self._packed for m in recipe)
        if not taken:
            raise InputError(
                f"All {diverged} networks diverged: the data may hold values beyond what float32 can carry."
                if diverged
                else "The training was stopped before each network had made a step."
            )
        return Pack(plan, taken, self._candidates.choose(), diverged, late)

    def _take(self, place: int, share: float) -> bool:
        """Take in a recipe if its networks have made such a share of their steps; tell if so."""
        recipe = self._open[place]
        made = min(m.step / m.horizon for m in recipe)
        if made < share or made == 0.0 or any(m.diverged for m in recipe):
            return False
        self._candidates.add(place, self._open.pop(place))
        return True
