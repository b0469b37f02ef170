"""Every exception that a user of goodfit can cause.

    GoodfitError
    ├── InputError (also ValueError)      what was handed in cannot be used: data, option, recipe, budget
    │   └── RunFolderError                the output folder is unwritable, or belongs to another run
    ├── ModelFileError (also ValueError)  a model file that is truncated, altered, foreign or too new
    ├── ClusterError                      an execution engine that cannot be reached, or does not fit
    │   └── NoDataError                   a worker that has to be sent the rows first
    └── MissingExtraError                 an optional dependency is not installed

A message is one sentence or two: what was wrong, where, what is allowed, what to do.
The command line prints it alone and ends with exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GoodfitError(Exception):
    """Base of every exception that goodfit raises on purpose."""


class InputError(GoodfitError, ValueError):
    """What was handed in cannot be used; the message says why and what is allowed."""


class RunFolderError(InputError):
    """The output folder cannot be written, or holds a run made with other data or settings."""


class ModelFileError(GoodfitError, ValueError):
    """A model file that cannot be trusted or read."""


class ClusterError(GoodfitError):
    """An execution engine cannot be reached, or does not fit; what was trained is kept in the run folder."""


class NoDataError(ClusterError):
    """A worker was asked to train on rows that it has not been sent, and that no shared folder holds."""


class MissingExtraError(GoodfitError, ImportError):
    """A feature needs a package that is not installed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known name closest to ``name``, or an empty string."""
    by_lower = {str(k).lower(): str(k) for k in known}
    close = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def must_be(what: str, allowed: str, got: object) -> InputError:
    """Build the error of a value outside its allowed set, in the one wording used everywhere."""
    return InputError(f"{what} must be {allowed}, got {got!r}.")
