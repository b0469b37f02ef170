"""`NarrowingSearchCV`: a search whose ranges narrow and widen, with scikit-learn's conventions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection._search import BaseSearchCV  # what its own searches derive from
from sklearn.utils import check_random_state

from goodfit.errors import InputError, must_be
from goodfit.search.budget import parse_budget
from goodfit.search.region import Region
from goodfit.search.space import Choice, Point, Range, Space
from goodfit.search.zoom import Outcome, at_large, zoom

ROUNDS = 6  # in which the candidates are drawn
LEAST = 6  # candidates a round, at least
LEVEL = 0.05


class NarrowingSearchCV(BaseSearchCV):
    """Search a space in rounds, each drawn where the last ones were good.

    Candidates of a round fill the region evenly (quasi-random). Then a side of a range moves inwards if
    the candidates beyond it rank worse by Mann and Whitney's test, and outwards if the best stands at that
    edge and the range has a ``floor`` or ``ceiling`` beyond it; an option is dropped if its candidates rank
    worse than all others. A fifth of each round's candidates comes from the full space.

    Args:
        estimator: anything with scikit-learn's ``fit`` and ``set_params``.
        space: what may be tried: a `Space`, or a mapping from parameter names to ranges (`uniform`,
            `log_uniform`, `integer`), to options (a list or `choice`), or to frozen ``uniform``,
            ``loguniform`` and ``randint`` of scipy.stats, as RandomizedSearchCV takes them. A parameter that
            exists only under an option stands below it:
            ``{"kernel": choice({"rbf": {"gamma": ...}, "linear": {}})}``.
        n_iter: candidates in all.
        budget: a time such as ``"2min"`` after which no further round begins, or None.
        scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score: as in
            scikit-learn's RandomizedSearchCV. Of several metrics, ``refit`` names the one to rank by.
        random_state: seed of the draws.

    Attributes:
        cv_results_, best_estimator_, best_params_, best_score_, best_index_, scorer_, n_splits_, refit_time_,
        multimetric_: as in scikit-learn. ``cv_results_["round"]`` is the round, from 0.
        region_: the `Region` at the end.
        moves_: for each round what moved after it, a list of `Move`.
        alike_: indices of the candidates that cannot be told from the best, the best first.

    Raises:
        InputError: the space or the budget cannot be used.
    """

    def __init__(
        self,
        estimator: Any,
        space: Space | Mapping[str, Any],
        *,
        n_iter: int = 60,
        budget: str | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        self.space = space
        self.n_iter = n_iter
        self.budget = budget
        self.random_state = random_state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        if not isinstance(self.n_iter, int | np.integer) or self.n_iter < 1:
            raise must_be("n_iter", "a whole number >= 1", self.n_iter)
        space = as_space(self.space)
        seconds = _seconds(self.budget)
        seed = int(check_random_state(self.random_state).randint(2**31))
        self.region_, self.moves_ = Region.whole(space), []
        points: list[Point] = []
        began, number = time.monotonic(), 0
        whole = _Task.under(callback_ctx, self, "search", -(-self.n_iter // self._each()))
        while len(points) < self.n_iter and not (points and time.monotonic() - began > seconds):
            rng = np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))
            count = min(self._each(), self.n_iter - len(points))
            new = self._draw(space, count, rng)
            points += new
            task = _Task.under(whole.context, self, "round", count * self.n_splits_, at_once=True)
            results = evaluate_candidates(
                [_parameters(space, point) for point in new],
                more_results={"round": [number] * len(new)},
                **task.passed(),
            )
            task.end()
            scores = np.asarray(results[f"mean_test_{self._metric()}"], np.float64)
            order = np.argsort(np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable"))
            outcomes = [Outcome(point, float(rank)) for point, rank in zip(points, order, strict=True)]
            self.region_, moves = zoom(self.region_, outcomes)
            self.moves_.append(moves)
            number += 1
        whole.end()
        self.alike_ = _alike(results, self._metric())

    def _each(self) -> int:
        """Return the candidates of a round."""
        return max(LEAST, -(-self.n_iter // ROUNDS))

    def _draw(self, space: Space, count: int, rng: np.random.Generator) -> list[Point]:
        """Return a round's points: most from the region, some from the full space after the first round."""
        wide = at_large(count) if self.moves_ else 0
        return self.region_.sample(count - wide, rng) + Region.whole(space).sample(wide, rng)

    def _metric(self) -> str:
        """Return what ``cv_results_`` calls the metric that candidates are ranked by."""
        refit: Any = self.refit
        scoring: Any = self.scoring
        if isinstance(refit, str):
            return refit
        return next(iter(scoring)) if isinstance(scoring, Mapping | list | tuple | set) else "score"


@dataclass(frozen=True)
class _Task:
    """A part of the search as scikit-learn's callbacks (1.9 and newer) see it; without them nothing."""

    context: Any
    estimator: Any

    @classmethod
    def under(cls, above: Any, estimator: Any, name: str, parts: int, *, at_once: bool = False) -> _Task:
        """Begin a task of so many parts, one after another or at once, under another one."""
        if above is None:
            return cls(None, estimator)
        context = above.subcontext(task_name=name, max_subtasks=parts, sequential_subtasks=not at_once)
        return cls(context.call_on_fit_task_begin(estimator=estimator), estimator)

    def passed(self) -> dict[str, Any]:
        """Return what scikit-learn is to be told of the task."""
        return {} if self.context is None else {"callback_ctx": self.context}

    def end(self) -> None:
        """End it."""
        if self.context is not None:
            self.context.call_on_fit_task_end(estimator=self.estimator)


def as_space(given: Space | Mapping[str, Any]) -> Space:
    """Return the space that a user's mapping means; lists are options, scipy's distributions are ranges.

    Raises:
        InputError: an entry is none of these.
    """
    if isinstance(given, Space):
        return given
    if not isinstance(given, Mapping):
        raise must_be("space", "a Space or a mapping of parameter names to ranges and options", given)
    return Space({name: _node(name, value) for name, value in given.items()})


def _node(name: str, value: Any) -> Any:
    if isinstance(value, Range):
        return value
    if isinstance(value, Choice):
        below = tuple({k: _node(f"{name}.{k}", v) for k, v in under.items()} for under in value.under)
        return Choice(value.options, below)
    kind = getattr(getattr(value, "dist", None), "name", None)
    if kind in ("uniform", "loguniform", "reciprocal", "randint"):
        low, high = map(float, value.support())
        return Range(low, high, log=kind in ("loguniform", "reciprocal"), whole=kind == "randint")
    if isinstance(value, list | tuple | np.ndarray):
        return Choice(tuple(value))
    raise InputError(
        f"The space's {name!r} must be a range (uniform, log_uniform, integer), a list of options, a choice, "
        f"or scipy's uniform, loguniform or randint; got {value!r}."
    )


def _parameters(space: Space, point: Point) -> dict[str, Any]:
    """Return the estimator's parameters at a point: the last part of each path names one."""
    return {path.rsplit(".", 1)[-1]: value for path, value in space.values(point).items()}


def _seconds(budget: str | None) -> float:
    if budget is None:
        return float("inf")
    seconds = parse_budget(budget).seconds
    if seconds is None:
        raise must_be("budget", "a time such as 2min (n_iter counts candidates)", budget)
    return seconds


def _alike(results: Mapping[str, Any], metric: str) -> np.ndarray:
    """Return the indices of candidates that cannot be told from the best, the best first.

    A candidate is told apart if the 95 % interval of its paired difference over the splits lies below 0,
    widened for all candidates (Bonferroni) and for the rows that training sets share (Nadeau and Bengio 2003,
    with a test share of 1 / splits).
    """
    from scipy.stats import t as student

    splits = sorted(key for key in results if key.startswith("split") and key.endswith(f"_test_{metric}"))
    scores = np.array([results[key] for key in splits], np.float64).T  # (candidates, splits)
    mean = scores.mean(axis=1)
    order = np.argsort(-np.nan_to_num(mean, nan=-np.inf), kind="stable")
    k = scores.shape[1]
    if k < 2:
        return order[np.isfinite(mean[order])]
    behind = scores[order[0]] - scores
    error = behind.std(axis=1, ddof=1) * np.sqrt(1 / k + 1 / (k - 1))
    reach = student.ppf(1 - LEVEL / 2 / max(1, len(order) - 1), k - 1) * error
    with np.errstate(invalid="ignore"):
        same = behind.mean(axis=1) <= reach
    return order[same[order]]
