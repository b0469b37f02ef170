"""A run's page: the answer first, whole without a network or a script, and no name becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from goodfit.cli.main import app
from goodfit.cli.report import report, write_report
from goodfit.errors import RunFolderError
from goodfit.job import FitSettings, run_fit
from goodfit.report.charts import Line, Mark, forest
from goodfit.report.fit_page import fit_page
from goodfit.report.records import read_records
from goodfit.report.svg import Scale, around, steps
from goodfit.report.words import compared, diagnosis
from goodfit.store.atomic import write_json
from goodfit.store.canonical import dumps, loads
from goodfit.store.run import RunFolder

BAD = "<img src=x onerror=alert(1)></script>\"'&amp;"
ALLOWED = frozenset(
    re.findall(
        r"\S+",
        "html head meta title style body a header main footer nav section div h1 h2 h3 p ul ol li dl dt dd "
        "table caption thead tbody tr th td figure figcaption svg desc g path line rect circle text span b "
        "strong pre code details summary",
    )
)
ATTRIBUTES = frozenset(
    re.findall(
        r"\S+",
        "id class href title lang charset http-equiv content name role scope tabindex aria-label "
        "aria-labelledby viewbox d x y x1 x2 y1 y2 cx cy r width height fill-opacity text-anchor transform",
    )
)
PARTS = ("answer", "words", "curves", "search", "worth", "mistakes", "calibration", "columns", "ensemble")


class Parsed(HTMLParser):
    """Elements, attributes and text of a page; fails on what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def runs(hostile_run):
    """Folders of runs: hostile names, and numbers whose exam is to come; made without the command."""
    home = hostile_run.parent
    run_fit(FitSettings("diabetes", budget="10 members", out=str(home / "numbers"), keep_sealed=True))
    return home


def page(folder):
    return fit_page(read_records(folder))


def left_out(parsed):
    return [a["id"] for a in parsed.all("section") if a["id"] in PARTS], parsed.text.count("Left out:")


def test_no_name_becomes_markup(runs):
    text = page(runs / "bad")
    parsed = Parsed(text)
    assert {tag for tag, _ in parsed.elements} <= ALLOWED
    for _, attributes in parsed.elements:
        assert set(attributes) <= ATTRIBUTES, attributes
    assert parsed.text.count(BAD) >= 5  # title, target, classes, columns, command
    assert "<img" not in text
    assert "<script" not in text
    assert text.count("</style>") == 1


@pytest.mark.parametrize("name", ["bad", "numbers"])
def test_nothing_comes_from_outside_and_nothing_runs(runs, name):
    text = page(runs / name)
    parsed = Parsed(text)
    for _, attributes in parsed.elements:
        assert (attributes.get("href") or "#").startswith("#")
        assert not [key for key in attributes if key.startswith("on") or key in ("src", "style")]
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_allows_this_style_alone(runs):
    text = page(runs / "bad")
    policies = [a["content"] for a in Parsed(text).all("meta") if a.get("http-equiv")]
    assert len(policies) == 1
    rules = dict(rule.strip().split(" ", 1) for rule in policies[0].split(";"))
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert "script-src" not in rules
    assert text.index("Content-Security-Policy") < text.index("<style>")


@pytest.mark.parametrize("name", ["bad", "numbers"])
def test_the_answer_comes_first_and_every_part_has_its_place(runs, name):
    parsed = Parsed(page(runs / name))
    ids = [a["id"] for a in parsed.all("section")]
    assert ids == [*PARTS, "ledger", "making"]
    assert "Left out:" not in parsed.text
    named = [a["id"] for _, a in parsed.elements if a.get("id")]
    assert len(named) == len(set(named))
    assert {a["href"][1:] for a in parsed.all("a")} <= set(named)
    assert {i for a in parsed.all("svg") for i in a["aria-labelledby"].split()} <= set(named)
    result = loads((runs / name / "result.json").read_bytes())
    rows = "sealed" if name == "bad" else "validation"
    place = parsed.text.index("The answer\n")
    shown = f"{result['rows'][rows if rows == 'sealed' else 'valid']:,} {rows} rows"
    assert parsed.text.index(shown) < place + 100
    assert "linear model" in parsed.text
    assert ("most common class" if name == "bad" else "mean of the training rows") in parsed.text


def test_every_score_has_an_interval_beside_it(runs):
    shown = Parsed(page(runs / "bad")).text.replace("\u00a0", " ")
    result = loads((runs / "bad" / "result.json").read_bytes())
    scores = [result["validation"], result["test"]]
    scores += [found[part] for found in result["baselines"].values() for part in ("validation", "test")]
    for found in scores:
        assert f"{found['score']:.4f} [{found['low']:.4f}, {found['high']:.4f}]" in shown


def test_the_command_can_be_typed_again(runs):
    import shlex

    records = read_records(runs / "bad")
    words = shlex.split(records.command())
    assert words[:2] == ["goodfit", "fit"]
    assert words[words.index("--target") + 1] == f"</style>{BAD}"
    assert words[words.index("--out") + 1] == str(runs / "bad")
    words = shlex.split(read_records(runs / "numbers").command())
    assert "--keep-sealed" in words
    assert "--seed" not in words


def test_the_page_is_the_same_each_time(runs):
    assert page(runs / "bad") == page(runs / "bad")


def test_what_the_records_lack_is_left_out_and_said(runs, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(runs / "bad", folder)
    (folder / "insights.json").unlink()
    shutil.rmtree(folder / "members")
    parsed = Parsed(page(folder))
    assert parsed.text.count("Left out:") == 3  # mistakes, calibration, columns
    assert "No over-fitting" not in parsed.text
    (folder / "journal-search.jsonl").unlink()
    parsed = Parsed(page(folder))
    assert parsed.text.count("Left out:") == 5  # and curves and rounds
    assert "no journal" in parsed.text


def test_insights_of_another_model_are_not_shown(runs, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(runs / "bad", folder)
    run, result = RunFolder(folder), loads((folder / "result.json").read_bytes())
    whole = read_records(folder).insights
    assert whole is not None
    found = loads((folder / "insights.json").read_bytes())
    write_json(folder / "insights.json", found | {"classes": ["altered"]})
    assert read_records(folder).insights is None
    run.keep_insights(whole, result | {"validation": {**result["validation"], "score": 0.1}})
    assert read_records(folder).insights is None
    run.keep_insights(whole, result)
    assert dumps(read_records(folder).insights) == dumps(whole)


@pytest.mark.parametrize("kept", [("config.json",), ("config.json", "journal-search.jsonl", "members")])
def test_a_run_that_was_killed_has_a_page_with_what_there_is(runs, tmp_path, kept):
    folder = tmp_path / "killed"
    folder.mkdir()
    for name in kept:
        source = runs / "bad" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    parsed = Parsed(page(folder))
    assert "There is no score yet" in parsed.text
    assert "stopped" in parsed.text
    assert parsed.text.count("Left out:") == (8 if len(kept) == 1 else 6)


def test_an_interrupted_run_has_a_page_with_its_scores(tmp_path, monkeypatch):
    """Ctrl-C after the first round: the model so far, no exam, and a page that says so, now and later."""
    import goodfit.job as job

    asked = []
    monkeypatch.setattr(job, "first_interrupt", lambda: _Interrupt(asked))
    settings = FitSettings("iris", budget="40 members", out=str(tmp_path / "run"))
    result = run_fit(settings, on_event=lambda event: asked.append(1) if event.kind == "round" else None)
    assert result["interrupted"]
    text = page(tmp_path / "run")
    parsed = Parsed(text)
    assert "Interrupted" in parsed.text
    assert "no exam was held" in parsed.text
    assert f"{result['validation']['score']:.4f} [" in parsed.text
    assert "They have not been opened" in parsed.text
    assert "Left out:" not in parsed.text
    asked.clear()
    monkeypatch.undo()
    done = run_fit(settings)
    assert done["test"]["opened"] == 1
    assert "Interrupted" not in page(tmp_path / "run")
    assert not (tmp_path / "run" / "partial.json").exists()


class _Interrupt:
    def __init__(self, asked):
        self.asked = asked

    def __enter__(self):
        return lambda: bool(self.asked)

    def __exit__(self, *raised):
        return None


def test_fit_leaves_a_page_and_report_writes_it_anew(tmp_path):
    out = tmp_path / "run"
    done = CliRunner().invoke(app, ["fit", "iris", "--budget", "4 members", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["run"] == str(out)
    first = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    path, missing = write_report(str(out))
    assert (out / "report.html").read_bytes() == first
    assert path == str(out / "report.html")
    assert list(missing) == ["What each technique was worth"]  # of four networks


def test_a_finished_run_shown_again_keeps_its_page_and_one_that_goes_on_gets_another(tmp_path):
    out = tmp_path / "run"
    command = ["fit", "iris", "--budget", "3 members", "--out", str(out), "--keep-sealed", "--json"]
    assert CliRunner().invoke(app, command).exit_code == 0
    page_file = out / "report.html"
    kept = page_file.read_bytes() + b"<!-- kept -->"
    page_file.write_bytes(kept)
    assert CliRunner().invoke(app, command).exit_code == 0
    assert page_file.read_bytes() == kept
    assert CliRunner().invoke(app, ["unseal", str(out), "--json"]).exit_code == 0
    text = page_file.read_text()
    assert "kept" not in text
    assert "Opened once" in text


def test_report_prints_the_path_and_refuses_what_is_no_run(runs, tmp_path, capsys):
    report(str(runs / "numbers"))
    assert capsys.readouterr().out == f"{runs / 'numbers' / 'report.html'}\n"
    report(str(runs / "numbers"), as_json=True)
    assert json.loads(capsys.readouterr().out)["left_out"] == {}
    with pytest.raises(RunFolderError, match="holds no run"):
        report(str(tmp_path))


def scored(score, low, high):
    return {"score": score, "low": low, "high": high}


@pytest.mark.parametrize(
    ("metric", "linear", "kind"),
    [
        ("accuracy", 0.80, "good"),
        ("accuracy", 0.89, "open"),
        ("accuracy", 0.99, "bad"),
        ("rmse", 0.99, "good"),
    ],
)
def test_a_comparison_says_no_more_than_the_interval_does(metric, linear, kind):
    result = {
        "metric": metric,
        "test": scored(0.9, 0.88, 0.92),
        "baselines": {"linear": {"test": scored(linear, linear - 0.02, linear + 0.01)}},
    }
    (said,) = compared(result, "test")
    assert said.kind == kind
    assert f"{linear:.4f}" in said.text


def test_the_words_say_what_is_wrong(runs):
    records = read_records(runs / "bad")
    assert all(said.kind != "bad" for said in diagnosis(records))
    result = records.result
    result["test"] = scored(0.5, 0.4, 0.6) | {"opened": 1}
    records.insights["test"]["mistakes"]["by_class"][0] |= {"rows": 20, "found": 4}
    said = diagnosis(records)
    assert said[0].kind == said[1].kind == "bad"
    assert "clearly less well" in said[0].text
    assert "4 of 20" in said[1].text


def test_charts_keep_their_marks_inside_and_leave_out_what_is_not_finite():
    text = forest("f", "t", "d", [Line("<b>", (Mark(1.0, float("nan"), 2.0), Mark(float("nan"), 0, 1)))], "x")
    assert "nan" not in text
    assert text.count("<circle") == 1
    scale = Scale(*around([1.0, 100.0], log=True), 0.0, 300.0, True)
    assert scale(1e-9) == 0.0
    assert scale(1e9) == 300.0
    assert scale.ticks()[0] == 1.0
    assert steps(0.0, 1.0, 5) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert steps(3.0, 3.0, 5) == [3.0]
