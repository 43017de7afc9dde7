"""Layers: their sizes and first weights, the law of causal attention, and that they learn."""

import math

import numpy as np
import pytest

from groundup.autograd.array import Array
from groundup.autograd.array_functions import cross_entropy
from groundup.autograd.array_nn import MLP, Attention, Block, Conv, LayerNorm, Linear, Module
from groundup.autograd.array_optim import SGD, AdamW
from groundup.base.errors import GraphError


@pytest.fixture
def rng():
    return np.random.Generator(np.random.PCG64(3))


def test_parameters_are_named_by_their_path_in_a_fixed_order(rng):
    names = list(Block(8, 2, rng).named_parameters())
    assert names == [
        "norm_1.scale", "norm_1.shift", "norm_2.scale", "norm_2.shift",
        "attention.qkv.weight", "attention.project.weight",
        "think.layers.0.weight", "think.layers.0.bias", "think.layers.1.weight", "think.layers.1.bias",
    ]  # fmt: skip
    assert list(Linear(2, 3, rng, bias=False).named_parameters()) == ["weight"]
    model = MLP([2, 16, 16, 1], rng)
    assert len(model.parameters()) == 6 and sum(p.size for p in model.parameters()) == 337


def test_a_shared_parameter_is_listed_once_and_moved_once(rng):
    class Tied(Module):
        def __init__(self):
            self.reads = Array([2.0])
            self.writes = self.reads

    model = Tied()
    assert list(model.named_parameters()) == ["reads"]
    (model.reads * model.writes).sum().backward()
    SGD(model.parameters()).step(lr=0.1)
    assert model.writes.data.tolist() == [2.0 - 0.1 * 4.0]


def test_a_layer_keeps_the_spread_of_its_input(rng):
    x = rng.standard_normal((2000, 300))
    assert abs(Linear(300, 200, rng, dtype=float)(x).data.std() - 1) < 0.05
    after_relu = Linear(300, 200, rng, gain=math.sqrt(2), dtype=float)(x).relu().data
    assert abs((after_relu**2).mean() - 1) < 0.1
    images = rng.standard_normal((20, 3, 12, 12))
    assert abs((Conv(3, 50, 3, rng, dtype=float)(images).relu().data ** 2).mean() - 1) < 0.1


@pytest.mark.parametrize("make", [Attention, Block])
def test_the_future_cannot_change_the_past(make, rng):
    layer = make(8, 2, rng, dtype=float)
    x = rng.standard_normal((2, 6, 8))
    before = layer(Array(x)).data
    x[:, 4:] += 1
    after = layer(Array(x)).data
    np.testing.assert_allclose(after[:, :4], before[:, :4], atol=1e-12)
    assert not np.allclose(after[:, 4:], before[:, 4:])  # the test can fail


def test_a_gradient_flows_from_a_place_to_its_past_only(rng):
    x = Array(rng.standard_normal((1, 5, 8)))
    Attention(8, 2, rng, dtype=float)(x)[0, 2].sum().backward()
    reached = np.abs(x.grad[0]).max(-1) > 1e-9
    assert reached.tolist() == [True, True, True, False, False]


def test_a_block_learns_one_batch_by_heart(rng):
    class Tiny(Module):
        def __init__(self):
            self.table = Array(rng.standard_normal((5, 16)).astype(np.float32))
            self.block, self.norm = Block(16, 4, rng), LayerNorm(16)
            self.head = Linear(16, 5, rng)

        def __call__(self, tokens_BT):
            return self.head(self.norm(self.block(self.table[tokens_BT])))

    model, tokens_BT = Tiny(), rng.integers(0, 5, (4, 6))
    optimizer, losses = AdamW(model.parameters()), []
    for _ in range(120):
        # place t must say what stood at place t - 1: only attention can know
        loss = cross_entropy(model(tokens_BT)[:, 1:], tokens_BT[:, :-1])
        loss.backward()
        optimizer.step(lr=0.01)
        losses.append(loss.item())
    assert losses[0] > 1.2 and losses[-1] < 0.05


def test_a_convolution_learns_where_a_line_is(rng):
    images = np.zeros((40, 1, 6, 6), np.float32)
    images[:20, :, 3, :] = 1  # across
    images[20:, :, :, 3] = 1  # down
    images += 0.1 * rng.standard_normal(images.shape).astype(np.float32)
    kinds = np.repeat([0, 1], 20)
    conv, head = Conv(1, 4, 3, rng, pad=1), Linear(144, 2, rng)
    optimizer = AdamW(conv.parameters() + head.parameters())
    for _ in range(30):
        logits = head(conv(images).relu().reshape(40, -1))
        cross_entropy(logits, kinds).backward()
        optimizer.step(lr=0.01)
    assert (logits.data.argmax(-1) == kinds).all()


def test_what_does_not_fit_is_refused_with_what_would(rng):
    with pytest.raises(
        GraphError, match=r"n_embd=8 is not divisible by n_head=3. Choose from \[1, 2, 4, 8\]"
    ):
        Attention(8, 3, rng)
    with pytest.raises(GraphError, match="not divisible by n_head=0"):
        Attention(8, 0, rng)
    with pytest.raises(GraphError, match=r"\[batch, time, channels\], not \[3, 8\]"):
        Attention(8, 2, rng)(Array(np.ones((3, 8), np.float32)))
    with pytest.raises(GraphError, match=r"Linear\(0, 3\) has no weights"):
        Linear(0, 3, rng)
    with pytest.raises(GraphError, match="make no network"):
        MLP([3], rng)
    with pytest.raises(GraphError, match=r"@: the shapes \[2, 5\] and \[4, 3\]"):
        Linear(4, 3, rng)(np.ones((2, 5), np.float32))
