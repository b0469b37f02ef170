"""What a model file says of a network's form: its architecture, checked, and the arrays that it must have."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from goodfit.errors import ModelFileError
from goodfit.model.predict import HEADS
from goodfit.numpy_layers import ACTIVATIONS

MOST_SUBMODELS = 2**16
_NEW = {
    "categories": [],
    "category_width": 1,
    "conv": [],
    "frequencies": 0,
    "image": [],
    "kernel": 3,
    "number_width": 1,
    "numbers": 0,
    "parametric": False,
    "submodels": 1,
}  # what format 2 added to an architecture, and what it is in a file of format 1
_ARCHITECTURE: dict[str, type | tuple[type, ...]] = {
    "activation": str,
    "categories": list,
    "category_width": int,
    "conv": list,
    "frequencies": int,
    "head": str,
    "hidden": list,
    "hidden_scale": (int, float),
    "image": list,
    "input_scale": (int, float),
    "inputs": int,
    "kernel": int,
    "norm": (str, type(None)),
    "norm_epsilon": (int, float),
    "norm_position": str,
    "number_width": int,
    "numbers": int,
    "outputs": int,
    "parametric": bool,
    "submodels": int,
}


def checked(i: int, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the architecture of network ``i``, with what a file of an older format lacks.

    Raises:
        ModelFileError: a key, a type or a value that this goodfit does not know.
    """
    architecture = {**_NEW, **entry}
    if set(architecture) != set(_ARCHITECTURE) or not all(
        isinstance(architecture[key], kind) and isinstance(architecture[key], bool) == (kind is bool)
        for key, kind in _ARCHITECTURE.items()
    ):
        raise ModelFileError(f"network {i} in this model file has an architecture that is not known.")
    _check_values(i, architecture)
    return architecture


def _check_values(i: int, architecture: dict[str, Any]) -> None:
    scales = [architecture[key] for key in ("hidden_scale", "input_scale", "norm_epsilon")]
    known = (
        all(abs(scale) <= 1e30 for scale in scales)  # and not NaN
        and (architecture["norm"] is None or architecture["norm_epsilon"] > 0)
        and architecture["activation"] in ACTIVATIONS
        and architecture["head"] in HEADS
        and architecture["norm"] in (None, "batch", "layer")
        and architecture["norm_position"] in ("before", "after")
        and all(type(n) is int and n > 0 for n in architecture["hidden"])
        and architecture["inputs"] > 0
        and architecture["outputs"] > 0
        and all(type(n) is int and n > 0 for n in architecture["categories"])
        and 0 <= architecture["numbers"] <= architecture["inputs"] - len(architecture["categories"])
        and min(architecture["category_width"], architecture["number_width"]) > 0
        and architecture["frequencies"] >= 0
        and 0 < architecture["submodels"] <= (1 if architecture["conv"] else MOST_SUBMODELS)
        and _images_fit(architecture)
    )
    if not known:
        raise ModelFileError(
            f"network {i} in this model file uses a technique that this goodfit does not know."
        )


def _images_fit(architecture: dict[str, Any]) -> bool:
    """Tell whether convolutions, if there are any, leave something of images as large as the inputs."""
    image, channels, kernel = architecture["image"], architecture["conv"], architecture["kernel"]
    sizes = [*image, *channels, kernel]
    if not all(type(n) is int and n > 0 for n in sizes) or bool(image) != bool(channels) or kernel % 2 == 0:
        return False
    return not channels or (
        len(image) == 3
        and math.prod(image) == architecture["inputs"]
        and len(channels) < min(image[:2]).bit_length()
        and not (architecture["numbers"] or architecture["categories"] or architecture["parametric"])
        and architecture["norm"] != "layer"
    )


def shapes(architecture: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return every array that a network of this architecture has, with its shape."""
    found: dict[str, tuple[int, ...]] = {}
    numbers, frequencies = architecture["numbers"], architecture["frequencies"]
    wider, codes, width = (
        architecture["number_width"] - 1,
        architecture["categories"],
        architecture["category_width"],
    )
    if numbers:
        found |= {f"numbers.{part}": (numbers * frequencies,) for part in ("frequency", "phase")}
        found |= {"numbers.weight": (numbers, frequencies, wider), "numbers.bias": (numbers * wider,)}
    if codes:
        found["categories.table"] = sum(codes), width
    first = architecture["inputs"] + numbers * wider + len(codes) * (width - 1)
    submodels = architecture["submodels"]
    if submodels > 1:
        found["submodels.scale"] = (submodels * first,)
    widths = [first, *architecture["hidden"], submodels * architecture["outputs"]]
    weights: dict[str, tuple[int, ...]] = {}
    if channels := architecture["conv"]:
        height, wide, first = architecture["image"]
        kernel = (architecture["kernel"],) * 2
        pairs = enumerate(pairwise((first, *channels)))
        weights = {f"conv.{i}": (*kernel, n_in, n_out) for i, (n_in, n_out) in pairs}
        widths[0] = (height >> len(channels)) * (wide >> len(channels)) * channels[-1]
    names = [*(f"hidden.{i}" for i in range(len(architecture["hidden"]))), "output"]
    weights |= dict(zip(names, pairwise(widths), strict=True))
    for name, shape in weights.items():
        n_out = shape[-1]
        found |= {f"{name}.weight": shape, f"{name}.bias": (n_out,)}
        if architecture["parametric"] and name != "output":
            found[f"{name}.activation"] = (n_out,)
        if architecture["norm"] and name != "output":
            parts = ("scale", "shift", *(("mean", "var") if architecture["norm"] == "batch" else ()))
            found |= {f"{name}.norm.{part}": (n_out,) for part in parts}
    return found
