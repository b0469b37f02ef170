"""What processes must share for a member to have the same bits in all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.engine.hardware import Hardware, default_devices, hardware_of
from goodfit.errors import ClusterError

Told = tuple[dict[str, str], tuple[Any, ...]]


def versions() -> dict[str, str]:
    """Return the versions that decide bits."""
    import jax
    import jaxlib.version
    import numpy

    import goodfit

    found = {"goodfit": goodfit.__version__, "jax": jax.__version__, "jaxlib": jaxlib.version.__version__}
    return found | {"numpy": numpy.__version__}


def told_of_itself() -> Told:
    """Return the versions and the hardware of this process, in plain types that travel."""
    return versions(), tuple(hardware_of(default_devices()))


def hardware_of_all(told: Mapping[str, Told]) -> Hardware:
    """Return what all workers train on, from what each told of itself, by its name.

    Raises:
        ClusterError: a worker has other versions than this process, or their devices differ.
    """
    ours, kinds = versions(), {}
    for where, (theirs, hardware) in told.items():
        if theirs != ours:
            raise ClusterError(
                f"The worker {where} has {theirs}, this process has {ours}: results could differ."
            )
        kinds[Hardware(*hardware)] = where
    found, *others = kinds
    if others:
        raise ClusterError(f"Workers train on different devices, so that results could differ: {kinds}.")
    return found
