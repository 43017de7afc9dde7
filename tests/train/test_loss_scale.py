"""float16: an overflow is computed again and not skipped, and the scale is part of what a run is."""

import json
import math

import pytest
import torch

from groundup.base.errors import DivergedError
from groundup.base.log import EventLog
from groundup.data.batches import WindowBatches
from groundup.train.fit import FitConfig, accumulate
from groundup.train.loss_scale import LARGEST, STEPS_TO_GROW, LossScale
from groundup.train.objective import cross_entropy
from groundup.weights import checkpoint


def test_it_grows_to_a_limit_and_shrinks_to_one():
    scale = LossScale(LARGEST / 2)
    for _ in range(3 * STEPS_TO_GROW):
        scale.held()
    assert scale.value == LARGEST
    halved = 0
    while scale.overflowed():
        halved += 1
    assert (scale.value, halved) == (1.0, 24)


def test_the_scale_is_taken_out_again_exactly(job):
    """In float32, where nothing overflows, a power of two changes no bit of the gradient."""
    batches = WindowBatches(job.tokens(), context_len=16, batch_size=4, seed=0)
    found = []
    for factor in (1.0, 2.0**10):
        net = job.model(dropout=0.0)
        accumulate(net, batches, cross_entropy, config=FitConfig(1), step=0, loss_scale=factor)
        found.append([p.grad for p in net.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert any(g.abs().max() > 0 for g in found[0])


def test_small_gradients_survive_in_float16_only_when_scaled(job):
    """The loss of this objective is so small that its gradients are below what float16 has."""
    batches = WindowBatches(job.tokens(), context_len=16, batch_size=4, seed=0)

    def tiny(net, batch):
        loss, count, metrics = cross_entropy(net, batch)
        return loss * 1e-8, count, metrics

    norms = {}
    for precision, factor in (("float32", 1.0), ("float16", 1.0), ("float16", 2.0**16)):
        net = job.model(dropout=0.0)
        config = FitConfig(1, precision=precision, clip_norm=0)
        accumulate(net, batches, tiny, config=config, step=0, loss_scale=factor)
        norms[precision, factor] = net.blocks[0].mlp.down.weight.grad.norm().item()
    true = norms["float32", 1.0]
    assert norms["float16", 2.0**16] == pytest.approx(true, rel=0.05)
    assert norms["float16", 1.0] != pytest.approx(true, rel=0.2)


def test_float16_learns_and_an_overflowing_step_is_computed_again(job, tmp_path, monkeypatch):
    monkeypatch.setattr(LossScale.__init__, "__defaults__", (2.0**24, 0))  # so large that it overflows
    net, calls = job.model(dropout=0.0), []

    def counted(model, batch):
        calls.append(batch.tokens_BT.clone())
        return cross_entropy(model, batch)

    result = job.train(tmp_path, net=net, precision="float16", steps=40, objective=counted, save_every=0)
    assert result.step == 40 and result.best_loss < 1.9 < math.log(8)
    repeats = len(calls) - 40
    assert repeats > 0 and torch.equal(calls[0], calls[1])  # the same batch, not the next one
    _, training = checkpoint.restore(result.last, model=net, tokenizer=job.tokenizer())
    assert training["loss_scale"] == {"value": 2.0**24 / 2**repeats, "steps": 40}
    scales = [e["value"] for e in EventLog(tmp_path / "events.jsonl").read("loss_scale")]
    assert scales == [2.0**24 / 2**n for n in range(1, repeats + 1)]


def test_resumed_equals_uninterrupted_with_its_scale(job, tmp_path, monkeypatch):
    monkeypatch.setattr("groundup.train.loss_scale.STEPS_TO_GROW", 5)
    whole, pieces = job.model(), job.model()
    job.train(tmp_path / "whole", net=whole, precision="float16", steps=12)

    def stops(model, batch, calls=[]):  # noqa: B006  the list is the counter
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return cross_entropy(model, batch)

    with pytest.raises(KeyboardInterrupt):
        job.train(tmp_path / "pieces", net=pieces, precision="float16", steps=12, objective=stops)
    job.train(tmp_path / "pieces", net=pieces, precision="float16", steps=12)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), pieces.parameters(), strict=True))
    states = [json.loads((tmp_path / r / "last" / "training.json").read_text()) for r in ("whole", "pieces")]
    assert states[0]["loss_scale"] == states[1]["loss_scale"] != {"value": 2.0**16, "steps": 12}


def test_what_no_scale_can_mend_is_refused(job, tmp_path):
    def broken(model, batch):
        loss, count, metrics = cross_entropy(model, batch)
        return loss * math.inf, count, metrics

    net = job.model()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(DivergedError, match="Step 0 was refused"):
        job.train(tmp_path, net=net, precision="float16", objective=broken, evaluate=None)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision_on_a_gpu_learns_as_float32_does(job, tmp_path, precision):
    losses = {}
    for width in ("float32", precision):
        net = job.model(dropout=0.0).cuda()
        held_out = WindowBatches(job.tokens(), context_len=16, batch_size=4, seed=99).batch(0).to("cuda")

        def evaluate(model, batch=held_out):
            loss, count, _ = cross_entropy(model, batch)
            return {"loss": float(loss / count)}

        result = job.train(tmp_path / width, net=net, precision=width, steps=60, evaluate=evaluate)
        assert net.embedding.weight.dtype == torch.float32
        losses[width] = result.best_loss
    assert losses[precision] == pytest.approx(losses["float32"], abs=0.05)
