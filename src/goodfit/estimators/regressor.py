"""`MLPRegressor`: scikit-learn's name, parameters and numbers, and what it lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from goodfit.errors import InputError
from goodfit.estimators.checks import one_column
from goodfit.estimators.descent import Judge
from goodfit.estimators.perceptron import Perceptron
from goodfit.estimators.settings import regression_network
from goodfit.estimators.training import Rows
from goodfit.network import Network
from goodfit.techniques.initializers import Initializer
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.optimizers import Optimizer
from goodfit.techniques.regularization import Dropout
from goodfit.techniques.schedules import Schedule


class MLPRegressor(RegressorMixin, Perceptron):
    """A multi-layer perceptron for numbers, in place of scikit-learn's: change the import, nothing else.

    In float64 the networks are scikit-learn's to rounding: the same first weights, batches and rules from the
    same ``random_state``. docs/estimators.md lists the few deliberate differences.

    Args:
        loss: ``"squared_error"``, or ``"poisson"`` for counts and rates >= 0, with exponential output.
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
        ensemble: how many networks to train side by side, each with weights and batches of its own; their
            predictions are averaged.
        device: ``"auto"`` (JAX's choice), ``"cpu"`` or ``"gpu"``.
        callbacks: a callable or a list of them, told after each epoch (lbfgs: iteration) as
            ``callback(estimator)`` with the fitted attributes as they stand; one that returns True ends the
            training.

    Attributes:
        loss_: float, the last epoch's mean training loss, penalty included.
        best_loss_: float, the lowest of them; None with early stopping.
        loss_curve_: list of float, by epoch.
        validation_scores_: list of float by epoch, R² of all outputs together; None where no rows were
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
        out_activation_: str, "identity", or "exp" with loss="poisson".

    With an ensemble the attributes are those of its first network. `loss_curve_` and `best_loss_` are there
    after sgd, adam and ``optimizer`` only.

    Example:
        >>> from goodfit import MLPRegressor
        >>> from sklearn.datasets import make_regression
        >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
        >>> MLPRegressor(solver="lbfgs", random_state=1).fit(X, y).score(X, y) > 0.99
        True
    """

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012
        **Perceptron._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }
    _y_numeric = True
    loss: str

    def __init__(
        self,
        loss: str = "squared_error",
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
        ensemble: int = 1,
        device: str = "auto",
        callbacks: Any = None,
    ) -> None:
        self._keep(locals())

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
            y: (rows,) numbers, or (rows, outputs).
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train on for one epoch over these rows; not with ``solver="lbfgs"``.

        Args:
            X: (rows, columns) numbers, dense or sparse.
            y: (rows,) numbers, or (rows, outputs).
            sample_weight: (rows,) numbers >= 0.

        Returns:
            The estimator itself.

        Raises:
            InputError: as `fit`; also early_stopping=True.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return each row's number, (rows,), or its numbers, (rows, outputs).

        Raises:
            InputError: X has missing values, or other columns than in training.
            sklearn.exceptions.NotFittedError: there is nothing to predict with.
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    # --- what Perceptron asks for

    def _encoded(self, y: Any, x: np.ndarray) -> np.ndarray:
        """Return (N, outputs) numbers."""
        y = one_column(y)
        if self.loss == "poisson" and np.min(y) < 0:
            raise InputError(f"loss='poisson' needs targets >= 0, got {np.min(y):g}.")
        self.out_activation_ = "exp" if self.loss == "poisson" else "identity"
        return np.asarray(y, x.dtype).reshape(len(y), -1)

    def _shape(self, inputs: int, y: np.ndarray) -> Network:
        return regression_network(self.loss, inputs, y.shape[1])

    def _judge(self, held: Rows) -> Judge:
        y = held.y.astype(np.float64)
        centre = np.average(y, axis=0, weights=held.weight)
        return Judge(float(np.average((y - centre) ** 2, axis=0, weights=held.weight).mean()))
