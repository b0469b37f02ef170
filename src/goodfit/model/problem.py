"""The problem that prepared data pose, in the terms of engine, metrics and ensemble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from goodfit.data.prepare import Part, Prepared
from goodfit.data.seal import SCORE
from goodfit.errors import InputError
from goodfit.model.baseline import fit_linear, guess
from goodfit.network import Network
from goodfit.search.folds import Fold, fold_of_each, judged_rows, make_folds, out_of_fold
from goodfit.stats.intervals import score_interval
from goodfit.stats.metrics import Metric, get_metric

BENT = (
    "Class weights bend probabilities, as if all classes were equally common, and {} holds them against the "
    "rows as they are: it may come out worse than guessing. Leave out --class-weight, or take another metric."
)


@dataclass(frozen=True, eq=False)
class Problem:
    """The prepared data as the engine and the metrics want it; ``folds`` compare networks, or else the
    validation rows do."""

    data: Prepared
    metric: Metric
    network: Network
    folds: list[Fold] | None = None

    @property
    def task(self) -> str:
        """Classification or regression."""
        return self.data.codec.task

    @property
    def by_error(self) -> bool:
        """Whether networks are compared by their error, not by their loss."""
        return self.metric.told_by == "error"

    @cached_property
    def judges(self) -> np.ndarray:
        """Numbers of the validation rows that networks are compared on: all, or those in some fold."""
        if self.folds is None:
            return np.arange(len(self.data.valid.x))
        return judged_rows(self.folds)

    @cached_property
    def judged(self) -> Part:
        """The validation rows that networks are compared on."""
        return self.data.valid if self.folds is None else self.data.valid.take(self.judges)

    def sizes(self) -> dict[str, int]:
        """Return the numbers of rows that train, that compare networks (the same, with folds), and sealed."""
        data = self.data
        return {"train": len(data.train.x), "valid": len(self.judges), "sealed": data.sealed.rows}

    def targets(self, part: Part) -> np.ndarray:
        """Return what a network learns: class numbers, or standardised numbers (n, 1)."""
        if self.task == "classification":
            return part.y
        return self.data.codec.standardise(part.y).astype(np.float32)[:, None]

    def holdout_weight(self, part: Part) -> np.ndarray:
        """Return the rows' weights when networks are compared and the ensemble is chosen.

        Balanced by class where the metric is. Where the loss stands in for the metric, those of training,
        with the class weights that were asked for: rows that count alike would choose the networks that
        heeded these least.
        """
        if self.metric.told_by is None:
            return part.loss_weight
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
        return dict(zip(SCORE, map(float, found), strict=True))

    def _baselines(self, train: Part) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        """Return what guesses, and a linear model, from these rows."""
        y, classes = self.targets(train).reshape(len(train.x)), len(self.data.codec.classes)
        one_hot, seed = self.data.schema.one_hot, self.data.request.seed
        linear = fit_linear(self.task, one_hot(train.x), y, train.loss_weight, classes, seed)
        shown = "majority" if self.task == "classification" else "mean"
        return {
            shown: lambda x: guess(self.task, y, train.weight, classes, len(x)),
            "linear": lambda x: linear(one_hot(x)),
        }

    @cached_property
    def _trained_baselines(self) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        return self._baselines(self.data.train)

    def examined_baselines(self, part: Part) -> dict[str, dict[str, float]]:
        """Return the scores on ``part`` of guessing and of a linear model, from all training rows."""
        return {name: self.score(part, predict(part.x)) for name, predict in self._trained_baselines.items()}

    def validated_baselines(self) -> dict[str, dict[str, float]]:
        """Return the same on the rows that networks are compared on; with folds, from the fold's own rows."""
        train = self.data.train
        if self.folds is None:
            return self.examined_baselines(self.judged)
        each = [self._baselines(train.take(fold.train)) for fold in self.folds]
        found = {}
        for name in each[0]:
            outputs = [b[name](train.x[f.valid]) for b, f in zip(each, self.folds, strict=True)]
            joined = out_of_fold(self.folds, outputs, len(train.x))
            found[name] = self.score(self.judged, joined[self.judges])
        return found

    def score_of(self, error: float, loss: float) -> float:
        """Return a member's metric where its error or loss on validation rows tells it, else the loss."""
        name, codec = self.metric.name, self.data.codec
        if name in ("accuracy", "balanced_accuracy"):
            return 1.0 - error
        if name == "r2":
            valid = self.judged
            mean = np.average(valid.y, weights=valid.weight)
            return float(
                1.0 - error * codec.y_scale**2 / np.average((valid.y - mean) ** 2, weights=valid.weight)
            )
        if name == "rmse":
            return float(np.sqrt(error)) * codec.y_scale
        return error * codec.y_scale if name == "mae" else loss


def make_problem(data: Prepared, metric_name: str | None) -> Problem:
    """Return the problem that the data pose; the metric is accuracy or R² unless named.

    Raises:
        InputError: an unknown metric, or one of another task; rows that cannot be cut into such folds.

    A note goes with it where class weights were asked for and the metric punishes what they do.
    """
    task, codec = data.codec.task, data.codec
    default = "accuracy" if task == "classification" else "r2"
    if task == "classification" and data.request.class_weight is not None:
        default = "balanced_accuracy"
    metric = get_metric(metric_name or default, task)
    scale = 1.0 / data.schema.pixel_max if data.schema.image_shape else 1.0
    if task == "classification":
        outputs, loss = len(codec.classes), "softmax_cross_entropy"
    else:
        outputs, loss = 1, "absolute_error" if metric.name == "mae" else "squared_error"
    network = Network(outputs=outputs, loss=loss, input_scale=scale, **data.schema.layout)
    if metric.told_by == "loss" and data.request.class_weight is not None:
        data = replace(data, notes=(*data.notes, BENT.format(metric.name)))
    return Problem(data, metric, network, _folds(data))


def _folds(data: Prepared) -> list[Fold] | None:
    request, marks, y = data.request, data.marks, data.train.y
    if request.fold is not None:
        if len(np.unique(marks["fold"])) < 2:
            raise InputError(f"The --fold column {request.fold!r} must hold at least 2 values, got 1.")
        return fold_of_each(marks["fold"])
    if request.cv is None:
        return None
    groups, times = marks.get("group"), marks.get("time")
    return make_folds(request.cv, y, groups=groups, times=times, repeats=request.repeats, seed=request.seed)
