"""The ONNX file in onnxruntime against the model's own answers, over all forms of networks and columns."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.data.column import Column
from goodfit.data.schema import Schema
from goodfit.data.target import TargetCodec
from goodfit.errors import InputError
from goodfit.model import onnx_graph
from goodfit.model.architecture import checked, shapes
from goodfit.model.model import Model, ModelMember
from goodfit.model.onnx_file import compare_onnx, example_rows, onnx_bytes, onnx_inputs
from goodfit.numpy_layers import ACTIVATIONS

LEVELS = tuple(np.sort(np.random.default_rng(0).normal(3, 2, 128)).tolist())
SCHEMA = Schema(
    (
        Column("when", "date", 19_000.0, 300.0, quantiles=tuple(range(18_000, 18_128)), missing=True),
        Column("town", "category", categories=("Bern", "Genf", "3"), other=False),
        Column("age", "number", 3.0, 2.0, quantiles=LEVELS, missing=True),
        Column("code", "category", categories=tuple(f"k{i}" for i in range(12)), coded=True),
        Column("sure", "boolean"),
        Column("pair", "category", categories=("yes", "no")),
        Column("rare", "category", categories=("a", "b"), other=True),
        Column("size", "number", -1e6, 1e-3),
        Column("rank", "number", 0.0, 1.0, quantiles=(0.0,) * 60 + tuple(range(1, 69))),
    )
)
PICTURES = Schema(image_shape=(9, 8))
CLASSES = TargetCodec("classification", classes=("no", "perhaps", "yes"))
TWO = TargetCodec("classification", classes=("3", "7"), class_kind="number")
NUMBER = TargetCodec("regression", y_mean=10.0, y_scale=4.0, y_low=-1e3, y_high=1e3)
PLAIN = {
    "activation": "relu", "category_width": 4, "frequencies": 0, "head": "softmax", "hidden": [7, 6],
    "hidden_scale": 1.0, "input_scale": 1.0, "norm": None, "norm_epsilon": 1e-5, "norm_position": "before",
    "number_width": 1, "numbers": 0, "outputs": 3, "parametric": False, "submodels": 1,
}  # fmt: skip


def drawn(schema, target, members=1, seed=0, **changes):
    """Return a model with arrays from a seed; ``changes`` are of its architecture."""
    if target is not CLASSES:
        changes = {"outputs": 1, "head": "identity" if target is NUMBER else "sigmoid"} | changes
    images = {"conv": [], "image": [], "kernel": 3}
    form = {**PLAIN, **images, "inputs": schema.width, "categories": list(schema.categories), **changes}
    form = checked(0, form)
    rng = np.random.default_rng(seed)

    def array(name, shape):
        values = (
            rng.uniform(0.5, 2, shape)
            if name.endswith((".var", ".norm.scale"))
            else rng.normal(0, 0.5, shape)
        )
        return values.astype(np.float32)

    def member(i):
        arrays = {name: array(name, shape) for name, shape in shapes(form).items()}
        running = {name: arrays.pop(name) for name in [*arrays] if name.endswith((".mean", ".var"))}
        return ModelMember(form, arrays, running, 1.0 + i, {}, "drawn")

    return Model(tuple(member(i) for i in range(members)), schema, target, "answer", {})


def assert_close(model, rows, tolerance=1e-5):
    found = compare_onnx(model, onnx_bytes(model), rows)
    assert found["largest"] < tolerance, found
    assert found.get("others", 0) == found.get("close", 0)


@pytest.mark.parametrize(
    "norm", [(None, "before"), *((n, p) for n in ("batch", "layer") for p in ("before", "after"))]
)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_norm(activation, norm):
    model = drawn(SCHEMA, CLASSES, activation=activation, norm=norm[0], norm_position=norm[1])
    assert_close(model, example_rows(SCHEMA, 50))


FORMS = {
    "linear": {"hidden": []},
    "scaled": {"hidden_scale": 0.8, "input_scale": 0.5},
    "parametric": {"parametric": True, "activation": "mish"},
    "numbers embedded": {"numbers": SCHEMA.numbers, "frequencies": 5, "number_width": 4},
    "submodels": {"submodels": 4},
    "submodels and all": {
        "submodels": 3,
        "numbers": 2,
        "frequencies": 3,
        "number_width": 3,
        "parametric": True,
    },
    "submodels normed": {"submodels": 3, "norm": "layer"},
}


@pytest.mark.parametrize("target", [CLASSES, TWO, NUMBER], ids=["three classes", "two classes", "a number"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_and_head(form, target):
    assert_close(drawn(SCHEMA, target, members=2, **form), example_rows(SCHEMA, 50))


@pytest.mark.parametrize(
    "form",
    [{}, {"norm": "batch"}, {"norm": "batch", "norm_position": "after"}, {"kernel": 5}, {"hidden": []}],
)
def test_convolutions(form):
    model = drawn(PICTURES, CLASSES, conv=[3, 4], image=[9, 8, 1], input_scale=1 / 255, **form)
    assert_close(model, example_rows(PICTURES, 20))


def test_a_network_of_pixels_without_convolutions():
    assert_close(drawn(PICTURES, CLASSES, input_scale=1 / 255), example_rows(PICTURES, 20))


numbers = st.one_of(st.none(), st.floats(-1e12, 1e12), st.sampled_from([*LEVELS[:5], 0.0, -0.0, 67.0, 3e9]))
texts = st.one_of(
    st.none(), st.text(max_size=4), st.sampled_from(["Bern", "3.0", "03", "k3", "NA", "nan", "?", "yes"])
)
CELLS = {
    "category": texts,
    "boolean": st.sampled_from([None, True, False]),
    "number": numbers,
    "date": numbers,
}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(*(CELLS[c.kind] for c in SCHEMA.inputs)), min_size=1, max_size=20))
def test_any_cells_are_prepared_alike(rows):
    """The preparation alone, through a linear network whose weights tell every encoded number apart."""
    columns = {c.name: list(cells) for c, cells in zip(SCHEMA.inputs, zip(*rows, strict=True), strict=True)}
    for column in SCHEMA.inputs:
        if column.kind != "category":
            columns[column.name] = np.array([np.nan if v is None else float(v) for v in columns[column.name]])
    assert_close(drawn(SCHEMA, NUMBER, hidden=[]), columns, 1e-5)


def test_labels_have_the_type_of_the_classes_and_outputs_their_names():
    model = drawn(SCHEMA, TWO)
    made = onnx.load_from_string(onnx_bytes(model))
    assert [o.name for o in made.graph.output] == ["label", "probabilities"]
    assert made.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.INT64
    assert [i.name for i in made.graph.input] == [c.name for c in SCHEMA.inputs]
    assert {o.domain: o.version for o in made.opset_import} == {"": 20, "ai.onnx.ml": 4}


def test_equal_models_have_equal_bytes():
    assert onnx_bytes(drawn(SCHEMA, CLASSES)) == onnx_bytes(drawn(SCHEMA, CLASSES))


def test_a_row_alone_and_no_row():
    model = drawn(SCHEMA, CLASSES, numbers=SCHEMA.numbers, frequencies=5, number_width=4)
    for count in (0, 1):
        assert_close(model, example_rows(SCHEMA, count))


def test_inputs_are_one_array_a_column():
    fed = onnx_inputs(SCHEMA, example_rows(SCHEMA, 7))
    assert {a.shape for a in fed.values()} == {(7, 1)}
    assert fed["town"].dtype == object
    assert fed["age"].dtype == np.float64


def test_without_onnx_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'goodfit\[onnx\]'"):
        onnx_graph.import_onnx()
