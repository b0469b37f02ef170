"""The search: what it compiles, that it repeats, that it goes on after a kill, that it finds what is good."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from goodfit.engine.population import Legs, Member, Population
from goodfit.engine.program import compilations, use_cache
from goodfit.network import Network
from goodfit.search.budget import Budget
from goodfit.search.effects import contributions
from goodfit.search.folds import make_folds
from goodfit.search.plan import ENOUGH, Extension, Settings
from goodfit.search.recipes import default_optimizers, recipe_space
from goodfit.search.sampler import Zoom
from goodfit.search.search import Search
from goodfit.search.space import Space, choice, log_uniform, uniform
from goodfit.search.story import read_story
from goodfit.search.study import Study

FOUR = recipe_space(
    Space(
        {
            "hidden": choice((16,), (80,)),
            "optimizer": default_optimizers("AdamW"),
            "batch_norm": choice(False, True),
            "label_smoothing": uniform(0.0, 0.1),
            "batch_size": 32,
        }
    )
)


def problem(rows=400, seed=0, lanes=None, task="classification"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows + 150, 6)).astype(np.float32)
    score = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2])
    y = (score > 0).astype(np.int32)
    holdout = (x[rows:], y[rows:], np.ones((1, 150)))
    return Population(Network(6, 2), x[:rows], y[:rows], holdout=holdout, lanes=lanes)


def search(population, budget, *, space=FOUR, seed=0, folder=None, full_run=60, **told):
    use_cache()
    settings = Settings(budget, seed, full_run)
    return Search(population, space, settings, Study(folder, population.network), **told)


def table(trials):
    return [
        (t.number, t.structure, sorted(t.point.items()), t.seed, t.error, t.loss, t.step, t.keys)
        for t in trials
    ]


def test_a_search_compiles_a_program_a_structure_and_a_second_one_none():
    before = compilations()
    first = search(problem(), Budget(members=64)).run()
    assert len(first) == 64
    assert len({t.structure for t in first}) == 4
    assert compilations() - before <= 4
    before = compilations()
    second = search(problem(rows=420, seed=1), Budget(members=64), seed=5).run()
    assert compilations() == before
    assert table(first) != table(second)


def test_lanes_decide_nothing_but_time():
    tables = [table(search(problem(lanes=n), Budget(members=40)).run()) for n in (1, 2)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_order_of_members_decides_nothing(lanes):
    expected = table(search(problem(lanes=1), Budget(members=40)).run())
    run, rng = search(problem(lanes=lanes), Budget(members=40)), np.random.default_rng(lanes)
    advance = run.population.advance

    def shuffled(members, legs, **more):
        order = rng.permutation(len(members))
        advance([members[i] for i in order], [legs[i] for i in order], **more)

    run.population.advance = shuffled
    assert table(run.run()) == expected


def test_step_budgets_are_kept():
    trials = search(problem(), Budget(steps=3000)).run()
    assert 0.5 * 3000 <= sum(t.step for t in trials) <= 1.3 * 3000


def test_survivors_go_on_and_losers_rest():
    trials = search(problem(), Budget(members=16)).run()
    assert {t.step for t in trials} == {7, 20, 60}
    rested = [t.keys[0] for t in trials if t.step == 7]
    went_on = [t.keys[0] for t in trials if t.step > 7]
    assert max(went_on) <= min(rested)
    assert len(went_on) == round(16 / 3)


def test_a_new_round_starts_beside_the_survivors_of_the_last():
    run = search(problem(), Budget(members=200))
    waves, train = [], run._train
    run._train = lambda tasks: waves.append([(t.round, until) for t, until in tasks]) or train(tasks)
    run.run()
    assert {round for round, _ in waves[1]} == {0, 1}
    assert {until for _, until in waves[2]} == {7, 20, 60}


def test_diverged_members_are_named_and_ranked_last():
    wild = Space(
        {"hidden": (16,), "optimizer": choice({"AdamW": {"lr": log_uniform(1e-3, 1e38)}}), "batch_size": 32}
    )
    run = search(problem(), Budget(members=24), space=wild)
    trials = run.run()
    wrecks = [t for t in trials if t.diverged]
    assert wrecks
    assert all("diverged at step" in t.result for t in wrecks)
    assert not any(t.complete for t in wrecks)
    assert not run.ranked()[0].diverged


def test_folds_are_members_of_one_population():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 6)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    population = Population(Network(6, 2), x, y, holdout=(x, y, np.ones((1, 500))))
    folds = make_folds(4, y)
    run = search(population, Budget(members=80), folds=folds)
    trials = run.run()
    assert len(trials) == 20
    best = run.ranked()[0]
    assert best.error == pytest.approx(float(run.costs(best).mean()), rel=1e-5)
    alone = [
        Population(Network(6, 2), x[f.train], y[f.train], holdout=(x[f.valid], y[f.valid], np.ones((1, 125))))
        for f in folds
    ]
    for fold, one in zip(
        folds, alone, strict=True
    ):  # a fold's network is the one trained on those rows alone
        member = Member(best.recipe, best.seed, horizon=best.horizon)
        one.advance([member], Legs(best.horizon, 2))
        np.testing.assert_array_equal(member.costs, run.costs(best)[fold.valid])


def test_costs_by_row_are_those_of_the_best_state():
    run = search(problem(), Budget(members=16))
    for trial in run.run():
        assert run.costs(trial).shape == (150,)
        assert trial.error == pytest.approx(float(run.costs(trial).mean()), abs=1e-6)


def test_an_interrupt_ends_the_search_with_what_it_has():
    asked = []
    run = search(problem(), Budget(members=500), interrupted=lambda: bool(asked), full_run=300)
    run._tell = lambda kind, data: asked.append(kind) if kind == "progress" and len(run.trials) > 3 else None
    trials = run.run()
    assert 0 < len(trials) < 500
    assert any(np.isfinite(t.error) for t in trials)


def test_the_time_before_an_interrupt_counts(tmp_path):
    expected = table(search(problem(), Budget(members=60), full_run=300).run())
    asked = []

    def tell(kind, data):
        if kind == "progress" and not asked:  # within the first wave, of which nothing is written
            time.sleep(1.0)
            asked.append(kind)

    told = {"folder": tmp_path, "full_run": 300}
    run = search(problem(), Budget(members=60), interrupted=lambda: bool(asked), tell=tell, **told)
    run.run()
    spent = run.elapsed()
    assert spent > 1.0
    assert read_story(tmp_path).seconds == pytest.approx(spent, abs=0.5)
    assert not read_story(tmp_path).ended
    again = search(problem(), Budget(members=60), **told)
    assert again.elapsed() == pytest.approx(spent, abs=0.5)
    assert table(again.run()) == expected
    assert read_story(tmp_path).ended
    replayed = search(problem(), Budget(members=60), **told)
    replayed.population.advance = None
    assert table(replayed.run()) == expected


def test_a_study_on_disk_gives_the_table_of_one_in_memory(tmp_path):
    in_memory = table(search(problem(), Budget(members=40)).run())
    on_disk = search(problem(), Budget(members=40), folder=tmp_path).run()
    assert table(on_disk) == in_memory
    replayed = search(problem(), Budget(members=40), folder=tmp_path)
    replayed.population.advance = None  # a replay trains nothing
    trials = replayed.run()
    assert table(trials) == in_memory
    assert replayed.costs(trials[3]).mean() == pytest.approx(trials[3].error, abs=1e-6)


def extended(space, folder=None, **told):
    more = (Extension(Budget(members=24), space, 90), Extension(Budget(members=8)))
    settings = Settings(Budget(members=16), 0, 60, extensions=more)
    population = problem()
    return Search(population, FOUR, settings, Study(folder, population.network), **told)


def test_an_extension_may_search_another_space(tmp_path):
    use_cache()
    other = FOUR.replace("hidden", choice((80,), (40,))).replace("label_smoothing", uniform(0.0, 0.3))
    run = extended(other, tmp_path)
    trials = run.run()
    assert [t.space is FOUR for t in trials] == [True] * 16 + [False] * 32
    assert {t.recipe.hidden for t in trials[16:]} == {(80,), (40,)}
    assert {t.horizon for t in trials[16:] if not t.harvest} == {90}
    again = table(extended(other).run())
    assert table(trials) == again
    journal = tmp_path / "journal-search.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in range(0, len(lines), 4):  # killed after a decision or a wave
        journal.write_bytes(b"".join(lines[:kept]))
        assert table(extended(other, tmp_path).run()) == again


def test_what_was_learned_of_the_old_space_narrows_the_new_one():
    other = FOUR.replace("label_smoothing", uniform(0.0, 0.3))
    run = extended(other)
    trials = run.run()[:16]
    sampler = Zoom(other)
    moves = sampler.observe(trials)
    expected = Zoom(FOUR)
    assert [m.path for m in moves] == [m.path for m in expected.observe(trials)]


def test_a_search_ends_early_where_rounds_gain_no_more_than_noise():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(500, 6)).astype(np.float32), rng.integers(2, size=500).astype(np.int32)
    population = Population(Network(6, 2), x[:300], y[:300], holdout=(x[300:], y[300:], np.ones((1, 200))))
    run = search(population, Budget(members=1000), full_run=30)
    trials = run.run()
    assert run.settled
    assert len(trials) < 600
    assert sum(t.complete for t in trials) >= ENOUGH


KILLED = """
import sys; from pathlib import Path
sys.path.insert(0, {tests!r})
from test_search import *
trials = search(problem(), Budget(members=60), folder=Path({folder!r}), full_run=400).run()
print(repr(table(trials)))
"""


def test_a_killed_study_ends_with_the_same_table(tmp_path):
    expected = repr(table(search(problem(), Budget(members=60), full_run=400).run()))
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    kills = 0
    for delay in (0.15, 0.4, 0.2, 0.6):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        journal = tmp_path / "journal-search.jsonl"
        written = journal.stat().st_size if journal.exists() else 0
        while process.poll() is None and (journal.stat().st_size if journal.exists() else 0) <= written:
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 1
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_contributions_find_what_helps():
    trials = search(problem(), Budget(members=64), full_run=200).run()
    found = contributions(trials, lambda t: 1 - t.at_first_stop(True)[0])
    assert {f["technique"] for f in found} <= {"hidden", "batch norm"}
    for one in found:
        assert one["low"] <= one["difference"] <= one["high"]


@pytest.mark.parametrize("seconds", [6.0])
def test_a_time_budget_is_kept(seconds):
    began = time.time()
    trials = search(problem(), Budget(seconds=seconds), started=began).run()
    assert time.time() - began < seconds + 3.0  # one compilation at most may be under way
    assert any(t.complete for t in trials)
