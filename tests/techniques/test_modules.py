"""Networks of Flax, of Equinox and by hand: trained here as their own libraries' loops train them."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from goodfit import SGD, AdamW, Module, Recipe, diagnose, train
from goodfit.engine.plan import member_bytes
from goodfit.engine.snapshot import restore, snapshot
from goodfit.errors import InputError
from goodfit.model.build import model_member
from goodfit.network import Network

linen = pytest.importorskip("flax.linen")
nnx = pytest.importorskip("flax.nnx")
eqx = pytest.importorskip("equinox")

COLUMNS, CLASSES = 5, 3
NETWORK = Network(COLUMNS, CLASSES)
rng = np.random.default_rng(0)
X = rng.normal(size=(40, COLUMNS)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32) + (X[:, 1] > 0)


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(CLASSES)(jnp.tanh(linen.Dense(7)(x)))


class LinenNoisy(linen.Module):
    @linen.compact
    def __call__(self, x, train):
        h = linen.BatchNorm(use_running_average=not train)(linen.Dense(16)(x))
        return linen.Dense(CLASSES)(linen.Dropout(0.2, deterministic=not train)(jax.nn.relu(h)))


class LinenConv(linen.Module):
    @linen.compact
    def __call__(self, x):
        h = linen.max_pool(jax.nn.relu(linen.Conv(8, (3, 3))(x)), (2, 2), (2, 2))
        return linen.Dense(10)(h.reshape(len(h), -1))


class NnxNet(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(COLUMNS, 7, rngs=rngs)
        self.last = nnx.Linear(7, CLASSES, rngs=rngs)

    def __call__(self, x):
        return self.last(jnp.tanh(self.first(x)))


class NnxNoisy(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(COLUMNS, 16, rngs=rngs)
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.drop = nnx.Dropout(0.2, rngs=rngs)
        self.last = nnx.Linear(16, CLASSES, rngs=rngs)

    def __call__(self, x):
        return self.last(self.drop(jax.nn.relu(self.norm(self.first(x)))))


class EqxNoisy(eqx.Module):
    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    drop: eqx.nn.Dropout
    last: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key)
        self.first = eqx.nn.Linear(COLUMNS, 16, key=keys[0])
        self.norm = eqx.nn.BatchNorm(16, "batch", mode="batch")
        self.drop = eqx.nn.Dropout(0.2)
        self.last = eqx.nn.Linear(16, CLASSES, key=keys[1])

    def __call__(self, row, state, key):
        h, state = self.norm(self.first(row), state)
        return self.last(self.drop(jax.nn.relu(h), key=key)), state


def draw_by_hand(key, rows):
    return {"weight": 0.1 * jax.random.normal(key, (rows.shape[1], CLASSES))}, None


def answer_by_hand(params, state, rows, key):
    return rows @ params["weight"], state


BY_HAND = Module("by hand", draw_by_hand, answer_by_hand)
PLAIN = {
    "linen": Module.linen("net", LinenNet()),
    "nnx": Module.nnx("net", NnxNet),
    "equinox": Module.equinox("net", lambda key: eqx.nn.MLP(COLUMNS, CLASSES, 7, 1, jnp.tanh, key=key)),
    "by hand": BY_HAND,
}
NOISY = {
    "linen": Module.linen("net", LinenNoisy()),
    "nnx": Module.nnx("net", NnxNoisy),
    "equinox": Module.equinox("net", lambda key: eqx.nn.make_with_state(EqxNoisy)(key)),
}


def framework(kind: str):
    """Return the first parameters and a function of them and rows, with the library's own calls."""
    key = jax.random.fold_in(jax.random.key(2), 0)
    if kind == "linen":
        return LinenNet().init(key, X[:1]), LinenNet().apply
    if kind == "nnx":
        graph, params = nnx.split(NnxNet(nnx.Rngs(key)))
        return params, lambda params, rows: nnx.merge(graph, params)(rows)
    if kind == "equinox":
        params, rest = eqx.partition(
            eqx.nn.MLP(COLUMNS, CLASSES, 7, 1, jnp.tanh, key=key), eqx.is_inexact_array
        )
        return params, lambda params, rows: jax.vmap(eqx.combine(params, rest))(rows)
    return draw_by_hand(key, X[:1])[0], lambda params, rows: rows @ params["weight"]


@pytest.mark.parametrize("kind", list(PLAIN))
def test_training_follows_the_librarys_own_loop(kind):
    """Full batches, SGD, 30 steps: the loop that one writes with optax gives the same outputs."""
    params, apply = framework(kind)

    def loss_of(params):
        return optax.softmax_cross_entropy_with_integer_labels(apply(params, X), Y).mean()

    tx, curve = optax.sgd(0.3), []
    state = tx.init(params)
    for _ in range(30):
        loss, grads = jax.value_and_grad(loss_of)(params)
        updates, state = tx.update(grads, state)
        params = optax.apply_updates(params, updates)
        curve.append(loss)
    recipe = Recipe(module=PLAIN[kind], optimizer=SGD(0.3), batch_size=len(X))
    (member,) = train(recipe, X, Y, seeds=[2], steps=30)
    np.testing.assert_allclose(member.loss_curve, curve, rtol=1e-4, atol=1e-6)
    found = PLAIN[kind].outputs(*member.weights()[:2], X)
    np.testing.assert_allclose(found, apply(params, X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", list(NOISY))
def test_batch_norm_and_dropout(kind):
    """The state moves in training, evaluation draws no noise, members do not see their neighbours."""
    module = NOISY[kind]
    recipes = [Recipe(module=module, optimizer=AdamW(lr), batch_size=20) for lr in (0.01, 0.03)]
    members = train(recipes, X, Y, seeds=2, epochs=40, evaluate_every=80, validation=(X, Y))
    assert len({str(m.loss_curve) for m in members}) == 4
    alone = train(recipes[1], X, Y, seeds=[1], epochs=40, evaluate_every=80, validation=(X, Y))[0]
    np.testing.assert_array_equal(alone.loss_curve, members[3].loss_curve)
    first, now = module.first(1, (COLUMNS,))[1], alone.weights()[1]
    assert sorted(first) == sorted(now)
    assert any(np.abs(first[name] - now[name]).max() > 0.01 for name in first if name in now)
    twice = [module.outputs(*alone.weights()[:2], X) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    assert (twice[0].argmax(1) == Y).mean() > 0.8


def test_weight_decay_is_for_matrices():
    """Where no gradient comes in, matrices shrink by 1 − lr·λ a step; biases and scales stay."""
    first = {
        "kernel": jnp.ones((COLUMNS, CLASSES)),
        "W": jnp.ones((2, 2)),
        "b": jnp.ones(2),
        "weight": jnp.ones(4),
    }
    module = Module("still", lambda key, rows: (first, None), lambda p, s, x, key: (0 * x @ p["kernel"], s))
    (member,) = train(Recipe(module=module, optimizer=SGD(0.1), weight_decay=0.5), X, Y, steps=1)
    found = {name: float(values.mean()) for name, values in member.weights()[0].items()}
    wanted = {"module.weight": 0.95, "module.W.weight": 0.95, "module.b": 1.0, "module.scale": 1.0}
    assert found == pytest.approx(wanted)


def test_images():
    from sklearn.datasets import load_digits

    digits, labels = load_digits(return_X_y=True)
    images = (digits.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    recipe = Recipe(module=Module.linen("conv", LinenConv()), optimizer=AdamW(0.01), batch_size=64)
    (member,) = train(recipe, images, labels, epochs=6, validation=0.2)
    assert member.evaluations[-1].error < 0.06


def test_snapshot_goes_on():
    recipe = Recipe(module=NOISY["linen"], optimizer=AdamW(0.01), batch_size=20)
    (member,) = train(recipe, X, Y, steps=6)
    arrays, record = snapshot(member)
    network = Network(COLUMNS, CLASSES)
    again = restore(network, arrays, record, module=NOISY["linen"])
    for one, other in zip(member.weights()[:2], again.weights()[:2], strict=True):
        assert sorted(one) == sorted(other)
        assert all(np.array_equal(one[name], other[name]) for name in one)
    with pytest.raises(InputError, match="module"):
        restore(network, arrays, record)


def test_what_does_not_go():
    """Sentences that say what was wrong and what to do."""
    with pytest.raises(InputError, match="does not go with hidden"):
        Recipe((5,), module=BY_HAND)
    with pytest.raises(InputError, match="does not go with batch_norm"):
        Recipe(module=BY_HAND, batch_norm=True)
    with pytest.raises(InputError, match="Module"):
        Recipe(module=LinenNet())
    with pytest.raises(InputError, match=r"\(name"):
        Module("", draw_by_hand, answer_by_hand)
    with pytest.raises(InputError, match="draw"):
        Module("net", None, answer_by_hand)
    recipe = Recipe(module=BY_HAND, batch_size=20)
    with pytest.raises(InputError, match="one output a class"):
        train(recipe, X, np.arange(40) % 5, steps=2)
    members = train(recipe, X, Y, steps=2)
    with pytest.raises(InputError, match="holds no code"):
        model_member(NETWORK, members[0])
    with pytest.raises(InputError, match="module"):
        diagnose(recipe, X, Y)
    with pytest.raises(InputError, match="module"):
        Recipe.from_json(recipe.to_json())


def test_record_and_size():
    recipe = Recipe(module=PLAIN["linen"], batch_size=20)
    assert Recipe.from_json(recipe.to_json(), module=PLAIN["linen"]) == recipe
    assert "module net" in recipe.text()
    weights = COLUMNS * 7 + 7 + 7 * CLASSES + CLASSES
    assert recipe.module.size((COLUMNS,)) == weights
    smaller = dataclasses.replace(recipe, module=BY_HAND)
    assert member_bytes(NETWORK, smaller) < member_bytes(NETWORK, recipe)
