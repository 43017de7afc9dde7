"""One network, three engines: on scalars, on arrays and on PyTorch the same losses and the same gradients.

The scalar versions are written out with loops over Values, so nothing but the definitions is shared.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given

from groundup.autograd import array_nn, nn
from groundup.autograd.array import Array
from groundup.autograd.array_functions import cross_entropy
from groundup.autograd.value import Value
from tests.autograd.expressions import compute, leaves, steps

T, C, H = 3, 4, 2  # time, channels, heads of the tiny attention block
D = C // H


@pytest.fixture
def rng():
    return np.random.Generator(np.random.PCG64(5))


def values(array):
    """Nested lists of Values with the numbers of an array."""
    return Value(float(array)) if np.ndim(array) == 0 else [values(part) for part in array]


def grads(nested):
    return nested.grad if isinstance(nested, Value) else [grads(part) for part in nested]


def same(*results):
    for other in results[1:]:
        np.testing.assert_allclose(results[0], other, rtol=1e-10, atol=1e-10)


def scalar_cross_entropy(rows, targets):
    """The mean of ln(sum of exp) minus the right one's logit."""
    total = Value(0.0)
    for row, target in zip(rows, targets, strict=True):
        powers = Value(0.0)
        for logit in row:
            powers = powers + logit.exp()
        total = total + powers.log() - row[target]
    return total / len(targets)


# ---- A multi-layer perceptron --------------------------------------------------------------------


def test_an_mlp_is_the_same_on_all_three(rng):
    x, targets = rng.standard_normal((5, 3)), rng.integers(0, 2, 5)
    scalars = nn.MLP(3, [4, 4, 2])
    arrays = array_nn.MLP([3, 4, 4, 2], rng, dtype=np.float64)
    tensors = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    ).double()
    for layer, ours, theirs in zip(scalars.layers, arrays.layers, tensors[::2], strict=True):
        weight, bias = rng.standard_normal(ours.weight.shape), rng.standard_normal(ours.bias.shape)
        ours.weight.data, ours.bias.data = weight, bias
        theirs.weight.data, theirs.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
        for j, neuron in enumerate(layer.neurons):
            neuron.b.data = bias[j]
            for i, w in enumerate(neuron.w):
                w.data = weight[i, j]

    scalar_loss = scalar_cross_entropy([scalars(list(row)) for row in x], targets)
    array_loss = cross_entropy(arrays(x), targets)
    tensor_loss = F.cross_entropy(tensors(torch.tensor(x)), torch.tensor(targets))
    same(scalar_loss.data, array_loss.item(), tensor_loss.item())

    for loss in (scalar_loss, array_loss, tensor_loss):
        loss.backward()
    for layer, ours, theirs in zip(scalars.layers, arrays.layers, tensors[::2], strict=True):
        by_scalars = np.array([[w.grad for w in neuron.w] for neuron in layer.neurons])
        same(by_scalars.T, ours.weight.grad, theirs.weight.grad.T.numpy())
        same([neuron.b.grad for neuron in layer.neurons], ours.bias.grad, theirs.bias.grad.numpy())
        assert np.abs(ours.weight.grad).max() > 1e-3  # equal, and not because all are 0


# ---- An attention block --------------------------------------------------------------------------


def total(numbers):
    out = Value(0.0)
    for number in numbers:
        out = out + number
    return out


def linear(x, weight, bias=None):
    out = [total(a * row[j] for a, row in zip(x, weight, strict=True)) for j in range(len(weight[0]))]
    return [a + b for a, b in zip(out, bias, strict=True)] if bias is not None else out


def norm(x, scale, shift):
    mean = total(x) / len(x)
    variance = total((a - mean) ** 2 for a in x) / len(x)
    return [(a - mean) / (variance + 1e-5) ** 0.5 * s + b for a, s, b in zip(x, scale, shift, strict=True)]


def scalar_block(rows, p):
    """rows[t][c] through the block, with loops over places, heads and channels."""
    normed = [norm(x, p["norm_1.scale"], p["norm_1.shift"]) for x in rows]
    qkv = [linear(x, p["attention.qkv.weight"]) for x in normed]
    mixed = [[] for _ in range(T)]
    for h in range(H):
        q, k, v = ([row[part * C + h * D :][:D] for row in qkv] for part in range(3))
        for t in range(T):
            scores = [
                total(a * b for a, b in zip(q[t], k[s], strict=True)) / math.sqrt(D) for s in range(t + 1)
            ]
            powers = [score.exp() for score in scores]
            shares = [power / total(powers) for power in powers]
            mixed[t] += [total(shares[s] * v[s][d] for s in range(t + 1)) for d in range(D)]
    listened = [linear(m, p["attention.project.weight"]) for m in mixed]
    rows = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(rows, listened, strict=True)]
    out = []
    for x in rows:
        y = norm(x, p["norm_2.scale"], p["norm_2.shift"])
        hidden = linear(y, p["think.layers.0.weight"], p["think.layers.0.bias"])
        thought = linear([a.relu() for a in hidden], p["think.layers.1.weight"], p["think.layers.1.bias"])
        out.append([a + b for a, b in zip(x, thought, strict=True)])
    return out


def torch_block(x_TC, p):
    """The same with torch's own attention and norms."""
    y = F.layer_norm(x_TC, (C,), p["norm_1.scale"], p["norm_1.shift"])
    q, k, v = (y @ p["attention.qkv.weight"]).view(T, 3, H, D).permute(1, 2, 0, 3)
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).reshape(T, C)
    x_TC = x_TC + mixed @ p["attention.project.weight"]
    y = F.layer_norm(x_TC, (C,), p["norm_2.scale"], p["norm_2.shift"])
    hidden = (y @ p["think.layers.0.weight"] + p["think.layers.0.bias"]).relu()
    return x_TC + hidden @ p["think.layers.1.weight"] + p["think.layers.1.bias"]


def test_an_attention_block_is_the_same_on_all_three(rng):
    block = array_nn.Block(C, H, rng, dtype=np.float64)
    named = block.named_parameters()
    for p in named.values():
        p.data = rng.standard_normal(p.shape)  # also scales and biases, which begin at 1 and 0
    x, targets = rng.standard_normal((T, C)), rng.integers(0, C, T)

    arrays_x = Array(x)
    array_loss = cross_entropy(block(arrays_x.reshape(1, T, C)), targets[None])
    scalar_x, scalars = values(x), {name: values(p.data) for name, p in named.items()}
    scalar_loss = scalar_cross_entropy(scalar_block(scalar_x, scalars), targets)
    tensor_x = torch.tensor(x, requires_grad=True)
    tensors = {name: torch.tensor(p.data.copy(), requires_grad=True) for name, p in named.items()}
    tensor_loss = F.cross_entropy(torch_block(tensor_x, tensors), torch.tensor(targets))
    same(scalar_loss.data, array_loss.item(), tensor_loss.item())

    for loss in (scalar_loss, array_loss, tensor_loss):
        loss.backward()
    same(grads(scalar_x), arrays_x.grad, tensor_x.grad.numpy())
    for name, p in named.items():
        same(grads(scalars[name]), p.grad, tensors[name].grad.numpy())
        assert np.abs(p.grad).max() > 1e-4, name


# ---- Any expression ------------------------------------------------------------------------------


def test_one_expression_on_all_three():
    """micrograd's README, whose numbers are published: g 24.7041, dg/da 138.8338, dg/db 645.5773."""

    def g(a, b):
        c, d = a + b, a * b + b**3
        c = c + c + 1
        c = c + 1 + c + (-a)
        d = d + d * 2 + (b + a).relu()
        d = d + 3 * d + (b - a).relu()
        e = c - d
        f = e**2
        return f / 2.0 + 10.0 / f

    found = []
    for kind in (Value, Array, lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True)):
        a, b = kind(-4.0), kind(2.0)
        result = g(a, b)
        result.backward()
        found.append([float(x) for x in (result.data, a.grad, b.grad)])
    same(*found)
    assert [round(x, 4) for x in found[0]] == [24.7041, 138.8338, 645.5773]


def tensor(x):
    return torch.tensor(x, dtype=torch.float64, requires_grad=True)


def on_all_three(numbers, recipe):
    """[result, gradients] of one expression on each engine; a leaf that was not reached has gradient 0."""
    found = []
    for kind in (Value, Array, tensor):
        made = [kind(x) for x in numbers]
        result = compute(made, recipe)
        result.backward()
        found.append([float(result.data), *(0.0 if leaf.grad is None else float(leaf.grad) for leaf in made)])
    return found


@given(leaves, steps)
@example([1.0, 1.0], [("maximum", 0, 1)])  # a tie
@example([0.0], [("relu", 0, 0)])
def test_random_expressions_on_all_three(numbers, recipe):
    same(*on_all_three(numbers, recipe))


def test_a_wrong_derivative_in_one_of_the_three_would_be_seen(monkeypatch):
    monkeypatch.setattr(Array, "tanh", lambda self: self * 0.9)
    with pytest.raises(AssertionError):
        same(*on_all_three([0.3], [("tanh", 0, 0)]))
