"""Schedules: a factor on the learning rate by step.

``factor(step, horizon)`` takes the 0-based step and the number of steps the member is meant to run, both
traced numbers, and returns a scalar. A schedule without a horizon of its own ignores the second.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from goodfit.techniques.base import check_number, technique

Array = jax.Array


def _progress(step: Array, horizon: Array) -> Array:
    return jnp.clip(step / jnp.maximum(horizon, 1.0), 0.0, 1.0)


class Schedule:
    """A factor on the learning rate by step."""

    def factor(self, step: Array, horizon: Array) -> Array:
        """Return the factor at the 0-based ``step`` of ``horizon`` planned steps."""
        raise NotImplementedError


@technique
class Constant(Schedule):
    """The factor stays 1."""

    def factor(self, step: Array, horizon: Array) -> Array:
        return jnp.ones((), jnp.float32)


@technique
class StepDecay(Schedule):
    """The factor is multiplied by ``rate`` after every ``every`` of the horizon: ``rate^⌊t/every⌋``."""

    every: float = 0.25
    rate: float = 0.3

    def __post_init__(self) -> None:
        check_number(self, "every", above=0.0, high=1.0)
        check_number(self, "rate", above=0.0, high=1.0)

    def factor(self, step: Array, horizon: Array) -> Array:
        # 90/100 in float32 lies just under 3 · 0.3: without the nudge that fall would come a step late.
        return self.rate ** jnp.floor(_progress(step, horizon) / self.every + 1e-5)


@technique
class Cosine(Schedule):
    """``floor + (1 − floor)·½(1 + cos πt)`` with t from 0 to 1 over the horizon (Loshchilov, Hutter 2017)."""

    floor: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "floor", low=0.0, high=1.0)

    def factor(self, step: Array, horizon: Array) -> Array:
        wave = 0.5 * (1.0 + jnp.cos(jnp.pi * _progress(step, horizon)))
        return self.floor + (1.0 - self.floor) * wave


@technique
class WarmUp(Schedule):
    """Rises evenly from 1/n to 1 over ``share`` of the horizon (n steps), then hands over to ``then``."""

    share: float = 0.05
    then: Schedule = Constant()

    def __post_init__(self) -> None:
        check_number(self, "share", low=0.0, below=1.0)

    def factor(self, step: Array, horizon: Array) -> Array:
        rising = jnp.maximum(jnp.round(self.share * horizon), 1.0)  # whole steps: the ramp ends at exactly 1
        after = self.then.factor(jnp.maximum(step - rising, 0.0), horizon - rising)
        return jnp.where(step < rising, (step + 1.0) / rising, after)


@technique
class OneCycle(Schedule):
    """Cosine up from ``start`` to 1 at ``peak`` of the horizon, then cosine down to ``end`` (Smith 2018)."""

    peak: float = 0.3
    start: float = 0.04
    end: float = 1e-4

    def __post_init__(self) -> None:
        check_number(self, "peak", above=0.0, below=1.0)
        check_number(self, "start", low=0.0, high=1.0)
        check_number(self, "end", low=0.0, high=1.0)

    def factor(self, step: Array, horizon: Array) -> Array:
        t = _progress(step, horizon)
        up = 0.5 * (1.0 - jnp.cos(jnp.pi * jnp.minimum(t / self.peak, 1.0)))
        down = 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.clip((t - self.peak) / (1.0 - self.peak), 0.0, 1.0)))
        rising = self.start + (1.0 - self.start) * up
        return jnp.where(t < self.peak, rising, self.end + (1.0 - self.end) * down)


@technique
class InverseScaling(Schedule):
    """1 in the first epoch, then ``(1 + rows seen)^−power``, renewed at each epoch's end (scikit-learn).

    Fields: ``power`` 0.5; ``epoch``, its steps; ``rows`` that it sees; ``seen``, rows before the first step.
    """

    power: float = 0.5
    epoch: float = 1.0
    rows: float = 1.0
    seen: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "power", low=0.0)
        check_number(self, "epoch", above=0.0)
        check_number(self, "rows", low=0.0)
        check_number(self, "seen", low=0.0)

    def factor(self, step: Array, horizon: Array) -> Array:
        epochs = jnp.floor((step + 0.5) / self.epoch)  # in the middle of a step, where rounding cannot reach
        seen = 1.0 + self.seen + epochs * self.rows
        return jnp.where(epochs > 0, seen**-self.power, 1.0)


@technique
class CosLog(Schedule):
    """``½(1 − cos(2π·log2(1 + (2^cycles − 1)·t)))``: waves that start at 0 and lengthen, each twice the last.

    With 4 cycles it is the schedule of RealMLP (Holzmüller et al. 2024, §3), which peaks ever later and
    ends at 0.
    """

    cycles: float = 4.0

    def __post_init__(self) -> None:
        check_number(self, "cycles", above=0.0)

    def factor(self, step: Array, horizon: Array) -> Array:
        t = _progress(step, horizon)
        return 0.5 * (1.0 - jnp.cos(2.0 * jnp.pi * jnp.log2(1.0 + (2.0**self.cycles - 1.0) * t)))


@technique
class FlatCosine(Schedule):
    """1 until ``flat`` of the horizon, then half a cosine down to 0 (Holzmüller et al. 2024, §3)."""

    flat: float = 0.5

    def __post_init__(self) -> None:
        check_number(self, "flat", low=0.0, below=1.0)

    def factor(self, step: Array, horizon: Array) -> Array:
        falling = jnp.maximum(_progress(step, horizon) - self.flat, 0.0) / (1.0 - self.flat)
        return 0.5 * (1.0 + jnp.cos(jnp.pi * falling))
