"""`MLPClassifier` and `MLPRegressor`: scikit-learn's numbers, what they add, and what they refuse."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import optax
import pytest
import sklearn
import sklearn.neural_network as theirs
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.utils import estimator_html_repr

import goodfit
from goodfit import (
    Adam,
    AdamW,
    BatchNorm,
    Cosine,
    GoodfitError,
    He,
    InputError,
    MLPClassifier,
    MLPRegressor,
    Optax,
)
from goodfit.engine.program import compilations

X, Y = load_iris(return_X_y=True)
TWO = (Y == 2).astype(int)
XR, YR = load_diabetes(return_X_y=True)
XR, YR = XR[:150], (YR[:150] - 150.0) / 75.0
XL, YL = make_multilabel_classification(150, 4, n_classes=3, random_state=0)
XO, YO = make_regression(150, 4, n_targets=3, random_state=0)
WEIGHT = np.random.default_rng(0).uniform(0.0, 2.0, 150)
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 12, "random_state": 3}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def furthest(a, b) -> float:
    """Return the largest difference between the weights of two networks."""
    ours, others = (one.coefs_ + one.intercepts_ for one in (a, b))
    return max(float(np.abs(p - q).max()) for p, q in zip(ours, others, strict=True))


# --- scikit-learn's numbers

FEW = {
    "adam": ("MLPClassifier", X, Y, {"batch_size": 40}),
    "sgd, adaptive": (
        "MLPClassifier",
        X,
        Y,
        {
            "solver": "sgd",
            "learning_rate": "adaptive",
            "learning_rate_init": 0.1,
            "tol": 0.05,
            "max_iter": 150,
        },
    ),
    "lbfgs": ("MLPClassifier", X, Y, {"solver": "lbfgs", "max_iter": 20}),
}
MORE = {
    "adam, two classes": ("MLPClassifier", X, TWO, {"batch_size": 40, "activation": "tanh"}),
    "classes, stopped early": ("MLPClassifier", X, Y, {"early_stopping": True, "max_iter": 60}),
    "poisson": ("MLPRegressor", XR, np.abs(YR), {"loss": "poisson"}),
    "sgd, falling rate": (
        "MLPClassifier",
        X,
        Y,
        {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.1, "batch_size": 40, "momentum": 0.5},
    ),
    "plain momentum of 1": (
        "MLPClassifier",
        X,
        Y,
        {"solver": "sgd", "nesterovs_momentum": False, "momentum": 1.0},
    ),
    "in order": ("MLPClassifier", X, Y, {"shuffle": False, "batch_size": 17, "alpha": 1.0}),
    "logistic, deep": ("MLPClassifier", X, Y, {"activation": "logistic", "hidden_layer_sizes": (8, 5)}),
    "no hidden layer": ("MLPClassifier", X, Y, {"hidden_layer_sizes": ()}),
    "several labels": ("MLPClassifier", XL, YL, {}),
    "labels, lbfgs": ("MLPClassifier", XL, YL, {"solver": "lbfgs"}),
    "numbers": ("MLPRegressor", XR, YR, {}),
    "numbers, stopped early": ("MLPRegressor", XR, YR, {"early_stopping": True, "learning_rate_init": 0.01}),
}


def same_as_theirs(kind, x, y, params):
    for weight in (None, WEIGHT):
        ours = getattr(goodfit, kind)(**SMALL | params).fit(x, y, sample_weight=weight)
        other = getattr(theirs, kind)(**SMALL | params).fit(x, y, sample_weight=weight)
        assert furthest(ours, other) < 1e-10
        assert ours.n_iter_ == other.n_iter_
        assert ours.t_ == other.t_
        np.testing.assert_allclose(ours.predict(x), other.predict(x), rtol=1e-9, atol=1e-9)
        if "loss_curve_" in vars(other):
            np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("case", FEW.values(), ids=FEW)
def test_the_numbers_are_scikit_learns(case):
    same_as_theirs(*case)


@pytest.mark.slow
@pytest.mark.parametrize("case", MORE.values(), ids=MORE)
def test_more_numbers_are_scikit_learns(case):
    same_as_theirs(*case)


@pytest.mark.slow
def test_several_outputs_are_scikit_learns_but_for_the_loss():
    """Which adds the outputs up where scikit-learn's averages them; both descend on the sum."""
    ours, other = (kind(**SMALL).fit(XO, YO / 100) for kind in (MLPRegressor, theirs.MLPRegressor))
    assert furthest(ours, other) < 1e-10
    assert ours.loss_ > 2 * other.loss_


def test_going_on_is_scikit_learns_too():
    pairs = [
        [kind(**SMALL | {"batch_size": 40, "max_iter": 5, "warm_start": True}) for kind in kinds]
        for kinds in ((MLPClassifier, theirs.MLPClassifier), (MLPClassifier, theirs.MLPClassifier))
    ]
    for one in pairs[0]:
        one.fit(X, Y).fit(X, Y)
    for one in pairs[1]:
        for rows in (slice(0, 150), slice(0, 110), slice(20, 150)):
            one.set_params(warm_start=False).partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
    for ours, other in pairs:
        assert furthest(ours, other) < 1e-12
        assert ours.t_ == other.t_
        np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-12)


def test_parameters_and_their_defaults_are_scikit_learns():
    for kind in ("MLPClassifier", "MLPRegressor"):
        ours, other = (getattr(home, kind)().get_params() for home in (goodfit, theirs))
        assert {name: ours[name] for name in other} == other


@pytest.mark.slow
def test_float32_stays_float32():
    ours = MLPClassifier(**SMALL).fit(X.astype(np.float32), Y)
    assert {a.dtype for a in ours.coefs_ + ours.intercepts_} == {np.dtype(np.float32)}
    assert ours.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert furthest(ours, MLPClassifier(**SMALL).fit(X, Y)) < 1e-5


# --- weights


@pytest.mark.parametrize(
    "params",
    [{}, {"solver": "lbfgs"}, pytest.param({"solver": "sgd", "batch_norm": True}, marks=pytest.mark.slow)],
    ids=str,
)
def test_a_weight_is_the_row_repeated(params):
    """In the full-batch form; batch norm's moments are of rows, so there every row counts once."""
    weight = np.random.default_rng(1).integers(0, 3, 150)
    rows = np.repeat(np.arange(150), weight)
    if "batch_norm" in params:
        weight, rows = np.full(150, 2), np.repeat(np.arange(150), 2)
    weighted, repeated = (MLPClassifier(**SMALL | params) for _ in range(2))
    if "batch_norm" in params:
        repeated.set_params(batch_size=300)
    weighted.fit(X, Y, sample_weight=weight)
    repeated.fit(X[rows], Y[rows])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-7, atol=1e-9)


def test_class_weights_are_rows_weights():
    by_class = MLPClassifier(**SMALL, class_weight={0: 3.0}).fit(X, Y)
    by_row = MLPClassifier(**SMALL).fit(X, Y, sample_weight=np.where(Y == 0, 3.0, 1.0))
    assert furthest(by_class, by_row) == 0.0
    balanced = MLPClassifier(**SMALL, class_weight="balanced").fit(X[:140], Y[:140])
    by_row = MLPClassifier(**SMALL).fit(
        X[:140], Y[:140], sample_weight=140 / 3 / np.array([50, 50, 40])[Y[:140]]
    )
    assert furthest(balanced, by_row) < 1e-12


# --- what scikit-learn's lack


def test_an_ensemble_averages_networks_side_by_side():
    alone = MLPClassifier(**SMALL).fit(X, Y)
    before = compilations()
    three = MLPClassifier(**SMALL, ensemble=3).fit(X, Y)
    again = MLPClassifier(**SMALL, ensemble=3).fit(X, Y)
    assert compilations() == before + 1
    assert furthest(alone, three) < 1e-12
    np.testing.assert_array_equal(three.predict_proba(X), again.predict_proba(X))
    assert np.abs(three.predict_proba(X) - alone.predict_proba(X)).max() > 0.01
    np.testing.assert_allclose(three.predict_proba(X).sum(axis=1), 1.0)
    three.partial_fit(X, Y)
    with pytest.raises(InputError, match="ensemble=2 cannot go on from 3"):
        three.set_params(ensemble=2).partial_fit(X, Y)


def test_a_validation_set_of_ones_own():
    kept, held = train_test_split(np.arange(150), test_size=15, stratify=Y, random_state=0)
    weight = WEIGHT[held]
    told = []
    model = MLPClassifier(
        **SMALL, callbacks=lambda one: told.append((one.n_iter_, one.predict_proba(X[held])))
    )
    model.fit(X[kept], Y[kept], validation_data=(X[held], Y[held]), validation_sample_weight=weight)
    assert [n for n, _ in told] == list(range(1, 13))
    losses = [log_loss(Y[held], p, sample_weight=weight) for _, p in told]
    scores = [accuracy_score(Y[held], p.argmax(axis=1), sample_weight=weight) for _, p in told]
    np.testing.assert_allclose(model.validation_loss_curve_, losses, rtol=1e-9)
    np.testing.assert_allclose(model.validation_scores_, scores, rtol=1e-9)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert furthest(model, MLPClassifier(**SMALL).fit(X[kept], Y[kept])) < 1e-12


def test_early_stopping_keeps_the_best_of_ones_own_rows():
    model = MLPRegressor(**SMALL | {"max_iter": 200}, learning_rate_init=0.05, early_stopping=True, tol=0.0)
    model.fit(XR[:135], YR[:135], validation_data=(XR[135:], YR[135:]))
    assert model.n_iter_ < 200
    assert model.validation_scores_[-1] < model.best_validation_score_
    assert r2_score(YR[135:], model.predict(XR[135:])) == pytest.approx(model.best_validation_score_)


def test_lbfgs_tells_its_iterations():
    told = []

    def listen(model):
        told.append(model.n_iter_)
        return len(told) == 5

    model = MLPClassifier(**SMALL, solver="lbfgs", callbacks=[listen])
    model.fit(X, Y, validation_data=(X[::2], Y[::2]))
    assert told == [1, 2, 3, 4, 5]
    assert len(model.validation_scores_) == 5
    assert model.score(X[::2], Y[::2]) == pytest.approx(model.validation_scores_[-1])


TECHNIQUES = {
    "batch norm": {"batch_norm": BatchNorm(), "batch_size": 50},
    "layer norm and a schedule": {"layer_norm": True, "schedule": Cosine(), "init": He(), "batch_size": 50},
    "dropout and another optimizer": {"dropout": 0.2, "optimizer": AdamW(lr=0.02), "label_smoothing": 0.1},
}


@pytest.mark.parametrize(
    "params",
    [
        pytest.param(one, id=name, marks=[pytest.mark.slow] * ("layer" in name))
        for name, one in TECHNIQUES.items()
    ],
)
def test_techniques_learn_and_go_on(params):
    model = MLPClassifier(**SMALL | {"max_iter": 80, "learning_rate_init": 0.02} | params)
    if "optimizer" in params:
        model.set_params(learning_rate_init=0.001)
    assert model.fit(X, Y).score(X, Y) > 0.9
    copied = pickle.loads(pickle.dumps(model))
    for one in (model, copied):
        one.partial_fit(X, Y)
    assert furthest(model, copied) == 0.0
    np.testing.assert_array_equal(model.predict_proba(X), copied.predict_proba(X))
    assert furthest(clone(model).fit(X, Y), clone(model).fit(X, Y)) == 0.0


@pytest.mark.slow
def test_any_optax_transformation():
    """In float64 too, where optax makes its own state."""
    model = MLPClassifier(**SMALL | {"max_iter": 100}, optimizer=Optax("adabelief", optax.adabelief(0.02)))
    assert model.fit(X, Y).score(X, Y) > 0.9
    assert furthest(clone(model).fit(X, Y), model) == 0.0
    model.partial_fit(X, Y)


def test_weight_decay_does_not_depend_on_the_batch():
    """λ for alpha / rows, in the full batch."""
    by_alpha = MLPClassifier(**SMALL, alpha=1.5).fit(X, Y)
    by_decay = MLPClassifier(**SMALL, alpha=0.0, weight_decay=0.01).fit(X, Y)
    assert furthest(by_alpha, by_decay) < 1e-12


def test_poisson_without_hidden_layer_is_the_linear_model():
    counts = np.random.default_rng(0).poisson(np.exp(X[:, 0] - 4))
    glm = PoissonRegressor(alpha=0, tol=1e-8).fit(X, counts)
    ours = MLPRegressor("poisson", (), alpha=0, solver="lbfgs", tol=1e-8, random_state=0).fit(X, counts)
    np.testing.assert_allclose(ours.predict(X), glm.predict(X), rtol=1e-4)
    assert ours.out_activation_ == "exp"


# --- programs


def test_values_share_a_program():
    MLPClassifier(**SMALL).fit(X, Y)
    before = compilations()
    for params in (
        {"alpha": 0.1},
        {"learning_rate_init": 0.01},
        {"beta_1": 0.8, "epsilon": 1e-6},
        {"tol": 0.1},
    ):
        MLPClassifier(**SMALL | params).fit(X, Y)
    MLPClassifier(**SMALL | {"random_state": 8, "max_iter": 30}).fit(
        X[:140], Y[:140], sample_weight=WEIGHT[:140]
    )
    GridSearchCV(MLPClassifier(**SMALL), {"alpha": [0.0, 1.0]}, cv=10, refit=False).fit(X, Y)
    assert compilations() == before  # 135, 140 and 150 rows share a program


# --- warnings and errors


def test_parameters_without_effect_are_told():
    for params, told in (
        ({"momentum": 0.5}, "momentum is ignored with solver='adam'"),
        (
            {"solver": "lbfgs", "dropout": 0.5, "batch_size": 10},
            "batch_size, dropout are ignored with solver='lbfgs'",
        ),
        ({"solver": "sgd", "power_t": 0.1}, "power_t is ignored with learning_rate='constant'"),
        (
            {"optimizer": Adam(), "learning_rate_init": 0.1},
            "learning_rate_init is ignored because optimizer is",
        ),
        ({"validation_fraction": 0.3}, "validation_fraction is ignored without early_stopping"),
    ):
        with pytest.warns(UserWarning, match=told.replace("(", r"\(")):
            MLPClassifier(**SMALL | {"max_iter": 1} | params).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        MLPClassifier(**SMALL).fit(X, Y)


def with_nan(y):
    y = y.astype(float)
    y[3] = np.nan
    return y


REFUSED = {
    "batch norm, one row": (
        {"batch_norm": True, "batch_size": 1},
        {},
        "batch_norm=True needs at least 2 rows",
    ),
    "batch norm, a last one": ({"batch_norm": True, "batch_size": 149}, {}, "a batch of 1 row of 150"),
    "two norms": ({"batch_norm": True, "layer_norm": True}, {}, "exclude each other"),
    "two schedules": (
        {"solver": "sgd", "learning_rate": "adaptive", "schedule": Cosine()},
        {},
        "both move the learning rate",
    ),
    "NaN in the target": ({}, {"y": with_nan(Y)}, "contains NaN"),
    "negative weight": (
        {},
        {"sample_weight": np.r_[-1.0, np.ones(149)]},
        "sample_weight must be >= 0, got -1",
    ),
    "no weight": ({}, {"sample_weight": np.zeros(150)}, "weight"),
    "validation lacks a class": (
        {},
        {"validation_data": (X[:60], Y[:60])},
        r"lacks classes that y holds: \[2\]",
    ),
    "validation has another": ({}, {"validation_data": (X, Y + 1)}, r"holds classes that y lacks: \[3\]"),
    "validation is no pair": ({}, {"validation_data": X}, r"must be a pair \(X, y\)"),
    "weights of nothing": ({}, {"validation_sample_weight": WEIGHT}, "needs validation_data"),
    "class weights of another": (
        {"class_weight": {7: 2.0}},
        {},
        r"class_weight names classes that y lacks: \[7\]",
    ),
    "callbacks": ({"callbacks": [3]}, {}, "callbacks must be callables"),
    "device": ({"device": "gpu"}, {}, "device='gpu': JAX finds no such device"),
}


@pytest.mark.parametrize(("params", "more", "told"), REFUSED.values(), ids=REFUSED)
def test_refused_in_a_sentence(params, more, told):
    with pytest.raises(InputError, match=told) as caught:
        MLPClassifier(**SMALL | params).fit(**{"X": X, "y": Y} | more)
    assert isinstance(caught.value, GoodfitError)
    assert isinstance(caught.value, ValueError)


def test_counts_are_not_negative():
    with pytest.raises(InputError, match="loss='poisson' needs targets >= 0"):
        MLPRegressor("poisson").fit(XR, YR)


def test_a_diverged_network_says_so():
    model = MLPRegressor(**SMALL, solver="sgd", learning_rate_init=1e6, activation="identity")
    with pytest.raises(InputError, match="non-finite parameter weights"):
        model.fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="no longer finite"):
        model.set_params(early_stopping=True).fit(X, Y)
    assert np.isfinite(model.predict(X)).all()


def test_an_interruption_keeps_what_was_reached():
    def interrupt(model):
        if model.n_iter_ == 3:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted"):
        model = MLPClassifier(**SMALL, callbacks=interrupt).fit(X, Y)
    assert model.n_iter_ == 3
    assert furthest(model, MLPClassifier(**SMALL | {"max_iter": 3}).fit(X, Y)) < 1e-12


# --- scikit-learn's company


def test_routing_repr_and_search():
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(**SMALL).set_fit_request(sample_weight=True)
        search = GridSearchCV(model.set_score_request(sample_weight=True), {"alpha": [1.0]}, cv=10)
        search.fit(X, Y, sample_weight=WEIGHT)
    assert "MLPClassifier" in estimator_html_repr(search.best_estimator_)
    assert repr(MLPClassifier(alpha=1.0)) == "MLPClassifier(alpha=1.0)"
