"""Memory: bytes a member beside `member_bytes`, and large populations trained to the end within a limit.

    python -m growing.memory ROW MEMBERS STEPS

trains one population in a process of its own and prints what it found as JSON. The peak is the process's
high-water mark of resident memory, JAX, NumPy and compiling included.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MIB, GIB = 2**20, 2**30
LIMIT = 8 * GIB
STEPS = 20
POPULATIONS = {"b": 10_000, "a": 1_000}  # members by row of `race.task`
TINY = {"b": 24, "a": 4}


def resident(which: str = "VmRSS") -> int:
    """Return the bytes of resident memory, now ("VmRSS") or at its highest ("VmHWM").

    Where there is no /proc both are the highest so far.
    """
    try:
        with open("/proc/self/status") as lines:
            found = dict(line.split(":", 1) for line in lines)
        return int(found[which].split()[0]) * 1024
    except (OSError, KeyError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def trained(member: Any, steps: int) -> bool:
    """Tell whether a member has made all its steps and its weights are finite and no longer the first ones.

    Nothing is evaluated, so what a member keeps as its best weights are its first.
    """
    import numpy as np

    first = member.state.best_params
    pairs = [(np.asarray(w), np.asarray(first[name])) for name, w in member.state.params.items()]
    whole = all(np.isfinite(now).all() for now, _ in pairs)
    moved = all((now != then).any() for now, then in pairs if now.ndim > 1)
    return member.result == "trained" and member.step == steps and whole and moved


def train(key: str, count: int, steps: int) -> dict[str, Any]:
    """Train ``count`` members of a row and return bytes, seconds, and how many have trained."""
    import jax
    from race.task import TASKS

    from goodfit.engine.plan import member_bytes
    from goodfit.engine.population import Legs, Member, Population

    task = TASKS[key]
    population, recipe = Population(task.network, task.given, task.rows[1]), task.recipe
    plan = population.plan(recipe)
    population.advance([Member(recipe, seed) for seed in range(plan.chunk * plan.lanes)], Legs(1, 1))
    gc.collect()
    before, began = resident(), time.perf_counter()
    members = [Member(recipe, seed) for seed in range(count)]
    population.advance(members, Legs(steps, steps))
    seconds, after, peak = time.perf_counter() - began, resident(), resident("VmHWM")
    return {
        "network": "-".join(map(str, task.widths)),
        "optimizer": task.optimizer,
        "members": count,
        "steps": steps,
        "chunk": plan.chunk,
        "lanes": plan.lanes,
        "predicted": member_bytes(task.network, recipe),
        "held": sum(leaf.nbytes for m in members for leaf in jax.tree.leaves(m.state)) / count,
        "before": before,
        "growth": after - before,
        "peak": peak,
        "seconds": seconds,
        "trained": sum(trained(member, steps) for member in members),
    }


def in_child(key: str, count: int, steps: int) -> dict[str, Any]:
    """Return what `train` finds in a process of its own.

    Raises:
        RuntimeError: it ended without an answer, killed for its memory for example.
    """
    here = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "growing.memory", key, str(count), str(steps)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"the process of row ({key}) ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def run(tiny: bool) -> dict[str, Any]:
    """Train all populations, each in its child, and return the record."""
    from race.machine import describe

    counts = TINY if tiny else POPULATIONS
    return {
        "tiny": tiny,
        "limit": LIMIT,
        "populations": [in_child(key, n, STEPS) for key, n in counts.items()],
        "machine": describe(),
    }


def passes(one: dict[str, Any]) -> bool:
    """Tell whether every member has trained and the peak stayed within the limit."""
    return one["trained"] == one["members"] and one["peak"] <= LIMIT


def table(record: dict[str, Any]) -> str:
    """Return the record as a Markdown table, with a line for each population below."""
    head = (
        "| members | network | predicted, all | held, all | growth of memory | peak | seconds | trained | |"
    )
    lines, below = [head, "|---" * 9 + "|"], []
    for one in record["populations"]:
        n, each = one["members"], one["growth"] / one["members"]
        mark = "pass" if passes(one) else "FAIL"
        lines.append(
            f"| {n:,} | {one['network']} {one['optimizer']} | {one['predicted'] * n / MIB:,.0f} MiB "
            f"| {one['held'] * n / MIB:,.0f} MiB | {one['growth'] / MIB:,.0f} MiB "
            f"| {one['peak'] / GIB:.2f} GiB | {one['seconds']:.1f} | {one['trained']:,} | {mark} |"
        )
        below.append(
            f"{one['network']}: a member is predicted to hold {one['predicted']:,} bytes, holds "
            f"{one['held']:,.0f}, and memory grew by {each:,.0f} a member, {each / one['predicted']:.2f} "
            f"times the prediction; {one['steps']} steps, {one['chunk']} members a call, "
            f"{one['lanes']} calls at once."
        )
    tiny = ", TINY: these are no results" if record["tiny"] else ""
    title = f"### Memory, at most {record['limit'] / GIB:.0f} GiB{tiny}"
    return "\n".join([title, "", *lines, "", *below])


if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
