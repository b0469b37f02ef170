"""A model answers from raw columns."""

from __future__ import annotations

import json

import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.model.predict import member_output


def test_classes(make_model, columns):
    model, data = make_model(), columns(40)
    probabilities = model.predict_proba(data)
    assert probabilities.shape == (40, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    labels = np.array(model.classes, object)
    np.testing.assert_array_equal(model.predict(data), labels[probabilities.argmax(axis=1)])
    x = model.schema.encode(data)
    each = [member_output(m.architecture, m.params, m.running, x) for m in model.members]
    np.testing.assert_allclose(probabilities, (each[0] + 2 * each[1]) / 3, rtol=1e-14)


def test_numbers_stay_within_the_training_range(make_model, columns):
    model, data = make_model("regression"), columns(200)
    found = model.predict(data)
    raw = model.outputs(model.schema.encode(data)) * 4.0 + 10.0
    np.testing.assert_allclose(found, np.clip(raw, 9.0, 13.0))
    assert raw.min() < 9.0  # or nothing was tested
    assert found.min() == 9.0
    with pytest.raises(InputError, match="use predict"):
        model.predict_proba(data)


def test_one_row_of_raw_columns(make_model, columns):
    model, data = make_model(norm="batch"), columns(30)
    whole = model.predict_proba(data)
    for row in (0, 17, 29):
        alone = model.predict_proba({name: values[row : row + 1] for name, values in data.items()})
        assert alone.tobytes() == whole[row].tobytes()


def test_columns_are_found_by_name(make_model, columns):
    model, data = make_model(), columns(5)
    turned = {"unknown": np.zeros(5), **dict(reversed(data.items()))}
    np.testing.assert_array_equal(model.predict_proba(turned), model.predict_proba(data))
    with pytest.raises(InputError, match="'x1'"):
        model.predict({"x0": data["x0"], "x2": data["x2"]})


def test_frames_and_matrices(make_model, columns):
    pd = pytest.importorskip("pandas")
    model, data = make_model(), columns(6)
    expected = model.predict_proba(data)
    np.testing.assert_array_equal(model.predict_proba(pd.DataFrame(data)), expected)
    matrix = np.stack([values.astype(np.float64) for values in data.values()], axis=1)
    np.testing.assert_array_equal(model.predict_proba(matrix), expected)


def test_inspect_is_json(make_model):
    model = make_model()
    shown = json.loads(json.dumps(model.inspect()))
    assert shown["classes"] == ["no", "perhaps", "yes"]
    assert shown["columns"] == ["x0", "x1", "x2"]
    assert shown["left_out"][0][0] == "row"
    assert [m["weight"] for m in shown["members"]] == [1.0, 2.0]
    assert shown["openings"] == 1
    assert make_model("regression").inspect()["classes"] is None
