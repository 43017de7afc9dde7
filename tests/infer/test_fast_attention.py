"""The compiled attention over pages against the plain one: grouped heads, odd ends, poisoned pages."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from groundup.infer.fast_attention import attend_pages
from groundup.nn.attention import attend_written_out


@pytest.mark.parametrize("H, G, D, L", [(4, 4, 8, 4), (6, 2, 5, 3), (3, 1, 32, 16), (1, 1, 64, 1)])
def test_each_row_sees_its_own_pages_and_no_more(H, G, D, L):
    rng = np.random.default_rng(1)
    ends = np.array([1, 2 * L, 2 * L + 1, 7])
    blocks = [-(-end // L) for end in ends]
    places = rng.permutation(sum(blocks) + 3)
    keys, values = torch.full((2, len(places), L, G, D), torch.nan)
    tables = np.full((4, max(blocks)), places[0])
    q = torch.randn(4, H, D) * 3
    expected = []
    for b, end in enumerate(ends):
        start = sum(blocks[:b])
        tables[b, : blocks[b]] = places[start : start + blocks[b]]
        k, v = torch.randn(2, end, G, D)
        for s in range(end):
            keys[tables[b, s // L], s % L], values[tables[b, s // L], s % L] = k[s], v[s]
        expected.append(
            attend_written_out(q[b, None, :, None], k.transpose(0, 1)[None], v.transpose(0, 1)[None])
        )
    found = attend_pages(q, keys, values, tables, ends)
    assert_close(found, torch.cat(expected)[:, :, 0], atol=1e-5, rtol=1e-5)


def test_a_row_does_not_depend_on_the_others_to_the_last_bit():
    q, k, v = torch.randn(5, 2, 16), torch.randn(10, 4, 2, 16), torch.randn(10, 4, 2, 16)
    tables = np.arange(10).reshape(5, 2)
    ends = np.array([8, 3, 5, 1, 7])
    together = attend_pages(q, k, v, tables, ends)
    for b in range(5):
        alone = attend_pages(q[b : b + 1], k, v, tables[b : b + 1], ends[b : b + 1])
        assert torch.equal(alone[0], together[b])
    assert not torch.equal(together[0], attend_pages(q[:1], k, v, tables[1:2], ends[:1])[0])
