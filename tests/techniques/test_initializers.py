"""Initial weights: measured standard deviations, and the rule by activation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.initializers import (
    Gaussian,
    Glorot,
    He,
    Initializer,
    LeCun,
    Xavier,
    initializer_for,
)

# Widths 400 in, 250 out.
DEVIATIONS = {
    Gaussian(1.0): 1.0,
    Gaussian(0.01): 0.01,
    Gaussian(0.0): 0.0,
    Xavier(): 1 / 20,
    Glorot(): math.sqrt(2 / 650),
    He(): math.sqrt(1 / 200),
    LeCun(): 1 / 20,
}
RULE = {"sigmoid": Xavier(), "tanh": Xavier(), "selu": LeCun(), "identity": LeCun()}


def test_every_initializer_is_tested():
    assert {type(one) for one in DEVIATIONS} == set(Initializer.__subclasses__())


@pytest.mark.parametrize(("init", "std"), DEVIATIONS.items(), ids=repr)
def test_draws_are_normal_with_the_stated_deviation(init, std):
    draw = init.draw(np.random.Generator(np.random.Philox(key=[7, 7])), 400, 250)
    assert draw.shape == (400, 250)
    assert draw.dtype == np.float32
    assert init.std(400, 250) == pytest.approx(std)
    assert draw.std() == pytest.approx(std, rel=0.01)  # 100,000 draws: sd of the estimate 0.2 %
    assert abs(draw.mean()) <= 0.013 * std
    if std:
        outside = np.abs(draw / std) > 1.959964
        assert outside.mean() == pytest.approx(0.05, abs=0.003)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_automatic_rule(activation):
    assert initializer_for("auto", activation) == RULE.get(activation, He())
    assert initializer_for(Gaussian(0.5), activation) == Gaussian(0.5)


@pytest.mark.parametrize("bad", ["he", 3, None])
def test_unknown_initializer(bad):
    with pytest.raises(InputError, match=r"'auto' or an initializer .* got "):
        initializer_for(bad, "relu")


def test_sigma_is_checked():
    with pytest.raises(InputError, match=r"Gaussian\(sigma=…\) must be a number >= 0, got -1"):
        Gaussian(-1.0)
