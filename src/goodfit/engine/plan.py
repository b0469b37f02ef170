"""How a cohort runs on this machine: how many members a call, how many calls at once, how much memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from goodfit.cores import available_cores
from goodfit.engine.hardware import Hardware
from goodfit.engine.member import EVALUATION_ROWS
from goodfit.engine.order import STEPS
from goodfit.errors import InputError, must_be
from goodfit.network import Network
from goodfit.recipe import Recipe

NARROW = 64  # up to this width four members a call hide the overheads; above it one does
OBJECTS = 50_000  # bytes of Python objects around a member's arrays, measured: 28 to 47 thousand
LITTLE = 1024  # numbers of a layer's batch up to which eight members a call are a tenth faster than four
GPU_CHUNKS = (1, 16, 256, 4096)
EXPECTED = 256  # members of a structure, unless it is known how many there will be
LAUNCHED = 1e10  # operations a GPU does in little more than the time that launching a step's kernels takes
SPARE = 0.8  # of a GPU's memory that is planned with
LIGHT = 2e8  # operations of a step up to which small convolutions are compiled sooner


@dataclass(frozen=True)
class Plan:
    """``chunk`` members in one call of the compiled program, ``lanes`` calls at once.

    The chunk decides a member's bits together with recipe, seed and data; it never depends on how many
    members there are. The lanes decide nothing but time.
    """

    chunk: int
    lanes: int


def plan_for(
    network: Network,
    recipe: Recipe,
    hardware: Hardware,
    *,
    chunk: int | None = None,
    lanes: int | None = None,
    judged: int = 0,
    expected: int = EXPECTED,
) -> Plan:
    """Return the plan for members of this recipe's structure; ``chunk`` and ``lanes`` override the rule.

    On a CPU the chunk follows from the structure alone, and there is a lane for each core. On GPUs it is the
    most of `GPU_CHUNKS` that memory and work allow and ``expected`` members need, and each device is a lane;
    ``judged`` rows of a holdout take memory, too.
    """
    if hardware.on_host:
        several = hardware.devices > 1
        return Plan(chunk or _in_cache(recipe), hardware.devices if several else lanes or available_cores())
    return Plan(chunk or _on_gpu(network, recipe, hardware, judged, expected), hardware.devices)


def check_overrides(chunk: int | None, lanes: int | None) -> None:
    """Raise `InputError` unless each is None or a whole number >= 1."""
    for name, value in (("chunk", chunk), ("lanes", lanes)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise must_be(name, "a whole number >= 1", value)


def _in_cache(recipe: Recipe) -> int:
    widest = max(recipe.hidden, default=1)
    if widest > NARROW or recipe.conv:  # a convolution fills a core alone
        return 1
    return 8 if widest * recipe.batch_size <= LITTLE else 4


def _on_gpu(network: Network, recipe: Recipe, hardware: Hardware, judged: int, expected: int) -> int:
    each, work = working_bytes(network, recipe, judged), flops_per_step(network, recipe)
    room = math.inf if hardware.memory is None else SPARE * hardware.memory

    def allowed(chunk: int) -> bool:
        return chunk * each <= room and chunk * work <= LAUNCHED

    enough = next((c for c in GPU_CHUNKS if c >= expected), GPU_CHUNKS[-1])
    return max((c for c in GPU_CHUNKS if c <= enough and allowed(c)), default=1)


def bucket(rows: int, least: int = 64) -> int:
    """Return the padded size for ``rows``: the next 2^k or 1.5·2^k, so that nearby sizes share a program."""
    size = least
    while size < rows:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size


def padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Return ``rows`` with zero rows appended up to ``size``."""
    if len(rows) == size:
        return rows
    out = np.zeros((size, *rows.shape[1:]), rows.dtype)
    out[: len(rows)] = rows
    return out


def member_bytes(network: Network, recipe: Recipe) -> int:
    """Return the bytes that one member holds: parameters, the best ones, and the optimiser's state."""
    if recipe.module is not None:
        return 4 * recipe.module.size(network.row) * (2 + recipe.optimizer.slots)
    widths = network.widths(recipe)
    parameters = sum((a + 1) * b for a, b in pairwise(widths))
    if recipe.submodels > 1:
        parameters += recipe.submodels * widths[0] + (recipe.submodels - 1) * (widths[-2] + 1) * widths[-1]
    channels = [c for _, _, c in network.maps(recipe)] if recipe.conv else []
    parameters += sum((recipe.kernel**2 * a + 1) * b for a, b in pairwise(channels))
    parameters += 4 * sum((*recipe.hidden, *recipe.conv)) if recipe.norm is not None else 0
    return 4 * parameters * (2 + recipe.optimizer.slots)


def working_bytes(network: Network, recipe: Recipe, judged: int = 0) -> int:
    """Return the bytes that a program takes for each of its members, ``judged`` rows of a holdout included.

    Its state comes in, goes out and is carried between steps; beside it are an index block, and what the
    layers make of a batch, held for the gradient, or of a block of rows in an evaluation.
    """
    if recipe.module is not None:  # as if each weight made a number of a row
        floats = recipe.module.size(network.row)
    else:
        floats = sum(network.widths(recipe)) * recipe.submodels
        if recipe.conv:
            floats += sum(h * w * b for (h, w, _), (_, _, b) in pairwise(network.maps(recipe)))
    rows = max(3 * recipe.batch_size, EVALUATION_ROWS if judged else 0)
    return 3 * member_bytes(network, recipe) + 4 * (rows * floats + STEPS * recipe.batch_size + 3 * judged)


def flops_per_step(network: Network, recipe: Recipe) -> int:
    """Return the floating-point operations of one training step: forward, and backward twice that."""
    if recipe.module is not None:  # as if each weight were used once a row
        return 6 * recipe.batch_size * recipe.module.size(network.row)
    widths = np.array(network.widths(recipe), dtype=np.int64)
    products = widths[:-1] * widths[1:]
    if recipe.conv:
        maps = network.maps(recipe)
        convolved = [h * w * recipe.kernel**2 * a * b for (h, w, a), (_, _, b) in pairwise(maps)]
        products = np.array([*convolved, *products])
    rows = recipe.batch_size * recipe.submodels
    return int(rows * (6 * products.sum() - 2 * products[0]))  # no gradient for the rows


def compiling(recipe: Recipe) -> int:
    """Return a number that grows with the time that this recipe's program takes to compile: of its parts."""
    parts = 3 + 2 * recipe.optimizer.slots + 3 * (recipe.norm is not None) + 2 * (recipe.drop is not None)
    parts += 2 * recipe.parametric + (recipe.schedule is not None)
    layers = len(recipe.hidden) + 2 * len(recipe.conv) + 1
    return layers * parts + (10 if recipe.embedding is not None else 0) + 10 * (recipe.submodels > 1)


def compiled_sooner(network: Network, recipe: Recipe) -> bool:
    """Return whether a program that is there in half the time is worth steps up to a tenth slower.

    Convolutions of small images are: half a second to a second is what ten seconds of training would save.
    """
    return bool(recipe.conv) and flops_per_step(network, recipe) < LIGHT


def available_bytes() -> int:
    """Return how much memory this process may still take (4 GiB where the system does not tell)."""
    try:
        with open("/proc/meminfo") as lines:
            found = dict(line.split(":", 1) for line in lines)
        return int(found["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 4 * 2**30


def check_memory(bytes_needed: int, what: str) -> None:
    """Raise `InputError` if ``bytes_needed`` is more than this machine has free."""
    free = available_bytes()
    if bytes_needed > 0.9 * free:
        raise InputError(
            f"{what} would take about {bytes_needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free: "
            "use fewer rows, fewer members, or narrower networks."
        )
