"""A space as a TOML file.

    hidden = [[64, 64], [128, 128]]               # a list: options
    dropout = {low = 0.0, high = 0.5}             # low and high: a range
    weight_decay = {low = 1e-6, high = 1e-2, log = true}
    batch_size = 64                               # anything else: fixed

    [optimizer.Momentum]                          # another table: options, each with what exists under it
    lr = {low = 1e-3, high = 0.3, log = true}

    [optimizer.Adam]
    lr = {low = 3e-4, high = 0.02, log = true}

``"none"`` stands for no such technique. A range may also have ``whole``, ``floor`` and ``ceiling``.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodfit.errors import InputError, must_be, nearest
from goodfit.search.space import Choice, Range, Space

_RANGE = tuple(f.name for f in dataclasses.fields(Range))


def read_space_text(path: str | Path) -> str:
    """Return the text of a file that describes a space, after a look at it.

    Raises:
        InputError: as `read_space`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"The space in {path} cannot be read: {reason}.") from None
    parse_space(text, str(path))
    return text


def read_space(path: str | Path) -> Space:
    """Return the space that a TOML file describes.

    Raises:
        InputError: no such file, not TOML, or an entry that is no range, list of options or value.
    """
    return parse_space(read_space_text(path))


def parse_space(text: str, where: str = "the text") -> Space:
    """Return the space that TOML ``text`` describes; ``where`` is named in errors."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The space in {where} is not TOML: {error}.") from None
    if not tree:
        raise InputError(f"The space in {where} is empty: give at least one range or list of options.")
    nodes = {name: _node(value, name, where) for name, value in tree.items()}
    try:
        return Space(nodes)
    except InputError as error:
        raise InputError(f"The space in {where}: {error}") from None


def _node(value: Any, path: str, where: str) -> Any:
    if isinstance(value, list):
        if not value:
            raise InputError(f"{path} in {where} has no options.")
        return _choice(value, (), path, where)
    if not isinstance(value, Mapping):
        return _option(value)
    if "low" in value or "high" in value:
        return _range(value, path, where)
    if not value or not all(isinstance(below, Mapping) for below in value.values()):
        raise InputError(
            f"{path} in {where} must be a range {{low = …, high = …}} or a table of options, "
            f"each a table of its own; got {dict(value)!r}."
        )
    under = tuple(
        {name: _node(v, f"{path}.{option}.{name}", where) for name, v in below.items()}
        for option, below in value.items()
    )
    return _choice(list(value), under, path, where)


def _choice(options: list[Any], under: tuple[Mapping[str, Any], ...], path: str, where: str) -> Choice:
    for option in options:
        if isinstance(option, Mapping):
            raise must_be(f"An option of {path} in {where}", "a value or a list of values", option)
    try:
        return Choice(tuple(_option(option) for option in options), under)
    except InputError as error:
        raise InputError(f"{path} in {where}: {error}") from None


def _range(value: Mapping[str, Any], path: str, where: str) -> Range:
    unknown = [key for key in value if key not in _RANGE]
    if unknown:
        raise InputError(
            f"{path} in {where} has an unknown entry {unknown[0]!r}{nearest(unknown[0], _RANGE)}: "
            f"a range takes {', '.join(_RANGE)}."
        )
    for key in ("low", "high"):
        if key not in value:
            raise InputError(f"{path} in {where} has no {key}: a range takes both low and high.")
    for key, number in value.items():
        if key in ("log", "whole"):
            if not isinstance(number, bool):
                raise must_be(f"{path}.{key} in {where}", "true or false", number)
        elif not isinstance(number, int | float) or isinstance(number, bool):
            raise must_be(f"{path}.{key} in {where}", "a number", number)
    try:
        return Range(**value)
    except InputError as error:
        raise InputError(f"{path} in {where}: {error}") from None


def _option(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_option(v) for v in value)
    return None if value == "none" else value
