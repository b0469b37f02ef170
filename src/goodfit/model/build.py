"""From what a search trained to a model: candidates, calibration, the ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from goodfit.engine.population import Member
from goodfit.ensemble.select import greedy_selection
from goodfit.model.model import ModelMember
from goodfit.model.predict import apply_head, forward, weighted_mean
from goodfit.network import Network

TRUST = 1000  # validation rows at which the chosen weights count as much as equal ones
EQUALS = 10  # networks that share the equal weights, the best ones
LEAST = 0.01  # an equal share below it is not worth a network's time
NEAR = 1.5  # times the best network's cost: beyond, a network gets no equal share
_TEMPERATURES = np.exp(np.linspace(-2.0, 2.0, 41))

Cost = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Chosen:
    """An ensemble: its members with weights, and which of the candidates they are."""

    members: tuple[ModelMember, ...]
    places: tuple[int, ...]
    prediction: np.ndarray  # on the rows it was chosen on


def model_member(
    network: Network, member: Member, weight: float = 1.0, temperature: float = 1.0
) -> ModelMember:
    """Return the best state of a trained member as part of a model, outputs divided by ``temperature``."""
    params, running, step = member.weights(best=True)
    for name in ("output.weight", "output.bias"):
        params[name] = (params[name] / np.float32(temperature)).astype(np.float32)
    recipe = member.recipe
    final = network.final_running(recipe, running, step)
    return ModelMember(
        network.architecture(recipe), params, final, weight, recipe.to_json(), recipe.text(), temperature
    )


def choose_ensemble(network: Network, candidates: Sequence[Member], x: np.ndarray, cost: Cost) -> Chosen:
    """Return an ensemble of the candidates (best first), chosen on rows ``x``; nothing is trained again.

    Each classifier is first calibrated by one temperature (Guo et al. 2017), because label smoothing and
    over-fitting move log losses in ways that say nothing of the labels. Then weights are picked greedily. Few
    rows cannot tell networks apart, so with n rows the picked weights get a share ``n/(n + TRUST)`` and equal
    weights of the best `EQUALS` networks the rest; the temperatures are shrunk to 1 likewise.
    """
    share = len(x) / (len(x) + TRUST)
    members, outputs = [], []
    for candidate in candidates:
        member, output = _calibrated(network, candidate, x, cost, share)
        members.append(member)
        outputs.append(output)
    picks = np.array(greedy_selection(outputs, cost), np.float64)
    weights = share * picks / picks.sum()
    costs = [cost(output) for output in outputs]
    near = [i for i in range(len(costs)) if costs[i] <= NEAR * min(costs)][:EQUALS]
    if (1.0 - share) / len(near) >= LEAST:
        weights[near] += (1.0 - share) / len(near)
    weights /= weights.sum()
    places = sorted((i for i in range(len(weights)) if weights[i] > 0), key=lambda i: (-weights[i], i))
    prediction = weighted_mean([outputs[i] for i in places], [weights[i] for i in places])
    chosen = tuple(replace(members[i], weight=float(weights[i])) for i in places)
    return Chosen(chosen, tuple(places), prediction)


def _calibrated(
    network: Network, candidate: Member, x: np.ndarray, cost: Cost, share: float
) -> tuple[ModelMember, np.ndarray]:
    """Return the member with its temperature built in, and its output on ``x``."""
    member = model_member(network, candidate)
    logits = forward(member.architecture, member.params, member.running, x)
    head = member.architecture["head"]
    if head == "identity":
        return member, logits[:, 0] if logits.shape[1] == 1 else logits
    costs = [cost(apply_head(head, logits / t)) for t in _TEMPERATURES]
    temperature = float(_TEMPERATURES[int(np.argmin(costs))]) ** share
    member = model_member(network, candidate, temperature=temperature)
    return member, apply_head(head, logits / temperature)
