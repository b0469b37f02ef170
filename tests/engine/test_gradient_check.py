"""Gradients of every layer kind and loss, as the engine trains them, against central differences."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from goodfit import network as network_module
from goodfit.engine import gradient_check as module
from goodfit.engine.gradient_check import gradient_check
from goodfit.errors import InputError
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.initializers import Gaussian
from goodfit.techniques.losses import LOSSES
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.regularization import BatchDecay, Dropout

WORST = 1e-6
CLASSES = Network(5, 3)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5))


class Case(NamedTuple):
    recipe: Recipe
    network: Network = CLASSES
    more: dict[str, Any] = {}  # noqa: RUF012, read only


def losses():
    """Each loss with 1 and 3 outputs (softmax: 2), and smoothed where it can be."""
    for loss in LOSSES:
        for outputs in (2 if loss == "softmax_cross_entropy" else 1, 3):
            yield f"{loss}, {outputs}", Case(Recipe((6,), "tanh"), Network(5, outputs, loss))
    for loss in ("softmax_cross_entropy", "binary_cross_entropy"):
        yield f"{loss}, smoothed", Case(Recipe((6,), "tanh", label_smoothing=0.1), Network(5, 3, loss))


EVERYTHING = Recipe(
    (6, 5), "tanh", batch_norm=True, dropout=Dropout(0.3, "book"), label_smoothing=0.1, weight_decay=0.1
)
CASES = {
    **{f"activation {name}": Case(Recipe((6,), name)) for name in ACTIVATIONS},
    "batch norm before": Case(Recipe((6, 5), batch_norm=True)),
    "batch norm after": Case(Recipe((6, 5), batch_norm=BatchNorm("after"))),
    "batch norm, the book's epsilon": Case(Recipe((6, 5), batch_norm=BatchNorm(epsilon=1e-6))),
    "layer norm before": Case(Recipe((6, 5), layer_norm=True)),
    "layer norm after": Case(Recipe((6, 5), layer_norm=LayerNorm("after"))),
    **{
        f"dropout {form}": Case(Recipe((8, 8), dropout=Dropout(0.3, form)))
        for form in ("inverted", "book", "slip")
    },
    **{f"loss {name}": case for name, case in losses()},
    "weight decay": Case(Recipe((6,), "tanh", weight_decay=0.1)),
    "a batch's weight decay": Case(
        Recipe((6,), "tanh", weight_decay=BatchDecay(2.0, 0.1)), more={"weight": RNG.uniform(0.0, 3.0, 12)}
    ),
    "padding": Case(EVERYTHING, more={"padding": 5}),
    "padding, weights on rows": Case(EVERYTHING, more={"padding": 5, "weight": RNG.uniform(0.0, 3.0, 12)}),
    "no hidden layer": Case(Recipe(())),
    **{f"depth {depth}": Case(Recipe((5,) * depth, batch_norm=True)) for depth in (1, 3, 4, 5)},
    "depth 5 without norm": Case(Recipe((5,) * 5, "tanh")),
}


def targets(network: Network) -> np.ndarray:
    if network.loss == "softmax_cross_entropy":
        return np.arange(12) % network.outputs
    return np.random.default_rng(1).uniform(size=(12, network.outputs))


def check(case: Case, **changes: Any) -> dict[str, float]:
    return gradient_check(case.network, case.recipe, X, targets(case.network), **case.more, **changes)


@pytest.fixture
def fresh_programs():
    """Compile anew what was broken, and forget it afterwards."""
    module._given_and_numeric.clear_cache()
    yield
    module._given_and_numeric.clear_cache()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_gradients_are_right(case):
    errors = check(case)
    params, _ = case.network.init(case.recipe, 0)
    assert errors.keys() == params.keys(), "every array of every layer"
    assert max(errors.values()) < WORST, errors


def test_seed_and_weights_count():
    """Else right gradients would say nothing: the errors differ with the seed and with the weights."""
    padded, weighted = CASES["padding"], CASES["padding, weights on rows"]
    found = [tuple(check(case, seed=seed).values()) for case in (padded, weighted) for seed in (0, 1)]
    assert len(set(found)) == 4


def test_pixels_and_a_wide_input():
    """784-10-10-10 on 8 rows of uint8 pixels, with batch norm: comparison 3a's size, two seeds."""
    x, y = RNG.integers(0, 256, (8, 784)).astype(np.uint8), RNG.integers(0, 10, 8)
    network, recipe = Network(784, 10, input_scale=1 / 255), Recipe((10, 10, 10), batch_norm=True)
    for seed in (0, 1):
        errors = gradient_check(network, recipe, x, y, seed=seed)
        assert max(errors.values()) < WORST, errors


def test_a_gradient_of_zero_is_not_divided_by_itself():
    """Batch norm takes away the bias before it; with weights of 0 only the last bias has a gradient."""
    errors = check(CASES["batch norm before"])
    assert errors["hidden.0.bias"] < WORST
    dead = check(Case(Recipe((6,), init=Gaussian(0.0))))
    assert dead["hidden.0.weight"] == 0.0


def test_float64_does_not_leak():
    check(CASES["activation relu"])
    assert jnp.ones(2).dtype == jnp.asarray(np.ones(2)).dtype == jnp.dtype("float32")
    with pytest.raises(ValueError, match="invalid literal"):
        gradient_check(CLASSES, Recipe((6,)), X, np.array(["a"] * 12))
    assert jnp.ones(2).dtype == jnp.dtype("float32"), "nor after an error inside"


@pytest.mark.usefixtures("fresh_programs")
def test_a_wrong_factor_in_the_linear_layer_is_found():
    linear = network_module.turned_linear
    forward, backward = linear.fwd, linear.bwd

    def wrong(saved, dy):
        dx, dw, db = backward(saved, dy)
        return dx, 1.001 * dw, db

    linear.defvjp(forward, wrong)
    try:
        errors = check(CASES["activation tanh"])
    finally:
        linear.defvjp(forward, backward)
    wrong_ones = {key for key, error in errors.items() if error > WORST}
    assert wrong_ones == {"hidden.0.weight", "output.weight"}
    assert all(errors[key] == pytest.approx(0.0005, rel=1e-2) for key in wrong_ones), "‖g − n‖ / (‖g‖ + ‖n‖)"


@pytest.mark.usefixtures("fresh_programs")
def test_a_variance_held_constant_is_found(monkeypatch):
    """The classic slip in batch norm's backward pass: μ is differentiated and σ² is not."""
    right = network_module.batch_moments

    def wrong(x, valid):
        moments = right(x, valid)
        return moments._replace(var=jax.lax.stop_gradient(moments.var))

    monkeypatch.setattr(network_module, "batch_moments", wrong)
    errors = check(CASES["batch norm before"])
    assert errors["hidden.0.weight"] > 0.01
    assert errors["output.weight"] < WORST, "behind the norms all is well"


@pytest.mark.usefixtures("fresh_programs")
def test_a_decay_of_another_size_is_found(monkeypatch):
    right = module.l2_penalty
    monkeypatch.setattr(module, "l2_penalty", lambda weights, decay: 2.0 * right(weights, decay))
    errors = check(CASES["weight decay"])
    assert all((error > 0.01) == key.endswith(".weight") for key, error in errors.items()), errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": X[:7], "y": np.zeros(7, int)}, "8 rows at least"),
        ({"x": X[:, 0]}, "shape"),
        ({"y": np.zeros(11, int)}, "x has 12 rows"),
        ({"weight": np.ones(3)}, "x has 12 rows"),
        ({"padding": -1}, "padding must be"),
        ({"step": 0.0}, "step must be"),
    ],
)
def test_what_is_refused(changes, message):
    given = {"x": X, "y": np.zeros(12, int), **changes}
    with pytest.raises(InputError, match=message):
        gradient_check(CLASSES, Recipe((4,)), **given)
