"""Compiled programs: one for each structure, whatever the values, seeds, step counts and row counts.

`vmap` over members appears here and nowhere else. Programs are compiled ahead of time under a key made of
structure and shapes, so nothing can compile by accident, and what was compiled can be counted.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from goodfit.engine.member import alone, leg
from goodfit.network import Network

_programs: dict[Any, Any] = {}
_locks: dict[Any, threading.Lock] = {}
_guard = threading.Lock()
# One program at a time: tracing holds the interpreter, compiling uses all cores by itself. Two at once would
# both be late, where one can already train while the next is compiled.
_one_at_a_time = threading.Lock()
# XLA's options: vectors as wide as the processor has them, a few per cent faster than its default of half.
OPTIONS: dict[str, Any] = {"xla_cpu_prefer_vector_width": 512}
# Its older code generator for CPUs: half the time to compile, and slower programs.
SOONER = OPTIONS | {"xla_cpu_use_fusion_emitters": False}


def compilations() -> int:
    """Return how many training programs this process has compiled."""
    return len(_programs)


def program_for(
    network: Network, chunk: int, arguments: tuple[Any, ...], device: Any, sooner: bool = False
) -> Callable[..., Any]:
    """Return the compiled leg for these arguments: state, recipe, orders, data, holdout.

    It runs on ``device``, which is JAX's default device in this thread. With ``chunk`` 1 it is the plain
    member function. Otherwise state, recipe, orders and the holdout's rows and weights have a leading axis of
    ``chunk`` members, which share the data and the stretches. ``sooner``: it is compiled in half the time and
    is somewhat slower, if XLA still has a way to.
    """
    leaves, tree = jax.tree.flatten(arguments)
    key = (network, chunk, device, tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves), sooner)
    with _guard:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:  # two lanes that need the same program: one compiles, the other waits
        if key not in _programs:
            each = alone if chunk == 1 else jax.vmap
            with _one_at_a_time:
                lowered = jax.jit(functools.partial(leg, network, each)).lower(*arguments)
                _programs[key] = _compiled(lowered, SOONER if sooner else OPTIONS)
    return _programs[key]


def _compiled(lowered: Any, options: dict[str, Any]) -> Callable[..., Any]:
    try:
        return lowered.compile(options)
    except RuntimeError:  # this XLA may not know an option
        return lowered.compile()


def use_cache(folder: str | os.PathLike[str] | None = None) -> None:
    """Keep compiled programs between processes, unless the user has set JAX's cache already.

    The folder is ``folder``, else ``GOODFIT_CACHE``, else the user's cache folder; an unwritable one is
    left alone. Half the time from start to the first step is saved when the program is known.
    """
    if jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    chosen = Path(folder or os.environ.get("GOODFIT_CACHE") or home / "goodfit" / _host())
    with contextlib.suppress(OSError):
        chosen.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(chosen))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _host() -> str:
    """Return a folder name for this kind of machine: programs are compiled for one processor."""
    import platform

    return f"{platform.node() or 'host'}-{platform.machine()}"
