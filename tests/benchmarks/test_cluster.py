"""The benchmarks of clusters: the arithmetic of faults and tasks; a tiny study and tiny tasks, when asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(_FOLDER))  # as for a script that lies there
import cluster_chance  # noqa: E402
import cluster_faults  # noqa: E402
import cluster_throughput  # noqa: E402
from clusters.faults import Fault  # noqa: E402
from clusters.told import doubled, figures, lines_of, recoveries  # noqa: E402


def attempt(at, seconds=1.0, pid=1, kind="done"):
    worker = f"process {pid} on x" if pid else ""
    return {"kind": kind, "worker": worker, "at": at, "seconds": seconds}


@pytest.mark.parametrize(
    ("attempts", "found"),
    [
        ([attempt(14, pid=2)], [4]),
        ([attempt(10.5, pid=2)], []),  # begun before it
        ([attempt(14, pid=1)], []),  # by one that was not struck
        ([attempt(14, pid=2, kind="lost"), attempt(20, pid=3)], [10]),
        ([attempt(14, 0.0, pid=None), attempt(20, pid=3)], [4]),
        ([], []),
    ],
)
def test_a_fault_is_recovered_from_by_a_task_of_one_that_it_struck(attempts, found):
    assert recoveries([Fault(10, 10, (1,))], attempts) == found


def test_a_link_is_recovered_from_when_it_is_there_again():
    assert recoveries([Fault(10, 30, (1,))], [attempt(20, pid=2)]) == [0]
    assert recoveries([Fault(10, 30, (1,))], [attempt(31, pid=2)]) == [1]


def test_work_done_twice_is_counted_once_for_each_time_too_many():
    assert doubled([{"task": t, "seconds": s} for t, s in zip("aababc", range(6), strict=True)]) == (3, 8)


def test_figures_tell_what_was_lost_and_the_longest_pause():
    told = figures([attempt(1), attempt(9, 4.0, kind="lost"), attempt(12)], [], [])
    assert told["attempts"] == {"done": 2, "lost": 1}
    assert (told["lost seconds"], told["longest pause"], told["median recovery"]) == (4, 11, None)


def test_a_torn_line_is_left_out(tmp_path):
    (tmp_path / "x").write_text('{"a": 1}\n{"a"')
    assert lines_of(tmp_path / "x") == [{"a": 1}]
    assert lines_of(tmp_path / "none") == []


@pytest.mark.parametrize("name", cluster_chance.WORLDS)
def test_a_deadly_network_is_set_aside_and_no_innocent(name):
    world = cluster_chance.WORLDS[name]
    found = cluster_chance.study(world, seed=0)
    assert list(found.aside) == ([cluster_chance.DEADLY] if world.deadly else [])
    assert found == cluster_chance.study(world, seed=0)
    assert name in cluster_chance.told(name, [found])


@pytest.mark.slow
def test_a_tiny_study_on_a_cluster_is_told(tmp_path, monkeypatch, capsys):
    words = ["cluster_faults", "--only", "full", "--budget", "4 members", "--keep", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    cluster_faults.main()
    told = capsys.readouterr().out
    assert '"same model": true' in told
    assert '"exit": 0' in told


@pytest.mark.slow
def test_tiny_tasks_on_a_cluster_are_timed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cluster_throughput", "--tiny"])
    cluster_throughput.main()
    assert "workers are busy nine tenths" in capsys.readouterr().out
