import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.base.errors import ConfigError, DataError
from groundup.data.batches import WindowBatches
from groundup.data.replay import ReplayBatches

NEW, OLD = np.arange(1000, 2000), np.arange(500)


def made(share=0.25, batch_size=8, **changes) -> ReplayBatches:
    return ReplayBatches(
        NEW, OLD, **{"share": share, "context_len": 9, "batch_size": batch_size, "seed": 3, **changes}
    )


def test_the_next_id_is_the_target_in_either_text():
    batch = made().batch(5)
    assert batch.tokens_BT.shape == (8, 9)
    assert torch.equal(batch.targets_BT, batch.tokens_BT + 1)


@given(st.floats(0, 0.95), st.integers(1, 16))
def test_the_share_is_kept_at_every_moment(share, batch_size):
    batches = made(share, batch_size)
    old = [is_old for step in range(40) for is_old, _ in batches.sources(step)]
    for k in range(1, len(old) + 1):
        assert abs(sum(old[:k]) - k * share) < 1 + 1e-9
    assert sum(old) == int(len(old) * share)


@given(st.floats(0.01, 0.95))
def test_no_sample_of_either_text_is_left_out_or_taken_twice(share):
    pairs = [pair for step in range(60) for pair in made(share).sources(step)]
    for kind in (True, False):
        numbers = [number for is_old, number in pairs if is_old is kind]
        assert numbers == list(range(len(numbers)))


def test_without_replay_it_is_the_new_text_alone_and_in_its_own_order():
    batches = made(0.0)
    alone = WindowBatches(NEW, context_len=9, batch_size=8, seed=batches._new.seed)
    for step in (0, 7, 40):  # the last one lies in a later epoch
        assert torch.equal(batches.batch(step).tokens_BT, alone.batch(step).tokens_BT)
    assert not torch.equal(made(0.25).batch(7).tokens_BT, alone.batch(7).tokens_BT)


def test_a_batch_is_a_function_of_its_step_and_seed():
    once, again = made(), made()
    later = once.batch(9).tokens_BT
    once.batch(2)
    assert torch.equal(later, again.batch(9).tokens_BT) and torch.equal(later, once.batch(9).tokens_BT)
    assert not torch.equal(later, made(seed=4).batch(9).tokens_BT)
    assert not torch.equal(later, once.batch(10).tokens_BT)


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_take_slices_of_one_global_batch(world):
    whole, parts = made(), made(world=world)
    for step in (0, 11):
        joined = torch.cat([parts.batch(step, rank).tokens_BT for rank in range(world)])
        assert torch.equal(joined, whole.batch(step).tokens_BT)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"replay=1\.0 is not a share"):
        made(1.0)
    with pytest.raises(ConfigError, match="cannot be shared equally by world=3"):
        made(world=3)
    with pytest.raises(DataError, match="one window needs"):
        ReplayBatches(NEW, OLD[:5], share=0.1, context_len=9, batch_size=2, seed=0)
