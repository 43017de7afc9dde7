"""Each rule: a network that has the illness, and one that has not."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from groundup.train.diagnosis import diagnose
from groundup.train.diagnostics import Probe

V = 27


def net(gain, *, bend=nn.Tanh, depth=5, width=100, last=0.1, bias=False, norm=False):
    """`depth` layers with weights of std gain/sqrt(fan_in) and a head whose weights are scaled by `last`."""
    parts = []
    for number in range(depth):
        linear = nn.Linear(30 if number == 0 else width, width, bias=bias)
        nn.init.normal_(linear.weight, std=gain / math.sqrt(linear.in_features))
        parts += [linear, *([nn.BatchNorm1d(width)] if norm else []), bend()]
    head = nn.Linear(width, V)
    nn.init.normal_(head.weight, std=last / math.sqrt(width))
    nn.init.zeros_(head.bias)
    return nn.Sequential(*parts, head)


def looked_at(model, *, looks=1, lr=0.1):
    """The records of so many steps of gradient descent."""
    found = []
    for step in range(looks):
        g = torch.Generator().manual_seed(step)
        x, y = torch.randn(32, 30, generator=g), torch.randint(V, (32,), generator=g)
        probe = Probe(model)
        with probe.watching():
            loss = F.cross_entropy(model(x), y)
            loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= lr * p.grad
        found.append(probe.record(loss=float(loss.detach()), step=step, divisor=1.0, vocab_size=V))
        model.zero_grad()
    return found


def told(model, **more):
    return "\n".join(diagnose(looked_at(model, **more)))


def dead_on_arrival():
    """relu units of which a fifth can never fire."""
    model = net(math.sqrt(2), bend=nn.ReLU, depth=2, bias=True)
    with torch.no_grad():
        model[0].bias.zero_()
        model[2].bias.zero_()
        model[0].bias[:20] = -50
    return model


@pytest.mark.parametrize(
    ("rule", "ill", "well"),
    [
        ("tanh outputs beyond 0.99", lambda: net(8.0, depth=1), lambda: net(5 / 3, depth=1)),
        (
            "sigmoid outputs beyond 0.01 and 0.99",
            lambda: net(20.0, bend=nn.Sigmoid, depth=1),
            lambda: net(1.0, bend=nn.Sigmoid, depth=1),
        ),
        (
            "relu units gave 0",
            dead_on_arrival,
            lambda: net(math.sqrt(2), bend=nn.ReLU, depth=2),
        ),
        ("activations vanish", lambda: net(0.5), lambda: net(5 / 3)),
        (
            "activations explode",
            lambda: net(4.0, bend=nn.ReLU),
            lambda: net(math.sqrt(2), bend=nn.ReLU),
        ),
        ("gradients vanish", lambda: net(0.4), lambda: net(5 / 3)),
        ("gradients explode", lambda: net(4.0, bend=nn.ReLU), lambda: net(math.sqrt(2), bend=nn.ReLU)),
        ("confidently wrong", lambda: net(5 / 3, last=10.0), lambda: net(5 / 3, last=0.1)),
        (
            "a bias before BatchNorm",
            lambda: net(1.0, norm=True, bias=True),
            lambda: net(1.0, norm=True),
        ),
    ],
)
def test_a_rule_finds_the_illness_and_leaves_the_healthy_alone(rule, ill, well):
    assert rule in told(ill())
    assert rule not in told(well())


def test_the_networks_of_the_course_are_well():
    assert told(net(5 / 3)) == "" and told(net(1.0, norm=True)) == ""


@pytest.mark.parametrize(("lr", "verb"), [(1e-6, "too slowly"), (30.0, "too fast")])
def test_the_size_of_steps_is_judged_after_the_first_look(lr, verb):
    assert verb in told(net(5 / 3, last=1.0), looks=4, lr=lr)
    assert verb not in told(net(5 / 3, last=1.0), looks=1, lr=lr)
    assert "move too" not in told(net(5 / 3, last=1.0), looks=4, lr=0.1)


def test_batch_norms_larger_steps_are_no_illness():
    """Measured in the course: log10 ratios of -2.2 in the hidden layers, -1.96 in the last."""
    records = looked_at(net(1.0, norm=True, last=1.0), looks=4, lr=0.1)
    assert max(w["ratio"] for r in records[1:] for w in r["weights"] if w["name"] == "3.weight") > -3
    assert diagnose(records) == []


def test_the_advice_names_matrix_and_number():
    text = told(net(8.0, depth=1))
    assert "layer 1 (1.tanh)" in text and "scale 0.weight to a std of 5/3/sqrt(fan_in) = 0.304" in text
    normed = net(1.0, norm=True, depth=1)
    nn.init.constant_(normed[1].weight, 20.0)  # BatchNorm's own gain: rescaling the matrix would do nothing
    text = told(normed)
    assert "make what goes in smaller" in text and "5/3" not in text


def test_a_unit_that_was_alive_once_is_not_dead():
    records = looked_at(dead_on_arrival(), looks=2, lr=0.0)
    assert "20 of 100 relu units gave 0 for the whole batch in all 2 looks" in "\n".join(diagnose(records))
    layer = records[1]["layers"][0]
    layer["dead"] = "0" * len(layer["dead"])
    assert not any("relu units" in text for text in diagnose(records))


def test_no_look_is_no_illness():
    assert diagnose([]) == []
