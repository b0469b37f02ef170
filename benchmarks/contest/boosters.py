"""XGBoost, LightGBM and CatBoost, each with its own handling of categories and missing values.

The spaces are those of TabRepo (Salinas and Erickson 2023: learning rate, size of trees, least rows of
a leaf, shares of columns, L2) with subsampling as in Grinsztajn et al. (2022), and with learning rates
from 0.02 to 0.3, since a fit has seconds. Trees are added until the validation's log loss (or squared
error) has not improved for 50 rounds, or the deadline; the best round is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from contest.search import Params, Part, Trained, log_integer, log_uniform

ROUNDS, PATIENCE = 2000, 50
ONE_BY_ONE = 1000  # names: XGBoost's sets of names overfit a column with hundreds of them


class Xgboost:
    """XGBoost: histograms, categories as such."""

    def __init__(self, task: str, classes: int, seed: int, threads: int) -> None:
        import xgboost

        self.lib, self.threads, self.named = xgboost, threads, False
        kind, metric = {
            "binary": ("binary:logistic", "logloss"),
            "multiclass": ("multi:softprob", "mlogloss"),
            "regression": ("reg:squarederror", "rmse"),
        }[task]
        self.fixed: Params = {"objective": kind, "eval_metric": metric, "tree_method": "hist"}
        self.fixed |= {"seed": seed, "nthread": self.threads, "verbosity": 0}
        if task == "multiclass":
            self.fixed["num_class"] = classes
        self.binary, self.metric = task == "binary", metric

    def candidates(self, rng: np.random.Generator) -> Iterator[Params]:
        """Yield the defaults (with names, also splits for one name at a time), then draws."""
        yield {}
        if self.named:
            yield {"max_cat_to_onehot": ONE_BY_ONE}
        while True:
            yield {
                "max_cat_to_onehot": int(rng.choice([4, ONE_BY_ONE])),
                "learning_rate": log_uniform(rng, 0.02, 0.3),
                "max_depth": int(rng.integers(3, 11)),
                "min_child_weight": log_uniform(rng, 0.01, 10),
                "subsample": float(rng.uniform(0.5, 1)),
                "colsample_bytree": float(rng.uniform(0.5, 1)),
                "reg_lambda": log_uniform(rng, 0.01, 10),
            }

    def prepare(self, part: Part) -> Any:
        """Return binned rows; the validation rows in the training rows' bins."""
        make = self.lib.QuantileDMatrix
        self.named = any(len(part.x[c].cat.categories) > 4 for c in part.x.select_dtypes("category"))
        rows = make(part.x, label=part.y, enable_categorical=True, nthread=self.threads)
        if part.x_valid is None:
            return rows, None
        return rows, make(
            part.x_valid, label=part.y_valid, ref=rows, enable_categorical=True, nthread=self.threads
        )

    def _answer(self, booster: Any, rounds: int) -> Any:
        def predict(x: pd.DataFrame) -> np.ndarray:
            p = booster.inplace_predict(x, iteration_range=(0, rounds))
            return np.column_stack([1 - p, p]) if self.binary else p

        return predict

    def train(self, params: Params, data: Any, deadline: float) -> Trained:
        """Train with early stopping."""
        return self._run(params, data, ROUNDS, deadline)

    def refit(self, params: Params, data: Any, rounds: int, deadline: float) -> Trained:
        """Train for a number of rounds."""
        return self._run(params, (data[0], None), rounds, deadline)

    def _run(self, params: Params, data: Any, rounds: int, deadline: float) -> Trained:
        class Stop(self.lib.callback.TrainingCallback):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                return time.perf_counter() > deadline

        rows, valid = data
        calls: list[Any] = [Stop()]
        history: dict[str, Any] = {}
        more: dict[str, Any] = {}
        if valid is not None:
            calls.append(self.lib.callback.EarlyStopping(rounds=PATIENCE))
            more = {"evals": [(valid, "valid")], "evals_result": history, "verbose_eval": False}
        settings = self.fixed | params
        booster = self.lib.train(settings, rows, num_boost_round=rounds, callbacks=calls, **more)
        ran = booster.num_boosted_rounds()
        best = int(np.argmin(history["valid"][self.metric])) + 1 if history else ran
        return Trained(self._answer(booster, best), best, ran)


class Lightgbm:
    """LightGBM: categories as such."""

    def __init__(self, task: str, classes: int, seed: int, threads: int) -> None:
        import lightgbm

        self.lib, self.threads = lightgbm, threads
        kind, self.metric = {
            "binary": ("binary", "binary_logloss"),
            "multiclass": ("multiclass", "multi_logloss"),
            "regression": ("regression", "l2"),
        }[task]
        self.fixed: Params = {
            "objective": kind,
            "metric": self.metric,
            "num_threads": self.threads,
            "seed": seed,
        }
        self.fixed |= {
            "verbosity": -1,
            "deterministic": True,
            "force_col_wise": True,
            "feature_pre_filter": False,
        }
        if task == "multiclass":
            self.fixed["num_class"] = classes
        self.binary = task == "binary"

    def candidates(self, rng: np.random.Generator) -> Iterator[Params]:
        """Yield the defaults, then draws."""
        yield {}
        while True:
            yield {
                "learning_rate": log_uniform(rng, 0.02, 0.3),
                "num_leaves": log_integer(rng, 7, 255),
                "min_data_in_leaf": int(rng.integers(2, 61)),
                "feature_fraction": float(rng.uniform(0.4, 1)),
                "bagging_fraction": float(rng.uniform(0.5, 1)),
                "bagging_freq": 1,
                "lambda_l2": log_uniform(rng, 1e-3, 10),
                "extra_trees": bool(rng.integers(2)),
            }

    def prepare(self, part: Part) -> Any:
        """Return binned rows."""
        fixed = {"verbosity": -1, "feature_pre_filter": False, "num_threads": self.threads}
        rows = self.lib.Dataset(part.x, part.y, params=fixed, free_raw_data=False)
        valid = None if part.x_valid is None else rows.create_valid(part.x_valid, part.y_valid)
        return rows, valid

    def train(self, params: Params, data: Any, deadline: float) -> Trained:
        """Train with early stopping."""
        return self._run(params, data, ROUNDS, deadline)

    def refit(self, params: Params, data: Any, rounds: int, deadline: float) -> Trained:
        """Train for a number of rounds."""
        return self._run(params, (data[0], None), rounds, deadline)

    def _run(self, params: Params, data: Any, rounds: int, deadline: float) -> Trained:
        rows, valid = data
        history: dict[str, Any] = {}

        def stop(env: Any) -> None:
            if time.perf_counter() > deadline:
                raise self.lib.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

        calls = [stop]
        if valid is not None:
            calls = [
                self.lib.record_evaluation(history),
                self.lib.early_stopping(PATIENCE, verbose=False),
                stop,
            ]
        booster = self.lib.train(
            self.fixed | params,
            rows,
            rounds,
            valid_sets=[valid] if valid is not None else None,
            callbacks=calls,
        )
        path = history["valid_0"][self.metric] if history else []
        ran = len(path) or booster.current_iteration()
        best = int(np.argmin(path)) + 1 if path else ran

        def predict(x: pd.DataFrame) -> np.ndarray:
            p = booster.predict(x, num_iteration=best, num_threads=self.threads)
            return np.column_stack([1 - p, p]) if self.binary else p

        return Trained(predict, best, ran)


class Catboost:
    """CatBoost: categories as strings; at most 1,000 iterations, or what a third of the search allows.

    Its own learning rate follows from the number of iterations, so a number that cannot be reached
    would handicap it.
    """

    alone = True  # two fits at a time in one process crash it

    def __init__(self, task: str, classes: int, seed: int, threads: int) -> None:
        import catboost

        self.lib, self.threads, self.classification = catboost, threads, task != "regression"
        loss = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}[task]
        self.fixed: Params = {"loss_function": loss, "random_seed": seed, "thread_count": self.threads}
        self.fixed |= {"verbose": False, "allow_writing_files": False}
        self.most = 0

    def candidates(self, rng: np.random.Generator) -> Iterator[Params]:
        """Yield the defaults, then draws."""
        yield {}
        while True:
            yield {
                "learning_rate": log_uniform(rng, 0.02, 0.3),
                "depth": int(rng.integers(4, 9)),
                "l2_leaf_reg": log_uniform(rng, 1, 10),
                "max_ctr_complexity": int(rng.integers(1, 6)),
                "one_hot_max_size": int(rng.choice([2, 3, 5, 10])),
                "grow_policy": str(rng.choice(["SymmetricTree", "Depthwise"])),
            }

    def _pool(self, x: pd.DataFrame, y: np.ndarray | None = None) -> Any:
        named = [c for c in x if isinstance(x[c].dtype, pd.CategoricalDtype)]
        texts = {c: x[c].astype(object).where(x[c].notna(), "(missing)").astype(str) for c in named}
        x = x.assign(**texts)
        return self.lib.Pool(x, y, cat_features=named, thread_count=self.threads)

    def prepare(self, part: Part) -> Any:
        """Return pools."""
        valid = None if part.x_valid is None else self._pool(part.x_valid, part.y_valid)
        return self._pool(part.x, part.y), valid

    def _iterations(self, data: Any, deadline: float) -> int:
        began = time.perf_counter()
        self.lib.CatBoost(self.fixed | {"iterations": 10}).fit(data[0])
        each = (time.perf_counter() - began) / 10
        return int(np.clip((deadline - time.perf_counter()) / 3 / each, 30, 1000))

    def train(self, params: Params, data: Any, deadline: float) -> Trained:
        """Train with early stopping."""
        self.most = self.most or self._iterations(data, deadline)
        return self._run(params | {"iterations": self.most}, data, deadline)

    def refit(self, params: Params, data: Any, rounds: int, deadline: float) -> Trained:
        """Train for a number of rounds, at the learning rate of before."""
        rate = {} if "learning_rate" in params else {"learning_rate": self.rate}
        return self._run(params | rate | {"iterations": rounds}, (data[0], None), deadline)

    def _run(self, params: Params, data: Any, deadline: float) -> Trained:
        class Stop:
            def after_iteration(self, info: Any) -> bool:
                return time.perf_counter() < deadline

        more: dict[str, Any] = {}
        if data[1] is not None:
            more = {"eval_set": data[1], "early_stopping_rounds": PATIENCE, "use_best_model": True}
        model = self.lib.CatBoost(self.fixed | params)
        model.fit(data[0], callbacks=[Stop()], **more)
        if "learning_rate" not in params:
            self.rate = model.learning_rate_
        history = model.get_evals_result().get("validation") if data[1] is not None else None
        ran = len(next(iter(history.values()))) if history else model.tree_count_
        kind = "Probability" if self.classification else "RawFormulaVal"

        def predict(x: pd.DataFrame) -> np.ndarray:
            return model.predict(self._pool(x), prediction_type=kind, thread_count=self.threads)

        return Trained(predict, model.tree_count_, ran)
