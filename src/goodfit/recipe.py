"""Recipe: everything that decides how one network is trained, except the data and the seed."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from goodfit.errors import InputError, must_be, nearest
from goodfit.techniques import (
    augmentation,
    embeddings,
    initializers,
    normalization,
    optimizers,
    regularization,
    schedules,
)
from goodfit.techniques.activations import check_activation
from goodfit.techniques.augmentation import Augmentation
from goodfit.techniques.base import check_number, structure, technique, values_as_json
from goodfit.techniques.embeddings import Periodic
from goodfit.techniques.foreign import Optax
from goodfit.techniques.initializers import DataDriven, Initializer, initializer_for
from goodfit.techniques.modules import Module
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.optimizers import Adam, LearningRateFactors, Optimizer
from goodfit.techniques.regularization import BatchDecay, Dropout
from goodfit.techniques.schedules import Schedule

TECHNIQUES: dict[str, type] = {
    cls.__name__: cls
    for module in (
        augmentation,
        embeddings,
        initializers,
        normalization,
        optimizers,
        regularization,
        schedules,
    )
    for cls in vars(module).values()
    if isinstance(cls, type) and dataclasses.is_dataclass(cls)
}

SCHEDULES = {"schedule": "", "dropout_schedule": " of dropout", "decay_schedule": " of decay"}  # in words


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
        weight_decay: λ of ``½·λ·Σ‖W‖²``, the coupled form; the decoupled one lives in `AdamW`. Or a
            `BatchDecay`, whose λ is shared out over the rows of a batch.
        schedule: a factor on the learning rate by step; None is constant.
        dropout_schedule: a factor on the dropout ratio by step.
        decay_schedule: a factor by step on ``weight_decay`` and on the optimizer's own.
        batch_size: rows in a mini-batch.
        label_smoothing: share of the target spread evenly over the classes.
        clip_norm: longest allowed gradient (L2 over all parameters); None does not clip.
        embedding: of columns of numbers, `Periodic`, or None.
        category_width: of what a column of category codes becomes.
        front_scale: a learned factor on each input of the first layer.
        parametric: activations ``z + a·(f(z) − z)`` with a learned a for each unit, which starts at 1.
        ntk: the NTK parametrisation, ``x @ W/√n_in + b`` with weights √n_in as large: a matrix's learning
            rate is then relative to its first weights.
        learning_rate_factors: `LearningRateFactors` by kind of parameter, or None.
        conv: of a network of images, the channels of each convolution, ``(16, 32)``; each is normalised and
            activated as a hidden layer is, and halves the image by 2×2 max-pooling. Dropout is that of the
            hidden layers after them.
        kernel: height and width of the convolutions, odd.
        augmentation: changes of the images in training, such as `Shift` and `Flip`; one, or several in turn.
        submodels: networks in one that share all hidden layers, each with signs of its own for the inputs,
            which it learns to scale, and an output layer of its own; what it answers is the mean of their
            answers (TabM-mini, Gorishniy, Kotelnikov and Babenko 2025).
        module: a network of your own in place of all that is said here of its form.

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
    weight_decay: BatchDecay | float = 0.0
    schedule: Schedule | None = None
    dropout_schedule: Schedule | None = None
    decay_schedule: Schedule | None = None
    batch_size: int = structure(default=128)
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    embedding: Periodic | None = None
    category_width: int = structure(default=8)
    front_scale: bool = structure(default=False)
    parametric: bool = structure(default=False)
    ntk: bool = structure(default=False)
    learning_rate_factors: LearningRateFactors | None = None
    conv: tuple[int, ...] = structure(default=())
    kernel: int = structure(default=3)
    augmentation: tuple[Augmentation, ...] | Augmentation | None = ()
    submodels: int = structure(default=1)
    module: Module | None = None

    def __post_init__(self) -> None:
        for name in ("hidden", "conv", "augmentation"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.augmentation is None or isinstance(self.augmentation, Augmentation):
            changes = () if self.augmentation is None else (self.augmentation,)
            object.__setattr__(self, "augmentation", changes)
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
    def normed(self) -> list[str]:
        """The names of the layers that are normalised, ``conv.0``, …, ``hidden.0``, …: all but the output."""
        layers = {"conv": self.conv, "hidden": self.hidden}
        return [f"{kind}.{i}" for kind, widths in layers.items() for i in range(len(widths)) if self.norm]

    @property
    def initializer(self) -> Initializer:
        """The rule for the first weights, ``"auto"`` resolved by activation."""
        return initializer_for(self.init or "auto", self.activation)

    def at(self, step: Any, horizon: Any) -> Recipe:
        """Return the recipe as it stands at a 0-based step: dropout and decay times their factors."""
        now: dict[str, Any] = {}
        if self.dropout_schedule is not None and self.drop is not None:
            ratio = self.drop.ratio * self.dropout_schedule.factor(step, horizon)
            now["dropout"] = dataclasses.replace(self.drop, ratio=ratio)
        if self.decay_schedule is not None:
            factor = self.decay_schedule.factor(step, horizon)
            now["optimizer"] = self.optimizer.with_decay(factor)
            now["weight_decay"] = self.weight_decay * factor
        return dataclasses.replace(self, **now) if now else self

    def unscheduled(self) -> Recipe:
        """Return the recipe without schedules and learning rate factors: each step as any other."""
        return dataclasses.replace(self, **dict.fromkeys((*SCHEDULES, "learning_rate_factors")))

    def for_program(self, dtype: Any = np.float32) -> Recipe:
        """Return the form that the compiled program sees.

        All values are of one type (a Python float, an int and a float32 would each trace anew); what is
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
        if dtype is np.float32:
            return jax.tree.map(np.float32, bare)
        return jax.tree.map(lambda value: np.asarray(value, dtype), bare)  # np.float64 would be checked anew

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types from which `from_json` makes an equal recipe."""
        record: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Optax):
                value = {"name": "Optax", "label": value.name, "values": _plain(value.values)}
            elif isinstance(value, Module):
                value = {"name": "Module", "label": value.name}
            elif dataclasses.is_dataclass(value):
                value = values_as_json(value)
            elif isinstance(value, np.generic):
                value = value.item()
            elif isinstance(value, tuple):
                value = [values_as_json(one) if dataclasses.is_dataclass(one) else one for one in value]
            record[field.name] = value
        return record

    @classmethod
    def from_json(
        cls, record: dict[str, Any], *, optimizer: Optimizer | None = None, module: Module | None = None
    ) -> Recipe:
        """Make a recipe from `to_json`; ``optimizer`` stands in for a recorded optax object.

        And ``module`` for a network of your own.

        Raises:
            InputError: an unknown field or technique, or an optax object or module that was not handed in.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        for key in record:
            if key not in names:
                raise InputError(f"A recipe has no field {key!r}{nearest(key, names)}.")
        handed = {"Optax": optimizer, "Module": module}
        return cls(**{key: _from_record(value, handed) for key, value in record.items()})

    def text(self) -> str:
        """Return the recipe as a sentence."""
        layers = "x".join(str(width) for width in self.hidden) or "no hidden layer"
        form = f"{layers} {self.activation}" if self.module is None else f"module {self.module.name}"
        parts = [form, f"{_words(self.optimizer)}", f"batch {self.batch_size}"]
        if self.conv:
            channels = ", ".join(map(str, self.conv))
            parts.insert(0, f"{self.kernel}x{self.kernel} convolutions to {channels} channels")
        for name, of_what in SCHEDULES.items():
            if getattr(self, name) is not None:
                parts.append(f"{_words(getattr(self, name))} schedule{of_what}")
        if self.module is None:
            parts.append(f"{_words(self.initializer)} initial weights")
        if self.norm is not None:
            kind = "batch norm" if isinstance(self.norm, BatchNorm) else "layer norm"
            parts.append(f"{kind} {self.norm.position} the activation")
        if self.drop is not None:
            form = "" if self.drop.scaling == "inverted" else f" ({self.drop.scaling} scaling)"
            parts.append(f"dropout {self.drop.ratio:.3g}{form}")
        for name, value in (("weight decay", self.weight_decay), ("label smoothing", self.label_smoothing)):
            if isinstance(value, BatchDecay):
                parts.append(f"weight decay {_words(value)}")
            elif value:
                parts.append(f"{name} {value:.3g}")
        if self.clip_norm is not None:
            parts.append(f"gradients clipped at {self.clip_norm:.3g}")
        if self.embedding is not None:
            parts.append(f"numbers embedded by {_words(self.embedding)}")
        forms = {"parametric": "parametric activations", "front_scale": "inputs scaled", "ntk": "NTK form"}
        parts += [words for name, words in forms.items() if getattr(self, name)]
        if self.submodels > 1:
            parts.append(f"{self.submodels} submodels")
        parts += [f"images changed by {_words(change)}" for change in self.augmentation]  # type: ignore[union-attr]
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


_HANDED = {"Optax": ("optax object", "optimizer=Optax(name, tx)"), "Module": ("network", "module=Module(…)")}


def _from_record(value: Any, handed: dict[str, Any]) -> Any:
    """Return what a record stands for; ``handed`` are the objects that a record cannot hold, by name."""
    if isinstance(value, list):
        return tuple(_from_record(one, handed) for one in value)
    if not isinstance(value, dict):
        return value
    if value.get("name") in handed:
        found = handed[value["name"]]
        if found is None:
            what, how = _HANDED[value["name"]]
            raise InputError(
                f"This recipe was trained with the {what} {value.get('label')!r}, which a file cannot "
                f"hold: pass it again as {how}."
            )
        return dataclasses.replace(found, values=value.get("values")) if isinstance(found, Optax) else found
    fields = {key: _from_record(inner, handed) for key, inner in value.items() if key != "name"}
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
    if not _are_widths(recipe.hidden):
        raise must_be("Recipe(hidden=…)", "a tuple of whole widths >= 1, such as (100, 100)", recipe.hidden)
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
    for name in SCHEDULES:
        if not isinstance(getattr(recipe, name), Schedule | None):
            allowed = "None or a schedule such as Cosine()"
            raise must_be(f"Recipe({name}=…)", allowed, getattr(recipe, name))
    for name, kind in (("embedding", Periodic), ("learning_rate_factors", LearningRateFactors)):
        if not isinstance(getattr(recipe, name), kind | None):
            raise must_be(f"Recipe({name}=…)", f"None or a {kind.__name__}", getattr(recipe, name))
    for name in ("front_scale", "parametric", "ntk"):
        if not isinstance(getattr(recipe, name), bool):
            raise must_be(f"Recipe({name}=…)", "True or False", getattr(recipe, name))
    for name in ("category_width", "submodels"):
        if not isinstance(getattr(recipe, name), int) or getattr(recipe, name) < 1:
            raise must_be(f"Recipe({name}=…)", "a whole number >= 1", getattr(recipe, name))
    _check_images(recipe)
    _check_module(recipe)
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


def _are_widths(value: Any) -> bool:
    whole = isinstance(value, tuple) and all(isinstance(w, int) and not isinstance(w, bool) for w in value)
    return whole and all(w >= 1 for w in value)


_OF_TRAINING = {"optimizer", "weight_decay", "batch_size", "label_smoothing", "clip_norm", "augmentation"}
_OF_TRAINING |= {"module", "learning_rate_factors", *SCHEDULES}


def _check_module(recipe: Recipe) -> None:
    """Check that nothing is said of the form of a network that is a module."""
    if not isinstance(recipe.module, Module | None):
        raise must_be("Recipe(module=…)", "None or a Module, such as Module.linen(name, net)", recipe.module)
    if recipe.module is None:
        return
    for field in dataclasses.fields(recipe):
        said = field.name not in _OF_TRAINING and getattr(recipe, field.name) not in (field.default, None)
        if said and _not_zero(getattr(recipe, field.name)):
            raise InputError(
                f"Recipe(module=…) does not go with {field.name}: the module decides what the network is. "
                "Leave one of them out."
            )


def _check_images(recipe: Recipe) -> None:
    """Check what a network of images has beside the rest."""
    if not _are_widths(recipe.conv):
        raise must_be(
            "Recipe(conv=…)", "a tuple of whole numbers of channels >= 1, such as (16, 32)", recipe.conv
        )
    if type(recipe.kernel) is not int or recipe.kernel < 1 or recipe.kernel % 2 == 0:
        raise must_be("Recipe(kernel=…)", "an odd number >= 1", recipe.kernel)
    if not all(isinstance(change, Augmentation) for change in recipe.augmentation):  # type: ignore[union-attr]
        allowed = "a Shift, a Flip or several in a tuple"
        raise must_be("Recipe(augmentation=…)", allowed, recipe.augmentation)
    if recipe.conv:
        unfit = [name for name in ("layer_norm", "front_scale", "ntk", "parametric") if getattr(recipe, name)]
        unfit += ["submodels"] if recipe.submodels > 1 else []
        unfit += ["init=DataDriven()"] if isinstance(recipe.init, DataDriven) else []
        if unfit:
            raise InputError(f"Recipe(conv=…) does not go with {unfit[0]}: leave one of them out.")
