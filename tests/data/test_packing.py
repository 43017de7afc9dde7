import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.base.errors import ConfigError, DataError
from groundup.data.batches import IGNORED
from groundup.data.packing import PackedBatches, best_fit

lengths = st.lists(st.integers(2, 12), min_size=1, max_size=40)


def talks(sizes):
    """Conversation c has ids 100c, 100c + 1, ...; every odd position is trained, and so is the last."""
    return [
        ([100 * c + i for i in range(size)], [i % 2 or int(i == size - 1) for i in range(size)])
        for c, size in enumerate(sizes, start=1)
    ]


def rows_of_epoch(batches, epoch):
    """The rows of one epoch as (tokens, targets, segments) lists, found through single-row steps."""
    first = epoch * batches.rows_per_epoch
    return [batches.batch(step) for step in range(first, first + batches.rows_per_epoch)]


@given(sizes=lengths, seed=st.integers(0, 9), epoch=st.integers(0, 2))
def test_each_epoch_holds_every_conversation_once_and_whole(sizes, seed, epoch):
    examples = talks(sizes)
    batches = PackedBatches(examples, batch_tokens=16, context_len=16, seed=seed)
    found = []
    for batch in rows_of_epoch(batches, epoch):
        segments = batch.segments_BT[0]
        for segment in range(1, int(segments.max()) + 1):
            here = segments == segment
            found.append((batch.tokens_BT[0][here].tolist(), batch.targets_BT[0][here].tolist()))
        assert (batch.targets_BT[0][segments == 0] == IGNORED).all()
        places = segments[segments > 0]
        assert (places.diff() >= 0).all() and (segments[len(places) :] == 0).all()  # contiguous, padding last
    expected = [
        (ids[:-1], [token if trained else IGNORED for token, trained in zip(ids[1:], mask[1:], strict=True)])
        for ids, mask in examples
    ]
    assert sorted(found) == sorted(expected)


def test_epochs_differ_in_who_shares_a_row_and_in_order():
    batches = PackedBatches(talks([5] * 12), batch_tokens=16, context_len=16, seed=0)
    epochs = [[tuple(row.tokens_BT[0].tolist()) for row in rows_of_epoch(batches, e)] for e in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert len({frozenset(epoch) for epoch in epochs}) == 3  # not the same rows in another order


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_global_batch_is_the_same_for_every_number_of_ranks(world):
    examples = talks(range(2, 14))
    whole = PackedBatches(examples, batch_tokens=48, context_len=12, seed=1)
    shared = PackedBatches(examples, batch_tokens=48, context_len=12, seed=1, world=world)
    for step in (0, 1, 7):
        rows = torch.cat([shared.batch(step, rank).segments_BT for rank in range(world)])
        assert torch.equal(rows, whole.batch(step).segments_BT)
        tokens = torch.cat([shared.batch(step, rank).tokens_BT for rank in range(world)])
        assert torch.equal(tokens, whole.batch(step).tokens_BT)


def test_a_batch_does_not_depend_on_what_was_asked_before():
    used, fresh = (PackedBatches(talks(range(2, 14)), batch_tokens=24, context_len=12, seed=1) for _ in "ab")
    for step in (90, 3):
        used.batch(step)
    assert torch.equal(used.batch(17).tokens_BT, fresh.batch(17).tokens_BT)
    assert not torch.equal(used.batch(18).tokens_BT, fresh.batch(17).tokens_BT)


def test_what_does_not_fit_is_refused_or_dropped_and_counted():
    examples = talks([5, 9, 4])
    with pytest.raises(DataError, match="conversation 1 needs 8 positions, a row has 7"):
        PackedBatches(examples, batch_tokens=7, context_len=7, seed=0)
    batches = PackedBatches(examples, batch_tokens=7, context_len=7, seed=0, too_long="drop")
    assert (batches.dropped, len(batches.examples)) == (1, 2)
    with pytest.raises(DataError, match="no conversation to train on: 1 given, 1 dropped"):
        PackedBatches(talks([9]), batch_tokens=7, context_len=7, seed=0, too_long="drop")


@pytest.mark.parametrize(
    ("example", "says"),
    [
        (([1, 2, 3], [0, 0]), "conversation 0: 3 ids but 2 mask"),
        (([1, 2, 3], [1, 0, 0]), "has no token to train on"),  # the first token is never a target
        (([1], [1]), "has no token to train on"),
    ],
)
def test_a_conversation_that_cannot_be_trained_on_is_refused(example, says):
    with pytest.raises(DataError, match=says):
        PackedBatches([example], batch_tokens=8, context_len=8, seed=0)


def test_no_conversations_and_rows_that_cannot_be_shared_are_refused():
    with pytest.raises(DataError, match="no conversation to train on: 0 given"):
        PackedBatches([], batch_tokens=8, context_len=8, seed=0)
    with pytest.raises(ConfigError, match="Choose batch_tokens as a multiple of 16"):
        PackedBatches(talks([3]), batch_tokens=8, context_len=8, seed=0, world=2)
    with pytest.raises(ConfigError, match="holds 0 rows"):
        PackedBatches(talks([3]), batch_tokens=7, context_len=8, seed=0)


def test_short_conversations_fill_rows_well():
    sizes = np.random.default_rng(0).integers(10, 90, size=500).tolist()
    batches = PackedBatches(talks(sizes), batch_tokens=256, context_len=256, seed=0)
    assert batches.fill > 0.97
    one_a_row = sum(sizes) / (len(sizes) * 256)
    assert one_a_row < 0.3


@given(sizes=st.lists(st.integers(1, 10), max_size=50))
def test_best_fit_places_each_once_within_capacity(sizes):
    rows = best_fit(sizes, capacity=10)
    assert sorted(index for row in rows for index in row) == list(range(len(sizes)))
    assert all(sum(sizes[index] for index in row) <= 10 for row in rows)


@given(rows=st.lists(st.lists(st.integers(1, 9), max_size=4), min_size=1, max_size=30))
def test_best_fit_decreasing_is_within_its_proven_bound(rows):
    # Rows that are filled to the brim cannot be packed into fewer, so the optimum is known.
    full = [[*parts, 40 - sum(parts)] for parts in rows]
    lengths = sorted((length for row in full for length in row), reverse=True)
    assert len(full) <= len(best_fit(lengths, capacity=40)) <= 11 / 9 * len(full) + 6 / 9
