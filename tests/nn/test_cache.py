"""The cache as the model sees it: what comes back, who may look at what, and what does not fit."""

import pytest
import torch
from torch.testing import assert_close

from groundup.nn.cache import KVCache


def cache(batch=2, capacity=8):
    return KVCache(n_layer=2, batch=batch, n_kv_head=3, head_dim=4, capacity=capacity)


def new(T, batch=2):
    return torch.randn(batch, 3, T, 4), torch.randn(batch, 3, T, 4)


def test_what_was_appended_comes_back_layer_by_layer():
    kept = cache()
    first, second = [new(3), new(3)], [new(2), new(2)]
    for layer in (0, 1):
        kept.append(layer, *first[layer])
    kept.advance(3)
    for layer in (0, 1):
        k, v = kept.append(layer, *second[layer])
        assert_close(k, torch.cat((first[layer][0], second[layer][0]), 2))
        assert_close(v, torch.cat((first[layer][1], second[layer][1]), 2))
    assert kept.positions_BT(2).tolist() == [[3, 4]]
    assert kept.allowed(2) == "causal"


def test_holes_are_never_looked_at_and_take_no_position():
    kept = cache()
    kept.append(0, *new(3))
    kept.advance(3, [3, 1])
    assert kept.positions_BT(2).tolist() == [[3, 4], [1, 2]]
    assert kept.lengths_B.tolist() == [3, 1]
    assert kept.allowed(1).int().tolist() == [[[1, 1, 1, 1]], [[1, 0, 0, 1]]]
    assert kept.allowed(2).int().tolist()[1] == [[1, 0, 0, 1, 0], [1, 0, 0, 1, 1]]


def test_equal_counts_leave_no_holes():
    kept = cache()
    kept.advance(3, [3, 3])
    assert kept.allowed(1) == "causal"
    kept.advance(2, [1, 1])  # equal, but padded: slot 4 is a hole in both rows
    assert kept.allowed(1).int().tolist() == [[[1, 1, 1, 1, 0, 1]]] * 2


def test_select_drops_and_repeats_rows():
    kept = cache()
    k, v = new(3)
    kept.append(1, k, v)
    kept.advance(3, [3, 2])
    chosen = kept.select(torch.tensor([1, 1, 0]))
    assert chosen.lengths_B.tolist() == [2, 2, 3]
    more = new(1, batch=3)
    found, _ = chosen.append(1, *more)
    assert_close(found, torch.cat((k[[1, 1, 0]], more[0]), 2))
    assert chosen.allowed(1)[:, 0].int().tolist() == [[1, 1, 0, 1], [1, 1, 0, 1], [1, 1, 1, 1]]
    assert kept.lengths_B.tolist() == [3, 2] and kept.used == 3  # the old one is as it was


def test_what_does_not_fit_is_refused():
    kept = cache(capacity=4)
    kept.advance(3)
    kept.positions_BT(1)
    with pytest.raises(ValueError, match="2 new tokens after 3 do not fit: the cache holds 4"):
        kept.positions_BT(2)
    with pytest.raises(ValueError, match="Pass 0 to 1 for each row"):
        kept.advance(1, [2, 0])
