import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import ConfigError, DataError
from groundup.data.batches import IGNORED
from groundup.data.bucketing import BucketBatches, cut

lengths = st.lists(st.integers(2, 12), min_size=1, max_size=40)


def talks(sizes):
    """Conversation c has ids 100c, 100c + 1, ...; all but the first are trained."""
    return [([100 * c + i for i in range(size)], [1] * size) for c, size in enumerate(sizes, start=1)]


@settings(max_examples=50)
@given(sizes=lengths, seed=st.integers(0, 9), epoch=st.integers(0, 2))
def test_each_epoch_holds_every_conversation_once_within_the_budget(sizes, seed, epoch):
    batches = BucketBatches(talks(sizes), batch_tokens=30, seed=seed)
    first = epoch * batches.batches_per_epoch
    found = []
    for step in range(first, first + batches.batches_per_epoch):
        batch = batches.batch(step)
        assert batch.tokens_BT.numel() <= 30 and batch.segments_BT is None
        for tokens, targets in zip(batch.tokens_BT, batch.targets_BT, strict=True):
            trained = targets != IGNORED
            n = int(trained.sum())
            assert trained[:n].all()  # padding only on the right, where a causal model cannot see it
            found.append([*tokens[:n].tolist(), int(targets[n - 1])])
    assert sorted(found) == sorted(ids for ids, _ in talks(sizes))


def test_epochs_differ_in_batches_and_order():
    batches = BucketBatches(talks([5] * 12), batch_tokens=12, seed=0)
    n = batches.batches_per_epoch
    epochs = [[frozenset(batches.conversations(e * n + i)) for i in range(n)] for e in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert len({frozenset(epoch) for epoch in epochs}) == 3


@pytest.mark.parametrize("world", [2, 3, 5])
def test_ranks_together_see_the_global_batch(world):
    examples = talks([3, 3, 3, 4, 4, 9, 9, 12])
    whole = BucketBatches(examples, batch_tokens=24, seed=1)
    shared = BucketBatches(examples, batch_tokens=24, seed=1, world=world)
    for step in range(6):
        alone = sorted(row.tolist() for row in whole.batch(step).targets_BT)
        rows = [row.tolist() for rank in range(world) for row in shared.batch(step, rank).targets_BT]
        assert sorted(row for row in rows if any(t != IGNORED for t in row)) == alone


def test_a_batch_does_not_depend_on_what_was_asked_before():
    used, fresh = (BucketBatches(talks(range(2, 14)), batch_tokens=24, seed=1) for _ in "ab")
    used.batch(90)
    assert torch.equal(used.batch(17).tokens_BT, fresh.batch(17).tokens_BT)
    orders = [
        [BucketBatches(talks([5] * 9), batch_tokens=8, seed=s).conversations(i) for i in range(5)]
        for s in (1, 2)
    ]
    assert orders[0] != orders[1]


def test_like_lengths_waste_less_than_any_lengths():
    sizes = [4, 40] * 50
    sorted_fill = BucketBatches(talks(sizes), batch_tokens=200, seed=0).fill
    mixed_fill = sum(size - 1 for size in sizes) / (100 * 39)
    assert sorted_fill > 0.95 > 0.6 > mixed_fill


def test_what_does_not_fit_is_refused_or_dropped_and_counted():
    with pytest.raises(DataError, match="conversation 1 needs 8 positions"):
        BucketBatches(talks([5, 9]), batch_tokens=7, seed=0)
    assert BucketBatches(talks([5, 9]), batch_tokens=7, seed=0, too_long="drop").dropped == 1
    with pytest.raises(ConfigError, match="at least 1"):
        BucketBatches(talks([5]), batch_tokens=0, seed=0)
    with pytest.raises(ValueError, match="rank=2 of 1"):
        BucketBatches(talks([5]), batch_tokens=9, seed=0).batch(0, rank=2)


@given(sizes=st.lists(st.integers(1, 9), max_size=40))
def test_cuts_join_up(sizes):
    falling = sorted(sizes, reverse=True)
    cuts = cut(falling, batch_tokens=9)
    assert [place for each in cuts for place in each] == list(range(len(falling)))
    assert all(len(each) * falling[each.start] <= 9 for each in cuts)
