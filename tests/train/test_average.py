"""The mean of the weights: by hand, in and out of the model, kept as best, and exact when resumed."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from groundup.base.errors import CheckpointError, ConfigError
from groundup.train.average import Average
from groundup.train.fit import FitConfig
from groundup.train.objective import cross_entropy
from groundup.weights import checkpoint


def test_by_hand():
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    mean = Average(layer, decay=0.5)
    expected = 0.0
    for step, weight in enumerate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]):
        layer.weight.data.fill_(weight)
        mean.update(step)
        decay = min(0.5, (1 + step) / (10 + step))  # 0.1, 0.18, ... 0.5 from step 8 on
        expected = decay * expected + (1 - decay) * weight
    assert_close(mean.state_dict()["weight"], torch.full((1, 1), expected))
    with mean.in_place():
        assert layer.weight.item() == pytest.approx(expected)
    assert layer.weight.item() == 10.0


def test_the_weights_come_back_also_after_an_error(job):
    net = job.model()
    mean = Average(net, decay=0.9)
    own = {name: value.clone() for name, value in net.state_dict().items()}
    for parameter in net.parameters():
        parameter.data += 1
    with pytest.raises(RuntimeError), mean.in_place():
        assert torch.equal(net.embedding.weight, own["embedding.weight"])
        raise RuntimeError
    assert torch.equal(net.embedding.weight, own["embedding.weight"] + 1)


def test_the_mean_is_what_is_evaluated_and_kept_and_training_does_not_notice(job, tmp_path):
    plain, averaged = job.model(), job.model()
    job.train(tmp_path / "plain", net=plain, steps=12)
    seen = []

    def evaluate(net):
        seen.append(net.embedding.weight.detach().clone())
        return {"loss": 1.0 / len(seen)}  # the last is the best

    result = job.train(tmp_path / "mean", net=averaged, steps=12, average=0.9, evaluate=evaluate)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), averaged.parameters(), strict=True))
    best = checkpoint.load(result.best)
    assert best.manifest.extra == {"evaluation": {"loss": 0.25}, "average": 0.9}
    assert torch.equal(best.model.embedding.weight, seen[-1])
    assert not torch.equal(seen[-1], averaged.embedding.weight)
    assert torch.equal(checkpoint.load(result.last).model.embedding.weight, averaged.embedding.weight)


def test_resumed_equals_uninterrupted_with_its_mean(job, tmp_path):
    whole = job.train(tmp_path / "whole", steps=12, average=0.9)

    def stops(model, batch, calls=[]):  # noqa: B006  the list is the counter
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return cross_entropy(model, batch)

    with pytest.raises(KeyboardInterrupt):
        job.train(tmp_path / "pieces", steps=12, average=0.9, objective=stops)
    pieces = job.train(tmp_path / "pieces", steps=12, average=0.9)
    for name in ("model.safetensors", "training.safetensors"):
        assert (whole.last / name).read_bytes() == (pieces.last / name).read_bytes()
    with pytest.raises(CheckpointError, match=r"average: 0\.9 -> 0\.5"):
        job.train(tmp_path / "pieces", steps=12, average=0.5)


def test_a_mean_that_would_be_lost_is_refused(job, tmp_path):
    with pytest.raises(ConfigError, match="never kept"):
        job.train(tmp_path, average=0.9, evaluate=None)
    with pytest.raises(ConfigError, match=r"average=1\.0"):
        FitConfig(1, average=1.0)
