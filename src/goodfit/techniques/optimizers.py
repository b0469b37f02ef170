"""Update rules (the book, §6.1; CHAPTER 1).

Each rule is written once, for one array: ``rule(w, g, slots, t, lr, sqrt)`` takes the parameter, its
gradient, its state arrays and the 1-based step ``t``, and returns the new parameter and state. Two faces
stand on it:

- the functional form of the engine, ``init(params)`` and ``step(params, grads, state, t, factor)``, on any
  dictionary of JAX arrays;
- the book's form, ``SGD(lr=0.01).update(params, grads)``, which changes a dictionary of NumPy arrays in
  place (float64 stays float64) or replaces JAX arrays in it; the state appears at the first call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from goodfit.errors import InputError
from goodfit.techniques.base import check_number, structure, technique

Array = Any  # a NumPy or JAX array
State = tuple[dict[str, Array], ...]  # one dictionary, shaped like params, for each slot
_EPSILON = 1e-7  # the book's, added outside the root
EMBEDDED = ("numbers.", "categories.")  # how the names of embeddings' parameters begin


class Optimizer:
    """An update rule with its hyper-parameters; subclasses give `slots` and `rule`."""

    slots: int = 0

    def rule(
        self,
        w: Array,
        g: Array,
        slots: tuple[Array, ...],
        t: Array,
        lr: Array,
        sqrt: Callable[[Array], Array],
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return the new parameter and the new state arrays (all shaped like ``w``)."""
        raise NotImplementedError

    def with_decay(self, factor: Array) -> Optimizer:
        """Return the rule with its own weight decay, if it has one, times ``factor``."""
        decay = getattr(self, "weight_decay", None)
        return self if decay is None else replace(self, weight_decay=decay * factor)  # type: ignore[type-var]

    def init(self, params: Mapping[str, Array]) -> State:
        """Return the state before the first step: `slots` dictionaries of zeros shaped like ``params``."""
        return tuple({k: np.zeros_like(w) for k, w in params.items()} for _ in range(self.slots))

    def step(
        self,
        params: dict[str, Array],
        grads: dict[str, Array],
        state: State,
        t: Array,
        factor: Array | Mapping[str, Array],
    ) -> tuple[dict[str, Array], State]:
        """Return parameters and state after one update.

        ``factor`` multiplies the learning rate: one for all parameters, or a dictionary of one for each.
        """
        lr: Any = self.lr  # type: ignore[attr-defined]
        lr = {k: lr * f for k, f in factor.items()} if isinstance(factor, Mapping) else lr * factor
        return self._apply(params, grads, state, t, lr, jnp.sqrt)

    def rule_of(self, name: str) -> Optimizer:
        """Return the rule that the parameter of this name follows: this one, unless a rule says otherwise."""
        return self

    def _apply(self, params, grads, state, t, lr, sqrt):
        new, slots = {}, tuple({} for _ in range(self.slots))
        for key, w in params.items():
            rate, before = lr[key] if isinstance(lr, Mapping) else lr, tuple(s[key] for s in state)
            new[key], fresh = self.rule_of(key).rule(w, grads[key], before, t, rate, sqrt)
            for slot, value in zip(slots, fresh, strict=True):
                slot[key] = value
        return new, slots

    def update(self, params: dict[str, Array], grads: Mapping[str, Array]) -> None:
        """Update ``params`` in place from gradients of the same keys and shapes (the book's form).

        The object remembers its state between calls, so use one object for one set of parameters.

        Raises:
            InputError: the keys or shapes of ``grads`` differ from those of ``params``, or an array of
                ``params`` holds whole numbers, which could not take the result; nothing is changed then.
        """
        _check_alike(params, grads)
        _check_floats(params)
        memory = self.__dict__.get("_memory")
        state, t = memory if memory else (self.init(params), 0)
        on_numpy = all(isinstance(w, np.ndarray) for w in params.values())
        new, state = self._update_once(params, dict(grads), state, t + 1, on_numpy)
        for key, w in new.items():
            if isinstance(params[key], np.ndarray):
                params[key][...] = w
            else:
                params[key] = w
        object.__setattr__(self, "_memory", (state, t + 1))  # not a field: no part of value or equality

    def _update_once(self, params, grads, state, t, on_numpy):
        return self._apply(params, grads, state, t, self.lr, np.sqrt if on_numpy else jnp.sqrt)  # type: ignore[attr-defined]


def _check_alike(params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
    if params.keys() != grads.keys():
        odd = sorted(params.keys() ^ grads.keys())
        raise InputError(f"params and grads must have the same keys; these are in only one: {odd}.")
    for key, w in params.items():
        if np.shape(w) != np.shape(grads[key]):
            raise InputError(
                f"grads[{key!r}] has shape {np.shape(grads[key])}, params[{key!r}] has {np.shape(w)}."
            )


def _check_floats(params: Mapping[str, Array]) -> None:
    for key, w in params.items():
        if isinstance(w, np.ndarray) and w.dtype.kind in "biu":
            raise InputError(
                f"params[{key!r}] must be an array of floats, such as float32 or float64, got {w.dtype}: "
                "what comes after the point would be cut off. Convert it with .astype(float)."
            )


def _is_matrix(w: Array) -> bool:
    return np.ndim(w) >= 2


@technique
class SGD(Optimizer):
    """``W ← W − lr·g`` (the book, §6.1.2)."""

    lr: float = 0.01
    slots = 0

    def __post_init__(self) -> None:
        check_number(self, "lr", low=0.0)

    def rule(self, w, g, slots, t, lr, sqrt):
        return w - lr * g, ()


@technique
class Momentum(Optimizer):
    """``v ← α·v − lr·g ; W ← W + v`` (the book, §6.1.4)."""

    lr: float = 0.01
    momentum: float = 0.9
    slots = 1

    def __post_init__(self) -> None:
        check_number(self, "lr", low=0.0)
        check_number(self, "momentum", low=0.0, below=1.0)

    def rule(self, w, g, slots, t, lr, sqrt):
        v = self.momentum * slots[0] - lr * g
        return w + v, (v,)


@technique
class Nesterov(Optimizer):
    """``v ← α·v − lr·g ; W ← W + α·v − lr·g``: Nesterov's gradient, written at the looked-ahead point.

    With v = α·v' − lr·g as new velocity this is ``W + α²·v' − (1+α)·lr·g``, the form of the book's
    companion code (Bengio et al. 2013, eq. 7).
    """

    lr: float = 0.01
    momentum: float = 0.9
    slots = 1

    def __post_init__(self) -> None:
        check_number(self, "lr", low=0.0)
        check_number(self, "momentum", low=0.0, below=1.0)

    def rule(self, w, g, slots, t, lr, sqrt):
        v = self.momentum * slots[0] - lr * g
        return w + self.momentum * v - lr * g, (v,)


@technique
class AdaGrad(Optimizer):
    """``h ← h + g² ; W ← W − lr·g/(√h + 1e-7)`` (Duchi et al. 2011; the book, §6.1.5)."""

    lr: float = 0.01
    slots = 1

    def __post_init__(self) -> None:
        check_number(self, "lr", low=0.0)

    def rule(self, w, g, slots, t, lr, sqrt):
        h = slots[0] + g * g
        return w - lr * g / (sqrt(h) + _EPSILON), (h,)


@technique
class RMSProp(Optimizer):
    """``h ← d·h + (1−d)·g² ; W ← W − lr·g/(√h + 1e-7)`` (Hinton 2012; the book's companion code)."""

    lr: float = 0.01
    decay: float = 0.99
    slots = 1

    def __post_init__(self) -> None:
        check_number(self, "lr", low=0.0)
        check_number(self, "decay", low=0.0, below=1.0)

    def rule(self, w, g, slots, t, lr, sqrt):
        h = self.decay * slots[0] + (1.0 - self.decay) * g * g
        return w - lr * g / (sqrt(h) + _EPSILON), (h,)


def _check_adam(rule: Optimizer) -> None:
    check_number(rule, "lr", low=0.0)
    check_number(rule, "beta1", low=0.0, below=1.0)
    check_number(rule, "beta2", low=0.0, below=1.0)


def _moments(rule: Any, g: Array, slots: tuple[Array, ...], t: Array, sqrt) -> tuple[Array, ...]:
    """Return both running moments of the gradient, and the bias corrections 1 − β1ᵗ and √(1 − β2ᵗ)."""
    m = rule.beta1 * slots[0] + (1.0 - rule.beta1) * g
    v = rule.beta2 * slots[1] + (1.0 - rule.beta2) * g * g
    return m, v, 1.0 - rule.beta1**t, sqrt(1.0 - rule.beta2**t)


def _algorithm_1(rule: Any, g: Array, slots: tuple[Array, ...], t: Array, sqrt, epsilon: Any = 1e-8):
    """Return m̂ and √v̂ + ε, whose quotient is the step of Algorithm 1, and the moments."""
    m, v, first, second = _moments(rule, g, slots, t, sqrt)
    return m / first, sqrt(v) / second + epsilon, (m, v)


@technique
class Adam(Optimizer):
    """``m ← β1·m + (1−β1)·g ; v ← β2·v + (1−β2)·g² ; W ← W − lr·√(1−β2ᵗ)/(1−β1ᵗ)·m/(√v + ε)``.

    This is the book's form (§6.1.6; Kingma and Ba 2015, end of §2): ε = 1e-7 stands outside the *raw* root.
    ``paper=True`` is Algorithm 1, ``lr·m̂/(√v̂ + ε)`` with ε = 1e-8, as optax and PyTorch have it; the two
    differ by the factor √(1−β2ᵗ) on ε. ``epsilon`` is another ε than the form's own (None).
    """

    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    paper: bool = structure(default=False)
    epsilon: float | None = None
    slots = 2

    def __post_init__(self) -> None:
        _check_adam(self)
        if self.epsilon is not None:
            check_number(self, "epsilon", above=0.0)

    def rule(self, w, g, slots, t, lr, sqrt):
        if self.paper:
            epsilon = 1e-8 if self.epsilon is None else self.epsilon
            mean, root, moments = _algorithm_1(self, g, slots, t, sqrt, epsilon)
            return w - lr * mean / root, moments
        epsilon = _EPSILON if self.epsilon is None else self.epsilon
        m, v, first, second = _moments(self, g, slots, t, sqrt)
        return w - lr * (second / first) * m / (sqrt(v) + epsilon), (m, v)


@technique
class AdamW(Optimizer):
    """Adam (Algorithm 1, ε = 1e-8) with decoupled decay: ``W ← W − lr·(m̂/(√v̂ + ε) + weight_decay·W)``.

    The decay touches weight matrices only, not biases, γ and β (Loshchilov and Hutter 2019). The recipe's own
    ``weight_decay`` is the coupled form and stays separate.
    """

    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.01
    slots = 2

    def __post_init__(self) -> None:
        _check_adam(self)
        check_number(self, "weight_decay", low=0.0)

    def rule(self, w, g, slots, t, lr, sqrt):
        mean, root, moments = _algorithm_1(self, g, slots, t, sqrt)
        decay = self.weight_decay * w if _is_matrix(w) else 0.0
        return w - lr * (mean / root + decay), moments


_QUINTIC = (3.4445, -4.7750, 2.0315)  # σ → aσ + bσ³ + cσ⁵; five times over it takes (.01, 1] near 1


def _orthogonalized(u: Array, sqrt: Callable[[Array], Array]) -> Array:
    """Return a matrix with the singular vectors of ``u`` and all singular values near 1 (Jordan 2024)."""
    wide = u if u.shape[0] <= u.shape[1] else u.T
    a, b, c = _QUINTIC
    wide = wide / (sqrt((wide * wide).sum()) + 1e-8)
    for _ in range(5):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * (gram @ gram)) @ wide
    return wide if u.shape[0] <= u.shape[1] else wide.T


@technique
class Muon(Optimizer):
    """``B ← α·B + g ; W ← W − lr·(0.2·√max(n_in, n_out)·orthogonal(g + α·B) + weight_decay·W)``.

    Momentum whose step has all singular values near 1, by five Newton–Schulz steps (Jordan 2024). The factor
    gives its entries the size of Adam's, so that one learning rate serves both (Liu et al. 2025, §2.2):
    what is no matrix (biases, γ and β) follows Adam (Algorithm 1, ε = 1e-8) and does not decay, and
    embeddings follow AdamW. A step costs
    about 30·n_in·n_out·min(n_in, n_out) operations a matrix, in small batches more than its gradient.
    """

    lr: float = 0.001
    momentum: float = 0.95
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.01
    slots = 2

    def __post_init__(self) -> None:
        _check_adam(self)
        check_number(self, "momentum", low=0.0, below=1.0)
        check_number(self, "weight_decay", low=0.0)

    def rule_of(self, name: str) -> Optimizer:
        if not name.startswith(EMBEDDED):
            return self
        return AdamW(self.lr, self.beta1, self.beta2, self.weight_decay)

    def rule(self, w, g, slots, t, lr, sqrt):
        if not _is_matrix(w):
            mean, root, moments = _algorithm_1(self, g, slots, t, sqrt)
            return w - lr * mean / root, moments
        trace = self.momentum * slots[0] + g
        matrix = (g + self.momentum * trace).reshape(-1, w.shape[-1])  # a kernel's n_in are its whole patch
        update = 0.2 * max(matrix.shape) ** 0.5 * _orthogonalized(matrix, sqrt).reshape(w.shape)
        return w - lr * (update + self.weight_decay * w), (trace, slots[1])


@technique
class LearningRateFactors:
    """Factors on the learning rate by kind of parameter; all others have 1.

    Fields: ``bias`` of layers, ``scale`` of the scale in front of the first layer, ``activation`` of
    parametric activations, ``embedding`` of embeddings of numbers and of categories. The defaults are those
    of RealMLP-TD (Holzmüller, Grinsztajn and Steinwart 2024, table A.1).
    """

    bias: float = 0.1
    scale: float = 6.0
    activation: float = 0.1
    embedding: float = 0.1

    def __post_init__(self) -> None:
        for name in ("bias", "scale", "activation", "embedding"):
            check_number(self, name, low=0.0)

    def of(self, name: str) -> Array:
        """Return the factor of the parameter of this name."""
        if name.startswith(EMBEDDED):
            return self.embedding
        return getattr(self, name.rpartition(".")[2], 1.0) if ".norm." not in name else 1.0


OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.__name__: cls for cls in (SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam, AdamW, Muon)
}
