"""The book's own way, to time it: one NumPy float64 network after another, made of layer objects.

    GOODFIT_DATA=… python benchmarks/book.py [--seconds 2]

Written for this repository from the formulas of *Deep Learning from Scratch* (Saitoh 2016, chapters 5 and 6)
in the manner of its companion code, no text of which is here. What costs time there costs it here: a forward
and a backward method a layer, an ordered dictionary of layers, ReLU by a boolean mask and a copy, the
gradient for the input rows, which nobody needs, ½λΣW² and λW even where λ is 0, optimisers that walk a
dictionary, batches by `choice` and fancy indexing, accuracies by one pass over all rows. NumPy's BLAS uses
its threads as it likes: beside other work they wait for each other and all is many times slower, so run it
alone. Pixels are float32 / 255, as the book loads them; weights and what follows are float64.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from goodfit.data.builtin import data_folder
from goodfit.data.idx import read_idx_folder
from goodfit.recipe import Recipe
from goodfit.techniques.initializers import Gaussian, He
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.optimizers import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSProp
from goodfit.techniques.regularization import Dropout

RANDOM = np.random.RandomState(0)  # the generator behind np.random.rand, randn and choice


class Affine:
    """``x @ W + b``; x (B, n_in), W (n_in, n_out), b (n_out,)."""

    def __init__(self, W: np.ndarray, b: np.ndarray):
        self.W, self.b = W, b  # the network's own arrays: an update in place reaches them here

    def forward(self, x, train):
        """Return (B, n_out)."""
        self.x = x.reshape(x.shape[0], -1)
        return np.dot(self.x, self.W) + self.b

    def backward(self, dout):
        """Return the gradient for x; keep those for W and b."""
        self.dW, self.db = np.dot(self.x.T, dout), np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class Relu:
    """``max(x, 0)`` by a mask of what is not positive."""

    def forward(self, x, train):
        """Return a copy of x with 0 under the mask."""
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        """Return the gradient with 0 under the mask."""
        dout[self.mask] = 0
        return dout


class Smooth:
    """Sigmoid or tanh: a function, and its slope in terms of the outputs."""

    def __init__(self, value: Callable, slope: Callable):
        self.value, self.slope = value, slope

    def forward(self, x, train):
        """Return the outputs and keep them."""
        self.out = self.value(x)
        return self.out

    def backward(self, dout):
        """Return ``dout`` times the slope."""
        return dout * self.slope(self.out)


class Drop:
    """Dropout with a fresh mask a batch: the book's form (scaled at test time) or the inverted one."""

    def __init__(self, dropout: Dropout):
        self.ratio, self.inverted = dropout.ratio, dropout.scaling == "inverted"
        self.test_factor = dropout.test_factor()

    def forward(self, x, train):
        """Return x under the mask in training, else scaled for test time."""
        if not train:
            return x if self.inverted else x * self.test_factor
        self.mask = RANDOM.rand(*x.shape) > self.ratio
        return x * self.mask / (1.0 - self.ratio) if self.inverted else x * self.mask

    def backward(self, dout):
        """Return the gradient under the mask."""
        return dout * self.mask / (1.0 - self.ratio) if self.inverted else dout * self.mask


class BatchNormalization:
    """``γ·(x − μ)/√(σ² + ε) + β`` over the batch; running moments, started at 0, at test time."""

    def __init__(self, gamma: np.ndarray, beta: np.ndarray, norm: BatchNorm):
        self.gamma, self.beta = gamma, beta
        self.momentum, self.epsilon = norm.momentum, norm.epsilon
        self.running_mean, self.running_var = np.zeros_like(gamma), np.zeros_like(gamma)

    def forward(self, x, train):
        """Return the normalised rows; in training, move the running moments."""
        if not train:
            std = np.sqrt(self.running_var + self.epsilon)
            return self.gamma * ((x - self.running_mean) / std) + self.beta
        mean = x.mean(axis=0)
        self.centred = x - mean
        var = np.mean(self.centred**2, axis=0)
        self.std = np.sqrt(var + self.epsilon)
        self.hat = self.centred / self.std
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        return self.gamma * self.hat + self.beta

    def backward(self, dout):
        """Return the gradient for x, node by node of the graph; keep those for γ and β."""
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.hat * dout, axis=0)
        dhat = self.gamma * dout
        dcentred = dhat / self.std
        dstd = -np.sum(dhat * self.centred / self.std**2, axis=0)
        dvar = 0.5 * dstd / self.std
        dcentred += (2.0 / len(dout)) * self.centred * dvar
        return dcentred - np.sum(dcentred, axis=0) / len(dout)


class SoftmaxWithLoss:
    """Softmax and cross-entropy with ``log(p + 1e-7)``; t holds class numbers (B,)."""

    def forward(self, x, t):
        """Return the mean loss."""
        shifted = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.t, self.p = t, shifted / np.sum(shifted, axis=1, keepdims=True)
        return -np.sum(np.log(self.p[np.arange(len(t)), t] + 1e-7)) / len(t)

    def backward(self):
        """Return ``(p − onehot) / B``."""
        dx = self.p.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


ACTIVATIONS: dict[str, Callable[[], Any]] = {
    "relu": Relu,
    "sigmoid": lambda: Smooth(lambda x: 1 / (1 + np.exp(-x)), lambda y: (1.0 - y) * y),
    "tanh": lambda: Smooth(np.tanh, lambda y: 1.0 - y**2),
}


class BookNetwork:
    """A multilayer perceptron of layer objects.

    ``params`` holds ``W1, b1, …`` and with batch norm ``gamma1, beta1, …``, float64; the layers see an update
    in place. A recipe that asks for what the book's code does not have is a ValueError.
    """

    def __init__(self, inputs: int, outputs: int, recipe: Recipe):
        _check(recipe)
        self.weight_decay, self.depth = recipe.weight_decay, len(recipe.hidden) + 1
        self.params: dict[str, np.ndarray] = {}
        self.layers: OrderedDict[str, Any] = OrderedDict()
        for i, (n_in, n_out) in enumerate(itertools.pairwise((inputs, *recipe.hidden, outputs)), start=1):
            self.params[f"W{i}"] = recipe.initializer.std(n_in, n_out) * RANDOM.randn(n_in, n_out)
            self.params[f"b{i}"] = np.zeros(n_out)
            self.layers[f"Affine{i}"] = Affine(self.params[f"W{i}"], self.params[f"b{i}"])
            if i < self.depth:
                self._add_hidden(i, n_out, recipe)
        self.last_layer = SoftmaxWithLoss()

    def _add_hidden(self, i: int, width: int, recipe: Recipe) -> None:
        if isinstance(recipe.norm, BatchNorm):
            self.params[f"gamma{i}"], self.params[f"beta{i}"] = np.ones(width), np.zeros(width)
            scale, shift = self.params[f"gamma{i}"], self.params[f"beta{i}"]
            self.layers[f"BatchNorm{i}"] = BatchNormalization(scale, shift, recipe.norm)
        self.layers[f"Activation{i}"] = ACTIVATIONS[recipe.activation]()
        if recipe.drop is not None:
            self.layers[f"Dropout{i}"] = Drop(recipe.drop)

    def predict(self, x: np.ndarray, train: bool = False) -> np.ndarray:
        """Return the outputs before softmax, (B, outputs)."""
        for layer in self.layers.values():
            x = layer.forward(x, train)
        return x

    def loss(self, x: np.ndarray, t: np.ndarray, train: bool = True) -> float:
        """Return the mean loss and ``½λΣW²``; batch norm and dropout in the form for training or test."""
        outputs, penalty = self.predict(x, train), 0.0
        for i in range(1, self.depth + 1):
            penalty += 0.5 * self.weight_decay * np.sum(self.params[f"W{i}"] ** 2)
        return self.last_layer.forward(outputs, t) + penalty

    def gradient(self, x: np.ndarray, t: np.ndarray) -> dict[str, np.ndarray]:
        """Return the gradients of `loss`, keyed as ``params``: a pass forward, a pass backward."""
        self.loss(x, t, train=True)
        dout = self.last_layer.backward()
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        grads = {}
        for i in range(1, self.depth + 1):
            affine = self.layers[f"Affine{i}"]
            grads[f"W{i}"] = affine.dW + self.weight_decay * affine.W
            grads[f"b{i}"] = affine.db
            if f"gamma{i}" in self.params:
                norm = self.layers[f"BatchNorm{i}"]
                grads[f"gamma{i}"], grads[f"beta{i}"] = norm.dgamma, norm.dbeta
        return grads

    def accuracy(self, x: np.ndarray, t: np.ndarray) -> float:
        """Return the share of rows whose largest output is their class, all rows in one pass."""
        return np.sum(np.argmax(self.predict(x), axis=1) == t) / len(x)


def _check(recipe: Recipe) -> None:
    norm, more = recipe.norm, recipe.schedule is not None or recipe.clip_norm is not None
    books = isinstance(norm, BatchNorm) and norm.position == "before" and not norm.bias_correction
    if norm is not None and not books:
        raise ValueError("The book's norm is BatchNorm(bias_correction=False), before the activation.")
    if recipe.activation not in ACTIVATIONS or recipe.label_smoothing or more:
        raise ValueError(f"The book has {', '.join(ACTIVATIONS)}; no smoothing, schedule or clipping.")


class BookRule:
    """An update rule: its numbers, and a dictionary of state arrays that appears at the first update."""

    def __init__(self, rule: Any):
        self.rule, self.lr, self.t, self.state = rule, rule.lr, 0, {}

    def update(self, params: dict[str, np.ndarray], grads: dict[str, np.ndarray]) -> None:
        """Change params in place, one key after another."""
        if not self.state:
            slots = range(self.rule.slots)
            self.state = {key: [np.zeros_like(w) for _ in slots] for key, w in params.items()}
        self.t += 1
        for key, w in params.items():
            self._change(w, grads[key], self.state[key])  # each rule's own


class BookSGD(BookRule):
    """``W ← W − lr·g``."""

    def _change(self, w, g, s):
        w -= self.lr * g


class BookMomentum(BookRule):
    """``v ← α·v − lr·g ; W ← W + v``."""

    def _change(self, w, g, s):
        s[0] = self.rule.momentum * s[0] - self.lr * g
        w += s[0]


class BookNesterov(BookRule):
    """``W ← W + α²·v − (1 + α)·lr·g ; v ← α·v − lr·g``."""

    def _change(self, w, g, s):
        w += self.rule.momentum * self.rule.momentum * s[0]
        w -= (1 + self.rule.momentum) * self.lr * g
        s[0] *= self.rule.momentum
        s[0] -= self.lr * g


class BookAdaGrad(BookRule):
    """``h ← h + g² ; W ← W − lr·g/(√h + 1e-7)``."""

    def _change(self, w, g, s):
        s[0] += g * g
        w -= self.lr * g / (np.sqrt(s[0]) + 1e-7)


class BookRMSProp(BookRule):
    """``h ← d·h + (1 − d)·g² ; W ← W − lr·g/(√h + 1e-7)``."""

    def _change(self, w, g, s):
        s[0] *= self.rule.decay
        s[0] += (1 - self.rule.decay) * g * g
        w -= self.lr * g / (np.sqrt(s[0]) + 1e-7)


class BookAdam(BookRule):
    """Moments m and v of the gradient; both corrections go into the rate, ε stands outside the raw root."""

    def _change(self, w, g, s):
        beta1, beta2 = self.rule.beta1, self.rule.beta2
        rate = self.lr * np.sqrt(1.0 - beta2**self.t) / (1.0 - beta1**self.t)
        s[0] += (1 - beta1) * (g - s[0])
        s[1] += (1 - beta2) * (g**2 - s[1])
        w -= rate * s[0] / (np.sqrt(s[1]) + 1e-7)


KINDS = (SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam)
BOOKS = (BookSGD, BookMomentum, BookNesterov, BookAdaGrad, BookRMSProp, BookAdam)
RULES: dict[type, type[BookRule]] = dict(zip(KINDS, BOOKS, strict=True))


def book_optimizer(recipe: Recipe) -> BookRule:
    """Return a new object whose ``update(params, grads)`` changes params in place; ValueError if unknown."""
    kind = type(recipe.optimizer)
    if kind not in RULES or getattr(recipe.optimizer, "paper", False):
        raise ValueError(f"The book has {', '.join(k.__name__ for k in RULES)}, got {recipe.optimizer!r}.")
    return RULES[kind](recipe.optimizer)


class Cost(NamedTuple):
    """Seconds, each a median."""

    step: float  # one update: batch, gradient, optimiser
    second_forward: float  # the loss once more on the same batch, as the book's loops have it, in test form
    row: float  # evaluating one row, in one pass over the whole set


def cost(recipe: Recipe, x, y, x_eval, y_eval, *, seconds: float = 1.0) -> Cost:
    """Return what this recipe costs in the book's way, measured for about ``seconds``, a warm-up left out.

    ``x`` and ``x_eval`` are rows as the network takes them (pixels float32 / 255), ``y`` class numbers. Two
    thirds of the time go to updates, the rest to passes over the evaluation set, three at least.
    """
    network = BookNetwork(x.shape[1], int(max(y.max(), y_eval.max())) + 1, recipe)
    optimizer, clock = book_optimizer(recipe), time.perf_counter
    steps, losses, passes = [], [], []

    def one_step() -> None:
        start = clock()
        rows = RANDOM.choice(len(x), recipe.batch_size)
        x_batch, y_batch = x[rows], y[rows]
        optimizer.update(network.params, network.gradient(x_batch, y_batch))
        middle = clock()
        network.loss(x_batch, y_batch, train=False)
        steps.append(middle - start)
        losses.append(clock() - middle)

    end = clock() + seconds * 2 / 3
    while clock() < end or len(steps) < 20:
        one_step()
    end = clock() + seconds / 3
    while clock() < end or len(passes) < 3:
        start = clock()
        network.accuracy(x_eval, y_eval)
        passes.append((clock() - start) / len(x_eval))
    return Cost(*map(statistics.median, (steps[10:], losses[10:], passes)))  # the first ten warm up


def rows_to_time() -> tuple[str, np.ndarray, np.ndarray, int]:
    """Return what they are, rows, classes, and how many are for training: MNIST, or random pixels."""
    folder = data_folder()
    if folder is None or not (folder / "mnist").is_dir():
        rng = np.random.default_rng(0)
        x, y = rng.random((70_000, 784), dtype=np.float32), rng.integers(0, 10, 70_000)
        return "random pixels (GOODFIT_DATA names no MNIST)", x, y, 60_000
    table = read_idx_folder(folder / "mnist")
    x = table.images.reshape(table.rows, -1).astype(np.float32) / 255.0
    return "MNIST", x, table.columns["label"].astype(int), int(table.sealed_rows[0])


def cases() -> dict[str, tuple[Recipe, int]]:
    """Return recipe and number of training rows by label: the networks of comparisons 1b, 4a, 4b and 3b."""
    books_norm = BatchNorm(epsilon=1e-6, bias_correction=False)
    deep = Recipe((100,) * 4, init=He(), batch_size=128)
    flat = Recipe((100,) * 6, optimizer=SGD(), init=He(), batch_size=100)
    scale = Recipe((100,) * 5, optimizer=SGD(), init=Gaussian(0.05), batch_size=100)
    return {
        **{f"1b 784-100x4-10, B 128, {k.__name__}": (replace(deep, optimizer=k()), 60_000) for k in RULES},
        "4a 784-100x6-10, B 100, SGD": (flat, 300),
        "4a 784-100x6-10, B 100, SGD, decay 0.1": (replace(flat, weight_decay=0.1), 300),
        "4b 784-100x6-10, B 100, SGD, dropout 0.2": (replace(flat, dropout=Dropout(0.2, "book")), 300),
        "3b 784-100x5-10, B 100, SGD": (scale, 1000),
        "3b 784-100x5-10, B 100, SGD, batch norm": (replace(scale, batch_norm=books_norm), 1000),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line of the table")
    options = parser.parse_args()
    what, x, y, first = rows_to_time()
    print(f"The book's way on {what}; evaluation over {len(x) - first:,} rows")
    print(f"{'':42}{'update ms':>10}{'loss again ms':>14}{'row us':>8}")
    for label, (recipe, rows) in cases().items():
        found = cost(recipe, x[:rows], y[:rows], x[first:], y[first:], seconds=options.seconds)
        step, again, row = 1e3 * found.step, 1e3 * found.second_forward, 1e6 * found.row
        print(f"{label:42}{step:10.2f}{again:14.2f}{row:8.2f}", flush=True)


if __name__ == "__main__":
    main()
