"""`train`: recipes × seeds as one population, from Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from goodfit.engine.plan import OBJECTS, check_memory, member_bytes
from goodfit.engine.population import Legs, Member, Population
from goodfit.engine.program import use_cache
from goodfit.errors import InputError, must_be
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.losses import LOSSES


def train(
    recipes: Recipe | Sequence[Recipe],
    X: Any,
    y: Any,
    *,
    seeds: int | Sequence[int] = 1,
    order: int | Sequence[int] | None = None,
    validation: tuple[Any, Any] | float | None = None,
    steps: int | None = None,
    epochs: int | None = None,
    evaluate_every: int | None = None,
    patience: int | None = None,
    loss: str | None = None,
    chunk: int | None = None,
    lanes: int | None = None,
    on_leg: Callable[[Member], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Member]:
    """Train every recipe with every seed, side by side, and return the members, recipe-major.

    Args:
        recipes: one recipe or several.
        X: training rows (N, columns), or images (N, height, width) or (N, height, width, channels), numbers;
            uint8 pixels are scaled by 1/255 inside. A recipe's embedding applies to all columns of rows, to
            images it does not.
        y: (N,) whole numbers 0 … K−1, booleans or texts for classes, or floats (N,) or (N, K) for numbers.
        seeds: how many (0, 1, …) or which.
        order: seed of the batch order, one for all or one a seed; None: each member's own seed, so that the
            recipes of one seed share their batches and a comparison is paired.
        validation: rows and targets to evaluate on, or a share of X to hold out, or None.
        steps, epochs: how long; 20 epochs unless given.
        evaluate_every: steps between evaluations; an epoch unless given.
        patience: stop a member after so many steps without a better state.
        loss: a name from `goodfit.techniques.losses`; softmax cross-entropy for classes and squared error for
            numbers unless given.
        chunk, lanes: override how the members run on this machine.
        on_leg: called with each member after each evaluation.
        should_stop: polled between calls; true ends the training, and the members keep what they reached.

    Returns:
        Members with `loss_curve`, `evaluations`, `result` and `weights()`; see `Member`.

    Raises:
        InputError: an argument is outside what it allows, or the population does not fit into memory.
    """
    recipes = [recipes] if isinstance(recipes, Recipe) else list(recipes)
    if not recipes or not all(isinstance(r, Recipe) for r in recipes):
        raise must_be("recipes", "one Recipe or a non-empty list of them", recipes)
    x, target, holdout, network = check_rows(X, y, validation, loss)
    steps, epochs = check_whole(steps, "steps"), check_whole(epochs, "epochs")
    every, patience = check_whole(evaluate_every, "evaluate_every"), check_whole(patience, "patience")
    chosen = seed_list(seeds)
    count = len(recipes) * len(chosen)
    population = Population(network, x, target, holdout=holdout, chunk=chunk, lanes=lanes, expected=count)
    orders = _order_list(order, chosen)
    total = sum(member_bytes(network, r) + OBJECTS for r in recipes) * len(chosen)
    check_memory(total + 2 * x.nbytes, f"Training {count} members")
    use_cache()
    members = [Member(r, s, o) for r in recipes for s, o in zip(chosen, orders, strict=True)]
    for batch_size in sorted({r.batch_size for r in recipes}):
        per_epoch = -(-len(x) // batch_size)
        until = steps or per_epoch * (epochs or 20)
        some = [m for m in members if m.recipe.batch_size == batch_size]
        for member in some:
            member.horizon = until
        legs = Legs(
            until, min(every or per_epoch, until), patience, keep_losses=True, singly=on_leg is not None
        )
        population.advance(some, legs, on_leg=on_leg, should_stop=should_stop)
    return members


def check_whole(value: int | None, name: str) -> int | None:
    """Return a whole number >= 1, or None.

    Raises:
        InputError: another value.
    """
    if value is not None and (not isinstance(value, int | np.integer) or value < 1):
        raise must_be(name, "a whole number >= 1", value)
    return None if value is None else int(value)


def seed_list(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds 0, 1, … for a number, or those given.

    Raises:
        InputError: not a number >= 1 or a list of seeds >= 0.
    """
    chosen = range(seeds) if isinstance(seeds, int | np.integer) else seeds
    whole = isinstance(chosen, range | Sequence | np.ndarray) and all(
        isinstance(s, int | np.integer) and 0 <= s < 2**64 for s in chosen
    )
    if not whole or not len(chosen):
        raise must_be("seeds", "a whole number >= 1 or a list of seeds >= 0", seeds)
    return [int(s) for s in chosen]


def _order_list(order: int | Sequence[int] | None, seeds: list[int]) -> list[int]:
    if order is None:
        return seeds
    if isinstance(order, int | np.integer):
        return [int(order)] * len(seeds)
    if len(order) != len(seeds):
        raise InputError(
            f"order has {len(order)} entries for {len(seeds)} seeds: give one number, or one a seed."
        )
    return [int(o) for o in order]


def check_rows(
    X: Any, y: Any, validation: tuple[Any, Any] | float | None, loss: str | None = None
) -> tuple[np.ndarray, np.ndarray, Any, Network]:
    """Return training rows and targets, the holdout ``(x, y, sets)`` or None, and the network's shape.

    Raises:
        InputError: rows, targets, validation or loss cannot be used; arguments as `train`.
    """
    x, image = _images(X)
    x, target, n_classes = _checked(x, y)
    numbers = 0 if image else x.shape[1]
    network = replace(_network(x, target, n_classes, loss), numbers=numbers, image=image)
    if image is not None and isinstance(validation, tuple):
        validation = _images(validation[0])[0], validation[1]
    x, target, holdout = _hold_out(x, target, validation, y)
    return x, target, holdout, network


def _images(X: Any) -> tuple[np.ndarray, tuple[int, int, int] | None]:
    """Return rows (N, columns), and the size of the images that they are, (height, width, channels)."""
    x = np.asarray(X)
    if x.ndim not in (3, 4) or not x.size:
        return x, None
    height, width, channels = (*x.shape[1:], 1)[:3]
    return x.reshape(len(x), -1), (height, width, channels)


def _checked(X: Any, y: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Return rows, targets as trained on, and the number of classes (0 for numbers)."""
    x = np.asarray(X)
    if x.ndim != 2 or not len(x):
        allowed = "(rows, columns), or (rows, height, width[, channels]) for images, with at least one row"
        raise InputError(f"X must be {allowed}, got shape {x.shape}.")
    x = _numbers(x, "X")
    target = np.asarray(y)
    if len(target) != len(x):
        raise InputError(f"X has {len(x)} rows and y has {len(target)}: they must be equal.")
    if target.dtype.kind == "f":
        if not np.isfinite(target).all():
            raise InputError("y holds missing or infinite values: fill or drop them first.")
        return x, target.astype(np.float32), 0
    if target.ndim != 1:
        raise InputError(f"Classes must be one column, got y of shape {target.shape}.")
    classes, codes = np.unique(target, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"y must hold at least two classes, got only {classes.tolist()}.")
    return x, codes.astype(np.int32), len(classes)


def _numbers(x: np.ndarray, what: str) -> np.ndarray:
    """Return uint8 as it is, other rows as finite float32."""
    if x.dtype == np.uint8:
        return x
    try:
        x = x.astype(np.float32)
    except (TypeError, ValueError):
        raise InputError(f"{what} must hold numbers, got an array of {x.dtype}.") from None
    if not np.isfinite(x).all():
        raise InputError(f"{what} holds missing or infinite values: fill or drop them first.")
    return x


def _network(x: np.ndarray, target: np.ndarray, n_classes: int, loss: str | None) -> Network:
    scale = 1.0 / 255.0 if x.dtype == np.uint8 else 1.0
    if loss in LOSSES and (loss == "softmax_cross_entropy") != bool(n_classes):
        kinds = ("numbers", "classes") if n_classes else ("classes", "numbers")
        raise InputError(
            f"loss {loss!r} is for {kinds[0]}, and y holds {kinds[1]}: choose another, or pass "
            f"y as {'floats' if n_classes else 'whole numbers or texts'}."
        )
    if n_classes:
        return Network(x.shape[1], n_classes, loss or "softmax_cross_entropy", scale)
    outputs = 1 if target.ndim == 1 else target.shape[1]
    return Network(x.shape[1], outputs, loss or "squared_error", scale)


def _hold_out(x, target, validation, y):
    """Return training rows and targets, and the holdout ``(x, y, sets)`` or None."""
    target = target[:, None] if target.dtype == np.float32 and target.ndim == 1 else target
    if validation is None:
        return x, target, None
    if isinstance(validation, int | float):
        if not 0.0 < validation < 1.0:
            raise must_be(
                "validation", "None, rows and targets (X, y), or a share between 0 and 1", validation
            )
        shuffled = np.random.Generator(np.random.Philox(key=np.array([0, len(x)], np.uint64))).permutation(
            len(x)
        )
        n_held = max(1, round(validation * len(x)))
        if n_held >= len(x):
            raise InputError(f"validation={validation:g} of {len(x)} rows leaves no row to train on.")
        held, rest = np.sort(shuffled[:n_held]), np.sort(shuffled[n_held:])
        holdout = (x[held], target[held], np.ones((1, n_held), np.float32))
        return x[rest], target[rest], holdout
    vx, vy = np.asarray(validation[0]), np.asarray(validation[1])
    if vx.ndim != 2 or vx.shape[1] != x.shape[1]:
        raise InputError(f"validation rows must have {x.shape[1]} columns like X, got shape {vx.shape}.")
    if not len(vx):
        raise InputError("validation has no rows.")
    if len(vx) != len(vy):
        raise InputError(f"validation has {len(vx)} rows and {len(vy)} targets: they must be equal.")
    if (vx.dtype == np.uint8) != (x.dtype == np.uint8):
        kind = "be uint8 like X" if x.dtype == np.uint8 else "not be uint8, since X is not"
        raise InputError(f"validation rows must {kind}, got {vx.dtype}: pixels and numbers are scaled apart.")
    vx = _numbers(vx, "validation")
    if target.dtype == np.int32:
        classes = np.unique(np.asarray(y))
        unknown = np.setdiff1d(vy, classes)
        if len(unknown):
            raise InputError(f"validation holds classes that y lacks: {unknown.tolist()}.")
        vy = np.searchsorted(classes, vy).astype(np.int32)
    else:
        vy = _numbers(vy.reshape(len(vx), -1).astype(np.float64), "validation")
        if vy.shape[1:] != target.shape[1:]:
            raise InputError(f"validation has {vy.shape[1]} target columns, y has {target.shape[1]}.")
    return x, target, (vx, vy, np.ones((1, len(vx)), np.float32))
