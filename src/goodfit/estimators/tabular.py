"""What `TabularClassifier` and `TabularRegressor` share: a table in, an ensemble trained on folds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from goodfit.data.schema import Schema, fit_schema
from goodfit.data.table import Table, join_tables
from goodfit.engine.population import Member
from goodfit.errors import InputError
from goodfit.estimators.checks import checked_weight
from goodfit.estimators.frames import checked_table, checked_target, is_frame
from goodfit.estimators.tasks import CallbackSupport, FitTasks
from goodfit.events import first_interrupt
from goodfit.model.build import Chosen, model_member
from goodfit.model.model import ModelMember
from goodfit.model.predict import member_output, weighted_mean
from goodfit.network import Network
from goodfit.packed import Pack, PackTask, fold_count, train_pack
from goodfit.search.budget import Budget, parse_budget
from goodfit.search.folds import Fold, judged_rows, make_folds

PROGRESS = 2.0  # seconds between lines, with verbose


class Tabular(CallbackSupport, BaseEstimator):
    """Base of the estimators; use `TabularClassifier` or `TabularRegressor`."""

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012, as scikit-learn has it
        "budget": [str, None],
        "cv": ["cv_object"],
        "exact": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    # --- what the two kinds fill in

    def _learn_target(self, y: np.ndarray, train: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Return targets as networks learn them, (N,) classes or (N, K) float32; keep what undoes it."""
        raise NotImplementedError

    def _shape(self, schema: Schema, target: np.ndarray) -> Network:
        """Return the shape of the problem."""
        raise NotImplementedError

    def _weighted(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return the rows' weights, those of classes multiplied in."""
        return weight

    def _cost(self, target: np.ndarray, weight: np.ndarray) -> Callable[[np.ndarray], float]:
        """Return what a prediction of these rows costs."""
        raise NotImplementedError

    def _examined(self, prediction: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
        """Keep what an ensemble's prediction of rows that no network saw in training tells of it."""
        raise NotImplementedError

    # --- fitting

    def _fit(self: Any, X: Any, y: Any, weight: Any, groups: Any, held: Any, held_weight: Any) -> Any:
        began, given = time.monotonic(), (X, y, weight)
        budget = None if self.budget is None else parse_budget(self.budget)
        table = checked_table(self, X, reset=True)
        rows = table.rows
        y, weight = checked_target(y, rows), _weights(weight, rows, "sample_weight")
        if held is not None:
            table, y, weight = self._joined(table, y, weight, held, held_weight)
        elif held_weight is not None:
            raise InputError("validation_sample_weight needs validation_data=(X, y) beside it.")
        counts = np.flatnonzero(weight > 0)  # a row of weight 0 is as if it were not there
        train, kept = counts[counts < rows], counts[counts >= rows]
        if len(train) < 2:
            raise InputError(f"X and y must have at least 2 rows that count, got n_samples = {len(train)}.")
        target = self._learn_target(y, train, kept)
        weight = self._weighted(y, weight)
        self.schema_ = fit_schema(table, train, target=None, identifiers=is_frame(X))
        self._tell_of_left_out()
        network = self._shape(self.schema_, target)
        folds = [Fold(train, kept)] if len(kept) else self._folds(network, target, train, groups, budget)
        judged = judged_rows(folds)
        task = PackTask(
            network,
            self.schema_.encode(table),
            target,
            weight,
            weight,
            folds,
            self._cost(target[judged], weight[judged]),
            by_error=is_classifier(self),  # label smoothing moves losses, not labels
        )
        tasks = FitTasks(self, *given, None, "network")
        pack = self._packed(task, _Watch(task, tasks, self.verbose, began), budget)
        self.members_, self.plan_ = pack.chosen.members, pack.plan
        self._examined(pack.chosen.prediction, y[judged], weight[judged])
        tasks.end()
        return self

    def _packed(self: Any, task: PackTask, watch: _Watch, budget: Budget | None) -> Pack:
        """Train; the first Ctrl-C ends it and keeps what was trained."""
        watched = self.verbose or watch.tasks.listened
        with first_interrupt() as asked:
            try:
                pack = train_pack(
                    task,
                    budget,
                    seed=int(check_random_state(self.random_state).randint(2**31)),
                    began=watch.began,
                    chunk=1 if self.exact else None,
                    on_leg=watch.see if watched else None,
                    on_ensemble=watch.take if watched else None,
                    should_stop=lambda: watch.ended or asked(),
                )
            except InputError:
                if asked():  # before there was anything to keep
                    raise KeyboardInterrupt from None
                raise
        if asked():
            warnings.warn("Training interrupted by user.", UserWarning, stacklevel=4)
        elif pack.late:
            text = (
                f"The budget {self.budget} was over before each network had begun: it got a few steps more."
            )
            warnings.warn(f"{text} With more time the model would be better.", UserWarning, stacklevel=4)
        return pack

    def _joined(self, table: Table, y: np.ndarray, weight: np.ndarray, held: Any, held_weight: Any) -> Any:
        """Return table, targets and weights with the user's validation rows at the end."""
        if not isinstance(held, tuple | list) or len(held) != 2:
            raise InputError(f"validation_data must be a pair (X, y), got {type(held).__name__}.")
        more = checked_table(self, held[0], reset=False)
        more_y = checked_target(held[1], more.rows)
        if more_y.shape[1:] != y.shape[1:]:
            raise InputError(f"validation_data has targets of shape {more_y.shape}, y has {y.shape}.")
        more_weight = _weights(held_weight, more.rows, "validation_sample_weight")
        joined, _, _ = join_tables(table, valid=more)
        return joined, np.concatenate([y, more_y]), np.concatenate([weight, more_weight])

    def _tell_of_left_out(self) -> None:
        odd = [f"{name!r} ({why})" for name, why in self.schema_.dropped if why.startswith("an identifier")]
        if odd:
            warnings.warn(f"Left out as inputs: {', '.join(odd)}.", UserWarning, stacklevel=4)

    def _folds(self: Any, network: Network, target: np.ndarray, train: np.ndarray, groups: Any, budget: Any):
        """Return the folds of the training rows, in numbers of the table's rows."""
        if groups is not None:
            groups = np.asarray(groups)
            if groups.shape != (len(target),):
                raise InputError(f"groups must have one entry a row, ({len(target)},), got {groups.shape}.")
        if self.cv is not None:
            folds = make_folds(self.cv, target, groups=groups, seed=0)
            return [Fold(np.intersect1d(f.train, train), np.intersect1d(f.valid, train)) for f in folds]
        y, groups = target[train], None if groups is None else groups[train]
        folds = fold_count(network, len(train), budget)
        cv = min(folds if folds > 1 else ONE_OF, len(train) if groups is None else len(np.unique(groups)))
        if y.ndim == 1 and (np.bincount(y)[np.unique(y)] < cv).all():  # no class for every fold
            y = y.astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes with fewer rows than there are folds
            found = make_folds(cv, y, groups=groups, seed=0)
        return [Fold(train[f.train], train[f.valid]) for f in found[: folds if folds > 1 else 1]]

    # --- prediction

    def _outputs(self: Any, X: Any) -> np.ndarray:
        """Return the ensemble's outputs, (rows, K), or (rows,) for one number, computed in float64."""
        check_is_fitted(self)
        x = self.schema_.encode(checked_table(self, X, reset=False))
        found = [member_output(m.architecture, m.params, m.running, x) for m in self.members_]
        return weighted_mean(found, [m.weight for m in self.members_])


ONE_OF = 7  # a single split holds out one row in so many


def _weights(weight: Any, rows: int, name: str) -> np.ndarray:
    """Return the rows' weights, 1 unless given, scaled to a mean of 1."""
    found = checked_weight(weight, np.empty((rows, 1)), name)
    return np.ones(rows) if found is None else found / found.mean()


class _Watch:
    """Sees networks and ensembles come: prints lines, tells callbacks of each finished network."""

    def __init__(self, task: PackTask, tasks: FitTasks, verbose: bool, began: float) -> None:
        self.task, self.tasks, self.verbose = task, tasks, verbose
        self.began, self.shown, self.ended = began, began, False
        self.steps: dict[int, int] = {}
        self.finished: list[Member] = []
        self.members: tuple[ModelMember, ...] = ()

    def see(self, member: Member) -> None:
        """Note a network after an evaluation."""
        self.steps[id(member)] = member.step
        if time.monotonic() - self.shown > PROGRESS:
            self._say(f"{len(self.steps)} networks, {sum(self.steps.values())} steps")
        if member.step >= member.horizon and not member.diverged and not self.ended:
            self.finished.append(member)
            self.ended = self.tasks.part_done(self._so_far)

    def take(self, chosen: Chosen) -> None:
        """Note the ensemble of all recipes so far."""
        self.members, loss = chosen.members, self.task.cost(chosen.prediction)
        self._say(f"an ensemble of {len(chosen.members)} networks, validation loss {loss:.4g}")

    def _say(self, text: str) -> None:
        if self.verbose:
            self.shown = time.monotonic()
            print(f"{self.shown - self.began:5.0f} s: {text}")

    def _so_far(self) -> dict[str, Any]:
        """Return the ensemble so far; before there is one, the mean of the finished networks."""
        first = tuple(model_member(self.task.network, member) for member in self.finished)
        return {"members_": self.members or first}
