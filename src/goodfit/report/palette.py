"""The same technique looks the same in every figure: colour, line and marker by label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

# Eight colours found by search: at least 6 L* apart in grey, 24 ΔE (CIE 1976) for full colour vision,
# 17 under deuteranopia, 15 under protanopia, 12 under tritanopia (Machado, Oliveira and Fernandes 2009).
PALETTE = {
    "ink": "#1c1c28",
    "blue": "#0a6bb5",
    "orange": "#c95400",
    "green": "#019b6f",
    "purple": "#8e3083",
    "gold": "#d59f46",
    "sky": "#36a1db",
    "brown": "#75370b",
}
MUTED = "#5b6070"  # small print, level lines; 6:1 on white
LEVEL = (0, (2, 2))  # the line of a level
_SOLID, _DASHED, _DOTTED, _CHAIN = "-", (0, (5, 1.6)), (0, (1.2, 1.3)), (0, (5, 1.4, 1.2, 1.4))
_MARKERS = "osD^vPXp"

_KNOWN: dict[str, tuple[str, Any, str]] = {  # as `_normal` spells a label's leading words
    "sgd": ("ink", _SOLID, "o"),
    "momentum": ("orange", _SOLID, "s"),
    "nesterov": ("gold", _DASHED, "p"),
    "adagrad": ("green", _SOLID, "^"),
    "rmsprop": ("purple", _DASHED, "v"),
    "adam": ("blue", _SOLID, "D"),
    "adamw": ("sky", _CHAIN, "X"),
    "σ 1": ("brown", _CHAIN, "v"),
    "σ 0.01": ("gold", _DASHED, "s"),
    "xavier": ("green", _SOLID, "^"),
    "he": ("blue", _SOLID, "D"),
    "no batch norm": ("ink", _DASHED, "o"),
    "none": ("ink", _DASHED, "o"),
    "batch norm": ("blue", _SOLID, "D"),
    "batch norm before": ("sky", _SOLID, "s"),
    "batch norm after": ("orange", _CHAIN, "^"),
    "no decay": ("ink", _SOLID, "o"),
    "weight decay": ("orange", _SOLID, "s"),
    "no dropout": ("ink", _SOLID, "o"),
    "dropout": ("green", _SOLID, "^"),
    "dropout (inverted)": ("blue", _SOLID, "D"),
    "dropout (book)": ("purple", _DASHED, "v"),
    "dropout (slip)": ("gold", _CHAIN, "X"),
    "training": ("blue", _SOLID, "o"),
    "validation": ("gold", _CHAIN, "s"),
    "test": ("orange", _DASHED, "^"),
}
_BY_LENGTH = sorted(_KNOWN, key=len, reverse=True)  # "dropout (book)" before "dropout"


def colour(label: str) -> str:
    """Return the colour of a label as ``#rrggbb``; an unknown label alone in its figure has the first one."""
    return line_style(label)["color"]


def line_style(label: str) -> dict[str, Any]:
    """Return ``color``, ``linestyle`` and ``marker`` of a label, as matplotlib's ``plot`` takes them.

    Known labels are matched on their leading words, in any case: ``Adam, lr 0.001`` is drawn as Adam.
    """
    return styles_for([label])[label]


def styles_for(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the style of each label of one figure; no two share one.

    The first label of a technique has the technique's style. Others of the same technique, and unknown
    labels, take the colours that are left, in the order of the palette, then again with another line.
    """
    styles: dict[str, dict[str, Any]] = {}
    names = list(dict.fromkeys(labels))
    for name in names:
        known = _known(name)
        if known and all(known != _known(other) for other in styles):
            hue, line, marker = _KNOWN[known]
            style = {"color": PALETTE[hue], "linestyle": line, "marker": marker}
            if all(style != other for other in styles.values()):
                styles[name] = style
    free = _free_styles([style["color"] for style in styles.values()], len(names))
    taken = list(styles.values())
    for name in names:
        if name not in styles:
            styles[name] = next((style for style in free if style not in taken), free[-1])
            taken.append(styles[name])
    return {name: styles[name] for name in names}


def for_set(style: dict[str, Any], label: str) -> dict[str, Any]:
    """Return a style with a dashed line if the label says test, dotted for validation, else solid."""
    said = words(label)
    line = _DASHED if "test" in said else _DOTTED if "validation" in said else _SOLID
    return {**style, "linestyle": line}


def words(label: str) -> set[str]:
    """Return a label's words in lower case."""
    return set(re.findall(r"\w+", label.casefold()))


def text_colour(hexadecimal: str) -> str:
    """Return the colour, darkened until text in it has a contrast of 4.5 to white."""
    rgb = [int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5)]
    while 1.05 / (luminance(rgb) + 0.05) < 4.5:
        rgb = [int(0.95 * part) for part in rgb]
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def luminance(rgb: Sequence[float]) -> float:
    """Return the relative luminance (0 black, 1 white; WCAG 2) of red, green and blue in 0 … 255."""
    linear = [(p / 255 / 12.92 if p <= 10 else ((p / 255 + 0.055) / 1.055) ** 2.4) for p in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _normal(label: str) -> str:
    """Return a label in lower case with ``sigma = 1`` as ``σ 1`` and single spaces."""
    text = label.casefold().replace("sigma", "σ").replace("ς", "σ").replace("=", " ")
    return " ".join(re.sub(r"^σ(?=[\d.])", "σ ", text.strip()).split())


def _known(label: str) -> str:
    """Return the known label that a label begins with, or an empty text."""
    text = _normal(label)
    for key in _BY_LENGTH:
        if text.startswith(key) and not re.match(r"\w|\.\d", text[len(key) :]):
            return key
    return ""


def _free_styles(used: Sequence[str], count: int) -> list[dict[str, Any]]:
    """Return at least ``count`` styles beside the used colours; the used ones come back with other lines."""
    hues = list(PALETTE.values())
    hues = [hue for hue in hues if hue not in used] + [hue for hue in hues if hue in used]
    fresh = len(hues) - len(set(used))
    found = []
    for i in range(2 * count + len(hues)):
        turn = i // len(hues) + (i % len(hues) >= fresh)  # a colour seen before changes its line
        line = (_SOLID, _DASHED, _CHAIN, _DOTTED)[turn % 4]
        marker = _MARKERS[(i + turn // 4) % len(_MARKERS)]
        found.append({"color": hues[i % len(hues)], "linestyle": line, "marker": marker})
    return found
