"""Arms × seeds as one population: paired, repeatable, honest about failures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from goodfit.engine.population import Legs, Member, Population
from goodfit.lab import training
from goodfit.lab.training import Arm, Bench, squared_weights, watch
from goodfit.recipe import Recipe
from goodfit.techniques.optimizers import SGD

PLAIN = Recipe((12, 12), optimizer=SGD(0.1), batch_size=20)


def test_curves_are_those_of_the_members_trained_alone(small):
    arms = {"slow": Arm(dataclasses.replace(PLAIN, optimizer=SGD(0.01))), "fast": Arm(PLAIN, shift=7)}
    looks = watch(small, 10, rows=100, norms=True, losses=True)
    found = Bench().train(small, arms, (0, 3), rows=100, steps=25, watch=looks)
    assert found.steps.tolist() == [10, 20, 25]
    assert found.error.shape == (2, 2, 3, 2)
    for a, arm in enumerate(arms.values()):
        for s, seed in enumerate((0, 3)):
            alone = Population(
                small.network, small.x[:100], small.y[:100], holdout=(looks.x, looks.y, looks.sets)
            )
            member = Member(arm.recipe, seed + arm.shift, horizon=25, replacement=True)
            alone.advance([member], Legs(25, 10, keep_losses=True))
            np.testing.assert_array_equal(found.losses[a, s], member.loss_curve)
            np.testing.assert_array_equal(found.error[a, s], [e.error for e in member.evaluations])
            assert found.norm[a, s, -1] == np.float32(squared_weights(member.state.params))


def test_sets_are_training_and_test_rows(small):
    looks = watch(small, 5, rows=50)
    error = Bench().train(small, {"a": Arm(PLAIN)}, (0,), rows=50, steps=40, watch=looks).error[0, 0, -1]
    kept = []
    Bench().train(
        small,
        {"a": Arm(PLAIN)},
        (0,),
        rows=50,
        steps=40,
        after=lambda name, seed, member: kept.append(member),
    )
    params, running, step = kept[0].weights(best=False)
    for place, (x, y) in enumerate(((small.x[:50], small.y[:50]), (small.x_test, small.y_test))):
        outputs, _ = small.network.apply(PLAIN, params, running, x, step=step)
        assert error[place] == pytest.approx((np.argmax(np.asarray(outputs), axis=1) != y).mean(), abs=1e-6)


def test_waves_change_nothing(small, monkeypatch):
    arms = {"a": Arm(PLAIN), "b": Arm(dataclasses.replace(PLAIN, weight_decay=0.01))}
    whole = Bench().train(small, arms, range(3), steps=12, watch=watch(small, 6))
    monkeypatch.setattr(training, "WAVE", 2)
    cut = Bench().train(small, arms, range(3), steps=12, watch=watch(small, 6))
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(array, cut.arrays()[name])


def test_a_diverged_member_has_no_accuracy(small):
    arms = {"wild": Arm(dataclasses.replace(PLAIN, optimizer=SGD(1e8))), "tame": Arm(PLAIN)}
    bench = Bench()
    found = bench.train(small, arms, range(2), steps=30, watch=watch(small, 10, losses=True))
    assert (found.diverged[0] >= 0).all()
    assert (found.diverged[1] == -1).all()
    assert bench.diverged == 2
    assert np.isnan(found.error[0, :, -1]).all()
    assert np.isnan(found.losses[0, :, -1]).all()
    assert np.isfinite(found.error[1]).all()


def test_seeds_may_differ_in_more(small):
    rows = {0: np.arange(10, dtype=np.int32), 1: np.arange(50, dtype=np.int32)}
    arms = {"own rows": lambda seed: Arm(PLAIN, rows=rows[seed])}
    seen = {}
    Bench().train(small, arms, (0, 1), steps=5, after=lambda name, seed, member: seen.update({seed: member}))
    assert [len(seen[s].rows) for s in (0, 1)] == [10, 50]


def test_progress_ends_at_one_and_a_stop_is_an_interrupt(small):
    told = []
    Bench(told.append).train(small, {"a": Arm(PLAIN)}, range(3), steps=20, watch=watch(small, 5))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    with pytest.raises(KeyboardInterrupt):
        Bench(should_stop=lambda: True).train(small, {"a": Arm(PLAIN)}, range(3), steps=20)
