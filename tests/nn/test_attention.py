"""Attention: the fused call and the written-out one against sums over single numbers; who may see whom."""

import math

import pytest
import torch
from torch.testing import assert_close

from groundup.nn.attention import SelfAttention, attend, attend_written_out, causal_mask, segment_mask

BOTH = pytest.mark.parametrize("attend", [attend, attend_written_out])


def qkv(T, S, H=4, G=2, D=6):
    return torch.randn(2, H, T, D), torch.randn(2, G, S, D), torch.randn(2, G, S, D)


def one_number_at_a_time(q, k, v, allowed):
    """Equation 1 of the paper in float64, head by head and query by query."""
    B, H, T, D = q.shape
    q, k, v = q.double(), k.double(), v.double()
    y = torch.zeros(B, H, T, D, dtype=torch.float64)
    for b in range(B):
        for h in range(H):
            g = h // (H // k.size(1))
            for t in range(T):
                keys = [s for s in range(k.size(2)) if allowed[b, t, s]]
                weights = [math.exp(float(q[b, h, t] @ k[b, g, s]) / math.sqrt(D)) for s in keys]
                y[b, h, t] = sum(w * v[b, g, s] for w, s in zip(weights, keys, strict=True)) / sum(weights)
    return y.float()


@BOTH
@pytest.mark.parametrize("T, S", [(5, 5), (2, 5), (1, 5)])
def test_causal_equals_the_sum(attend, T, S):
    q, k, v = qkv(T, S)
    expected = one_number_at_a_time(q, k, v, causal_mask(T, S).expand(2, T, S))
    assert_close(attend(q, k, v, "causal"), expected)
    assert_close(attend(q, k, v, causal_mask(T, S)), expected)
    if T > 1:
        assert not torch.allclose(attend(q, k, v), expected)


@BOTH
def test_masks_of_each_row_and_no_mask_equal_the_sum(attend):
    q, k, v = qkv(3, 4)
    allowed = torch.rand(2, 3, 4) < 0.5
    allowed[..., 1] = True  # no query without a key
    assert_close(attend(q, k, v, allowed), one_number_at_a_time(q, k, v, allowed))
    assert_close(attend(q, k, v), one_number_at_a_time(q, k, v, torch.ones(2, 3, 4, dtype=torch.bool)))


@BOTH
def test_the_future_cannot_change_the_past(attend):
    q, k, v = qkv(6, 6)
    before = attend(q, k, v, "causal")
    k[:, :, 4:] += 100
    after = attend(q, k, v, "causal")
    assert_close(after[:, :, :4], before[:, :, :4])
    assert not torch.allclose(after[:, :, 4:], before[:, :, 4:])


def test_the_gradients_agree():
    inputs = [x.requires_grad_() for x in qkv(5, 5)]
    found = torch.autograd.grad(attend(*inputs, "causal").pow(3).sum(), inputs)
    expected = torch.autograd.grad(attend_written_out(*inputs, "causal").pow(3).sum(), inputs)
    assert_close(found, expected)


def test_segment_mask_is_causal_within_runs():
    allowed = segment_mask(torch.tensor([[0, 0, 1, 1]]))[0].int().tolist()
    assert allowed == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="3 queries but only 2 keys"):
        causal_mask(3, 2)
    with pytest.raises(ValueError, match="'cuasal' is unknown"):
        attend(*qkv(2, 2), "cuasal")


def layer(n_kv_head=2, qk_norm=True, bias=False, dropout=0.0):
    return SelfAttention(
        8, 4, n_kv_head, 6, bias=bias, qkv_bias=bias, qk_norm=qk_norm, norm_eps=1e-6, dropout=dropout
    )


def test_dropout_acts_in_training_only():
    attention, x = layer(dropout=0.5), torch.randn(1, 5, 8)
    run = lambda: attention(x, rotary=None, allowed="causal")  # noqa: E731
    assert not torch.allclose(run(), run())
    attention.eval()
    assert_close(run(), run())


def test_qk_norm_makes_scores_blind_to_the_size_of_the_input():
    x = torch.randn(1, 5, 8)
    for qk_norm in (True, False):
        attention = layer(qk_norm=qk_norm)
        once, tenfold = (attention(scale * x, rotary=None, allowed="causal") for scale in (1, 10))
        assert (
            torch.allclose(10 * once, tenfold, atol=1e-4) == qk_norm
        )  # the same mix of ten times the values
