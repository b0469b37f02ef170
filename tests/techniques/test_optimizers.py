"""Update rules against CHAPTER 1 in float64, against optax, and against the figures of comparison 1a."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from goodfit.errors import InputError
from goodfit.techniques.optimizers import (
    OPTIMIZERS,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Momentum,
    Muon,
    Nesterov,
    Optimizer,
    RMSProp,
)

STEPS = 50


def sgd(w, g, s, t):
    return w - 0.05 * g


def momentum(w, g, s, t):
    s["v"] = 0.8 * s.get("v", 0.0) - 0.05 * g
    return w + s["v"]


def nesterov(w, g, s, t):
    # The textbook form on the shifted parameter W + αv, whose gradient is what is handed in.
    old = s.get("v", 0.0)
    s["v"] = 0.8 * old - 0.05 * g
    return w - 0.8 * old + (1 + 0.8) * s["v"]


def adagrad(w, g, s, t):
    s["h"] = s.get("h", 0.0) + g * g
    return w - 0.3 * g / (np.sqrt(s["h"]) + 1e-7)


def rmsprop(w, g, s, t):
    s["h"] = 0.9 * s.get("h", 0.0) + (1 - 0.9) * g * g
    return w - 0.02 * g / (np.sqrt(s["h"]) + 1e-7)


def _moments(g, s, beta1, beta2):
    s["m"] = beta1 * s.get("m", 0.0) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0.0) + (1 - beta2) * g**2
    return s["m"], s["v"]


def adam_of_the_book(w, g, s, t):
    m, v = _moments(g, s, 0.85, 0.99)
    return w - 0.02 * np.sqrt(1 - 0.99**t) / (1 - 0.85**t) * m / (np.sqrt(v) + 1e-7)


def adam_of_the_paper(w, g, s, t, epsilon=1e-8):
    m, v = _moments(g, s, 0.85, 0.99)
    return w - 0.02 * (m / (1 - 0.85**t)) / (np.sqrt(v / (1 - 0.99**t)) + epsilon)


def adamw(w, g, s, t):
    decay = 0.02 * 0.1 * w if np.ndim(w) == 2 else 0.0
    return adam_of_the_paper(w, g, s, t) - decay


def muon(w, g, s, t):
    if np.ndim(w) < 2:
        return adam_of_the_paper(w, g, s, t)
    s["b"] = 0.9 * s.get("b", 0.0) + g
    left, sizes, right = np.linalg.svd(g + 0.9 * s["b"], full_matrices=False)
    sizes = sizes / np.sqrt((sizes**2).sum())
    for _ in range(5):  # the iteration moves singular values alone
        sizes = 3.4445 * sizes - 4.7750 * sizes**3 + 2.0315 * sizes**5
    return w - 0.02 * (0.2 * np.sqrt(max(w.shape)) * (left * sizes) @ right + 0.1 * w)


def optax_muon():
    matrix = optax.chain(
        optax.trace(0.9, nesterov=True),
        optax.contrib.scale_by_muon(  # of what the trace gives
            beta=0.0,
            nesterov=False,
            weight_dimension_numbers=lambda tree: jax.tree.map(
                lambda _: optax.contrib.MuonDimensionNumbers(), tree
            ),
        ),
        optax.scale(0.2 * 4**0.5),
        optax.add_decayed_weights(0.1),
        optax.scale(-0.02),
    )
    kinds = {"matrix": matrix, "vector": optax.adam(0.02, 0.85, 0.99, eps=1e-8)}
    return optax.partition(
        kinds, lambda params: {k: "matrix" if w.ndim == 2 else "vector" for k, w in params.items()}
    )


def _matrices(params):
    return {key: w.ndim >= 2 for key, w in params.items()}


def _book_epsilon(count):
    return 1e-7 / jnp.sqrt(1 - 0.99 ** (count + 1))  # optax adds ε to the corrected root


class Case(NamedTuple):
    optimizer: Optimizer
    chapter: Callable[..., Any]  # the rule of CHAPTER.md in NumPy
    optax_form: Callable[[], Any]  # the optax call that it equals
    optax_rtol: float = 1e-10  # looser where optax has no such ε


CASES = {
    "SGD": Case(SGD(0.05), sgd, lambda: optax.sgd(0.05)),
    "Momentum": Case(Momentum(0.05, 0.8), momentum, lambda: optax.sgd(0.05, momentum=0.8)),
    "Nesterov": Case(Nesterov(0.05, 0.8), nesterov, lambda: optax.sgd(0.05, momentum=0.8, nesterov=True)),
    # optax's ε stands inside the root: left out here, it moves a step by 1e-7 / √h of itself.
    "AdaGrad": Case(AdaGrad(0.3), adagrad, lambda: optax.adagrad(0.3, 0.0, eps=0.0), 1e-5),
    "RMSProp": Case(
        RMSProp(0.02, 0.9), rmsprop, lambda: optax.rmsprop(0.02, 0.9, eps=1e-7, eps_in_sqrt=False)
    ),
    "Adam": Case(
        Adam(0.02, 0.85, 0.99),
        adam_of_the_book,
        lambda: optax.inject_hyperparams(optax.adam)(0.02, b1=0.85, b2=0.99, eps=_book_epsilon),
    ),
    "Adam, another epsilon": Case(
        Adam(0.02, 0.85, 0.99, paper=True, epsilon=1e-3),
        lambda w, g, s, t: adam_of_the_paper(w, g, s, t, 1e-3),
        lambda: optax.adam(0.02, 0.85, 0.99, eps=1e-3),
    ),
    "Adam, paper": Case(
        Adam(0.02, 0.85, 0.99, paper=True),
        adam_of_the_paper,
        lambda: optax.adam(0.02, 0.85, 0.99, eps=1e-8),
    ),
    "AdamW": Case(
        AdamW(0.02, 0.85, 0.99, weight_decay=0.1),
        adamw,
        lambda: optax.adamw(0.02, 0.85, 0.99, eps=1e-8, weight_decay=0.1, mask=_matrices),
    ),
    "Muon": Case(Muon(0.02, 0.9, 0.85, 0.99, weight_decay=0.1), muon, optax_muon, 1e-6),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
_RNG = np.random.default_rng(0)
START = {"w.weight": _RNG.normal(size=(4, 3)), "w.bias": _RNG.normal(size=3)}
CURVATURE = {key: 10 ** _RNG.uniform(-1, 1, w.shape) for key, w in START.items()}
# One column's gradients are so small that where ε stands decides its steps.
SIZE = {"w.weight": np.array([1.0, 1.0, 1e-7]), "w.bias": np.array([1.0, 1.0, 1e-7])}


def gradients(params, t, size=SIZE):
    """Return the gradient of a noisy bowl at step t."""
    rng = np.random.default_rng(t)
    return {
        k: size[k] * (CURVATURE[k] * w + 0.3 * rng.normal(size=w.shape)) for k, w in sorted(params.items())
    }


def chapter_path(case, size=SIZE):
    params, state = {k: w.copy() for k, w in START.items()}, {k: {} for k in START}
    for t in range(1, STEPS + 1):
        g = gradients(params, t, size)
        params = {k: case.chapter(w, g[k], state[k], t) for k, w in params.items()}
        yield params


def assert_close(got, expected, rtol):
    for key, w in expected.items():
        np.testing.assert_allclose(got[key], w, rtol=rtol, atol=rtol, err_msg=key)


def test_every_optimizer_is_tested():
    assert {type(case.optimizer) for case in CASES.values()} == set(OPTIMIZERS.values())


@every_case
def test_follows_the_chapter_in_float64(case):
    """Both faces: the engine's function and the book's object, over 50 steps."""
    book = {k: w.copy() for k, w in START.items()}
    optimizer = case.optimizer.__class__(**vars(case.optimizer))
    with jax.enable_x64(True):
        params = {k: jnp.asarray(w) for k, w in START.items()}
        state, step = optimizer.init(params), jax.jit(optimizer.step)
        for t, expected in enumerate(chapter_path(case), start=1):
            grads = {k: jnp.asarray(g) for k, g in gradients(params, t).items()}
            params, state = step(params, grads, state, jnp.float64(t), jnp.float64(1.0))
            optimizer.update(book, gradients(book, t))
            assert_close(params, expected, 1e-10)
            assert_close(book, expected, 1e-10)


@every_case
def test_follows_optax_in_float64(case):
    size = SIZE if case.optax_rtol < 1e-9 else {k: np.ones(3) for k in SIZE}
    with jax.enable_x64(True):
        ours = theirs = {k: jnp.asarray(w) for k, w in START.items()}
        tx = case.optax_form()
        state, memory = case.optimizer.init(ours), tx.init(theirs)
        step, update = jax.jit(case.optimizer.step), jax.jit(tx.update)
        for t in range(1, STEPS + 1):
            grads = {k: jnp.asarray(g) for k, g in gradients(theirs, t, size).items()}
            ours, state = step(ours, grads, state, jnp.float64(t), jnp.float64(1.0))
            updates, memory = update(grads, memory, theirs)
            theirs = optax.apply_updates(theirs, updates)
        assert_close(ours, theirs, case.optax_rtol)


@every_case
def test_float32_follows_float64(case):
    """What the engine runs: float32, jitted, traced hyper-parameters."""
    params = {k: jnp.asarray(w, jnp.float32) for k, w in START.items()}
    optimizer = jax.tree.map(jnp.float32, case.optimizer)
    step = jax.jit(lambda o, *rest: o.step(*rest))
    state = case.optimizer.init(params)
    ordinary = {k: np.ones(3) for k in SIZE}
    last = START
    for t, expected in enumerate(chapter_path(case, ordinary), start=1):
        # Gradients of the float64 path, so that rounding does not feed back.
        grads = {k: jnp.asarray(g, jnp.float32) for k, g in gradients(last, t, ordinary).items()}
        params, state = step(optimizer, params, grads, state, jnp.float32(t), jnp.float32(1.0))
        assert_close(params, expected, 2e-5)
        last = expected
    assert {w.dtype for w in params.values()} == {jnp.dtype("float32")}


@every_case
def test_factor_multiplies_the_learning_rate(case):
    halved = case.optimizer.__class__(**{**vars(case.optimizer), "lr": case.optimizer.lr / 2})
    grads, state = gradients(START, 1), case.optimizer.init(START)
    expected, _ = halved.step(START, grads, state, 1, 1.0)
    got, _ = case.optimizer.step(START, grads, state, 1, 0.5)
    assert_close(got, expected, 1e-6)


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_book_form_changes_numpy_in_place(case, dtype):
    optimizer = case.optimizer.__class__(**vars(case.optimizer))
    params = {k: w.astype(dtype) for k, w in START.items()}
    same = dict(params)
    for t in (1, 2, 3):
        optimizer.update(params, {k: g.astype(dtype) for k, g in gradients(params, t).items()})
    for key, w in params.items():
        assert w is same[key], "the array was replaced"
        assert w.dtype == dtype
        assert not np.array_equal(w, START[key].astype(dtype))
    assert optimizer == case.optimizer, "the memory must not be part of the value"
    assert jax.tree.leaves(optimizer) == jax.tree.leaves(case.optimizer)


@every_case
def test_book_form_replaces_jax_arrays(case):
    optimizer = case.optimizer.__class__(**vars(case.optimizer))
    start = {k: jnp.asarray(w, jnp.float32) for k, w in START.items()}
    params = dict(start)
    path = chapter_path(case)
    for t in (1, 2, 3):
        expected = next(path)
        optimizer.update(params, {k: jnp.asarray(g, jnp.float32) for k, g in gradients(params, t).items()})
        assert_close(params, expected, 1e-4)
    assert all(isinstance(w, jax.Array) for w in params.values())
    np.testing.assert_array_equal(start["w.bias"], START["w.bias"].astype(np.float32))


def test_book_form_names_what_differs():
    with pytest.raises(InputError, match="only one: \\['b'\\]"):
        SGD().update({"a": np.ones(2)}, {"a": np.ones(2), "b": np.ones(2)})
    with pytest.raises(InputError, match=r"grads\['a'\] has shape \(3,\), params\['a'\] has \(2,\)"):
        SGD().update({"a": np.ones(2)}, {"a": np.ones(3)})


@every_case
@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_book_form_refuses_whole_numbers_and_changes_nothing(case, dtype):
    optimizer = case.optimizer.__class__(**vars(case.optimizer))
    params = {"a": np.ones(2), "b": np.ones(2, dtype)}
    with pytest.raises(InputError, match=rf"params\['b'\] must be an array of floats.* got {dtype}"):
        optimizer.update(params, {"a": np.ones(2), "b": np.ones(2)})
    np.testing.assert_array_equal(params["a"], 1.0)
    np.testing.assert_array_equal(params["b"], np.ones(2, dtype))


class Valley(NamedTuple):
    """Comparison 1a's figures for one optimiser: 29 updates down f = x²/20 + y² from (−7, 2)."""

    optimizer: Optimizer
    end: tuple[float, float]
    f: float
    length: float
    flips: int | None  # sign changes of y; None: the source does not say


VALLEY = {
    "SGD": Valley(SGD(lr=0.95), (-0.3872, -0.0942), 0.016369, 36.8, 29),
    "Momentum": Valley(Momentum(lr=0.1), (0.8141, 0.2729), 0.107601, 12.6, None),
    "AdaGrad": Valley(AdaGrad(lr=1.5), (-0.1362, 0.0), 0.000927, 7.6, 0),
    "Adam": Valley(Adam(lr=0.3), (0.0201, 0.3220), 0.103677, 8.2, None),
}


@pytest.mark.parametrize("case", VALLEY.values(), ids=VALLEY)
def test_golden_paths_of_comparison_1a(case):
    params = {"x": np.array(-7.0), "y": np.array(2.0)}
    path = [(-7.0, 2.0)]
    optimizer = case.optimizer.__class__(**vars(case.optimizer))
    for _ in range(29):
        optimizer.update(params, {"x": params["x"] / 10, "y": 2 * params["y"]})
        path.append((float(params["x"]), float(params["y"])))
    points = np.array(path)
    lengths = np.hypot(*np.diff(points, axis=0).T)
    assert points[-1] == pytest.approx(case.end, abs=5.1e-5)
    assert points[-1, 0] ** 2 / 20 + points[-1, 1] ** 2 == pytest.approx(case.f, abs=5.1e-7)
    assert lengths.sum() == pytest.approx(case.length, abs=0.051)
    if case.flips is not None:
        assert np.count_nonzero(np.diff(np.sign(points[:, 1]))) == case.flips
    if isinstance(optimizer, AdaGrad):
        assert lengths[-1] < 0.05 * lengths[0], "its steps vanish"


BAD = [
    (lambda: SGD(lr=-1.0), "SGD(lr=…) must be a number >= 0, got -1.0."),
    (lambda: SGD(lr="0.1"), "SGD(lr=…) must be a number, got '0.1'."),
    (lambda: SGD(lr=float("nan")), "SGD(lr=…) must be a number >= 0, got nan."),
    (lambda: SGD(lr=True), "SGD(lr=…) must be a number, got True."),
    (lambda: Momentum(momentum=1.0), "Momentum(momentum=…) must be a number >= 0 and < 1, got 1.0."),
    (lambda: Nesterov(momentum=-0.1), "Nesterov(momentum=…) must be a number >= 0 and < 1, got -0.1."),
    (lambda: AdaGrad(lr=None), "AdaGrad(lr=…) must be a number, got None."),
    (lambda: RMSProp(decay=2), "RMSProp(decay=…) must be a number >= 0 and < 1, got 2."),
    (lambda: Adam(beta1=1.0), "Adam(beta1=…) must be a number >= 0 and < 1, got 1.0."),
    (lambda: Adam(beta2=-1), "Adam(beta2=…) must be a number >= 0 and < 1, got -1."),
    (lambda: AdamW(weight_decay=-0.1), "AdamW(weight_decay=…) must be a number >= 0, got -0.1."),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_parameter_errors_name_owner_allowed_and_got(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message
