"""Export to ONNX: one file that takes a table's columns as they are and gives labels and probabilities.

Inputs are told in `goodfit.model.onnx_encode`. Outputs of a classifier are ``label`` (rows,), of the classes'
own type, and ``probabilities`` float32 (rows, K); of a regressor ``prediction`` float64 (rows,).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.data.schema import Schema
from goodfit.errors import InputError
from goodfit.model.model import Model
from goodfit.model.onnx_encode import IMAGES, encode
from goodfit.model.onnx_graph import Graph
from goodfit.model.onnx_network import weighted_answers
from goodfit.store.canonical import dumps

CLOSE = 1e-5  # of two best probabilities nearer than this, either may win where rounding is another one


def onnx_bytes(model: Model) -> bytes:
    """Return the model as an ONNX file's content, opset 20; equal models give equal bytes.

    Raises:
        InputError: onnx is not installed, or a column is named like another input.
    """
    graph = Graph()
    answers = weighted_answers(graph, model.members, encode(graph, model.schema))
    if model.target.task == "regression":
        _restored(graph, model, answers)
    else:
        labels = model.target.decode(np.arange(len(model.classes)))
        best = graph.node("ArgMax", answers, axis=1, keepdims=0)
        graph.output("label", graph.node("Gather", graph.array(labels), best), labels.dtype, ["rows"])
        graph.output("probabilities", answers, np.float32, ["rows", len(model.classes)])
    about = {
        key: dumps(value) for key, value in model.inspect().items() if key in _TOLD and value is not None
    }
    made = graph.model("goodfit", f"Predicts {model.target_name}", about)
    return made.SerializeToString(deterministic=True)


_TOLD = ("task", "target", "classes", "metric", "validation", "test", "versions")


def _restored(graph: Graph, model: Model, answers: str) -> None:
    """Put the target's own numbers out, kept within the range of training."""
    target = model.target
    flat = graph.node("Squeeze", graph.cast(answers, np.float64), graph.array(np.array([1])))
    scaled = graph.node("Mul", flat, graph.array(np.array(target.y_scale)))
    moved = graph.node("Add", scaled, graph.array(np.array(target.y_mean)))
    ends = [graph.array(np.array(end)) for end in (target.y_low, target.y_high)]
    graph.output("prediction", graph.node("Clip", moved, *ends), np.float64, ["rows"])


def onnx_inputs(schema: Schema, data: Any) -> dict[str, np.ndarray]:
    """Return what the exported file takes for these rows: an array of shape (rows, 1) for each column.

    Raises:
        InputError: as `Schema.encode`.
    """
    if schema.image_shape is not None:
        rows = schema.encode(data)
        return {IMAGES: rows.reshape(len(rows), *schema.image_shape)}
    found = {}
    for column, values in zip(schema.inputs, schema.columns_of(data), strict=True):
        if column.kind == "category":
            values = np.array(["" if text is None else text for text in values], object)
        found[column.name] = values[:, None]
    return found


def compare_onnx(model: Model, content: bytes, data: Any) -> dict[str, Any]:
    """Return how an exported file's answers in onnxruntime differ from the model's own.

    ``largest``: of probabilities, or of predictions in the target's standard deviations. ``others``: rows
    with another label; ``close``: how many of them have two best probabilities within `CLOSE`.

    Raises:
        InputError: onnxruntime is not installed, or as `Schema.encode`.
    """
    try:
        import onnxruntime
    except ImportError:
        raise InputError("To check an export needs onnxruntime: pip install 'goodfit[onnx]'.") from None
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answers = map(np.asarray, session.run(None, onnx_inputs(model.schema, data)))
    found = dict(zip(names, answers, strict=True))
    ours = model.outputs(model.schema.encode(data))
    if model.target.task == "regression":
        apart = np.abs(found["prediction"] - model.target.restore(ours)) / model.target.y_scale
        return {"rows": len(ours), "largest": float(apart.max(initial=0.0))}
    other = np.not_equal(found["label"], model.target.decode(np.argmax(ours, axis=1)))
    two = np.sort(ours, axis=1)[:, -2:]
    return {
        "rows": len(ours),
        "largest": float(np.abs(found["probabilities"] - ours).max(initial=0.0)),
        "others": int(other.sum()),
        "close": int((other & (two[:, 1] - two[:, 0] < CLOSE)).sum()),
    }


def example_rows(schema: Schema, count: int, seed: int = 0) -> Any:
    """Return rows much like those of training, with missing and unknown values, to check an export by."""
    rng = np.random.default_rng(seed)
    if schema.image_shape is not None:
        return rng.integers(0, schema.pixel_max + 1, (count, *schema.image_shape), dtype=np.uint8)
    columns: dict[str, Any] = {}
    for column in schema.inputs:
        gone = rng.random(count) < 0.1
        if column.kind == "category":
            texts = rng.choice(np.array([*column.categories[:50], "something else"], object), count)
            columns[column.name] = [None if lost else text for lost, text in zip(gone, texts, strict=True)]
        elif column.kind == "boolean":
            columns[column.name] = np.where(gone, np.nan, rng.integers(0, 2, count))
        else:
            numbers = column.center + column.scale * rng.standard_t(3, count)
            columns[column.name] = np.where(gone, np.nan, numbers)
    return columns
