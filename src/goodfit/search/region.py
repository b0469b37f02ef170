"""Where in a space the search looks now: narrowed or widened ranges, and the options still in the race."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from goodfit.search.space import Point, Range, Space, Structure

TRIES = 30  # rounds of balanced columns in which new structures are looked for


@dataclass(frozen=True)
class Region:
    """A part of a space, moved by the zoom from round to round."""

    space: Space
    ranges: Mapping[str, Range]
    options: Mapping[str, tuple[int, ...]]  # of each choice, the numbers of the options still tried

    @classmethod
    def whole(cls, space: Space) -> Region:
        """Return the region that is all of the space."""
        options = {path: tuple(range(len(c.options))) for path, c in space.choices.items()}
        return cls(space, dict(space.ranges), options)

    def holds(self, structure: Structure) -> bool:
        """Tell whether all options of a structure are still tried."""
        return all(number in self.options[path] for path, number in structure)

    def structures(self, count: int, rng: np.random.Generator) -> list[Structure]:
        """Return up to ``count`` different structures: first options first, then each about equally often."""
        chosen = [self.space.structure_with({path: options[0] for path, options in self.options.items()})]
        for _ in range(TRIES):
            columns = {path: _balanced(options, count, rng) for path, options in self.options.items()}
            for i in range(count):
                found = self.space.structure_with({path: column[i] for path, column in columns.items()})
                if found not in chosen and len(chosen) < count:
                    chosen.append(found)
            if len(chosen) >= count:
                break
        return chosen

    def neighbour(self, structure: Structure, rng: np.random.Generator) -> Structure:
        """Return a structure with one choice made otherwise, at random; the same if there is no other."""
        open_paths = [path for path, _ in structure if len(self.options[path]) > 1]
        if not open_paths:
            return structure
        path = open_paths[rng.integers(len(open_paths))]
        made = dict(structure)
        others = [number for number in self.options[path] if number != made.get(path)]
        made[path] = others[rng.integers(len(others))]
        first = {path: options[0] for path, options in self.options.items()}
        return self.space.structure_with(first | made)

    def draw(self, structure: Structure, count: int, rng: np.random.Generator) -> list[Point]:
        """Return ``count`` points of a structure, spread evenly over the ranges (quasi-random)."""
        paths = self.space.ranges_of(structure)
        shares = quasi_random(count, len(paths), rng)
        return [
            dict(structure)
            | {path: self.ranges[path].at(float(s)) for path, s in zip(paths, row, strict=True)}
            for row in shares
        ]

    def sample(self, count: int, rng: np.random.Generator) -> list[Point]:
        """Return ``count`` points spread evenly over ranges and options, each with its own structure."""
        columns = {path: _balanced(options, count, rng) for path, options in self.options.items()}
        shares = dict(zip(self.ranges, quasi_random(count, len(self.ranges), rng).T, strict=True))
        points: list[Point] = []
        for i in range(count):
            structure = self.space.structure_with({path: column[i] for path, column in columns.items()})
            paths = self.space.ranges_of(structure)
            points.append(
                dict(structure) | {path: self.ranges[path].at(float(shares[path][i])) for path in paths}
            )
        return points

    def close_to(self, point: Point, rng: np.random.Generator, reach: float = 0.1) -> Point:
        """Return a point of the same structure whose values lie within ``reach`` of each range's width."""
        structure = self.space.structure_of(point)
        near: Point = dict(structure)
        for path in self.space.ranges_of(structure):
            box = self.ranges[path]
            share = box.share(point[path]) + reach * rng.uniform(-1.0, 1.0)
            near[path] = box.low if box.fixed else box.at(share)
        return near

    def with_range(self, path: str, box: Range) -> Region:
        """Return the region with another range at a path."""
        return replace(self, ranges={**self.ranges, path: box})

    def to_json(self) -> dict[str, Any]:
        """Return by path ends, options and log scales; and in ``space`` those of the whole space."""
        return {
            "ranges": {path: [box.low, box.high] for path, box in self.ranges.items()},
            "options": {
                path: [self.space.choices[path].label(number) for number in options]
                for path, options in self.options.items()
            },
            "log": [path for path, box in self.ranges.items() if box.log],
            "space": {
                "ranges": {path: [box.low, box.high] for path, box in self.space.ranges.items()},
                "log": [path for path, box in self.space.ranges.items() if box.log],
                "whole": [path for path, box in self.space.ranges.items() if box.whole],
                "options": {
                    path: [choice.label(number) for number in range(len(choice.options))]
                    for path, choice in self.space.choices.items()
                },
            },
        }


def quasi_random(count: int, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    """Return (count, dimensions) shares in [0, 1) that fill the cube evenly.

    The additive recurrence of Roberts (2018): steps by powers of 1/φ, where φ is the positive root of
    φ^(d+1) = φ + 1, from a start drawn at random. Its order on each axis decides which of ``count`` equal
    strata a share lies in, so that each axis alone is even, too.
    """
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (dimensions + 1.0))
    steps = root ** -np.arange(1.0, dimensions + 1.0)
    points = (rng.random(dimensions) + np.arange(count)[:, None] * steps) % 1.0
    stratum = np.argsort(np.argsort(points, axis=0), axis=0)
    return (stratum + rng.random((count, dimensions))) / max(count, 1)


def _balanced(options: tuple[int, ...], count: int, rng: np.random.Generator) -> list[int]:
    """Return ``count`` options in random order, each as often as the others give or take one."""
    return [options[i % len(options)] for i in rng.permutation(count)]
