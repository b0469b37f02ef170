"""The problem that prepared data pose, in the terms of engine, metrics and ensemble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from goodfit.data.prepare import Part, Prepared
from goodfit.model.baseline import fit_linear, guess
from goodfit.network import Network
from goodfit.stats.intervals import score_interval
from goodfit.stats.metrics import Metric, get_metric


@dataclass(frozen=True, eq=False)
class Problem:
    """The prepared data as the engine and the metrics want it."""

    data: Prepared
    metric: Metric
    network: Network
    by_error: bool

    @property
    def task(self) -> str:
        """Classification or regression."""
        return self.data.codec.task

    def targets(self, part: Part) -> np.ndarray:
        """Return what a network learns: class numbers, or standardised numbers (n, 1)."""
        if self.task == "classification":
            return part.y
        return self.data.codec.standardise(part.y).astype(np.float32)[:, None]

    def holdout_weight(self, part: Part) -> np.ndarray:
        """Return the rows' weights when trials are ranked: balanced by class where the metric is."""
        if self.metric.name != "balanced_accuracy":
            return part.weight
        counts = np.bincount(part.y, minlength=len(self.data.codec.classes))
        return part.weight * (len(part.y) / np.maximum(counts, 1))[part.y]

    def answer(self, outputs: np.ndarray) -> np.ndarray:
        """Return what the metric takes: probabilities, or numbers in the target's unit."""
        return outputs if self.task == "classification" else self.data.codec.restore(outputs)

    def cost(self, part: Part) -> Callable[[np.ndarray], float]:
        """Return what the ensemble is chosen by: log loss, which still tells networks apart where their
        accuracies tie, or the mean squared (absolute) error."""
        weight = self.holdout_weight(part) / self.holdout_weight(part).sum()
        if self.task == "classification":
            rows = np.arange(len(part.y))
            return lambda p: float(-(weight * np.log(np.maximum(p[rows, part.y], 1e-15))).sum())
        y = self.data.codec.standardise(part.y)
        power = 1 if self.metric.name == "mae" else 2
        return lambda p: float((weight * np.abs(p - y) ** power).sum())

    def score(self, part: Part, outputs: np.ndarray) -> dict[str, float]:
        """Return score, low and high of outputs on a part's rows."""
        found = score_interval(self.metric, part.y, self.answer(outputs), part.weight, seed=0)
        return dict(zip(("score", "low", "high"), map(float, found), strict=True))

    @cached_property
    def _linear(self) -> Callable[[np.ndarray], np.ndarray]:
        train = self.data.train
        y, classes = self.targets(train).reshape(len(train.x)), len(self.data.codec.classes)
        return fit_linear(self.task, train.x, y, train.loss_weight, classes, self.data.request.seed)

    def baselines(self, part: Part, name: str) -> dict[str, dict[str, Any]]:
        """Return the scores of guessing and of a linear model on a part, under ``name``."""
        train, classes = self.data.train, len(self.data.codec.classes)
        y = self.targets(train).reshape(len(train.x))
        guessed = guess(self.task, y, train.weight, classes, len(part.x))
        shown = "majority" if self.task == "classification" else "mean"
        return {
            shown: {name: self.score(part, guessed)},
            "linear": {name: self.score(part, self._linear(part.x))},
        }

    def score_of(self, error: float, loss: float) -> float:
        """Return a member's metric where its error or loss on validation rows tells it, else the loss."""
        name, codec = self.metric.name, self.data.codec
        if name in ("accuracy", "balanced_accuracy"):
            return 1.0 - error
        if name == "r2":
            valid = self.data.valid
            mean = np.average(valid.y, weights=valid.weight)
            return float(
                1.0 - error * codec.y_scale**2 / np.average((valid.y - mean) ** 2, weights=valid.weight)
            )
        if name == "rmse":
            return float(np.sqrt(error)) * codec.y_scale
        return error * codec.y_scale if name == "mae" else loss


def make_problem(data: Prepared, metric_name: str | None) -> Problem:
    """Return the problem that the data pose; the metric is accuracy or R² unless named."""
    task, codec = data.codec.task, data.codec
    default = "accuracy" if task == "classification" else "r2"
    if task == "classification" and data.request.class_weight is not None:
        default = "balanced_accuracy"
    metric = get_metric(metric_name or default, task)
    scale = 1.0 / data.schema.pixel_max if data.schema.image_shape else 1.0
    width = data.schema.width
    if task == "classification":
        network = Network(width, len(codec.classes), "softmax_cross_entropy", scale)
    else:
        network = Network(width, 1, "absolute_error" if metric.name == "mae" else "squared_error", scale)
    by_error = metric.name in ("accuracy", "balanced_accuracy", "r2", "rmse", "mae")
    return Problem(data, metric, network, by_error)
