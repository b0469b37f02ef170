"""The lab from the command line."""

from __future__ import annotations

import json

import pytest

IDS = ("1a", "1b", "1c", "2a", "2b", "2c", "2d", "3a", "3b", "3c", "4a", "4b", "4c", "4d", "5a", "5b")


def test_list_starts_each_line_with_the_id(goodfit):
    done = goodfit("lab", "list")
    assert done.exit_code == 0
    assert tuple(line.split()[0] for line in done.stdout.splitlines()) == IDS
    assert not any(mark in done.stdout for mark in ("?.", ".."))
    assert tuple(json.loads(goodfit("lab", "list", "--json").stdout)) == IDS


def test_run_leaves_the_page_and_says_where(goodfit, table, tmp_path):
    words = ("lab", "run", "2b", "1a", "--data", table, "--target", "grade", "--seeds", 3)
    done = goodfit(*words, "--out", tmp_path / "lab")
    assert done.exit_code == 0, done.output
    assert "Page:" in done.stdout
    assert "first look" not in done.stdout
    assert done.stderr == ""
    for name in ("lab.html", "verdicts.json", "1a/DONE", "2b/curves.npz"):
        assert (tmp_path / "lab" / name).exists()
    command = json.loads((tmp_path / "lab/2b/config.json").read_text())["command"]
    assert command == f"goodfit lab run 2b --seeds 3 --data {table} --target grade"


def test_a_quick_run_says_that_a_full_one_tells_more(goodfit, tmp_path):
    done = goodfit("lab", "run", "2c", "--data", "iris", "--quick", "--out", tmp_path / "lab")
    assert done.exit_code == 0, done.output
    assert "10 seeds, no --quick" in done.stdout.splitlines()[-1]


def test_json_is_one_object_and_drawing_again_gives_it_too(goodfit, tmp_path):
    done = goodfit("lab", "run", "2c", "--data", "iris", "--seeds", 3, "--out", tmp_path / "lab", "--json")
    told = json.loads(done.stdout)
    assert told["out"] == str(tmp_path / "lab")
    assert told["comparisons"]["2c"]["claims"][0]["verdict"] in (
        "holds",
        "does not hold",
        "cannot tell at 3 seeds",
    )
    again = json.loads(goodfit("lab", "draw", tmp_path / "lab", "--json").stdout)
    assert again["comparisons"] == told["comparisons"]


def test_numbers_leave_out_what_needs_classes_and_go_on(goodfit, tmp_path):
    done = goodfit("lab", "run", "4c", "2a", "--data", "diabetes", "--seeds", 3, "--out", tmp_path / "lab")
    assert done.exit_code == 0
    assert "4c is left out" in done.stdout
    assert (tmp_path / "lab/2a/DONE").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "9z"), "There is no comparison '9z'"),
        (("run", "2e"), "did you mean '2"),
        (("run", "2a", "--seeds", "0"), "seeds must be"),
        (("run", "2a", "--data", "digist"), "did you mean 'digits'"),
        (("run", "2a", "--data", "iris", "--target", "clas"), "did you mean 'class'"),
        (("draw", "nowhere"), "holds no finished comparison"),
        (("run",), "Missing argument"),
    ],
)
def test_bad_input_is_one_line(goodfit, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = goodfit("lab", *words)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert not list(tmp_path.iterdir())
