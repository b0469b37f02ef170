"""``goodfit diagnose``: table and sentences for people, one object for programs, one line for mistakes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def said(result) -> str:
    """Stdout of a command that went well, its line breaks taken out."""
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def test_a_healthy_network_on_digits(goodfit):
    done = goodfit("diagnose", "digits", "--hidden", "64,64")
    text = said(done)
    assert "digits: classification of" in text
    assert "64x64 relu, Adam (lr 0.001" in text
    assert "Nothing wrong was seen" in text
    assert "Problem" not in text
    assert max(map(len, done.stdout.splitlines())) <= 110


def test_a_sick_network_on_wine_problems_first(goodfit):
    words = ("--hidden", "30x30x30x30", "--optimizer", "SGD", "--lr", "0.01", "--init", "0.01")
    text = said(goodfit("diagnose", "wine", *words, "--steps", 100))
    assert "Problems" in text
    assert "Gradients vanish from the start" in text
    assert "Try: He initial weights (init auto" in text
    assert "See: Glorot and Bengio 2010" in text
    assert "stuck at what knowing nothing costs" in text


def test_every_option_reaches_the_recipe(goodfit):
    words = (
        "--hidden 8 --activation tanh --optimizer momentum --lr 0.02 --init xavier --batch-norm --dropout 0.1"
    )
    words += " --weight-decay 0.001 --batch-size 32 --steps 7 --seed 3 --json"
    done = goodfit("diagnose", "iris", *words.split())
    found = json.loads(done.stdout)
    recipe = found["recipe"]
    assert recipe["hidden"] == [8]
    assert recipe["activation"] == "tanh"
    assert recipe["optimizer"] == {"name": "Momentum", "lr": 0.02, "momentum": 0.9}
    assert recipe["init"] == {"name": "Xavier"}
    assert recipe["batch_norm"] is True
    assert (recipe["dropout"], recipe["weight_decay"], recipe["batch_size"]) == (0.1, 0.001, 32)
    assert (found["planned"], found["seed"], found["steps"]) == (7, 3, [0, 1, 2, 5, 7])
    assert len(found["spread"]) == 5
    assert found["dead"][0] == [None]
    assert found["sentences"][0]["severity"] in ("problem", "warning", "fine")


def test_numbers_and_a_linear_model(goodfit):
    text = said(goodfit("diagnose", "diabetes", "--hidden", "none", "--layer-norm", "--steps", 60))
    assert "regression of" in text
    assert "no hidden layer" in text


def test_the_recipe_of_a_run(goodfit, table, fitted):
    done = goodfit("diagnose", table, "--target", "grade", "--model", fitted["run"], "--steps", 5, "--json")
    found = json.loads(done.stdout)
    assert found["recipe"]["hidden"] == fitted["winner"]["recipe"]["hidden"]
    assert found["recipe"]["text"] == fitted["winner"]["text"]


def test_a_category_of_many_values_is_no_unscaled_input(goodfit, tmp_path):
    path = tmp_path / "towns.csv"
    lines = [f"{i * 7 % 10},town {i % 60},{'yes' if i * 7 % 10 > 4 else 'no'}" for i in range(300)]
    path.write_text("\n".join(["rooms,town,sold", *lines]) + "\n")
    done = goodfit("diagnose", path, "--target", "sold", "--hidden", 8, "--steps", 20, "--json")
    found = json.loads(done.stdout)
    sizes = dict(zip(found["columns"], found["column_size"], strict=True))
    assert sizes["rooms"] == pytest.approx(1.0, rel=0.1)
    assert sizes["town code"] is None
    assert "not scaled" not in done.stdout


BAD = {
    "activation": ("--activation rleu", "did you mean 'relu'?"),
    "optimizer": ("--optimizer adm", "did you mean 'adam'?"),
    "init": ("--init ho", "did you mean 'he'?"),
    "sigma": ("--init -1", "sigma"),
    "sigma that is none": ("--init nan", "sigma"),
    "widths": ("--hidden 10,-1", "--hidden must be widths"),
    "a width of 0": ("--hidden 10,0", "--hidden must be widths"),
    "learning rate": ("--lr -1", "lr"),
    "learning rate without end": ("--lr inf", "lr"),
    "dropout": ("--dropout 1.5", "dropout"),
    "decay": ("--weight-decay -1", "weight_decay"),
    "batch": ("--batch-size 0", "batch_size"),
    "steps": ("--steps 0", "--steps must be"),
    "seed": ("--seed -1", "--seed must be"),
    "two norms": ("--batch-norm --layer-norm", "not both"),
    "no run": ("--model nowhere", "nowhere"),
    "run and recipe": ("--model nowhere --lr 0.1 --batch-norm", "leave out --lr, --batch-norm"),
    "target": ("--target flower", "'flower'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(goodfit, case):
    words, named = BAD[case]
    done = goodfit("diagnose", "iris", *words.split())
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert named in done.stderr


def test_unknown_data(goodfit):
    done = goodfit("diagnose", "digit")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "did you mean 'digits'?" in done.stderr


def test_help_is_light():
    script = (
        "import sys\nfrom goodfit.cli.main import app\n"
        "try: app(['diagnose', '--help'])\nexcept SystemExit as end: assert not end.code\n"
        "assert not {'jax', 'numpy', 'sklearn', 'rich'} & {name.split('.')[0] for name in sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--batch-norm" in done.stdout
