"""Blocks of rows computed on all cores, one block a core, where NumPy would leave all but one idle.

Elementwise functions run on one core, and a matrix product that fills all of them in between makes the
others wait. So a block's products keep to one core while several blocks are at work. That takes
threadpoolctl, which comes with scikit-learn; where NumPy is alone, blocks follow one another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

from goodfit.cores import available_cores

_guard = threading.Lock()
_inside = 0
_limit: Any = None


def each_block(compute: Callable[[int], None], starts: Sequence[int]) -> None:
    """Call ``compute`` for each start: at once where there are cores and means for it, else in turn."""
    cores = min(available_cores(), len(starts))
    if cores <= 1 or _controller() is None:
        for start in starts:
            compute(start)
        return
    with _products_on_one_core(), ThreadPoolExecutor(cores) as pool:
        list(pool.map(compute, starts))


@cache
def _controller() -> Any:
    """Return what sets the threads of the loaded BLAS libraries, or None."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


@contextmanager
def _products_on_one_core() -> Iterator[None]:
    """Hold BLAS to one thread until the last of those who asked for it is done."""
    global _inside, _limit
    with _guard:
        if not _inside:
            _limit = _controller().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _guard:
            _inside -= 1
            if not _inside:
                _limit.restore_original_limits()
