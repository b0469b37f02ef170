"""What `MLPClassifier` and `MLPRegressor` share: checked arrays in, trained networks and predictions out."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from goodfit.engine.plan import check_memory
from goodfit.errors import InputError
from goodfit.estimators.checks import as_input_error, checked_weight
from goodfit.estimators.descent import Judge
from goodfit.estimators.nets import Net
from goodfit.estimators.settings import ACTIVATION_NAMES, check_together, warn_of_ignored, widths_of
from goodfit.estimators.tasks import CallbackSupport, FitTasks
from goodfit.estimators.training import Rows, Training, begin, train
from goodfit.model.predict import apply_head, forward
from goodfit.network import Network
from goodfit.techniques.initializers import Initializer
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.optimizers import Optimizer
from goodfit.techniques.regularization import Dropout
from goodfit.techniques.schedules import Schedule

SPARSE_ROWS = 4096  # made dense at once for prediction


class Perceptron(CallbackSupport, BaseEstimator):
    """Base of the estimators; use `MLPClassifier` or `MLPRegressor`."""

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012, as scikit-learn has it
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(ACTIVATION_NAMES)],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [Optimizer, None],
        "init": [Initializer, StrOptions({"auto"}), None],
        "batch_norm": ["boolean", BatchNorm],
        "layer_norm": ["boolean", LayerNorm],
        "dropout": [Interval(Real, 0, 1, closed="left"), Dropout],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [Schedule, None],
        "ensemble": [Interval(Integral, 1, None, closed="left")],
        "device": [StrOptions({"auto", "cpu", "gpu"})],
        "callbacks": [callable, list, tuple, None],
    }

    def _keep(self, given: dict[str, Any]) -> None:
        """Keep the constructor's arguments as they are."""
        for name in self._get_param_names():
            setattr(self, name, given[name])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # --- what the two kinds fill in

    _y_numeric = False

    def _prepare_target(self, y: Any, incremental: bool) -> None:
        """Learn what targets there are, or check that they are those known."""

    def _encoded(self, y: Any, x: np.ndarray) -> np.ndarray:
        """Return checked targets as the engine takes them: (N,) classes or (N, outputs) of the type of x."""
        raise NotImplementedError

    def _shape(self, inputs: int, y: np.ndarray) -> Network:
        """Return the shape of the problem."""
        raise NotImplementedError

    def _judge(self, held: Rows) -> Judge:
        """Return how evaluations on these rows become scores."""
        raise NotImplementedError

    def _row_weights(self, y: Any, weight: np.ndarray | None, incremental: bool) -> np.ndarray | None:
        """Return the rows' weights in training."""
        return weight

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        """Return what a split keeps the shares of."""
        return None

    # --- fitting

    def _is_stochastic(self: Any) -> bool:
        return self.optimizer is not None or self.solver != "lbfgs"

    def _can_go_on(self: Any) -> bool:
        """Tell whether ``partial_fit`` is there; an `AttributeError` says why not."""
        if not self._is_stochastic():
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def _fit(
        self: Any,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        incremental: bool = False,
        validation: Any = None,
        validation_weight: Any = None,
    ) -> Any:
        widths_of(self)
        check_together(self)
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        if incremental and self.early_stopping:
            raise InputError("partial_fit does not support early_stopping=True")
        if first or not incremental:
            warn_of_ignored(self, own_validation=validation is not None)
        given = X, y, sample_weight
        x, y = self._checked(X, y, reset=first)
        self._prepare_target(y, incremental)
        weight = self._row_weights(y, checked_weight(sample_weight, x, "sample_weight"), incremental)
        rows = Rows(x, self._encoded(y, x), weight)
        network = self._shape(x.shape[1], rows.y)
        held = self._validation_rows(validation, validation_weight)
        self.n_outputs_, self.n_layers_ = network.outputs, len(widths_of(self)) + 2
        nets, rngs = begin(self, network, x.dtype.type, first=first)
        training = Training(self, network, nets, rngs, incremental, self._judge, self._strata)
        self._nets, self._architecture = nets, training.architecture
        tasks = FitTasks(self, *given, 1 if incremental else self.max_iter, "epoch")
        training.told = self._teller(tasks)
        train(training, rows, held)
        self._publish()
        self._check_finite()
        tasks.end()
        return self

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[np.ndarray, Any]:
        """Return dense rows of float32 or float64, and checked targets."""
        with as_input_error():
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse=["csr", "csc"],
                multi_output=True,
                y_numeric=self._y_numeric,
                dtype=(np.float64, np.float32),
                reset=reset,
            )
        if scipy.sparse.issparse(X):
            check_memory(X.shape[0] * X.shape[1] * X.dtype.itemsize, "Training on sparse rows made dense")
            X = X.toarray()
        return np.ascontiguousarray(X), y

    def _validation_rows(self, given: Any, weight: Any) -> Rows | None:
        """Return the rows that the user validates on."""
        if given is None:
            if weight is not None:
                raise InputError("validation_sample_weight needs validation_data=(X, y) beside it.")
            return None
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise InputError(f"validation_data must be a pair (X, y), got {type(given).__name__}.")
        x, y = self._checked(*given, reset=False)
        weight = checked_weight(weight, x, "validation_sample_weight")
        return Rows(x, self._encoded(y, x), weight)

    def _teller(self: Any, tasks: FitTasks) -> Callable[[], bool] | None:
        """Return what tells the callbacks of an epoch; it returns true if one of them ends the training."""
        given = self.callbacks if self.callbacks is not None else []
        callbacks = list(given) if isinstance(given, list | tuple) else [given]
        if not callbacks and not tasks.listened:
            return None
        for one in callbacks:
            if not callable(one):
                raise InputError(f"callbacks must be callables that take the estimator, got {one!r}.")

        def told() -> bool:
            self._publish()
            answers = [one(self) for one in callbacks]
            return tasks.part_done(dict) or any(answer is True for answer in answers)

        return told

    def _publish(self: Any) -> None:
        """Set the fitted attributes from the first network."""
        net: Net = self._nets[0]
        course = net.course
        self.coefs_, self.intercepts_ = net.coefs, net.intercepts
        self.n_iter_, self.t_, self.loss_ = course.n_iter, course.t, course.loss
        self._no_improvement_count = course.no_improvement
        self.validation_loss_curve_ = course.losses or None
        if self._is_stochastic() or course.scores:
            self.validation_scores_ = course.scores or None
            self.best_validation_score_ = course.best_score if course.scores else None
        if self._is_stochastic():
            self.loss_curve_ = course.loss_curve
            self.best_loss_ = None if self.early_stopping else course.best_loss

    def _check_finite(self: Any) -> None:
        for net in self._nets:
            whole = all(np.isfinite(a).all() for a in (*net.coefs, *net.intercepts))
            if not whole or (net.diverged and not self.early_stopping):
                raise InputError(
                    "Solver produced non-finite parameter weights. The input data may contain large values "
                    f"and need to be preprocessed. The loss was last finite before epoch {net.course.n_iter}"
                    ": a smaller learning_rate_init may help too."
                )

    # --- prediction

    def _outputs(self: Any, X: Any) -> np.ndarray:
        """Return the networks' mean output (rows, outputs): probabilities or numbers, computed in float64."""
        check_is_fitted(self)
        with as_input_error():
            X = validate_data(
                self, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=False
            )
        self._nets[0].coefs, self._nets[0].intercepts = self.coefs_, self.intercepts_
        if scipy.sparse.issparse(X):
            X = X.tocsr()
            starts = range(0, X.shape[0], SPARSE_ROWS)
            found = np.concatenate([self._mean_output(X[i : i + SPARSE_ROWS].toarray()) for i in starts])
        else:
            found = self._mean_output(X)
        return found.astype(np.result_type(X.dtype, self.coefs_[0].dtype), copy=False)

    def _mean_output(self: Any, x: np.ndarray) -> np.ndarray:
        shape = self._architecture
        each = [
            apply_head(shape["head"], forward(shape, net.params(np.float64), net.moments, x))
            for net in self._nets
        ]
        return each[0] if len(each) == 1 else np.mean(each, axis=0)
