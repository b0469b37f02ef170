"""``goodfit doctor``: what goodfit finds on this machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say what goodfit finds on this machine.

    Versions, device, lanes and networks a call, memory, speed, cache and data folders.
    """
    from goodfit.cli.output import print_json

    found = {**_versions(), **_machine(), **_folders()}
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{name.replace('_', ' '):<20}{'none' if shown in (None, '') else shown}")


def _versions() -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    packages = {name: version(name) for name in ("jax", "numpy", "optax", "scikit-learn")}
    tested = "" if platform.system() in ("Linux", "Darwin") else " (goodfit is untested on this system)"
    return {
        "goodfit": version("goodfit"),
        "python": platform.python_version(),
        **packages,
        "platform": f"{platform.platform()}{tested}",
    }


def _machine() -> dict[str, Any]:
    import jax

    from goodfit.cores import available_cores
    from goodfit.engine.hardware import default_devices, hardware_of
    from goodfit.engine.plan import NARROW, available_bytes, plan_for
    from goodfit.network import Network
    from goodfit.recipe import Recipe

    network, hardware = Network(NARROW, 2), hardware_of(default_devices())
    narrow, wide = (plan_for(network, Recipe((width,)), hardware) for width in (NARROW, NARROW + 1))
    same = narrow.chunk == wide.chunk
    own = {} if hardware.memory is None else {"device_memory": f"{hardware.memory / 2**30:.1f} GiB"}
    return own | {
        "device": [f"{device.platform}: {device.device_kind}" for device in jax.devices()],
        "cores": available_cores(),
        "lanes": narrow.lanes,
        "chunk": f"{narrow.chunk} networks a call"
        + ("" if same else f" up to width {NARROW}, {wide.chunk} above"),
        "memory_free": f"{available_bytes() / 2**30:.1f} GiB",
        "gflops": round(_gflops()),
    }


def _gflops(seconds: float = 1.0, size: int = 2048) -> float:
    """Return the best GFLOP/s of float32 products of two matrices on JAX's device, within ``seconds``."""
    import time

    import jax

    product = jax.jit(lambda a: a @ a)
    a = jax.numpy.full((size, size), 1.0 / size)
    product(a).block_until_ready()  # compile
    end, best = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter()
        product(a).block_until_ready()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def _folders() -> dict[str, Any]:
    import os

    import jax

    from goodfit.data.builtin import data_folder, known_names
    from goodfit.engine.program import use_cache
    from goodfit.errors import InputError

    use_cache()
    cache = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if cache is None:
        cache_text = "none can be made: every start compiles anew; set GOODFIT_CACHE to a writable folder"
    else:
        cache_text = cache if os.access(cache, os.W_OK) else f"{cache} (not writable)"
    try:
        folder, names = data_folder(), list(known_names())
    except InputError as error:
        folder, names = str(error), []
    return {
        "cache_folder": cache_text,
        "data_folder": None if folder is None else str(folder),
        "data_sets": names,
    }
