"""Schedules of dropout and decay, as they act on a member in training."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.engine.gradient_check import gradient_check
from goodfit.engine.population import Legs, Member, Population
from goodfit.errors import InputError
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.optimizers import SGD, AdamW
from goodfit.techniques.regularization import Dropout
from goodfit.techniques.schedules import Constant, Cosine, CosLog, FlatCosine

H = 20
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(64, 5)).astype(np.float32), RNG.integers(0, 3, 64).astype(np.int32)
NETWORK = Network(5, 3)


def trained(steps: int = H, weight: np.ndarray | None = None, **fields) -> dict[str, np.ndarray]:
    """Return the last parameters of a small network."""
    member = Member(Recipe((8,), batch_size=16, **fields), seed=1, horizon=H)
    Population(NETWORK, X, Y, weight, chunk=1).advance([member], Legs(steps, steps))
    return member.weights(best=False)[0]


DECAYS = {  # of rows that weigh nothing only decay is left: W shrinks by (1 − lr·λ·f(t)) a step
    "AdamW's own": {"optimizer": AdamW(0.1, weight_decay=0.5)},
    "the coupled one": {"optimizer": SGD(0.1), "weight_decay": 0.5},
}


@pytest.mark.parametrize("fields", DECAYS.values(), ids=DECAYS)
def test_decay_follows_its_schedule_in_float64(fields):
    start, _ = NETWORK.init(Recipe((8,)), 1)
    end = trained(weight=np.zeros(64, np.float32), decay_schedule=FlatCosine(), **fields)
    t = np.arange(H) / H
    factor = np.where(t < 0.5, 1.0, 0.5 * (1.0 + np.cos(np.pi * (t - 0.5) / 0.5)))
    shrunk = np.prod(1.0 - 0.1 * 0.5 * factor)
    assert 0.4 < shrunk < 0.5
    for key in ("hidden.0.weight", "output.weight"):
        np.testing.assert_allclose(end[key], start[key].astype(np.float64) * shrunk, rtol=2e-5)


def test_dropout_follows_its_schedule():
    plain, full = trained(dropout=0.0), trained(dropout=0.4)
    for key, w in trained(dropout=0.4, dropout_schedule=Constant()).items():
        np.testing.assert_array_equal(w, full[key])
    first = trained(1, dropout=0.4, dropout_schedule=CosLog())  # which starts at 0
    for key, w in trained(1, dropout=0.0).items():
        np.testing.assert_allclose(first[key], w, rtol=1e-6, atol=1e-8)
    falling = trained(dropout=0.4, dropout_schedule=FlatCosine())
    for other in (plain, full):
        assert any(np.abs(falling[key] - other[key]).max() > 1e-3 for key in falling)


def test_a_gradient_check_leaves_schedules_out():
    recipe = Recipe(
        (6,),
        activation="tanh",
        dropout=0.3,
        weight_decay=0.1,
        schedule=Cosine(),
        dropout_schedule=CosLog(),
        decay_schedule=CosLog(),
    )
    assert max(gradient_check(NETWORK, recipe, X[:8], Y[:8]).values()) < 1e-6


def test_recipes_with_schedules_are_told_and_come_back():
    recipe = Recipe(dropout=0.1, dropout_schedule=FlatCosine(), decay_schedule=Cosine(0.1))
    assert Recipe.from_json(recipe.to_json()) == recipe
    for words in ("FlatCosine (flat 0.5) schedule of dropout", "Cosine (floor 0.1) schedule of decay"):
        assert words in recipe.text()


def test_what_has_no_schedule_is_refused():
    with pytest.raises(InputError, match=r"Recipe\(decay_schedule=…\) must be None or a schedule"):
        Recipe(decay_schedule="cosine")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="beside a dropout_schedule, got 'book'"):
        Recipe(dropout=Dropout(0.1, "book"), dropout_schedule=FlatCosine())
