"""Between Optuna's distributions and goodfit's ranges and choices.

A parameter with a step becomes a range of whole numbers that counts the steps, one of options a choice of
the options' numbers; so everything that has a place in a `goodfit.search.region.Region` is a number.
"""

from __future__ import annotations

from typing import Any

from goodfit.neighbours.extra import missing_optuna
from goodfit.search.space import Choice, Range

try:
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
except ImportError as error:
    raise missing_optuna("What goodfit shares with Optuna") from error

Numeric = FloatDistribution | IntDistribution


def node_of(distribution: BaseDistribution) -> Range | Choice:
    """Return the range or choice that a distribution means; its ends are hard limits.

    Raises:
        TypeError: the distribution is of a kind that Optuna itself has given up.
    """
    if isinstance(distribution, CategoricalDistribution):
        return Choice(tuple(range(len(distribution.choices))))
    if not isinstance(distribution, Numeric):
        raise TypeError(f"no range is known for {distribution!r}")
    if _counted(distribution):
        return Range(0, round((distribution.high - distribution.low) / (distribution.step or 1)), whole=True)
    whole = isinstance(distribution, IntDistribution)
    return Range(distribution.low, distribution.high, log=distribution.log, whole=whole)


def place_of(distribution: BaseDistribution, value: Any) -> float | None:
    """Return the number of a parameter's value in the distribution's range or choice, None if outside."""
    if isinstance(distribution, CategoricalDistribution):
        try:
            return float(distribution.to_internal_repr(value))
        except ValueError:
            return None
    if not isinstance(distribution, Numeric) or isinstance(value, str) or value is None:
        return None
    if not distribution.low <= value <= distribution.high:
        return None
    if _counted(distribution):
        return float(round((value - distribution.low) / (distribution.step or 1)))
    return float(value)


def value_at(distribution: BaseDistribution, place: float) -> Any:
    """Return the parameter's value that a number in its range or choice stands for."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(place)]
    assert isinstance(distribution, Numeric)
    if _counted(distribution):
        value = distribution.low + place * (distribution.step or 1)
        return int(value) if isinstance(distribution, IntDistribution) else min(value, distribution.high)
    return int(place) if isinstance(distribution, IntDistribution) else place


def distribution_of(node: Range | Choice) -> BaseDistribution:
    """Return the distribution that a range means, or a choice of the numbers of its options."""
    if isinstance(node, Choice):
        return CategoricalDistribution(tuple(range(len(node.options))))
    return numeric(node.low, node.high, log=node.log, whole=node.whole)


def numeric(low: float, high: float, *, log: bool, whole: bool) -> Numeric:
    """Return the distribution of a range by its ends."""
    if whole:
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _counted(distribution: Numeric) -> bool:
    """Tell whether the distribution has a step that its range has not."""
    return (
        distribution.step is not None
        if isinstance(distribution, FloatDistribution)
        else (distribution.step != 1)
    )
