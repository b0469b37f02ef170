"""From a point of a space to a recipe, and the spaces that are searched unless one is given."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.engine.plan import flops_per_step
from goodfit.errors import InputError, nearest
from goodfit.network import Network
from goodfit.recipe import SCHEDULES, TECHNIQUES, Recipe
from goodfit.search.space import Choice, Point, Range, Space, Structure, choice, log_uniform, uniform
from goodfit.techniques.schedules import Cosine

# Hard limits by name, for ranges that give none: beyond them a value is impossible or means nothing.
LIMITS: dict[str, tuple[float, float]] = {
    "lr": (1e-9, 100.0),
    "momentum": (0.0, 0.999),
    "weight_decay": (1e-12, 10.0),
    "dropout": (0.0, 0.95),
    "ratio": (0.0, 0.95),
    "label_smoothing": (0.0, 0.5),
    "beta1": (0.0, 0.9999),
    "beta2": (0.0, 0.999999),
    "clip_norm": (1e-6, 1e6),
    "width": (1, 8192),
    "depth": (0, 32),
    "batch_size": (1, 65536),
}
_FIELDS = tuple(f.name for f in dataclasses.fields(Recipe))
_NAMES = (*_FIELDS, "width", "depth")
_TEXTS = ("init",)  # take plain texts, "auto", beside techniques
_KINDS = ("optimizer", "init", "batch_norm", "layer_norm", "dropout", *SCHEDULES, "then")
_KINDS += ("embedding", "learning_rate_factors", "augmentation")
MANY = 300  # columns: pixels, mostly, for which batch norm is the better first guess
SMALL_IMAGE = 6  # pixels a side: smaller ones are tables
MOST = 1000  # structures that are all looked at; of more, each option once


def recipe_of(space: Space, point: Point) -> Recipe:
    """Return the recipe of a point.

    A name is a field of `Recipe`, or ``width`` and ``depth`` for hidden layers of equal width. An option
    that names a technique ("Momentum", "BatchNorm", "Cosine") becomes that technique; a name under it is one
    of its parameters if it has such a one, else a field of the recipe (a coupled ``weight_decay`` under
    "Momentum").

    Raises:
        InputError: a name is unknown, or a value outside what the recipe allows.
    """
    fields = _made(space, point, space.values(point), space.tree, "")
    for name in fields:
        if name not in _NAMES:
            raise InputError(f"A recipe has no {name!r}{nearest(name, _NAMES)}: use {', '.join(_NAMES)}.")
    width, depth = fields.pop("width", None), fields.pop("depth", None)
    if width is not None or depth is not None:
        if "hidden" in fields:
            raise InputError("A space has either hidden, or width and depth, not both.")
        fields["hidden"] = (int(100 if width is None else width),) * int(2 if depth is None else depth)
    return Recipe(**{"schedule": Cosine(), **fields})


def _made(
    space: Space, point: Point, values: Mapping[str, Any], tree: Mapping[str, Any], above: str
) -> dict[str, Any]:
    """Return by name what a part of the tree makes of a point: numbers, techniques, plain options."""
    fields: dict[str, Any] = {}
    for name in tree:
        path = above + name
        if path not in values:
            continue
        value, below, choice = values[path], {}, space.choices.get(path)
        if choice is not None:
            number = int(point[path])
            under = f"{path}.{choice.label(number)}."
            below = _made(space, point, values, choice.under[number], under)
        if name in _KINDS and isinstance(value, str):
            value, below = _technique(path, value, below)
        both = [one for one in (name, *below) if one in fields]
        if both:
            raise InputError(f"{both[0]} stands twice in one recipe, once at {path}: leave one of them out.")
        fields |= {name: value} | below
    return fields


def _technique(path: str, name: str, below: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a technique with those of the values below that it takes, and the rest."""
    kind = TECHNIQUES.get(name)
    if kind is None:
        if path.rsplit(".", 1)[-1] in _TEXTS:
            return name, below
        raise InputError(f"{path} has the unknown option {name!r}{nearest(name, TECHNIQUES)}.")
    known = [f.name for f in dataclasses.fields(kind)]
    rest = {k: v for k, v in below.items() if k not in known}
    for one in rest:
        if one not in _NAMES:
            allowed = ", ".join(known) or "no parameters of its own"
            raise InputError(
                f"{name} at {path} has no {one!r}{nearest(one, (*known, *_NAMES))}: it takes {allowed}, "
                "and a recipe's own fields."
            )
    return kind(**{k: v for k, v in below.items() if k in known}), rest


def typical(space: Space, structure: Structure) -> Recipe:
    """Return the recipe in the middle of all ranges of a structure."""
    return recipe_of(space, space.middle(structure))


def recipe_space(space: Space) -> Space:
    """Return the space with hard limits where it gave none, after a look at every option.

    Raises:
        InputError: a name or an option makes no recipe; the message says which.
    """
    for path, box in space.ranges.items():
        low, high = LIMITS.get(path.rsplit(".", 1)[-1], (box.low, box.high))
        if box.log:
            low = max(low, min(box.low, 1e-12))
        if box.whole:
            low, high = math.ceil(low), math.floor(high)
        floor = min(low, box.low) if box.floor is None else box.floor
        ceiling = max(high, box.high) if box.ceiling is None else box.ceiling
        space = space.replace(path, dataclasses.replace(box, floor=floor, ceiling=ceiling))
    for structure in space.structures() if space.size() <= MOST else space.variations():
        ranges = {path: space.ranges[path] for path in space.ranges_of(structure)}
        typical(space, structure)
        for end in range(2):  # as far as widening may go
            recipe_of(space, dict(structure) | {path: box.limits[end] for path, box in ranges.items()})
    return space


def default_batch_size(rows: int) -> int:
    """Return the batch size for this many training rows."""
    return 32 if rows < 600 else 64 if rows < 3000 else 128 if rows < 12000 else 256


def default_optimizers(*names: str) -> Choice:
    """Return the choice between update rules, each with its own ranges.

    A learning rate means another thing to Momentum than to Adam. AdamW has the decoupled decay, the others
    the coupled one.
    """
    rates = {
        "SGD": (1e-3, 1.0),
        "Momentum": (1e-3, 0.3),
        "Nesterov": (1e-3, 0.3),
        "AdaGrad": (1e-3, 0.1),
        "RMSProp": (1e-4, 0.02),
        "Adam": (3e-4, 0.02),
        "AdamW": (3e-4, 0.02),
    }
    options: dict[str, dict[str, Range]] = {}
    for name in names or tuple(rates):
        below = {"lr": log_uniform(*rates[name])}
        if name in ("Momentum", "Nesterov"):
            below["momentum"] = uniform(0.8, 0.97)
        decay = (1e-3, 0.3) if name == "AdamW" else (1e-7, 1e-3)
        options[name] = below | {"weight_decay": log_uniform(*decay)}
    return choice(options)


def default_space(task: str, rows: int, network: Network, *, most: float = math.inf) -> Space:
    """Return the space for networks of this shape and so many training rows.

    Images get convolutions, tables the forms of `table_space`. ``most`` bounds the operations of a training
    step (what the budget can train often enough).
    """
    image = network.image is not None and min(network.image[:2]) >= SMALL_IMAGE
    tree = _image_tree(network, rows, most) if image else _table_tree(task, network, rows, most)
    if task != "regression":
        tree["label_smoothing"] = uniform(0.0, 0.1)
    return recipe_space(Space(tree))


def _affordable(options: Sequence[Mapping[str, Any]], network: Network, rows: int, most: float) -> list[Any]:
    """Return those of the recipes' fields that take at most so many operations a step, or else the first."""
    batch = default_batch_size(rows)
    able = [o for o in options if flops_per_step(network, Recipe(batch_size=batch, **o)) <= most]
    return able or list(options[:1])


def _table_tree(task: str, network: Network, rows: int, most: float) -> dict[str, Any]:
    options = [(128, 128, 128), (256, 256), (256, 256, 256), (64, 64), (512, 512)]
    if rows < 600:
        options = [(64,), (32,), (32, 32), (64, 64)]
    elif rows < 3000:
        options = [(128, 128), (64, 64), (128,), (256, 256)]
    elif network.inputs > MANY:
        options = [(512, 512), (512, 256), (256, 256), (128, 128)]
    found = _affordable([{"hidden": hidden} for hidden in options], network, rows, most)
    plain = {
        "activation": choice("silu", "relu", "selu", "mish"),
        "optimizer": default_optimizers("AdamW", "Momentum", "Adam"),
        "batch_norm": choice(True, False) if network.inputs > MANY else choice(False, True),
        "dropout": choice({"Dropout": {"ratio": uniform(0.05, 0.5, floor=0.01)}, None: {}}),
    }
    tree: dict[str, Any] = {
        "hidden": choice(*(one["hidden"] for one in found)),
        "batch_size": default_batch_size(rows),
    }
    if network.inputs > MANY:  # pixels, mostly
        return tree | plain
    return tree | {"ntk": choice({True: _real_mlp(task, network), False: plain})}


def _real_mlp(task: str, network: Network) -> dict[str, Any]:
    """Return ranges around RealMLP-TD (Holzmüller, Grinsztajn and Steinwart 2024), all but its widths."""
    rates = (0.05, 0.5) if task == "regression" else (0.01, 0.1)
    decay = log_uniform(2e-3, 0.2)
    tree: dict[str, Any] = {
        "activation": choice("mish", "selu") if task == "regression" else choice("selu", "mish"),
        "optimizer": choice({"AdamW": {"lr": log_uniform(*rates), "beta2": 0.95, "weight_decay": decay}}),
        "init": choice("DataDriven"),
        "dropout": choice({"Dropout": {"ratio": uniform(0.02, 0.4, floor=0.01)}}),
        "schedule": choice("CosLog"),
        "dropout_schedule": choice("FlatCosine"),
        "decay_schedule": choice("FlatCosine"),
        "parametric": True,
        "front_scale": True,
        "learning_rate_factors": choice("LearningRateFactors"),
    }
    if network.numbers:
        tree["embedding"] = choice({"Periodic": {"sigma": log_uniform(0.03, 0.5)}, None: {}})
    return tree


def _image_tree(network: Network, rows: int, most: float) -> dict[str, Any]:
    assert network.image is not None
    side, colours = min(network.image[:2]), network.image[2] > 1
    pixels = 1 if side < 16 else 2
    channels = [(16, 32, 64), (32, 64, 128), (32, 64), (16, 32), (8, 16)]
    channels = channels if colours and side >= 16 else [(16, 32), (32, 64), (8, 16)]
    options = [{"conv": conv, "hidden": hidden} for conv in channels for hidden in ((128,), (64,))]
    found = _affordable(options, network, rows, most)
    changes: dict[Any, Any] = {"Shift": {"pixels": pixels}, None: {}}
    if colours:  # photographs mostly, where a mirrored thing is the same thing
        changes = {"Flip": {}, **changes}
    return {
        "conv": choice(*dict.fromkeys(one["conv"] for one in found)),
        "hidden": choice(*dict.fromkeys(one["hidden"] for one in found)),
        "activation": choice("relu", "silu"),
        "optimizer": default_optimizers("AdamW", "Momentum", "Adam"),
        "batch_norm": choice(True, False),
        "dropout": choice({"Dropout": {"ratio": uniform(0.05, 0.5, floor=0.01)}, None: {}}),
        "augmentation": choice(changes),
        "batch_size": default_batch_size(rows),
    }
