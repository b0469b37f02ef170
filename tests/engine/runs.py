"""A small problem and its runs, shared by the engine's tests and by the processes that they kill.

As a script, ``python runs.py FOLDER`` trains nine members of every configuration, keeps each in FOLDER after
every leg, and goes on from what it finds there.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np

from goodfit.engine.member import State
from goodfit.engine.population import Legs, Member, Population
from goodfit.engine.program import use_cache
from goodfit.engine.snapshot import restore, snapshot
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.store.arrays import load_arrays, save_arrays
from goodfit.store.atomic import write_json
from goodfit.techniques.optimizers import SGD, Adam
from goodfit.techniques.schedules import Cosine

NETWORK = Network(12, 4)
STEPS, EVERY = 40, 7
LEGS = Legs(STEPS, EVERY, keep_losses=True)
CONFIGURATIONS = {f"{kind}, chunk {chunk}": (kind, chunk) for kind in ("plain", "full") for chunk in (1, 8)}


def problem(rows: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and classes; 150 is no multiple of the batch, so every epoch ends in a short one."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, 12)).astype(np.float32)
    return x, (x[:, :4] + 0.5 * rng.normal(size=(rows, 4))).argmax(axis=1).astype(np.int32)


def holdout(rows: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = problem(150 + rows)
    return x[150:], y[150:], np.ones((1, rows), np.float32)


def recipe(kind: str, i: int = 0, **changes) -> Recipe:
    """Return the i-th recipe of a structure: its values differ from its neighbours'."""
    rate = 0.02 * 1.03**i
    if kind == "plain":
        return Recipe((16, 16), optimizer=SGD(rate), weight_decay=1e-4 * i, batch_size=16, **changes)
    return Recipe(
        (16, 16),
        optimizer=Adam(rate, beta1=0.85 + 0.001 * i),
        batch_norm=True,
        dropout=0.05 + 0.005 * i,
        label_smoothing=0.001 * i,
        schedule=Cosine(0.01 * i),
        clip_norm=1.0 + i,
        batch_size=16,
        **changes,
    )


def members(kind: str, which) -> list[Member]:
    return [Member(recipe(kind, i), seed=100 + i, horizon=STEPS) for i in which]


def population(chunk: int, lanes: int = 2, rows: np.ndarray | None = None) -> Population:
    x, y = problem()
    chosen = slice(None) if rows is None else rows
    return Population(NETWORK, x[chosen], y[chosen], holdout=holdout(), chunk=chunk, lanes=lanes)


def train(some: list[Member], chunk: int, lanes: int = 2, legs: Legs = LEGS, **more) -> list[Member]:
    population(chunk, lanes).advance(some, legs, **more)
    return some


def bits(state: State | None) -> dict[str, bytes]:
    """Return every array of a state as bytes, by name."""
    assert state is not None
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): np.asarray(leaf).tobytes() for path, leaf in leaves}


def differences(one: Member, other: Member) -> list[str]:
    """Return the names of what is not equal bit for bit in two members."""
    left, right = bits(one.state), bits(other.state)
    assert left.keys() == right.keys()
    found = [name for name in left if left[name] != right[name]]
    return found + ([] if one.loss_curve.tobytes() == other.loss_curve.tobytes() else ["losses"])


def _run(folder: Path, kind: str, chunk: int, begun: threading.Barrier) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    some = members(kind, range(9))
    for i, member in enumerate(some):
        pointer = folder / f"{member.seed}.json"
        if pointer.exists():
            some[i] = restore(NETWORK, *load_arrays(folder, json.loads(pointer.read_text())["file"]))
    waited = threading.Event()

    def keep(member: Member) -> None:
        arrays, record = snapshot(member)
        name = save_arrays(folder, arrays, record)
        write_json(folder / f"{member.seed}.json", {"file": name, "step": member.step})
        if not waited.is_set():  # no configuration may end before every one has begun
            waited.set()
            begun.wait(60)
        time.sleep(0.02)

    train(some, chunk, on_leg=keep)


def _main(folder: Path) -> None:
    use_cache()
    begun = threading.Barrier(len(CONFIGURATIONS))
    threads = [
        threading.Thread(target=_run, args=(folder / name, kind, chunk, begun))
        for name, (kind, chunk) in CONFIGURATIONS.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    write_json(folder / "done.json", {})


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
