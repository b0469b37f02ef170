"""Fixtures shared by the whole test suite."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("any machine", deadline=None)  # a busy one must fail no test
settings.load_profile("any machine")

# Of long catalogues, whose rows each compile a program, these rows are tried each time, the others when slow.
QUICK = {
    "test_gradients_are_right": {
        *("activation relu", "activation tanh", "batch norm before", "layer norm before", "dropout inverted"),
        *("loss softmax_cross_entropy, 3", "loss squared_error, 3", "depth 3", "padding", "weight decay"),
        *("no hidden layer", "a batch's weight decay"),
    },
    "test_the_healthy_are_left_alone": {"relu", "sigmoid", "sgd", "linear"},
    "test_the_sick_are_found": {"small weights", "large weights, relu", "large steps", "small steps"},
    "test_every_activation": {"relu", "tanh", "gelu"},
    "test_every_loss_with_one_column": {"()-softmax_cross_entropy", "()-squared_error", "(1,)-poisson"},
    "test_prediction_is_the_trained_network": {"all", "no norm"},
    "test_every_optimizer_moves_every_kernel": {"Adam", "SGD"},
    "test_prediction_is_the_evaluation_of_training": {"all", "batch norm"},
    "test_other_metrics": {"wine-log_loss", "diabetes-mae"},
}
_SIBLING = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the rows of long catalogues slow, but for `QUICK`."""
    for name, quick in QUICK.items():
        rows = {
            item.callspec.id: item
            for item in items
            if isinstance(item, pytest.Function) and item.originalname == name and hasattr(item, "callspec")
        }
        for row in rows.keys() - quick:
            rows[row].add_marker(pytest.mark.slow)
        assert len(rows) < 2 or quick <= rows.keys(), f"{name} has no row {quick - rows.keys()}"


def find_data_folder() -> Path | None:
    """Return the folder with ``mnist/`` and ``tables/``: GOODFIT_DATA, else the sibling of the checkout."""
    named = os.environ.get("GOODFIT_DATA")
    folder = Path(named) if named else _SIBLING
    return folder if (folder / "tables" / "index.json").is_file() else None


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = find_data_folder()
    if folder is None:
        pytest.skip("real tables not at hand: set GOODFIT_DATA to a folder with mnist/ and tables/")
    return folder


@pytest.fixture(scope="session")
def table_path(data_folder):
    """Return a function from the name of a real table to its Parquet file."""
    return lambda name: data_folder / "tables" / f"{name}.parquet"


BAD = "<img src=x onerror=alert(1)></script>\"'&amp;"


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run ``bad``: names and labels would be markup; the worst column decides the target."""
    from goodfit.job import FitSettings, run_fit

    home = tmp_path_factory.mktemp("runs")
    quoted = BAD.replace('"', '""')
    pairs = np.random.default_rng(0).normal(size=(2, 200)).T
    lines = [f'{x:.4f},{y:.4f},"{quoted if x > 0 else "plain"}"' for x, y in pairs]
    table = home / "t<b>.csv"
    table.write_text("\n".join([f'"{quoted}",</title><script>,"</style>{quoted}"', *lines]) + "\n")
    run_fit(FitSettings(str(table), target=f"</style>{BAD}", budget="10 members", out=str(home / "bad")))
    return home / "bad"
