"""scikit-learn's methods: histogram gradient boosting, the multi-layer perceptron, linear models."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from contest.scores import validation_scores
from contest.search import Params, Part, Trained, log_integer, log_uniform

ROUNDS, PATIENCE = 1000, 50  # of boosting
EPOCHS, PATIENCE_EPOCHS = 400, 20  # of the perceptron


class Hist:
    """HistGradientBoosting: categories and missing values as such.

    It cannot be interrupted, so five trees are timed first and as many are asked for as the deadline
    allows.
    """

    def __init__(self, task: str, classes: int, seed: int, threads: int) -> None:
        self.classification = task != "regression"
        self.kind = HistGradientBoostingRegressor
        if self.classification:
            self.kind = HistGradientBoostingClassifier
        self.fixed: Params = {"categorical_features": "from_dtype", "random_state": seed}
        self.kept: dict[str, pd.Index] = {}

    def candidates(self, rng: np.random.Generator) -> Iterator[Params]:
        """Yield the defaults, then draws."""
        yield {}
        while True:
            yield {
                "learning_rate": log_uniform(rng, 0.02, 0.3),
                "max_leaf_nodes": log_integer(rng, 7, 127),
                "min_samples_leaf": int(rng.integers(2, 61)),
                "l2_regularization": log_uniform(rng, 1e-3, 10),
                "max_features": float(rng.uniform(0.4, 1)),
            }

    def _fewer(self, x: pd.DataFrame) -> pd.DataFrame:
        """Keep the 250 most frequent categories of a column: it takes no more than 255."""
        return x.assign(**{c: x[c].cat.set_categories(kept) for c, kept in self.kept.items()})

    def prepare(self, part: Part) -> Part:
        """Return the rows with categories that it takes."""
        for name in part.x:
            named = isinstance(part.x[name].dtype, pd.CategoricalDtype)
            if named and name not in self.kept and len(part.x[name].cat.categories) > 250:
                self.kept[name] = part.x[name].value_counts().index[:250]
        valid = None if part.x_valid is None else self._fewer(part.x_valid)
        return Part(self._fewer(part.x), part.y, valid, part.y_valid)

    def train(self, params: Params, data: Part, deadline: float) -> Trained:
        """Train with early stopping."""
        began = time.perf_counter()
        self.kind(**self.fixed, **params, max_iter=5, early_stopping=False).fit(data.x, data.y)
        each = (time.perf_counter() - began) / 5
        most = int(np.clip((deadline - time.perf_counter()) / each, 5, ROUNDS))
        stop: Params = {"early_stopping": True, "n_iter_no_change": PATIENCE, "scoring": "loss"}
        model = self.kind(**self.fixed, **params, **stop, max_iter=most)
        model.fit(data.x, data.y, X_val=data.x_valid, y_val=data.y_valid)
        best = max(1, int(np.argmax(model.validation_score_)))  # the first score is that of no tree
        return Trained(self._answer(model, best), best, model.n_iter_)

    def refit(self, params: Params, data: Part, rounds: int, deadline: float) -> Trained:
        """Train for a number of rounds."""
        model = self.kind(**self.fixed, **params, max_iter=rounds, early_stopping=False)
        model.fit(data.x, data.y)
        return Trained(self._answer(model, rounds), rounds, rounds)

    def _answer(self, model: Any, rounds: int) -> Any:
        def predict(x: pd.DataFrame) -> np.ndarray:
            x = self._fewer(x)
            if rounds == model.n_iter_:
                return model.predict_proba(x) if self.classification else model.predict(x)
            stages = model.staged_predict_proba(x) if self.classification else model.staged_predict(x)
            return next(islice(stages, rounds - 1, None))

        return predict


def columns(scaler: Any) -> Any:
    """Return what makes numbers of a frame: imputed (with an indicator) and scaled, or one-hot."""
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), scaler
    )
    names = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=100, sparse_output=False)
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (names, make_column_selector(dtype_include="category")),
    )


class Numbers:
    """Rows as numbers, by each scaling that is asked for; a numeric target standardised."""

    def __init__(self, part: Part, classification: bool, seed: int) -> None:
        self.part, self.seed, self.known = part, seed, {}
        y = part.y
        self.middle, self.unit = float(y.mean()), float(y.std()) or 1.0
        if classification:
            self.middle, self.unit = 0.0, 1.0
        self.y = y if classification else (y - self.middle) / self.unit

    def by(self, scaling: str) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Return the transformer, the rows and the validation rows, float32."""
        if scaling not in self.known:
            n = min(1000, max(10, len(self.y) // 30))
            normal = QuantileTransformer(
                n_quantiles=n, output_distribution="normal", random_state=self.seed, subsample=None
            )
            change = columns(StandardScaler() if scaling == "standard" else normal)
            x = change.fit_transform(self.part.x).astype(np.float32)
            there = self.part.x_valid
            valid = None if there is None else change.transform(there).astype(np.float32)
            self.known[scaling] = (change, x, valid)
        return self.known[scaling]

    def back(self, answer: np.ndarray) -> np.ndarray:
        """Return numbers in the target's unit."""
        return answer * self.unit + self.middle if answer.ndim == 1 else answer


class Perceptron:
    """MLPClassifier and MLPRegressor, epoch by epoch (`partial_fit`), the best epoch's weights kept.

    The space: widths and depths of Gorishniy et al. (2021) as far as seconds allow, their learning
    rates (upwards to 1e-2), L2, the batch size, and whether numbers are standardised or made normal by
    their quantiles.
    """

    def __init__(self, task: str, classes: int, seed: int, threads: int) -> None:
        self.classification, self.classes, self.seed = task != "regression", classes, seed
        self.kind = MLPClassifier if self.classification else MLPRegressor

    def candidates(self, rng: np.random.Generator) -> Iterator[Params]:
        """Yield the defaults, then draws."""
        yield {"scaling": "standard"}
        while True:
            width, depth = log_integer(rng, 32, 512), int(rng.integers(1, 4))
            yield {
                "scaling": str(rng.choice(["standard", "quantile"])),
                "hidden_layer_sizes": (width,) * depth,
                "learning_rate_init": log_uniform(rng, 3e-4, 1e-2),
                "alpha": log_uniform(rng, 1e-6, 1),
                "batch_size": int(rng.choice([64, 128, 256])),
            }

    def prepare(self, part: Part) -> Numbers:
        """Return the rows, to be made numbers as a candidate wants them."""
        return Numbers(part, self.classification, self.seed)

    def train(self, params: Params, data: Numbers, deadline: float) -> Trained:
        """Train with early stopping."""
        return self._run(params, data, EPOCHS, deadline, stop=True)

    def refit(self, params: Params, data: Numbers, rounds: int, deadline: float) -> Trained:
        """Train for a number of epochs."""
        return self._run(params, data, rounds, deadline, stop=False)

    def _run(self, params: Params, data: Numbers, epochs: int, deadline: float, stop: bool) -> Trained:
        rest = {k: v for k, v in params.items() if k != "scaling"}
        if "batch_size" in rest:
            rest["batch_size"] = min(rest["batch_size"], len(data.y))
        change, x, valid = data.by(params["scaling"])
        model, best, epoch = self.kind(random_state=self.seed, **rest), (np.inf, 0, None), 0
        known = {"classes": np.arange(self.classes)} if self.classification else {}
        while epoch < epochs and (epoch == 0 or time.perf_counter() < deadline):
            model.partial_fit(x, data.y, **(known if epoch == 0 else {}))
            epoch += 1
            if stop:
                loss = validation_scores(data.part.y_valid, self._apply(model, data, valid))[1]
                if loss < best[0]:
                    best = (loss, epoch, [w.copy() for w in (*model.coefs_, *model.intercepts_)])
                if epoch - best[1] >= PATIENCE_EPOCHS:
                    break
        if stop and best[2] is not None:
            layers = len(model.coefs_)
            model.coefs_, model.intercepts_ = best[2][:layers], best[2][layers:]

        def predict(frame: pd.DataFrame) -> np.ndarray:
            return self._apply(model, data, change.transform(frame).astype(np.float32))

        return Trained(predict, best[1] or epoch, epoch)

    def _apply(self, model: Any, data: Numbers, x: np.ndarray) -> np.ndarray:
        return model.predict_proba(x) if self.classification else data.back(model.predict(x))


class Linear:
    """Logistic or ridge regression on one-hot and standardised columns, over a grid of penalties."""

    def __init__(self, task: str, classes: int, seed: int, threads: int) -> None:
        self.classification, self.seed = task != "regression", seed

    def candidates(self, rng: np.random.Generator) -> Iterator[Params]:
        """Yield the defaults, then the rest of the grid, from the middle outwards."""
        for power in (0, -1, 1, -2, 2, -3, 3, -4, 4):
            yield {"C" if self.classification else "alpha": 10.0**power}

    def prepare(self, part: Part) -> Numbers:
        """Return the rows as numbers."""
        return Numbers(part, self.classification, self.seed)

    def train(self, params: Params, data: Numbers, deadline: float) -> Trained:
        """Fit; nothing stops it early."""
        change, x, _ = data.by("standard")
        model = LogisticRegression(max_iter=300, **params) if self.classification else Ridge(**params)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x.astype(np.float64), data.y)

        def predict(frame: pd.DataFrame) -> np.ndarray:
            rows = change.transform(frame)
            return model.predict_proba(rows) if self.classification else data.back(model.predict(rows))

        return Trained(predict, 1, 1)

    def refit(self, params: Params, data: Numbers, rounds: int, deadline: float) -> Trained:
        """Fit on all rows."""
        return self.train(params, data, deadline)
