"""Snapshots: everything comes back, bit for bit; what does not fit is refused."""

from __future__ import annotations

import json

import numpy as np
import optax
import pytest

from goodfit.engine.population import Legs, Member
from goodfit.engine.snapshot import restore, snapshot
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.techniques.foreign import Optax


def optax_member() -> Member:
    tx = optax.inject_hyperparams(optax.adamw)(0.0)
    recipe = Recipe((16, 16), optimizer=Optax("adamw", tx, {"learning_rate": 0.01}), batch_size=16)
    return Member(recipe, seed=1, horizon=40)


@pytest.mark.parametrize("kind", ["plain", "full", "optax"])
def test_restored_members_go_on_bit_for_bit(runs, kind):
    member = optax_member() if kind == "optax" else runs.members(kind, [2])[0]
    runs.train([member], 1, legs=Legs(14, 7, keep_losses=True))
    arrays, record = snapshot(member)
    again = restore(runs.NETWORK, arrays, json.loads(json.dumps(record)), optimizer=member.recipe.optimizer)
    assert again.recipe == member.recipe
    assert runs.differences(member, again) == []
    assert [e.step for e in again.evaluations] == [7, 14]
    runs.train([member], 1)
    runs.train([again], 1)
    assert runs.differences(member, again) == []
    assert snapshot(again)[0].keys() == arrays.keys()
    assert [e.loss.tolist() for e in again.evaluations] == [e.loss.tolist() for e in member.evaluations]


def test_a_snapshot_of_another_network_is_refused(runs):
    (member,) = runs.train(runs.members("plain", [0]), 1, legs=Legs(7, 7))
    arrays, record = snapshot(member)
    wider = {**record, "recipe": Recipe((17, 16)).to_json()}
    with pytest.raises(InputError, match="does not fit this network"):
        restore(runs.NETWORK, arrays, wider)
    key = next(k for k in arrays if "output.bias" in k)
    with pytest.raises(InputError, match=r"output.bias"):
        restore(runs.NETWORK, {k: a for k, a in arrays.items() if k != key}, record)
    with pytest.raises(InputError, match="does not fit this network"):
        restore(runs.NETWORK, {**arrays, key: arrays[key].astype(np.float64)}, record)
