"""The speed benchmark's own arithmetic and protocol: ratios, marks, records, workers. No peers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(_FOLDER))  # as for a script that lies there
from contest import records  # noqa: E402
from race import arithmetic, rounds  # noqa: E402
from race.rows import ROWS, Contestant, Row, rows_for  # noqa: E402
from race.table import Table, counts  # noqa: E402
from race.task import TASKS, Task, task_of  # noqa: E402
from race.worker import on_clock  # noqa: E402

FAKE = """
import time
from race.worker import on_clock

def slow(row, quick):
    assert (row, quick) == ("x", True)
    print("noise on stdout")
    return lambda: on_clock(lambda: (time.sleep(0.02), [0.5, 0.7])[1], fraction=0.5)

def fast(row, quick):
    return lambda: on_clock(lambda: [0.5, 0.7, 0.9])

def broken(row, quick):
    raise ValueError("no such thing in /some/where/else")

def late(row, quick):
    def race():
        raise RuntimeError("at work")
    return race

def gone(row, quick):
    raise SystemExit("not at hand")
"""


def run(seconds, scores=(1.0,), fraction=1.0, peak=100.0):
    return {"seconds": seconds, "fraction": fraction, "scores": list(scores), "peak": peak, "load": 0.0}


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    (tmp_path / "fakes.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(rounds, "sgemm_peak", lambda: 100.0)
    monkeypatch.setattr(rounds, "describe", lambda: {"cpu": "x", "cores": 2, "copy": 9.0, "versions": {}})
    monkeypatch.setattr(rounds, "say", lambda text: None)


def row_of(*peers, **more):
    return Row("x", "a row", (Contestant("ours", "fakes:fast", ours=True), *peers), **more)


def record_of(runs, lost=(), **more):
    machine = {"cpu": "x", "cores": 2, "copy": 9.0, "versions": {"python": "3"}}
    record = {"row": "x", "quick": False, "rounds": 3, "machine": machine, "lost": dict(lost)}
    return record | {"runs": {name: {str(i): r for i, r in enumerate(some)} for name, some in runs.items()}}


def test_fractions_are_scaled_up_and_ratios_are_by_round():
    theirs, ours = {0: run(3.0, fraction=0.25), 1: run(4.0), 2: run(5.0)}, {0: run(2.0), 2: run(1.0)}
    assert arithmetic.full_seconds(theirs[0]) == 12.0
    assert arithmetic.ratios(theirs, ours) == [6.0, 5.0]
    assert arithmetic.spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    assert arithmetic.rate_share(400.0, run(2.0, fraction=0.5)) == 1.0


def test_as_many_parts_as_fit_one_at_least():
    assert arithmetic.affordable(100, 0.5, 20.0) == 40
    assert arithmetic.affordable(10, 0.5, 20.0) == 10
    assert arithmetic.affordable(100, 50.0, 20.0) == 1


def test_scores_are_compared_over_the_same_members_or_by_the_best():
    ours = {0: run(1.0, [1.0, 2.0, 9.0])}
    assert arithmetic.difference({0: run(1.0, [1.0, 2.5])}, ours, "mean") == 0.25
    assert arithmetic.difference({0: run(1.0, [3.0, 8.5])}, ours, "best") == 0.5
    assert arithmetic.difference({0: run(1.0, [np.nan])}, ours, "mean") == np.inf
    assert arithmetic.difference({1: run(1.0, [5.0])}, ours, "mean") == 0.0  # no round in common


def test_a_clock_counts_the_work_and_not_the_judging():
    answer = on_clock(lambda: 3, 0.5, lambda found: [np.float32(found)])
    assert answer["scores"] == [3.0]
    assert answer["fraction"] == 0.5
    assert 0 <= answer["seconds"] < 1
    json.dumps(answer)


def test_the_order_moves_on_by_one_a_round():
    assert ["".join(rounds.rotated("abc", i)) for i in range(4)] == ["abc", "bca", "cab", "abc"]


def test_contestants_take_turns_and_the_lost_are_told(fakes, tmp_path):
    peers = [Contestant(name, f"fakes:{name}") for name in ("slow", "broken", "late", "gone", "nobody")]
    found = rounds.run_row(row_of(*peers), 2, quick=True)
    assert found["rounds"] == 2
    assert [len(found["runs"][name]) for name in ("ours", "slow", "broken", "late")] == [2, 2, 0, 0]
    assert found["runs"]["slow"]["1"]["scores"] == [0.5, 0.7]
    assert found["runs"]["slow"]["1"]["seconds"] >= 0.02
    assert found["lost"]["broken"].startswith("ValueError: no such thing in …")
    assert found["lost"]["late"] == "RuntimeError: at work"
    assert found["lost"]["gone"] == "SystemExit: not at hand"
    assert "nobody" in found["lost"]["nobody"]
    records.write(tmp_path / "x.json", found)
    table = Table(row_of(*peers, tolerance=0.1), json.loads((tmp_path / "x.json").read_text()), 0.0)
    text = table.text()
    assert "| slow |" in text
    assert "50 %, scaled up" in text
    assert "| broken | left out: ValueError" in text


def test_a_row_may_have_fewer_rounds(fakes):
    assert rounds.run_row(row_of(rounds=1), 5, quick=True)["rounds"] == 1


def test_no_round_begins_that_would_end_too_late(fakes):
    assert rounds.run_row(row_of(), 5, quick=True, limit=0.0)["rounds"] == 1


def test_floors_pass_fail_and_are_not_counted_where_scores_differ():
    peers = [Contestant(name, "", floor=2.0) for name in ("quick", "slow", "other", "absent")]
    runs = {"ours": [run(1.0)] * 3, "quick": [run(1.9)] * 3, "slow": [run(2.0), run(2.5), run(1.0)]}
    runs |= {"other": [run(9.0, [1.2])] * 3, "absent": []}
    table = Table(row_of(*peers, tolerance=0.1, why="so"), record_of(runs, {"absent": "ill"}), 0.0)
    text = table.text()
    assert table.passed == [False, True, None, None]
    assert "2.00 (1.00–2.50), pass" in text
    assert "1.90 (1.90–1.90), FAIL" in text
    assert "2e-01 apart: NOT THE SAME | all | not counted" in text
    assert "left out: ill" in text
    assert "agree within 0.1 (so)" in text
    assert counts(table.passed) == "1 of 2 floors reached, 2 not measured or not counted."


def test_ours_has_floors_in_seconds_and_in_shares():
    ours = Contestant("ours", "", ours=True, most=1.5, share=0.75)
    row = replace(row_of(), contestants=(ours, replace(ours, name="warm", most=0.5, share=None)))
    table = Table(row, record_of({"ours": [run(1.0)], "warm": [run(1.0)]}), 80.0)
    text = table.text()
    assert table.passed == [True, False]
    assert "times as long" not in text  # no peers
    ours = replace(ours, most=None)
    for work, fine in ((80.0, True), (70.0, False)):
        table = Table(replace(row, contestants=(ours,)), record_of({"ours": [run(1.0)]}), work)
        assert f"{work:.0f} ({work:.0f}–{work:.0f}) % of sgemm" in table.text()
        assert table.passed == [fine]


def test_a_peer_has_a_ratio_to_each_of_ours():
    cold, peer = Contestant("cold", "", ours=True), Contestant("peer", "", floor=4.0)
    row = replace(row_of(), contestants=(cold, replace(cold, name="warm"), peer))
    table = Table(row, record_of({"cold": [run(2.0)], "warm": [run(1.0)], "peer": [run(6.0)]}), 0.0)
    assert "3.00 (3.00–3.00), FAIL | 6.00 (6.00–6.00), pass | ≥ 4 |" in table.text()


def test_a_score_that_is_not_finite_is_read_back_as_such(tmp_path):
    path = tmp_path / "x.json"
    records.write(path, record_of({"ours": [run(1.0)], "peer": [run(1.0, [np.nan])]}))
    table = Table(row_of(Contestant("peer", ""), tolerance=1.0), json.loads(path.read_text()), 0.0)
    assert "NOT THE SAME" in table.text()


def test_rows_by_letters():
    assert [row.key for row in rows_for("f,a")] == ["a", "f1", "f2"]
    assert [row.key for row in rows_for(None)] == list(ROWS)
    with pytest.raises(ValueError, match="no row 'z'"):
        rows_for("az")


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_every_row_is_whole(row):
    assert row.contestants[0].ours
    assert len({c.name for c in row.contestants}) == len(row.contestants)
    for contestant in row.contestants:
        module, _, function = contestant.prepare.partition(":")
        source = (_FOLDER / (module.replace(".", "/") + ".py")).read_text()
        assert f"\ndef {function}(key: str, quick: bool)" in source
        assert contestant.by in arithmetic.SUMMARIES
    assert not row.counted or row.key in TASKS


def test_a_task_s_batches_weights_and_work():
    task = Task((64, 5, 10), 32, 90, 2, "adam", 0.001)
    batches, layers = task.batches(), task.layers(task.first_weights()[1])
    assert batches.shape == (2, 90, 32)
    assert (task.epoch, task.ragged, task.tail) == (45, True, 45)
    assert sorted(batches[0, :45][batches[0, :45] >= 0]) == list(range(1437))
    assert [weight.shape for weight, _ in layers] == [(64, 5), (5, 10)]
    assert task.flops == 6 * 32 * (64 * 5 + 5 * 10) * 90 * 2
    assert task_of("a", True).members < task_of("a", False).members
