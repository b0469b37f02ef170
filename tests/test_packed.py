"""Packed ensembles: plans that fit the time, ends that move with the pace, ensembles that grow."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from goodfit import packed
from goodfit.engine.legs import Legs, Member
from goodfit.engine.population import Population
from goodfit.network import Network
from goodfit.packed import MOST_EPOCHS, PackPlan, timed_plan
from goodfit.recipe import Recipe
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
