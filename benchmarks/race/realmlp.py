"""Row (e): networks of RealMLP-TD's form on the table `letter`, by goodfit and by pytabkit.

15,000 rows, of which 12,000 train and 3,000 choose the epoch; both see the same ones. The clock runs from the
data frame to the trained network, columns prepared and an evaluation after every epoch included. A score is
the accuracy on the other 5,000 rows, found off the clock. First weights and batches are each one's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from race.worker import CORES, Answer, on_clock

EPOCHS, WIDTH, BATCH = 10, 256, 256
NETWORKS = {"e1": 1, "e8": 8}


@cache
def letter() -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the table's split, and which of its training rows train and which validate."""
    from contest.tables import load_problem, read_index

    from goodfit.data.builtin import data_folder

    home = data_folder()
    if home is None:
        raise LookupError("GOODFIT_DATA names no folder with the table")
    folder = home / "tables"
    problem = load_problem(folder, read_index(folder)["letter"], 0)
    rows = np.random.default_rng(0).permutation(len(problem.y_train)).astype(np.int32)
    held = len(rows) // 5
    return problem, np.sort(rows[held:]), np.sort(rows[:held])


def goodfit(key: str, quick: bool) -> Callable[[], Answer]:
    """Return goodfit's race: the packed ensemble's first recipe, networks side by side."""
    from goodfit.data.schema import fit_schema
    from goodfit.data.table import from_frame
    from goodfit.engine.population import Legs, Member, Population
    from goodfit.model.build import model_member
    from goodfit.model.predict import member_output
    from goodfit.network import Network
    from goodfit.packed import PackPlan, pack_recipe

    problem, train, valid = letter()
    epoch, y = -(-len(train) // BATCH), problem.y_train.astype(np.int32)

    def work(epochs: int, count: int = NETWORKS[key]) -> Any:
        table = from_frame(problem.x_train)
        schema = fit_schema(table, train, target=None)
        x, network = schema.encode(table), Network(outputs=len(problem.classes), **schema.layout)
        recipe = pack_recipe(network, PackPlan((WIDTH,) * 3, BATCH, 1, epochs), 0, 0)
        population = Population(network, x, y, holdout=(x, y, np.ones((1, len(x)), np.float32)))
        members = [
            Member(recipe, seed, rows=train, judged=valid, horizon=epochs * epoch) for seed in range(count)
        ]
        population.advance(members, Legs(None, epoch))
        return schema, network, members

    def accuracies(found: Any) -> list[float]:
        schema, network, members = found
        x, scores = schema.encode(from_frame(problem.x_test)), []
        for member in members:
            model = model_member(network, member)
            answer = member_output(model.architecture, model.params, model.running, x).argmax(axis=1)
            scores.append(np.mean(answer == problem.y_test))
        return scores

    work(1)  # compiles
    return lambda: on_clock(lambda: work(1 if quick else EPOCHS), judge=accuracies)


def pytabkit(key: str, quick: bool) -> Callable[[], Answer]:
    """Return pytabkit's race: one network, and of eight the first stands for all."""
    from contest.networks import quiet
    from pytabkit import RealMLP_TD_Classifier

    quiet()
    problem, train, valid = letter()
    x, y = problem.x_train, problem.y_train
    given = x.iloc[train], y[train], x.iloc[valid], y[valid]

    def work(epochs: int) -> Any:
        model = RealMLP_TD_Classifier(
            device="cpu", random_state=0, n_threads=CORES, n_cv=1, n_epochs=epochs, hidden_sizes=[WIDTH] * 3
        )
        return model.fit(*given)

    def accuracy(model: Any) -> list[float]:
        return [np.mean(model.predict(problem.x_test) == problem.y_test)]

    work(1)
    return lambda: on_clock(lambda: work(1 if quick else EPOCHS), 1 / NETWORKS[key], accuracy)
