"""Growth: how time and memory grow with members and sizes, and how many members a GPU trains at once.

    python benchmarks/growth.py --growth [--series width,depth] [--tiny]
    python benchmarks/growth.py --memory [--tiny]
    python benchmarks/growth.py --gpu [--device cpu] [--tiny]
    python benchmarks/growth.py --show

`--growth` times training by members, width, depth, rows and columns, on noise, the rest held fixed: three
repetitions of a series, each through all its points, compiled beforehand. It prints the points and the slope
of log time by log work (operations a step × members × steps) over the upper half of the range, and draws
build/growth/growth.png. About 4 minutes on two cores; nothing else should run meanwhile.

`--memory` trains 10,000 members 64-32-32-10 and 1,000 members 784-100×6-10 for 20 steps, each in a process of
its own, and holds their memory against `member_bytes` and against 8 GiB. About 1 minute.

`--gpu` trains the networks of rows (a) to (d) of `speed.py`, clipped as there, by 1 to 4,096 members in one
call of the program. Aims: 256 members of (c) take at most 5 times as long as one, and 1,024 make 0.4 million
member-steps a second. Without a GPU it exits with 2, unless `--device cpu` is given. Rows (a), (c) and (d),
and the memory's larger networks, train on MNIST where GOODFIT_DATA names a folder with it, else on noise.

Records go to benchmarks/results/growth, and `--show` prints and draws those that there are. `--tiny` sees
that everything runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from contest.records import read_one, say, write
from race.machine import use_cores

HERE = Path(__file__).resolve().parent
SERIES = ("members", "width", "depth", "rows", "columns")


def series_of(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas, in the order of the figure.

    Raises:
        argparse.ArgumentTypeError: one is not a series.
    """
    names = text.split(",")
    unknown = sorted(set(names) - set(SERIES))
    if unknown:
        raise argparse.ArgumentTypeError(f"no series {', '.join(unknown)}; there are {', '.join(SERIES)}")
    return tuple(name for name in SERIES if name in names)


def growth(folder: Path, names: tuple[str, ...], tiny: bool) -> None:
    """Time the series asked for."""
    from growing import scaling

    for name in names:
        write(folder / f"{name}.json", scaling.run_series(name, tiny))


def memory(folder: Path, tiny: bool) -> None:
    """Train the large populations."""
    from growing import memory as parts

    write(folder / "memory.json", parts.run(tiny))


def gpu(folder: Path, platform: str, tiny: bool) -> None:
    """Train many members in one call; end with 2 where there is no such device."""
    from growing import device as parts

    found = parts.find(platform)
    if found is None:
        say("No GPU: JAX sees none here; install JAX with CUDA, or give --device cpu to see that it runs.")
        sys.exit(2)
    write(folder / f"device-{platform}.json", parts.run(found, tiny))


def show(folder: Path, figure: Path, stems: tuple[str, ...]) -> None:
    """Print the tables of those records that there are, and draw the figure from the series among them."""
    from growing import device, memory, scaling

    tables = dict.fromkeys(SERIES, scaling.table)
    tables |= {"memory": memory.table, "device-gpu": device.table, "device-cpu": device.table}
    paths = {stem: folder / f"{stem}.json" for stem in tables if stem in stems}
    records = {stem: read_one(path) for stem, path in paths.items() if path.exists()}
    for stem, record in records.items():
        print(f"{tables[stem](record)}\n", flush=True)
    series = [records[name] for name in SERIES if name in records]
    if series:
        from growing.figure import draw

        draw(series, figure)
        print(f"{figure.relative_to(HERE.parent)} shows {', '.join(one['series'] for one in series)}.")


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    made.add_argument("--growth", action="store_true", help="time by members, width, depth, rows and columns")
    made.add_argument("--series", type=series_of, default=SERIES, metavar="NAMES", help="some of them")
    made.add_argument("--memory", action="store_true", help="bytes a member, and large populations")
    made.add_argument("--gpu", action="store_true", help="many members in one call")
    made.add_argument("--device", choices=("gpu", "cpu"), default="gpu", help="where --gpu trains")
    made.add_argument("--tiny", action="store_true", help="tiny sizes, to see that everything runs")
    made.add_argument("--show", action="store_true", help="run nothing, print and draw the records")
    return made


def main() -> None:
    """Run the parts asked for and show their records."""
    reader = parser()
    options = reader.parse_args()
    if not (options.growth or options.memory or options.gpu or options.show):
        reader.error("give --growth, --memory, --gpu or --show")
    folder = HERE / "results" / ("growth-tiny" if options.tiny else "growth")
    figure = HERE.parent / "build" / "growth" / ("tiny.png" if options.tiny else "growth.png")
    shown: tuple[str, ...] = ()
    if options.growth or options.memory:
        use_cores()
    if options.growth:
        growth(folder, options.series, options.tiny)
        shown += SERIES
    if options.memory:
        memory(folder, options.tiny)
        shown += ("memory",)
    if options.gpu:
        gpu(folder, options.device, options.tiny)
        shown += (f"device-{options.device}",)
    show(folder, figure, (*SERIES, "memory", "device-gpu", "device-cpu") if options.show else shown)


if __name__ == "__main__":
    main()
