"""Speed of the engine: 100 networks 784-100×6-10, batch 100, 200 steps of SGD.

Against the processor's matrix product (NumPy, float32, 2048²) and against what one would write first: `vmap`
over all members around `lax.scan` over steps. All three take turns in one process; medians are printed.

    python benchmarks/engine.py [--members 100] [--steps 200] [--rounds 3] [--json]

Work is counted as 6·B·weights a step (forward 2, both gradients 4), the usual convention, and exactly: nobody
computes the gradient for the input rows, which takes 2·B·784·100 off.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from goodfit.engine.order import BatchOrder
from goodfit.engine.plan import available_cores, flops_per_step
from goodfit.engine.population import Legs, Member, Population
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.techniques.optimizers import SGD

NETWORK = Network(784, 10)
RECIPE = Recipe((100,) * 6, optimizer=SGD(0.01), batch_size=100)
ROWS = 10_000


def peak() -> float:
    """Return the best GFLOP/s of a few float32 products of 2048 × 2048 matrices."""
    a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(seconds) / 1e9


def engine(x, y, members: int, steps: int) -> tuple[float, np.ndarray]:
    """Return seconds and the last losses, (members,)."""
    population = Population(NETWORK, x, y)
    some = [Member(RECIPE, seed, horizon=steps) for seed in range(members)]
    start = time.perf_counter()
    population.advance(some, Legs(steps, steps, keep_losses=True))
    return time.perf_counter() - start, np.array([m.loss_curve[-1] for m in some])


def handwritten():
    """Return vmap over members of a scan over steps, as one would write it without goodfit."""

    def loss_of(params, x, y):
        for w, b in params[:-1]:
            x = jax.nn.relu(x @ w + b)
        w, b = params[-1]
        return -jnp.mean(jax.nn.log_softmax(x @ w + b)[jnp.arange(len(y)), y])

    def train(params, blocks, x, y):
        def step(params, rows):
            loss, grads = jax.value_and_grad(loss_of)(params, x[rows], y[rows])
            return jax.tree.map(lambda w, g: w - 0.01 * g, params, grads), loss

        return jax.lax.scan(step, params, blocks)

    return jax.jit(jax.vmap(train, in_axes=(0, 0, None, None)))


def first_weights(members: int):
    """Return the engine's own first weights, stacked: [(weight, bias), …]."""
    drawn = [NETWORK.init(RECIPE, seed)[0] for seed in range(members)]
    names = [f"hidden.{i}" for i in range(6)] + ["output"]
    return [
        tuple(np.stack([p[f"{name}.{part}"] for p in drawn]) for part in ("weight", "bias")) for name in names
    ]


def batches(members: int, steps: int) -> np.ndarray:
    """Return the engine's own batches, (members, steps, B)."""
    orders = [BatchOrder(np.arange(ROWS), 100, seed) for seed in range(members)]
    blocks = [[o.block(first, 1)[:1] for first in range(steps)] for o in orders]
    return np.array(blocks)[:, :, 0]


def measure(members: int, steps: int, rounds: int) -> dict[str, float]:
    """Return medians over interleaved rounds."""
    rng = np.random.default_rng(0)
    # Centred: with rows of one sign this rate is unstable, and rounding alone drives two runs apart.
    x, y = rng.random((ROWS, 784), dtype=np.float32) - 0.5, rng.integers(0, 10, ROWS).astype(np.int32)
    weights, blocks, vmapped = first_weights(members), batches(members, steps), handwritten()
    xs, ys = jax.device_put((x, y))
    engine(x, y, 2, 2)  # compile
    vmapped = vmapped.lower(weights, blocks, xs, ys).compile()
    exact = members * steps * flops_per_step(NETWORK, RECIPE) / 1e9
    usual = exact + members * steps * 2 * 100 * 784 * 100 / 1e9
    names = ("sgemm", "engine", "vmap", "share", "vmap share", "ratio", "gap")
    seen: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        before = peak()
        ours, losses = engine(x, y, members, steps)
        middle = peak()
        start = time.perf_counter()
        _, curve = jax.block_until_ready(vmapped(weights, blocks, xs, ys))
        theirs = time.perf_counter() - start
        highest = max(before, middle, peak())
        seen["sgemm"].append(highest)
        seen["engine"].append(ours)
        seen["vmap"].append(theirs)
        seen["share"].append(usual / ours / highest)
        seen["vmap share"].append(usual / theirs / highest)
        seen["ratio"].append(theirs / ours)
        seen["gap"].append(float(np.abs(losses - np.asarray(curve)[:, -1]).max()))
    middle_of = {name: statistics.median(values) for name, values in seen.items()}
    return {
        "cores": available_cores(),
        "members": members,
        "steps": steps,
        "rounds": rounds,
        "sgemm_gflops": middle_of["sgemm"],
        "engine_seconds": middle_of["engine"],
        "engine_gflops": usual / middle_of["engine"],
        "engine_gflops_exact": exact / middle_of["engine"],
        "engine_share_of_sgemm": middle_of["share"],
        "engine_share_of_sgemm_exact": middle_of["share"] * exact / usual,
        "vmap_seconds": middle_of["vmap"],
        "vmap_share_of_sgemm": middle_of["vmap share"],
        "vmap_gflops": usual / middle_of["vmap"],
        "vmap_gflops_exact": exact / middle_of["vmap"],
        "ratio_to_vmap": middle_of["ratio"],
        "ratio_lowest": min(seen["ratio"]),
        "ratio_highest": max(seen["ratio"]),
        "largest_loss_difference": max(seen["gap"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.members, options.steps, options.rounds)
    print(json.dumps(found, indent=2) if options.json else table(found))
    if found["largest_loss_difference"] > 1e-3:
        raise SystemExit("The two did not train the same networks: their last losses differ too much.")


def table(found: dict[str, float]) -> str:
    """Return the figures as a small table."""
    size = f"{found['members']} networks 784-100x6-10, batch 100, {found['steps']} steps"
    lines = [
        f"{size}, {found['cores']} cores",
        f"{'':24}{'seconds':>9}{'GFLOP/s':>9}{'exact':>8}{'of sgemm':>10}",
        f"{'sgemm 2048, best':24}{'':>9}{found['sgemm_gflops']:9.0f}",
    ]
    for name, label in (("engine", "goodfit"), ("vmap", "vmap + scan, by hand")):
        lines.append(
            f"{label:24}{found[f'{name}_seconds']:9.2f}{found[f'{name}_gflops']:9.0f}"
            f"{found[f'{name}_gflops_exact']:8.0f}{found[f'{name}_share_of_sgemm']:10.1%}"
        )
    low, high = found["ratio_lowest"], found["ratio_highest"]
    lines.append(
        f"goodfit is {found['ratio_to_vmap']:.2f} times as fast (rounds {low:.2f} to {high:.2f}); "
        f"last losses differ by {found['largest_loss_difference']:.1e} at most"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
