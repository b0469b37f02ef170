"""`Tpe`: Optuna's tree-structured Parzen estimator in place of the zoom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from goodfit.neighbours.distributions import distribution_of
from goodfit.neighbours.extra import missing_optuna, quiet_optuna
from goodfit.search.region import Region
from goodfit.search.sampler import Ask, Zoom
from goodfit.search.space import Point, Space, Structure
from goodfit.search.trial import Trial, merged_order
from goodfit.search.zoom import Move

try:
    import optuna
    from optuna.trial import FrozenTrial, TrialState
except ImportError as error:
    raise missing_optuna("The sampler tpe") from error

if TYPE_CHECKING:
    from optuna import Study


class Tpe:
    """Points from Optuna's TPE, asked for in batches: a `goodfit.search.sampler.Sampler`.

    Each round a study in memory is built anew from the trials alone: all that reached their first stop,
    harvests and those of an earlier space too where they fit in, each with its place in the merged order as
    its value. (TPE looks at the order only; so it learns from the same evidence as the zoom.) A killed and
    replayed search therefore asks for the same points. Points asked for earlier in the round are known to
    TPE as running, and count as bad ones (its "constant liar"), so that a batch does not crowd.

    TPE left alone may give each point another structure, and each structure is a program to compile. So
    a round first asks it freely for as many points as the round may have structures, and keeps their
    structures alone; where one is new beyond the limit, the known structure with most options in common takes
    its place. Then it asks for the round's points with the options fixed, as enqueued trials: each structure
    gets its number of points, twice as many if TPE wanted it twice. Parameters are drawn each for itself
    (``multivariate=False``), which needs no conditioning on options that are fixed.

    The first round, of which TPE knows nothing, is the zoom's: a spread of structures, even draws.

    Args:
        space: what may be tried.
        seed: a whole number; with a round's number it decides TPE's draws.

    Attributes:
        region: the whole space, always: TPE has no region. Harvests draw close to the best in its widths.

    Reference: Bergstra, Bardenet, Bengio and Kégl, "Algorithms for hyper-parameter optimization", 2011.

    Raises:
        MissingExtraError: Optuna is not installed (raised by the import of this module).
    """

    def __init__(self, space: Space, seed: int = 0) -> None:
        self.space, self.seed = space, seed
        self.region = Region.whole(space)
        nodes = {**space.choices, **space.ranges}
        self._distributions = {path: distribution_of(node) for path, node in nodes.items()}

    def observe(self, trials: Sequence[Trial]) -> list[Move]:
        """Do nothing: `propose` is told all trials."""
        return []

    def propose(self, ask: Ask, trials: Sequence[Trial]) -> list[Point]:
        """Return ``each`` points for every structure, interleaved so that a cut leaves some of each."""
        known = [(t, p) for t in trials if (p := self.space.carry(t.point, t.space)) is not None]
        places = {t.number: place for place, t in enumerate(merged_order([t for t, _ in known if t.keys]))}
        if not places:
            return Zoom(self.space).propose(ask, trials)
        with quiet_optuna():
            study = self._study(ask, [(p, places[t.number]) for t, p in known if t.number in places])
            known.sort(key=lambda pair: places.get(pair[0].number, len(trials)))
            structures = self._structures(study, ask, [self.space.structure_of(p) for _, p in known])
            return [self._point(study, structure) for _ in range(ask.each) for structure in structures]

    def _study(self, ask: Ask, told: Sequence[tuple[Point, int]]) -> Study:
        """Return a study in memory that knows these points, in the order of their trials, by their places."""
        words = np.random.SeedSequence([self.seed, ask.seed, ask.round]).generate_state(1)
        sampler = optuna.samplers.TPESampler(seed=int(words[0]), multivariate=False, constant_liar=True)
        study = optuna.create_study(sampler=sampler)
        study.add_trials([self._told(point, place) for point, place in told])
        return study

    def _told(self, point: Point, place: int) -> FrozenTrial:
        """Return a trial as Optuna is told it; what was drawn beyond a range counts as its end."""
        values = {path: self._inside(path, value) for path, value in point.items()}
        distributions = {path: self._distributions[path] for path in values}
        return optuna.trial.create_trial(value=float(place), params=values, distributions=distributions)

    def _inside(self, path: str, value: float) -> float | int:
        if path in self.space.choices:
            return int(value)
        box = self.space.ranges[path]
        inside = min(max(value, box.low), box.high)
        return int(inside) if box.whole else inside

    def _structures(self, study: Study, ask: Ask, tried: Sequence[Structure]) -> list[Structure]:
        """Return the structures that TPE wants, within the limits; one that it wants twice stands twice.

        ``tried`` are those of all trials, the best first.
        """
        known = list(dict.fromkeys(tried))
        room, wanted, asked = ask.new_structures, [], []
        for _ in range(max(1, min(ask.structures, self.space.size()))):
            asked.append(study.ask())
            structure: Structure = ()
            for path in self.space.choices:
                if self.space.exists(path, structure):
                    structure = (*structure, (path, int(self._suggest(asked[-1], path))))
            if structure not in known and room > 0:
                known.append(structure)
                room -= 1
            wanted.append(max(known, key=lambda one: len({*one} & {*structure})))  # of equals the best
        for trial in asked:  # for their options alone
            study.tell(trial, state=TrialState.FAIL)
        return wanted

    def _point(self, study: Study, structure: Structure) -> Point:
        """Ask for a point of a structure."""
        study.enqueue_trial(dict(structure))
        trial = study.ask()
        paths = (*dict(structure), *self.space.ranges_of(structure))
        return {path: float(self._suggest(trial, path)) for path in paths}

    def _suggest(self, trial: optuna.Trial, path: str) -> float:
        """Return the value, or the number of the option, that TPE gives a place."""
        if path in self.space.choices:
            return trial.suggest_categorical(path, range(len(self.space.choices[path].options)))
        box = self.space.ranges[path]
        if box.whole:
            return trial.suggest_int(path, int(box.low), int(box.high), log=box.log)
        return trial.suggest_float(path, box.low, box.high, log=box.log)
