"""What may be tried: structures to choose from, and a range for every value.

A structure is everything that compiles anew (widths, activation, kind of optimiser and norm, dropout or not);
values (learning rate, decay, …) are drawn from boxes. A box belongs to a value's name, and a learning rate's
to its optimiser too, because 0.01 means another thing to Momentum than to Adam.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from goodfit.errors import InputError, must_be
from goodfit.recipe import Recipe
from goodfit.techniques.optimizers import OPTIMIZERS
from goodfit.techniques.schedules import Cosine


@dataclass(frozen=True)
class Range:
    """An interval to draw from, on a log or a plain scale, with hard limits that widening never passes."""

    low: float
    high: float
    log: bool = False
    floor: float = 0.0
    ceiling: float = math.inf

    def __post_init__(self) -> None:
        if not (self.floor <= self.low <= self.high <= self.ceiling) or (self.log and self.low <= 0):
            raise must_be(
                "Range(low, high)", "floor <= low <= high <= ceiling (low > 0 on a log scale)", self
            )

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value

    def at(self, share: float) -> float:
        """Return the value at ``share`` of the way from low to high, on the range's scale."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        value = low + share * (high - low)
        return min(max(math.exp(value) if self.log else value, self.floor), self.ceiling)

    def share(self, value: float) -> float:
        """Return where ``value`` lies: 0 at low, 1 at high, beyond them outside."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return 0.5 if high == low else (self._scaled(max(value, 1e-300)) - low) / (high - low)

    def between(self, low: float, high: float) -> Range:
        """Return the range between two shares of this one, inside the hard limits."""
        return replace(self, low=self.at(low), high=self.at(high))

    def __str__(self) -> str:
        return f"{self.low:.3g} … {self.high:.3g}"


@dataclass(frozen=True)
class Structure:
    """What compiles anew, as choices."""

    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    optimizer: str = "AdamW"
    batch_norm: bool = False
    dropout: bool = False
    batch_size: int = 128

    def ranges(self) -> tuple[str, ...]:
        """Return the names of the boxes that a member of this structure draws from."""
        names = [f"lr {self.optimizer}", "label_smoothing"]
        names.append("decoupled_decay" if self.optimizer == "AdamW" else "weight_decay")
        names += ["momentum"] if self.optimizer in ("Momentum", "Nesterov") else []
        names += ["dropout"] if self.dropout else []
        return tuple(names)

    def recipe(self, values: Mapping[str, float]) -> Recipe:
        """Return the recipe with these values, by box name."""
        fields: dict[str, float] = {"lr": values[f"lr {self.optimizer}"]}
        if "momentum" in values:
            fields["momentum"] = values["momentum"]
        if "decoupled_decay" in values:
            fields["weight_decay"] = values["decoupled_decay"]
        return Recipe(
            hidden=self.hidden,
            activation=self.activation,
            optimizer=OPTIMIZERS[self.optimizer](**fields),
            batch_norm=self.batch_norm,
            dropout=values.get("dropout", 0.0),
            weight_decay=values.get("weight_decay", 0.0),
            schedule=Cosine(),
            batch_size=self.batch_size,
            label_smoothing=values.get("label_smoothing", 0.0),
        )

    def typical(self, boxes: Mapping[str, Range]) -> Recipe:
        """Return the recipe in the middle of all boxes."""
        return self.recipe({name: boxes[name].at(0.5) for name in self.ranges()})

    def text(self) -> str:
        """Return the structure in a few words."""
        layers = "x".join(map(str, self.hidden)) or "linear"
        extras = [name for name, on in (("batch norm", self.batch_norm), ("dropout", self.dropout)) if on]
        return ", ".join([f"{layers} {self.activation}", self.optimizer, *extras])


DEFAULT_BOXES: dict[str, Range] = {
    "lr SGD": Range(1e-3, 1.0, log=True, floor=1e-7, ceiling=100.0),
    "lr Momentum": Range(1e-3, 0.3, log=True, floor=1e-7, ceiling=10.0),
    "lr Nesterov": Range(1e-3, 0.3, log=True, floor=1e-7, ceiling=10.0),
    "lr AdaGrad": Range(1e-3, 0.1, log=True, floor=1e-7, ceiling=10.0),
    "lr RMSProp": Range(1e-4, 0.02, log=True, floor=1e-8, ceiling=1.0),
    "lr Adam": Range(3e-4, 0.02, log=True, floor=1e-8, ceiling=1.0),
    "lr AdamW": Range(3e-4, 0.02, log=True, floor=1e-8, ceiling=1.0),
    "momentum": Range(0.8, 0.97, floor=0.0, ceiling=0.999),
    "decoupled_decay": Range(1e-3, 0.3, log=True, floor=1e-8, ceiling=10.0),
    "weight_decay": Range(1e-7, 1e-3, log=True, floor=1e-12, ceiling=10.0),
    "dropout": Range(0.05, 0.5, floor=0.01, ceiling=0.9),
    "label_smoothing": Range(0.0, 0.1, floor=0.0, ceiling=0.5),
}


@dataclass(frozen=True)
class Space:
    """Choices of structure and the boxes of values.

    Args:
        choices: for each field of `Structure` the options, the first one the likeliest to be good.
        boxes: a `Range` by name; see `DEFAULT_BOXES`.
    """

    choices: Mapping[str, tuple[Any, ...]]
    boxes: Mapping[str, Range] = field(default_factory=lambda: dict(DEFAULT_BOXES))

    def __post_init__(self) -> None:
        for name, options in self.choices.items():
            if name not in Structure.__dataclass_fields__:
                raise InputError(
                    f"A structure has no choice {name!r}: use {list(Structure.__dataclass_fields__)}."
                )
            if not options:
                raise InputError(f"The choice {name!r} has no options.")

    def structures(self) -> Iterator[Structure]:
        """Yield every combination of the choices."""
        for options in product(*self.choices.values()):
            yield Structure(**dict(zip(self.choices, options, strict=True)))

    def size(self) -> int:
        """Return how many structures there are."""
        return math.prod(len(set(options)) for options in self.choices.values())

    def spread(self, count: int, rng: np.random.Generator) -> list[Structure]:
        """Return ``count`` different structures: all first options, then each option about equally often."""
        count = min(count, self.size())
        chosen = [next(self.structures())]
        while len(chosen) < count:
            columns = {name: _balanced(options, count, rng) for name, options in self.choices.items()}
            for i in range(count):
                structure = Structure(**{name: column[i] for name, column in columns.items()})
                if structure not in chosen and len(chosen) < count:
                    chosen.append(structure)
        return chosen

    def neighbour(self, structure: Structure, rng: np.random.Generator) -> Structure:
        """Return a structure that differs in one choice, drawn at random."""
        open_choices = [name for name, options in self.choices.items() if len(options) > 1]
        if not open_choices:
            return structure
        name = open_choices[rng.integers(len(open_choices))]
        others = [option for option in self.choices[name] if option != getattr(structure, name)]
        return replace(structure, **{name: others[rng.integers(len(others))]})

    def draw(self, structure: Structure, count: int, rng: np.random.Generator) -> list[dict[str, float]]:
        """Return ``count`` draws of the structure's values, each box cut into ``count`` strata used once."""
        names = structure.ranges()
        shares = [(rng.permutation(count) + rng.random(count)) / count for _ in names]
        return [
            {name: self.boxes[name].at(float(share[i])) for name, share in zip(names, shares, strict=True)}
            for i in range(count)
        ]


def _balanced(options: tuple[Any, ...], count: int, rng: np.random.Generator) -> list[Any]:
    """Return ``count`` options in random order, each as often as the others give or take one."""
    repeated = [options[i % len(options)] for i in range(count)]
    return [repeated[i] for i in rng.permutation(count)]


def default_batch_size(rows: int) -> int:
    """Return the batch size for this many training rows."""
    return 32 if rows < 600 else 64 if rows < 3000 else 128 if rows < 12000 else 256


def default_space(task: str, rows: int, columns: int, *, largest: float = math.inf) -> Space:
    """Return the space for a table with this many training rows and encoded columns.

    ``largest`` bounds the weights of a network (what the budget can train often enough).
    """
    options = [(128, 128, 128), (256, 256), (256, 256, 256), (64, 64), (512, 512)]
    if rows < 600:
        options = [(64,), (32,), (32, 32), (64, 64)]
    elif rows < 3000:
        options = [(128, 128), (64, 64), (128,), (256, 256)]
    elif columns > 300:
        options = [(512, 512), (512, 256), (256, 256), (128, 128)]
    affordable = [h for h in options if _weights(columns, h) <= largest] or options[:1]
    many = columns > 300  # pixels, mostly: batch norm is the better first guess
    choices: dict[str, tuple[Any, ...]] = {
        "hidden": tuple(affordable),
        "activation": ("silu", "relu", "selu", "mish"),
        "optimizer": ("AdamW", "Momentum", "Adam"),
        "batch_norm": (True, False) if many else (False, True),
        "dropout": (True, False),
        "batch_size": (default_batch_size(rows),),
    }
    boxes = dict(DEFAULT_BOXES)
    if task == "regression":
        boxes["label_smoothing"] = Range(0.0, 0.0)
    return Space(choices, boxes)


def _weights(columns: int, hidden: tuple[int, ...]) -> int:
    return sum(a * b for a, b in zip((columns, *hidden[:-1]), hidden, strict=True))
