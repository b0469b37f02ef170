"""Optuna is an extra: what is said where it is missing, and how it is kept quiet."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from goodfit.errors import MissingExtraError


def missing_optuna(what: str) -> MissingExtraError:
    """Return the error of a feature that needs Optuna where it is not installed."""
    return MissingExtraError(f"{what} needs Optuna, which is not installed: pip install 'goodfit[optuna]'.")


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Hold back what Optuna logs, and its notes on which of its arguments are experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
