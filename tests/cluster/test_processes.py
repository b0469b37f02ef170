"""Real processes: what becomes of them when a study's own is killed."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from goodfit.store.journal import Journal

psutil = pytest.importorskip("psutil")


@pytest.mark.slow
def test_workers_end_with_the_study_that_is_killed(tmp_path):
    out = tmp_path / "run"
    words = ["fit", "digits", "--workers", "2", "--budget", "200000 steps", "--out", str(out)]
    study = subprocess.Popen([sys.executable, "-m", "goodfit", *words], stderr=subprocess.DEVNULL)
    attempts = Journal(out / "cluster" / "attempts.jsonl")
    workers: list = []
    try:
        until = time.monotonic() + 120
        while not attempts.records() and time.monotonic() < until:
            assert study.poll() is None
            time.sleep(0.1)
        workers = psutil.Process(study.pid).children(recursive=True)
        assert len(workers) >= 2
        study.kill()
        study.wait()
        assert psutil.wait_procs(workers, timeout=15)[1] == []
    finally:
        study.kill()
        for process in psutil.wait_procs(workers, timeout=0)[1]:
            process.kill()
