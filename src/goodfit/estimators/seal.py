"""`Seal`: set rows aside for one final exam, and write down each time they are looked at."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.utils import _safe_indexing

from goodfit.data.leaks import leak_notes
from goodfit.data.seal import SCORE, Ledger
from goodfit.data.split import Split, make_split
from goodfit.data.table import Table, raw_columns
from goodfit.data.target import infer_task
from goodfit.data.values import is_missing, normalise
from goodfit.errors import InputError, must_be
from goodfit.stats.intervals import score_interval
from goodfit.stats.metrics import Metric, get_metric


@dataclass(frozen=True)
class Opening:
    """One model's exam on the sealed rows: its score with a 95 % interval, and which opening it was."""

    metric: str
    score: float
    low: float
    high: float
    number: int  # the n-th model examined on these rows

    def __str__(self) -> str:
        return f"{self.metric} {self.score:.4f} [{self.low:.4f}, {self.high:.4f}], opening {self.number}"


class Seal:
    """Rows set aside that choose nothing: train on ``X`` and ``y``, examine one model at the end.

        seal = Seal(X, y, ledger="exam.jsonl")
        model = search.fit(seal.X, seal.y)
        print(seal.open(model))

    Every opening is in the ledger before a row is handed out; the same model again is the same opening.
    Nothing stops you from opening often, but the ledger, and every later opening, says that you did.

    Args:
        X: (rows, columns) array or DataFrame.
        y: (rows,) classes or numbers.
        ledger: the file of openings; made at the first.
        test_size: share of the rows to seal.
        groups: (rows,) rows of equal value stay on one side.
        times: (rows,) the latest rows are sealed.
        random_state: seed of the draw.

    Attributes:
        X, y: the rows that are not sealed.
        rows: their numbers in what was given.
        sealed: how many rows are sealed.
        task: ``"classification"`` or ``"regression"``.

    Raises:
        InputError: too few rows, unequal lengths, missing targets.

    Warns of sealed rows whose inputs also occur among the others, and of columns that look like owners of
    rows.
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        ledger: str | Path,
        test_size: float = 0.2,
        groups: Any = None,
        times: Any = None,
        random_state: int = 0,
    ) -> None:
        table = _table(X, y)
        values, kind = table.columns[TARGET], table.kinds[TARGET]
        self.task, _ = infer_task(values, kind)
        self._classes, codes = np.unique(np.asarray(y), return_inverse=True)
        if self.task == "regression":
            codes = values.astype(np.float64)
        split = make_split(
            self.task, codes, seed=random_state, groups=groups, time=times, sealed_share=test_size
        )
        self.rows = np.setdiff1d(np.arange(len(codes)), split.sealed)
        self.X, self.y = _safe_indexing(X, self.rows), _safe_indexing(y, self.rows)
        self.sealed = len(split.sealed)
        self.__X, self.__y = _safe_indexing(X, split.sealed), codes[split.sealed]
        self._ledger = Ledger(ledger, table.take(split.sealed).content_hash(), self.sealed)
        inputs = [name for name in table.columns if name != TARGET]
        whole = Split(self.rows, split.valid, split.sealed)
        told = groups is not None or times is not None
        for note in leak_notes(table, whole, inputs, TARGET, group=None, by_time=told):
            told_here = note.replace("give --group ", "give them as groups: ").replace("--group", "groups")
            warnings.warn(told_here, stacklevel=2)

    def __repr__(self) -> str:
        return f"Seal({len(self.rows)} rows, {self.sealed} sealed, opened {len(self.openings())} times)"

    def openings(self) -> list[dict[str, Any]]:
        """Return what the ledger knows of each opening: number, time, model, reason, metric and score."""
        return self._ledger.openings()

    def open(self, model: Any, *, metric: str | None = None, reason: str = "exam") -> Opening:
        """Examine a model on the sealed rows, and write that down.

        Args:
            model: anything with ``predict``; for log_loss and roc_auc also ``predict_proba``, ``classes_``.
            metric: accuracy, balanced_accuracy, f1, log_loss or roc_auc for classes; r2, rmse or mae for
                numbers. Accuracy or r2 unless given.
            reason: kept in the ledger.

        Raises:
            InputError: an unknown metric, or a model that cannot predict these rows' classes.
            RunFolderError: the ledger cannot be written, or is damaged; nothing was examined then.
        """
        known = get_metric(metric or ("accuracy" if self.task == "classification" else "r2"), self.task)
        if not hasattr(model, "predict"):
            raise must_be("The model", "an object with a predict method", model)
        identity = _identity(model)
        self._ledger.open(identity, reason)
        found = score_interval(known, self.__y, self._prediction(known, model), seed=0)
        score: dict[str, float] = dict(zip(SCORE, map(float, found), strict=True))
        self._ledger.note(identity, known.name, score)
        number = next(o["number"] for o in self.openings() if o["model"] == identity)
        return Opening(known.name, **score, number=number)

    def _prediction(self, metric: Metric, model: Any) -> np.ndarray:
        """Return what the metric reads: numbers (n,), or probabilities (n, classes)."""
        if self.task == "regression":
            return np.asarray(model.predict(self.__X), np.float64).reshape(self.sealed)
        shares = np.zeros((self.sealed, len(self._classes)))
        if metric.needs == "labels":
            labels = np.asarray(model.predict(self.__X))
            shares[:] = labels[:, None] == self._classes
            return shares
        if not hasattr(model, "predict_proba"):
            raise InputError(f"{metric.name} needs a model with predict_proba, got {type(model).__name__}.")
        classes = np.asarray(getattr(model, "classes_", getattr(model, "classes", None)))
        places = np.searchsorted(self._classes, classes)
        if not np.array_equal(self._classes[np.minimum(places, len(self._classes) - 1)], classes):
            raise must_be("The model's classes", f"among {self._classes.tolist()}", classes.tolist())
        shares[:, places] = np.asarray(model.predict_proba(self.__X))
        return shares


TARGET = "the target"


def _identity(model: Any) -> str:
    """Return a hash of a model's content."""
    try:
        return str(joblib.hash(model, hash_name="sha1"))
    except Exception as error:
        raise InputError(
            f"The model cannot be told from others, since it cannot be pickled: {error}."
        ) from None


def _table(X: Any, y: Any) -> Table:
    raw = raw_columns(X)
    values = np.asarray(y)
    rows = len(next(iter(raw.values()), ()))
    if values.ndim != 1 or len(values) != rows:
        raise InputError(f"y must have one entry a row, ({rows},), got the shape {values.shape}.")
    columns, kinds = {}, {}
    for name, column in {**raw, TARGET: values}.items():
        columns[name], kinds[name] = normalise(column, name)
    gone = is_missing(columns[TARGET])
    if gone.any():
        raise InputError(f"y is missing in row {int(np.argmax(gone))}: leave out rows without a target.")
    return Table("the rows", columns, kinds)
