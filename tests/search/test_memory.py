"""A search whose device is too small: chunks are halved, that is written down, and it goes on from there."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.engine.population import Population
from goodfit.engine.runner import Runner
from goodfit.network import Network
from goodfit.search.budget import Budget
from goodfit.search.plan import Settings
from goodfit.search.recipes import recipe_space
from goodfit.search.search import Search
from goodfit.search.space import Space, choice
from goodfit.search.story import HALVED, JOURNAL, read_story
from goodfit.search.study import Study
from goodfit.store.journal import Journal

SPACE = recipe_space(Space({"hidden": choice((16,), (80,)), "batch_size": 32}))


def search(folder, **told):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int32)
    holdout = (x[200:], y[200:], np.ones((1, 100)))
    population = Population(Network(6, 2), x[:200], y[:200], holdout=holdout, lanes=1)
    return Search(
        population, SPACE, Settings(Budget(members=24), 0, 60), Study(folder, Network(6, 2)), **told
    )


def table(trials):
    return [(t.number, t.seed, t.error, t.loss, t.step, t.result) for t in trials]


@pytest.fixture
def room(monkeypatch):
    """How many members a chunk fit, as in ``room["places"]``."""
    found = {"places": 2}
    call = Runner._call

    def tight(self, ends, blocks):
        if self.chunk > found["places"]:
            raise MemoryError("RESOURCE_EXHAUSTED")
        call(self, ends, blocks)

    monkeypatch.setattr(Runner, "_call", tight)
    return found


def test_halving_is_written_down_and_told(tmp_path, room):
    notes = []
    trials = search(tmp_path, tell=lambda kind, data: notes.append(data) if kind == "note" else None).run()
    halved = [r["most"] for r in Journal(tmp_path / JOURNAL).records() if r["kind"] == HALVED]
    assert halved == [4, 2]
    assert [note["text"] for note in notes] == [
        f"Memory ran out: from now on one call trains {most} networks at most." for most in halved
    ]
    assert len(trials) == 24
    assert len(read_story(tmp_path).trials) == 24


def test_a_halved_search_goes_on_halved(tmp_path, room):
    whole = table(search(tmp_path).run())
    journal = tmp_path / JOURNAL
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:4]))
    room["places"] = 8  # in a machine with more memory, too: bits follow from the chunk
    again = search(tmp_path)
    assert again.population.plan(again.planner._first()).chunk <= 2
    assert table(again.run()) == whole


def test_a_network_too_large_is_set_aside_and_the_others_finish(tmp_path, monkeypatch):
    call = Runner._call

    def tight(self, ends, blocks):
        if self.members[0].recipe.hidden == (80,):
            raise MemoryError("RESOURCE_EXHAUSTED")
        call(self, ends, blocks)

    monkeypatch.setattr(Runner, "_call", tight)
    trials = search(tmp_path).run()
    assert {t.result for t in trials if t.recipe.hidden == (80,)} == {"set aside: out of memory"}
    assert any(np.isfinite(t.error) for t in trials if t.recipe.hidden == (16,))
