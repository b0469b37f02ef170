"""What the machine can do, and what it is: the figures that a row's times are held against."""

from __future__ import annotations

import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from contest.records import versions

from race.worker import CORES

PACKAGES = ("goodfit", "jax", "jaxlib", "optax", "numpy", "scikit-learn", "torch", "pytabkit", "optuna")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def use_cores() -> None:
    """Keep this process and all that it starts to two cores. Before NumPy is imported."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    os.environ.update(dict.fromkeys(THREADS, str(CORES)))


def sgemm_peak() -> float:
    """Return the best GFLOP/s of a few float32 products of 2048 × 2048 matrices, all cores at work."""
    import numpy as np

    a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    out, seconds = np.empty_like(a), []
    for _ in range(6):
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        seconds.append(time.perf_counter() - start)
    time.sleep(0.1)  # its threads go to sleep
    return 2 * 2048**3 / min(seconds) / 1e9


def copy_bandwidth() -> float:
    """Return the best GB/s, read and written, of copying 256 MiB, each core a part."""
    import numpy as np

    source = np.ones((CORES, 2**26 // CORES), np.float32)
    target, seconds = np.zeros_like(source), []
    with ThreadPoolExecutor(CORES) as pool:
        for _ in range(6):
            start = time.perf_counter()
            list(pool.map(np.copyto, target, source))
            seconds.append(time.perf_counter() - start)
    return 2 * source.nbytes / min(seconds) / 1e9


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def describe() -> dict[str, Any]:
    """Return processor, bandwidth and versions."""
    return {
        "cpu": cpu_name(),
        "cores": CORES,
        "copy": copy_bandwidth(),
        "versions": versions(PACKAGES),
    }
