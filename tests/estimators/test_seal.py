"""Rows set aside in Python: what can be seen of them, what the ledger says, what is warned of."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from goodfit import InputError, Seal
from goodfit.errors import RunFolderError


@pytest.fixture
def wine(tmp_path):
    X, y = load_wine(return_X_y=True)
    return X, y, Seal(X, y, ledger=tmp_path / "exam.jsonl")


def linear(**changes):
    return make_pipeline(StandardScaler(), LogisticRegression(**changes))


class Bomb:
    def predict(self, X):
        raise RuntimeError("boom")


def test_a_fifth_is_sealed_class_by_class_and_the_rest_can_be_seen(wine):
    X, y, seal = wine
    assert seal.sealed == len(y) - len(seal.y) == 36
    np.testing.assert_array_equal(seal.X, X[seal.rows])
    np.testing.assert_array_equal(seal.y, y[seal.rows])
    assert np.abs(np.bincount(seal.y) / len(seal.y) - np.bincount(y) / len(y)).max() < 0.01
    hidden = set(range(len(y))) - set(seal.rows.tolist())
    assert not any(
        np.shape(value)[:1] == (len(hidden),) for name, value in vars(seal).items() if "__" not in name
    )


def test_the_score_is_that_of_the_hidden_rows(wine):
    X, y, seal = wine
    model = linear().fit(seal.X, seal.y)
    hidden = np.setdiff1d(np.arange(len(y)), seal.rows)
    found = seal.open(model)
    assert found.score == pytest.approx(accuracy_score(y[hidden], model.predict(X[hidden])))
    assert found.low <= found.score <= found.high
    area = seal.open(model, metric="roc_auc")
    expected = roc_auc_score(y[hidden], model.predict_proba(X[hidden]), multi_class="ovr", average="macro")
    assert area.score == pytest.approx(expected, abs=1e-6)


def test_the_ledger_counts_models_not_looks(wine):
    _, _, seal = wine
    first, second = (linear(C=c).fit(seal.X, seal.y) for c in (1.0, 1e-4))
    assert [seal.open(model).number for model in (first, second, first)] == [1, 2, 1]
    openings = seal.openings()
    assert [o["number"] for o in openings] == [1, 2]
    assert {"time", "model", "reason", "metric", "score", "low", "high"} <= set(openings[0])
    assert "opened 2 times" in repr(seal)


def test_the_opening_is_written_before_the_model_sees_a_row(wine):
    _, _, seal = wine

    with pytest.raises(RuntimeError, match="boom"):
        seal.open(Bomb())
    (opening,) = seal.openings()
    assert "score" not in opening


def test_another_draw_has_a_ledger_of_its_own_in_the_same_file(wine, tmp_path):
    X, y, seal = wine
    seal.open(linear().fit(seal.X, seal.y))
    other = Seal(X, y, ledger=tmp_path / "exam.jsonl", random_state=1)
    assert other.openings() == []
    again = Seal(X, y, ledger=tmp_path / "exam.jsonl")
    assert len(again.openings()) == 1


def test_numbers_and_frames(tmp_path):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    seal = Seal(X, y, ledger=tmp_path / "exam.jsonl", test_size=0.3)
    assert isinstance(seal.X, pd.DataFrame)
    model = Ridge().fit(seal.X, seal.y)
    hidden = np.setdiff1d(np.arange(len(y)), seal.rows)
    found = seal.open(model)
    assert (found.metric, found.score) == (
        "r2",
        pytest.approx(r2_score(y.iloc[hidden], model.predict(X.iloc[hidden]))),
    )


def test_groups_stay_whole_and_times_are_sealed_from_the_end(tmp_path):
    X, y = load_wine(return_X_y=True)
    groups = np.arange(len(y)) % 20
    seal = Seal(X, y, ledger=tmp_path / "a.jsonl", groups=groups)
    hidden = np.setdiff1d(np.arange(len(y)), seal.rows)
    assert not set(groups[hidden]) & set(groups[seal.rows])
    order = np.random.default_rng(0).permutation(len(y))
    seal = Seal(X, y, ledger=tmp_path / "b.jsonl", times=order)
    hidden = np.setdiff1d(np.arange(len(y)), seal.rows)
    assert order[hidden].min() > order[seal.rows].max()


def test_twins_and_owners_of_rows_are_warned_of(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"patient_id": np.repeat(np.arange(40), 5), "x": rng.normal(size=200)})
    y = rng.integers(2, size=200)
    with pytest.warns(UserWarning, match="patient_id"):
        Seal(frame, y, ledger=tmp_path / "a.jsonl")
    with pytest.warns(UserWarning, match="same inputs as a training row.* or use groups"):
        Seal(np.zeros((200, 2)), y, ledger=tmp_path / "b.jsonl")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Seal(frame, y, ledger=tmp_path / "c.jsonl", groups=frame["patient_id"])


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda X, y: (X, y[:-1]), "one entry a row"),
        (lambda X, y: (X, np.column_stack([y, y])), "one entry a row"),
        (lambda X, y: (X[:2], y[:2]), "rows"),
        (lambda X, y: (X, np.where(np.arange(len(y)) == 3, np.nan, y)), "row 3"),
    ],
)
def test_bad_input_is_named(tmp_path, change, names):
    X, y = change(*load_wine(return_X_y=True))
    with pytest.raises(InputError, match=names):
        Seal(X, y, ledger=tmp_path / "a.jsonl")


def test_a_wrong_metric_or_model_or_ledger_opens_nothing(wine, tmp_path):
    X, y, seal = wine
    with pytest.raises(InputError, match="accuracy"):
        seal.open(linear().fit(seal.X, seal.y), metric="acuracy")
    with pytest.raises(InputError, match="predict"):
        seal.open("no model")
    unnamed = Bomb()
    unnamed.predict = lambda X: X
    with pytest.raises(InputError, match="pickled"):
        seal.open(unnamed)
    assert seal.openings() == []
    blocked = Seal(X, y, ledger=tmp_path / "nowhere" / "exam.jsonl")
    with pytest.raises(RunFolderError, match=r"exam\.jsonl"):
        blocked.open(linear().fit(seal.X, seal.y))
