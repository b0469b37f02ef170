"""`goodfit predict`: the same answers as in memory, in every form; refit and unseal; doctor."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit import load_model
from goodfit.data.read import read_table
from goodfit.rerun import unseal as run_unseal


@pytest.fixture
def without_target(table, tmp_path) -> Path:
    lines = [line.rsplit(",", 1)[0] for line in table.read_text().splitlines()]
    path = tmp_path / "new.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_csv_has_every_row_in_order_and_exact_probabilities(goodfit, fitted, table, without_target):
    done = goodfit("predict", fitted["run"], without_target, "--proba")
    assert (done.exit_code, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    model = load_model(fitted["model"])
    assert [row["prediction"] for row in rows] == model.predict(read_table(table)).tolist()
    assert list(rows[0]) == ["prediction", "p(good)", "p(poor)"]
    read = np.array([[float(row[f"p({name})"]) for name in model.classes] for row in rows])
    assert np.array_equal(read, model.predict_proba(read_table(table)))


def test_a_new_process_gives_the_same_bits_without_loading_jax(fitted, table):
    code = (
        "import sys; from typer.testing import CliRunner; from goodfit.cli.main import app\n"
        f"done = CliRunner().invoke(app, ['predict', {fitted['run']!r}, {str(table)!r}, '--proba'])\n"
        "assert done.exit_code == 0, done.output\n"
        "assert not {'jax', 'sklearn', 'matplotlib', 'optax'} & set(sys.modules)\n"
        "sys.stdout.write(done.stdout)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = list(csv.reader(io.StringIO(done.stdout)))[1:]
    here = load_model(fitted["model"]).predict_proba(read_table(table))
    assert np.array_equal(np.array([[float(cell) for cell in row[1:]] for row in rows]), here)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_hold_what_stdout_shows(goodfit, fitted, table, tmp_path, suffix):
    out = tmp_path / f"answers{suffix}"
    done = goodfit("predict", fitted["model"], table, "--proba", "--out", out)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    shown = goodfit("predict", fitted["model"], table, "--proba").stdout
    if suffix == ".csv":
        assert out.read_text() == shown
        return
    import pyarrow.parquet

    columns = pyarrow.parquet.read_table(out).to_pydict()
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert columns["prediction"] == [row["prediction"] for row in rows]
    assert columns["p(poor)"] == [float(row["p(poor)"]) for row in rows]


@pytest.fixture
def odd_cells(tmp_path) -> Path:
    """New rows with cells that reading changes: a leading zero, decimal commas, missing and quoted ones."""
    path = tmp_path / "odd.tsv"
    path.write_text('customer\tsize\tage\ttown\n007\t0,10\t30\tBern\n\n010\t0,2\t\t"Uri\tNord"\n12\t1\t40\n')
    return path


def test_the_input_stands_before_the_answers_as_it_was(goodfit, fitted, odd_cells, tmp_path):
    plain = list(csv.reader(io.StringIO(goodfit("predict", fitted["run"], odd_cells, "--proba").stdout)))
    done = goodfit("predict", fitted["run"], odd_cells, "--proba", "--with-input")
    assert done.exit_code == 0, done.output
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert [row[4:] for row in rows] == plain
    given = [["customer", "size", "age", "town"], ["007", "0,10", "30", "Bern"]]
    assert [row[:4] for row in rows] == [*given, ["010", "0,2", "", "Uri\tNord"], ["12", "1", "40", ""]]


def test_the_input_goes_from_parquet_to_parquet(goodfit, fitted, table, tmp_path):
    import pyarrow.csv
    import pyarrow.parquet

    source, out = tmp_path / "new.parquet", tmp_path / "answers.parquet"
    given = pyarrow.csv.read_csv(table)
    pyarrow.parquet.write_table(given, source)
    done = goodfit("predict", fitted["run"], source, "--with-input", "--out", out)
    assert done.exit_code == 0, done.output
    found = pyarrow.parquet.read_table(out)
    assert found.column_names == ["size", "age", "town", "grade", "prediction"]
    assert found.drop_columns(["prediction"]).equals(given)
    again = goodfit("predict", fitted["run"], out, "--with-input")
    assert (again.exit_code, again.stdout) == (2, "")
    assert "'prediction'" in again.stderr


def test_json_is_one_object(goodfit, fitted, table, tmp_path):
    found = json.loads(goodfit("predict", fitted["run"], table, "--json").stdout)
    assert found["rows"] == len(found["columns"]["prediction"]) == 120
    out = tmp_path / "a.csv"
    found = json.loads(goodfit("predict", fitted["run"], table, "--json", "--out", out).stdout)
    assert found["out"] == str(out)
    assert "columns" not in found
    assert out.is_file()


def test_unseen_categories_are_counted_aloud(goodfit, fitted, tmp_path):
    data = tmp_path / "new.csv"
    data.write_text("size,age,town\n0.1,30,Bern\n0.2,31,Zug\n0.3,32,Uri\n")
    done = goodfit("predict", fitted["run"], data)
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr == "Column 'town': 2 of 3 values were not seen in training.\n"


def test_labels_survive_csv(goodfit, tmp_path):
    """Labels with separators, quotes and other scripts come back from the CSV as they were."""
    labels = ['a,"b"', "ä\u4e2d"]
    data = tmp_path / "odd.csv"
    with open(data, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "label"])
        writer.writerows([[i % 7, labels[i % 7 > 3]] for i in range(60)])
    done = goodfit("fit", data, "--target", "label", "--budget", "1 member", "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    shown = goodfit("predict", tmp_path / "run", data, "--proba").stdout
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert {row["prediction"] for row in rows} <= set(labels)
    assert {f"p({label})" for label in labels} < set(rows[0])


@pytest.fixture(scope="module")
def pictures(goodfit, tmp_path_factory) -> Path:
    """A folder of images with bright and dark ones, and beside it the run of a fit to them."""
    home, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(40):
        label, low = ("bright", 150) if number % 2 else ("dark", 0)
        (home / "data" / label).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(low, low + 100, (5, 4)).astype(np.uint8)
        Image.fromarray(pixels).save(home / "data" / label / f"{number}.png")
    done = goodfit("fit", home / "data", "--budget", "2 members", "--out", home / "run")
    assert done.exit_code == 0, done.output
    return home


def predicted(goodfit, pictures, data) -> dict[str, str]:
    done = goodfit("predict", pictures / "run", data)
    assert (done.exit_code, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(rows[0]) == ["file", "prediction"]
    return {row["file"]: row["prediction"] for row in rows}


def test_answers_say_which_image_they_are_of(goodfit, pictures):
    found = predicted(goodfit, pictures, pictures / "data")
    folder = pictures / "data"
    assert list(found) == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    table, model = read_table(folder), load_model(pictures / "run")
    assert list(found.values()) == model.predict(table).tolist()
    told = json.loads(goodfit("predict", pictures / "run", folder, "--json").stdout)
    assert told["columns"] == {"file": list(found), "prediction": list(found.values())}


def test_images_are_predicted_as_they_lie(goodfit, pictures, tmp_path):
    every, name = predicted(goodfit, pictures, pictures / "data"), "bright/1.png"
    assert predicted(goodfit, pictures, pictures / "data" / name) == {"1.png": every[name]}
    loose = predicted(goodfit, pictures, pictures / "data" / "bright")
    assert loose == {key.removeprefix("bright/"): every[key] for key in every if key.startswith("bright/")}
    shutil.copytree(pictures / "data" / "dark", tmp_path / "dark")
    one_folder = predicted(goodfit, pictures, tmp_path)
    assert one_folder == {key: every[key] for key in every if key.startswith("dark/")}
    shutil.copy(pictures / "data" / name, tmp_path / "PHOTO.PNG")
    assert predicted(goodfit, pictures, tmp_path) == {"PHOTO.PNG": every[name], **one_folder}


def test_refit_writes_a_second_model(goodfit, fitted, table):
    done = goodfit("refit", fitted["run"], "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["rows"] == 120
    assert Path(found["model"]) != Path(fitted["model"])
    assert goodfit("predict", found["model"], table).exit_code == 0
    assert found["model"] in goodfit("refit", fitted["run"]).stdout


def test_unseal_holds_the_exam_once(goodfit, sealed):
    done = goodfit("unseal", sealed["run"], "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["test"]["opened"] == 1
    assert "opened once" in " ".join(goodfit("unseal", sealed["run"]).stdout.split())
    assert run_unseal(sealed["run"])["test"]["opened"] == 1


def test_doctor_finds_this_machine(goodfit, monkeypatch, tmp_path):
    monkeypatch.delenv("GOODFIT_DATA", raising=False)
    found = json.loads(goodfit("doctor", "--json").stdout)
    assert found["cores"] >= 1
    assert found["gflops"] > 0
    assert "digits" in found["data_sets"]
    monkeypatch.setenv("GOODFIT_DATA", str(tmp_path / "nowhere"))
    done = goodfit("doctor")
    assert done.exit_code == 0
    assert "GOODFIT_DATA must name a folder" in done.stdout
