"""`NarrowingSampler`: goodfit's zoom for anyone's Optuna objective."""

from __future__ import annotations

import math
import secrets
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from goodfit.errors import InputError, must_be
from goodfit.neighbours.distributions import node_of, place_of, value_at
from goodfit.neighbours.extra import missing_optuna
from goodfit.search.region import Region
from goodfit.search.space import Point, Space
from goodfit.search.zoom import Outcome, at_large, zoom

try:
    from optuna.samplers import BaseSampler
    from optuna.study import StudyDirection
    from optuna.trial import TrialState
except ImportError as error:
    raise missing_optuna("NarrowingSampler") from error

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

CLOSE = 0.4  # share of a round's trials that are drawn close to the best
BEST = 4  # trials that these are close to
REMEMBERED = 64  # search spaces whose regions are kept

# A trial's number, whether it was drawn to explore, what to rank it by (lowest best), its parameters.
Result = tuple[int, bool, tuple[float, ...], Mapping[str, Any]]


class Link(NamedTuple):
    """What a round added, the best points up to it, and the region after it."""

    new: list[Result]
    best: list[Point]
    region: Region


class NarrowingSampler(BaseSampler):
    """Draw trials in rounds from a region that narrows by evidence; see `goodfit.search.zoom`.

        study = optuna.create_study(sampler=NarrowingSampler(seed=0))
        study.optimize(objective, n_trials=60)

    The trials of the first round fill the distributions evenly (quasi-random). Of every later round about a
    fifth does, two fifths fill the region, and two fifths lie close to the best trials. After each round a
    side of a range moves inwards if the trials beyond it rank worse by Mann and Whitney's test, and back
    outwards if the best stands at the edge; never beyond the distribution, which is a hard limit. An option
    is dropped if its trials rank worse than all others, and comes back if a later draw is good.

    A trial's parameters depend on the seed, the trial's number, and the results of the rounds before its own:
    on no clock and on no process. So several processes may work on one study; give them the same seed, and
    they share out each round between them. What of earlier rounds is still running is left out meanwhile.

    Pruned trials rank behind all complete ones, those pruned late before those pruned early. Failed trials
    are left out, as by Optuna's own samplers: to have divergence count, prune, or return infinity. A
    parameter that exists in some trials only is moved by those trials alone; in the round in which it is
    first met it is drawn evenly from its distribution.

    Args:
        seed: a whole number >= 0; drawn at random unless given.
        round_size: trials a round, at least 5.

    Raises:
        InputError: an argument is not allowed; or, when asked for a trial, the study has several objectives.
        MissingExtraError: Optuna is not installed (raised by the import of this module).
    """

    def __init__(self, *, seed: int | None = None, round_size: int = 6) -> None:
        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise must_be("seed", "a whole number >= 0, or None", seed)
        if not isinstance(round_size, int) or round_size < 5:
            raise must_be("round_size", "a whole number >= 5", round_size)
        self.seed = secrets.randbits(32) if seed is None else int(seed)
        self.round_size = round_size
        self._chains: dict[Any, list[Link]] = {}

    def reseed_rng(self) -> None:
        """Do nothing: trials of one study differ by their numbers, whoever draws them."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return every parameter that the rounds before the trial's have met, as it was met last."""
        _check_objectives(study)
        found: dict[str, BaseDistribution] = {}
        for earlier in self._finished(study, trial.number // self.round_size):
            found |= earlier.distributions
        return {name: found[name] for name in sorted(found) if not found[name].single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the trial's place in its round; what the trial does not ask for stays unused."""
        return self._draw(study, trial, search_space) if search_space else {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a parameter that was not met before, or that has another distribution now."""
        _check_objectives(study)
        return self._draw(study, trial, {param_name: param_distribution})[param_name]

    def _draw(
        self, study: Study, trial: FrozenTrial, distributions: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return one point of the trial's round in the space of these distributions."""
        number, place = divmod(trial.number, self.round_size)
        best, region = self._seen(study, number, distributions)
        names = zlib.crc32("\n".join(distributions).encode())
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, number, names])))
        wide, close = self._shares(number)
        points = _shuffled(region, self.round_size - wide - close, rng)
        points += _shuffled(Region.whole(region.space), wide, rng)
        for turn, drawn in enumerate(_shuffled(region, close, rng)):
            points.append(region.close_to(drawn | best[turn % len(best)], rng) if best else drawn)
        return {
            name: value_at(distribution, points[place][str(path)])
            for path, (name, distribution) in enumerate(distributions.items())
        }

    def _shares(self, number: int) -> tuple[int, int]:
        """Return how many of a round's trials come from the full space, and from close to the best."""
        return (at_large(self.round_size), round(CLOSE * self.round_size)) if number else (0, 0)

    def _seen(
        self, study: Study, rounds: int, distributions: Mapping[str, BaseDistribution]
    ) -> tuple[list[Point], Region]:
        """Return the best points of so many rounds and the region after them; each round is computed once."""
        identity = tuple(distributions.items())
        known = self._chains.get(identity, [])
        chain: list[Link] = []
        region = Region.whole(Space({str(i): node_of(d) for i, d in enumerate(distributions.values())}))
        for number, new in enumerate(self._results(study, rounds)):
            if number >= len(known) or known[number].new != new:
                known = []  # what comes after depends on this
                evidence = [one for link in chain for one in link.new] + new
                outcomes = _outcomes(evidence, distributions)
                # The same evidence must not narrow twice.
                after = zoom(region, outcomes)[0] if new else region
                best = sorted(outcomes, key=lambda o: o.rank)[:BEST]
                chain.append(Link(new, [o.point for o in best], after))
            else:
                chain.append(known[number])
            region = chain[-1].region
        if len(self._chains) >= REMEMBERED:
            self._chains = {}
        self._chains[identity] = chain if len(chain) >= len(known) else known
        return (chain[-1].best if chain else []), region

    def _results(self, study: Study, rounds: int) -> list[list[Result]]:
        """Return what came of each of the first rounds."""
        results: list[list[Result]] = [[] for _ in range(rounds)]
        for trial in self._finished(study, rounds):
            number, place = divmod(trial.number, self.round_size)
            drawn = place < self.round_size - self._shares(number)[1]
            results[number].append((trial.number, drawn, _key(trial, study.direction), trial.params))
        return results

    def _finished(self, study: Study, rounds: int) -> list[FrozenTrial]:
        """Return the complete and pruned trials of the first rounds, by number."""
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        found = study.get_trials(deepcopy=False, states=states)
        return sorted((t for t in found if t.number < rounds * self.round_size), key=lambda t: t.number)


def _check_objectives(study: Study) -> None:
    if len(study.directions) > 1:
        raise InputError(
            f"NarrowingSampler ranks trials by one objective, and the study {study.study_name!r} has "
            f"{len(study.directions)}: use one of Optuna's samplers for several, such as NSGAIISampler."
        )


def _shuffled(region: Region, count: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """Return points of a region in random order: a parameter drawn alone must not go with another."""
    points = region.sample(count, rng)
    return [points[i] for i in rng.permutation(count)]


def _key(trial: FrozenTrial, direction: StudyDirection) -> tuple[float, ...]:
    """Return what trials are ranked by, lowest best: complete ones, then those pruned last."""
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    if trial.state == TrialState.COMPLETE:
        assert trial.value is not None
        return (0.0, 0.0, sign * trial.value)
    if trial.last_step is None:
        return (1.0, math.inf, math.inf)
    value = sign * trial.intermediate_values[trial.last_step]
    return (1.0, -float(trial.last_step), math.inf if math.isnan(value) else value)


def _outcomes(results: Sequence[Result], distributions: Mapping[str, BaseDistribution]) -> list[Outcome]:
    """Return the results as outcomes in the space of these distributions; equals share a rank."""
    keys = sorted(key for _, _, key, _ in results)
    found = []
    for _, drawn, key, values in results:
        places = {
            str(path): place_of(distribution, values[name])
            for path, (name, distribution) in enumerate(distributions.items())
            if name in values
        }
        rank = (bisect_left(keys, key) + bisect_right(keys, key) - 1) / 2
        found.append(Outcome({path: at for path, at in places.items() if at is not None}, rank, drawn))
    return found
