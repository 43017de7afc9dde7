"""The updates are torch's, step for step, and a stopped optimizer goes on exactly."""

import numpy as np
import pytest
import torch

from groundup.autograd.array import Array
from groundup.autograd.array_optim import SGD, AdamW
from groundup.base.errors import GraphError

START = np.random.Generator(np.random.PCG64(4)).standard_normal((3, 2))

PAIRS = {
    "sgd": (lambda p: SGD(p), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (lambda p: SGD(p, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "sgd with decay": (
        lambda p: SGD(p, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    ),
    "adamw": (lambda p: AdamW(p), lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.01)),
    "adam": (
        lambda p: AdamW(p, betas=(0.85, 0.99), eps=1e-4, weight_decay=0),
        lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.85, 0.99), eps=1e-4),
    ),
}


def step(p, optimizer, lr=0.1):
    """One step down a bowl that is not round."""
    (p**2 * np.array([1.0, 10.0])).sum().backward()
    optimizer.step(lr)


@pytest.mark.parametrize("name", PAIRS)
def test_the_updates_are_torchs(name):
    ours, theirs = Array(START), torch.tensor(START, requires_grad=True)
    mine, yours = PAIRS[name][0]([ours]), PAIRS[name][1]([theirs])
    for _ in range(5):
        step(ours, mine)
        yours.zero_grad()
        (theirs**2 * torch.tensor([1.0, 10.0])).sum().backward()
        yours.step()
        np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    assert not np.allclose(ours.data, START)


@pytest.mark.parametrize("make", [lambda p: SGD(p, momentum=0.9), AdamW])
def test_stopped_and_carried_on_is_never_stopped(make):
    whole, first = Array(START), Array(START)
    optimizer, before = make([whole]), make([first])
    for _ in range(6):
        step(whole, optimizer)
    for _ in range(3):
        step(first, before)
    second = Array(first.data)
    after = make([second])
    after.load_state({name: array.copy() for name, array in before.state().items()})
    for _ in range(3):
        step(second, after)
    np.testing.assert_array_equal(second.data, whole.data)
    forgetful = make([third := Array(first.data)])  # without its state it goes elsewhere
    for _ in range(3):
        step(third, forgetful)
    assert not np.allclose(third.data, whole.data)


def test_a_step_forgets_the_gradients_and_keeps_the_type():
    p = Array(START.astype(np.float32))
    step(p, AdamW([p]))
    assert p.grad is None and p.dtype == np.float32


@pytest.mark.parametrize(
    ("gradient", "said"),
    [
        (None, "has no gradient at step 1"),
        (np.full((3, 2), np.inf), "a gradient that is not finite at step 1"),
    ],
)
def test_a_bad_gradient_moves_nothing(gradient, said):
    good, bad = Array(START, label="good"), Array(START, label="bad")
    good.grad, bad.grad = np.ones((3, 2)), gradient
    optimizer = SGD([good, bad])
    with pytest.raises(GraphError, match=f"Parameter bad .*{said}. Nothing was moved"):
        optimizer.step(0.1)
    assert np.array_equal(good.data, START) and optimizer.steps == 0


def test_the_state_of_another_model_is_refused():
    """A state [2] would have been stretched over a parameter [3, 2] without a word."""
    optimizer, other = SGD([Array(START)], momentum=0.9), AdamW([Array(START)])
    with pytest.raises(GraphError, match=r"velocity.0 should be \[3, 2\] and is \[2\]"):
        optimizer.load_state({"steps": np.array(1), "velocity.0": np.ones(2)})
    with pytest.raises(GraphError, match=r"velocity.0 should be \[3, 2\] and is missing"):
        optimizer.load_state(other.state())
    assert optimizer.steps == 0 and not optimizer.averages["velocity"][0].any()


def test_a_parameter_that_is_listed_twice_is_refused():
    p = Array(START)
    with pytest.raises(GraphError, match="listed twice"):
        SGD([p, Array(START), p])
