import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import ConfigError, DataError
from groundup.data.batches import IGNORED, Batch, WindowBatches, windows_in_order


def counting(n: int, **settings) -> WindowBatches:
    """Batches over 0, 1, 2, ...: a token says where in the stream it stood."""
    defaults = {"context_len": 4, "batch_size": 3, "seed": 0}
    return WindowBatches(np.arange(n, dtype=np.uint16), **{**defaults, **settings})


def test_targets_are_the_tokens_that_follow():
    batch = counting(100).batch(step=5)
    assert batch.tokens_BT.dtype == batch.targets_BT.dtype == torch.int64
    assert batch.tokens_BT.shape == batch.targets_BT.shape == (3, 4)
    assert torch.equal(batch.targets_BT, batch.tokens_BT + 1)
    assert batch.segments_BT is None


@settings(max_examples=40)
@given(
    n=st.integers(20, 150),
    context_len=st.integers(1, 9),
    batch_size=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_each_epoch_shows_every_window_once(n, context_len, batch_size, seed):
    batches = counting(n, context_len=context_len, batch_size=batch_size, seed=seed)
    per_epoch, epochs = batches.windows_per_epoch, 3
    steps = -(-per_epoch * epochs // batch_size)
    starts = np.concatenate([batches.starts(step) for step in range(steps)])[: per_epoch * epochs]
    for epoch in starts.reshape(epochs, per_epoch):
        ordered = np.sort(epoch)
        assert (np.diff(ordered) == context_len).all()  # no window twice, none left out, none overlapping
        assert 0 <= ordered[0] < context_len
        assert ordered[-1] + context_len < n
    missed = n - 1 - per_epoch * context_len
    assert missed < 2 * context_len


def test_epochs_differ_in_order_and_in_phase():
    batches = counting(1000, batch_size=1)
    per_epoch = batches.windows_per_epoch
    epochs = [[int(batches.starts(e * per_epoch + i)[0]) for i in range(per_epoch)] for e in range(6)]
    assert len({tuple(epoch) for epoch in epochs}) == 6
    assert len({min(epoch) for epoch in epochs}) > 1  # windows do not always begin at the same tokens


@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_the_global_batch_is_the_same_for_every_number_of_ranks(world):
    whole = counting(200, batch_size=6)
    shared = counting(200, batch_size=6, world=world)
    for step in (0, 3, 50):
        rows = torch.cat([shared.batch(step, rank).tokens_BT for rank in range(world)])
        assert torch.equal(rows, whole.batch(step).tokens_BT)
    assert not torch.equal(whole.batch(0).tokens_BT, whole.batch(1).tokens_BT)


def test_a_batch_does_not_depend_on_what_was_asked_before():
    used, fresh = counting(500), counting(500)
    for step in (9, 2, 300):
        used.batch(step)
    assert torch.equal(used.batch(41).tokens_BT, fresh.batch(41).tokens_BT)
    assert not torch.equal(counting(500, seed=1).batch(41).tokens_BT, fresh.batch(41).tokens_BT)


def test_a_corpus_of_exactly_one_window_is_enough_and_one_less_is_not():
    assert counting(5, batch_size=2).batch(0).tokens_BT.tolist() == [[0, 1, 2, 3], [0, 1, 2, 3]]
    with pytest.raises(DataError, match=r"has 4 tokens, but one window needs context_len \+ 1 = 5"):
        counting(4)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"world": 2}, "cannot be shared equally by world=2 ranks. Choose a multiple of 2, for example 4"),
        ({"batch_size": 0}, "batch_size=0 is not a positive number"),
        ({"context_len": -1}, "context_len=-1 is not a positive number"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(setting, says):
    with pytest.raises(ConfigError, match=says):
        counting(100, **setting)


def test_a_rank_or_step_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="rank=1 of 1"):
        counting(100).batch(0, rank=1)
    with pytest.raises(ValueError, match="steps start at 0"):
        counting(100).batch(-1)


@given(n=st.integers(2, 60), context_len=st.integers(1, 7), batch_size=st.integers(1, 4))
def test_windows_in_order_predict_every_token_once(n, context_len, batch_size):
    batches = list(windows_in_order(np.arange(n), context_len=context_len, batch_size=batch_size))
    targets = torch.cat([batch.targets_BT.flatten() for batch in batches])
    assert targets[targets != IGNORED].tolist() == list(range(1, n))
    for batch in batches:
        here = batch.targets_BT != IGNORED
        assert torch.equal(batch.targets_BT[here], batch.tokens_BT[here] + 1)


def test_one_token_cannot_be_scored():
    with pytest.raises(DataError, match="nothing to predict"):
        next(windows_in_order(np.arange(1), context_len=4, batch_size=1))


def test_a_batch_moves_with_its_segments():
    batch = Batch(*(torch.ones(1, 2, dtype=torch.long) for _ in range(3))).to("meta")
    assert {t.device.type for t in (batch.tokens_BT, batch.targets_BT, batch.segments_BT)} == {"meta"}
    assert Batch(batch.tokens_BT, batch.targets_BT).to("meta").segments_BT is None


def test_a_batch_costs_little_beside_a_training_step():
    batches = counting(60_000, context_len=256, batch_size=16)
    batches.batch(0)
    seconds = []
    for step in range(1, 31):
        start = time.perf_counter()
        batches.batch(step)
        seconds.append(time.perf_counter() - start)
    assert (
        min(seconds) < 0.002
    )  # about 0.2 ms where it was written; a step of the smallest preset takes 80 ms
