"""What measurements of a training mean, in sentences: each rule has a threshold, an advice and a source.

The sources describe the effects. A threshold without a source of its own is goodfit's: it lies between what
healthy and sick networks show on small tables and images (tests/engine/test_diagnose.py), and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from goodfit.engine.probe import NEAR, Course, Look, ratio
from goodfit.techniques.initializers import Gaussian, initializer_for

VANISHED = 1e-3  # gradient, or spread of activations, of one end of the network against the other
EXPLODED = 1e3
WEAK = 0.05  # the same, where the loss is stuck
DEAD, MOST_DEAD = 0.4, 0.9  # share of a layer's units; the first is CS231n's
SATURATED = 0.5  # share of a layer's activations
BIG_UPDATE, SMALL_UPDATE = 1e-1, 1e-5  # a hundred times more and less than CS231n's 1e-3
STUCK = 0.98  # share of the loss of knowing nothing
PATIENCE = 50  # updates before a loss can be called stuck
WRONG_START = 10.0  # first loss against that of knowing nothing
BIG_COLUMN = 20.0  # root mean square of an input column

_OURS = "the threshold is goodfit's"
_BENGIO = "Bengio 2012, Practical recommendations, §3.1.1"
_BOOK = "Deep Learning from Scratch"
_GLOROT = "Glorot and Bengio 2010"
_HE = "He et al. 2015, §2.2"
_CS231N = "Karpathy, CS231n notes"
_ORDER = {"problem": 0, "warning": 1, "fine": 2}


class Finding(NamedTuple):
    """One thing that was seen: how bad, where, since when, what it is, what to try, and who says so."""

    severity: str  # "problem": it is not learning, or will not; "warning": it learns in spite of it; "fine"
    layer: int | None  # 1-based hidden layer, the first one concerned; None: the network as a whole
    since: int | None  # step from which on it held to the end
    text: str
    advice: str
    source: str


def findings(course: Course) -> tuple[Finding, ...]:
    """Return what the measurements mean, problems first; if nothing is wrong, one sentence that says so."""
    with np.errstate(all="ignore"):  # a diverged member's numbers may be infinite
        found = _layers(_before_divergence(course))
        found = [*_diverged(course), *(found or _updates(_before_divergence(course)))]
        found += _stuck(course, explained=bool(found))
    if not found:
        return (_nothing_wrong(course),)
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.severity]))


def _layers(c: Course) -> list[Finding]:
    """Return what is seen in inputs, outputs and layers, what came first first.

    Behind a layer of dead units gradients are gone and rows look alike: that is not said again.
    """
    dead = list(_dead(c))
    killed = min((f.since for f in dead if f.severity == "problem" and f.since is not None), default=math.inf)
    through = [f for rule in (_spread, _gradients) for f in rule(c) if f.since is None or f.since < killed]
    found = [*_inputs(c), *_start(c), *_saturated(c), *through, *dead]
    return sorted(found, key=lambda finding: finding.since or 0)


def _before_divergence(c: Course) -> Course:
    """Return the course without its last look if the member diverged there: what it shows are the ruins."""
    if c.diverged_at is None or len(c.steps) == 1:
        return c
    names = (*Look._fields, "steps", "update_ratio")
    return replace(c, **{name: getattr(c, name)[:-1] for name in names})


def _learned(c: Course) -> bool:
    """Whether the member has left the loss of knowing nothing behind."""
    return c.diverged_at is None and bool(c.loss[-1] < STUCK * c.nothing)


def _badly(c: Course) -> str:
    return "warning" if _learned(c) or (c.diverged_at is None and c.steps[-1] < PATIENCE) else "problem"


def _since(held: np.ndarray, steps: np.ndarray) -> int | None:
    """Return the step from which on ``held`` (S,) is true to the end, or None if it is false there."""
    if not len(held) or not held[-1]:
        return None
    return int(steps[len(held) - int(np.argmin([*held[::-1], False]))])


def _when(since: int | None) -> str:
    return "from the start" if since == 0 else f"since step {since}"


def _percent(shares: np.ndarray) -> str:
    low, high = (f"{100 * value:.0f}" for value in (shares.min(), shares.max()))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _which(layers: Sequence[int]) -> str:
    """Return ``Layer 3``, ``Layers 2 to 5`` or ``Layers 1, 3 and 4`` for 0-based places."""
    names = [place + 1 for place in layers]
    if len(names) == 1:
        return f"Layer {names[0]}"
    if names[-1] - names[0] == len(names) - 1 and len(names) > 2:
        return f"Layers {names[0]} to {names[-1]}"
    return f"Layers {', '.join(map(str, names[:-1]))} and {names[-1]}"


def _rate(c: Course, factor: float) -> str:
    """Return advice to change the learning rate by ``factor``, to one digit."""
    lr = getattr(c.recipe.optimizer, "lr", None)
    if lr is None or not float(lr) > 0:
        return f"a {'smaller' if factor < 1 else 'larger'} learning rate"
    return f"a learning rate of {float(f'{float(lr) * factor:.1g}'):g} instead of {float(lr):g}"


def _initial(c: Course, layer: int) -> str | None:
    """Return advice on the initial weights, or None where they follow the rule for the activation."""
    used, rule = c.recipe.initializer, initializer_for("auto", c.recipe.activation)
    if type(used) is type(rule) or not c.recipe.hidden:
        return None
    n_in, n_out = c.network.widths(c.recipe)[layer : layer + 2]
    name, std = type(rule).__name__, f"{rule.std(n_in, n_out):.2g}"
    old = f"σ {float(used.sigma):g}" if isinstance(used, Gaussian) else type(used).__name__
    return f"{name} initial weights (init auto; σ {std} for {n_in} inputs) instead of {old}"


def _for_depth(c: Course, layer: int) -> str:
    """Return what keeps signals and gradients alive through depth: the initial weights, or else norms."""
    initial = _initial(c, layer)
    if initial is not None:
        return initial
    smooth = c.recipe.activation in ("sigmoid", "tanh")
    options = ["relu, whose slope of 1 does not shrink gradients"] if smooth else []
    options += ["batch norm"] if c.recipe.norm is None else []
    return ", or ".join([*options, "fewer layers"])


def _diverged(c: Course) -> Iterator[Finding]:
    if c.diverged_at is None:
        return
    scale = _scaled(c) if c.largest_column[1] > BIG_COLUMN else None
    advice = "; then ".join(part for part in (scale, _initial(c, 0), _rate(c, 0.1)) if part)
    text = (
        f"Diverged: at step {c.diverged_at} the loss or its gradient was no longer finite, and training "
        "ended there; the table shows the layers as last seen"
    )
    yield Finding("problem", None, c.diverged_at, text, advice, _BENGIO)


def _scaled(c: Course) -> str:
    column, _ = c.largest_column
    return f"the columns of X scaled to mean 0 and standard deviation 1 ({column} above all)"


def _inputs(c: Course) -> Iterator[Finding]:
    column, largest = c.largest_column
    if largest <= BIG_COLUMN:
        return
    text = (
        f"Inputs are not scaled: {column} has a root mean square of {largest:.3g}, where "
        "initial weights and usual learning rates are made for about 1"
    )
    source = f"LeCun et al. 1998, Efficient BackProp, §4.3; {_OURS} ({BIG_COLUMN:g})"
    yield Finding(_badly(c), None, 0, text, _scaled(c), source)


def _start(c: Course) -> Iterator[Finding]:
    first = float(c.loss[0])
    if not (c.nothing > 0 and first > WRONG_START * c.nothing):
        return
    text = (
        f"The first outputs are far off: the loss starts at {first:.3g}, where knowing nothing costs "
        f"{c.nothing:.3g}"
    )
    numbers = c.network.loss in ("squared_error", "absolute_error")
    what = "the target and the columns of X" if numbers else "the columns of X"
    advice = _initial(c, 0) or f"{what} scaled to mean 0 and standard deviation 1"
    source = f"{_CS231N}, Sanity checks (loss at chance); {_OURS} ({WRONG_START:g} times)"
    yield Finding("warning", None, 0, text, advice, source)


def _saturated(c: Course) -> Iterator[Finding]:
    since = {j: _since(c.saturated[:, j] > SATURATED, c.steps) for j in range(len(c.recipe.hidden))}
    layers = [j for j, step in since.items() if step is not None]
    if not layers:
        return
    first, shares, kind = since[layers[0]], c.saturated[-1, layers], c.recipe.activation
    near = f"{NEAR:g} of 0 or 1" if kind == "sigmoid" else f"{2 * NEAR:g} of −1 or 1"
    text = (
        f"{_which(layers)}: {_percent(shares)} of the {kind} activations saturated (within {near}) "
        f"{_when(first)}; their slope is near 0 and lets little gradient through"
    )
    scale = _scaled(c) if c.largest_column[1] > BIG_COLUMN else None
    norm = "" if c.recipe.norm is not None else ", or batch norm"
    advice = scale or _initial(c, layers[0]) or _rate(c, 0.1) + norm
    source = f"{_GLOROT}, §3; {_BOOK}, §6.2.2; {_OURS} ({100 * SATURATED:g} %)"
    yield Finding(_badly(c), layers[0] + 1, first, text, advice, source)


def _dead(c: Course) -> Iterator[Finding]:
    since = {j: _since(c.dead[:, j] >= DEAD, c.steps) for j in range(len(c.recipe.hidden))}
    layers = [j for j, step in since.items() if step is not None]
    if not layers:
        return
    worst = max(layers, key=lambda j: c.dead[-1, j])
    first, shares, kind = since[worst], c.dead[-1, layers], c.recipe.activation
    flat = f"0 on all {c.looked_at} rows" if kind == "relu" else f"on the flat side on all {c.looked_at} rows"
    gradient = "no gradient" if kind == "relu" else "hardly any gradient"
    text = (
        f"{_which(layers)}: {_percent(shares)} of {'ReLU' if kind == 'relu' else kind} units dead ({flat} "
        f"looked at) {_when(first)}; they let {gradient} through, so they do not recover by themselves"
    )
    leaky = "" if kind == "leaky_relu" else ", or leaky_relu, whose flat side has a slope"
    advice = _initial(c, worst) or (_for_depth(c, worst) if first == 0 else _rate(c, 0.1) + leaky)
    severity = "problem" if kind == "relu" and shares.max() >= MOST_DEAD else _badly(c)
    source = f"{_CS231N}, Commonly used activation functions ({100 * DEAD:g} %); Lu et al. 2020, Dying ReLU"
    yield Finding(severity, layers[0] + 1, first, text, advice, source)


def _spread(c: Course) -> Iterator[Finding]:
    depth = len(c.recipe.hidden)
    if depth < 2:
        return
    against = ratio(c.spread[:, 1:], c.spread[:, :1])
    for held, verb, far in ((against < VANISHED, "shrink", VANISHED), (against > EXPLODED, "grow", EXPLODED)):
        since = _since(held[:, -1], c.steps)
        if since is None:
            continue
        place = 1 + int(np.argmax(held[-1]))
        alike = ", so that all rows look alike to the last layers" if verb == "shrink" else ""
        text = (
            f"Activations {verb} with depth {_when(since)}: from row to row a unit varies by "
            f"{c.spread[-1, 0]:.2g} in layer 1 and by {c.spread[-1, -1]:.2g} in layer {depth}{alike}"
        )
        source = f"{_BOOK}, §6.2; {_HE}; {_OURS} ({far:g} times)"
        yield Finding(_badly(c), place + 1, since, text, _for_depth(c, place), source)


def _gradients(c: Course) -> Iterator[Finding]:
    depth, between = len(c.recipe.hidden), c.gradient_ratio
    vanished, exploded = _since(between < VANISHED, c.steps), _since(between > EXPLODED, c.steps)
    if vanished is not None:
        text = (
            f"Gradients vanish {_when(vanished)}: layer 1 receives {_one_in(between[-1])} of the gradient "
            f"that layer {depth} does"
        )
        source = f"{_GLOROT}, §4.2; {_HE}; {_OURS} ({VANISHED:g})"
        yield Finding(_badly(c), 1, vanished, text, _for_depth(c, 1), source)
    if exploded is not None:
        text = (
            f"Gradients explode {_when(exploded)}: layer 1 receives {between[-1]:.2g} times the gradient "
            f"that layer {depth} does"
        )
        advice = _initial(c, 1) or "batch norm, or gradients clipped (clip_norm 1)"
        source = f"Pascanu et al. 2013, §2; {_HE}; {_OURS} ({EXPLODED:g})"
        yield Finding(_badly(c), 1, exploded, text, advice, source)


def _one_in(share: float) -> str:
    if not share > 0:
        return "nothing"
    parts = float(f"{1 / share:.1g}")
    return f"one part in {parts:,.0f}" if parts < 1e7 else f"one part in {parts:.0e}"


def _updates(c: Course) -> Iterator[Finding]:
    """Judge updates against weights: a typical one too large in any layer, or all too small in all."""
    seen = c.update_ratio[np.isfinite(c.update_ratio).all(axis=1)]
    if not len(seen):
        return
    typical, largest = np.median(seen, axis=0), float(seen.max())
    source = f"{_CS231N}, Ratio of weights:updates (about 0.001); {_OURS}"
    if typical.max() > BIG_UPDATE:
        place = int(typical.argmax())
        hidden = place < len(c.recipe.hidden)
        where = f"layer {place + 1}" if hidden else "the output layer"
        text = (
            f"Updates are large for the weights: a typical one changes those of {where} by "
            f"{100 * typical[place]:.0f} %"
        )
        advice = _rate(c, max(1e-3 / typical[place], 1e-2))
        yield Finding(_badly(c), place + 1 if hidden else None, 1, text, advice, f"{source} ({BIG_UPDATE:g})")
    if largest < SMALL_UPDATE:
        text = (
            "Updates are small for the weights: the largest one seen changes those of a layer by "
            f"{100 * largest:.1g} %"
        )
        advice = _rate(c, 1e-3 / max(largest, 1e-12))
        yield Finding(_badly(c), None, 1, text, advice, f"{source} ({SMALL_UPDATE:g})")


def _stuck(c: Course, *, explained: bool) -> Iterator[Finding]:
    done = int(c.steps[-1])
    if c.diverged_at is not None or done < PATIENCE or _learned(c) or not c.nothing > 0:
        return
    text = (
        f"The loss is stuck at what knowing nothing costs: {c.loss[-1]:.4g} after {done:,} updates, against "
        f"{c.nothing:.4g} for the best constant answer{_in_words(c)}"
    )
    advice = "what is said above, which explains it" if explained else _unstuck(c)
    since = _since(c.loss >= STUCK * c.nothing, c.steps)
    yield Finding("problem", None, since, text, advice, f"{_BOOK}, §6.2.4; {_OURS} ({100 * STUCK:g} %)")


def _unstuck(c: Course) -> str:
    """Return advice for a loss that is stuck where nothing else was seen."""
    if _initial(c, 0) is not None:
        return str(_initial(c, len(c.recipe.hidden) - 1))
    if c.gradient_ratio[-1] < WEAK:
        share = _one_in(float(c.gradient_ratio[-1]))
        return f"{_for_depth(c, 0)}: layer 1 receives {share} of the last layer's gradient"
    seen = c.update_ratio[np.isfinite(c.update_ratio)]
    typical = float(np.median(seen)) if len(seen) else math.nan
    if typical > 1e-2:
        return _rate(c, 0.1)
    return (
        f"{_rate(c, 10.0)}, or more updates" if typical < 1e-3 else "more updates; or X tells nothing about y"
    )


def _in_words(c: Course) -> str:
    if c.network.loss == "softmax_cross_entropy":
        k = c.network.outputs
        return f" (ln {k} = {math.log(k):.4g} where all {k} classes are equally common)"
    return " (half the variance of the target)" if c.network.loss == "squared_error" else ""


def _nothing_wrong(c: Course) -> Finding:
    parts = [
        f"the loss fell from {c.loss[0]:.3g} to {c.loss[-1]:.3g} in {int(c.steps[-1]):,} updates (knowing "
        f"nothing costs {c.nothing:.4g})"
    ]
    if len(c.recipe.hidden) > 1 and math.isfinite(c.gradient_ratio[-1]):
        parts.append(f"layer 1 receives {c.gradient_ratio[-1]:.2g} times the last layer's gradient")
    for share, what in ((c.dead[-1], "units are dead"), (c.saturated[-1], "activations are saturated")):
        if len(share) and np.isfinite(share).all():
            parts.append(f"at most {100 * share.max():.0f} % of a layer's {what}")
    return Finding("fine", None, None, f"Nothing wrong was seen: {', '.join(parts)}", "", "")
