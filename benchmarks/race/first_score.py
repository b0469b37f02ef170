"""Row (g): `goodfit fit digits --budget 20s` until its first score stands on the screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

from race.worker import Answer

TEXT = b"best so far"
LINES, COLUMNS = 50, 200
LIMIT = 60.0  # seconds without a score


def command(*words: str) -> list[str]:
    """Return the command line of goodfit as installed beside this Python."""
    script = Path(sys.executable).with_name("goodfit")
    return [str(script), *words] if script.exists() else [sys.executable, "-m", "goodfit", *words]


def seconds_until(text: bytes, words: list[str], environment: dict[str, str]) -> float:
    """Return how long a command takes, from its start in a terminal, until it has written ``text``."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    shown = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    began, seen = time.perf_counter(), b""
    process = subprocess.Popen(
        words,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment | shown,
        start_new_session=True,
    )
    os.close(follower)
    try:
        while text not in seen:
            if time.perf_counter() - began > LIMIT or not select.select([leader], [], [], LIMIT)[0]:
                raise TimeoutError(f"no score after {LIMIT:.0f} s")
            seen += os.read(leader, 65536)  # OSError where the process ended
        return time.perf_counter() - began
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(leader)


def first_score(cache: str) -> Answer:
    """Return the run of one start, programs kept in ``cache``."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as out:
        words = command("fit", "digits", "--budget", "20s", "--out", f"{out}/run")
        seconds = seconds_until(TEXT, words, os.environ | {"GOODFIT_CACHE": cache})
    return {"seconds": seconds, "fraction": 1.0, "scores": []}


def cold(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race with nothing compiled by an earlier run."""

    def race() -> Answer:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
            return first_score(empty)

    return race


def warm(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race after an earlier run of the whole command."""
    cache = os.environ["GOODFIT_CACHE"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as out:
        words = command("fit", "digits", "--budget", "3s" if quick else "20s", "--out", f"{out}/run")
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return lambda: first_score(cache)
