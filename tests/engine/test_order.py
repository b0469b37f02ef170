"""Batch order: epochs of permutations, a pure function of order seed and epoch."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from goodfit.engine.order import STEPS, BatchOrder

rows_of = st.lists(st.integers(0, 10_000), min_size=1, max_size=200, unique=True).map(np.array)
sizes, seeds = st.integers(1, 64), st.integers(0, 2**64 - 1)


@given(rows_of, sizes, seeds, st.integers(0, 5))
def test_every_epoch_is_a_permutation_in_full_batches_but_the_last(rows, size, seed, epoch):
    order = BatchOrder(rows, size, seed)
    n = order.steps_per_epoch
    assert n == -(-len(rows) // size)
    blocks = [order.block(epoch * n + done, min(STEPS, n - done)) for done in range(0, n, STEPS)]
    batches = np.concatenate(blocks)[:n] if n <= STEPS else np.concatenate([b[:STEPS] for b in blocks])[:n]
    real = batches[batches >= 0]
    assert sorted(real) == sorted(rows)
    assert (batches[:-1] >= 0).all()
    short = batches[-1]
    assert (np.diff((short >= 0).astype(int)) <= 0).all(), "padding comes last"


@given(rows_of, sizes, seeds, st.integers(0, 40), st.lists(st.integers(1, STEPS), min_size=1, max_size=4))
def test_a_block_is_the_same_whenever_it_is_asked_for(rows, size, seed, first, cuts):
    """However a stretch is cut into calls, and whatever was asked before, the rows are the same."""
    one = BatchOrder(rows, size, seed)
    fresh = [BatchOrder(rows, size, seed).block(first + i, 1)[0] for i in range(min(sum(cuts), 30))]
    got, step = [], first
    for cut in cuts:
        block = one.block(step, cut)
        assert block.shape == (STEPS, size)
        assert block.dtype == np.int32
        assert (block[cut:] == -1).all()
        got.append(block[:cut])
        step += cut
    np.testing.assert_array_equal(np.concatenate(got)[: len(fresh)], fresh)


@given(st.integers(2, 200), sizes, seeds)
def test_a_fold_permutes_positions(n, size, seed):
    """The batches of a subset are those of its rows numbered 0 … n−1, looked up."""
    rows = np.sort(np.random.default_rng(n).choice(1000, n, replace=False))
    fold, alone = BatchOrder(rows, size, seed).block(0, 3), BatchOrder(np.arange(n), size, seed).block(0, 3)
    np.testing.assert_array_equal(fold, np.where(alone >= 0, rows[np.maximum(alone, 0)], -1))


def test_equal_order_seeds_share_and_others_do_not():
    rows = np.arange(100)
    blocks = [BatchOrder(rows, 10, seed).block(0, 20) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(blocks[0], blocks[1])
    assert not np.array_equal(blocks[0], blocks[2])
    assert not np.array_equal(blocks[0][:10], blocks[0][10:20]), "a fresh permutation every epoch"


def test_every_position_is_equally_likely():
    first = [BatchOrder(np.arange(5), 1, seed).block(0, 1)[0, 0] for seed in range(2000)]
    assert np.abs(np.bincount(first) - 400).max() < 4.5 * np.sqrt(400 * 0.8)


@given(st.integers(1, 200), sizes, seeds)
def test_with_replacement_every_batch_is_full_and_of_all_rows(n, size, seed):
    rows = np.sort(np.random.default_rng(n).choice(1000, n, replace=False))
    order = BatchOrder(rows, size, seed, replacement=True)
    block = order.block(0, 20)
    assert (block[:20] >= 0).all()
    assert np.isin(block[:20], rows).all()
    np.testing.assert_array_equal(block, BatchOrder(rows, size, seed, replacement=True).block(0, 20))


def test_with_replacement_a_batch_repeats_rows_as_often_as_chance_has_it():
    """The expected share of distinct rows in a batch of n drawn from n is 1 − 1/e."""
    n = 400
    batches = BatchOrder(np.arange(n), n, 3, replacement=True).block(0, 50)[:50]
    shares = [len(np.unique(batch)) / n for batch in batches]
    assert abs(np.mean(shares) - (1 - np.exp(-1))) < 0.01
