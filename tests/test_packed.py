"""Packed ensembles: plans that fit the time, ends that move with the pace, ensembles that grow."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from goodfit import packed
from goodfit.engine.legs import Legs, Member
from goodfit.engine.population import Population
from goodfit.errors import InputError
from goodfit.network import Network
from goodfit.packed import MOST_EPOCHS, PackPlan, PackTask, timed_plan, train_pack
from goodfit.recipe import Recipe
from goodfit.search.budget import Budget
from goodfit.search.folds import make_folds
from goodfit.techniques.optimizers import SGD

PLAN = PackPlan((64,) * 3, 32, 1, 100)


def run_timed(monkeypatch, seconds_a_step, *, horizon=1000, networks=5, budget=20.0, plan=PLAN):
    """Train pretended networks, two at a time, and return them and when they ended."""
    now = [0.0]
    monkeypatch.setattr(packed.time, "monotonic", lambda: now[0])
    members = [SimpleNamespace(step=0, horizon=horizon, diverged=False) for _ in range(networks)]
    timing = packed._Timing(members, plan, budget)
    while going := [m for m in members if m.step < m.horizon][:2]:
        steps = min(32, *(m.horizon - m.step for m in going))
        now[0] += steps * seconds_a_step(now[0])
        for member in going:
            member.step += steps
            timing.see(member)
    return members, now[0]


@pytest.mark.parametrize("pace", [0.004, 0.006, 0.0067, 0.012, 0.03])
def test_training_ends_in_time_at_any_pace(monkeypatch, pace):
    members, end = run_timed(monkeypatch, lambda now: pace)
    assert end == pytest.approx(20.0, rel=0.1)
    steps = [m.step for m in members]
    assert min(steps) > 0.4 * max(steps)


def test_training_ends_in_time_when_the_machine_gets_busy(monkeypatch):
    members, end = run_timed(monkeypatch, lambda now: 0.0067 if now < 10 else 0.02)
    assert end == pytest.approx(20.0, rel=0.1)
    assert all(m.step >= m.horizon for m in members)


def test_a_network_is_never_trained_for_more_than_the_most_epochs(monkeypatch):
    members, end = run_timed(monkeypatch, lambda now: 1e-4, horizon=1000)
    assert end < 20.0
    assert max(m.step for m in members) <= 1000 * MOST_EPOCHS / PLAN.epochs


@pytest.mark.parametrize("steps", [1e2, 1e4, 1e6])
@pytest.mark.parametrize(("rows", "folds", "at_once"), [(300, 5, 8), (8000, 5, 2), (50_000, 3, 8)])
def test_a_plan_takes_the_steps_there_are(rows, folds, at_once, steps):
    plan = timed_plan(PLAN, rows, folds, at_once, steps)
    taken = -(-plan.recipes * folds // at_once) * plan.epochs * -(-rows // PLAN.batch_size)
    assert taken <= steps or (plan.recipes, plan.epochs) == (1, 1)
    assert 1 <= plan.epochs <= MOST_EPOCHS


def test_a_horizon_may_move_while_members_train_to_it():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 3)).astype(np.float32), rng.integers(0, 2, 64).astype(np.int32)
    population = Population(Network(3, 2), x, y, holdout=(x, y, np.ones((1, 64), np.float32)), chunk=2)
    members = [Member(Recipe((4,), optimizer=SGD(0.1), batch_size=16), seed, horizon=80) for seed in (0, 1)]

    def shorten(member: Member) -> None:
        if member.step >= 20:
            member.horizon = 50

    population.advance(members, Legs(None, 10, singly=True), on_leg=shorten)
    assert [m.step for m in members] == [50, 50]
    assert [e.step for e in members[0].evaluations] == [10, 20, 30, 40, 50]


def folded(rows=90, folds=3):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 3)).astype(np.float32), rng.integers(0, 2, rows).astype(np.int32)
    ones, places = np.ones(rows), np.arange(rows)
    return PackTask(
        Network(3, 2),
        x,
        y,
        ones,
        ones,
        make_folds(folds, y),
        lambda p: float(-np.log(np.maximum(p[places, y], 1e-15)).mean()),
    )


@pytest.mark.parametrize("begun", [0, 1, 2])
def test_when_time_is_over_each_fold_is_trained_for_a_moment_and_evaluated(monkeypatch, begun):
    """On a machine with other work the time may end between one fold's network and the next."""
    now, seen = [0.0], []
    monkeypatch.setattr(packed.time, "monotonic", lambda: now[0] + (10.0 if begun == 0 else 0.0))

    def tell(member):
        seen.append(member)
        now[0] = 10.0 if len({id(m) for m in seen}) >= begun else 0.0

    plan = PackPlan((8,), 32, 2, 8)
    pack = train_pack(folded(), Budget(seconds=5.0), began=0.0, plan=plan, chunk=1, lanes=1, on_leg=tell)
    assert pack.late
    assert len(pack.candidates) == 1
    assert all(m.step > 0 and m.best is not None for m in pack.candidates[0])
    assert [m.step for m in pack.candidates[0][begun:]] == [16] * (3 - begun)  # 8 epochs of two steps
    assert len(pack.chosen.members) == 3


def test_what_is_stopped_before_it_has_begun_says_so():
    with pytest.raises(InputError, match="stopped before"):
        train_pack(folded(), Budget(members=3), should_stop=lambda: True)
