"""Many members in one call on a GPU: the networks of rows (a) to (d) of `race.task`, one chunk of them all.

Timed are fresh members from their first weights to their last state: drawing weights and batches on the host
and moving them are on the clock. The *steady* rate leaves that out: it is the further steps of a long run by
its further seconds, beside a short run.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from typing import Any

from contest.records import failure, say

from growing.scaling import seconds_of

ROWS = "abcd"
MEMBERS = (1, 16, 64, 256, 1_024, 4_096)
TINY_MEMBERS = (1, 4)
LONG, SHORT = 1_024, 256  # steps: a whole number of the engine's index blocks
TINY_LONG, TINY_SHORT = 8, 4
REPETITIONS = 3
LONGEST = 120.0  # seconds: larger populations, whose run would take longer, are left out
AIM_ROW = "c"
AIM_MEMBERS, AIM_TIMES = 256, 5.0  # so many members in at most so many times the time of one
AIM_COUNT, AIM_RATE = 1_024, 0.4e6  # at so many members at least so many member-steps a second

Found = dict[str, Any]


def find(platform: str) -> Any | None:
    """Return JAX's first device of a platform, "gpu" or "cpu", or None."""
    import jax

    try:
        return jax.devices(platform)[0]
    except RuntimeError:
        return None


def describe_device(device: Any) -> Found:
    """Return what a device is, and its bytes of memory where it tells."""
    stats = device.memory_stats() or {}
    found = {"platform": device.platform, "kind": device.device_kind}
    return found | ({"bytes": stats["bytes_limit"]} if "bytes_limit" in stats else {})


def trainer(key: str, members: int, device: Any) -> Callable[[int], float]:
    """Return what trains fresh members of a row for some steps, in one chunk, and returns the seconds."""
    from race.task import TASKS

    from goodfit.engine.population import Population

    task = TASKS[key]
    population = Population(task.network, task.given, task.rows[1], chunk=members, devices=[device])
    return functools.partial(seconds_of, population, task.recipe, members)


def measure(key: str, members: int, device: Any, tiny: bool) -> Found:
    """Return the seconds of a long and of a short run, medians of three, and both rates."""
    train = trainer(key, members, device)
    train(1)  # compiles
    long, short = (TINY_LONG, TINY_SHORT) if tiny else (LONG, SHORT)
    pairs = [(train(short), train(long)) for _ in range(REPETITIONS)]
    brief, whole = (statistics.median(some) for some in zip(*pairs, strict=True))
    further = whole - brief
    return {
        "members": members,
        "steps": long,
        "seconds": whole,
        "short_seconds": brief,
        "rate": members * long / whole,
        "steady": members * (long - short) / further if further > 0 else None,
    }


def measure_row(key: str, device: Any, tiny: bool) -> list[Found]:
    """Return what was measured at each number of members, until one is too slow or does not fit."""
    found: list[Found] = []
    for members in TINY_MEMBERS if tiny else MEMBERS:
        if found:
            last = found[-1]
            ahead = last["seconds"] * members / last["members"]
            if ahead > LONGEST and last["seconds"] > LONGEST / 10:
                say(f"  ({key}) members {members:,}: left out, a run may take {ahead:.0f} s")
                break
        try:
            found.append(measure(key, members, device, tiny))
        except Exception as error:
            reason = failure(type(error).__name__, str(error))
            say(f"  ({key}) members {members:,}: {reason}")
            return [*found, {"members": members, "failed": reason}]
        say(f"  ({key}) members {members:,}: {found[-1]['seconds']:.2f} s")
    return found


def run(device: Any, tiny: bool) -> Found:
    """Measure all rows and return the record."""
    from race.machine import cpu_name
    from race.task import TASKS

    rows = {}
    for key in ROWS:
        task = TASKS[key]
        more = ", batch norm, dropout" if task.norm else ""
        name = f"{'-'.join(map(str, task.widths))}, {task.optimizer}, batches of {task.batch}{more}"
        rows[key] = {"name": name, "found": measure_row(key, device, tiny)}
    return {"tiny": tiny, "device": describe_device(device), "host": cpu_name(), "rows": rows}


def aims(record: Found) -> list[str]:
    """Return for each aim a line that says whether it was reached, by whole runs."""
    by_members = {one["members"]: one for one in record["rows"][AIM_ROW]["found"] if "failed" not in one}
    one, many, most = by_members.get(1), by_members.get(AIM_MEMBERS), by_members.get(AIM_COUNT)
    first = f"{AIM_MEMBERS} members of ({AIM_ROW}) in at most {AIM_TIMES:g} times the time of one: "
    second = f"at least {AIM_RATE / 1e6:g} million member-steps a second of ({AIM_ROW}) at {AIM_COUNT:,}: "
    if one and many:
        times = many["seconds"] / one["seconds"]
        first += f"{times:.1f}, {'pass' if times <= AIM_TIMES else 'FAIL'}"
    else:
        first += "not measured"
    if most:
        second += f"{most['rate'] / 1e6:.3g}, {'pass' if most['rate'] >= AIM_RATE else 'FAIL'}"
    else:
        second += "not measured"
    return [f"{first}.", f"{second}."]


def table(record: Found) -> str:
    """Return the record as Markdown tables, with the aims below."""
    device = record["device"]
    size = f", {device['bytes'] / 2**30:.0f} GiB" if "bytes" in device else ""
    tiny = ", TINY: these are no results" if record["tiny"] else ""
    lines = [f"### Members in one call, on {device['platform']}: {device['kind']}{size}{tiny}", ""]
    for key, row in record["rows"].items():
        lines += [f"({key}) {row['name']}", ""]
        lines += [
            "| members | seconds | times one member's | member-steps a second | steady |",
            "|---" * 5 + "|",
        ]
        lines += [line_of(one, row["found"][0]) for one in row["found"]]
        lines.append("")
    return "\n".join([*lines, *aims(record)])


def line_of(one: Found, first: Found) -> str:
    """Return the table's line of one number of members; ``first`` is that of one member."""
    if "failed" in one:
        return f"| {one['members']:,} | {one['failed']} | | | |"
    steady = f"{one['steady']:,.0f}" if one["steady"] else "–"
    times = one["seconds"] / first["seconds"]
    return f"| {one['members']:,} | {one['seconds']:.3g} | {times:.2f} | {one['rate']:,.0f} | {steady} |"
