"""What makes a technique: a frozen dataclass whose numbers are values and whose other fields are structure.

Values (a learning rate, a ratio) are leaves of a JAX pytree: they are traced, so a new one never compiles
again. Structure (a kind, a flag) is static: a new one compiles a new program.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeVar, dataclass_transform

import jax

from goodfit.errors import must_be

T = TypeVar("T")


def structure(*, default: Any = dataclasses.MISSING) -> Any:
    """Declare a static field: part of the compiled program's identity."""
    return dataclasses.field(default=default, metadata={"structure": True})


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, structure))
def technique(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen dataclass and a pytree: fields are values unless declared by `structure`."""
    made = dataclasses.dataclass(frozen=True)(cls)
    fields = dataclasses.fields(made)  # type: ignore[arg-type]
    static = [f.name for f in fields if f.metadata.get("structure")]
    values = [f.name for f in fields if f.name not in static]
    keys = [jax.tree_util.GetAttrKey(name) for name in values]

    # Not `register_dataclass`: in JAX 0.10 the structures of two such classes with equal static fields
    # compare equal (SGD's and AdaGrad's), so that one jitted function in eighty ran the other's program.
    def flatten(one: Any) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(one, name) for name in values], tuple(getattr(one, name) for name in static)

    def flatten_with_keys(one: Any) -> tuple[list[Any], tuple[Any, ...]]:
        children, aux = flatten(one)
        return list(zip(keys, children, strict=True)), aux

    def unflatten(aux: tuple[Any, ...], children: Any) -> Any:
        return made(**dict(zip(static, aux, strict=True)), **dict(zip(values, children, strict=True)))

    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return made


def check_number(
    owner: object,
    name: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Raise `InputError` unless the field is a finite number in [low, high] (and > above, < below).

    Traced and array values pass: they were checked when the user made them.
    """
    value = getattr(owner, name)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        if isinstance(value, (str, bool, type(None))):
            raise must_be(f"{type(owner).__name__}({name}=…)", "a number", value)
        return
    inside = math.isfinite(value) and low <= value <= high
    inside = inside and (above is None or value > above) and (below is None or value < below)
    if not inside:
        left = f"> {above:g}" if above is not None else f">= {low:g}" if low > -math.inf else ""
        right = f"< {below:g}" if below is not None else f"<= {high:g}" if high < math.inf else ""
        allowed = " and ".join(part for part in (left, right) if part) or "finite"
        raise must_be(f"{type(owner).__name__}({name}=…)", f"a number {allowed}", value)


def values_as_json(one: Any) -> dict[str, Any]:
    """Return ``{"name": class name, field: value, …}`` with plain JSON types, nested techniques included."""
    record: dict[str, Any] = {"name": type(one).__name__}
    for field in dataclasses.fields(one):
        value = getattr(one, field.name)
        if dataclasses.is_dataclass(value):
            value = values_as_json(value)
        elif not isinstance(value, (str, bool, int, float, type(None))):
            value = float(value)
        record[field.name] = value
    return record
