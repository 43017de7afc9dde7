"""Bytes of a step: by hand, and as torch's own allocator saw them."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from groundup.data.batches import WindowBatches
from groundup.train.memory import Allocations, step_memory
from groundup.train.objective import cross_entropy
from groundup.train.recompute import recomputed


def test_by_hand():
    x = torch.zeros(1000, requires_grad=True)
    x.grad = torch.zeros(1000)
    assert step_memory(lambda: x.exp().sum()).kept == 4004  # the result of exp, and the loss
    assert step_memory(lambda: (x + 1).sum()).kept == 4  # a sum needs nothing of what it saw
    assert step_memory(lambda: x.view(10, 100).exp().view(-1)[3:].sum()).kept == 4004  # views are free


def test_what_is_freed_is_not_alive():
    with Allocations() as seen:
        y = torch.zeros(1000)
        z = y.exp_()  # in place: nothing new
        assert (seen.alive, seen.peak) == (4000, 4000)
        del y, z
        assert (seen.alive, seen.peak) == (0, 4000)


@pytest.mark.parametrize("on", [False, True])
def test_a_training_step_is_what_the_allocator_saw(job, on):
    batch = WindowBatches(job.tokens(), context_len=16, batch_size=8, seed=0).batch(0)
    net = job.model(dropout=0.0, n_layer=3)
    with recomputed(net, on):
        cross_entropy(net, batch)[0].backward()
        ours = step_memory(lambda: cross_entropy(net, batch)[0])
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            loss = cross_entropy(net, batch)[0]
            loss.backward()
            del loss
    alive = peak = 0
    events = (e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]")
    for event in sorted(events, key=lambda e: e.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    assert ours.peak == pytest.approx(peak, rel=0.01)
    assert 0 < ours.kept < ours.peak
