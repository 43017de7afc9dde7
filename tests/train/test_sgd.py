"""SGD against the lecture's own line, bit for bit."""

import torch

from groundup.train.optim import OptimConfig, build_optimizer
from groundup.train.sgd import SGD


def test_it_is_the_lecture_s_line():
    ours = torch.randn(50, 20, requires_grad=True)
    theirs = ours.detach().clone()
    optimizer = SGD([ours], lr=0.1)
    for _ in range(20):
        ours.grad = torch.randn(50, 20)
        theirs += -0.1 * ours.grad  # before ours uses it up
        optimizer.step()
    assert ours.detach().equal(theirs)


def test_decay_pulls_towards_zero():
    weight = torch.ones(3, requires_grad=True)
    weight.grad = torch.zeros(3)
    SGD([weight], lr=0.1, weight_decay=0.5).step()
    assert weight.tolist() == [torch.tensor(0.95).item()] * 3


def test_a_run_can_ask_for_it():
    model = torch.nn.Linear(3, 2)
    optimizer = build_optimizer(model, OptimConfig(kind="sgd", lr=0.5))
    before = model.weight.detach().clone()
    model.weight.grad = torch.ones(2, 3)
    optimizer.step(0.1)
    torch.testing.assert_close(model.weight.detach(), before - 0.05)
    assert not optimizer.state_dict()
