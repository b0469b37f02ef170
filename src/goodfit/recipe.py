"""Recipe: everything that decides how one network is trained, except the data and the seed."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from goodfit.errors import InputError, must_be, nearest
from goodfit.techniques import initializers, normalization, optimizers, regularization, schedules
from goodfit.techniques.activations import check_activation
from goodfit.techniques.base import check_number, structure, technique, values_as_json
from goodfit.techniques.foreign import Optax
from goodfit.techniques.initializers import Initializer, initializer_for
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.optimizers import Adam, AdamW, Muon, Optimizer
from goodfit.techniques.regularization import Dropout
from goodfit.techniques.schedules import Schedule

TECHNIQUES: dict[str, type] = {
    cls.__name__: cls
    for module in (initializers, normalization, optimizers, regularization, schedules)
    for cls in vars(module).values()
    if isinstance(cls, type) and dataclasses.is_dataclass(cls)
}


@technique
class Recipe:
    """How one network is trained, apart from data and seed.

    A frozen pytree: numbers are values (a new one never compiles again), the rest is structure.

    Args:
        hidden: widths of the hidden layers, ``(100, 100)``; ``()`` is a linear model.
        activation: relu, leaky_relu, sigmoid, tanh, gelu, silu, selu, mish or identity.
        optimizer: an update rule, or `Optax` around any optax transformation.
        init: ``"auto"`` (He for ReLU-like, Xavier for sigmoid and tanh) or an initializer.
        batch_norm: False, True or a `BatchNorm`.
        layer_norm: False, True or a `LayerNorm`; not together with batch norm.
        dropout: ratio of hidden units dropped, or a `Dropout`; 0 means none.
        weight_decay: λ of ``½·λ·Σ‖W‖²``, the coupled form; the decoupled one lives in `AdamW`.
        schedule: a factor on the learning rate by step; None is constant.
        dropout_schedule: a factor on the dropout ratio by step.
        decay_schedule: a factor by step on ``weight_decay`` and on the optimizer's own.
        batch_size: rows in a mini-batch.
        label_smoothing: share of the target spread evenly over the classes.
        clip_norm: longest allowed gradient (L2 over all parameters); None does not clip.

    Raises:
        InputError: a field is outside what it allows.
    """

    hidden: tuple[int, ...] = structure(default=(100,))
    activation: str = structure(default="relu")
    optimizer: Optimizer = Adam()
    init: Initializer | str | None = "auto"
    batch_norm: BatchNorm | bool | None = False
    layer_norm: LayerNorm | bool | None = False
    dropout: Dropout | float | None = 0.0
    weight_decay: float = 0.0
    schedule: Schedule | None = None
    dropout_schedule: Schedule | None = None
    decay_schedule: Schedule | None = None
    batch_size: int = structure(default=128)
    label_smoothing: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.hidden, list):
            object.__setattr__(self, "hidden", tuple(self.hidden))
        _check(self)

    @property
    def norm(self) -> BatchNorm | LayerNorm | None:
        """The normalisation in use, with its settings, or None."""
        if self.batch_norm:
            return self.batch_norm if isinstance(self.batch_norm, BatchNorm) else BatchNorm()
        if self.layer_norm:
            return self.layer_norm if isinstance(self.layer_norm, LayerNorm) else LayerNorm()
        return None

    @property
    def drop(self) -> Dropout | None:
        """The dropout in use, or None where the ratio is 0."""
        if isinstance(self.dropout, Dropout):
            return self.dropout if _not_zero(self.dropout.ratio) else None
        return Dropout(self.dropout) if self.dropout is not None and _not_zero(self.dropout) else None

    @property
    def initializer(self) -> Initializer:
        """The rule for the first weights, ``"auto"`` resolved by activation."""
        return initializer_for(self.init or "auto", self.activation)

    def at(self, step: Any, horizon: Any) -> Recipe:
        """Return the recipe as it stands at a 0-based step: dropout and decay times their factors."""
        drop, optimizer, decay = self.drop, self.optimizer, self.weight_decay
        if self.dropout_schedule is not None and drop is not None:
            drop = dataclasses.replace(drop, ratio=drop.ratio * self.dropout_schedule.factor(step, horizon))
        if self.decay_schedule is not None:
            factor = self.decay_schedule.factor(step, horizon)
            decay = decay * factor
            if isinstance(optimizer, AdamW | Muon):
                optimizer = dataclasses.replace(optimizer, weight_decay=optimizer.weight_decay * factor)
        return dataclasses.replace(self, dropout=drop, optimizer=optimizer, weight_decay=decay)

    def unscheduled(self) -> Recipe:
        """Return the recipe without its schedules."""
        return dataclasses.replace(self, schedule=None, dropout_schedule=None, decay_schedule=None)

    def for_program(self) -> Recipe:
        """Return the form that the compiled program sees.

        All values are float32 arrays (a Python float, an int and a float32 would each trace anew); what is
        absent is None; the initializer is left out, because first weights are drawn outside the program.
        """
        norm = self.norm
        bare = dataclasses.replace(
            self,
            init=None,
            batch_norm=norm if isinstance(norm, BatchNorm) else None,
            layer_norm=norm if isinstance(norm, LayerNorm) else None,
            dropout=self.drop,
        )
        return jax.tree.map(np.float32, bare)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types from which `from_json` makes an equal recipe."""
        record: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Optax):
                value = {"name": "Optax", "label": value.name, "values": _plain(value.values)}
            elif dataclasses.is_dataclass(value):
                value = values_as_json(value)
            elif isinstance(value, np.generic):
                value = value.item()
            record[field.name] = list(value) if isinstance(value, tuple) else value
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any], *, optimizer: Optimizer | None = None) -> Recipe:
        """Make a recipe from `to_json`; ``optimizer`` stands in for a recorded optax object.

        Raises:
            InputError: an unknown field or technique, or an optax object that was not handed in.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        for key in record:
            if key not in names:
                raise InputError(f"A recipe has no field {key!r}{nearest(key, names)}.")
        fields = {key: _from_record(value, optimizer) for key, value in record.items()}
        return cls(**{**fields, "hidden": tuple(fields.get("hidden", (100,)))})

    def text(self) -> str:
        """Return the recipe as a sentence."""
        layers = "x".join(str(width) for width in self.hidden) or "no hidden layer"
        parts = [f"{layers} {self.activation}", f"{_words(self.optimizer)}", f"batch {self.batch_size}"]
        for what in ("", "dropout", "decay"):
            schedule = getattr(self, f"{what}_schedule" if what else "schedule")
            if schedule is not None:
                parts.append(f"{_words(schedule)} schedule" + (f" of {what}" if what else ""))
        parts.append(f"{_words(self.initializer)} initial weights")
        if self.norm is not None:
            kind = "batch norm" if isinstance(self.norm, BatchNorm) else "layer norm"
            parts.append(f"{kind} {self.norm.position} the activation")
        if self.drop is not None:
            form = "" if self.drop.scaling == "inverted" else f" ({self.drop.scaling} scaling)"
            parts.append(f"dropout {self.drop.ratio:.3g}{form}")
        for name, value in (("weight decay", self.weight_decay), ("label smoothing", self.label_smoothing)):
            if value:
                parts.append(f"{name} {value:.3g}")
        if self.clip_norm is not None:
            parts.append(f"gradients clipped at {self.clip_norm:.3g}")
        return ", ".join(parts)


def _not_zero(value: Any) -> bool:
    """Tell whether a value is in use; a traced or stacked one is, because zeros were set to None before."""
    return bool(value != 0) if isinstance(value, int | float) else True


def _words(one: Any) -> str:
    """Return ``Adam (lr 0.001, beta1 0.9)`` for a technique: its name and its values."""
    if isinstance(one, Optax):
        return one.name
    values = [
        f"{f.name} {getattr(one, f.name):.3g}"
        for f in dataclasses.fields(one)
        if isinstance(getattr(one, f.name), int | float) and not f.metadata.get("structure")
    ]
    return f"{type(one).__name__} ({', '.join(values)})" if values else type(one).__name__


def _plain(values: Any) -> Any:
    return None if values is None else {key: float(value) for key, value in values.items()}


def _from_record(value: Any, optimizer: Optimizer | None) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("name") == "Optax":
        if optimizer is None:
            raise InputError(
                f"This recipe was trained with the optax object {value.get('label')!r}, which a file cannot "
                "hold: pass it again as optimizer=Optax(name, tx)."
            )
        values = value.get("values")
        return dataclasses.replace(optimizer, values=values) if isinstance(optimizer, Optax) else optimizer
    fields = {key: _from_record(inner, optimizer) for key, inner in value.items() if key != "name"}
    kind = TECHNIQUES.get(str(value.get("name")))
    if kind is None:
        raise InputError(
            f"Unknown technique {value.get('name')!r}{nearest(str(value.get('name')), TECHNIQUES)}."
        )
    try:
        return kind(**fields)
    except TypeError as error:
        raise InputError(f"{value.get('name')} cannot be made from {fields!r}: {error}.") from None


def _check(recipe: Recipe) -> None:
    hidden = recipe.hidden
    whole = isinstance(hidden, tuple) and all(isinstance(w, int) and not isinstance(w, bool) for w in hidden)
    if not whole or any(w < 1 for w in hidden):
        raise must_be("Recipe(hidden=…)", "a tuple of whole widths >= 1, such as (100, 100)", hidden)
    check_activation(recipe.activation)
    if not isinstance(recipe.batch_size, int) or recipe.batch_size < 1:
        raise must_be("Recipe(batch_size=…)", "a whole number >= 1", recipe.batch_size)
    if isinstance(recipe.init, str):
        initializer_for(recipe.init, recipe.activation)
    if not isinstance(recipe.optimizer, Optimizer):
        raise must_be("Recipe(optimizer=…)", "an optimizer object such as Adam(lr=0.001)", recipe.optimizer)
    for name, kind in (("batch_norm", BatchNorm), ("layer_norm", LayerNorm)):
        if not isinstance(getattr(recipe, name), kind | bool | None):
            raise must_be(f"Recipe({name}=…)", f"True, False or a {kind.__name__}", getattr(recipe, name))
    if recipe.batch_norm and recipe.layer_norm:
        raise InputError("Recipe takes batch_norm or layer_norm, not both: set one of them to False.")
    for name in ("schedule", "dropout_schedule", "decay_schedule"):
        if not isinstance(getattr(recipe, name), Schedule | None):
            allowed = "None or a schedule such as Cosine()"
            raise must_be(f"Recipe({name}=…)", allowed, getattr(recipe, name))
    if isinstance(recipe.dropout, Dropout):
        if recipe.dropout_schedule is not None and recipe.dropout.scaling != "inverted":
            allowed = "'inverted' beside a dropout_schedule"
            raise must_be("Dropout(scaling=…)", allowed, recipe.dropout.scaling)
    elif recipe.dropout is not None:
        check_number(recipe, "dropout", low=0.0, below=1.0)
    check_number(recipe, "weight_decay", low=0.0)
    check_number(recipe, "label_smoothing", low=0.0, below=1.0)
    if recipe.clip_norm is not None:
        check_number(recipe, "clip_norm", above=0.0)
