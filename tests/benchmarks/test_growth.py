"""The growth benchmark: its arithmetic and judgement; a tiny series, a tiny population and a tiny chunk."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(_FOLDER))  # as for a script that lies there
import growth  # noqa: E402
from growing import device, memory, scaling  # noqa: E402

MIB, GIB = 2**20, 2**30


def points(power, count=9, constant=0.0):
    return [
        {
            "value": 2**k,
            "members": 4,
            "steps": 8,
            "work": 2.0**k,
            "seconds": [constant + 0.1 * 2.0 ** (power * k)],
        }
        for k in range(count)
    ]


def population(**more):
    found = {"members": 10, "network": "2-2", "optimizer": "sgd", "steps": 2, "chunk": 4, "lanes": 2}
    sizes = {"predicted": MIB, "held": MIB, "growth": 20 * MIB, "peak": GIB, "seconds": 1.0, "trained": 10}
    return found | sizes | more


def device_record(one, many, most):
    found = [
        {"members": n, "seconds": s, "rate": r, "steady": None, "steps": 8}
        for n, s, r in ((1, one, 1e3), (256, many, 1e5), (1024, 1.0, most))
    ]
    rows = {"c": {"name": "a network", "found": [*found, {"members": 4096, "failed": "out of memory"}]}}
    return {"tiny": False, "device": {"platform": "gpu", "kind": "X"}, "host": "Y", "rows": rows}


@pytest.mark.parametrize("power", [0.5, 1.0, 1.3])
def test_slope_is_that_of_a_power(power):
    assert scaling.slope(points(power)) == pytest.approx(power)


def test_slope_looks_at_the_upper_half():
    assert [p["value"] for p in scaling.upper_half(points(1.0))] == [16, 32, 64, 128, 256]
    assert len(scaling.upper_half(points(1.0, count=3))) == 3
    assert scaling.slope(points(1.0, constant=0.1)) > 0.9


@pytest.mark.parametrize("name", scaling.SERIES)
def test_verdict_tells_why_where_time_does_not_grow_as_work(name):
    low, fine, high = (scaling.verdict(name, points(power)) for power in (0.5, 1.0, 1.5))
    assert "time grows as work does" in fine
    assert "below 0.9" in low
    assert scaling.WHY[name][0] in low
    assert "above 1.1" in high
    assert scaling.WHY[name][1] in high


def test_work_is_members_times_steps_times_operations():
    size = scaling.size_of("members", 32, tiny=False)
    products = 64 * 64 + 64 * 64 + 64 * 10
    assert size.work == pytest.approx(128 * (6 * products - 2 * 64 * 64) * 32 * 200 / 1e9)
    assert scaling.size_of("rows", 60_000, tiny=False).steps == 3 * 469
    for name, values in scaling.SERIES.items():
        work = [scaling.size_of(name, value, tiny=False).work for value in values]
        assert work == sorted(set(work))


def test_memory_passes_within_the_limit_and_when_all_have_trained():
    assert memory.passes(population(peak=8 * GIB))
    assert not memory.passes(population(peak=8 * GIB + 1))
    assert not memory.passes(population(trained=9))
    text = memory.table({"tiny": False, "limit": memory.LIMIT, "populations": [population(trained=9)]})
    assert "FAIL" in text
    assert "2.00 times the prediction" in text


def test_aims_on_a_device():
    assert [line[-5:] for line in device.aims(device_record(1.0, 5.0, 4e5))] == ["pass.", "pass."]
    assert [line[-5:] for line in device.aims(device_record(1.0, 5.1, 3.9e5))] == ["FAIL.", "FAIL."]
    assert "out of memory" in device.table(device_record(1.0, 5.0, 4e5))


def test_without_a_gpu_it_says_so_and_ends_with_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(device, "find", lambda platform: None)
    with pytest.raises(SystemExit) as ended:
        growth.gpu(tmp_path, "gpu", tiny=True)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("No GPU: ")
    assert not list(tmp_path.iterdir())


def test_unknown_series_is_named(capsys):
    with pytest.raises(SystemExit):
        growth.parser().parse_args(["--growth", "--series", "width,length"])
    assert "no series length" in capsys.readouterr().err


def test_a_tiny_series_is_timed_printed_and_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scaling, "describe", dict)
    monkeypatch.setattr(scaling, "sgemm_peak", lambda: 100.0)
    monkeypatch.setattr(growth, "HERE", tmp_path / "benchmarks")
    growth.growth(tmp_path, ("members",), tiny=True)
    growth.show(tmp_path, tmp_path / "figure.png", growth.SERIES)
    text = capsys.readouterr().out
    assert "### Time by members, TINY" in text
    assert "figure.png shows members" in text
    assert (tmp_path / "figure.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_tiny_population_trains_in_a_child():
    found = memory.in_child("b", 9, 2)
    assert (found["members"], found["trained"]) == (9, 9)
    assert found["held"] == pytest.approx(found["predicted"], rel=0.01)
    assert found["peak"] > 50 * MIB


def test_a_tiny_chunk_is_timed_on_the_cpu():
    found = device.measure("b", 3, device.find("cpu"), tiny=True)
    assert found["rate"] == pytest.approx(3 * 8 / found["seconds"])
