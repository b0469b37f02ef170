"""optax transformations as optimisers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from goodfit.errors import InputError
from goodfit.techniques.foreign import Optax

TRANSFORMATIONS = {
    "lion": lambda: optax.lion(1e-2),
    "adabelief": lambda: optax.adabelief(1e-2),
    "clipped rmsprop": lambda: optax.chain(optax.clip_by_global_norm(0.5), optax.rmsprop(1e-2)),
    "scheduled sgd": lambda: optax.sgd(optax.cosine_decay_schedule(0.1, 10), momentum=0.9),
    "injected": lambda: optax.inject_hyperparams(optax.adamw)(1e-2, weight_decay=0.1),
}
START = {"w.weight": np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), "w.bias": np.ones(3, np.float32)}


def gradients(params, t):
    return {k: (0.5 + 0.1 * t) * w + np.float32(0.01 * t) for k, w in params.items()}


@pytest.mark.parametrize("make", TRANSFORMATIONS.values(), ids=TRANSFORMATIONS)
def test_any_transformation_gives_optax_its_own_path(make):
    tx = make()
    optimizer = Optax("it", tx)
    book = {k: w.copy() for k, w in START.items()}
    ours, theirs = ({k: jnp.asarray(w) for k, w in START.items()} for _ in range(2))
    state, memory = optimizer.init(START), tx.init(theirs)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(state))
    step, update = jax.jit(optimizer.step), jax.jit(tx.update)
    for t in range(1, 6):
        updates, memory = update(gradients(theirs, t), memory, theirs)
        theirs = optax.apply_updates(theirs, updates)
        ours, state = step(ours, gradients(ours, t), state, jnp.float32(t), jnp.float32(1.0))
        optimizer.update(book, gradients(book, t))
    for key, w in theirs.items():
        np.testing.assert_allclose(ours[key], w, rtol=1e-6)
        np.testing.assert_allclose(book[key], w, rtol=1e-5)
        assert isinstance(book[key], np.ndarray)


def test_injected_values_are_leaves_that_replace_the_transformations_own():
    tx = optax.inject_hyperparams(optax.adamw)(123.0, weight_decay=45.0)
    one = Optax("adamw", tx, values={"learning_rate": 1e-2, "weight_decay": 0.1})
    two = Optax("adamw", tx, values={"learning_rate": 3e-3, "weight_decay": 0.0})
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert sorted(jax.tree.leaves(one)) == [1e-2, 0.1]
    step = jax.jit(lambda o, *rest: o.step(*rest))
    for optimizer, plain in ((one, optax.adamw(1e-2, weight_decay=0.1)), (two, optax.adamw(3e-3))):
        theirs = {k: jnp.asarray(w) for k, w in START.items()}
        ours, state, memory = theirs, optimizer.init(START), plain.init(theirs)
        if optimizer is two:
            plain = optax.adamw(3e-3, weight_decay=0.0)
        for t in range(1, 4):
            updates, memory = plain.update(gradients(theirs, t), memory, theirs)
            theirs = optax.apply_updates(theirs, updates)
            arguments = (ours, gradients(ours, t), state, jnp.float32(t), jnp.float32(1.0))
            ours, state = step(jax.tree.map(jnp.float32, optimizer), *arguments)
        for key, w in theirs.items():
            np.testing.assert_allclose(ours[key], w, rtol=1e-5)


def test_the_object_is_structure_by_identity():
    tx = optax.lion(1e-3)
    assert jax.tree.structure(Optax("a", tx)) == jax.tree.structure(Optax("a", tx))
    assert jax.tree.structure(Optax("a", tx)) != jax.tree.structure(Optax("a", optax.lion(1e-3)))


def test_factor_multiplies_the_whole_update():
    optimizer = Optax("sgd", optax.sgd(0.1))
    full, _ = optimizer.step(START, gradients(START, 1), optimizer.init(START), 1, 1.0)
    half, _ = optimizer.step(START, gradients(START, 1), optimizer.init(START), 1, 0.5)
    for key, w in START.items():
        np.testing.assert_allclose(half[key] - w, 0.5 * (full[key] - w), rtol=1e-5, atol=1e-7)


def test_book_form_keeps_float64_parameters_precise():
    params = {"w": np.full(3, 1.0 + 1e-12)}
    Optax("adam", optax.adam(0.0)).update(params, {"w": np.ones(3)})
    assert params["w"].tolist() == [1.0 + 1e-12] * 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Optax("", optax.sgd(0.1)), r"Optax\(name, …\) must be a non-empty text, got ''"),
        (lambda: Optax("x", 3), r"Optax\(…, tx\) must be an optax GradientTransformation, got 3"),
        (
            lambda: Optax("lion", optax.lion(1e-3), values={"learning_rate": 1e-3}).init(START),
            r"Optax\('lion'\): values need a transformation made by optax.inject_hyperparams",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(InputError, match=message):
        make()
