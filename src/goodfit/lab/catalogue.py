"""The sixteen comparisons by id, in the chapter's order."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from goodfit.errors import InputError, nearest
from goodfit.lab.comparison import Comparison

IDS = ("1a", "1b", "1c", "2a", "2b", "2c", "2d", "3a", "3b", "3c", "4a", "4b", "4c", "4d", "5a", "5b")


def comparison(name: str) -> Comparison:
    """Return the comparison of an id."""
    return import_module(f"goodfit.lab.c{name}").COMPARISON


def chosen(names: Iterable[str]) -> list[Comparison]:
    """Return the named comparisons in the chapter's order, each once; ``all`` is all of them.

    Raises:
        InputError: an unknown name; says the nearest one.
    """
    wanted = set()
    for name in names:
        if name == "all":
            wanted |= set(IDS)
        elif name in IDS:
            wanted.add(name)
        else:
            near = nearest(name, IDS) or _by_title(name)
            raise InputError(
                f"There is no comparison {name!r}{near}: `goodfit lab list` shows all sixteen, 'all' runs "
                f"them."
            )
    if not wanted:
        raise InputError("Which comparison? `goodfit lab list` shows all sixteen, 'all' runs them.")
    return [comparison(name) for name in IDS if name in wanted]


def _by_title(name: str) -> str:
    titles = {comparison(i).title: i for i in IDS}
    words = {word.lower(): i for title, i in titles.items() for word in title.split() if len(word) > 4}
    near = nearest(name, words)
    found = next((i for word, i in words.items() if f"{word!r}" in near), None)
    return f" (did you mean {found!r}, {comparison(found).title}?)" if found else ""
