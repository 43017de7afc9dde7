"""Four ways to the same numbers, and what they hold in memory on the way."""

import pytest
import torch
from torch.testing import assert_close

from groundup.nn.attention import attend, attend_written_out
from groundup.nn.attention_road import attend_head_by_head, attend_in_blocks
from groundup.train.memory import Allocations

SIZES = [(1, 1), (7, 7), (64, 64), (65, 65), (1, 50), (5, 77), (33, 100)]


def qkv(T, S, *, H=4, G=2, D=8, scale=1.0):
    return scale * torch.randn(2, H, T, D), scale * torch.randn(2, G, S, D), torch.randn(2, G, S, D)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("T, S", SIZES)
def test_every_way_gives_the_same(T, S, causal):
    q, k, v = qkv(T, S)
    expected = attend(q, k, v, "causal" if causal else None)
    assert_close(attend_written_out(q, k, v, "causal" if causal else None), expected, rtol=1e-5, atol=1e-5)
    assert_close(attend_head_by_head(q, k, v, causal=causal), expected, rtol=1e-5, atol=1e-5)
    for block in (1, 5, 64, 1000):
        found = attend_in_blocks(q, k, v, causal=causal, block=block)
        assert_close(found, expected, rtol=1e-5, atol=1e-5)
    if S > 1 and T > 1:
        other = attend(q, k, v, None if causal else "causal")
        assert not torch.allclose(expected, other, atol=1e-3)  # the mask matters


def test_scores_that_overflow_by_themselves_do_not():
    q, k, v = qkv(40, 40, scale=40.0)
    assert (q @ k.repeat_interleave(2, 1).mT).max() > 100  # exp of it is beyond float32
    found = attend_in_blocks(q, k, v, causal=True, block=8)
    assert torch.isfinite(found).all()
    assert_close(found, attend(q.double(), k.double(), v.double(), "causal").float(), rtol=1e-4, atol=1e-4)


def peak(way, T):
    q, k, v = qkv(T, T, H=2)
    with Allocations() as seen, torch.no_grad():
        way(q, k, v)
    return seen.peak


def test_only_the_ways_that_write_the_square_grow_with_it():
    written = [peak(lambda q, k, v: attend_written_out(q, k, v, "causal"), T) for T in (256, 512)]
    heads = [peak(lambda q, k, v: attend_head_by_head(q, k, v, causal=True), T) for T in (256, 512)]
    blocks = [peak(lambda q, k, v: attend_in_blocks(q, k, v, causal=True, block=32), T) for T in (256, 512)]
    fused = [peak(lambda q, k, v: attend(q, k, v, "causal"), T) for T in (256, 512)]
    for small, large in (written, heads):
        assert 3.5 < large / small < 4.5
    for small, large in (blocks, fused):
        assert large / small < 2.2
    assert heads[1] < 0.6 * written[1] and blocks[1] < 0.1 * written[1]


def test_what_lies_wholly_in_the_future_is_not_computed():
    q, k, v = qkv(64, 64)
    v[:, :, 33:] = torch.nan  # nan times nothing would be nan
    found = attend_in_blocks(q[:, :, :32], k[:, :, :32], v[:, :, :32], causal=True, block=32)
    assert_close(attend_in_blocks(q, k, v, causal=True, block=32)[:, :, :32], found)
    assert attend_in_blocks(q, k, v, causal=False, block=32)[:, :, :32].isnan().all()


def test_what_cannot_be_is_refused():
    q, k, v = qkv(5, 3)
    with pytest.raises(ValueError, match="5 queries but only 3 keys"):
        attend_in_blocks(q, k, v, causal=True)
    with pytest.raises(ValueError, match="block=0 holds nothing"):
        attend_in_blocks(q, k, v, causal=False, block=0)
