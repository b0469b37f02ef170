"""Networks written in Flax or Equinox, or by hand in JAX, as members of a population."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.errors import InputError, must_be
from goodfit.techniques.base import structure, technique

Array = Any
Draw = Callable[[Array, Array], tuple[Any, Any]]
Answer = Callable[[Any, Any, Array, Array | None], tuple[Array, Any]]


@technique
class Module:
    """A network of your own: `Module.linen`, `Module.nnx`, `Module.equinox`, or two functions.

    The functions are structure by identity: others compile another program, even if they look alike. Only the
    name is recorded, so a model file cannot hold such a network.

    Args:
        name: what tables and records call it.
        draw: ``draw(key, rows)`` returns first parameters and state, two trees of arrays (the state may be
            None), for rows such as these, (1, columns) or (1, height, width, channels), float32.
        answer: ``answer(params, state, rows, key)`` returns outputs (B, K) before any softmax or sigmoid, and
            the new state. ``key``, of `jax.random`, is fresh at every step, and None in evaluation.
    """

    name: str = structure()
    draw: Draw = structure()
    answer: Answer = structure()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise must_be("Module(name, …)", "a non-empty text", self.name)
        for part in ("draw", "answer"):
            if not callable(getattr(self, part)):
                raise must_be(f"Module({part}=…)", "a function", getattr(self, part))

    @classmethod
    def linen(cls, name: str, module: Any) -> Module:
        """Make one of a ``flax.linen.Module`` that is called with a batch.

        If its ``__call__`` takes ``train``, ``training`` or ``deterministic``, that is passed; collections
        beside ``params``, such as ``batch_stats``, are state; dropout has its random keys.
        """
        return cls(name, *_linen(module))

    @classmethod
    def nnx(cls, name: str, make: Callable[[Any], Any]) -> Module:
        """Make one of ``make(rngs)``, which returns a ``flax.nnx.Module`` that is called with a batch."""
        return cls(name, *_nnx(make))

    @classmethod
    def equinox(cls, name: str, make: Callable[[Array], Any]) -> Module:
        """Make one of ``make(key)``, which returns an ``equinox.Module`` that is called with one row.

        Or a module and its state, as ``equinox.nn.make_with_state`` does; then it is called with row and
        state, under the axis name "batch". It is passed ``key`` if its ``__call__`` takes that.
        """
        return cls(name, *_equinox(make))

    def first(self, seed: int, shape: tuple[int, ...]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return first parameters and state for rows (B, *shape), by name, NumPy arrays."""
        key = jax.random.fold_in(jax.random.key(seed % 2**32), seed >> 32)
        return tuple(  # type: ignore[return-value]
            {name: np.asarray(leaf) for name, leaf in _named(tree)[0].items()}
            for tree in self.draw(key, jnp.zeros((1, *shape), jnp.float32))
        )

    def size(self, shape: tuple[int, ...]) -> int:
        """Return how many parameters there are, for rows (B, *shape)."""
        return sum(leaf.size for leaf in jax.tree.leaves(self._form(shape)[0]))

    def apply(
        self,
        params: dict[str, Array],
        running: dict[str, Array],
        x: Array,
        key: Array | None = None,
        outputs_wanted: int | None = None,
    ) -> tuple[Array, dict[str, Array]]:
        """Return outputs (B, K) and the new state of rows ``x`` (B, …); ``key`` a uint32, in training.

        Raises:
            InputError: K is another number than wanted.
        """
        forms = [_named(tree) for tree in self._form(x.shape[1:])]
        params_tree, state_tree = (
            jax.tree.unflatten(treedef, [jnp.asarray(values[name]) for name in names])
            for values, (names, treedef) in zip((params, running), forms, strict=True)
        )
        key = None if key is None else jax.random.key(key)
        outputs, state = self.answer(params_tree, state_tree, x, key)
        if outputs_wanted is not None and outputs.shape != (len(x), outputs_wanted):
            raise InputError(
                f"Module {self.name!r} answers {len(x)} rows with an array {outputs.shape}; these data want "
                f"({len(x)}, {outputs_wanted}): one output a class, or a target, before any softmax."
            )
        return outputs, _named(state)[0]

    def outputs(self, params: dict[str, Array], running: dict[str, Array], X: Any) -> np.ndarray:
        """Return what a trained network answers on rows X (N, …): (N, K), float32.

        Before any softmax or sigmoid. ``params`` and ``running`` are the first two of `Member.weights`, and
        ``X`` is as the module takes it, pixels scaled.
        """
        return np.asarray(jax.jit(self.apply)(params, running, jnp.asarray(X, jnp.float32))[0])

    def _form(self, shape: tuple[int, ...]) -> tuple[Any, Any]:
        """Return shapes and types of parameters and state, as the trees they are."""
        return jax.eval_shape(self.draw, jax.random.key(0), jax.ShapeDtypeStruct((1, *shape), jnp.float32))


def _named(tree: Any) -> tuple[dict[str, Any], Any]:
    """Return the leaves by name, ``module.Dense_0.weight``, and the tree's structure.

    What has two or more axes ends with ``.weight``, and nothing else does: weight decay goes by that.
    """
    paths, treedef = jax.tree_util.tree_flatten_with_path(tree)
    named: dict[str, Any] = {}
    for path, leaf in paths:
        *parts, last = ["module", *jax.tree_util.keystr(path, simple=True, separator=".").split(".")]
        if last in ("kernel", "weight"):
            last = "weight" if leaf.ndim > 1 else "scale"
        elif leaf.ndim > 1:
            last += ".weight"
        named[".".join([*parts, last])] = leaf
    return named, treedef


def _linen(module: Any) -> tuple[Draw, Answer]:
    takes = inspect.signature(type(module).__call__).parameters
    flags = {"train": True, "training": True, "deterministic": False}  # what each is in training
    flag = next((name for name in flags if name in takes), None)

    def told(training: bool) -> dict[str, bool]:
        return {} if flag is None else {flag: flags[flag] == training}

    def draw(key: Array, rows: Array) -> tuple[Any, Any]:
        state = dict(module.init(key, rows, **told(training=False)))
        return state.pop("params", {}), state

    def answer(params: Any, state: Any, rows: Array, key: Array | None) -> tuple[Array, Any]:
        variables = {"params": params, **state}
        if key is None:
            return module.apply(variables, rows, **told(training=False)), state
        rngs = {"dropout": key}
        return module.apply(variables, rows, rngs=rngs, mutable=list(state), **told(training=True))

    return draw, answer


def _nnx(make: Callable[[Any], Any]) -> tuple[Draw, Answer]:
    from flax import nnx

    def parts(module: Any) -> tuple[Any, Any]:
        """Return parameters and the other variables, streams of random numbers apart."""
        _, params, _, rest = nnx.split(module, nnx.Param, nnx.RngState, ...)
        return params, rest

    def draw(key: Array, rows: Array) -> tuple[Any, Any]:
        params, rest = parts(make(nnx.Rngs(key)))
        return nnx.to_pure_dict(params), nnx.to_pure_dict(rest)

    def answer(params: Any, state: Any, rows: Array, key: Array | None) -> tuple[Array, Any]:
        module = make(nnx.Rngs(jax.random.key(0) if key is None else key))  # its draws are not used
        for variables, values in zip(parts(module), (params, state), strict=True):
            nnx.replace_by_pure_dict(variables, values)
            nnx.update(module, variables)
        if key is None:
            module.eval()
        else:
            module.train()
        outputs = module(rows)
        return outputs, nnx.to_pure_dict(parts(module)[1])

    return draw, answer


def _equinox(make: Callable[[Array], Any]) -> tuple[Draw, Answer]:
    import equinox as eqx

    def both(key: Array) -> tuple[Any, Any]:
        """Return the module and its state or None."""
        made = make(key)
        return made if isinstance(made, tuple) else (made, None)

    def draw(key: Array, rows: Array) -> tuple[Any, Any]:
        module, state = both(key)
        params, others = eqx.partition(eqx.filter(module, eqx.is_array), eqx.is_inexact_array)
        return params, (others, state)

    def answer(params: Any, state: Any, rows: Array, key: Array | None) -> tuple[Array, Any]:
        others, carried = state
        form = eqx.filter_eval_shape(both, jax.random.key(0))[0]
        fixed = eqx.filter(form, lambda leaf: not isinstance(leaf, jax.ShapeDtypeStruct))
        module = eqx.nn.inference_mode(eqx.combine(params, others, fixed), value=key is None)
        keyed = "key" in inspect.signature(type(module).__call__).parameters
        keys = jax.random.split(jax.random.key(0) if key is None else key, len(rows))

        def one(row: Array, state: Any, key: Array) -> Any:
            given = (row,) if state is None else (row, state)
            return module(*given, **({"key": key} if keyed else {}))

        if carried is None:
            return jax.vmap(one, in_axes=(0, None, 0))(rows, None, keys), state
        batch = jax.vmap(one, in_axes=(0, None, 0), out_axes=(0, None), axis_name="batch")
        outputs, carried = batch(rows, carried, keys)
        return outputs, (others, carried)

    return draw, answer
