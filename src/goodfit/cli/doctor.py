"""``goodfit doctor``: what goodfit finds on this machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Show device, lanes, chunk, cache, data folder and this machine's speed."""
    found = _examine()
    if json:
        from goodfit.cli.show import print_json

        print_json(found)
        return
    width = max(map(len, found))
    for name, value in found.items():
        typer.echo(f"{name:<{width}}  {value}")


def _examine() -> dict[str, Any]:
    import os
    import platform
    from importlib.metadata import version

    import jax

    from goodfit.data.builtin import known_names
    from goodfit.engine.plan import NARROW, available_bytes, available_cores, plan_for
    from goodfit.engine.program import use_cache
    from goodfit.recipe import Recipe

    use_cache()
    cache = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    plans = {width: plan_for(Recipe(hidden=(width,))).chunk for width in (NARROW, NARROW + 1)}
    return {
        "goodfit": version("goodfit"),
        "jax": version("jax"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": ", ".join(str(device) for device in jax.devices()),
        "cores": available_cores(),
        "lanes": plan_for(Recipe()).lanes,
        "chunk": f"{plans[NARROW]} up to width {NARROW}, {plans[NARROW + 1]} above",
        "memory": f"{available_bytes() / 2**30:.1f} GiB free",
        "cache": f"{cache} (writable)" if cache and os.access(cache, os.W_OK) else "none that can be written",
        "data folder": os.environ.get("GOODFIT_DATA") or "GOODFIT_DATA is not set",
        "data sets": ", ".join(known_names()),
        "matrix products": f"{_speed():.0f} GFLOP/s (float32, 2048)",
    }


def _speed() -> float:
    """Return the best of about a second of float32 matrix products, in GFLOP/s."""
    import time

    import numpy as np

    a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    best, end = 0.0, time.perf_counter() + 1.0
    while time.perf_counter() < end:
        start = time.perf_counter()
        np.matmul(a, a)
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best
