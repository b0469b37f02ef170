"""One member: the masked last batch, quarantine, the best state, patience."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit.engine.member import first_state
from goodfit.engine.order import BatchOrder
from goodfit.engine.population import Legs, Member, Population
from goodfit.network import DROPOUT, Training
from goodfit.recipe import Recipe
from goodfit.techniques.initializers import Gaussian
from goodfit.techniques.losses import softmax_cross_entropy
from goodfit.techniques.optimizers import SGD, Adam
from goodfit.techniques.regularization import fold_in


@pytest.mark.parametrize("kind", ["plain", "full"])
def test_training_is_the_plain_loop_over_short_batches_too(runs, kind):
    """Two epochs against the techniques called by hand; the last batch holds its six rows and no padding."""
    recipe = runs.recipe(kind, 3)
    (member,) = runs.train(runs.members(kind, [3]), 1, legs=Legs(20, 20, keep_losses=True))
    x, y = runs.problem()
    state = first_state(runs.NETWORK, recipe, 103)
    params, slots, running = state.params, state.slots, state.running
    order = BatchOrder(np.arange(150), 16, 103)
    sizes, losses = [], []

    @jax.jit
    def one_step(params, slots, running, x, y, step):
        def loss_of(params):
            key = fold_in(fold_in(jnp.uint32(103), DROPOUT), step)
            training = Training(jnp.ones(len(x)), key, step)
            outputs, moved = runs.NETWORK.apply(recipe, params, running, x, training=training)
            return softmax_cross_entropy(outputs, y, recipe.label_smoothing).mean(), moved

        (loss, moved), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
        norm = jnp.sqrt(sum(jnp.sum(g**2) for g in grads.values()))
        shrink = jnp.minimum(1.0, recipe.clip_norm / norm) if recipe.clip_norm else 1.0
        decay = {k: recipe.weight_decay if k.endswith(".weight") else 0.0 for k in params}
        grads = {k: shrink * g + decay[k] * params[k] for k, g in grads.items()}
        factor = recipe.schedule.factor(step * 1.0, jnp.float32(40)) if recipe.schedule else 1.0
        return loss, moved, *recipe.optimizer.step(params, grads, slots, step + 1.0, factor)

    for step in range(20):
        rows = order.block(step, 1)[0]
        rows = rows[rows >= 0]
        sizes.append(len(rows))
        loss, running, params, slots = one_step(params, slots, running, x[rows], y[rows], jnp.int32(step))
        losses.append(float(loss))
    assert sizes == 2 * ([16] * 9 + [6])
    np.testing.assert_allclose(member.loss_curve, losses, rtol=2e-4)
    for key, w in params.items():
        if kind == "full" and key.startswith("hidden") and key.endswith(".bias"):
            continue  # batch norm takes it away: its gradient is rounding, which Adam makes as large as any
        np.testing.assert_allclose(member.state.params[key], w, rtol=2e-3, atol=2e-4, err_msg=key)


def bad_member(decay: float = 1.0) -> Member:
    """Return a member that diverges after three good steps, or other ones.

    With decay 1 the loss of the fourth is finite and its gradient is not; with 0.5 the fifth's loss is none.
    """
    recipe = Recipe((16, 16), optimizer=SGD(50.0), weight_decay=decay, batch_size=16)
    return Member(recipe, seed=3, horizon=40)


@pytest.mark.parametrize(("decay", "good", "losses"), [(1.0, 3, 4), (0.5, 4, 4)])
@pytest.mark.parametrize("chunk", [1, 8])
def test_a_diverged_member_rests_at_its_last_finite_state_and_harms_no_neighbour(
    runs, chunk, decay, good, losses
):
    healthy = runs.train(runs.members("plain", range(8)), chunk)
    company = runs.members("plain", range(8))
    company[3] = bad = bad_member(decay)
    told = []
    runs.train(company, chunk, on_leg=lambda m: told.append((m.seed, m.step)))
    for i in (0, 1, 2, 4, 5, 6, 7):
        assert runs.differences(healthy[i], company[i]) == []
    assert bad.diverged
    assert bad.result == f"diverged at step {bad.step}" == f"diverged at step {good}"
    assert np.isfinite(np.concatenate([w.ravel() for w in map(np.asarray, bad.state.params.values())])).all()
    until = runs.train([bad_member(decay)], chunk, legs=Legs(good, good))[0]
    assert not until.diverged
    frozen, before = runs.bits(bad.state), runs.bits(until.state)
    unlike = [k for k in frozen if frozen[k] != before[k] and ".best" not in k]
    assert unlike == [".code"]
    assert bad.evaluations == [], "a state without a finite loss has no score"
    assert [step for seed, step in told if seed == 3] == [good], "told once, then left alone"
    assert np.isfinite(bad.loss_curve[:losses]).all()
    assert np.isnan(bad.loss_curve[losses:]).all(), "a member at rest has no further losses"
    runs.train([bad], chunk)
    assert bad.step == good, "and does not go on"


@pytest.mark.parametrize("chunk", [1, 8])
def test_calls_of_several_evaluations_change_nothing(runs, chunk):
    """One by one, and as many a call as fit: legs that end inside a call, on its edge and after it."""
    for until, every in ((40, 2), (600, 100), (600, 256), (600, 290)):
        apart, together = ([*runs.members("full", range(2)), bad_member()] for _ in range(2))
        told: list[Member] = []
        runs.train(apart, chunk, legs=Legs(until, every, keep_losses=True, singly=True))
        legs = Legs(until, every, keep_losses=True)
        runs.population(chunk, lanes=1).advance(together, legs, on_leg=told.append)
        for one, other in zip(apart, together, strict=True):
            assert runs.differences(one, other) == []
            assert [e.step for e in one.evaluations] == [e.step for e in other.evaluations]
            for mine, theirs in zip(one.evaluations, other.evaluations, strict=True):
                np.testing.assert_array_equal(mine.loss, theirs.loss)
            np.testing.assert_array_equal(one.costs, other.costs)
        assert len(told) < sum(len(m.evaluations) for m in together) or every > 128, "some shared a call"


@pytest.mark.parametrize("by_error", [True, False])
@pytest.mark.parametrize("chunk", [1, 8])
def test_best_is_the_lowest_key_and_the_last_of_ties(runs, chunk, by_error):
    seen = {}
    some = runs.members("full", range(8))
    for member in some:
        member.by_error = by_error

    def look(member):
        seen[member.seed, member.step] = {k: np.array(w) for k, w in member.state.params.items()}

    runs.train(some, chunk, legs=Legs(40, 2, singly=True), on_leg=look)
    ties = 0
    for member in some:
        keys = np.array([(e.error if by_error else e.loss)[0] for e in member.evaluations])
        lowest = np.flatnonzero(keys == keys.min())
        ties += len(lowest) > 1
        assert int(member.state.best_step) == member.evaluations[lowest[-1]].step
        assert member.best is member.evaluations[lowest[-1]]
        params, _, step = member.weights()
        assert step == member.evaluations[lowest[-1]].step
        for key, w in params.items():
            np.testing.assert_array_equal(w, seen[member.seed, step][key])
        last, _, end = member.weights(best=False)
        assert end == 40
        np.testing.assert_array_equal(last["output.bias"], seen[member.seed, 40]["output.bias"])
    assert ties > 0 or not by_error, "with 40 rows some errors tie"


@pytest.mark.parametrize("chunk", [1, 8])
def test_patience_stops_each_member_by_itself(runs, chunk):
    legs = Legs(400, 5, patience=20)
    some = runs.train(runs.members("full", range(8)), chunk, legs=legs)
    ends = [m.step for m in some]
    assert len(set(ends)) > 1, "the members of a chunk stop apart"
    for member in some:
        assert member.stopped == (member.step < 400)
        assert member.result == ("stopped" if member.stopped else "trained")
        assert member.step - int(member.state.best_step) >= 20 or not member.stopped
        assert all(e.step - int(member.state.best_step) <= 25 for e in member.evaluations)
    stopped = next(m for m in some if m.stopped)
    alone = runs.train(runs.members("full", [stopped.seed - 100]), chunk, legs=legs)[0]
    assert runs.differences(stopped, alone) == []
    runs.train([stopped], chunk, legs=legs)
    assert runs.differences(stopped, alone) == [], "a stopped member does not go on"


def test_evaluation_is_over_the_members_own_sets(runs):
    """Two sets of holdout rows: weighted means over each; rows of weight 0 do not count."""
    x, y, _ = runs.holdout()
    sets = np.zeros((2, 40), np.float32)
    sets[0, :10], sets[1, 5:30] = 1.0, np.linspace(0.5, 2.0, 25)
    (member,) = runs.members("plain", [0])
    member.sets = sets
    runs.train([member], 1, legs=Legs(14, 14))
    params, running, _ = member.weights(best=False)
    outputs, _ = runs.NETWORK.apply(member.recipe, params, running, jnp.asarray(x))
    per_row = np.asarray(softmax_cross_entropy(outputs, jnp.asarray(y)))
    wrong = np.asarray(outputs).argmax(1) != y
    for i, weights in enumerate(sets):
        assert member.evaluations[-1].loss[i] == pytest.approx(np.average(per_row, weights=weights), rel=1e-5)
        assert member.evaluations[-1].error[i] == pytest.approx(np.average(wrong, weights=weights), rel=1e-5)


def test_row_weights_are_as_good_as_repeated_rows(runs):
    x, y = runs.problem(12)
    weight = np.where(np.arange(12) < 4, 2.0, 1.0)
    twice = np.concatenate([np.arange(12), np.arange(4)])
    recipe = Recipe((16, 16), optimizer=SGD(0.05), batch_size=16)  # one batch holds every row
    one, other = Member(recipe, 1), Member(recipe, 1)
    Population(runs.NETWORK, x, y, weight, chunk=1).advance([one], Legs(10, 10, keep_losses=True))
    Population(runs.NETWORK, x[twice], y[twice], chunk=1).advance([other], Legs(10, 10, keep_losses=True))
    np.testing.assert_allclose(one.loss_curve, other.loss_curve, rtol=1e-5)
    assert one.loss_curve[-1] < one.loss_curve[0]


@pytest.mark.parametrize("chunk", [1, 8])
def test_a_state_that_is_not_finite_is_found_though_no_loss_tells(runs, chunk):
    """One row makes Adam's second moment overflow; the weights then stand still, all losses are finite."""
    x, y = runs.problem()
    x[77] = 1e22
    recipe = Recipe((), optimizer=Adam(1e-30), init=Gaussian(1e-30), batch_size=16)
    members = [Member(recipe, seed, horizon=40) for seed in range(3)]
    Population(runs.NETWORK, x, y, chunk=chunk).advance(members, Legs(40, 40, keep_losses=True))
    for member in members:
        met = next(i for i in range(40) if 77 in BatchOrder(np.arange(150), 16, member.seed).block(i, 1)[0])
        assert member.result == f"diverged at step {met}"
        assert np.isfinite(member.loss_curve).all()
        assert len(member.loss_curve) == met + 1
        assert all(np.isfinite(slot["output.weight"]).all() for slot in member.state.slots)
