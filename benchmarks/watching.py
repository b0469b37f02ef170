"""What watching a run costs it: the same search with and without a watched page, in turns.

    python benchmarks/watching.py [--rounds 5] [--data digits] [--steps 60000]

A budget of steps makes the work the same. The page is asked for as a browser asks: opened once, then read
as its changes come. Told is the search's time with it divided by the time without, pair by pair; the first
round, which compiles, is not counted. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

GOODFIT = [sys.executable, "-m", "goodfit"]


def searched(data: str, steps: int, out: Path, watched: bool) -> tuple[float, int]:
    """Return the seconds that a search took, and the bytes that a page was sent meanwhile."""
    words = [*GOODFIT, "fit", data, "--budget", f"{steps} steps", "--out", str(out), "--json"]
    fit = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    page = None
    if watched:
        while not (out / "config.json").exists():
            time.sleep(0.05)
        page = subprocess.Popen(
            [*GOODFIT, "watch", str(out), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    received = [0]
    if page is not None:
        assert page.stdout
        address = json.loads("".join(page.stdout.readline() for _ in range(4)))["address"]
        threading.Thread(target=read, args=(address, received), daemon=True).start()
    result = json.loads(fit.communicate()[0])
    if page is not None:
        page.terminate()
        page.wait()
    return result["seconds"], received[0]


def read(address: str, received: list[int]) -> None:
    """Read a live page as a browser does, until it ends."""
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    connection.request("GET", f"/?{parts.query}")
    answer = connection.getresponse()
    answer.read()
    cookie = {"Cookie": str(answer.headers["set-cookie"]).split(";")[0]}
    connection.request("GET", "/", headers=cookie)
    received[0] += len(connection.getresponse().read())
    connection.request("GET", "/events", headers=cookie)
    answer = connection.getresponse()
    while some := answer.read1():
        received[0] += len(some)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--steps", type=int, default=60_000)
    args = parser.parse_args()
    ratios, alone, sent = [], [], []
    with tempfile.TemporaryDirectory() as home:
        for turn in range(args.rounds + 1):
            found = {}
            for watched in (False, True) if turn % 2 else (True, False):
                out = Path(home) / f"{turn}-{watched}"
                found[watched] = searched(args.data, args.steps, out, watched)
            if turn:
                ratios.append(found[True][0] / found[False][0])
                alone.append(found[False][0])
                sent.append(found[True][1])
                print(
                    f"  round {turn}: {found[False][0]:.2f} s alone, {found[True][0]:.2f} s watched",
                    flush=True,
                )
    print(f"Alone {statistics.median(alone):.1f} s, page sent {statistics.median(sent) / 2**20:.2f} MiB.")
    print(f"Watched ÷ alone: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
