"""What may be tried: a tree of ranges to draw from and options to choose from.

    Space({
        "hidden": choice((64, 64), (128, 128)),
        "optimizer": choice({
            "Momentum": {"lr": log_uniform(1e-3, 0.3), "momentum": uniform(0.8, 0.97)},
            "Adam": {"lr": log_uniform(3e-4, 0.02)},
        }),
        "weight_decay": log_uniform(1e-6, 1e-2),
    })

What stands under an option exists only where that option is chosen. Every place has a path, such as
``optimizer.Adam.lr``. A *point* gives each path that exists a value (a range) or the number of an option
(a choice); the choices of a point are its *structure*.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from goodfit.errors import InputError, must_be, nearest

Point = dict[str, float]  # by path; of a choice the option's number
Structure = tuple[tuple[str, int], ...]  # the choices of a point: path and option's number


@dataclass(frozen=True)
class Range:
    """An interval to draw from, on a log or a plain scale, with hard limits that widening never passes.

    Args:
        low, high: the ends, both included.
        log: draw on the log scale; ``low`` must be positive.
        whole: draw whole numbers.
        floor, ceiling: hard limits; the ends themselves unless given, so that nothing is widened.

    Raises:
        InputError: the ends are in the wrong order, outside the limits, or not positive on a log scale.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    floor: float | None = None
    ceiling: float | None = None

    def __post_init__(self) -> None:
        numbers = [self.low, self.high, *self.limits]
        if not all(isinstance(n, int | float) and not math.isnan(n) for n in numbers):
            raise must_be("The ends and limits of a range", "numbers", tuple(numbers))
        ordered = self.limits[0] <= self.low <= self.high <= self.limits[1]
        if not ordered or (self.log and self.low <= 0) or not math.isfinite(self.high - self.low):
            allowed = "finite, with floor <= low <= high <= ceiling" + (", low > 0" if self.log else "")
            raise must_be("A range", allowed, self)
        if self.whole and not all(math.isinf(n) or float(n).is_integer() for n in numbers):
            raise must_be("The ends and limits of a range of whole numbers", "whole", tuple(numbers))

    @property
    def limits(self) -> tuple[float, float]:
        """The hard limits."""
        return (
            self.low if self.floor is None else self.floor,
            self.high if self.ceiling is None else self.ceiling,
        )

    def _ends(self) -> tuple[float, float]:
        """Return the ends on the range's scale; a whole number owns the half on either side of it."""
        half = 0.5 if self.whole else 0.0
        low, high = self.low - half, self.high + half
        return (math.log(low), math.log(high)) if self.log else (low, high)

    def at(self, share: float) -> float:
        """Return the value at ``share`` of the way from low to high, on the range's scale.

        Shares in [0, 1] stay between the ends, others within the hard limits.
        """
        low, high = self._ends()
        scaled = low + share * (high - low)
        value = math.exp(min(max(scaled, -700.0), 700.0)) if self.log else scaled
        value = float(round(value)) if self.whole else value
        # After the rounding, which takes share 0 of 1 … 3 to round(0.5) = 0.
        least, most = (self.low, self.high) if 0.0 <= share <= 1.0 else self.limits
        if self.log and self.whole:
            least = max(least, 1.0)  # a limit of 0 is allowed, but the scale has no 0
        return min(max(value, least), most)

    def share(self, value: float) -> float:
        """Return where ``value`` lies: 0 at low, 1 at high, beyond them outside."""
        low, high = self._ends()
        scaled = math.log(max(value, 1e-300)) if self.log else value
        return 0.5 if high == low else (scaled - low) / (high - low)

    def between(self, low: float, high: float) -> Range:
        """Return the range between two shares of this one, inside the hard limits."""
        floor, ceiling = self.limits
        return replace(self, low=self.at(low), high=self.at(high), floor=floor, ceiling=ceiling)

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to draw."""
        return self.low == self.high

    def __str__(self) -> str:
        number = "{:.0f}" if self.whole else "{:.3g}"
        ends = f"{number.format(self.low)} … {number.format(self.high)}"
        return ends + (" (log)" if self.log else "")


def uniform(low: float, high: float, *, floor: float | None = None, ceiling: float | None = None) -> Range:
    """Return a range drawn from evenly; see `Range`."""
    return Range(low, high, floor=floor, ceiling=ceiling)


def log_uniform(
    low: float, high: float, *, floor: float | None = None, ceiling: float | None = None
) -> Range:
    """Return a range drawn from evenly on the log scale; see `Range`."""
    return Range(low, high, log=True, floor=floor, ceiling=ceiling)


def integer(
    low: int, high: int, *, log: bool = False, floor: int | None = None, ceiling: int | None = None
) -> Range:
    """Return a range of whole numbers, both ends included; see `Range`."""
    return Range(low, high, log=log, whole=True, floor=floor, ceiling=ceiling)


@dataclass(frozen=True)
class Choice:
    """Options, each with what exists only under it."""

    options: tuple[Any, ...]
    under: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not self.options:
            raise InputError("A choice needs at least one option.")
        for option in self.options:
            if isinstance(option, Range | Choice):
                raise InputError(
                    f"An option of a choice must be a value, got {option!r}: what is to be drawn stands by "
                    "name under an option, such as choice({'Dropout': {'ratio': uniform(0.1, 0.5)}})."
                )
        labels = [option_text(option) for option in self.options]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise InputError(f"A choice has the option {twice!r} twice: options must differ in name.")
        if not self.under:
            object.__setattr__(self, "under", ({},) * len(self.options))

    def label(self, number: int) -> str:
        """Return an option's name."""
        return option_text(self.options[number])


def choice(*options: Any) -> Choice:
    """Return a choice between ``options``, or between the keys of one mapping to what exists under each.

    Raises:
        InputError: no option, two of one name, or something other than a mapping under an option.
    """
    if len(options) == 1 and isinstance(options[0], Mapping):
        for option, below in options[0].items():
            if not isinstance(below, Mapping | None):
                raise must_be(
                    f"What stands under the option {option_text(option)!r}",
                    "a mapping of names to ranges, choices or values",
                    below,
                )
        return Choice(tuple(options[0]), tuple(dict(v or {}) for v in options[0].values()))
    return Choice(options)


def option_text(option: Any) -> str:
    """Return how an option is named: ``64x64`` for widths, ``on`` and ``off`` for booleans."""
    if isinstance(option, tuple | list):
        return "x".join(map(str, option)) or "linear"
    if isinstance(option, bool):
        return "on" if option else "off"
    return "none" if option is None else str(option)


@dataclass(frozen=True)
class Space:
    """A tree of ranges and choices by name; any other value is fixed.

    Args:
        tree: for each name a `Range`, a `Choice`, or a fixed value.

    Raises:
        InputError: a name is not a text, is empty or holds a dot; there is no name at all.
    """

    tree: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.tree, Mapping) or not self.tree:
            raise must_be("A space", "a non-empty mapping of names to ranges, choices or values", self.tree)
        assert self._places  # walks the tree, and so checks every name

    # --- places

    def _walk(self, tree: Mapping[str, Any], above: str, under: Structure) -> Iterator[tuple[str, Any]]:
        """Yield (path, (node, conditions)) from the top down."""
        for name, node in tree.items():
            if not isinstance(name, str) or "." in name or not name:
                raise must_be("A name in a space", "a non-empty text without a dot", name)
            path = above + name
            node = node if isinstance(node, Range | Choice) else Choice((node,))
            yield path, (node, under)
            if isinstance(node, Choice):
                for number, below in enumerate(node.under):
                    prefix = f"{path}.{node.label(number)}."
                    yield from self._walk(below, prefix, (*under, (path, number)))

    @cached_property
    def _places(self) -> dict[str, tuple[Any, Structure]]:
        return dict(self._walk(self.tree, "", ()))

    @cached_property
    def ranges(self) -> dict[str, Range]:
        """The ranges by path."""
        return {path: node for path, (node, _) in self._places.items() if isinstance(node, Range)}

    @cached_property
    def choices(self) -> dict[str, Choice]:
        """The choices by path, those above before those below them."""
        return {path: node for path, (node, _) in self._places.items() if isinstance(node, Choice)}

    def exists(self, path: str, structure: Structure) -> bool:
        """Tell whether a place exists where these choices were made."""
        return set(self._places[path][1]) <= set(structure)

    def ranges_of(self, structure: Structure) -> tuple[str, ...]:
        """Return the paths of the ranges that exist under a structure."""
        return tuple(path for path in self.ranges if self.exists(path, structure))

    # --- structures

    def structures(self) -> Iterator[Structure]:
        """Yield every combination of options, the first options first."""
        yield from self._combined((), list(self.choices))

    def _combined(self, chosen: Structure, left: list[str]) -> Iterator[Structure]:
        while left and not self.exists(left[0], chosen):
            left = left[1:]
        if not left:
            yield chosen
            return
        for number in range(len(self.choices[left[0]].options)):
            yield from self._combined((*chosen, (left[0], number)), left[1:])

    def structure_with(self, picked: Mapping[str, int]) -> Structure:
        """Return the structure of these options by path, of the first option where none is picked."""
        made: Structure = ()
        for path in self.choices:
            if self.exists(path, made):
                made = (*made, (path, picked.get(path, 0)))
        return made

    def variations(self) -> Iterator[Structure]:
        """Yield a structure for every option of every choice, with first options elsewhere."""
        for path, (node, above) in self._places.items():
            if isinstance(node, Choice):
                for number in range(len(node.options)):
                    yield self.structure_with({**dict(above), path: number})

    def size(self) -> int:
        """Return how many structures there are."""
        return self._size(self.tree)

    def _size(self, tree: Mapping[str, Any]) -> int:
        sizes = (sum(map(self._size, node.under)) for node in tree.values() if isinstance(node, Choice))
        return math.prod(sizes)

    def structure_of(self, point: Point) -> Structure:
        """Return the choices of a point."""
        return tuple((path, int(point[path])) for path in self.choices if path in point)

    # --- values

    def values(self, point: Point) -> dict[str, Any]:
        """Return the point's values by path: numbers, and options themselves."""
        return {
            path: self.choices[path].options[int(value)]
            if path in self.choices
            else int(value)
            if self.ranges[path].whole
            else value
            for path, value in point.items()
        }

    def carry(self, point: Point, other: Space) -> Point | None:
        """Return a point of another space in this one's terms, or None where it has none.

        It has one where both have the same names, and every option taken there is an option here. Numbers
        may lie outside the ranges.
        """
        if other is self:
            return point
        made: Structure = ()
        for path, choice in self.choices.items():
            if self.exists(path, made):
                if path not in other.choices or path not in point:
                    return None
                label = other.choices[path].label(int(point[path]))
                labels = [choice.label(number) for number in range(len(choice.options))]
                if label not in labels:
                    return None
                made = (*made, (path, labels.index(label)))
        paths = self.ranges_of(made)
        if set(paths) | {path for path, _ in made} != set(point):
            return None
        return dict(made) | {path: point[path] for path in paths}

    def middle(self, structure: Structure) -> Point:
        """Return the point in the middle of all ranges under a structure."""
        return dict(structure) | {path: self.ranges[path].at(0.5) for path in self.ranges_of(structure)}

    def text(self, structure: Structure) -> str:
        """Return the choices in a few words, those with one option left out."""
        words = []
        for path, number in structure:
            if len(self.choices[path].options) > 1:
                name, option = path.rsplit(".", 1)[-1], self.choices[path].label(number)
                absent = option in ("off", "none")
                words.append(name if option == "on" else f"no {name}" if absent else option)
        return ", ".join(words).replace("_", " ") or "the one structure"

    def replace(self, path: str, node: Any) -> Space:
        """Return the space with another range, choice or value at a path.

        Raises:
            InputError: there is no such path; the message names the nearest.
        """
        if path not in self._places:
            raise InputError(f"The space has no {path!r}{nearest(path, self._places)}.")
        return Space(self._replaced(self.tree, "", path, node))

    def _replaced(self, tree: Mapping[str, Any], above: str, path: str, node: Any) -> dict[str, Any]:
        out = {}
        for name, old in tree.items():
            here = above + name
            if here == path:
                old = node
            elif isinstance(old, Choice) and path.startswith(here + "."):
                under = [
                    self._replaced(below, f"{here}.{old.label(i)}.", path, node)
                    for i, below in enumerate(old.under)
                ]
                old = Choice(old.options, tuple(under))
            out[name] = old
        return out

    def __str__(self) -> str:
        return "\n".join(self._lines(self.tree, ""))

    def _lines(self, tree: Mapping[str, Any], indent: str) -> Iterator[str]:
        for name, node in tree.items():
            if not isinstance(node, Choice):
                yield f"{indent}{name}: {node if isinstance(node, Range) else option_text(node)}"
                continue
            yield f"{indent}{name}: {' | '.join(map(option_text, node.options))}"
            for number, below in enumerate(node.under):
                if below:
                    yield f"{indent}  {node.label(number)}:"
                    yield from self._lines(below, indent + "    ")
