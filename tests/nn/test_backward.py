"""Each formula against torch's autograd, in float64 and in float32; and wrong formulas are caught."""

import math

import pytest
import torch
import torch.nn.functional as F

from groundup.nn import backward
from groundup.nn.attention import attend_written_out
from groundup.nn.norm import rms_norm_written_out

WIDTHS = {torch.float64: 1e-12, torch.float32: 2e-5}


def batch_norm(x, gain, bias):
    return gain * (x - x.mean(0)) / torch.sqrt(x.var(0) + 1e-5) + bias


def batch_norm_by_hand(grad, x, gain, bias):
    r = (x.var(0) + 1e-5) ** -0.5
    return backward.batch_norm_backward(grad, (x - x.mean(0)) * r, gain, r)


PARTS = {  # name: (shapes of the inputs, forward, backward of (grad, *inputs))
    "linear": (
        [(8, 5), (5, 3), (3,)],
        lambda x, w, b: x @ w + b,
        lambda g, x, w, b: backward.linear_backward(g, x, w),
    ),
    "tanh": ([(8, 5)], torch.tanh, lambda g, x: (backward.tanh_backward(g, torch.tanh(x)),)),
    "softmax": (
        [(4, 7)],
        lambda x: x.softmax(-1),
        lambda g, x: (backward.softmax_backward(g, x.softmax(-1)),),
    ),
    "batch_norm": ([(6, 4), (4,), (4,)], batch_norm, batch_norm_by_hand),
    "layer_norm": (
        [(2, 3, 8), (8,), (8,)],
        lambda x, w, b: F.layer_norm(x, (8,), w, b, 1e-5),
        lambda g, x, w, b: backward.layer_norm_backward(g, x, w, 1e-5),
    ),
    "rms_norm": (
        [(2, 3, 8), (8,)],
        lambda x, w: rms_norm_written_out(x, w, 1e-6),
        lambda g, x, w: backward.rms_norm_backward(g, x, w, 1e-6),
    ),
    "attention": (
        [(2, 4, 5, 8), (2, 4, 5, 8), (2, 4, 5, 8)],
        lambda q, k, v: attend_written_out(q, k, v, "causal"),
        lambda g, q, k, v: backward.attention_backward(g, q, k, v, causal=True),
    ),
    "attention to all": (
        [(2, 2, 3, 8), (2, 2, 5, 8), (2, 2, 5, 8)],
        lambda q, k, v: attend_written_out(q, k, v, None),
        lambda g, q, k, v: backward.attention_backward(g, q, k, v, causal=False),
    ),
    "grouped attention after a cached prefix": (
        [(2, 4, 3, 8), (2, 2, 5, 8), (2, 2, 5, 8)],
        lambda q, k, v: attend_written_out(q, k, v, "causal"),
        lambda g, q, k, v: backward.attention_backward(g, q, k, v, causal=True),
    ),
    "gelu": (
        [(3, 9)],
        lambda x: F.gelu(x, approximate="tanh"),
        lambda g, x: (backward.gelu_backward(g, x),),
    ),
    "swiglu": (
        [(3, 9), (3, 9)],
        lambda a, b: F.silu(a) * b,
        lambda g, a, b: backward.swiglu_backward(g, a, b),
    ),
}


def both(name, dtype):
    """(autograd's gradients, ours) of one part on drawn inputs."""
    shapes, forward, by_hand = PARTS[name]
    inputs = [(2 * torch.randn(shape, dtype=dtype)).requires_grad_() for shape in shapes]
    y = forward(*inputs)
    grad = torch.randn_like(y)
    theirs = torch.autograd.grad(y, inputs, grad)
    with torch.no_grad():
        return theirs, by_hand(grad, *inputs)


@pytest.mark.parametrize("dtype", WIDTHS, ids=str)
@pytest.mark.parametrize("name", PARTS)
def test_a_formula_is_autograds(name, dtype):
    theirs, ours = both(name, dtype)
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype == dtype
        assert (a - b).abs().max() <= WIDTHS[dtype] * max(1.0, float(a.abs().max()))
        assert a.abs().max() > 1e-3  # there is something to be wrong about


@pytest.mark.parametrize("dtype", WIDTHS, ids=str)
def test_cross_entropy_and_embedding_are_autograds(dtype):
    logits, targets = torch.randn(16, 9, dtype=dtype, requires_grad=True), torch.randint(9, (16,))
    (theirs,) = torch.autograd.grad(F.cross_entropy(logits, targets), logits)
    ours = backward.cross_entropy_backward(logits.detach(), targets)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=WIDTHS[dtype])
    assert ours.sum(1).abs().max() < 1e-6  # what is pulled up is pushed down elsewhere
    table, ids = torch.randn(10, 6, dtype=dtype, requires_grad=True), torch.randint(5, (4, 7))
    y = F.embedding(ids, table)
    grad = torch.randn_like(y)
    (theirs,) = torch.autograd.grad(y, table, grad)
    ours = backward.embedding_backward(grad, ids, 10)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=WIDTHS[dtype] * 10)
    assert not ours[5:].any() and ours[:5].any()


def test_a_key_that_may_not_be_seen_gets_no_gradient():
    q, k, v, grad = (torch.randn(1, 1, 4, 8, dtype=torch.float64) for _ in range(4))
    grad[:, :, 1:] = 0  # only the first place is asked
    _, dk, dv = backward.attention_backward(grad, q, k, v, causal=True)
    assert dv[:, :, 0].abs().min() > 0 and not dv[:, :, 1:].any() and not dk[:, :, 1:].any()
    _, dk_all, dv_all = backward.attention_backward(grad, q, k, v, causal=False)
    assert dk_all[:, :, 1:].any() and dv_all[:, :, 1:].any()


def test_tanh_rounds_once_as_the_kernel_does():
    y, grad = torch.randn(4096).tanh(), torch.randn(4096)
    kernel = torch.ops.aten.tanh_backward(grad, y)
    textbook = (1.0 - y**2) * grad
    assert (backward.tanh_backward(grad, y) - kernel).abs().max() <= (textbook - kernel).abs().max()
    once = (1 - y.double() ** 2).float()
    assert torch.equal(backward.tanh_backward(torch.ones(4096), y), once)
    assert not torch.equal(1.0 - y**2, once)  # rounding twice is another number


def unscaled(grad, q, k, v):
    """The gradient of the queries without 1 / sqrt(D)."""
    return backward.attention_backward(grad, q, k, v, causal=True)[0] * math.sqrt(8)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("tanh", lambda g, x: (1 - torch.tanh(x)) * g),
        ("softmax", lambda g, x: x.softmax(-1) * g),
        ("batch_norm", lambda g, x, w, b: g * w * (x.var(0) + 1e-5) ** -0.5),  # the statistics move too
        ("layer_norm", lambda g, x, w, b: batch_norm_by_hand(g.flatten(0, 1), x.flatten(0, 1), w, b)[0]),
        ("rms_norm", lambda g, x, w: backward.layer_norm_backward(g, x, w, 1e-6)[0]),
        ("attention", lambda g, q, k, v: backward.attention_backward(g, q, k, v, causal=False)[0]),
        ("attention", lambda g, q, k, v: unscaled(g, q, k, v)),
        ("gelu", lambda g, x: g * torch.sigmoid(1.702 * x)),
        ("swiglu", lambda g, a, b: g * b * torch.sigmoid(a)),
    ],
)  # fmt: skip
def test_a_wrong_formula_is_caught(name, wrong):
    shapes, forward, _ = PARTS[name]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    y = forward(*inputs)
    grad = torch.randn_like(y)
    theirs = torch.autograd.grad(y, inputs[0], grad)[0]
    with torch.no_grad():
        assert (wrong(grad, *inputs).view_as(theirs) - theirs).abs().max() > 1e-3
