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
from goodfit.search.folds import Fold, judged_rows, out_of_fold

TRUST = 1000  # validation rows at which the chosen weights count as much as equal ones
EQUALS = 10  # networks that share the equal weights, the best ones
LEAST = 0.01  # an equal share below it is not worth a network's time
NEAR = 1.5  # times the best network's cost: beyond, a network gets no equal share
_TEMPERATURES = np.exp(np.linspace(-2.0, 2.0, 41))

Cost = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Chosen:
    """An ensemble: its members with weights, and which of the candidates they come from."""

    members: tuple[ModelMember, ...]
    places: tuple[int, ...]  # of each member, its candidate's
    prediction: np.ndarray  # on the rows it was chosen on

    def weights(self) -> dict[int, float]:
        """Return each candidate's weight, by place, the heaviest first."""
        found = dict.fromkeys(self.places, 0.0)
        for place, member in zip(self.places, self.members, strict=True):
            found[place] += member.weight
        return found


def model_member(
    network: Network, member: Member, weight: float = 1.0, temperature: float = 1.0
) -> ModelMember:
    """Return the best state of a trained member as part of a model, outputs divided by ``temperature``."""
    recipe = member.recipe
    architecture = network.architecture(recipe)
    params, running, step = member.weights(best=True)
    params = network.final_params(recipe, params)
    for name in ("output.weight", "output.bias"):
        params[name] = (params[name] / np.float32(temperature)).astype(np.float32)
    final = network.final_running(recipe, running, step)
    return ModelMember(architecture, params, final, weight, recipe.to_json(), recipe.text(), temperature)


class Candidates:
    """Networks that an ensemble may take, calibrated as they come; nothing is trained again.

    A candidate is one network; or, with ``folds``, one a fold, each predicting the rows that it has not seen.
    Its networks then share its weight, and ``cost`` is about the rows that some fold holds.
    """

    def __init__(
        self, network: Network, x: np.ndarray, cost: Cost, folds: Sequence[Fold] | None = None
    ) -> None:
        self._calibrate = lambda candidate: _calibrated(network, candidate, x, cost, folds)
        self._cost = cost
        self._found: dict[int, tuple[list[ModelMember], np.ndarray]] = {}

    def add(self, place: int, candidate: Sequence[Member]) -> None:
        """Take in a trained candidate at its best state; places, in any order, settle ties.

        A classifier is calibrated by one temperature (Guo et al. 2017), because label smoothing and
        over-fitting move log losses in ways that say nothing of the labels.
        """
        self._found[place] = self._calibrate(candidate)

    def choose(self) -> Chosen:
        """Return an ensemble of the candidates, weights picked greedily.

        Few rows cannot tell networks apart, so with n rows the picked weights get a share ``n/(n + TRUST)``
        and equal weights of the best `EQUALS` networks the rest; temperatures are shrunk to 1 likewise.
        """
        owners, cost = sorted(self._found), self._cost
        found = [self._found[place] for place in owners]
        outputs = [output for _, output in found]
        share = _trust(len(outputs[0]))
        picks = np.array(greedy_selection(outputs, cost), np.float64)
        weights = share * picks / picks.sum()
        costs = [cost(output) for output in outputs]
        near = [i for i in range(len(costs)) if costs[i] <= NEAR * min(costs)][:EQUALS]
        if (1.0 - share) / len(near) >= LEAST:
            weights[near] += (1.0 - share) / len(near)
        weights /= weights.sum()
        order = sorted((i for i in range(len(weights)) if weights[i] > 0), key=lambda i: (-weights[i], i))
        prediction = weighted_mean([outputs[i] for i in order], [weights[i] for i in order])
        members, places = [], []
        for i in order:
            networks = found[i][0]
            members += [replace(one, weight=float(weights[i]) / len(networks)) for one in networks]
            places += [owners[i]] * len(networks)
        return Chosen(tuple(members), tuple(places), prediction)


def choose_ensemble(
    network: Network,
    candidates: Sequence[Sequence[Member]],
    x: np.ndarray,
    cost: Cost,
    folds: Sequence[Fold] | None = None,
) -> Chosen:
    """Return an ensemble of the candidates (best first), as `Candidates` chooses it on rows ``x``."""
    found = Candidates(network, x, cost, folds)
    for place, candidate in enumerate(candidates):
        found.add(place, candidate)
    return found.choose()


def _trust(rows: int) -> float:
    """Return how much is to be made of what so many rows say, from 0 to 1."""
    return rows / (rows + TRUST)


def _calibrated(
    network: Network,
    candidate: Sequence[Member],
    x: np.ndarray,
    cost: Cost,
    folds: Sequence[Fold] | None,
) -> tuple[list[ModelMember], np.ndarray]:
    """Return the candidate's networks with one temperature built in, and their output on judged rows."""
    members = [model_member(network, one) for one in candidate]
    parts = [x] if folds is None else [x[fold.valid] for fold in folds]
    logits = [
        forward(m.architecture, m.params, m.running, part) for m, part in zip(members, parts, strict=True)
    ]
    head = members[0].architecture["head"]
    judged = None if folds is None else judged_rows(folds)

    def output(temperature: float) -> np.ndarray:
        each = [apply_head(head, one / temperature) for one in logits]
        each = [one[:, 0] if head == "identity" and one.shape[1] == 1 else one for one in each]
        return each[0] if folds is None else out_of_fold(folds, each, len(x))[judged]

    if head == "identity":
        return members, output(1.0)
    costs = [cost(output(t)) for t in _TEMPERATURES]
    share = _trust(len(x) if judged is None else len(judged))
    temperature = float(_TEMPERATURES[int(np.argmin(costs))]) ** share
    return [model_member(network, one, temperature=temperature) for one in candidate], output(temperature)
