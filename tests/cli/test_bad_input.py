"""Bad input: one clear line on stderr, exit code 2, no traceback, nothing on stdout, nothing written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from goodfit.model.file import FORMAT

GOOD = "a,b,y\n" + "".join(f"{i % 7}.5,{i % 5}.25,{'yes' if i % 3 else 'no'}\n" for i in range(40))


def numbered(cells: str) -> str:
    """A table of 40 rows whose target cell is ``cells`` with the row number filled in."""
    return "a,b,y\n" + "".join(f"{i % 7}.5,{i % 5}.25,{cells.format(i=i, odd=i % 2)}\n" for i in range(40))


FILES = {
    "good.csv": GOOD,
    "zero.csv": "",
    "header.csv": "a,b,y\n",
    "one-class.csv": numbered("yes"),
    "all-missing.csv": numbered(""),
    "single.csv": GOOD + "1.5,2.5,maybe\n",
    "texts.csv": numbered("text{odd}"),
    "infinite.csv": GOOD + "inf,2.5,yes\n",
    "twice.csv": "a,a,y\n1,2,yes\n3,4,no\n",
    "constant.csv": "a,y\n" + "".join(f"1,{'yes' if i % 2 else 'no'}\n" for i in range(40)),
    "no-b.csv": GOOD.replace(",b,", ",c,", 1),
    "odd-cell.csv": "size;age;town\n" + "".join(f"0,{i};{i},5;Bern\n" for i in range(30)) + "0,1;abc;Bern\n",
    "answered.csv": "size,age,town,prediction\n0.1,30,Bern,good\n",
    "strange.xyz": "?",
    "broken.parquet": "no parquet",
    "broken.npz": "no zip",
    "broken.csv.gz": "no gzip",
    "empty/readme.txt": "",
    "full/notes.txt": "mine",
    "onefold.csv": GOOD.replace(",y\n", ",part,y\n").replace(",yes", ",1,yes").replace(",no", ",1,no"),
    "zero.toml": "[lr\n",
    "wrong.toml": "drop_out = { low = 0.0, high = 0.5 }\n",
    "upside.toml": "dropout = { low = 0.5, high = 0.1 }\n",
}

# what is wrong: the command, and what the line on stderr must name
TABLE = {
    "missing file": ("fit nosuch.csv", "nosuch.csv"),
    "a name nearly right": ("fit digit", "did you mean 'digits'?"),
    "unknown format": ("fit strange.xyz --target y", ".parquet"),
    "damaged parquet": ("fit broken.parquet --target y", "broken.parquet"),
    "damaged npz": ("fit broken.npz --target y", "broken.npz"),
    "damaged gzip": ("fit broken.csv.gz --target y", "broken.csv.gz"),
    "directory without data": ("fit empty", "empty"),
    "file without a byte": ("fit zero.csv --target y", "empty"),
    "table without rows": ("fit header.csv --target y", "empty"),
    "no target said": ("fit good.csv", "--target COL (a, b, y)."),
    "missing target column": ("fit people.csv --target grad", "did you mean 'grade'?"),
    "one class": ("fit one-class.csv --target y", "'yes'"),
    "target all missing": ("fit all-missing.csv --target y", "missing"),
    "class with a single row": ("fit single.csv --target y", "'maybe'"),
    "non-numeric regression target": ("fit texts.csv --target y --task regression", "text"),
    "infinite value": ("fit infinite.csv --target y", "infinite"),
    "duplicate column names": ("fit twice.csv --target y", "'a'"),
    "no feature left": ("fit constant.csv --target y", "constant"),
    "every column ignored": ("fit good.csv --target y --ignore a --ignore b", "ignored"),
    "ignored column missing": ("fit good.csv --target y --ignore c", "'c'"),
    "wrong budget text": ("fit good.csv --target y --budget soon", "45s"),
    "no budget": ("fit good.csv --target y --budget 0s", "45s"),
    "unknown sampler": ("fit good.csv --target y --sampler bayes", "zoom or tpe"),
    "unknown metric": ("fit good.csv --target y --metric acuracy", "did you mean 'accuracy'?"),
    "metric of another task": ("fit good.csv --target y --metric r2", "regression"),
    "unknown task": ("fit good.csv --target y --task guess", "regression"),
    "unknown device": ("fit good.csv --target y --device tpu", "gpu"),
    "negative seed": ("fit good.csv --target y --seed -1", "--seed"),
    "no lanes": ("fit good.csv --target y --lanes 0", "lanes"),
    "no chunk": ("fit good.csv --target y --chunk 0", "chunk"),
    "unknown class weight": ("fit good.csv --target y --class-weight fair", "balanced"),
    "unknown positive label": ("fit good.csv --target y --positive maybe", "maybe"),
    "group column missing": ("fit good.csv --target y --group g", "'g'"),
    "time column missing": ("fit good.csv --target y --time t", "'t'"),
    "weights of text": ("fit texts.csv --target a --weight y", "--weight"),
    "group is the target": ("fit good.csv --target y --group y", "--group"),
    "validation file lacks columns": ("fit good.csv --target y --valid no-b.csv", "'b'"),
    "test file missing": ("fit good.csv --target y --test nosuch.csv", "nosuch.csv"),
    "one fold": ("fit good.csv --target y --cv 1", "--cv"),
    "more folds than rows": ("fit good.csv --target y --cv 50", "50"),
    "folds and validation rows": ("fit good.csv --target y --cv 3 --valid good.csv", "--valid"),
    "folds twice": ("fit good.csv --target y --cv 3 --fold a", "--fold"),
    "fold column missing": ("fit good.csv --target y --fold part", "'part'"),
    "a single fold in its column": ("fit onefold.csv --target y --fold part", "'part'"),
    "no repeat": ("fit good.csv --target y --cv 3 --repeats 0", "--repeats"),
    "repeats of nothing": ("fit good.csv --target y --repeats 2", "--cv"),
    "space file missing": ("fit good.csv --target y --space nosuch.toml", "nosuch.toml"),
    "space that is no TOML": ("fit good.csv --target y --space zero.toml", "zero.toml"),
    "space of unknown names": ("fit good.csv --target y --space wrong.toml", "'drop_out'"),
    "space with a range upside down": ("fit good.csv --target y --space upside.toml", "low <= high"),
    "output folder is a file": ("fit good.csv --target y --out good.csv", "--out"),
    "output folder below a file": ("fit good.csv --target y --out good.csv/run", "--out"),
    "output folder of something else": ("fit good.csv --target y --out full", "--out"),
    "output folder of another run": ("fit good.csv --target y --out RUN", "another run"),
    "another budget": ("fit people.csv --target grade --budget 9s --out RUN", "goodfit study extend RUN"),
    "model missing": ("predict nosuch.safetensors good.csv", "no run or model at nosuch.safetensors."),
    "model folder without a model": ("predict empty good.csv", "model.safetensors"),
    "model truncated": ("predict truncated.safetensors good.csv", "truncated.safetensors"),
    "model of another format": ("predict good.csv good.csv", "good.csv"),
    "model of a newer version": ("predict newer.safetensors good.csv", "update goodfit"),
    "model altered": ("predict altered.safetensors good.csv", "altered"),
    "prediction data missing": ("predict RUN nosuch.csv", "nosuch.csv"),
    "prediction data lacking columns": ("predict RUN good.csv", "good.csv lacks 3 of the 3 input columns"),
    "answers among the input": ("predict RUN answered.csv --with-input", "'prediction'"),
    "prediction data with one odd cell": ("predict RUN odd-cell.csv", "row 31 holds 'abc'"),
    "prediction file of no known kind": ("predict RUN people.csv --out answers.txt", ".parquet"),
    "prediction file in no folder": ("predict RUN people.csv --out nowhere/a.csv", "nowhere"),
    "refit of no run": ("refit empty", "empty"),
    "unseal of no run": ("unseal nosuch", "nosuch"),
    "report of no run": ("report empty", "empty"),
    "report of a file": ("report good.csv", "good.csv"),
    "watch of no run": ("watch nosuch", "There is no run in nosuch yet"),
    "watch on a port that is none": ("watch RUN --port 1", "--port 1"),
    "inspect of no model": ("inspect empty", "empty"),
    "inspect of a table": ("inspect good.csv", "good.csv"),
    "ONNX of no model": ("export nosuch --onnx a.onnx", "nosuch"),
    "ONNX in no folder": ("export RUN --onnx nowhere/a.onnx", "nowhere"),
    "ONNX checked with other columns": ("export RUN --onnx a.onnx --check good.csv", "'size', 'age', 'town'"),
    "export of no run": ("study export empty --storage sqlite:///study.db", "empty"),
    "export to no storage": ("study export RUN --storage study.db", "sqlite:///study.db"),
}


@pytest.fixture
def place(tmp_path, monkeypatch, fitted, table) -> Path:
    """A folder with every file of the table, which is also the current one."""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    shutil.copytree(fitted["run"], tmp_path / "RUN")
    shutil.copy(table, tmp_path / "people.csv")
    model = Path(fitted["model"]).read_bytes()
    newer = model.replace(rf"\"format\":{FORMAT},".encode(), rb"\"format\":9,", 1)
    assert newer != model
    (tmp_path / "newer.safetensors").write_bytes(newer)
    (tmp_path / "truncated.safetensors").write_bytes(model[:-100])
    (tmp_path / "altered.safetensors").write_bytes(model[:-1] + bytes([model[-1] ^ 1]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOODFIT_DATA", raising=False)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


@pytest.mark.parametrize("case", TABLE)
def test_one_line_says_what_is_wrong_and_nothing_is_written(goodfit, place, case):
    words, names = TABLE[case]
    if "--port 1" in words and os.geteuid() == 0:
        pytest.skip("root may serve on port 1")
    before = contents(place)
    for extra in ([], ["--json"]):
        done = goodfit(*words.split(), *extra)
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert names in done.stderr
        assert done.stderr.rstrip().endswith((".", "?"))
        assert "Traceback" not in done.stderr
    assert contents(place) == before


def test_probabilities_of_numbers_are_refused(goodfit, place):
    words = ("fit", "diabetes", "--budget", "1 member", "--out", "numbers", "--json")
    result = json.loads(goodfit(*words).stdout)
    assert result["task"] == "regression"
    done = goodfit("predict", "numbers", "diabetes", "--proba")
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_a_data_folder_that_is_none_is_said(goodfit, place, monkeypatch):
    monkeypatch.setenv("GOODFIT_DATA", "nowhere")
    done = goodfit("fit", "letter")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "GOODFIT_DATA" in done.stderr
