"""Neuron, layer, network of Values: the course's numbers, micrograd's order, torch's gradients."""

import random

import pytest
import torch

from groundup.autograd.nn import MLP, Layer, Module, Neuron
from groundup.autograd.value import Value
from groundup.base.errors import GraphError


def test_the_lectures_neuron():
    """micrograd's trace_graph.ipynb, whose picture shows these to four digits."""
    random.seed(1337)
    neuron = Neuron(2)
    x = [Value(1.0), Value(-2.0)]
    y = neuron(x)
    y.backward()
    assert [w.data for w in neuron.w] == pytest.approx([0.235505714, 0.066531147], abs=5e-10)
    assert y.data == pytest.approx(0.102443419, abs=5e-10) and y._op == "ReLU"
    assert [w.grad for w in neuron.w] == [1.0, -2.0] and neuron.b.grad == 1.0
    assert [v.grad for v in x] == [w.data for w in neuron.w]


def trace(root):
    """As micrograd's trace_graph.ipynb has it."""
    nodes, edges = set(), set()

    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)

    build(root)
    return nodes, edges


def test_the_notebook_that_draws_graphs_sees_micrograds():
    """Its `draw_dot` asks for data, grad, _op and _prev; gout.svg beside it has these boxes."""
    random.seed(1337)
    y = Neuron(2)([Value(1.0), Value(-2.0)])
    y.backward()
    nodes, edges = trace(y)
    boxes = sorted(("%.4f" % v.data, "%.4f" % v.grad, v._op) for v in nodes)  # noqa: UP031
    assert boxes == [
        ("-0.1331", "1.0000", "*"), ("-2.0000", "0.0665", ""), ("0.0000", "1.0000", ""),
        ("0.0665", "-2.0000", ""), ("0.1024", "1.0000", "+"), ("0.1024", "1.0000", "ReLU"),
        ("0.2355", "1.0000", ""), ("0.2355", "1.0000", "*"), ("0.2355", "1.0000", "+"),
        ("1.0000", "0.2355", ""),
    ]  # fmt: skip
    assert len(edges) == 9 and sum(user is y for _, user in edges) == 1


def test_parameters_come_in_micrograds_order():
    random.seed(7)
    model = MLP(3, [4, 2])
    random.seed(7)
    expected = []
    for n_in, n_out in ((3, 4), (4, 2)):
        for _ in range(n_out):
            expected += [random.uniform(-1, 1) for _ in range(n_in)] + [0.0]
    assert [p.data for p in model.parameters()] == expected
    assert len(MLP(2, [16, 16, 1]).parameters()) == 337
    assert len({id(p) for p in model.parameters()}) == len(expected)
    assert Module().parameters() == []


def test_a_stream_of_its_own_leaves_the_global_one_alone():
    random.seed(1)
    before = random.getstate()
    model = MLP(2, [3, 1], rng=random.Random(5))
    assert random.getstate() == before
    again = MLP(2, [3, 1], rng=random.Random(5))
    other = MLP(2, [3, 1], rng=random.Random(6))
    numbers = [[p.data for p in m.parameters()] for m in (model, again, other)]
    assert numbers[0] == numbers[1] != numbers[2]


def test_names_are_micrograds():
    assert str(MLP(2, [3, 1])) == (
        "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(3)]]"
    )


def test_one_output_is_bare_and_several_are_a_list():
    x = [Value(1.0), 2.0]
    assert isinstance(MLP(2, [3, 1])(x), Value)
    assert isinstance(Layer(2, 1)(x), Value)
    assert [type(v) for v in MLP(2, [3, 2])(x)] == [Value, Value]
    assert isinstance(MLP(2, [1, 1])(x), Value)  # micrograd's cannot: a layer of one has no length


def test_the_wrong_number_of_inputs():
    with pytest.raises(GraphError, match=r"2 weights and was given 3 inputs\. Give it 2"):
        MLP(2, [3, 1])([1.0, 2.0, 3.0])


def test_zero_grad():
    model = MLP(2, [2, 1])
    x = [Value(1.0), Value(2.0)]
    model.layers[0].nonlin = False
    (sum(p * p for p in model.parameters()) + model(x)).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert not any(p.grad for p in model.parameters())


def test_the_same_network_in_torch():
    rng = random.Random(4)
    model = MLP(3, [5, 4, 2], rng=rng)
    for p in model.parameters():
        p.data += rng.uniform(-0.1, 0.1)  # no bias stays 0
    points = [[rng.uniform(-1, 1) for _ in range(3)] for _ in range(7)]
    loss = sum(out[0] * out[1] + out[0].tanh() for out in map(model, points))
    loss.backward()

    x = torch.tensor(points, dtype=torch.float64)
    tensors = []
    for number, layer in enumerate(model.layers):
        rows = [[p.data for p in neuron.parameters()] for neuron in layer.neurons]
        tensors.append(torch.tensor(rows, dtype=torch.float64, requires_grad=True))
        x = x @ tensors[-1][:, :-1].T + tensors[-1][:, -1]
        x = x.relu() if number < 2 else x
    expected = (x[:, 0] * x[:, 1] + x[:, 0].tanh()).sum()
    expected.backward()
    assert loss.data == pytest.approx(expected.item(), rel=1e-10)
    theirs = torch.cat([t.grad.flatten() for t in tensors]).tolist()
    assert [p.grad for p in model.parameters()] == pytest.approx(theirs, rel=1e-10, abs=1e-12)
    assert any(theirs)
