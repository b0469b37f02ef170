"""The promise: a member's bits depend on its recipe, seed, data and the chunk, and on nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from goodfit.engine.population import Legs, Member, Population
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.store.arrays import load_arrays

CONFIGURATIONS = [(kind, chunk) for kind in ("plain", "full") for chunk in (1, 8)]


@pytest.fixture(scope="module", params=CONFIGURATIONS, ids=[f"{k}, chunk {c}" for k, c in CONFIGURATIONS])
def hundred(runs, request):
    """Kind, chunk, and members 0 … 99 trained together on two lanes."""
    kind, chunk = request.param
    return kind, chunk, runs.train(runs.members(kind, range(100)), chunk)


def assert_same(runs, hundred, numbers, others):
    for i, other in zip(numbers, others, strict=True):
        assert other.step == runs.STEPS
        assert runs.differences(hundred[2][i], other) == [], f"member {i}"
        assert [e.step for e in other.evaluations] == [e.step for e in hundred[2][i].evaluations]


def test_the_runs_differ_at_all(runs, hundred):
    """Else equal bits would say nothing: every member moved, and no two are alike."""
    members = hundred[2]
    assert len({bytes(np.asarray(m.state.params["output.weight"])) for m in members}) == 100
    assert all(m.loss_curve[-5:].mean() < m.loss_curve[:5].mean() for m in members[:20])


@pytest.mark.parametrize("i", [0, 57, 99])
def test_alone(runs, hundred, i):
    kind, chunk, _ = hundred
    assert_same(runs, hundred, [i], runs.train(runs.members(kind, [i]), chunk, lanes=1))


def test_among_seven(runs, hundred):
    kind, chunk, _ = hundred
    seven = [3, 99, 57, 20, 0, 1, 2]
    assert_same(runs, hundred, seven, runs.train(runs.members(kind, seven), chunk))


def test_reversed_on_one_lane(runs, hundred):
    kind, chunk, _ = hundred
    back = list(range(99, -1, -1))
    assert_same(runs, hundred, back, runs.train(runs.members(kind, back), chunk, lanes=1))


def test_beside_other_structures(runs, hundred):
    kind, chunk, _ = hundred
    other = "full" if kind == "plain" else "plain"
    mixed = [m for i in (5, 6, 98) for m in (*runs.members(other, [i]), *runs.members(kind, [i]))]
    assert_same(runs, hundred, [5, 6, 98], runs.train(mixed, chunk)[1::2])


def test_stopped_and_gone_on_in_another_company(runs, hundred):
    """Two halts at evaluations, the members regrouped each time."""
    kind, chunk, _ = hundred
    some = runs.members(kind, range(10))
    for until, part in (
        (14, slice(0, 10)),
        (28, slice(4, 10)),
        (28, slice(0, 4)),
        (40, slice(None, None, -1)),
    ):
        runs.train(some[part], chunk, legs=Legs(until, runs.EVERY, keep_losses=True))
    assert_same(runs, hundred, range(10), some)


def test_other_evaluations_train_the_same_network(runs, hundred):
    """How often a member is looked at moves nothing but which state was best."""
    kind, chunk, _ = hundred
    (seldom,) = runs.train(runs.members(kind, [11]), chunk, legs=Legs(runs.STEPS, 13, keep_losses=True))
    assert all(".best" in name for name in runs.differences(hundred[2][11], seldom))


def test_across_kill_9(runs, hundred, killed_folder):
    """Every configuration was killed in the middle of its training and gone on with in a new process."""
    kind, chunk, _ = hundred
    folder = killed_folder / f"{kind}, chunk {chunk}"
    for reference in hundred[2][:9]:
        pointer = json.loads((folder / f"{reference.seed}.json").read_text())
        arrays, _ = load_arrays(folder, pointer["file"])
        expected = runs.snapshot(reference)[0]
        assert arrays.keys() == expected.keys()
        unequal = [key for key, a in expected.items() if a.tobytes() != arrays[key].tobytes()]
        assert unequal == []


@pytest.fixture(scope="module")
def killed_folder(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, runs.__file__, str(folder)]
    first = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 120
        while any(len(list(folder.glob(f"{name}/*.json"))) < 2 for name in runs.CONFIGURATIONS):
            assert first.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
    for name in runs.CONFIGURATIONS:
        steps = [json.loads(p.read_text())["step"] for p in folder.glob(f"{name}/*.json")]
        assert len(steps) < 9 or min(steps) < runs.STEPS, f"{name} was finished already"
    subprocess.run(command, check=True, timeout=120)
    assert (folder / "done.json").exists()
    return folder


def test_a_fold_member_is_the_member_trained_on_those_rows_alone(runs, hundred):
    """The fold leaves out row 0, ends its epochs in a short batch, and lies in a smaller bucket alone."""
    kind, chunk, _ = hundred
    rows = np.flatnonzero(np.arange(150) % 3).astype(np.int32)
    folds, alone = runs.members(kind, range(3)), runs.members(kind, range(3))
    for member in folds:
        member.rows = rows
    company = runs.members(kind, range(3, 8))  # of another fold
    runs.train([*folds, *company], chunk)
    runs.population(chunk, rows=rows).advance(alone, runs.LEGS)
    for i, (fold, one) in enumerate(zip(folds, alone, strict=True)):
        assert runs.differences(fold, one) == []
        assert "losses" in runs.differences(fold, hundred[2][i]), "the fold has its own rows"


def test_arms_of_one_order_seed_share_their_batches(runs):
    """Paired: with equal first weights and recipes only the order tells members apart."""
    recipe = runs.recipe("plain", 1)
    paired = [Member(recipe, seed=1, order_seed=9), Member(recipe, seed=1, order_seed=9)]
    other = Member(recipe, seed=1, order_seed=8)
    own = [Member(recipe, seed=9), Member(recipe, seed=9, order_seed=9)]
    runs.train([*paired, other, *own], 1)
    assert runs.differences(*paired) == []
    assert "losses" in runs.differences(paired[0], other)
    assert runs.differences(*own) == []


def test_wide_networks_on_one_lane_and_two(runs):
    """Where the matrix product itself uses several threads."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (500, 784)).astype(np.uint8), rng.integers(0, 10, 500).astype(np.int32)
    ends = []
    for lanes in (1, 2, 2):
        some = [Member(Recipe((300, 100), batch_size=100), seed=s, horizon=6) for s in range(4)]
        population = Population(Network(784, 10, input_scale=1 / 255), x, y, chunk=1, lanes=lanes)
        population.advance(some if lanes == 1 else some[::-1], Legs(6, 3, keep_losses=True))
        ends.append(some)
    for one, other, again in zip(*ends, strict=True):
        assert runs.differences(one, other) == runs.differences(one, again) == []
