"""NarrowingSearchCV: scikit-learn's conventions, and ranges that move."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_iris, make_regression
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from goodfit import NarrowingSearchCV, choice, integer, log_uniform, uniform
from goodfit.errors import InputError

X, y = load_iris(return_X_y=True)


class Bowl(BaseEstimator):
    """Scores best at lr = 0.3, whatever the data; ``idle`` means nothing."""

    def __init__(self, lr=1.0, idle=0.0, kind="good"):
        self.lr, self.idle, self.kind = lr, idle, kind

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score(self, X, y=None):
        noise = 0.05 * np.sin(1000 * X[0, 0] + 77 * self.idle)
        return -abs(np.log10(self.lr) - np.log10(0.3)) - (self.kind == "bad") + noise


def search(space, **options):
    return NarrowingSearchCV(Bowl(), space, random_state=0, **options).fit(X)


def test_attributes_and_methods_are_scikit_learns():
    found = NarrowingSearchCV(SVC(), {"C": log_uniform(0.01, 100)}, n_iter=12, random_state=0).fit(X, y)
    assert len(found.cv_results_["params"]) == 12
    assert found.best_params_ == found.cv_results_["params"][found.best_index_]
    assert found.best_score_ == found.cv_results_["mean_test_score"][found.best_index_]
    assert found.cv_results_["rank_test_score"][found.best_index_] == 1
    assert found.best_params_["C"] == found.best_estimator_.C
    assert found.n_splits_ == 5
    assert (found.predict(X) == y).mean() > 0.9
    assert found.score(X, y) == pytest.approx((found.predict(X) == y).mean())
    assert found.alike_[0] == found.best_index_
    assert list(found.cv_results_["round"]) == [0] * 6 + [1] * 6


def test_it_narrows_round_what_matters_and_leaves_the_rest():
    space = {"lr": log_uniform(1e-6, 1e2), "idle": uniform(0, 1)}
    found = search(space, n_iter=90)
    lr, idle = found.region_.ranges["lr"], found.region_.ranges["idle"]
    assert 1e-3 < lr.low < 0.3 < lr.high < 30
    assert (idle.low, idle.high) == pytest.approx((0, 1), abs=0.5)
    assert found.best_params_["lr"] == pytest.approx(0.3, rel=0.3)
    late = found.cv_results_["round"] >= 4
    error = abs(np.log10(np.asarray(found.cv_results_["param_lr"], float)) - np.log10(0.3))
    assert np.median(error[late]) < np.median(error[~late]) / 2


def test_it_widens_to_a_best_value_outside_but_never_beyond_a_limit():
    found = search({"lr": log_uniform(1e-6, 1e-2, ceiling=10.0)}, n_iter=72)
    assert found.best_params_["lr"] == pytest.approx(0.3, rel=0.5)
    held = search({"lr": log_uniform(1e-6, 1e-2)}, n_iter=72)
    assert max(held.cv_results_["param_lr"]) <= 1e-2


def test_a_bad_option_is_dropped():
    found = search({"kind": ["good", "bad"], "lr": log_uniform(0.1, 1)}, n_iter=60)
    assert found.region_.options["kind"] == (0,)
    assert found.best_params_["kind"] == "good"


def test_conditions_whole_numbers_and_scipys_distributions():
    space = {
        "kernel": choice({"rbf": {"gamma": log_uniform(1e-3, 10)}, "linear": {}}),
        "C": stats.loguniform(0.1, 10),
    }
    found = NarrowingSearchCV(SVC(), space, n_iter=10, cv=3, random_state=1).fit(X, y)
    for params in found.cv_results_["params"]:
        assert ("gamma" in params) == (params["kernel"] == "rbf")
    depth = {"max_depth": integer(1, 6), "min_samples_split": stats.randint(2, 10)}
    found = NarrowingSearchCV(DecisionTreeClassifier(random_state=0), depth, n_iter=10, random_state=0).fit(
        X, y
    )
    assert all(isinstance(p["max_depth"], int) for p in found.cv_results_["params"])


def test_the_same_seed_gives_the_same_search_on_any_number_of_jobs():
    def params(**options):
        found = NarrowingSearchCV(SVC(), {"C": log_uniform(1e-4, 1e3)}, n_iter=18, **options).fit(X, y)
        return found.cv_results_["params"]

    assert params(random_state=3) == params(random_state=3, n_jobs=2)
    assert params(random_state=3) != params(random_state=4)


def test_pipeline_nesting_groups_and_several_metrics():
    pipe = make_pipeline(StandardScaler(), SVC())
    inner = NarrowingSearchCV(pipe, {"svc__C": log_uniform(0.01, 100)}, n_iter=8, cv=3, random_state=0)
    assert cross_validate(inner, X, y, cv=3)["test_score"].mean() > 0.9
    both = NarrowingSearchCV(
        SVC(),
        {"C": log_uniform(0.01, 100)},
        n_iter=8,
        scoring=["accuracy", "f1_macro"],
        refit="f1_macro",
        cv=GroupKFold(3),
        random_state=0,
    ).fit(X, y, groups=np.arange(len(X)) % 7)
    assert {"mean_test_accuracy", "mean_test_f1_macro"} <= set(both.cv_results_)
    assert both.cv_results_["rank_test_f1_macro"][both.best_index_] == 1


def test_regression_clone_and_pickle():
    xr, yr = make_regression(100, 5, noise=5.0, random_state=0)
    found = NarrowingSearchCV(Ridge(), {"alpha": log_uniform(1e-3, 1e3)}, n_iter=12, random_state=0).fit(
        xr, yr
    )
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(xr), found.predict(xr))
    assert clone(found).get_params()["n_iter"] == 12


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_candidates_that_fail_are_ranked_last():
    with pytest.warns(FitFailedWarning):
        found = NarrowingSearchCV(SVC(), {"C": uniform(-1.0, 10.0)}, n_iter=18, cv=3, random_state=0).fit(
            X, y
        )
    assert found.best_params_["C"] > 0
    assert len(found.alike_) < 18


def test_a_time_is_kept_round_by_round():
    found = search({"lr": log_uniform(1e-6, 1e2)}, n_iter=10_000, budget="1s")
    assert 0 < len(found.cv_results_["params"]) < 10_000


@pytest.mark.parametrize(
    ("space", "options", "words"),
    [
        ({"C": 3}, {}, "must be a range"),
        ({}, {}, "non-empty mapping"),
        ({"C": []}, {}, "at least one option"),
        ({"C": stats.norm(0, 1)}, {}, "loguniform or randint"),
        ({"C": uniform(0, 1)}, {"budget": "20 members"}, "a time such as"),
        ({"C": uniform(0, 1)}, {"budget": "soon"}, "not understood"),
    ],
)
def test_bad_input_is_said(space, options, words):
    with pytest.raises(InputError, match=words):
        NarrowingSearchCV(SVC(), space, **options).fit(X, y)


def test_parameters_are_validated_as_scikit_learn_does():
    with pytest.raises(ValueError, match="n_iter"):
        NarrowingSearchCV(SVC(), {"C": uniform(0.1, 1)}, n_iter=0).fit(X, y)


def test_callbacks_see_rounds_and_fits():
    pytest.importorskip("sklearn.callback")

    class Recorder:
        def __init__(self):
            self.begun, self.ended = [], []

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **more):
            self.begun.append(context.task_name)

        def on_fit_task_end(self, estimator, context, **more):
            self.ended.append(context.task_name)
            return False

        def teardown(self, estimator, context):
            pass

    recorder = Recorder()
    found = NarrowingSearchCV(SVC(), {"C": log_uniform(0.01, 100)}, n_iter=14, cv=3, random_state=0)
    found.set_callbacks(recorder).fit(X, y)
    for seen in (recorder.begun, recorder.ended):
        assert seen.count("search") == 1
        assert seen.count("round") == 3
        assert seen.count("candidate-split-evaluation") == 14 * 3
