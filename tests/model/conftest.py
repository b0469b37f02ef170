"""Small networks and models, drawn from a seed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from goodfit.data.column import Column
from goodfit.data.schema import Schema
from goodfit.data.target import TargetCodec
from goodfit.model.model import Model, ModelMember


def draw_network(seed=0, *, hidden=(5,), inputs=4, outputs=3, **changes):
    """Return architecture, params and running statistics; ``changes`` override the architecture."""
    architecture = {
        "activation": "relu", "categories": [], "category_width": 8, "conv": [], "frequencies": 0,
        "head": "softmax", "hidden": list(hidden), "hidden_scale": 1.0, "image": [], "input_scale": 1.0,
        "inputs": inputs, "kernel": 3, "norm": None,
        "norm_epsilon": 1e-5, "norm_position": "before", "number_width": 1, "numbers": 0,
        "outputs": outputs, "parametric": False, "submodels": 1, **changes,
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    params, running = {}, {}
    widths = [inputs, *hidden, outputs]
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        name = f"hidden.{i}" if i < len(hidden) else "output"
        params[f"{name}.weight"] = rng.normal(0, n_in**-0.5, (n_in, n_out)).astype(np.float32)
        params[f"{name}.bias"] = rng.normal(0, 0.3, n_out).astype(np.float32)
        if architecture["norm"] and name != "output":
            params[f"{name}.norm.scale"] = rng.uniform(0.5, 2, n_out).astype(np.float32)
            params[f"{name}.norm.shift"] = rng.normal(0, 0.3, n_out).astype(np.float32)
        if architecture["norm"] == "batch" and name != "output":
            running[f"{name}.norm.mean"] = rng.normal(0, 0.3, n_out).astype(np.float32)
            running[f"{name}.norm.var"] = rng.uniform(0.5, 2, n_out).astype(np.float32)
    return architecture, params, running


def draw_model(task="classification", members=2, **changes):
    """Return a model of the columns x0 (number, may be missing), x1 (number) and x2 (boolean)."""
    schema = Schema(
        inputs=(
            Column("x0", "number", center=0.1, scale=2.0, missing=True),
            Column("x1", "number", center=-1.0, scale=0.3),
            Column("x2", "boolean"),
        ),
        dropped=(("row", "unique numbers named like an identifier"),),
    )
    if task == "classification":
        target = TargetCodec("classification", classes=("no", "perhaps", "yes"))
        shape = {"outputs": 3, "head": "softmax"}
    else:
        target = TargetCodec("regression", y_mean=10.0, y_scale=4.0, y_low=9.0, y_high=13.0)
        shape = {"outputs": 1, "head": "identity"}
    networks = [draw_network(seed, **{**shape, **changes}) for seed in range(members)]
    return Model(
        members=tuple(
            ModelMember(*network, weight=1.0 + i, recipe={"learning_rate": 0.1}, text="a small network")
            for i, network in enumerate(networks)
        ),
        schema=schema,
        target=target,
        target_name="answer",
        record={"metric": "accuracy", "openings": 1, "versions": {"goodfit": "0.1.0"}},
    )


def draw_columns(rows, seed=0):
    """Return raw columns that fit the schema of `draw_model`."""
    rng = np.random.default_rng(seed)
    x0 = np.where(rng.random(rows) < 0.2, np.nan, rng.normal(0, 2, rows))
    return {"x0": x0, "x1": rng.normal(-1, 0.3, rows), "x2": rng.random(rows) < 0.5}


@pytest.fixture(scope="session")
def network():
    return draw_network


@pytest.fixture(scope="session")
def make_model():
    return draw_model


@pytest.fixture(scope="session")
def columns():
    return draw_columns
