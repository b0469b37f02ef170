"""A model's networks as those who answer for rows: of folds, only those that have not seen a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goodfit.model.model import Model, ModelMember
from goodfit.model.predict import member_output, weighted_mean
from goodfit.search.folds import Fold

_EACH = 30  # operations an activation takes, about
_CONV = 3  # times as long as one of a matrix product takes one of a convolution


@dataclass(frozen=True, eq=False)
class Jury:
    """The candidates of an ensemble, each one network or one a fold, with their weights."""

    candidates: list[list[ModelMember]]
    weights: list[float]
    cut: Sequence[Fold] | None = None

    @classmethod
    def of(cls, model: Model, folds: Sequence[Fold] | None) -> Jury:
        """Return the candidates of a model, whose networks stand together, one a fold."""
        size = len(folds) if folds else 1
        members = list(model.members)
        candidates = [members[start : start + size] for start in range(0, len(members), size)]
        return cls(candidates, [sum(m.weight for m in one) for one in candidates], folds)

    @property
    def folds(self) -> int:
        """How many networks a candidate has."""
        return len(self.cut) if self.cut else 1

    def holders(self, rows: np.ndarray) -> np.ndarray | None:
        """Return which fold's network has not seen which row, (folds, rows); None: all may answer for all."""
        if not self.cut:
            return None
        return np.array([np.isin(rows, fold.valid) for fold in self.cut])

    def outputs(self, x: np.ndarray, holders: np.ndarray | None) -> list[np.ndarray]:
        """Return each candidate's output on encoded rows: the mean of its networks that may answer."""
        return [_mean(one, x, holders) for one in self.candidates]

    def together(self, x: np.ndarray, holders: np.ndarray | None) -> np.ndarray:
        """Return the ensemble's output on encoded rows."""
        return weighted_mean(self.outputs(x, holders), self.weights)

    def operations(self) -> float:
        """Return about how many operations one row takes."""
        return float(sum(_operations(member) for one in self.candidates for member in one))


def _mean(networks: Sequence[ModelMember], x: np.ndarray, holders: np.ndarray | None) -> np.ndarray:
    if holders is None:
        found = [member_output(m.architecture, m.params, m.running, x) for m in networks]
        return weighted_mean(found, [1.0] * len(found))
    total = np.zeros(())
    for member, held in zip(networks, holders, strict=True):
        if held.any():
            part = member_output(member.architecture, member.params, member.running, x[held])
            total = total if total.ndim else np.zeros((len(x), *part.shape[1:]))
            total[held] += part
    return total / holders.sum(axis=0).reshape(-1, *(1,) * (total.ndim - 1))


def _operations(member: ModelMember) -> float:
    a = member.architecture
    total, places = 0.0, 1.0
    if a["conv"]:
        places = float(a["image"][0] * a["image"][1])
        for i, channels in enumerate(a["conv"]):
            total += _CONV * places * (2 * member.params[f"conv.{i}.weight"].size + _EACH * channels)
            places /= 4  # each is followed by pooling
    dense = sum(p.size for n, p in member.params.items() if not n.startswith(("conv.", "categories.")))
    total += a["submodels"] * (2 * dense + _EACH * sum(a["hidden"]))
    return total + _EACH * a["numbers"] * a["frequencies"]
