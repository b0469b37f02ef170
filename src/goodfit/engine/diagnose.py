"""`diagnose`: train one member, look at its layers on the way, and say what is wrong in words."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from goodfit.engine.plan import check_memory, member_bytes
from goodfit.engine.population import Legs, Member, Population
from goodfit.engine.probe import (
    ROWS,
    Course,
    Look,
    knowing_nothing,
    probe,
    probe_steps,
    ratio,
    stacked,
    weight_names,
)
from goodfit.engine.program import use_cache
from goodfit.engine.symptoms import Finding, findings
from goodfit.engine.train import check_rows, check_whole, seed_list
from goodfit.errors import InputError, must_be
from goodfit.network import Network
from goodfit.recipe import Recipe

WIDTH = 100  # characters in a line of text
STEPS = 300  # long enough for a healthy network to leave the loss of knowing nothing behind
LEGEND = {
    "mean": "of the layer's activations",
    "std": "their standard deviation",
    "spread": "how far a unit varies from row to row",
    "saturated": "activations at their bounds",
    "dead": "units on their flat side in every row",
    "rank": "directions that the activations fill",
    "gradient": "norm of the loss's gradient by the weights",
    "update/weight": "share of the weights that the last update changed",
}
SEVERITIES = {"problem": "Problems", "warning": "Warnings", "fine": "Fine"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Diagnosis(Course):
    """What was seen of one member in training, and ``sentences`` that say what it means, problems first."""

    sentences: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON types; numbers that are not finite become None."""
        record = {f.name: getattr(self, f.name) for f in fields(self)} | {
            "gradient_ratio": self.gradient_ratio
        }
        record["recipe"] = {"text": self.recipe.text(), **self.recipe.to_json()}
        record["network"] = {f.name: getattr(self.network, f.name) for f in fields(self.network)}
        record["sentences"] = [finding._asdict() for finding in self.sentences]
        return {key: _plain(value) for key, value in record.items()}

    def text(self) -> str:
        """Return what was seen as text: the course, the layers at the last step, the sentences."""
        return "\n".join([*_head(self), "", *_course(self), "", *_layers(self), "", *_sentences(self)])


def diagnose(
    recipe: Recipe,
    X: Any,
    y: Any,
    *,
    seed: int = 0,
    steps: int | None = None,
    epochs: int | None = None,
    loss: str | None = None,
) -> Diagnosis:
    """Train one network and say what its layers show: dead or saturated units, vanishing gradients, ….

    Args:
        recipe: how it is trained.
        X, y, loss: training rows, targets and loss, as `goodfit.train` takes them; the columns of a DataFrame
            are called by their names.
        seed: of first weights, batches and dropout.
        steps, epochs: how long; 300 steps unless given.

    Returns:
        The measurements by step and layer as arrays, and the sentences; `print(found.text())` shows both.

    Raises:
        InputError: an argument is outside what it allows, or the network does not fit into memory.

    Example:
        >>> from goodfit import SGD, Gaussian, Recipe, diagnose
        >>> recipe = Recipe((100,) * 5, optimizer=SGD(0.01), init=Gaussian(0.01))
        >>> found = diagnose(recipe, X, y)  # doctest: +SKIP
        >>> print(found.text())  # doctest: +SKIP
    """
    if not isinstance(recipe, Recipe):
        raise must_be("recipe", "a Recipe such as Recipe((100, 100))", recipe)
    x, target, _, network = check_rows(X, y, None, loss)
    steps, epochs = check_whole(steps, "steps"), check_whole(epochs, "epochs")
    if steps is None and epochs is not None:
        steps = epochs * -(-len(x) // recipe.batch_size)
    columns = tuple(map(str, getattr(X, "columns", ())))
    return diagnose_rows(network, recipe, x, target, seed=seed, steps=steps, columns=columns)


def diagnose_rows(
    network: Network,
    recipe: Recipe,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    seed: int = 0,
    steps: int | None = None,
    columns: tuple[str, ...] = (),
) -> Diagnosis:
    """Diagnose on rows as the engine takes them.

    ``x`` is (rows, inputs), ``y`` (rows,) class numbers or (rows, outputs) numbers, ``weight`` (rows,) counts
    in the loss, ``columns`` names of the inputs, or none. The rest, and the errors raised, are those of
    `diagnose`.
    """
    if recipe.module is not None:
        raise InputError("diagnose looks into goodfit's own networks: a module's layers are not known to it.")
    check_memory(3 * member_bytes(network, recipe) + 2 * x.nbytes, "Training this network")
    use_cache()
    until = STEPS if steps is None else steps
    (seed,) = seed_list([seed])
    member = Member(recipe, seed, horizon=until)
    picked = _picked(len(x))
    shown = x[picked], y[picked]
    shown_weight = None if weight is None else weight[picked]
    looks, at, updates = _train(network, member, until, (x, y, weight), (*shown, shown_weight))
    course = Course(
        recipe=recipe,
        network=network,
        seed=seed,
        rows=len(x),
        looked_at=len(picked),
        planned=until,
        diverged_at=member.step if member.diverged else None,
        nothing=knowing_nothing(network, shown[1], shown_weight, float(recipe.label_smoothing)),
        column_size=_column_size(network, shown[0]),
        columns=columns,
        steps=np.array(at),
        update_ratio=np.array(updates),
        loss_curve=member.loss_curve,
        **stacked(looks),
    )
    return Diagnosis(**vars(course), sentences=findings(course))


def _column_size(network: Network, x: np.ndarray) -> np.ndarray:
    """Return the root mean square of each column, NaN for the last ones where they hold codes."""
    size = np.sqrt(np.square(x * float(network.input_scale), dtype=np.float64).mean(axis=0))
    size[len(size) - len(network.categories) :] = np.nan
    return size


def _picked(rows: int) -> np.ndarray:
    """Return the rows to look at: the same for every seed and recipe."""
    if rows <= ROWS:
        return np.arange(rows)
    order = np.random.Generator(np.random.Philox(key=np.array([0, rows], np.uint64))).permutation(rows)
    return np.sort(order[:ROWS])


def _train(network, member, until, rows, shown) -> tuple[list[Look], list[int], list[np.ndarray]]:
    """Train and look; return the looks, their steps, and ‖ΔW‖/‖W‖ of the update that led to each."""
    population = Population(network, *rows, chunk=1, lanes=1)
    first = population.first_state(member)
    params, running = first.params, first.running

    def look(step: int) -> Look:
        recipe = member.recipe.at(step, member.horizon)
        return probe(network, recipe, params, running, step, *shown[:2], weight=shown[2], seed=member.seed)

    looks, at = [look(0)], [0]
    updates = [np.full(len(member.recipe.hidden) + 1, np.nan)]
    for step in probe_steps(until)[1:]:
        if step > 1:
            population.advance([member], Legs(step - 1, step - 1, keep_losses=True))
            params, running, _ = member.weights(best=False)
        before, stood = params, member.step
        population.advance([member], Legs(step, step, keep_losses=True))
        params, running, reached = member.weights(best=False)
        if reached > at[-1]:
            looks.append(look(reached))
            at.append(reached)
            updates.append(_update_ratios(member.recipe, before, params, made=reached > stood))
        if member.diverged:
            break
    return looks, at, updates


def _update_ratios(recipe: Recipe, before: dict, after: dict, *, made: bool) -> np.ndarray:
    """Return ‖ΔW‖/‖W‖ by layer, the output layer last; NaN where no update was made or W was 0."""
    names = weight_names(recipe)
    old, new = ([np.asarray(params[name], np.float64) for name in names] for params in (before, after))
    moved = np.array([np.linalg.norm(b - a) for a, b in zip(old, new, strict=True)])
    sizes = np.array([np.linalg.norm(a) for a in old])
    return ratio(moved, sizes) if made else np.full(len(names), np.nan)


def _plain(value: Any) -> Any:
    """Return arrays as lists, and None for numbers that are not finite."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _head(d: Diagnosis) -> list[str]:
    made, seen = int(d.steps[-1]), "all" if d.looked_at == d.rows else f"{d.looked_at:,}"
    of = "" if made == d.planned else f" of {d.planned:,}"
    return [
        d.recipe.text(),
        f"{made:,}{of} updates on {d.rows:,} rows, seed {d.seed}; looked at on {seen} of them",
    ]


def _number(value: float, digits: int = 3) -> str:
    """Return so many digits, plainly where they fit."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "inf"
    return f"{value:.{digits}g}" if value == 0 or 1e-4 <= abs(value) < 1e5 else f"{value:.0e}"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _aligned(rows: list[list[str]]) -> list[str]:
    """Return rows of cells as lines, each column flush right; empty columns (all –) are left out."""
    columns = [column for column in zip(*rows, strict=True) if set(column[1:]) != {"–"}]
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]


def _course(d: Diagnosis) -> list[str]:
    with np.errstate(all="ignore"):
        worst = [
            ["saturated, worst layer", *map(_share, d.saturated.max(axis=1, initial=-math.inf))],
            ["dead units, worst layer", *map(_share, d.dead.max(axis=1, initial=-math.inf))],
        ]
    rows = [["step", *map(str, d.steps.tolist())], ["loss", *(_number(v, 4) for v in d.loss)]]
    rows += (
        [["gradient at layer 1 / last", *map(_number, d.gradient_ratio)]] if len(d.recipe.hidden) > 1 else []
    )
    rows += worst if d.recipe.hidden else []
    rows = [row for row in rows if set(row[1:]) != {"–"}]
    width = max(len(row[0]) for row in rows)
    cells = [max(len(row[i]) for row in rows) for i in range(1, len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(width), *(c.rjust(w) for c, w in zip(row[1:], cells, strict=True))])
        for row in rows
    ]
    words = f"Knowing nothing, that is the best constant answer, costs a loss of {d.nothing:.4g}."
    if len(d.recipe.hidden) > 1:
        words += " Gradient: norm of the loss's gradient by a layer's activations, first hidden layer ÷ last."
    return [*lines, *textwrap.wrap(words, WIDTH)]


def _layers(d: Diagnosis) -> list[str]:
    names = ["layer", "width", "mean", "std", "spread", "saturated", "dead", "rank"]
    names += ["gradient", "weight norm", "update/weight"]
    rows = [names]
    for j, width in enumerate((*d.recipe.hidden, d.network.outputs)):
        hidden = j < len(d.recipe.hidden)
        seen = [f[-1, j] if hidden else math.nan for f in (d.mean, d.std, d.spread)]
        shares = [f[-1, j] if hidden else math.nan for f in (d.saturated, d.dead)]
        rank = f"{d.rank[-1, j]:.1f}" if hidden and math.isfinite(d.rank[-1, j]) else "–"
        weights = [f[-1, j] for f in (d.weight_gradient, d.weight_norm, d.update_ratio)]
        cells = [*map(_number, seen), *map(_share, shares), rank, *map(_number, weights)]
        rows.append([str(j + 1) if hidden else "output", str(width), *cells])
    shown = {
        name for name, seen in zip(rows[0], zip(*rows[1:], strict=True), strict=True) if set(seen) != {"–"}
    }
    legend = "; ".join(f"{name}: {words}" for name, words in LEGEND.items() if name in shown)
    return [f"Layers at step {int(d.steps[-1])}", *_aligned(rows), *_wrapped("", legend)]


def _sentences(d: Diagnosis) -> list[str]:
    lines = []
    for severity, title in SEVERITIES.items():
        some = [finding for finding in d.sentences if finding.severity == severity]
        lines += [title if len(some) > 1 or severity == "fine" else title[:-1]] if some else []
        for finding in some:
            lines += _wrapped("  • ", finding.text)
            lines += _wrapped("    Try: ", finding.advice) if finding.advice else []
            lines += _wrapped("    See: ", finding.source) if finding.source else []
    return lines


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(f"{text}.", WIDTH, initial_indent=start, subsequent_indent=" " * len(start))
