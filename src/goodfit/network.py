"""One network: its first parameters and its outputs, built from techniques.

Parameters of one member are a flat dictionary, the same names here, in the optimisers and in the model file:
``hidden.{i}.weight`` (n_in, n_out), ``hidden.{i}.bias`` (n_out,), with a norm ``hidden.{i}.norm.scale`` and
``hidden.{i}.norm.shift`` (n_out,), then ``output.weight`` and ``output.bias``. Running statistics of batch
norm are a second one: ``hidden.{i}.norm.mean`` and ``hidden.{i}.norm.var`` (n_out,). A parametric activation
adds ``hidden.{i}.activation`` (n_out,), a scale in front ``front.scale``, embeddings ``numbers.*`` and
``categories.table`` (see `goodfit.techniques.embeddings`). With k submodels there is ``submodels.scale``
(k·n_in,) in front of the first layer, and ``output.weight`` is (n_in, k·n_out), one submodel after another.
Convolutions are ``conv.{i}.weight`` (k, k, n_in, n_out), with the rest as for a hidden layer.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from goodfit import numpy_layers
from goodfit.errors import InputError, must_be, nearest
from goodfit.recipe import Recipe
from goodfit.techniques import embeddings
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.augmentation import augment
from goodfit.techniques.convolution import convolve, pooled
from goodfit.techniques.initializers import DataDriven
from goodfit.techniques.linear import linear, turned_linear
from goodfit.techniques.losses import LOSSES
from goodfit.techniques.normalization import (
    BatchNorm,
    Moments,
    batch_moments,
    corrected,
    layer_moments,
    normalize,
    update_running,
)
from goodfit.techniques.regularization import Dropout, apply_dropout, fold_in

Array = jax.Array
Params = dict[str, Any]
INIT, DROPOUT = 1, 2  # purposes of a member's random keys
NUMBERS, CATEGORIES, SUBMODELS = 2**16, 2**16 + 1, 2**16 + 2  # of first parameters, beside layers 0, 1, …
CONVOLUTIONS = 2**17  # of first parameters, and 0, 1, … from there
AUGMENTATION = 2**16  # of a step's key, beside the dropout of layers 0, 1, …


class Training(NamedTuple):
    """What a forward pass in training needs beside parameters and rows."""

    valid: Array  # (B,) 1 for a real row, 0 for padding
    key: Array  # uint32, fresh at every step
    step: Array  # 0-based


@dataclasses.dataclass(frozen=True)
class Network:
    """The shape of the problem: how wide the input is, how many outputs, which loss.

    Args:
        inputs: columns of ``x``.
        outputs: columns of the last layer: classes, or targets.
        loss: a name of `goodfit.techniques.losses`, such as softmax_cross_entropy or squared_error.
        input_scale: ``x`` is multiplied by it (1/255 for pixels kept as uint8).
        numbers: how many of the columns, the first ones, an embedding of numbers applies to.
        categories: of the last columns, which hold codes 0, 1, …, how many codes each has; they are always
            embedded. The last two codes mean "another one" and "missing": they start at 0.
        image: height, width and channels, where the columns are the pixels of images.
    """

    inputs: int
    outputs: int
    loss: str = "softmax_cross_entropy"
    input_scale: float = 1.0
    numbers: int = 0
    categories: tuple[int, ...] = ()
    image: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise must_be("loss", f"one of {', '.join(LOSSES)}{nearest(self.loss, LOSSES)}", self.loss)

    @property
    def row(self) -> tuple[int, ...]:
        """The shape of a row: of an image, or how many columns there are."""
        return self.image or (self.inputs,)

    def widths(self, recipe: Recipe) -> tuple[int, ...]:
        """Return how wide it is at the first layer's inputs, after each hidden layer, and at the end."""
        if recipe.conv:
            return (math.prod(self.maps(recipe)[-1]), *recipe.hidden, self.outputs)
        first = self.inputs + len(self.categories) * (recipe.category_width - 1)
        if recipe.embedding is not None:
            first += self.numbers * (recipe.embedding.width - 1)
        return (first, *recipe.hidden, self.outputs)

    def maps(self, recipe: Recipe) -> list[tuple[int, int, int]]:
        """Return height, width and channels of the image, and after each convolution with its pooling.

        Raises:
            InputError: the columns are no images, or so small that pooling leaves nothing of them.
        """
        if self.image is None:
            raise InputError("Recipe(conv=…) is for images, and these data are a table: leave it out.")
        maps = [self.image]
        for channels in recipe.conv:
            maps.append((maps[-1][0] // 2, maps[-1][1] // 2, channels))
        if min(maps[-1]) < 1:
            most = min(self.image[:2]).bit_length() - 1
            size = f"{self.image[0]} x {self.image[1]}"
            raise InputError(
                f"Recipe(conv={recipe.conv}) halves images of {size} pixels until nothing is left: "
                f"use at most {most} convolutions."
            )
        return maps

    def init(self, recipe: Recipe, seed: int, sample: np.ndarray | None = None) -> tuple[Params, Params]:
        """Return first parameters and running statistics of a member, float32 NumPy arrays.

        They depend on recipe and seed alone, and with `DataDriven` on ``sample``, rows of training
        (S, inputs); without them it draws as `LeCun` does. Biases and shifts start at 0, scales at 1.
        """
        if recipe.module is not None:
            return recipe.module.first(seed, self.row)
        params: Params = {}
        running: Params = {}
        self._draw_entrance(params, recipe, seed)
        if recipe.conv:
            self._draw_convolutions(params, recipe, seed)
        fit = isinstance(recipe.initializer, DataDriven) and sample is not None
        h = self._entered(recipe, params, np.asarray(sample, np.float64)) if fit else None
        h = _divided(recipe, params, h) if h is not None and recipe.submodels > 1 else h
        for i, n_out in enumerate(recipe.hidden):
            h = self._draw_layer(params, i, recipe, seed, h)
            if recipe.parametric:
                params[f"hidden.{i}.activation"] = np.ones(n_out, np.float32)
            h = None if h is None else numpy_layers.activated(recipe.activation, h)
        self._draw_layer(params, len(recipe.hidden), recipe, seed, h)
        for name in recipe.normed:
            n_out = len(params[f"{name}.bias"])
            params[f"{name}.norm.scale"] = np.ones(n_out, np.float32)
            params[f"{name}.norm.shift"] = np.zeros(n_out, np.float32)
            if isinstance(recipe.norm, BatchNorm):
                running[f"{name}.norm.mean"] = np.zeros(n_out, np.float32)
                running[f"{name}.norm.var"] = np.zeros(n_out, np.float32)
        return params, running

    def _draw_convolutions(self, params: Params, recipe: Recipe, seed: int) -> None:
        """Add the first kernels, whose fans are those of a pixel: k² times its channels."""
        k, channels = recipe.kernel, [channels for _, _, channels in self.maps(recipe)]
        for i, (n_in, n_out) in enumerate(pairwise(channels)):
            drawn = _generator(seed, CONVOLUTIONS + i).standard_normal((k, k, n_in, n_out), dtype=np.float32)
            params[f"conv.{i}.weight"] = drawn * np.float32(
                recipe.initializer.std(k * k * n_in, k * k * n_out)
            )
            params[f"conv.{i}.bias"] = np.zeros(n_out, np.float32)

    def _draw_entrance(self, params: Params, recipe: Recipe, seed: int) -> None:
        """Add the first parameters of what stands before the first layer."""
        if recipe.embedding is not None and self.numbers:
            drawn = recipe.embedding.draw(_generator(seed, NUMBERS), self.numbers)
            params |= {f"numbers.{name}": values for name, values in drawn.items()}
        if self.categories:
            shape = sum(self.categories), recipe.category_width
            table = _generator(seed, CATEGORIES).standard_normal(shape, dtype=np.float32)
            table[[end - back for end in accumulate(self.categories) for back in (1, 2) if end > back]] = 0.0
            params["categories.table"] = table
        width = self.widths(recipe)[0]
        if recipe.front_scale:
            params["front.scale"] = np.ones(width, np.float32)
        if recipe.submodels > 1:
            signs = _generator(seed, SUBMODELS).integers(0, 2, recipe.submodels * width)
            params["submodels.scale"] = (2 * signs - 1).astype(np.float32)

    def _draw_layer(
        self, params: Params, layer: int, recipe: Recipe, seed: int, h: np.ndarray | None
    ) -> np.ndarray | None:
        """Add a layer's first weights and biases; return what it makes of ``h`` (S, n_in), if given."""
        n_in, n_out = self.widths(recipe)[layer : layer + 2]
        rng, last = _generator(seed, layer), layer == len(recipe.hidden)
        drawn = [recipe.initializer.draw(rng, n_in, n_out) for _ in range(recipe.submodels if last else 1)]
        weight = np.concatenate(drawn, axis=1)
        bias = np.zeros(weight.shape[1], np.float32)
        if h is not None and isinstance(recipe.initializer, DataDriven):
            weight, bias = recipe.initializer.fitted(weight, h, rng)
            h = h @ weight + bias
        name = "output" if last else f"hidden.{layer}"
        params[f"{name}.weight"] = weight * np.float32(n_in**0.5) if recipe.ntk else weight
        params[f"{name}.bias"] = bias
        return h

    @property
    def _starts(self) -> tuple[int, ...]:
        """Where in the table of categories each column's codes begin."""
        return tuple(accumulate(self.categories[:-1], initial=0)) if self.categories else ()

    def _entered(self, recipe: Recipe, params: Params, x: Any) -> Any:
        """Return what the first layer sees, (B, widths[0]), of ``x`` (B, inputs), a NumPy or JAX array."""
        forms, arrays = (numpy_layers, np) if isinstance(x, np.ndarray) else (embeddings, jnp)
        x = x * self.input_scale if self.input_scale != 1.0 else x
        if recipe.embedding is not None and self.numbers:
            parts = [params[f"numbers.{name}"] for name in ("frequency", "phase", "weight", "bias")]
            embedded = forms.embed_numbers(x[:, : self.numbers], *parts)
            x = arrays.concatenate([embedded, x[:, self.numbers :]], axis=1)
        if self.categories:
            split = x.shape[1] - len(self.categories)
            looked_up = forms.embed_categories(x[:, split:], params["categories.table"], self._starts)
            x = arrays.concatenate([x[:, :split], looked_up], axis=1)
        return x * params["front.scale"] if recipe.front_scale else x

    def apply(
        self,
        recipe: Recipe,
        params: Params,
        running: Params,
        x: Array,
        *,
        training: Training | None = None,
        step: Array | int = 0,
        tap: Callable[[Array, Array], Array] | None = None,
        turned: bool = False,
    ) -> tuple[Array, Params]:
        """Return outputs (B, outputs) before the head, and the running statistics after the pass.

        In training the k > 1 submodels answer for themselves, (B, k, outputs). ``x`` is (B, inputs), float32
        or uint8, cast to the parameters' type. In evaluation (``training=None``) ``step`` is the number of
        updates made (batch norm's bias correction needs it) and running statistics come back as they are.
        ``tap(before, after)`` is shown each hidden layer's values before and after its activation function,
        (B, n) or (B·k, n), and returns what goes on. ``turned``: weights are as `turned_linear` takes them.
        """
        activate, drop, norm = ACTIVATIONS[recipe.activation], recipe.drop, recipe.norm
        if recipe.augmentation and training is not None:
            x = self._augmented(recipe, x, training)
        if recipe.module is not None:
            return self._answered(recipe, params, running, x, training)
        h = self._entered(recipe, params, x.astype(jnp.result_type(params["output.weight"])))
        if recipe.submodels > 1:
            h = _divided(recipe, params, jnp.repeat(h, recipe.submodels, axis=0))
            if training is not None:
                training = training._replace(valid=jnp.repeat(training.valid, recipe.submodels))
        new_running = dict(running)

        def normalized(position: str, name: str, h: Array) -> Array:
            if norm is None or norm.position != position:
                return h
            return _normalized(norm, params, running, new_running, name, h, training, step)

        if recipe.conv:
            h = h.reshape(len(h), *self.maps(recipe)[0])
            for i in range(len(recipe.conv)):
                h = convolve(h, params[f"conv.{i}.weight"], params[f"conv.{i}.bias"])
                h = normalized("after", f"conv.{i}", activate(normalized("before", f"conv.{i}", h)))
                h = pooled(h, None if training is None else training.step >= 0)
            h = h.reshape(len(h), -1)
        for i in range(len(recipe.hidden)):
            h = _layer(recipe, params, f"hidden.{i}", h, turned)
            h = normalized("before", f"hidden.{i}", h)
            before, h = h, activate(h)
            h = before + params[f"hidden.{i}.activation"] * (h - before) if recipe.parametric else h
            h = h if tap is None else tap(before, h)
            h = normalized("after", f"hidden.{i}", h)
            h = h if drop is None else _dropped(drop, h, training, i)
        if recipe.submodels == 1:
            return _layer(recipe, params, "output", h, turned), new_running
        outputs = _heads(recipe, params, h)
        if training is None:
            outputs = LOSSES[self.loss].mean_of(outputs)
        return outputs, new_running

    def losses(self, recipe: Recipe, outputs: Array, y: Array) -> Array:
        """Return the training loss by row, (B,), of `apply`'s outputs; of k submodels the mean of theirs."""
        per_row = LOSSES[self.loss].per_row
        if recipe.submodels == 1:
            return per_row(outputs, y, recipe.label_smoothing)
        each = [per_row(outputs[:, i], y, recipe.label_smoothing) for i in range(recipe.submodels)]
        return jnp.mean(jnp.stack(each), axis=0)

    def _answered(self, recipe, params, running, x, training) -> tuple[Array, Params]:
        """Return what a network that is a module makes of rows, (B, outputs), and its new state."""
        rows = (x.astype(jnp.float32) * self.input_scale).reshape(len(x), *self.row)
        key = None if training is None else training.key
        return recipe.module.apply(params, running, rows, key, self.outputs)

    def _augmented(self, recipe: Recipe, x: Array, training: Training) -> Array:
        """Return images changed at random, (B, inputs), of the type they had."""
        if self.image is None:
            raise InputError("Recipe(augmentation=…) is for images, these data are a table: leave it out.")
        images = x.reshape(len(x), *self.image)
        return augment(recipe.augmentation, images, fold_in(training.key, AUGMENTATION)).reshape(x.shape)  # type: ignore[arg-type]

    def architecture(self, recipe: Recipe) -> dict[str, Any]:
        """Return what prediction needs to know, as plain JSON types (see `goodfit.model.predict`)."""
        if recipe.module is not None:
            raise InputError(
                f"A model file holds no code, so the module {recipe.module.name!r} cannot go into it: "
                "keep `Member.weights()`, and predict with `Module.outputs`."
            )
        norm, drop, embedding = recipe.norm, recipe.drop, recipe.embedding if self.numbers else None
        return {
            "activation": recipe.activation,
            "categories": list(self.categories),
            "category_width": recipe.category_width,
            "conv": list(recipe.conv),
            "frequencies": 0 if embedding is None else embedding.frequencies,
            "head": LOSSES[self.loss].head,
            "hidden": list(recipe.hidden),
            "hidden_scale": 1.0 if drop is None else float(drop.test_factor()),
            "image": list(self.image) if self.image and recipe.conv else [],
            "input_scale": float(self.input_scale),
            "inputs": self.inputs,
            "kernel": recipe.kernel,
            "norm": None if norm is None else "batch" if isinstance(norm, BatchNorm) else "layer",
            "norm_epsilon": 0.0 if norm is None else float(norm.epsilon),
            "norm_position": "before" if norm is None else norm.position,
            "number_width": 1 if embedding is None else embedding.width,
            "numbers": 0 if embedding is None else self.numbers,
            "outputs": self.outputs,
            "parametric": recipe.parametric,
            "submodels": recipe.submodels,
        }

    def final_params(self, recipe: Recipe, params: Params) -> Params:
        """Return the parameters that prediction uses, NumPy arrays: scales are part of the weights."""
        final = {name: w for name, w in params.items() if name != "front.scale"}
        if recipe.ntk:
            for name in (*(f"hidden.{i}.weight" for i in range(len(recipe.hidden))), "output.weight"):
                final[name] = final[name] / np.float32(len(final[name]) ** 0.5)
        if recipe.front_scale:
            first = "hidden.0.weight" if recipe.hidden else "output.weight"
            final[first] = params["front.scale"][:, None] * final[first]
        return final

    @staticmethod
    def final_running(recipe: Recipe, running: Params, step: int) -> Params:
        """Return the running statistics that prediction uses after ``step`` updates, NumPy arrays."""
        norm = recipe.norm
        if not isinstance(norm, BatchNorm):
            return {}
        final: Params = {}
        for layer in recipe.normed:
            moments = corrected(_running(running, layer), norm, np.float32(step))  # type: ignore[arg-type]
            final |= {f"{layer}.norm.{name}": np.asarray(m) for name, m in moments._asdict().items()}
        return final


def _generator(seed: int, what: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, INIT * 2**32 + what], np.uint64)))


def _layer(recipe: Recipe, params: Params, name: str, h: Array, turned: bool) -> Array:
    """Return ``h @ W + b``, or in the NTK parametrisation ``h @ W/√n_in + b``."""
    h = h * h.shape[1] ** -0.5 if recipe.ntk else h
    return (turned_linear if turned else linear)(h, params[f"{name}.weight"], params[f"{name}.bias"])


def _dropped(drop: Dropout, h: Array, training: Training | None, layer: int) -> Array:
    """Return hidden values with some left out in training, and scaled to match in evaluation."""
    if training is None:
        return h * drop.test_factor()
    return apply_dropout(drop, h, fold_in(training.key, layer))


def _divided(recipe: Recipe, params: Params, h: Any) -> Any:
    """Return rows (B, n), meant for the first submodel, the second, … and again, as those see them."""
    scales = params["submodels.scale"].reshape(recipe.submodels, -1)
    if isinstance(h, np.ndarray):
        return h * scales[np.arange(len(h)) % recipe.submodels]
    return (h.reshape(-1, *scales.shape) * scales).reshape(h.shape)


def _heads(recipe: Recipe, params: Params, h: Array) -> Array:
    """Return the submodels' outputs, (B, k, outputs), of the last hidden layer's (B·k, n)."""
    k, n = recipe.submodels, h.shape[1]
    h = h * n**-0.5 if recipe.ntk else h
    weight, bias = (params[f"output.{part}"] for part in ("weight", "bias"))
    return jnp.einsum("bkn,nko->bko", h.reshape(-1, k, n), weight.reshape(n, k, -1)) + bias.reshape(k, -1)


def _running(running: Params, layer: str) -> Moments:
    return Moments(running[f"{layer}.norm.mean"], running[f"{layer}.norm.var"])


def _normalized(norm, params, running, new_running, layer, h, training, step):
    """Normalise ``h`` (B, …, n) of a layer; in training, batch norm also moves its running statistics."""
    if not isinstance(norm, BatchNorm):
        moments = layer_moments(h)
    elif training is None:
        moments = corrected(_running(running, layer), norm, step)
    else:
        moments = batch_moments(h, training.valid)
        moved = update_running(_running(running, layer), moments, norm.momentum)
        new_running[f"{layer}.norm.mean"], new_running[f"{layer}.norm.var"] = moved
    return normalize(h, moments, params[f"{layer}.norm.scale"], params[f"{layer}.norm.shift"], norm.epsilon)
