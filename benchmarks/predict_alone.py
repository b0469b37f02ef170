"""A model at work where there is nothing but NumPy: start, and answers beside those of the full installation.

    python benchmarks/predict_alone.py MODEL DATA [--rounds 9]

Makes a virtual environment with NumPy and goodfit without its other dependencies, and predicts the first row
of DATA and all of them there, each round in a new process. Told are the seconds from the start of Python to
the answer, the same for Python and NumPy alone, and the largest difference from this environment's answers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
NOTHING = "import numpy"
WORK = """
import json, sys
import numpy as np
from goodfit.model.file import load_model
model = load_model(sys.argv[1])
kept = np.load(sys.argv[2], allow_pickle=False)
rows = kept["images"] if "images" in kept.files else {
    name: [cell or None for cell in kept[name].tolist()] if kept[name].dtype.kind == "U" else kept[name]
    for name in kept.files
}
answers = model.outputs(model.schema.encode(rows))
np.save(sys.argv[3], answers)
heavy = ("jax", "pandas", "scipy", "sklearn", "pyarrow")
json.dump([name for name in heavy if name in sys.modules], sys.stdout)
"""


def alone(folder: Path) -> Path:
    """Return the Python of a new environment that holds NumPy and goodfit."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    for words in (["numpy"], ["--no-deps", str(ROOT)]):
        subprocess.run([python, "-m", "pip", "install", "-q", *words], check=True, stderr=subprocess.DEVNULL)
    return python


def seconds(command: list[str], rounds: int) -> tuple[float, str]:
    """Return the median seconds that a command takes, and what it printed last."""
    took, printed = [], ""
    for _ in range(rounds):
        began = time.perf_counter()
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        took.append(time.perf_counter() - began)
    return statistics.median(took), printed


def main() -> None:
    """Compare, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    from goodfit.data.read import read_table
    from goodfit.model.file import load_model

    model, table = load_model(options.model), read_table(options.data)
    path = Path(options.model)
    path = (path / "model.safetensors" if path.is_dir() else path).resolve()
    ours = model.outputs(model.schema.encode(table))
    if table.images is not None:
        kept = {"images": table.images}
    else:
        pairs = zip(model.schema.inputs, model.schema.columns_of(table), strict=True)
        kept = {
            c.name: np.array(["" if v is None else v for v in values]) if c.kind == "category" else values
            for c, values in pairs
        }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python, answers = alone(folder / "alone"), folder / "answers.npy"
        (folder / "work.py").write_text(WORK)
        for file, count in (("one.npz", 1), ("all.npz", len(ours))):
            np.savez(folder / file, **{key: values[:count] for key, values in kept.items()})
        command = [str(python), str(folder / "work.py"), str(path)]
        found = {"numpy alone": seconds([str(python), "-c", NOTHING], options.rounds)[0]}
        for file in ("one.npz", "all.npz"):
            took, loaded = seconds([*command, str(folder / file), str(answers)], options.rounds)
            found[file.split(".")[0]] = took
        apart = float(np.abs(np.load(answers) - ours).max())
    print(f"{len(ours):,} rows, {len(model.members)} networks, {path.stat().st_size / 1e6:.2f} MB")
    print(f"From the start of Python, medians of {options.rounds} starts:")
    print(f"  NumPy imported      {found['numpy alone']:.3f} s")
    print(f"  one row predicted   {found['one']:.3f} s")
    print(f"  all rows predicted  {found['all']:.3f} s")
    print(f"Largest difference from the full installation: {apart:.1e}.")
    print(f"Heavy packages loaded: {json.loads(loaded) or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
