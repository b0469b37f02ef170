"""A lab's folder: records first, everything else from them; nothing trained twice; clear refusals."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from goodfit.errors import InputError, RunFolderError
from goodfit.lab import catalogue
from goodfit.lab.catalogue import IDS, chosen, comparison
from goodfit.lab.comparison import Comparison
from goodfit.lab.data import LabData, load_data
from goodfit.lab.findings import judged
from goodfit.lab.records import records_of
from goodfit.lab.run import publish, run_lab
from goodfit.stats.verdict import UNKNOWN

FAST = ("1a", "2a", "2c", "2d", "4c", "5b")  # what the fixture ran


def test_every_id_has_its_file_and_says_everything():
    for name in IDS:
        one = comparison(name)
        assert isinstance(one, Comparison)
        assert one.id == name
        assert one.question.endswith("?")
        assert one.reading
        assert one.alt
        assert one.claims
        assert all(claim.says.endswith(".") for claim in one.claims), name
        assert len({claim.says for claim in one.claims}) == len(one.claims)


def test_names_are_checked():
    assert [one.id for one in chosen(["2a", "1a", "2a"])] == ["1a", "2a"]
    assert len(chosen(["all"])) == 16
    with pytest.raises(InputError, match=r"no comparison '1x' \(did you mean '1"):
        chosen(["1x"])
    with pytest.raises(InputError, match="did you mean '4b', Dropout"):
        chosen(["dropuot"])
    with pytest.raises(InputError, match="Which comparison"):
        chosen([])


def test_a_run_leaves_page_verdicts_and_records(lab):
    told = json.loads((lab / "verdicts.json").read_text())
    assert list(told["comparisons"]) == sorted(FAST)
    for name in FAST:
        for file in (
            "config.json",
            "curves.npz",
            "result.json",
            "verdict.json",
            "DONE",
            "figure.svg",
            "figure.png",
        ):
            assert (lab / name / file).is_file(), f"{name}/{file}"
        one = told["comparisons"][name]
        assert len(one["claims"]) == len(comparison(name).claims)
        assert one["command"].startswith(f"goodfit lab run {name}")
    page = (lab / "lab.html").read_text()
    for name in FAST:
        assert comparison(name).title in page


def test_verdicts_are_corrected_for_all_claims_that_are_looked_at(lab):
    told = json.loads((lab / "verdicts.json").read_text())["comparisons"]
    drawn = sum(claim.drawn for name in FAST for claim in comparison(name).claims)
    corrections = {claim["corrected_for"] for one in told.values() for claim in one["claims"]}
    assert corrections == {0, drawn}


def test_redrawing_trains_nothing_and_gives_the_same(lab, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(lab, copy)
    for name in FAST:
        for figure in (copy / name).glob("*.svg"):
            figure.unlink()
    (copy / "lab.html").unlink()
    monkeypatch.setattr("goodfit.engine.population.Population.advance", None)
    publish(copy, redraw=True)
    for name in FAST:
        assert (copy / name / "figure.svg").read_bytes() == (lab / name / "figure.svg").read_bytes()
    assert (copy / "lab.html").read_text() == (lab / "lab.html").read_text()


def test_what_is_done_is_not_run_again(lab, small, monkeypatch):
    def never(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("goodfit.lab.run._run_one", never)
    run_lab(chosen(FAST), small, lab, seeds=4, quick=True)
    with pytest.raises(RunFolderError, match="seeds"):
        run_lab(chosen(["2a"]), small, lab, seeds=5, quick=True)


def test_an_interrupt_keeps_what_is_done(small, tmp_path):
    begun = []

    def count(event) -> None:
        begun.append(event) if event.kind == "begin" else None

    found = run_lab(
        chosen(["1a", "2d"]), small, tmp_path / "lab", seeds=2, quick=True, on_event=count,
        should_stop=lambda: len(begun) > 1,
    )  # fmt: skip
    assert found["interrupted"]
    assert list(found["comparisons"]) == ["1a"]
    assert not (tmp_path / "lab" / "2d" / "DONE").exists()
    again = run_lab(chosen(["1a", "2d"]), small, tmp_path / "lab", seeds=2, quick=True)
    assert not again["interrupted"]
    assert list(again["comparisons"]) == ["1a", "2d"]


def test_damaged_records_are_named(lab, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(lab / "2a", copy / "2a")
    (copy / "2a" / "curves.npz").write_bytes(b"no longer an archive")
    with pytest.raises(RunFolderError, match=r"2a.curves\.npz cannot be read"):
        publish(copy)
    with pytest.raises(RunFolderError, match="holds no finished comparison"):
        publish(tmp_path)


def test_comparisons_that_make_no_sense_are_left_out_with_a_word(tmp_path):
    numbers = load_data("diabetes")
    reasons = {name: comparison(name).refuses(numbers) for name in IDS}
    assert all("holds numbers" in reasons[name] for name in ("3b", "4a", "4b", "4c", "4d", "5a", "5b"))
    assert not any(reasons[name] for name in ("1a", "1b", "1c", "2a", "2b", "2c", "2d", "3a"))
    found = run_lab(chosen(["2b", "4c"]), numbers, tmp_path / "lab", seeds=3, quick=True)
    assert "holds numbers" in found["comparisons"]["4c"]["skipped"]
    assert found["comparisons"]["2b"]["claims"]
    page = (tmp_path / "lab" / "lab.html").read_text()
    assert "it counts right and wrong classes" in page


def test_histograms_need_no_target(small, tmp_path):
    rows = LabData("rows", small.x, None, small.x[:0], None, (), 1.0, "h", True, "none")
    found = run_lab(chosen(["2a", "1b"]), rows, tmp_path / "lab", seeds=3)
    assert found["comparisons"]["2a"]["claims"]
    assert "needs a target" in found["comparisons"]["1b"]["skipped"]


@pytest.mark.parametrize("seeds", [0, -1, 2.5, "3", True])
def test_seeds_are_checked(small, tmp_path, seeds):
    with pytest.raises(InputError, match="seeds must be"):
        run_lab(chosen(["2a"]), small, tmp_path / "lab", seeds=seeds)


def test_one_seed_tells_nothing(small, tmp_path):
    found = run_lab(chosen(["2a", "1a"]), small, tmp_path / "lab", seeds=1)
    assert {c["verdict"] for c in found["comparisons"]["2a"]["claims"]} == {"cannot tell at 1 seed"}
    assert {c["verdict"] for c in found["comparisons"]["1a"]["claims"]} == {"holds", "does not hold"}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_hostile_names_stay_text(small, tmp_path):
    import dataclasses

    evil = "<script>alert(1)</script>"
    data = dataclasses.replace(small, name=evil, notes=(f'Column "{evil}" <img src=x onerror=alert(2)>',))
    run_lab(
        chosen(["2a"]), data, tmp_path / "lab", seeds=3, command=f"goodfit lab run {{id}} --data '{evil}'"
    )
    tags = _Tags()
    tags.feed((tmp_path / "lab" / "lab.html").read_text())
    assert "script" not in tags.tags


def test_measures_of_a_record_have_one_number_a_seed(lab):
    for one, record in records_of(lab):
        for claim in one.claims:
            if claim.drawn:
                assert np.shape(claim.a(record)) == (4,), f"{one.id}: {claim.says}"
    findings = judged(records_of(lab))
    assert all(len(found.table) and found.plot() for found in findings)
    assert any(v.verdict != UNKNOWN for found in findings for v in found.verdicts)


def test_the_catalogue_has_the_chapters_sixteen():
    assert len(catalogue.IDS) == 16
