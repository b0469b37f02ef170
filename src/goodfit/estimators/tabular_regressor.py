"""`TabularRegressor`: numbers from a table as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context

from goodfit.data.schema import Schema
from goodfit.errors import InputError, must_be
from goodfit.estimators.checks import as_input_error, one_column
from goodfit.estimators.tabular import Tabular
from goodfit.network import Network
from goodfit.stats.intervals import Score, score_interval
from goodfit.stats.metrics import get_metric


class TabularRegressor(RegressorMixin, Tabular):
    """An ensemble of networks for numbers; a DataFrame goes in as it is, and nothing needs to be set.

    Columns and networks are as `TabularClassifier` has them; predictions stay within the range of training.

    Args:
        budget, cv, exact, random_state, verbose: as `TabularClassifier`.

    Attributes:
        n_features_in_, feature_names_in_, schema_, members_, plan_: as `TabularClassifier`.
        validation_score_: `Score(score, low, high)`, a named tuple: R² with a 95 % interval, on rows that no
            network saw; they chose the weights, so it flatters a little. For several
            targets the mean of their R², without an interval (NaN).
    """

    def __init__(
        self,
        *,
        budget: str | None = None,
        cv: Any = None,
        exact: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.budget = budget
        self.cv = cv
        self.exact = exact
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        validation_data: Any = None,
        validation_sample_weight: Any = None,
    ) -> TabularRegressor:
        """Train.

        Args:
            X: (rows, columns) a DataFrame of any kind, a dictionary of columns, an array or a list.
            y: (rows,) or (rows, targets) numbers.
            sample_weight: (rows,) numbers >= 0, for the loss and for the choice of networks.
            groups: (rows,) rows with equal entries stay in one fold.
            validation_data: rows to choose by, ``(X, y)``, instead of folds.
            validation_sample_weight: their weights.

        Returns:
            The estimator itself.

        Raises:
            InputError: what was handed in cannot be used; says what, where, and what is allowed.
        """
        return self._fit(X, y, sample_weight, groups, validation_data, validation_sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """Return a number for each row, (rows,) or (rows, targets).

        Raises:
            InputError: columns are lacking or hold what they cannot.
        """
        return self._restored(self._outputs(X))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Return the ends of an interval for each row, (rows, 2), or (rows, targets, 2).

        The ends lie so far from the prediction that the share ``coverage`` of the training rows fell inside
        where networks predicted rows that they had not seen ("CV+" without its correction for few rows;
        Barber et al. 2021). The width is the same for all rows.

        Raises:
            InputError: ``coverage`` is not between 0 and 1; as `predict`.
        """
        if not 0.0 < coverage < 1.0:
            raise must_be("coverage", "a share between 0 and 1", coverage)
        middle = self.predict(X)
        misses, weight = self._misses
        order = np.argsort(misses, axis=0)
        level = coverage * (1.0 + 1.0 / len(misses))
        reach = np.cumsum(
            np.take_along_axis(np.broadcast_to(weight[:, None], misses.shape), order, 0), axis=0
        )
        place = (reach < level * reach[-1]).sum(axis=0).clip(max=len(misses) - 1)
        far = np.take_along_axis(misses, order, 0)[place, np.arange(misses.shape[1])]
        far = far if middle.ndim == 2 else far[0]
        return np.stack([middle - far, middle + far], axis=-1)

    # --- what Tabular asks for

    def _learn_target(self, y: np.ndarray, train: np.ndarray, held: np.ndarray) -> np.ndarray:
        try:
            y = y.astype(np.float64)
        except (TypeError, ValueError):
            raise InputError(f"y must hold numbers, got an array of {y.dtype}.") from None
        with as_input_error():
            y = one_column(y)
        columns = y.reshape(len(y), -1)
        known = columns[train]
        self._mean, self._scale = known.mean(axis=0), known.std(axis=0)
        self._scale = np.where(self._scale > 0, self._scale, 1.0)
        self._low, self._high = known.min(axis=0), known.max(axis=0)
        self._single = y.ndim == 1
        return ((columns - self._mean) / self._scale).astype(np.float32)

    def _restored(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs in the targets' own units, within the range of training."""
        columns = outputs.reshape(len(outputs), -1) * self._scale + self._mean
        found = np.clip(columns, self._low, self._high)
        return found[:, 0] if self._single else found

    def _shape(self, schema: Schema, target: np.ndarray) -> Network:
        return Network(outputs=target.shape[1], loss="squared_error", **schema.layout)

    def _cost(self, target: np.ndarray, weight: np.ndarray) -> Callable[[np.ndarray], float]:
        share = weight / weight.sum()
        return lambda p: float((share[:, None] * (p.reshape(target.shape) - target) ** 2).sum())

    def _examined(self, prediction: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        y = y.astype(np.float64).reshape(len(y), -1)
        found = self._restored(prediction).reshape(y.shape)
        self._misses = np.abs(y - found), weight
        metric = get_metric("r2", "regression")
        if y.shape[1] == 1:
            self.validation_score_ = score_interval(metric, y[:, 0], found[:, 0], weight)
        else:
            scores = [metric(a, b, weight) for a, b in zip(y.T, found.T, strict=True)]
            self.validation_score_ = Score(float(np.mean(scores)), float("nan"), float("nan"))
