"""Members as bytes on their way to a worker and back; equal tasks have equal bytes, so a hash names them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from goodfit.engine.legs import Legs, Member
from goodfit.engine.population import Population
from goodfit.engine.snapshot import member_of, record_of, restore, snapshot
from goodfit.network import Network
from goodfit.store.arrays import packed, sha256_of, unpacked

_ROWS = ("rows", "judged", "sets")  # which of the data belong to a member
_HELD = ("x", "y", "weight", "held x", "held y", "sets")


def name_of(content: bytes) -> str:
    """Return the name of bytes: their SHA-256, hex."""
    return hashlib.sha256(content).hexdigest()


def pack_task(problem: str, members: Sequence[Member], legs: Legs, chunk: int) -> bytes:
    """Return the task of taking members as far as ``legs`` says, in one chunk, on the data of that name."""
    arrays: dict[str, np.ndarray] = {}
    records = []
    for i, member in enumerate(members):
        assert member.batches is None, "batches drawn elsewhere cannot travel"
        record: dict[str, Any] = record_of(member) | {
            "first_of_ties": member.first_of_ties,
            "begun": member.state is not None,
        }
        if member.state is not None:
            arrays |= {f"{i} {name}": array for name, array in snapshot(member)[0].items()}
        for name in _ROWS:
            own = getattr(member, name)
            if own is not None:
                record[name] = sha256_of({"": own}, {})
                arrays[record[name]] = own  # once, whoever shares it
        records.append(record)
    return packed(arrays, {"problem": problem, "members": records, "legs": asdict(legs), "chunk": chunk})


def unpack_task(network: Network, content: bytes) -> tuple[list[Member], Legs, int]:
    """Return the members, legs and chunk that `pack_task` packed."""
    arrays, task = unpacked(content)
    members = []
    for i, record in enumerate(task["members"]):
        own: dict[str, Any] = {name: arrays[record[name]] for name in _ROWS if name in record}
        if record["begun"]:
            member = restore(network, _of(arrays, i), record, **own)
        else:
            member = member_of(record, **own)
        member.first_of_ties = record["first_of_ties"]
        members.append(member)
    return members, Legs(**task["legs"]), task["chunk"]


def problem_of(task: bytes) -> str:
    """Return the name of the data that a task is about."""
    return unpacked(task)[1]["problem"]


def pack_result(members: Sequence[Member]) -> bytes:
    """Return where the members of a task stand now."""
    arrays: dict[str, np.ndarray] = {}
    for i, member in enumerate(members):
        if member.state is not None:
            arrays |= {f"{i} {name}": array for name, array in snapshot(member)[0].items()}
    body = packed(arrays, {"stopped": [m.stopped for m in members]})
    return name_of(body).encode() + body


def take_result(network: Network, members: Sequence[Member], content: bytes) -> None:
    """Let members stand where the worker brought them.

    Raises:
        ValueError: the bytes are not what a worker packed.
    """
    digits, body = content[:64], content[64:]
    if digits != name_of(body).encode():
        raise ValueError("the result was altered or cut short")
    arrays, told = unpacked(body)
    for i, (member, stopped) in enumerate(zip(members, told["stopped"], strict=True)):
        own = _of(arrays, i)
        if not own:
            continue
        found = restore(network, own, record_of(member))
        for name in ("state", "evaluations", "losses", "costs"):
            setattr(member, name, getattr(found, name))
        member.stopped = stopped


def _of(arrays: dict[str, np.ndarray], place: int) -> dict[str, np.ndarray]:
    head = f"{place} "
    return {name[len(head) :]: array for name, array in arrays.items() if name.startswith(head)}


def pack_problem(network: Network, rows: dict[str, Any]) -> bytes:
    """Return data and shape of a problem; ``rows`` are the arguments of a `Population` by name."""
    holdout = rows["holdout"] or (None, None, None)
    named = dict(zip(_HELD, (rows["x"], rows["y"], rows["weight"], *holdout), strict=True))
    alike = holdout[0] is rows["x"] and holdout[1] is rows["y"]  # folds: the rows need not be sent twice
    left_out = {"held x", "held y"} if alike else set()
    arrays = {n: np.asarray(a) for n, a in named.items() if a is not None and n not in left_out}
    return packed(arrays, {"network": asdict(network), "alike": alike})


def unpack_problem(content: bytes) -> Population:
    """Return the population of one lane that `pack_problem` tells of."""
    arrays, told = unpacked(content)
    shape = told["network"]
    shape["categories"] = tuple(shape["categories"])
    shape["image"] = tuple(shape["image"]) if shape["image"] else None
    x, y = arrays["x"], arrays["y"]
    holdout = None
    if "sets" in arrays:
        held = (x, y) if told["alike"] else (arrays["held x"], arrays["held y"])
        holdout = (*held, arrays["sets"])
    population = Population(Network(**shape), x, y, arrays.get("weight"), holdout=holdout, lanes=1)
    population.on_halved = None  # whoever sends the chunks decides
    return population
