"""Schedules against optax's where it has them, and at their ends."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from goodfit.errors import InputError
from goodfit.techniques.schedules import (
    Constant,
    Cosine,
    CosLog,
    FlatCosine,
    InverseScaling,
    OneCycle,
    Schedule,
    StepDecay,
    WarmUp,
)

H = 200
REFERENCES = {
    "constant": (Constant(), optax.constant_schedule(1.0)),
    "step decay": (StepDecay(0.25, 0.3), optax.exponential_decay(1.0, H // 4, 0.3, staircase=True)),
    "step decay, inexact": (StepDecay(0.3, 0.5), optax.exponential_decay(1.0, 60, 0.5, staircase=True)),
    "cosine": (Cosine(), optax.cosine_decay_schedule(1.0, H)),
    "cosine, floor": (Cosine(0.1), optax.cosine_decay_schedule(1.0, H, alpha=0.1)),
    "warm-up": (
        WarmUp(0.1),  # optax's ramp from 1/20, whose 20th point is 1
        optax.join_schedules([optax.linear_schedule(1 / 20, 1.0, 19), optax.constant_schedule(1.0)], [20]),
    ),
    "warm-up, cosine": (
        WarmUp(0.1, Cosine()),
        optax.join_schedules(
            [optax.linear_schedule(1 / 20, 1.0, 19), optax.cosine_decay_schedule(1.0, 180)], [20]
        ),
    ),
    "one cycle": (OneCycle(0.3, 1 / 25, 1e-4), optax.cosine_onecycle_schedule(H, 1.0, 0.3, 25, 400)),
    "four waves": (CosLog(), lambda step: (1 - np.cos(2 * np.pi * np.log2(1 + 15 * step / H))) / 2),
    "inverse scaling": (
        InverseScaling(0.25, 7, 1300, 50),
        lambda step: (51 + 1300 * (step // 7)) ** -0.25 if step >= 7 else 1.0,
    ),
    "flat, then cosine": (
        FlatCosine(),
        optax.join_schedules([optax.constant_schedule(1.0), optax.cosine_decay_schedule(1.0, 100)], [100]),
    ),
}


def test_every_schedule_is_tested():
    assert {type(one) for one, _ in REFERENCES.values()} == set(Schedule.__subclasses__())


@pytest.mark.parametrize(("ours", "theirs"), REFERENCES.values(), ids=REFERENCES)
def test_follows_optax(ours, theirs):
    steps = jnp.arange(H, dtype=jnp.float32)
    got = ours.factor(steps, jnp.float32(H))
    np.testing.assert_allclose(np.broadcast_to(got, H), [theirs(s) for s in range(H)], rtol=1e-4, atol=2e-6)


ENDS = {  # first factor, factor after the last step
    "constant": (Constant(), 1.0, 1.0),
    "step decay": (StepDecay(0.5, 0.1), 1.0, 0.01),
    "cosine": (Cosine(0.2), 1.0, 0.2),
    "warm-up": (WarmUp(0.1, Cosine(0.3)), 1 / 20, 0.3),
    "one cycle": (OneCycle(0.3, 0.04, 0.01), 0.04, 0.01),
    "four waves": (CosLog(), 0.0, 0.0),
    "flat, then cosine": (FlatCosine(0.8), 1.0, 0.0),
}


@pytest.mark.parametrize(("schedule", "first", "last"), ENDS.values(), ids=ENDS)
def test_ends(schedule, first, last):
    assert float(schedule.factor(jnp.float32(0), jnp.float32(H))) == pytest.approx(first, rel=1e-5)
    assert float(schedule.factor(jnp.float32(H), jnp.float32(H))) == pytest.approx(last, rel=1e-4, abs=1e-6)
    beyond = float(schedule.factor(jnp.float32(3 * H), jnp.float32(H)))
    assert beyond == pytest.approx(last, rel=1e-4, abs=1e-6), "stays where it ended"


@pytest.mark.parametrize("horizon", [1, 2, 7, 21, 25, 99])
@pytest.mark.parametrize("schedule", [one for one, *_ in ENDS.values()], ids=ENDS)
def test_never_leaves_0_to_1(schedule, horizon):
    steps = jnp.arange(horizon, dtype=jnp.float32)
    factors = np.broadcast_to(schedule.factor(steps, jnp.float32(horizon)), horizon)
    assert np.isfinite(factors).all()
    assert factors.min() >= 0.0
    assert factors.max() <= 1.0 + 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepDecay(every=0.0), r"StepDecay\(every=…\) must be a number > 0 and <= 1, got 0.0"),
        (lambda: StepDecay(rate=2.0), r"StepDecay\(rate=…\) must be a number > 0 and <= 1, got 2.0"),
        (lambda: Cosine(floor=-0.1), r"Cosine\(floor=…\) must be a number >= 0 and <= 1, got -0.1"),
        (lambda: WarmUp(share=1.0), r"WarmUp\(share=…\) must be a number >= 0 and < 1, got 1.0"),
        (lambda: OneCycle(peak=0.0), r"OneCycle\(peak=…\) must be a number > 0 and < 1, got 0.0"),
        (lambda: CosLog(cycles=0.0), r"CosLog\(cycles=…\) must be a number > 0, got 0.0"),
        (lambda: FlatCosine(flat=1.0), r"FlatCosine\(flat=…\) must be a number >= 0 and < 1, got 1.0"),
        (lambda: OneCycle(end=1.5), r"OneCycle\(end=…\) must be a number >= 0 and <= 1, got 1.5"),
    ],
)
def test_parameter_errors(make, message):
    with pytest.raises(InputError, match=message):
        make()
