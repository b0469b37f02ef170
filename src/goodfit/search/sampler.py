"""Where the next points come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from goodfit.search.region import Region
from goodfit.search.space import Point, Space, Structure
from goodfit.search.trial import Trial, merged_order
from goodfit.search.zoom import Move, Outcome, at_large, zoom

NEIGHBOURS = 50  # tries to find another structure


@dataclass(frozen=True)
class Ask:
    """What a round wants."""

    round: int
    each: int  # points a structure
    structures: int  # at most
    new_structures: int  # of these, at most so many that were not tried before
    seed: int

    def rng(self) -> np.random.Generator:
        """Return the round's own random numbers."""
        return np.random.Generator(np.random.Philox(key=np.array([self.seed, 2**40 + self.round], np.uint64)))


class Sampler(Protocol):
    """Proposes points from what came of the last ones; must depend on results alone."""

    region: Region

    def propose(self, ask: Ask, trials: Sequence[Trial]) -> list[Point]:
        """Return the points of a round."""
        ...

    def observe(self, trials: Sequence[Trial]) -> list[Move]:
        """Take note of all trials so far; called once after each wave, when a study is replayed too."""
        ...


class Zoom:
    """goodfit's own: even draws from a region that narrows and widens; see `goodfit.search.zoom`."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.region = Region.whole(space)
        self._seen = 0

    def observe(self, trials: Sequence[Trial]) -> list[Move]:
        """Move the region by all trials that reached their first stop."""
        found = self._ranked(trials)
        evidence = sum(len(t.keys) for t, _ in found)
        if evidence == self._seen:
            return []  # the same evidence must not narrow twice
        self._seen = evidence
        outcomes = [Outcome(point, float(rank), not t.harvest) for rank, (t, point) in enumerate(found)]
        self.region, moves = zoom(self.region, outcomes)
        return moves

    def _ranked(self, trials: Sequence[Trial]) -> list[tuple[Trial, Point]]:
        """Return the trials that reached their first stop, best first, with their points in this space."""
        order = merged_order([t for t in trials if t.keys])
        return [(t, point) for t in order if (point := self.space.carry(t.point, t.space)) is not None]

    def propose(self, ask: Ask, trials: Sequence[Trial]) -> list[Point]:
        """Return ``each`` points of every structure, interleaved so that a cut leaves some of each."""
        rng = ask.rng()
        wide = at_large(ask.each) if trials else 0
        everything = Region.whole(self.space)
        found = [
            self.region.draw(structure, ask.each - wide, rng) + everything.draw(structure, wide, rng)
            for structure in self._structures(ask, trials, rng)
        ]
        return [point for turn in zip(*found, strict=True) for point in turn]

    def _structures(self, ask: Ask, trials: Sequence[Trial], rng: np.random.Generator) -> list[Structure]:
        """Return a spread of structures at first; then the best half, neighbours of the best, a stranger."""
        count = min(ask.structures, self.space.size())
        carried = [self.space.carry(t.point, t.space) for t in trials]
        seen = list(dict.fromkeys(self.space.structure_of(point) for point in carried if point is not None))
        if not seen:
            return self.region.structures(max(1, min(count, ask.new_structures)), rng)
        chosen: list[Structure] = []
        for _, point in self._ranked(trials):
            structure = self.space.structure_of(point)
            if structure not in chosen and len(chosen) < max(1, count // 2):
                chosen.append(structure)
        if not chosen:  # none reached its first stop: nothing to stay close to
            chosen.append(seen[0])
        everything, room = Region.whole(self.space), ask.new_structures
        for attempt in range(NEIGHBOURS):
            if len(chosen) >= count:
                break
            stranger = len(chosen) == count - 1 and attempt < NEIGHBOURS // 2  # from the full space
            options = everything.structures(count + 1, rng)[1:] if stranger else []
            near = options[0] if options else self.region.neighbour(chosen[0], rng)
            if near not in chosen and (near in seen or room > 0):
                chosen.append(near)
                room -= near not in seen
        return chosen
