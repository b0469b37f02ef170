"""`compare`: paired, repeatable, honest; the object that the lab uses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from goodfit import SGD, Adam, Periodic, Recipe, Shift, compare, train
from goodfit.errors import InputError
from goodfit.lab.findings import Findings

ARMS = {
    "slow": Recipe((8,), optimizer=SGD(1e-4), batch_size=32),
    "fast": Recipe((8,), optimizer=Adam(0.02), batch_size=32),
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture(scope="module")
def found() -> Findings:
    return compare(ARMS, X, Y, seeds=6, epochs=10)


def test_it_says_which_is_better_and_by_how_much(found):
    assert found.arms == ["slow", "fast"]
    (verdict,) = found.verdicts
    assert verdict.verdict == "does not hold"
    assert verdict.n == 6
    final = found.curves["score"][:, :, -1]
    assert verdict.difference == pytest.approx((final[0] - final[1]).mean())
    assert "slow is better than fast" in found.verdict
    assert list(found.table.index) == ["slow", "fast"]
    assert "slow" in str(found)


def test_scores_are_those_of_train_with_the_same_seeds(found):
    members = train(list(ARMS.values()), X, Y, seeds=6, epochs=10, validation=0.2, evaluate_every=4)
    last = [1 - m.evaluations[-1].error[0] for m in members]
    np.testing.assert_allclose(found.curves["score"][:, :, -1].ravel(), last, rtol=1e-6)
    losses = found.curves["losses"].reshape(12, -1)
    np.testing.assert_array_equal(losses, [m.loss_curve for m in members])


def test_it_repeats_itself(found):
    again = compare(ARMS, X, Y, seeds=6, epochs=10, lanes=1)
    np.testing.assert_array_equal(found.curves["losses"], again.curves["losses"])


def test_it_draws_and_keeps_its_verdict(found, tmp_path):
    found.draw(tmp_path)
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")
    assert len(found.plot().axes) == 2
    found.write_verdict(tmp_path)
    told = json.loads((tmp_path / "verdict.json").read_text())
    assert told["claims"][0]["verdict"] == "does not hold"


def test_all_pairs_or_one_against_all():
    three = {**ARMS, "plain": Recipe((8,), optimizer=SGD(0.1), batch_size=32)}
    every = compare(three, X, Y, seeds=3, epochs=1)
    assert len(every.verdicts) == 3
    assert {v.claims for v in every.verdicts} == {3}
    one = compare(three, X, Y, seeds=3, epochs=1, against="slow")
    assert [c.says for c in one.comparison.claims] == [
        "fast is better than slow.",
        "plain is better than slow.",
    ]


def test_numbers_are_scored_by_r2():
    y = (X @ np.arange(5.0) / 5).astype(np.float32)
    found = compare({"a": ARMS["fast"], "b": ARMS["slow"]}, X, y, seeds=3, epochs=20, validation=(X, y))
    assert found.record.info["score"] == "R²"
    members = train([ARMS["fast"]], X, y, seeds=3, epochs=20, validation=(X, y))
    errors = np.array([m.evaluations[-1].error[0] for m in members])
    np.testing.assert_allclose(found.curves["score"][0, :, -1], 1 - errors / y.var(), rtol=1e-5)


def test_several_numbers_have_an_output_each():
    y = np.stack([X[:, 0], 3 - 10 * X[:, 1]], axis=1)
    found = compare(ARMS, X, y, seeds=2, epochs=3)
    members = train(list(ARMS.values()), X, y, seeds=2, epochs=3, validation=0.2)
    np.testing.assert_array_equal(found.curves["losses"].reshape(4, -1), [m.loss_curve for m in members])


def test_a_diverged_arm_is_named_not_averaged():
    wild = {**ARMS, "wild": Recipe((8,), optimizer=SGD(1e30), batch_size=32)}
    found = compare(wild, X, Y, seeds=8, epochs=2, against="wild")
    assert "8 of 8 diverged" in found.table.loc["wild"].iloc[0]
    assert all(v.verdict == "holds" for v in found.verdicts)
    assert all(v.diverged == (0, 8) for v in found.verdicts)


def test_named_data_and_seeds_by_arm():
    found = compare(ARMS, "iris", seeds={"slow": [1, 2, 3], "fast": [7, 8, 9]}, epochs=2)
    fast = train([ARMS["fast"]], X, Y, seeds=[7], epochs=1)[0]
    assert fast.seed == 7
    assert found.record.info["seeds"] == {"slow": [1, 2, 3], "fast": [7, 8, 9]}
    assert found.record.info["data"]["name"] == "iris"


@pytest.mark.parametrize("data", [(X, Y), ("iris",)], ids=["arrays", "a table by name"])
def test_an_embedding_is_an_arm_of_its_own(data):
    arms = {"plain": Recipe((8,)), "embedded": Recipe((8,), embedding=Periodic(1.0))}
    plain, embedded = compare(arms, *data, seeds=2, steps=10).curves["losses"]
    assert not np.array_equal(plain, embedded)


def test_images_are_compared_as_they_are_trained_on():
    images = RNG.integers(0, 256, (120, 6, 6)).astype(np.uint8)
    images[:, :3] //= 1 + 3 * Y[:120, None, None].astype(np.uint8)
    arms = {"dense": Recipe((8,)), "conv": Recipe((8,), conv=(4,), augmentation=Shift(1))}
    found = compare(arms, images, Y[:120], seeds=2, epochs=4, validation=(images[:50], Y[:50]))
    members = train(list(arms.values()), images, Y[:120], seeds=2, epochs=4)
    losses = found.curves["losses"].reshape(4, -1)
    np.testing.assert_array_equal(losses, [m.loss_curve for m in members])


def test_images_by_name_are_images():
    arms = {"dense": Recipe((8,)), "conv": Recipe((8,), conv=(4,))}
    assert compare(arms, "digits", seeds=2, steps=2).arms == ["dense", "conv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipes": {"one": ARMS["slow"]}}, "two or more recipes"),
        ({"recipes": [ARMS["slow"], ARMS["fast"]]}, "two or more recipes"),
        ({"y": None}, "y is missing"),
        ({"against": "fats"}, "did you mean 'fast'"),
        ({"seeds": 0}, "seeds must be"),
        ({"seeds": {"slow": [1]}}, "must name every recipe"),
        ({"epochs": 0}, "epochs must be"),
        ({"validation": None}, "validation must be"),
        ({"recipes": {**ARMS, "b": Recipe((8,), batch_size=7)}}, "differ in batch size"),
        ({"X": "digist", "y": None}, "did you mean 'digits'"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments, message):
    good = {"recipes": ARMS, "X": X, "y": Y, "seeds": 3, "epochs": 1}
    with pytest.raises(InputError, match=message):
        compare(**{**good, **arguments})
