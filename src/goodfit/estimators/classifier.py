"""`MLPClassifier`: scikit-learn's name, parameters and numbers, and what it lacks."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from goodfit.errors import InputError
from goodfit.estimators.checks import as_input_error, class_weights, one_column
from goodfit.estimators.descent import Judge
from goodfit.estimators.perceptron import Perceptron
from goodfit.estimators.settings import classification_network
from goodfit.estimators.training import Rows
from goodfit.network import Network
from goodfit.techniques.initializers import Initializer
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.optimizers import Optimizer
from goodfit.techniques.regularization import Dropout
from goodfit.techniques.schedules import Schedule


class MLPClassifier(ClassifierMixin, Perceptron):
    """A multi-layer perceptron for classes, in place of scikit-learn's: change the import, nothing else.

    In float64 the networks are scikit-learn's to rounding: the same first weights, batches and rules from the
    same ``random_state``. docs/estimators.md lists the few deliberate differences.

    Args:
        hidden_layer_sizes: widths of the hidden layers, a number or a sequence; ``()`` is a linear model.
        activation: ``"identity"``, ``"logistic"``, ``"tanh"`` or ``"relu"`` of the hidden layers; also
            leaky_relu, gelu, silu, selu and mish.
        solver: ``"adam"``, ``"sgd"``, or ``"lbfgs"``, which uses all rows at once, in float64.
        alpha: L2 penalty ``alpha/(2·n)·Σ‖W‖²``, n the rows of a batch (with weights, their sum).
        batch_size: rows of a mini-batch; ``"auto"`` is min(200, rows).
        learning_rate: with ``solver="sgd"``: ``"constant"``; ``"invscaling"``, which divides it by
            ``(1 + rows seen)^power_t`` at each epoch's end; ``"adaptive"``, which divides it by 5
            where training would stop.
        learning_rate_init: learning rate of sgd and adam.
        power_t: exponent of ``"invscaling"``.
        max_iter: most epochs; with lbfgs, most iterations.
        shuffle: draw new batches in each epoch.
        random_state: seed of first weights, split and batches; equal seeds draw what scikit-learn draws.
        tol: by how much an epoch must improve on the best to count (with lbfgs: the largest gradient left).
        verbose: print each epoch's loss and score.
        warm_start: ``fit`` goes on from the weights that there are.
        momentum: of sgd, 0 to 1.
        nesterovs_momentum: let it be Nesterov's.
        early_stopping: stop by the score of rows set aside, and keep the weights that scored best.
        validation_fraction: share of the rows to set aside for it.
        beta_1: decay of adam's first moment, in [0, 1).
        beta_2: decay of adam's second moment, in [0, 1).
        epsilon: adam's, beside the root.
        n_iter_no_change: epochs in a row without improvement after which training stops.
        max_fun: most loss evaluations of lbfgs.
        optimizer: an update rule such as ``AdamW(lr=0.01)`` with its own settings, in place of ``solver``.
        init: rule of the first weights, such as ``He()``, or ``"auto"`` for the one that suits the
            activation; None is scikit-learn's (Glorot, uniform, biases too).
        batch_norm: True, or a `BatchNorm` with its settings; batches need 2 rows at least.
        layer_norm: True, or a `LayerNorm` with its settings; not together with batch norm.
        dropout: share of hidden units left out in each step, or a `Dropout`; not with lbfgs.
        weight_decay: λ of ``½·λ·Σ‖W‖²``, beside ``alpha`` and independent of the batch.
        schedule: factor on the learning rate over ``max_iter`` epochs, such as ``Cosine()``.
        label_smoothing: share of the target spread evenly over the classes, in [0, 1).
        class_weight: ``"balanced"``, or a mapping from class to weight (1 unless named); not with several
            labels a row.
        ensemble: how many networks to train side by side, each with weights and batches of its own; their
            predictions are averaged.
        device: ``"auto"`` (JAX's choice), ``"cpu"`` or ``"gpu"``.
        callbacks: a callable or a list of them, told after each epoch (lbfgs: iteration) as
            ``callback(estimator)`` with the fitted attributes as they stand; one that returns True ends the
            training.

    Attributes:
        classes_: (classes,) array, or the labels' numbers where y has several labels a row.
        loss_: float, the last epoch's mean training loss, penalty included.
        best_loss_: float, the lowest of them; None with early stopping.
        loss_curve_: list of float, by epoch.
        validation_scores_: list of float by epoch, accuracy; None where no rows were
            set aside or handed in.
        validation_loss_curve_: list of float by epoch, the loss without penalty on those rows, or None.
        best_validation_score_: float, the highest of the scores, or None.
        t_: int, rows seen.
        coefs_: list of (n_in, n_out) arrays, of X's type: the weights by layer.
        intercepts_: list of (n_out,) arrays, the biases by layer.
        n_features_in_: int, columns of X.
        feature_names_in_: names of the columns, where X has names that are texts.
        n_iter_: int, epochs of the last call (lbfgs: iterations).
        n_layers_: int, layers, input and output included.
        n_outputs_: int, columns of the last layer.
        out_activation_: str, "softmax", or "logistic" for two classes and for several labels a row.

    With an ensemble the attributes are those of its first network. `loss_curve_` and `best_loss_` are there
    after sgd, adam and ``optimizer`` only.

    Example:
        >>> from goodfit import MLPClassifier
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> MLPClassifier(max_iter=1000, random_state=0).fit(X, y).score(X, y)
        0.98
    """

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012
        **Perceptron._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    warm_start: Any
    class_weight: Any

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        optimizer: Optimizer | None = None,
        init: Initializer | str | None = None,
        batch_norm: BatchNorm | bool = False,
        layer_norm: LayerNorm | bool = False,
        dropout: Dropout | float = 0.0,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        ensemble: int = 1,
        device: str = "auto",
        callbacks: Any = None,
    ) -> None:
        self._keep(locals())

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
        validation_data: Any = None,
        validation_sample_weight: Any = None,
    ) -> Any:
        """Train on rows.

        Args:
            X: (rows, columns) numbers, dense or sparse; float32 is trained in float32, all else in float64.
            y: (rows,) classes of any kind, or (rows, labels) of 0 and 1.
            sample_weight: (rows,) numbers >= 0; a weight of 2 is the row twice.
            validation_data: ``(X, y)`` to measure each epoch on, and to stop by with ``early_stopping``.
            validation_sample_weight: (validation rows,) numbers >= 0.

        Returns:
            The estimator itself.

        Raises:
            InputError: data, weights or validation data that cannot be used, parameters that exclude each
                other, or weights that did not stay finite.
            sklearn.utils._param_validation.InvalidParameterError: a parameter is outside what it allows.

        Warns of parameters that play no part, and where training ended before it converged.
        """
        return self._fit(
            X, y, sample_weight, validation=validation_data, validation_weight=validation_sample_weight
        )

    @available_if(lambda self: self._can_go_on())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train on for one epoch over these rows; not with ``solver="lbfgs"``.

        Args:
            X: (rows, columns) numbers, dense or sparse.
            y: (rows,) classes, or (rows, labels) of 0 and 1.
            sample_weight: (rows,) numbers >= 0.
            classes: all classes there are, needed at the first call.

        Returns:
            The estimator itself.

        Raises:
            InputError: as `fit`; also early_stopping=True.
        """
        with as_input_error():
            if _check_partial_fit_first_call(self, classes):
                several = type_of_target(y).startswith("multilabel")
                self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return each row's class, (rows,), or its labels, (rows, labels).

        Raises:
            InputError: X has missing values, or other columns than in training.
            sklearn.exceptions.NotFittedError: there is nothing to predict with.
        """
        outputs = self._outputs(X)
        found: Any = outputs[:, 0] if self.n_outputs_ == 1 else outputs
        return np.asarray(self._label_binarizer.inverse_transform(found))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return each row's probabilities, (rows, classes) in the order of ``classes_``, or of each label.

        Raises:
            InputError, sklearn.exceptions.NotFittedError: as `predict`.
        """
        outputs = self._outputs(X)
        return np.concatenate([1.0 - outputs, outputs], axis=1) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of `predict_proba`, (rows, classes); raises as `predict`."""
        return np.log(self.predict_proba(X))

    # --- what Perceptron asks for

    def _prepare_target(self, y: Any, incremental: bool) -> None:
        """Learn the classes, or check that ``y`` holds those known; as scikit-learn's classifier does."""
        with as_input_error():
            known = hasattr(self, "classes_") and (self.warm_start or incremental)
            if not known:
                self._label_binarizer = LabelBinarizer().fit(one_column(y))
                self.classes_ = self._label_binarizer.classes_
                return
            classes = unique_labels(one_column(y))
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise InputError(
                    "warm_start can only be used where `y` has the same classes as in the previous call "
                    f"to fit. Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise InputError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {classes}."
            )

    def _encoded(self, y: Any, x: np.ndarray) -> np.ndarray:
        """Return (N,) int32 classes for softmax, else (N, outputs) of 0 and 1."""
        y = one_column(y)
        kind = self._label_binarizer.y_type_
        self.out_activation_ = "softmax" if kind == "multiclass" else "logistic"
        if kind == "multiclass":
            return np.searchsorted(self.classes_, y).astype(np.int32)
        with as_input_error():
            return self._label_binarizer.transform(y).astype(x.dtype)

    def _validation_rows(self, given: Any, weight: Any) -> Rows | None:
        if isinstance(given, tuple | list) and len(given) == 2 and not self._has_labels():
            there, classes = np.unique(np.asarray(given[1]).ravel()), self.classes_
            for odd, what in (
                (np.setdiff1d(there, classes), "holds classes that y lacks"),
                (np.setdiff1d(classes, there), "lacks classes that y holds"),
            ):
                if len(odd):
                    raise InputError(
                        f"validation_data {what}: {odd.tolist()}. Its classes must be those of y; split with "
                        "train_test_split(..., stratify=y)."
                    )
        return super()._validation_rows(given, weight)

    def _has_labels(self) -> bool:
        return self._label_binarizer.y_type_.startswith("multilabel")

    def _shape(self, inputs: int, y: np.ndarray) -> Network:
        outputs = len(self.classes_) if y.ndim == 1 else y.shape[1]
        return classification_network(inputs, len(self.classes_), outputs, multilabel=self._has_labels())

    def _judge(self, held: Rows) -> Judge:
        return Judge()

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        return y.astype(bool) if y.ndim == 2 and y.shape[1] == 1 else None  # scikit-learn's rule

    def _row_weights(self, y: Any, weight: np.ndarray | None, incremental: bool) -> np.ndarray | None:
        if self.class_weight is None:
            return weight
        if self._has_labels():
            raise InputError("class_weight is for one class a row, and y has several labels.")
        if incremental and isinstance(self.class_weight, str):
            raise InputError(
                "class_weight='balanced' cannot be worked out from the rows of one partial_fit: pass a "
                "mapping from class to weight, or sample_weight."
            )
        by_class = class_weights(self.class_weight, y, self.classes_)
        return by_class if weight is None else by_class * weight
