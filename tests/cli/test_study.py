"""``goodfit study``: what a search did, going on with it, giving it more."""

from __future__ import annotations

import json
import shutil

import pytest

from goodfit import rerun
from goodfit.cli.study_story import show_story
from goodfit.search.story import RoundStory, Story
from goodfit.store.journal import Journal


@pytest.fixture
def copy(fitted, tmp_path):
    """A copy of a finished run that may be changed."""
    shutil.copytree(fitted["run"], tmp_path / "run")
    return tmp_path / "run"


def test_show_tells_rounds_ranges_and_trials(goodfit, fitted):
    shown = goodfit("study", "show", fitted["run"])
    assert shown.exit_code == 0, shown.output
    for word in ("finished", "Budget 4 members", "draws", "No range has moved", "Best trials"):
        assert word in shown.stdout
    told = json.loads(goodfit("study", "show", fitted["run"], "--json").stdout)
    assert [len(one["trials"]) for one in told["rounds"]] == [4]
    assert all(trial["text"] and trial["point"] for trial in told["rounds"][0]["trials"])
    assert told["ended"]


def test_a_round_is_one_line_on_a_terminal_of_80_columns(capsys, monkeypatch):
    """Broken rows look like more rounds than the report has."""
    monkeypatch.setenv("COLUMNS", "80")
    rounds = []
    for place in range(12):
        stops, keys = (12_345, 37_037, 111_111), [[0, 0]] * 3
        one = RoundStory(place, place % 2 > 0, {"ranges": {}, "options": {}}, stops)
        trial = {"text": "64", "point": {}, "error": 0.1, "loss": 0.1, "step": 1, "result": "", "keys": keys}
        one.trials = {100 * place + n: trial | {"number": 100 * place + n} for n in range(100)}
        one.reached = [100, 33, 11]
        rounds.append(one)
    show_story("run", {"budget": "1h"}, Story(tuple(rounds), 9.0, True, False), None)
    shown = capsys.readouterr().out.split("Rounds")[1].split("No range")[0]
    assert shown.count("100 → 33 → 11") == 12
    assert "…" not in shown
    assert len([line for line in shown.splitlines() if line.strip()]) == 12 + 3  # two of head, and a rule


def test_show_names_what_diverged(goodfit, table, tmp_path):
    space = tmp_path / "wild.toml"
    space.write_text("hidden = [[8]]\n[optimizer.SGD]\nlr = {low = 1.0, high = 1e30, log = true}\n")
    words = ("fit", table, "--target", "grade", "--budget", "12 members", "--space", space)
    done = goodfit(*words, "--out", tmp_path / "run", "--json")
    assert json.loads(done.stdout)["diverged"] > 0
    shown = goodfit("study", "show", tmp_path / "run").stdout
    assert "Diverged:" in shown
    assert "diverged at step" in shown


def test_show_draws_the_ranges(goodfit, fitted, tmp_path):
    done = goodfit("study", "show", fitted["run"], "--figure", tmp_path / "figures", "--json")
    assert json.loads(done.stdout)["rounds"]
    assert "boxes.svg" in done.stderr
    assert (tmp_path / "figures" / "boxes.png").stat().st_size > 3000


def test_resuming_a_finished_run_gives_its_result_again(goodfit, fitted):
    done = goodfit("study", "resume", fitted["run"], "--json")
    assert json.loads(done.stdout) == fitted


def test_extending_goes_on_where_the_search_ended(goodfit, fitted, copy):
    before = Journal(copy / "journal-search.jsonl").records()
    done = goodfit("study", "extend", copy, "--budget", "8 members", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["members"] == 12
    assert result["extensions"] == [{"budget": "8 members", "space": None}]
    assert result["test"]["opened"] in (1, 2)  # once more if the model changed
    after = Journal(copy / "journal-search.jsonl").records()
    assert after[: len(before)] == before
    assert "4 members + 8 members" in goodfit("study", "show", copy).stdout
    again = goodfit("study", "resume", copy, "--json")
    assert json.loads(again.stdout) == result


@pytest.mark.parametrize("keep", [(), ("--keep-sealed",)])
def test_an_extension_that_changes_nothing_says_so(goodfit, table, tmp_path, keep):
    words = ("fit", table, "--target", "grade", "--cv", "2", "--budget", "8 members", *keep)
    before = json.loads(goodfit(*words, "--out", tmp_path / "run", "--json").stdout)
    extend = ("study", "extend", tmp_path / "run", "--budget", "1 members")  # too few for two folds
    shown = goodfit(*extend)
    assert shown.exit_code == 0, shown.output
    line = shown.stdout.splitlines()[0]
    assert "did not change the ensemble" in line
    assert ("stay sealed" if keep else "were not opened again") in line
    told = goodfit(*extend, "--json")
    assert line in told.stderr
    after = json.loads(told.stdout)
    assert (after["ensemble"], after["ledger"]) == (before["ensemble"], before["ledger"])


def test_an_extension_that_changes_the_model_does_not_say_that(goodfit, copy):
    shown = goodfit("study", "extend", copy, "--budget", "8 members")
    opened = len(Journal(copy / "ledger.jsonl").records()) // 2
    assert ("did not change the ensemble" in shown.stdout) == (opened == 1)


def test_an_extension_may_search_another_space(goodfit, copy, tmp_path):
    space = tmp_path / "other.toml"
    space.write_text("hidden = [[8], [12]]\ndropout = {low = 0.0, high = 0.2}\n")
    done = goodfit("study", "extend", copy, "--budget", "8 members", "--space", space, "--json")
    assert done.exit_code == 0, done.output
    space.unlink()  # its text is in the run folder
    assert json.loads(goodfit("study", "resume", copy, "--json").stdout) == json.loads(done.stdout)
    shown = goodfit("study", "show", copy).stdout
    assert "8 members in another space" in shown
    told = json.loads(goodfit("study", "show", copy, "--json").stdout)
    assert [set(one["region"]["options"]["hidden"]) for one in told["rounds"][1:]] == [{"8", "12"}]


def test_a_wrong_space_changes_nothing(goodfit, copy, tmp_path):
    space = tmp_path / "other.toml"
    space.write_text("drop_out = {low = 0.0, high = 0.2}\n")
    before = (copy / "config.json").read_bytes()
    done = goodfit("study", "extend", copy, "--budget", "8 members", "--space", space)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "drop_out" in done.stderr
    assert (copy / "config.json").read_bytes() == before


def test_changed_data_change_nothing(goodfit, table, copy):
    before, rows = (copy / "config.json").read_bytes(), table.read_bytes()
    try:
        table.write_bytes(rows + rows.splitlines(keepends=True)[1])
        done = goodfit("study", "extend", copy, "--budget", "8 members")
    finally:
        table.write_bytes(rows)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "has changed" in done.stderr
    assert (copy / "config.json").read_bytes() == before


def test_an_extension_that_was_cut_short_is_gone_on_with(goodfit, copy, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(rerun, "run_fit", lambda *a, **k: pytest.fail("killed"))
        with pytest.raises(BaseException, match="killed"):
            rerun.resume(str(copy), more="8 members")
    done = goodfit("study", "resume", copy, "--json")
    assert json.loads(done.stdout)["members"] == 12


def test_a_budget_of_another_kind_is_refused(goodfit, copy):
    done = goodfit("study", "extend", copy, "--budget", "20s")
    assert done.exit_code == 2
    assert "members" in done.stderr
    assert json.loads((copy / "config.json").read_text()).get("extensions") is None


def test_export_writes_a_storage_and_says_how_to_look_at_it(goodfit, fitted, tmp_path):
    optuna = pytest.importorskip("optuna")
    url = f"sqlite:///{tmp_path / 'my study.db'}"
    done = goodfit("study", "export", fitted["run"], "--storage", url)
    assert done.exit_code == 0, done.output
    assert "4 trials" in done.stdout
    assert f"optuna-dashboard '{url}'" in done.stdout
    assert done.stderr == ""
    assert len(optuna.load_study(study_name="run", storage=url).trials) == 4
    again = goodfit("study", "export", fitted["run"], "--storage", url)
    assert (again.exit_code, again.stdout, len(again.stderr.splitlines())) == (2, "", 1)
    assert "--name" in again.stderr
    told = goodfit("study", "export", fitted["run"], "--storage", url, "--name", "other", "--json")
    found = json.loads(told.stdout)
    assert (found["name"], found["storage"]) == ("other", url)
    assert sum(found["trials"].values()) == 4


@pytest.mark.parametrize(
    "command",
    [("show",), ("resume",), ("extend", "--budget", "1min"), ("export", "--storage", "sqlite:///a.db")],
)
def test_what_is_no_run_is_said(goodfit, tmp_path, command):
    done = goodfit("study", command[0], tmp_path, *command[1:])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "holds no run" in done.stderr


def test_a_damaged_journal_is_named_with_its_line(goodfit, copy):
    journal = copy / "journal-search.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"wave":0', b'"wave":7', 1))
    done = goodfit("study", "show", copy)
    assert done.exit_code == 2
    assert "Line 1" in done.stderr
    (copy / "DONE").unlink()
    assert "Line 1" in goodfit("study", "resume", copy).stderr
