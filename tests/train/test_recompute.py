"""Activations computed twice: the same bits, less memory; and a model that does not notice."""

import pytest
import torch
from torch import nn

from groundup.base.errors import ConfigError
from groundup.data.batches import WindowBatches
from groundup.train.fit import FitConfig, accumulate, workers
from groundup.train.memory import step_memory
from groundup.train.objective import cross_entropy
from groundup.train.recompute import recomputed


def gradients(net, batch, on):
    torch.manual_seed(3)
    with recomputed(net, on):
        loss, _, _ = cross_entropy(net.train(), batch)
        loss.backward()
    found = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    return found


def test_gradients_are_the_same_bit_for_bit_also_with_dropout(job):
    batch = WindowBatches(job.tokens(), context_len=16, batch_size=4, seed=0).batch(0)
    net = job.model(dropout=0.3)
    plain, thrifty = (gradients(net, batch, on) for on in (False, True))
    assert all(torch.equal(a, b) for a, b in zip(plain, thrifty, strict=True))
    torch.manual_seed(4)
    loss, _, _ = cross_entropy(net, batch)
    loss.backward()
    assert not torch.equal(net.embedding.weight.grad, plain[0])  # other draws are other gradients


def test_it_keeps_less_than_half_of_six_layers(job):
    batch = WindowBatches(job.tokens(), context_len=16, batch_size=8, seed=0).batch(0)
    net = job.model(dropout=0.0, n_layer=6)
    found = {}
    for on in (False, True):
        with recomputed(net, on):
            cross_entropy(net, batch)[0].backward()  # gradients have their place
            found[on] = step_memory(lambda: cross_entropy(net, batch)[0])
    assert found[True].kept < found[False].kept / 4
    assert found[True].peak < found[False].peak / 2


def test_a_run_ends_in_the_same_weights(job, tmp_path):
    nets = []
    for on in (False, True):
        net = job.model()
        job.train(tmp_path / str(on), net=net, recompute=on, sample=lambda net: "x", steps=6)
        nets.append(net)
    assert all(torch.equal(a, b) for a, b in zip(*(net.parameters() for net in nets), strict=True))


def test_workers_recompute_each_their_own(job):
    batches = WindowBatches(job.tokens(), context_len=16, batch_size=2, seed=0)
    config, found = FitConfig(1, accumulate=4, workers=2), []
    for on in (False, True):
        net = job.model(dropout=0.0)
        with workers(net, config) as share, recomputed(net, on):
            accumulate(net, batches, cross_entropy, config=config, step=0, share=share)
        found.append([p.grad for p in net.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_the_model_is_left_as_it_was(job):
    net = job.model()
    names = list(net.state_dict())
    with pytest.raises(RuntimeError, match="in the middle"), recomputed(net, True):
        assert list(net.state_dict()) == names
        assert "forward" in vars(net.blocks[0])
        raise RuntimeError("in the middle")
    assert "forward" not in vars(net.blocks[0])


def test_a_model_without_blocks_refuses():
    with pytest.raises(ConfigError, match="recompute=True needs"), recomputed(nn.Linear(2, 2), True):
        pass
    with recomputed(nn.Linear(2, 2), False):
        pass
