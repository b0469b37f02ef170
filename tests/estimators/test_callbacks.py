"""scikit-learn's callbacks (1.9 and newer) on all four estimators, alone and inside others."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from goodfit import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

callback = pytest.importorskip("sklearn.callback")

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
EPOCHS = 6
LEARNS = {"learning_rate_init": 0.03, "batch_size": 20, "max_iter": EPOCHS, "random_state": 0}

MLPS = {
    "classifier": MLPClassifier((8,), **LEARNS),
    "regressor": MLPRegressor(hidden_layer_sizes=(8,), **LEARNS),
    "lbfgs": MLPClassifier((8,), solver="lbfgs", max_iter=EPOCHS, random_state=0),
}
TABULARS = {
    "classifier": TabularClassifier(random_state=0),
    "regressor": TabularRegressor(random_state=0),
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Recorder:
    """Writes down what it is told; ends the fit after so many parts."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.told: list[tuple[str, str]] = []
        self.scores: list[float] = []
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.told.append(("setup", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.told.append(("end", context.task_name))
        if context.task_name != "fit":
            self.scores.append(fitted_estimator.score(X, y))
        return self.stop_after is not None and len(self.scores) >= self.stop_after

    def teardown(self, estimator, context):
        self.told.append(("teardown", context.task_name))


def parts(recorder: Recorder) -> list[str]:
    return [name for what, name in recorder.told if what == "end" and name != "fit"]


@pytest.mark.parametrize("kind", list(MLPS))
def test_each_epoch_is_told_in_order(kind):
    recorder = Recorder()
    model = MLPS[kind].set_callbacks(recorder).fit(X, Y)

    assert parts(recorder) == [f"epoch {i}" for i in range(EPOCHS)]
    assert recorder.told[:3] == [("setup", "fit"), ("begin", "fit"), ("begin", "epoch 0")]
    assert recorder.told[-2:] == [("end", "fit"), ("teardown", "fit")]
    assert recorder.scores[-1] == model.score(X, Y)
    assert len(set(recorder.scores)) > 1  # each epoch's own weights, not the last ones


@pytest.mark.parametrize("kind", list(MLPS))
def test_a_callback_changes_nothing_and_can_stop_the_epochs(kind):
    alone = MLPS[kind].set_callbacks().fit(X, Y)
    alone_coefs = alone.coefs_[0].copy()
    watched = MLPS[kind].set_callbacks(Recorder()).fit(X, Y)
    np.testing.assert_array_equal(watched.coefs_[0], alone_coefs)

    recorder = Recorder(stop_after=2)
    assert MLPS[kind].set_callbacks(recorder).fit(X, Y).n_iter_ == 2
    assert parts(recorder) == ["epoch 0", "epoch 1"]


@pytest.mark.parametrize("kind", list(TABULARS))
def test_each_finished_network_is_told_and_can_be_the_last(kind):
    recorder = Recorder()
    model = TABULARS[kind].set_callbacks(recorder).fit(X, Y)
    assert parts(recorder) == [f"network {i}" for i in range(len(recorder.scores))]
    assert len(recorder.scores) >= 2
    assert recorder.told[-2:] == [("end", "fit"), ("teardown", "fit")]
    whole = model.score(X, Y)

    stopped = Recorder(stop_after=1)
    short = TABULARS[kind].set_callbacks(stopped).fit(X, Y)
    assert parts(stopped) == ["network 0"]
    assert short.score(X, Y) > 0.5 * whole  # what was trained until then predicts


@pytest.mark.parametrize("model", [MLPS["classifier"], TABULARS["classifier"]], ids=["mlp", "tabular"])
def test_scikit_learns_scoring_monitor_logs_each_part(model):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model.set_callbacks(monitor).fit(X, Y)
    log = monitor.get_logs()
    assert log.estimator_name == type(model).__name__
    scores = [row["accuracy"] for row in log.data if row["task_name"] != "fit"]
    assert len(scores) >= 2
    assert max(scores) > 0.7


def test_scikit_learns_progress_bar_shows_the_epochs(capsys):
    MLPS["classifier"].set_callbacks(callback.ProgressBar()).fit(X, Y)
    assert "MLPClassifier" in capsys.readouterr().out


def test_callbacks_pass_through_pipelines_and_searches():
    recorder = Recorder()
    model = MLPClassifier((4,), max_iter=2, random_state=0).set_callbacks(recorder)
    make_pipeline(StandardScaler(), model).fit(X, Y)
    assert parts(recorder) == ["epoch 0", "epoch 1"]

    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = MLPClassifier((4,), max_iter=2, random_state=0).set_callbacks(monitor)
    GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y)
    rows = [row for row in monitor.get_logs().data if row["task_name"].startswith("epoch")]
    assert len(rows) == (2 * 2 + 1) * 2
