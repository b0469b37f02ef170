"""What the comparisons measure, against the book's figures and plain formulas."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.lab.activations import measure
from goodfit.lab.c1a import COMPARISON as VALLEY
from goodfit.lab.c1a import length, sign_changes, step_lengths, valley
from goodfit.lab.c3b import SCALES
from goodfit.lab.c5b import _picked
from goodfit.lab.comparison import Plan, Record, mean_of_seeds, number
from goodfit.lab.curves import smoothed
from goodfit.lab.training import Bench
from goodfit.techniques.initializers import Gaussian, He, Xavier


@pytest.fixture(scope="module")
def paths(small) -> Record:
    VALLEY.run(Plan(small, (0,)), Bench())  # a run leaves nothing behind for the next one
    arrays, info = VALLEY.run(Plan(small, (0,)), Bench())
    return Record(info, arrays)


GOLDEN = {  # rule: last point, f there, path length, sign changes of y
    "SGD": ((-0.3872, -0.0942), 0.016369, 36.8, 29),
    "Momentum": ((0.8141, 0.2729), 0.107601, 12.6, None),
    "AdaGrad": ((-0.1362, 0.0), 0.000927, 7.6, 0),
    "Adam": ((0.0201, 0.3220), 0.103677, 8.2, None),
}


@pytest.mark.parametrize("rule", GOLDEN)
def test_paths_down_the_valley_are_the_known_ones(paths, rule):
    end, height, way, turns = GOLDEN[rule]
    last = paths.of("points", rule)[-1]
    np.testing.assert_allclose(last, end, atol=6e-5)
    assert valley(*last) == pytest.approx(height, abs=6e-7)
    assert length(paths, rule) * np.hypot(7, 2) == pytest.approx(way, abs=0.05)
    assert step_lengths(paths, rule).sum() == pytest.approx(way, abs=0.05)
    if turns is not None:
        assert sign_changes(paths, rule) == turns


KNOWN = {  # activation, rule: standard deviations by layer (REFERENCE figures of 1,000 normal rows)
    ("sigmoid", Xavier()): (0.21, 0.12, 0.12, 0.12, 0.12),
    ("tanh", Xavier()): (0.63, 0.49, 0.41, 0.36, 0.32),
    ("tanh", Gaussian(0.01)): (0.099, 0.0099, 1e-3, 1e-4, 1e-5),
    ("relu", Xavier()): (0.59, 0.42, 0.31, 0.22, 0.16),
    ("relu", He()): (0.83, 0.83, 0.87, 0.88, 0.90),
}


@pytest.mark.parametrize(("kind", "rule"), KNOWN, ids=lambda one: getattr(one, "__name__", str(one)))
def test_activations_spread_as_known(kind, rule):
    found = []
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(1000, 100))
        layers, _ = measure(kind, rule, x, seed)
        found.append([a.std() for a in layers])
    np.testing.assert_allclose(np.mean(found, axis=0), KNOWN[kind, rule], rtol=0.15)


def test_gradient_norms_are_those_of_jax():
    import jax
    import jax.numpy as jnp

    x = np.random.default_rng(0).normal(size=(20, 6))
    for kind, act in (("sigmoid", jax.nn.sigmoid), ("tanh", jnp.tanh), ("relu", jax.nn.relu)):
        layers, norms = measure(kind, Xavier(), x, 4)
        rng = np.random.Generator(np.random.Philox(key=np.array([4, 1], np.uint64)))
        weights = [rng.standard_normal((n, 100)) / np.sqrt(n) for n in (6, 100, 100, 100, 100)]
        pull = rng.standard_normal((20, 100))

        def score(first, weights=weights, pull=pull, act=act):
            h = first
            for w in weights[1:]:
                h = act(h @ w)
            return jnp.sum(h * pull)

        with jax.enable_x64(True):
            np.testing.assert_allclose(layers[0], act(jnp.asarray(x) @ weights[0]), rtol=1e-9)
            wanted = jnp.linalg.norm(jax.grad(score)(jnp.asarray(layers[0])))
        assert norms[0] == pytest.approx(float(wanted), rel=1e-9)


def test_smoothing_is_a_running_mean():
    losses = np.random.default_rng(0).normal(size=(2, 60)).astype(np.float32)
    for t in (0, 10, 24, 25, 59):
        wanted = losses[:, max(0, t - 24) : t + 1].mean(axis=1)
        np.testing.assert_allclose(smoothed(losses)[:, t], wanted, atol=1e-6)


def test_numbers_and_means_for_people():
    assert number(0.12345) == "0.123"
    assert number(-1234.5) == "−1234" or number(-1234.5) == "−1235"
    assert number(1.2e-5) == "1.20e−05"
    assert number(float("inf")) == "∞"
    assert mean_of_seeds(np.array([0.5, np.nan, 0.7])).endswith("; 1 of 3 diverged")
    assert mean_of_seeds(np.array([np.nan, np.nan])) == "2 of 2 diverged"
    assert "one seed" in mean_of_seeds(np.array([0.5]))


def test_sixteen_scales_are_the_books():
    np.testing.assert_allclose(SCALES[[0, 1, 15]], [1.0, 0.5412, 1e-4], rtol=1e-3)


def test_the_best_of_equals_flatters_and_a_single_one_does_not():
    """Of networks of equal worth the choice gains luck alone, as large as normal noise has it."""
    rng = np.random.default_rng(1)
    truth, rows = 0.8, 100
    tests = rng.binomial(rows, truth, size=(50, 20)) / rows
    accuracy = np.concatenate([tests, np.full((50, 1), truth)], axis=1)
    one, many = (_picked(accuracy, n) for n in (1, 50))
    assert abs(one[0] - one[1]) < 0.01
    spread = np.sqrt(truth * (1 - truth) / rows)
    assert many[0] - many[1] == pytest.approx(2.25 * spread, rel=0.15)  # E of the largest of 50 normals
