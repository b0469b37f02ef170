"""A fit as scikit-learn's callbacks (1.9 and newer) see it; nothing with an older one, or if none listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport  # type: ignore[import-not-found]
except ImportError:  # before 1.9

    class CallbackSupport:
        """Stands where scikit-learn has no callbacks."""


class FitTasks:
    """The task "fit" of an estimator, with one epoch or network after another below it.

    Args:
        estimator: whose ``set_callbacks`` was called, or that is part of one with callbacks.
        X, y, sample_weight: what ``fit`` was given, for callbacks that score.
        parts: how many parts there are at most; None if that is not known.
        name: of a part.
    """

    def __init__(
        self, estimator: Any, X: Any, y: Any, sample_weight: Any, parts: int | None, name: str
    ) -> None:
        self._estimator, self._name, self._count = estimator, name, 0
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._given = {"estimator": estimator, "X": X, "y": y, "metadata": weights}
        self.listened = bool(getattr(estimator, "_skl_callbacks", ())) or hasattr(
            estimator, "_parent_callback_ctx"
        )
        self._context: Any = None
        if self.listened:
            self._context = estimator._init_callback_context(max_subtasks=parts)
            self._context.call_on_fit_task_begin(**self._given)

    def part_done(self, attributes: Callable[[], dict[str, Any]]) -> bool:
        """Tell of a finished part; true if a callback ends the fit.

        ``attributes()`` gives what makes the estimator predict as if it had stopped here.
        """
        if not self.listened:
            return False
        part = self._context.subcontext(task_name=f"{self._name} {self._count}")
        self._count += 1
        part.call_on_fit_task_begin(**self._given)
        return bool(part.call_on_fit_task_end(**self._given, reconstruction_attributes=attributes))

    def end(self) -> None:
        """End the task."""
        if self.listened:
            self._context.call_on_fit_task_end(**self._given, reconstruction_attributes={})
