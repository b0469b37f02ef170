"""Budgets: a time, a number of members, or a number of member-steps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from goodfit.errors import InputError

_UNITS = {
    "seconds": (1.0, ("s", "sec", "secs", "second", "seconds")),
    "minutes": (60.0, ("m", "min", "mins", "minute", "minutes")),
    "hours": (3600.0, ("h", "hour", "hours")),
}
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


@dataclass(frozen=True)
class Budget:
    """One of the three is set: ``seconds`` of wall clock, ``members`` drawn, or ``steps`` of members."""

    seconds: float | None = None
    members: int | None = None
    steps: int | None = None

    def more(self, other: Budget) -> Budget:
        """Return this budget and another of its kind together.

        Raises:
            InputError: one counts what the other does not.
        """
        mine, theirs = ({k: v for k, v in vars(b).items() if v is not None} for b in (self, other))
        if mine.keys() != theirs.keys():
            raise InputError(
                f"A budget of {self} can be extended by more {' or '.join(mine)}, not by {other}."
            )
        return Budget(**{k: v + theirs[k] for k, v in mine.items()})

    def __str__(self) -> str:
        if self.seconds is not None:
            return f"{self.seconds:.12g}s"
        return f"{self.members} members" if self.members is not None else f"{self.steps} steps"


def parse_budget(text: str) -> Budget:
    """Return the budget that ``text`` asks for: ``45s``, ``2min``, ``1h``, ``24 members``, ``50000 steps``.

    Raises:
        InputError: another form, or nothing left to spend.
    """
    found = _TEXT.fullmatch(str(text).lower().replace("_", ""))
    if found:
        amount, unit = float(found[1]), found[2]
        if amount > 0:
            for factor, names in _UNITS.values():
                if unit in names:
                    return Budget(seconds=amount * factor)
            if unit in ("member", "members") and amount.is_integer():
                return Budget(members=int(amount))
            if unit in ("step", "steps") and amount.is_integer():
                return Budget(steps=int(amount))
    raise InputError(
        f"The budget {text!r} is not understood: use a time such as 45s, 2min or 1h, "
        "or a count such as '24 members' or '50000 steps'."
    )
