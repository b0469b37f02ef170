"""`TabularClassifier`: classes from a table as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from goodfit.data.schema import Schema
from goodfit.errors import InputError
from goodfit.estimators.checks import as_input_error, class_weights, one_column
from goodfit.estimators.tabular import Tabular
from goodfit.network import Network
from goodfit.stats.intervals import score_interval
from goodfit.stats.metrics import get_metric


class TabularClassifier(ClassifierMixin, Tabular):
    """An ensemble of networks for classes; a DataFrame goes in as it is, and nothing needs to be set.

    Columns of numbers, text, categories, booleans and dates are understood, missing values too; pandas,
    polars and pyarrow tables, arrays and lists. The networks are RealMLP-TD (Holzmüller, Grinsztajn and
    Steinwart 2024) and variations of it, trained on folds and weighted by the rows that they have not seen;
    each is calibrated by a temperature.

    Args:
        budget: how long to train: ``"30s"``, ``"2min"``, ``"20 members"``, ``"50000 steps"``. None is a count
            by the size of the data, so that two fits are equal.
        cv: folds: a number, a splitter of scikit-learn, or None for 5, fewer where time is short.
        class_weight: a mapping from class to weight, or ``"balanced"``.
        exact: train each network by itself, so that its bits depend on nothing else; slower for small ones.
        random_state: seed of networks and their hyper-parameters.
        verbose: print a line now and then.

    Attributes:
        classes_: (K,) the classes; for several labels a row, 0 and 1.
        n_features_in_, feature_names_in_: the columns of ``X``.
        schema_: how columns become numbers; ``schema_.dropped`` are those left out, with reasons.
        members_: the networks of the ensemble with their weights and recipes.
        plan_: how wide the networks are, how many recipes there were, and how many epochs.
        validation_score_: `Score(score, low, high)`, a named tuple: accuracy with a 95 % interval, on rows
            that no network saw; they chose the weights, so it flatters a little.
    """

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012
        **Tabular._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        *,
        budget: str | None = None,
        cv: Any = None,
        class_weight: Any = None,
        exact: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.budget = budget
        self.cv = cv
        self.class_weight = class_weight
        self.exact = exact
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

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
    ) -> TabularClassifier:
        """Train.

        Args:
            X: (rows, columns) a DataFrame of any kind, a dictionary of columns, an array or a list.
            y: (rows,) classes, or (rows, labels) of 0 and 1.
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
        """Return each row's class, (rows,), or its labels, (rows, labels).

        Raises:
            InputError: columns are lacking or hold what they cannot.
        """
        found = self._outputs(X)
        if self._labels:
            return (found > 0.5).astype(self._label_type)
        return self.classes_[np.argmax(found, axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return calibrated probabilities, (rows, K) in the order of ``classes_``, or of each label.

        Raises:
            InputError: as `predict`.
        """
        return self._outputs(X)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of `predict_proba`, (rows, K); raises as `predict`."""
        return np.log(self.predict_proba(X))

    # --- what Tabular asks for

    def _learn_target(self, y: np.ndarray, train: np.ndarray, held: np.ndarray) -> np.ndarray:
        with as_input_error():
            y = one_column(y)
            check_classification_targets(y)
        self._labels = y.ndim == 2
        if self._labels:
            if not type_of_target(y).startswith("multilabel"):
                raise InputError("y with several columns must hold labels of 0 and 1.")
            self.classes_, self._label_type = np.array([0, 1]), y.dtype
            return y.astype(np.float32)
        self.classes_ = np.unique(y[train])
        if len(self.classes_) < 2:
            raise InputError(
                f"y must hold at least two classes, got 1 class: {self.classes_.tolist()[:1]}"
                " (rows of weight 0 do not count)."
            )
        codes = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unknown = np.unique(y[held][self.classes_[codes[held]] != y[held]])
        if len(unknown):
            raise InputError(f"validation_data holds classes that y lacks: {unknown.tolist()}.")
        return codes.astype(np.int32)

    def _shape(self, schema: Schema, target: np.ndarray) -> Network:
        if self._labels:
            return Network(outputs=target.shape[1], loss="binary_cross_entropy", **schema.layout)
        return Network(outputs=len(self.classes_), **schema.layout)

    def _weighted(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        if self.class_weight is None:
            return weight
        if self._labels:
            raise InputError("class_weight is for one class a row, and y has several labels.")
        return weight * class_weights(self.class_weight, y, self.classes_)

    def _cost(self, target: np.ndarray, weight: np.ndarray) -> Callable[[np.ndarray], float]:
        share, rows = weight / weight.sum(), np.arange(len(target))
        if not self._labels:
            return lambda p: float(-(share * np.log(np.maximum(p[rows, target], 1e-15))).sum())
        return lambda p: float(
            -(share * np.log(np.maximum(np.where(target > 0.5, p, 1.0 - p), 1e-15)).mean(axis=1)).sum()
        )

    def _examined(self, prediction: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        p = prediction
        if self._labels:
            right = ((p > 0.5) == (y > 0.5)).all(axis=1)
            y, p = np.ones(len(y), np.int32), np.stack([1.0 - right, right], axis=1)
        else:
            y = np.searchsorted(self.classes_, one_column(y))
        self.validation_score_ = score_interval(get_metric("accuracy", "classification"), y, p, weight)
