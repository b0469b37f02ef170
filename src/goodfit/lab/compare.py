"""`compare`: the user's own recipes side by side, judged as the lab judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.engine.plan import check_memory, member_bytes
from goodfit.engine.program import use_cache
from goodfit.engine.train import check_rows, check_whole, seed_list
from goodfit.errors import InputError, must_be, nearest
from goodfit.lab.comparison import Claim, Comparison, Record
from goodfit.lab.curves import loss_curves, table_of
from goodfit.lab.data import LabData, load_data
from goodfit.lab.findings import Findings, judged
from goodfit.lab.training import Arm, Bench, watch
from goodfit.recipe import Recipe
from goodfit.report.figures import Curve, Panel, curves

EPOCHS, SEEDS = 20, 10


def compare(
    recipes: Mapping[str, Recipe],
    X: Any,
    y: Any = None,
    *,
    seeds: int | Sequence[int] | Mapping[str, Sequence[int]] = SEEDS,
    target: str | None = None,
    validation: tuple[Any, Any] | float = 0.2,
    steps: int | None = None,
    epochs: int | None = None,
    against: str | None = None,
    replacement: bool = False,
    chunk: int | None = None,
    lanes: int | None = None,
) -> Findings:
    """Train every recipe with every seed, side by side on the same rows, and judge which is better.

    The arms of one seed share their batches, so they are compared in pairs. Each pair of arms is one claim,
    "A is better than B": it holds, does not hold (B is better), or the seeds cannot tell. The intervals of
    the differences are corrected for the number of pairs.

    Args:
        recipes: a recipe by name, at least two.
        X: training rows (N, columns), or images (N, height, width) or (N, height, width, channels), as
            `train` takes them; or the data's name or path, as on the command line.
        y: (N,) classes, or floats (N,) or (N, K) for numbers; None if X names the data.
        seeds: how many (0, 1, …) or which; or a list for each name, paired by place.
        target: the column to predict, where X names a table.
        validation: the share of X to hold out, or (X, y) of its own. Data that are named have their own.
        steps, epochs: how long; 20 epochs unless given.
        against: compare every arm with this one alone, instead of all pairs.
        replacement: draw batches with replacement, as the book's code does.
        chunk, lanes: override how the members run on this machine.

    Returns:
        `Findings` with ``curves``, ``table``, ``verdict`` and ``plot()``. The score is accuracy for classes
        and R² for numbers, on the validation rows, after the last step.

    Raises:
        InputError: an argument is outside what it allows.
    """
    arms = _arms(recipes)
    if against is not None and against not in arms:
        raise InputError(
            f"against={against!r} is none of the recipes{nearest(against, arms)}: {', '.join(arms)}."
        )
    data = _data(X, y, target, validation)
    own = _seeds(seeds, arms)
    count = len(next(iter(own.values())))
    steps, epochs = check_whole(steps, "steps"), check_whole(epochs, "epochs")
    need = sum(member_bytes(data.network, recipe) for recipe in arms.values()) * min(count, 256)
    check_memory(need + 2 * data.x.nbytes, f"Comparing {len(arms)} arms")
    use_cache()
    until = {name: _steps(recipe, len(data.x), steps, epochs) for name, recipe in arms.items()}
    if len(set(until.values())) > 1:
        raise InputError(
            "The recipes differ in batch size, so an epoch is not the same number of updates for all: "
            "say steps=… instead of epochs."
        )
    record = _record(arms, own, data, next(iter(until.values())), replacement, chunk, lanes)
    pairs = [(a, against) for a in arms if a != against] if against else list(combinations(arms, 2))
    return judged([(_comparison(pairs, record), record)])[0]


def _arms(recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    sound = isinstance(recipes, Mapping) and len(recipes) > 1
    if not sound or not all(isinstance(r, Recipe) for r in recipes.values()):
        raise must_be("recipes", "a dictionary of two or more recipes by name", recipes)
    return {str(name): recipe for name, recipe in recipes.items()}


def _steps(recipe: Recipe, rows: int, steps: int | None, epochs: int | None) -> int:
    return steps or -(-rows // recipe.batch_size) * (epochs or EPOCHS)


def _seeds(seeds: Any, arms: Mapping[str, Recipe]) -> dict[str, list[int]]:
    if not isinstance(seeds, Mapping):
        return {name: seed_list(seeds) for name in arms}
    own = {name: seed_list(list(seeds[name])) for name in arms if name in seeds}
    if set(own) != set(arms) or len({len(some) for some in own.values()}) > 1:
        raise InputError("seeds by arm must name every recipe, with equally many seeds for each.")
    return own


def _data(X: Any, y: Any, target: str | None, validation: Any) -> LabData:
    if isinstance(X, str | Path):
        data = load_data(str(X), target)
        if data.y is None:
            raise InputError(f"{X} does not say which column to predict: add target=….")
        return data
    if y is None:
        raise InputError("y is missing: pass compare(recipes, X, y), or the name of the data in place of X.")
    x, labels, holdout, network = check_rows(X, y, validation)
    if holdout is None:
        raise must_be("validation", "a share of the rows or (X, y)", validation)
    classes = np.unique(np.asarray(y)) if network.loss == "softmax_cross_entropy" else ()
    held_x, held_y, _ = holdout
    names = tuple(map(str, classes))
    return LabData(
        "rows", x, labels, held_x, held_y, names, network.input_scale, "",
        own=True, test_what="the rows held out", numbers=network.numbers, image=network.image,
    )  # fmt: skip


def _record(
    arms: Mapping[str, Recipe],
    seeds: Mapping[str, list[int]],
    data: LabData,
    steps: int,
    replacement: bool,
    chunk: int | None,
    lanes: int | None,
) -> Record:
    count = len(next(iter(seeds.values())))
    bench = Bench(chunk=chunk, lanes=lanes)
    looks = watch(data, max(1, steps // 20), train=False, losses=True)

    def arm(name: str) -> Any:
        return lambda place: Arm(arms[name], shift=seeds[name][place] - place)

    found = bench.train(
        data,
        {name: arm(name) for name in arms},
        range(count),
        steps=steps,
        watch=looks,
        replacement=replacement,
    )
    error = found.error[..., 0].astype(np.float64)  # arms, seeds, looks
    if data.is_classes:
        score = 1.0 - error
    else:
        assert data.y_test is not None
        score = 1.0 - error / np.maximum(np.var(data.y_test, axis=0).mean(), 1e-300)
    facts = {
        "arms": list(arms),
        "seeds": seeds,
        "recipes": {name: recipe.to_json() for name, recipe in arms.items()},
        "score": "accuracy" if data.is_classes else "R²",
        "data": {"name": data.name, "rows": len(data.x), "test_rows": len(data.x_test)},
        "members": bench.members,
        "diverged": bench.diverged,
        "steps": steps,
    }
    return Record(facts, {**found.arrays(), "score": score})


def _comparison(pairs: Sequence[tuple[str, str]], record: Record) -> Comparison:
    what = record.info["score"]

    def final(arm: str) -> Any:
        return lambda r: r.of("score", arm)[:, -1]

    claims = tuple(
        Claim(f"{a} is better than {b}.", f"validation {what}, {a} − {b}", final(a), final(b))
        for a, b in pairs
    )
    name = record.info["data"]["name"]
    return Comparison(
        "own",
        f"{', '.join(record.arms)} on {name}",
        "Which recipe is better?",
        "All arms of a seed start from the same draws and see the same batches.",
        lambda plan, bench: (dict(record.arrays), dict(record.info)),
        claims,
        _figure,
        lambda r: (
            table_of(
                {f"validation {what}": {arm: final(arm)(r) for arm in r.arms}},
                caption=f"After {r.info['steps']} updates; means over seeds with 95 % intervals.",
            ),
        ),
        f"Training loss and validation {what} by update.",
    )


def _figure(record: Record) -> dict[str, Any]:
    scores = {arm: Curve(record["steps"], record.of("score", arm)) for arm in record.arms}
    panels = [
        Panel("", loss_curves(record), "update", "training loss (mean of 25 updates)"),
        Panel("", scores, "update", f"validation {record.info['score']}"),
    ]
    return {"figure": curves(panels, columns=2)}
