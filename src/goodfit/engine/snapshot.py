"""Keep a member's state and bring it back, bit for bit."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from goodfit.engine.legs import Evaluation, Member
from goodfit.engine.member import first_state
from goodfit.errors import InputError
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.modules import Module
from goodfit.techniques.optimizers import Optimizer


def snapshot(member: Member) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return a trained member as named arrays and a JSON record, for `goodfit.store.arrays.save_arrays`."""
    assert member.state is not None, "a member without a state has nothing to keep"
    leaves, _ = jax.tree_util.tree_flatten_with_path(member.state)
    arrays = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    arrays["losses"] = member.loss_curve
    arrays["costs"] = np.empty(0, np.float32) if member.costs is None else member.costs
    arrays["evaluation steps"] = np.array([e.step for e in member.evaluations], np.int64)
    arrays["evaluation losses"] = np.array([e.loss for e in member.evaluations], np.float32)
    arrays["evaluation errors"] = np.array([e.error for e in member.evaluations], np.float32)
    return arrays, record_of(member)


def record_of(member: Member) -> dict[str, Any]:
    """Return what says which member it is, as JSON."""
    return {
        "recipe": member.recipe.to_json(),
        "seed": member.seed,
        "order_seed": member.order_seed,
        "horizon": member.horizon,
        "by_error": member.by_error,
        "replacement": member.replacement,
        "stopped": member.stopped,
    }


def member_of(
    record: dict[str, Any],
    *,
    optimizer: Optimizer | None = None,
    module: Module | None = None,
    rows: np.ndarray | None = None,
    judged: np.ndarray | None = None,
    sets: np.ndarray | None = None,
) -> Member:
    """Return the member of a record before its first step.

    Raises:
        InputError: an optax object or module is needed.
    """
    return Member(
        Recipe.from_json(record["recipe"], optimizer=optimizer, module=module),
        record["seed"],
        record["order_seed"],
        rows=rows,
        judged=judged,
        sets=sets,
        horizon=record["horizon"],
        by_error=record["by_error"],
        replacement=record.get("replacement", False),
        stopped=record["stopped"],
    )


def restore(
    network: Network,
    arrays: dict[str, np.ndarray],
    record: dict[str, Any],
    **own: Any,
) -> Member:
    """Return the member that `snapshot` took; ``own``, what `member_of` takes, is passed again.

    Raises:
        InputError: the arrays are not those of such a member, or an optax object or module is needed.
    """
    member = member_of(record, **own)
    shaped = first_state(network, member.recipe, member.seed)
    paths, tree = jax.tree_util.tree_flatten_with_path(shaped)
    leaves = []
    for path, leaf in paths:
        kept = arrays.get(jax.tree_util.keystr(path))
        wanted = np.asarray(leaf)
        if kept is None or (kept.shape, kept.dtype) != (wanted.shape, wanted.dtype):
            name = f"{jax.tree_util.keystr(path)} should be {wanted.dtype} {wanted.shape}"
            raise InputError(f"The snapshot does not fit this network: {name}.")
        leaves.append(kept)
    member.state = jax.tree.unflatten(tree, leaves)
    columns = (arrays[f"evaluation {name}"] for name in ("steps", "losses", "errors"))
    member.evaluations = [Evaluation(int(step), loss, err) for step, loss, err in zip(*columns, strict=True)]
    member.losses = [arrays["losses"]] if len(arrays["losses"]) else []
    member.costs = arrays["costs"] if len(arrays["costs"]) else None
    return member
