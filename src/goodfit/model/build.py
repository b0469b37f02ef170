"""From what a search trained to a model: candidates, their predictions, the ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from goodfit.engine.population import Member
from goodfit.ensemble.select import greedy_selection
from goodfit.model.model import ModelMember
from goodfit.model.predict import member_output
from goodfit.network import Network
from goodfit.recipe import Recipe


@dataclass(frozen=True)
class Chosen:
    """An ensemble: its members with weights, and which of the candidates they are."""

    members: tuple[ModelMember, ...]
    places: tuple[int, ...]
    prediction: np.ndarray  # on the rows it was chosen on
    singles: tuple[np.ndarray, ...]  # the members' own predictions there


def model_member(network: Network, member: Member, weight: float = 1.0) -> ModelMember:
    """Return the best state of a trained member as part of a model."""
    params, running, step = member.weights(best=True)
    recipe: Recipe = member.recipe
    final = network.final_running(recipe, running, step)
    return ModelMember(network.architecture(recipe), params, final, weight, recipe.to_json(), recipe.text())


def choose_ensemble(
    network: Network, candidates: Sequence[Member], x: np.ndarray, cost: Callable[[np.ndarray], float]
) -> Chosen:
    """Return the greedy ensemble of the candidates on rows ``x``; nothing is trained again."""
    members = [model_member(network, member) for member in candidates]
    outputs = [member_output(m.architecture, m.params, m.running, x) for m in members]
    counts = greedy_selection(outputs, cost)
    places = [i for i, count in enumerate(counts) if count]
    places.sort(key=lambda i: -counts[i])
    total = sum(counts)
    prediction = sum((counts[i] / total * outputs[i] for i in places), start=np.zeros(()))
    chosen = tuple(replace(members[i], weight=counts[i] / total) for i in places)
    return Chosen(chosen, tuple(places), prediction, tuple(outputs[i] for i in places))
