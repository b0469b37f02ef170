"""Trained networks in ONNX: what `goodfit.model.predict.member_output` does, in float32, as nodes."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from goodfit.model.model import ModelMember
from goodfit.model.onnx_graph import Graph

_OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "gelu": ("Gelu", {"approximate": "tanh"}),
    "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "mish": ("Mish", {}),
}


class _Member:
    """One network's arrays in float64, and the graph that it is written into."""

    def __init__(self, graph: Graph, member: ModelMember) -> None:
        self.graph, self.form = graph, member.architecture
        arrays = (*member.params.items(), *member.running.items())
        self.wide = {key: np.asarray(a, np.float64) for key, a in arrays}

    def single(self, values: Any) -> str:
        """Return the name of a constant in float32."""
        return self.graph.array(values, np.float32)

    def ints(self, *values: int) -> str:
        """Return the name of a constant vector of whole numbers."""
        return self.graph.array(np.array(values, np.int64))

    def layer(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return weight and bias of a layer, with a batch norm before the activation folded in."""
        weight, bias = self.wide[f"{name}.weight"], self.wide[f"{name}.bias"]
        if name == "output" or self.form["norm"] != "batch" or self.form["norm_position"] != "before":
            return weight, bias
        scale, shift = self.moved(name)
        return weight * scale, bias * scale + shift

    def moved(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the factor and the summand that a layer's batch norm comes to."""
        mean, var, scale, shift = (
            self.wide[f"{name}.norm.{part}"] for part in ("mean", "var", "scale", "shift")
        )
        factor = scale / np.sqrt(var + self.form["norm_epsilon"])
        return factor, shift - mean * factor

    def activated(self, name: str, h: str) -> str:
        """Return a layer's outputs after activation and norm, where a batch norm before it is folded in."""
        before = self.form["norm_position"] == "before"
        if self.form["norm"] == "layer" and before:
            h = self.layer_norm(name, h)
        after, amount = self._activation(h), self.wide.get(f"{name}.activation")
        if amount is not None:
            change = self.graph.node("Mul", self.graph.node("Sub", after, h), self.single(amount))
            after = self.graph.node("Add", h, change)
        if self.form["norm"] is None or before:
            return after
        if self.form["norm"] == "layer":
            return self.layer_norm(name, after)
        factor, summand = self.moved(name)
        across = (-1, 1, 1) if name.startswith("conv") else (-1,)  # channels come first there
        scaled = self.graph.node("Mul", after, self.single(factor.reshape(across)))
        return self.graph.node("Add", scaled, self.single(summand.reshape(across)))

    def _activation(self, h: str) -> str:
        name = self.form["activation"]
        if name == "identity":
            return h
        if name == "silu":
            return self.graph.node("Mul", h, self.graph.node("Sigmoid", h))
        operator, attributes = _OPERATORS[name]
        return self.graph.node(operator, h, **attributes)

    def layer_norm(self, name: str, h: str) -> str:
        """Return rows normalised, each by its own mean and variance."""
        scale, shift = (self.single(self.wide[f"{name}.norm.{part}"]) for part in ("scale", "shift"))
        epsilon = float(self.form["norm_epsilon"])
        return self.graph.node("LayerNormalization", h, scale, shift, axis=-1, epsilon=epsilon)

    def entered(self, x: str) -> str:
        """Return what the first layer sees: numbers and categories embedded, where the network does that."""
        numbers, categories = self.form["numbers"], self.form["categories"]
        split, parts = self.form["inputs"] - len(categories), []
        if numbers:
            parts.append(self._embedded_numbers(self._columns(x, 0, numbers)))
        if split > numbers:
            parts.append(self._columns(x, numbers, split))
        if categories:
            codes = self.graph.cast(self._columns(x, split, self.form["inputs"]), np.int64)
            places = self.graph.node("Add", codes, self.ints(*accumulate(categories[:-1], initial=0)))
            rows = self.graph.node("Gather", self.single(self.wide["categories.table"]), places)
            width = len(categories) * self.form["category_width"]
            parts.append(self.graph.node("Reshape", rows, self.ints(-1, width)))
        return self.graph.concat(parts, 1)

    def _columns(self, x: str, first: int, until: int) -> str:
        if (first, until) == (0, self.form["inputs"]):
            return x
        return self.graph.node("Slice", x, self.ints(first), self.ints(until), self.ints(1))

    def _embedded_numbers(self, x: str) -> str:
        """Return each number beside its embedding; cycles are counted in float64, where their ends matter."""
        graph, weight = self.graph, self.wide["numbers.weight"]
        n, f, w = weight.shape
        frequency, phase = (self.wide[f"numbers.{part}"].reshape(n, 1, f) for part in ("frequency", "phase"))
        across = graph.node("Unsqueeze", graph.node("Transpose", x, perm=[1, 0]), self.ints(2))  # (n, B, 1)
        turned = graph.node("Mul", graph.cast(across, np.float64), graph.array(frequency))
        cycles = graph.node("Add", turned, graph.array(phase))
        within = graph.node("Sub", cycles, graph.node("Round", cycles))
        waves = graph.node(
            "Cos", graph.cast(graph.node("Mul", within, graph.array(np.array(2 * np.pi))), np.float32)
        )
        mixed = graph.node("MatMul", waves, self.single(weight))
        mixed = graph.node("Add", mixed, self.single(self.wide["numbers.bias"].reshape(n, 1, w)))
        both = graph.node("Transpose", graph.concat([across, mixed], 2), perm=[1, 0, 2])  # (B, n, width)
        return graph.node("Reshape", both, self.ints(-1, n * (1 + w)))

    def convolved(self, x: str) -> str:
        """Return what the convolutions make of images (B, inputs), (B, features) by channel and place."""
        graph, (height, width, channels) = self.graph, self.form["image"]
        images = graph.node("Reshape", x, self.ints(-1, height, width, channels))
        h, around = graph.node("Transpose", images, perm=[0, 3, 1, 2]), [self.form["kernel"] // 2] * 4
        for name in [f"conv.{i}" for i in range(len(self.form["conv"]))]:
            weight, bias = self.layer(name)
            kernel = self.single(weight.transpose(3, 2, 0, 1))
            h = self.activated(name, graph.node("Conv", h, kernel, self.single(bias), pads=around))
            h = graph.node("MaxPool", h, kernel_shape=[2, 2], strides=[2, 2])
        return graph.node("Flatten", h)

    def first_weight(self, weight: np.ndarray) -> np.ndarray:
        """Return the weights of the layer after convolutions by channel and place, not place and channel."""
        times = 2 ** len(self.form["conv"])
        size = [n // times for n in self.form["image"][:2]]
        by_place = weight.reshape(*size, self.form["conv"][-1], weight.shape[1])
        return by_place.transpose(2, 0, 1, 3).reshape(weight.shape)

    def head(self, outputs: str) -> str:
        """Return probabilities or numbers of outputs before the head."""
        if self.form["head"] == "softmax":
            return self.graph.node("Softmax", outputs, axis=-1)
        return self.graph.node("Sigmoid", outputs) if self.form["head"] == "sigmoid" else outputs

    def answers(self, x: str) -> str:
        """Return the member's probabilities (B, K), or numbers (B, 1), of encoded rows."""
        graph, submodels = self.graph, self.form["submodels"]
        if self.form["input_scale"] != 1.0:
            x = graph.node("Mul", x, self.single(self.form["input_scale"]))
        h = self.convolved(x) if self.form["conv"] else self.entered(x)
        if submodels > 1:
            scale = self.single(self.wide["submodels.scale"].reshape(submodels, -1))
            h = graph.node("Mul", graph.node("Unsqueeze", h, self.ints(1)), scale)  # (B, k, n)
        names = [f"hidden.{i}" for i in range(len(self.form["hidden"]))]
        for i, name in enumerate([*names, "output"]):
            weight, bias = self.layer(name)
            weight = self.first_weight(weight) if self.form["conv"] and i == 0 else weight
            weight = weight * self.form["hidden_scale"] if i else weight  # scales what the layer before gave
            if name == "output" and submodels > 1:
                return self._two_columns(self._mean_of_submodels(h, weight, bias))
            h = graph.node("Add", graph.node("MatMul", h, self.single(weight)), self.single(bias))
            h = h if name == "output" else self.activated(name, h)
        return self._two_columns(self.head(h))

    def _mean_of_submodels(self, h: str, weight: np.ndarray, bias: np.ndarray) -> str:
        k = self.form["submodels"]
        heads = self.single(weight.reshape(len(weight), k, -1).swapaxes(0, 1))  # (k, n, outputs)
        each = self.graph.node("MatMul", self.graph.node("Transpose", h, perm=[1, 0, 2]), heads)
        each = self.head(self.graph.node("Add", each, self.single(bias.reshape(k, 1, -1))))
        return self.graph.node("ReduceMean", each, self.ints(0), keepdims=0)

    def _two_columns(self, answers: str) -> str:
        """Return a probability of the second of two classes as those of both."""
        if self.form["head"] != "sigmoid":
            return answers
        return self.graph.concat([self.graph.node("Sub", self.single(1.0), answers), answers], 1)


def weighted_answers(graph: Graph, members: tuple[ModelMember, ...], x: str) -> str:
    """Return the members' weighted mean, float32: probabilities (B, K), or standardised numbers (B, 1)."""
    total = sum(member.weight for member in members)
    parts = []
    for member in members:
        answers = _Member(graph, member).answers(x)
        share = graph.array(np.float32(member.weight / total))
        parts.append(answers if len(members) == 1 else graph.node("Mul", answers, share))
    return parts[0] if len(parts) == 1 else graph.node("Sum", *parts)
