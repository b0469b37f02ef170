"""A trained model: its members, how rows are encoded, how outputs become answers, and its record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from goodfit.data.schema import Schema
from goodfit.data.target import TargetCodec
from goodfit.errors import InputError
from goodfit.model.predict import member_output, weighted_mean


@dataclass(frozen=True, eq=False)
class ModelMember:
    """One network of a model; ``architecture`` is described in `goodfit.network.Network.architecture`."""

    architecture: dict[str, Any]
    params: dict[str, np.ndarray]
    running: dict[str, np.ndarray]
    weight: float
    recipe: dict[str, Any]
    text: str
    temperature: float = 1.0  # built into the output layer already; told for a refit


@dataclass(frozen=True, eq=False)
class Model:
    """An ensemble of one or more networks that predicts from raw tables.

    ``record`` holds plain JSON: task, metric, scores, openings of the test set, versions.
    """

    members: tuple[ModelMember, ...]
    schema: Schema
    target: TargetCodec
    target_name: str
    record: dict[str, Any] = field(default_factory=dict)

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Return probabilities (rows, K), or standardised numbers (rows,), for encoded rows."""
        found = [member_output(m.architecture, m.params, m.running, x) for m in self.members]
        return weighted_mean(found, [m.weight for m in self.members])

    def predict(self, data: Any) -> np.ndarray:
        """Return a label, or a number within the range of the training rows, for each row.

        Args:
            data: a table, DataFrame, mapping of columns, matrix or images with the columns of training.

        Raises:
            InputError: columns are lacking or hold what they cannot.
        """
        out = self.outputs(self.schema.encode(data))
        if self.target.task == "regression":
            return self.target.restore(out)
        return self.target.decode(np.argmax(out, axis=1))

    def predict_proba(self, data: Any) -> np.ndarray:
        """Return class probabilities, float64 (rows, K), in the order of ``classes``.

        Raises:
            InputError: the model predicts numbers, or as `predict`.
        """
        if self.target.task == "regression":
            raise InputError("This model predicts numbers, which have no class probabilities: use predict.")
        return self.outputs(self.schema.encode(data))

    @property
    def classes(self) -> tuple[str, ...]:
        """The class labels as text; empty for regression."""
        return tuple(self.target.classes) if self.target.task == "classification" else ()

    def inspect(self) -> dict[str, Any]:
        """Return what the model is, as plain JSON: task, columns, members, scores, openings, versions."""
        return {
            "task": self.target.task,
            "target": self.target_name,
            "classes": list(self.classes) or None,
            "columns": [column.name for column in self.schema.inputs],
            "left_out": [list(pair) for pair in self.schema.dropped],
            "image_shape": list(self.schema.image_shape) if self.schema.image_shape else None,
            "members": [
                {"text": m.text, "weight": m.weight, "recipe": m.recipe, "architecture": m.architecture}
                for m in self.members
            ],
            **self.record,
        }
