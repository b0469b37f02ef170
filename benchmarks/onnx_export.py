"""Models exported to ONNX beside the models themselves: answers, file sizes, latency.

    GOODFIT_DATA=… python benchmarks/onnx_export.py [--budget 10s] [--only TABLE …]

Every table of the data folder, and MNIST, is fitted for the budget; the model is exported, and all rows are
answered by onnxruntime and by goodfit. Told are the largest difference of the probabilities (of numbers, in
standard deviations of the target), the rows that get another label, and how many of those have two best
probabilities within 1e-5. Then latency: one network of 128-128 on `letter`, asked for one row and for
10,000, with the preparation of the columns included: goodfit in NumPy, onnxruntime, scikit-learn's
MLPClassifier of the same size behind a StandardScaler, and JAX (compiled, its rows prepared by goodfit).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from contest.tables import data_folder

SEED = 0
ROWS = 10_000


def fitted(data: str, target: str | None, budget: str, out: Path) -> Path:
    """Return the model of a short fit, its sealed rows unopened."""
    words = [
        sys.executable,
        "-m",
        "goodfit",
        "fit",
        data,
        "--budget",
        budget,
        "--out",
        str(out),
        "--keep-sealed",
    ]
    words += ["--target", target] if target else []
    subprocess.run(words, check=True, capture_output=True)
    return out / "model.safetensors"


def compared(path: Path, data: str) -> dict[str, Any]:
    """Return how the exported model answers all rows of the data."""
    from goodfit.data.read import read_table
    from goodfit.model.file import load_model
    from goodfit.model.onnx_file import compare_onnx, onnx_bytes

    model = load_model(path)
    content = onnx_bytes(model)
    found = compare_onnx(model, content, read_table(data))
    return found | {"networks": len(model.members), "bytes": len(content), "ours": path.stat().st_size}


def line(name: str, found: dict[str, Any]) -> str:
    """Return a row of the table."""
    others = f"{found['others']} ({found['close']})" if "others" in found else "–"
    sizes = f"{found['bytes'] / 1e6:.2f} | {found['ours'] / 1e6:.2f}"
    return (
        f"| {name} | {found['rows']:,} | {found['networks']} | {found['largest']:.1e} | {others} | {sizes} |"
    )


def median_ms(work: Callable[[], object], times: int) -> float:
    """Return the median milliseconds of a call."""
    work()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return 1e3 * statistics.median(took)


def trained_on(x: pd.DataFrame, y: pd.Series) -> tuple[Any, Callable[[Any], Any]]:
    """Return one network of 128-128 as a model, and what JAX makes of its encoded rows."""
    import jax

    from goodfit.data.schema import fit_schema
    from goodfit.data.table import from_frame
    from goodfit.data.target import fit_target
    from goodfit.engine.population import Legs, Member, Population
    from goodfit.model.build import model_member
    from goodfit.model.model import Model
    from goodfit.network import Network
    from goodfit.recipe import Recipe

    table = from_frame(x.assign(answer=y.to_numpy()))
    schema = fit_schema(table, np.arange(table.rows), target="answer")
    codec, target = fit_target(table, "answer")
    encoded = schema.encode(table)
    layout = schema.layout
    network = Network(layout.pop("inputs"), len(codec.classes), **layout)
    recipe = Recipe((128, 128), batch_size=128)
    member = Member(recipe, SEED, horizon=500)
    Population(network, encoded, target).advance([member], Legs(500, 500))
    model = Model((model_member(network, member),), schema, codec, "answer")
    params, running, step = member.weights(best=False)
    compiled = jax.jit(
        lambda rows: jax.nn.softmax(network.apply(recipe, params, running, rows, step=step)[0])
    )
    return model, lambda data: np.asarray(compiled(schema.encode(data)))


def latency(folder: Path) -> None:
    """Print the milliseconds of one row and of 10,000, all beginning with columns as NumPy arrays."""
    import onnxruntime
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from goodfit.model.onnx_file import onnx_bytes, onnx_inputs

    frame = pd.read_parquet(folder / "letter.parquet")
    target = "lettr"
    x, y = frame.drop(columns=target), frame[target]
    model, jax_way = trained_on(x, y)
    session = onnxruntime.InferenceSession(onnx_bytes(model), providers=["CPUExecutionProvider"])
    theirs = make_pipeline(StandardScaler(), MLPClassifier((128, 128), max_iter=3)).fit(x.to_numpy(), y)
    print("\n| milliseconds, columns to probabilities | one row | 10,000 rows |\n| --- | --- | --- |")
    some = {count: x.iloc[:count] for count in (1, ROWS)}
    ways: dict[str, Callable[[pd.DataFrame], Callable[[], object]]] = {
        "goodfit, NumPy": lambda f: _of(model.predict_proba, {n: f[n].to_numpy() for n in f}),
        "goodfit's ONNX file, onnxruntime": lambda f: _of(
            lambda fed: session.run(["probabilities"], fed), onnx_inputs(model.schema, f)
        ),
        "JAX, compiled": lambda f: _of(jax_way, {n: f[n].to_numpy() for n in f}),
        "scikit-learn MLPClassifier": lambda f: _of(theirs.predict_proba, f.to_numpy()),
    }
    for name, way in ways.items():
        took = [median_ms(way(rows), 300 if count == 1 else 20) for count, rows in some.items()]
        print(f"| {name} | {took[0]:.2f} | {took[1]:.1f} |")


def _of(work: Callable[[Any], object], rows: Any) -> Callable[[], object]:
    return lambda: work(rows)


def main() -> None:
    """Compare every table's model, then the speeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--budget", default="10s")
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    folder = data_folder()
    index = json.loads((folder / "index.json").read_text())
    tasks = [(e["name"], str(folder / f"{e['name']}.parquet"), e["target"]) for e in index]
    tasks.append(("mnist", "mnist", None))
    print("| data | rows | networks | largest difference | other label (tied) | MB, ONNX | MB, ours |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        for title, data, target in tasks:
            if options.only and title not in options.only:
                continue
            path = fitted(data, target, options.budget, Path(name) / title)
            print(line(title, compared(path, data)), flush=True)
    latency(folder)


if __name__ == "__main__":
    main()
