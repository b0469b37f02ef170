"""`goodfit fit`: what is passed on, what is printed, how it ends."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields

import pytest

import goodfit as package
from goodfit import job
from goodfit.events import Event
from goodfit.job import FitSettings
from goodfit.report.words import compared

KEYS = {
    *("run", "model", "task", "metric", "validation", "test", "baselines", "winner", "members", "diverged"),
    *("compilations", "seconds", "versions"),
}


@pytest.fixture
def settings(monkeypatch, fitted):
    """What run_fit was called with; the real one is not run."""
    seen = {}

    def run_fit(settings, *, on_event, started, trainer):
        seen.update(settings=settings, started=started)
        on_event(Event("note", {"text": "a note"}))
        return fitted

    monkeypatch.setattr(job, "run_fit", run_fit)
    return seen


def test_every_option_reaches_the_job(goodfit, settings):
    given = {
        "target": "y", "budget": "3s", "metric": "f1", "out": "here", "seed": 7, "device": "cpu", "lanes": 1,
        "chunk": 2, "keep_sealed": True, "test": "t.csv", "valid": "v.csv", "group": "g", "time": "t",
        "weight": "w", "class_weight": "balanced", "positive": "yes", "task": "classification",
        "cv": 3, "repeats": 2, "fold": "f", "sampler": "tpe",
    }  # fmt: skip
    words = ["fit", "d.csv", "--ignore", "a", "--ignore", "b"]
    for name, value in given.items():
        option = "--" + name.replace("_", "-")
        words += [option] if value is True else [option, str(value)]
    assert goodfit(*words).exit_code == 0
    assert settings["settings"] == FitSettings("d.csv", ignore=("a", "b"), **given)
    assert {f.name for f in fields(FitSettings)} == {"data", "ignore", "space", *given}


def test_defaults_are_the_jobs_own(goodfit, settings):
    assert goodfit("fit", "digits").exit_code == 0
    assert settings == {"settings": FitSettings("digits"), "started": None}


def test_json_is_one_object_with_the_settled_keys(fitted):
    assert set(fitted) >= KEYS
    assert fitted["test"]["opened"] == 1
    assert fitted["winner"].keys() == {"trial", "text", "recipe"}
    for part in ("validation", "test"):
        assert fitted[part]["low"] <= fitted[part]["score"] <= fitted[part]["high"]


def test_a_finished_run_is_printed_again_with_nothing_on_stderr(goodfit, fitted, table):
    words = ("fit", table, "--target", "grade", "--budget", "4 members", "--out", fitted["run"])
    again = goodfit(*words, "--json")
    assert (again.exit_code, again.stderr) == (0, "")
    assert json.loads(again.stdout) == fitted
    shown = goodfit(*words)
    assert (shown.exit_code, shown.stderr) == (0, "")
    text = shown.stdout
    for needed in ("this model", "linear model", "most common class", "sealed test", "Winner", "Ensemble of"):
        assert needed in text
    assert fitted["winner"]["text"][:40] in text
    assert f"Model:    {fitted['model']}\n" in text  # whole, whatever its length
    assert f"goodfit predict {fitted['run']} DATA\n" in text


def test_kept_sealed_says_how_to_open(goodfit, sealed, table):
    words = (
        "fit",
        table,
        "--target",
        "grade",
        "--budget",
        "2 members",
        "--out",
        sealed["run"],
        "--keep-sealed",
    )
    shown = goodfit(*words)
    assert sealed["test"] is None
    assert "not opened" in shown.stdout
    assert f"goodfit unseal {sealed['run']}" in shown.stdout


def test_a_budget_that_trained_nothing_to_its_end_is_said_on_terminal_and_page(goodfit, tmp_path):
    out = tmp_path / "run"
    shown = goodfit("fit", "digits", "--budget", "0.1s", "--out", out)
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.stdout.split())
    page = html.unescape(re.sub(r"<.*?>", "", (out / "report.html").read_text()))
    (said,) = re.findall(r"The budget ended before .* steps\), so these scores are of hardly trained", text)
    assert said in page
    assert f"goodfit study extend {out} --budget 0.6s." in page
    assert "No over-fitting" not in page
    assert "the expectation above" not in page
    for part in ("There are no full runs", "Too few networks were drawn with and without"):
        assert part in text
        assert part in page


def test_the_verdicts_against_the_baselines_stand_under_the_scores(goodfit, fitted, table):
    words = ("fit", table, "--target", "grade", "--budget", "4 members", "--out", fitted["run"])
    text = goodfit(*words).stdout
    assert text.index("linear model") < text.index("most common class") < text.index("In brackets")
    shown = " ".join(text.split())
    for said in compared(fitted, "test"):
        assert said.text in shown


def test_members_are_shown_whole(goodfit, fitted):
    for words in (("study", "resume", fitted["run"]), ("inspect", fitted["model"])):
        shown = " ".join(goodfit(*words).stdout.split())
        assert all(member["text"] in shown for member in fitted["ensemble"])


def test_scores_that_are_not_numbers_are_shown_and_json_stays_json(goodfit, settings, fitted, monkeypatch):
    odd = {**fitted, "validation": {"score": float("nan"), "low": float("-inf"), "high": 1.0}}
    monkeypatch.setattr(job, "run_fit", lambda *a, **k: odd)
    assert "nan" in goodfit("fit", "digits").stdout
    done = goodfit("fit", "digits", "--json")
    assert json.loads(done.stdout, parse_constant=pytest.fail)["validation"]["score"] == "NaN"


def test_interruption_keeps_the_best_so_far_and_ends_with_130(goodfit, settings, fitted, monkeypatch):
    monkeypatch.setattr(job, "run_fit", lambda *a, **k: {**fitted, "test": None, "interrupted": True})
    done = goodfit("fit", "digits")
    assert done.exit_code == 130
    assert "Interrupted" in done.stdout
    assert goodfit("fit", "digits", "--json").exit_code == 130


def test_an_unforeseen_failure_is_a_bug_with_its_traceback(goodfit, settings, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("seven")

    monkeypatch.setattr(job, "run_fit", broken)
    done = goodfit("fit", "digits")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "RuntimeError: seven" in done.stderr
    assert "bug in goodfit" in done.stderr.splitlines()[-1]


def test_a_hard_interruption_is_one_line(goodfit, settings, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "run_fit", interrupted)
    done = goodfit("fit", "digits")
    assert (done.exit_code, done.stdout) == (130, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words", [["fit"], ["fit", "iris", "--colour"], ["fit", "iris", "--seed", "x"], ["fly"]]
)
def test_wrong_usage_ends_with_2(goodfit, words):
    done = goodfit(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Error: " in done.stderr


@pytest.mark.parametrize("name", ["fit", "predict", "refit", "unseal", "doctor"])
def test_help_tells_the_exit_codes_and_describes_every_option(goodfit, name):
    done = goodfit(name, "--help")
    assert done.exit_code == 0
    assert "Exit codes: 0 done; 2" in done.stdout
    for line in done.stdout.splitlines():
        if line.startswith("  --"):
            assert len(line.split()) > 2, f"{line!r} has no description"


def test_version(goodfit):
    assert goodfit("--version").stdout == f"goodfit {package.__version__}\n"


def test_a_terminal_without_unicode_gets_the_table_too(fitted, table):
    words = ["fit", str(table), "--target", "grade", "--budget", "4 members", "--out", fitted["run"]]
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-m", "goodfit", *words], capture_output=True, env=env)
    assert done.returncode == 0, done.stderr
    assert b"Ensemble of" in done.stdout
    assert done.stdout.isascii()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_ends_a_real_search_with_a_result(table, tmp_path):
    out = tmp_path / "run"
    words = ["fit", str(table), "--target", "grade", "--budget", "30s", "--out", str(out), "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "goodfit", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.time() + 60
    while not _first_wave(out) and time.time() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    result = json.loads(stdout)
    assert result["interrupted"]
    assert result["test"] is None
    assert (out / "model.safetensors").is_file()
    assert not (out / "DONE").exists()


def _first_wave(out) -> bool:
    journal = out / "journal-search.jsonl"
    return journal.is_file() and b'"kind":"wave"' in journal.read_bytes()
