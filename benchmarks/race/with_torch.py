"""Rows (a) to (d) in PyTorch: one network after another, compiled, and all at once by `torch.func`.

Rows and batches are tensors in memory, the network an `nn.Sequential`, the optimiser PyTorch's own, fused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from itertools import chain, pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from race.arithmetic import affordable
from race.task import LONGEST, Task, one_by_one, seconds_of, task_of, two_processes
from race.worker import CORES, Answer, on_clock

TRIAL = 40  # steps that tell the pace


def module_of(task: Task, params: dict[str, Any]) -> nn.Sequential:
    """Return a network with these first weights, (n_in, n_out) arrays by goodfit's names."""
    layers: list[nn.Module] = []
    last = len(task.widths) - 2
    for i, (n_in, n_out) in enumerate(pairwise(task.widths)):
        layers.append(nn.utils.skip_init(nn.Linear, n_in, n_out))
        if i < last:
            layers += [nn.BatchNorm1d(n_out)] * task.norm + [nn.ReLU()]
            layers += [nn.Dropout(task.dropout)] * (task.dropout > 0)
    linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, (weight, bias) in zip(linears, task.layers(params), strict=True):
            layer.weight.copy_(torch.from_numpy(weight).T)
            layer.bias.copy_(torch.from_numpy(bias))
    return nn.Sequential(*layers)


def optimizer_of(task: Task, params: Any) -> torch.optim.Optimizer:
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    return kinds[task.optimizer](params, lr=task.rate, fused=True)


def run_steps(
    model: Callable, rule: torch.optim.Optimizer, x: Any, y: Any, batches: Any, tail: int
) -> torch.Tensor:
    """Train on row numbers ``batches``, a list of (B,); return the mean of the last ``tail`` losses."""
    losses = []
    for rows in batches:
        rule.zero_grad()
        loss = cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        rule.step()
        losses.append(loss.detach())
    return torch.stack(losses[-tail:]).mean()


class Bench:
    """A task as tensors."""

    def __init__(self, key: str, quick: bool) -> None:
        self.task = task_of(key, quick)
        x, y, far, far_y = map(torch.from_numpy, self.task.rows)
        self.x, self.y, self.far, self.far_y = x, y.long(), far, far_y.long()
        self.first, self.blocks = self.task.first_weights(), self.task.batches()

    @cache  # noqa: B019 - lives as long as the process
    def batches(self, member: int) -> list[torch.Tensor]:
        """Return a member's batches, (B,) int64 each, a short one short."""
        whole = torch.from_numpy(self.blocks[member]).long()
        return [rows[rows >= 0] for rows in whole] if self.task.ragged else list(whole)

    def accuracy(self, model: Callable) -> float:
        """Return the share of the rows held out that a network gets right."""
        with torch.no_grad():
            return float((model(self.far).argmax(-1) == self.far_y).float().mean())

    def model(self, member: int) -> nn.Module:
        """Return a member's network with its first weights."""
        return module_of(self.task, self.first[member])

    def eager(self, member: int, steps: int | None = None) -> float:
        """Train a member by the plain loop and return its score."""
        torch.manual_seed(member)
        model = self.model(member)
        rule = optimizer_of(self.task, model.parameters())
        loss = run_steps(model, rule, self.x, self.y, self.batches(member)[:steps], self.task.tail)
        return self.accuracy(model.eval()) if self.task.judge == "accuracy" else float(loss)

    def race(self) -> Callable[[], Answer]:
        """Return the race of the plain loop, one member after another."""
        for member in range(self.task.members):
            self.batches(member)
        return one_by_one(self.task.members, self.eager, self.pace(self.eager))

    def pace(self, train: Callable[[int, int], float]) -> float:
        """Return about how many seconds ``train(member, steps)`` takes for all steps."""
        some = min(TRIAL, self.task.steps)
        return seconds_of(lambda: train(0, some)) * self.task.steps / some


def use_faster_threads(train: Callable[[int, int], object]) -> None:
    """Use one thread or all, whichever makes a few steps in less time: on small networks one does."""

    def trial(threads: int) -> float:
        torch.set_num_threads(threads)
        return seconds_of(lambda: train(0, TRIAL))

    torch.set_num_threads(min((1, CORES), key=trial))


def eager(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of the plain loop, one network after another."""
    bench = Bench(key, quick)
    use_faster_threads(bench.eager)
    return bench.race()


@cache
def _bench_here(key: str, quick: bool) -> Bench:
    torch.set_num_threads(1)
    return Bench(key, quick)


def _part(key: str, quick: bool, members: list[int], steps: int | None = None) -> list[float]:
    """Train members in a process of its own, one thread; what it needs is kept for the next call."""
    bench = _bench_here(key, quick)
    return [bench.eager(member, steps) for member in members]


def processes(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of the plain loop in two processes of one thread, started beforehand."""
    from joblib import delayed

    task = task_of(key, quick)
    some, pool = min(TRIAL, task.steps), two_processes()

    def train(count: int, steps: int | None = None) -> list[float]:
        """Train the first members, every other one a process, and return their scores in order."""
        shares = [list(range(count))[i::CORES] for i in range(CORES)]
        found = pool(delayed(_part)(key, quick, share, steps) for share in shares if share)
        return [score for _, score in sorted(zip(chain(*shares), chain(*found), strict=True))]

    train(CORES, some)
    each = seconds_of(lambda: train(CORES, some)) / CORES * task.steps / some
    count = affordable(task.members, each, LONGEST)
    return lambda: on_clock(lambda: train(count), count / task.members)


def loss_of(model: nn.Module, params: dict[str, Any], x: Any, y: Any, valid: Any = None) -> torch.Tensor:
    """Return the mean loss of a batch as a function of the parameters; ``valid`` (B,) weighs the rows."""
    outputs = torch.func.functional_call(model, params, (x,))
    if valid is None:
        return cross_entropy(outputs, y)
    return (cross_entropy(outputs, y, reduction="none") * valid).sum() / valid.sum()


def compiled(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of a whole step (gradient and update) as one `torch.compile`d function."""
    torch.set_num_threads(CORES)
    bench = Bench(key, quick)
    task = bench.task
    model = module_of(task, bench.first[0])

    def step(params, slots, t, x, y):
        grads, loss = torch.func.grad_and_value(lambda p: loss_of(model, p, x, y))(params)
        if task.optimizer == "sgd":
            return {k: w - task.rate * grads[k] for k, w in params.items()}, slots, loss
        m = {k: 0.9 * slots[0][k] + 0.1 * g for k, g in grads.items()}
        v = {k: 0.999 * slots[1][k] + 0.001 * g * g for k, g in grads.items()}
        first, second = 1 - 0.9**t, 1 - 0.999**t
        new = {k: w - task.rate * (m[k] / first) / ((v[k] / second).sqrt() + 1e-8) for k, w in params.items()}
        return new, (m, v), loss

    fast = torch.compile(step, dynamic=False)
    counts = [torch.tensor(float(t + 1), dtype=torch.float64) for t in range(task.steps)]

    @torch.no_grad()
    def train(member: int, steps: int | None = None) -> float:
        params = {k: w.detach() for k, w in module_of(task, bench.first[member]).named_parameters()}
        slots: Any = ()
        if task.optimizer == "adam":
            slots = tuple({k: torch.zeros_like(w) for k, w in params.items()} for _ in range(2))
        losses = []
        for t, rows in zip(counts, bench.batches(member)[:steps], strict=False):
            params, slots, loss = fast(params, slots, t, bench.x[rows], bench.y[rows])
            losses.append(loss)
        return float(torch.stack(losses[-task.tail :]).mean())

    train(0, min(task.epoch + 1, task.steps))  # compiles, for short batches too
    return one_by_one(task.members, train, bench.pace(train))


def ensemble(key: str, quick: bool) -> Callable[[], Answer]:
    """Return the race of all members at once: parameters stacked, `vmap` over the gradient.

    Of too many members for the time it takes fewer: the cost goes with their number.
    """
    torch.set_num_threads(CORES)
    bench = Bench(key, quick)
    task, model = bench.task, module_of(bench.task, bench.first[0])
    blocks = torch.from_numpy(bench.blocks).long()  # (members, steps, B)
    gradient = torch.func.vmap(torch.func.grad_and_value(lambda *a: loss_of(model, *a)))

    def train(members: int, steps: int) -> list[float]:
        models = [module_of(task, params) for params in bench.first[:members]]
        params = {k: w.detach() for k, w in torch.func.stack_module_state(models)[0].items()}
        rule, losses = optimizer_of(task, list(params.values())), []
        for t in range(steps):
            rows = blocks[:members, t]
            valid = (rows >= 0).float() if task.ragged else torch.ones(rows.shape)
            picked = rows.clamp(min=0) if task.ragged else rows
            grads, loss = gradient(params, bench.x[picked], bench.y[picked], valid)
            for name, w in params.items():
                w.grad = grads[name]
            rule.step()
            losses.append(loss)
        if task.judge == "accuracy":
            outputs = torch.func.vmap(lambda p: torch.func.functional_call(model, p, (bench.far,)))(params)
            return (outputs.argmax(-1) == bench.far_y).float().mean(dim=1).tolist()
        return torch.stack(losses[-task.tail :]).mean(dim=0).tolist()

    some = min(10, task.steps)
    train(task.members, 2)
    began = time.perf_counter()
    train(task.members, some)
    each = (time.perf_counter() - began) / task.members * task.steps / some
    count = affordable(task.members, each, LONGEST)
    return lambda: on_clock(lambda: train(count, task.steps), count / task.members)
