"""A contestant's own process: it makes itself ready, then answers one line of JSON a round.

    python -m race.worker MODULE:FUNCTION ROW [--quick]

The function is called as ``prepare(row, quick)``, loads and compiles what it needs, and returns what is
called in each round, without arguments, and answers with `on_clock`'s dictionary. A line on stdin begins a
round. What libraries print goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]
CORES = 2


def on_clock(work: Callable[[], Any], fraction: float = 1.0, judge: Callable[[Any], Any] = list) -> Answer:
    """Return the seconds that ``work()`` takes, and the scores of what it returns, as plain numbers.

    ``judge`` makes scores of it, off the clock; unless given, they are what it returns.
    """
    began = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - began
    scores = judge(found)
    return {"seconds": seconds, "fraction": fraction, "scores": [float(s) for s in scores]}


def find(address: str) -> Callable[[str, bool], Callable[[], Answer]]:
    module, _, function = address.partition(":")
    return getattr(importlib.import_module(module), function)


def failure(error: BaseException) -> str:
    """Return an exception as one line without paths."""
    from contest import records

    return records.failure(type(error).__name__, str(error))


def main() -> None:
    address, row = sys.argv[1:3]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(answer: Answer) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        race = find(address)(row, "--quick" in sys.argv)
        tell({"ready": True})
        for _ in sys.stdin:
            tell(race())
    except (Exception, SystemExit) as error:
        tell({"failed": failure(error)})
        raise


if __name__ == "__main__":
    main()
