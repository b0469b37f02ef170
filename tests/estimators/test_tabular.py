"""`TabularClassifier` and `TabularRegressor`: tables as they are, weights, folds, errors in words."""

from __future__ import annotations

import os
import pickle
import re
import signal
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from goodfit import InputError, TabularClassifier, TabularRegressor

ROWS = 160
SHORT = {"budget": "150 steps", "random_state": 0}


def table(rows=ROWS, seed=0):
    """Return a table of every kind of column, and the number that it determines."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, rows).round(),
            "income": np.where(rng.random(rows) < 0.2, np.nan, rng.lognormal(10, 1, rows)),
            "town": rng.choice([f"town {i}" for i in range(12)], rows),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], rows)),
            "member": rng.random(rows) < 0.5,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
        }
    )
    frame.loc[::17, "town"] = None
    number = frame["age"] / 20 + (frame["colour"] == "red") * 2.0 + frame["member"] * 1.5
    return frame, (number + rng.normal(0, 0.2, rows)).to_numpy()


X, NUMBER = table()
LABEL = np.where(np.median(NUMBER) < NUMBER, "high", "low")


@pytest.fixture(scope="module")
def classifier():
    return TabularClassifier(budget="3000 steps", random_state=0).fit(X, LABEL)


@pytest.fixture(scope="module")
def regressor():
    return TabularRegressor(budget="3000 steps", random_state=0).fit(X, NUMBER)


def test_classes(classifier):
    fresh, number = table(400, seed=1)
    label = np.where(np.median(NUMBER) < number, "high", "low")
    assert classifier.score(fresh, label) > 0.85
    assert classifier.classes_.tolist() == ["high", "low"]
    proba = classifier.predict_proba(fresh)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    assert classifier.feature_names_in_.tolist() == list(X.columns)
    score, low, high = classifier.validation_score_
    assert repr(classifier.validation_score_) == f"Score(score={score!r}, low={low!r}, high={high!r})"
    assert 0.7 < low < score < high < 1.0


def test_numbers(regressor):
    fresh, number = table(400, seed=1)
    assert regressor.score(fresh, number) > 0.8
    ends = regressor.predict_interval(fresh, 0.8)
    assert ends.shape == (400, 2)
    inside = np.mean((ends[:, 0] <= number) & (number <= ends[:, 1]))
    assert 0.7 < inside < 0.92
    wider = regressor.predict_interval(fresh, 0.95)
    assert (wider[:, 1] - wider[:, 0] > ends[:, 1] - ends[:, 0]).all()
    found = regressor.predict(fresh)
    assert NUMBER.min() <= found.min() <= found.max() <= NUMBER.max()


def test_every_kind_of_table_gives_the_same(classifier):
    expected = classifier.predict_proba(X[:20])
    same = {
        "dictionary": {name: X[name][:20].tolist() for name in X},
        "arrow": pa.Table.from_pandas(X[:20], preserve_index=False),
        "objects": X[:20].astype(object),
    }
    for kind, rows in same.items():
        np.testing.assert_allclose(classifier.predict_proba(rows), expected, rtol=1e-12, err_msg=kind)


def test_a_table_that_is_not_as_in_training(classifier):
    odd = X[:5].assign(town="Atlantis", colour="mauve", income=np.nan)
    assert np.isfinite(classifier.predict_proba(odd)).all()  # never seen: as any other one
    with pytest.raises(InputError, match="'age'"):
        classifier.predict(X[:5].assign(age="many"))
    with pytest.raises(InputError, match="Feature names"):
        classifier.predict(X[:5].rename(columns={"age": "years"}))


def test_two_fits_are_equal_and_survive_pickle():
    one = TabularClassifier(**SHORT).fit(X, LABEL)
    again = clone(one).fit(X, LABEL)
    other = clone(one).set_params(random_state=1).fit(X, LABEL)
    np.testing.assert_array_equal(one.predict_proba(X), again.predict_proba(X))
    np.testing.assert_array_equal(one.predict_proba(X), pickle.loads(pickle.dumps(one)).predict_proba(X))
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_rows_of_weight_0_are_as_if_not_there():
    weight = np.ones(ROWS)
    weight[100:] = 0.0
    spoilt = LABEL.copy()
    spoilt[100:] = "other"
    some = TabularClassifier(**SHORT).fit(X[:100], LABEL[:100])
    weighted = TabularClassifier(**SHORT).fit(X, spoilt, sample_weight=weight)
    assert weighted.classes_.tolist() == ["high", "low"]
    np.testing.assert_allclose(weighted.predict_proba(X[:50]), some.predict_proba(X[:50]), atol=1e-3)


def test_class_weights_move_the_balance():
    rare = np.where(np.quantile(NUMBER, 0.85) < NUMBER + np.random.default_rng(0).normal(0, 1, ROWS), 1, 0)
    plain = TabularClassifier(**SHORT).fit(X, rare).predict(X).mean()
    balanced = TabularClassifier(**SHORT, class_weight="balanced").fit(X, rare).predict(X).mean()
    assert balanced > plain + 0.05


def test_own_validation_rows_and_groups():
    own = TabularClassifier(**SHORT).fit(X[:120], LABEL[:120], validation_data=(X[120:], LABEL[120:]))
    assert len(own.members_) == 1
    groups = np.repeat(np.arange(16), 10)
    grouped = TabularClassifier(**SHORT, cv=4).fit(X, LABEL, groups=groups)
    assert len(grouped.members_) == 4
    with pytest.raises(InputError, match="classes that y lacks: \\['other'\\]"):
        TabularClassifier().fit(X, LABEL, validation_data=(X[:2], ["other", "high"]))


def test_several_targets():
    labels = np.stack([NUMBER > 4, X["member"], X["colour"] == "red"], axis=1).astype(int)
    several = TabularClassifier(budget="1500 steps", random_state=0).fit(X, labels)
    assert several.predict(X).shape == labels.shape
    assert (several.predict(X) == labels).mean() > 0.8
    numbers = np.stack([NUMBER, -100 * NUMBER + 7], axis=1)
    both = TabularRegressor(budget="1500 steps", random_state=0).fit(X, numbers)
    assert both.predict(X).shape == numbers.shape
    assert both.score(X, numbers) > 0.5
    assert both.predict_interval(X).shape == (ROWS, 2, 2)


def test_within_scikit_learn():
    model = make_pipeline(FunctionTransformer(), TabularRegressor(**SHORT))
    assert cross_val_score(model, X, NUMBER, cv=2).shape == (2,)
    importance = permutation_importance(
        TabularRegressor(budget="1500 steps", random_state=0).fit(X, NUMBER), X, NUMBER, n_repeats=1
    )
    assert importance.importances_mean[:1] > importance.importances_mean[1:2]  # age counts, income does not


BAD = {
    "NaN in the target": (lambda e: e.fit(X, np.where(NUMBER > 4, np.nan, NUMBER)), "y contains NaN: row"),
    "lengths": (lambda e: e.fit(X, NUMBER[:5]), "inconsistent numbers of samples"),
    "negative weight": (lambda e: e.fit(X, NUMBER, -np.ones(ROWS)), "sample_weight must be >= 0"),
    "no weight": (lambda e: e.fit(X, NUMBER, np.zeros(ROWS)), "at least one non-zero"),
    "budget": (lambda e: e.set_params(budget="soon").fit(X, NUMBER), "'soon' is not understood"),
    "infinite": (lambda e: e.fit(X.assign(age=np.inf), NUMBER), "'age'"),
    "text as numbers": (lambda e: e.fit(X, LABEL), "y must hold numbers"),
    "weight alone": (
        lambda e: e.fit(X, NUMBER, validation_sample_weight=np.ones(3)),
        "needs validation_data",
    ),
    "nothing to learn from": (
        lambda e: e.fit(pd.DataFrame({"a": [1.0] * 9}), np.arange(9.0)),
        "no column left",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    act, message = BAD[case]
    with pytest.raises(InputError, match=message):
        act(TabularRegressor(**SHORT))


def test_an_identifier_is_left_out_with_a_word():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        TabularRegressor(**SHORT).fit(X.assign(customer_id=range(ROWS)), NUMBER)
    assert any("'customer_id'" in str(one.message) for one in told)


def test_verbose_tells_of_the_growing_ensemble(capsys):
    TabularRegressor(budget="6 members", cv=2, random_state=0, verbose=True).fit(X, NUMBER)
    told = re.findall(r"an ensemble of (\d+) networks, validation loss ([\d.e-]+)", capsys.readouterr().out)
    assert len(told) == 3  # six networks: three recipes on two folds
    assert int(told[0][0]) == 2


class Interrupter:
    """Presses Ctrl-C after a while."""

    def __init__(self, seconds: float) -> None:
        self.timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))

    def __enter__(self):
        self.timer.start()

    def __exit__(self, *error):
        self.timer.cancel()


def test_ctrl_c_ends_the_training_and_keeps_the_networks():
    TabularRegressor(budget="5 members", random_state=0).fit(X, NUMBER)  # compiled
    model = TabularRegressor(budget="5000 members", random_state=0)
    began = time.monotonic()
    with Interrupter(4.0), pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X, NUMBER)
    assert time.monotonic() - began < 30
    assert np.isfinite(model.predict(X)).all()


def test_ctrl_c_before_a_first_step_interrupts_as_usual():
    with pytest.raises(KeyboardInterrupt), Interrupter(0.5):
        TabularRegressor(budget="60s", random_state=0).fit(X, NUMBER)


def test_a_budget_too_short_for_a_step_is_overdrawn_with_a_word():
    with pytest.warns(UserWarning, match=r"The budget 0\.001s was over before"):
        model = TabularRegressor(budget="0.001s", random_state=0).fit(X, NUMBER)
    assert np.isfinite(model.predict(X)).all()
