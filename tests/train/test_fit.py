import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from groundup.base.errors import CheckpointError, ConfigError, DataError, DivergedError, UserError
from groundup.base.log import EventLog
from groundup.data.batches import Batch, WindowBatches
from groundup.train.fit import FitConfig, accumulate, workers
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig
from groundup.weights import checkpoint


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(path).model.state_dict()


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class One:
    """The same batch at every step."""

    def __init__(self, batch: Batch):
        self._batch = batch

    def batch(self, step: int, rank: int = 0) -> Batch:
        return self._batch


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_it_overfits_one_batch(job, tmp_path, kind):
    batch = WindowBatches(job.tokens(), context_len=16, batch_size=2, seed=0).batch(0)
    net = job.model(dropout=0.0)
    before, count, _ = cross_entropy(net, batch)
    job.train(
        tmp_path,
        net=net,
        batches=One(batch),
        steps=120,
        optim=OptimConfig(kind, lr=1e-2),
        evaluate=None,
        save_every=0,
    )
    after, _, _ = cross_entropy(net, batch)
    assert before / count > 2
    assert after / count < 0.1


def test_resumed_in_pieces_equals_uninterrupted_bit_for_bit(job, tmp_path):
    whole = job.train(tmp_path / "whole", steps=12)

    class Enough(Exception):
        pass

    def stop_at(step):
        def objective(net, batch, calls=[]):  # noqa: B006  the list is the counter
            calls.append(1)
            if len(calls) > step:
                raise Enough
            return cross_entropy(net, batch)

        return objective

    for steps in (
        4,
        5,
    ):  # from 0: killed in step 5, having saved 4; then from 4: killed in step 10, having saved 9
        with pytest.raises(Enough):
            job.train(tmp_path / "pieces", steps=12, objective=stop_at(steps))
    pieces = job.train(tmp_path / "pieces", steps=12)
    assert same(weights(whole.last), weights(pieces.last))
    assert (pieces.step, pieces.tokens, pieces.best_loss) == (whole.step, whole.tokens, whole.best_loss)
    resumed = [
        e["step"] for e in EventLog(tmp_path / "pieces" / "events.jsonl").read() if e["kind"] == "resumed"
    ]
    assert resumed == [4, 9]
    other = job.train(tmp_path / "other", steps=12, seed=8)
    assert not same(weights(whole.last), weights(other.last))  # the comparison can fail


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_saves_and_the_resumed_run_equals_the_uninterrupted(job, tmp_path, number):
    out = tmp_path / "out"
    process = subprocess.Popen(command(out, 12, 0.1), stdout=subprocess.PIPE, text=True)
    wait_for_step(out, 5)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    status, step = said.split()
    assert status == "interrupted"
    assert 5 <= int(step) < 12
    assert checkpoint.load(out / "last").step == int(step)  # the step it was in is not lost
    finished, whole = job.train(out), job.train(tmp_path / "whole")
    assert (finished.interrupted, finished.step) == (False, 12)
    assert same(weights(whole.last), weights(finished.last))


def test_killed_and_resumed_equals_uninterrupted(job, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(command(out, 12, 0.1), stdout=subprocess.DEVNULL)
    wait_for_step(out, 7)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    finished, whole = job.train(out), job.train(tmp_path / "whole")
    assert same(weights(whole.last), weights(finished.last))
    assert same(weights(whole.best), weights(finished.best))


def command(out: Path, steps: int, pause: float) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("job.py")), str(out), str(steps), str(pause)]


def wait_for_step(out: Path, step: int, seconds: float = 60) -> None:
    """Until the log of another process says that it has done this step."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        log = out / "events.jsonl"
        if log.exists() and any(e.get("step") == step for e in EventLog(log, console=False).read()):
            return
        time.sleep(0.02)
    raise AssertionError(f"step {step} was not reached in {seconds} s")


def test_accumulation_equals_the_big_batch(job):
    """Also where the micro-batches hold different numbers of targets, where a mean of means is wrong."""
    big = WindowBatches(job.tokens(), context_len=16, batch_size=8, seed=1).batch(0)
    targets_BT = big.targets_BT.clone()
    targets_BT[:4, 3:] = -1
    big = dataclasses.replace(big, targets_BT=targets_BT)
    halves = [Batch(big.tokens_BT[rows], targets_BT[rows]) for rows in (slice(0, 4), slice(4, 8))]

    class Halves:
        def batch(self, step: int, rank: int = 0) -> Batch:
            return halves[step % 2]

    whole, parts = job.model(dropout=0.0), job.model(dropout=0.0)
    one = accumulate(whole, One(big), cross_entropy, config=FitConfig(1), step=3)
    two = accumulate(parts, Halves(), cross_entropy, config=FitConfig(1, accumulate=2), step=3)
    assert one.loss == pytest.approx(two.loss, rel=1e-6)
    assert one.norm == pytest.approx(two.norm, rel=1e-5)
    assert one.tokens == two.tokens == 128
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert_close(a.grad, b.grad)
    means = [
        (loss / count).item()
        for loss, count, _ in (cross_entropy(job.model(dropout=0.0), half) for half in halves)
    ]
    assert one.loss != pytest.approx(sum(means) / 2, rel=1e-4)


def test_workers_give_the_same_bits_in_any_order_and_the_gradient_of_one(job, tmp_path):
    batches = WindowBatches(job.tokens(), context_len=16, batch_size=2, seed=0)
    alone, shared = job.model(dropout=0.0), job.model(dropout=0.0)
    accumulate(alone, batches, cross_entropy, config=FitConfig(1, accumulate=4), step=0)
    config = FitConfig(1, accumulate=4, workers=2)
    threads = torch.get_num_threads()
    with workers(shared, config) as share:
        accumulate(shared, batches, cross_entropy, config=config, step=0, share=share)
        first = [p.grad.clone() for p in shared.parameters()]
        for parameter in shared.parameters():
            parameter.grad = None
        accumulate(shared, batches, cross_entropy, config=config, step=0, share=share)
    assert torch.get_num_threads() == threads
    for a, b, again in zip(alone.parameters(), first, shared.parameters(), strict=True):
        assert_close(a.grad, b)
        assert torch.equal(b, again.grad)
    with pytest.raises(ConfigError, match="dropout"), workers(job.model(dropout=0.1), config):
        pass
    with pytest.raises(ConfigError, match="multiple"):
        FitConfig(1, accumulate=3, workers=2)


def test_accumulation_walks_through_the_same_data(job, tmp_path):
    """Two micro-batches of 4 see what one batch of 8 sees, step for step."""
    runs = {}
    for size, parts in ((8, 1), (4, 2)):
        batches = WindowBatches(job.tokens(), context_len=16, batch_size=size, seed=1)
        net = job.model(dropout=0.0)
        job.train(tmp_path / str(parts), net=net, batches=batches, accumulate=parts, steps=4)
        runs[parts] = net
    for a, b in zip(runs[1].parameters(), runs[2].parameters(), strict=True):
        assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_workers_change_who_computes_and_not_what(job, tmp_path):
    runs = []
    for place, threads in (("alone", 1), ("two", 2), ("again", 2)):
        net = job.model(dropout=0.0)
        job.train(tmp_path / place, net=net, accumulate=2, workers=threads, steps=4)
        runs.append(net.state_dict())
    alone, two, again = runs
    assert same(two, again)
    for name in alone:
        assert_close(alone[name], two[name], atol=1e-5, rtol=1e-4)
    with pytest.raises(ConfigError, match="dropout"):
        job.train(tmp_path / "x", accumulate=2, workers=2)


def test_the_gradient_is_clipped_and_logged_as_it_was(job):
    big = WindowBatches(job.tokens(), context_len=16, batch_size=8, seed=1).batch(0)
    net = job.model(dropout=0.0)
    free = accumulate(net, One(big), cross_entropy, config=FitConfig(1, clip_norm=0), step=0)
    norm = torch.stack([p.grad.norm() for p in net.parameters()]).norm().item()
    assert norm == pytest.approx(free.norm, rel=1e-5)
    clipped_net = job.model(dropout=0.0)
    clipped = accumulate(
        clipped_net, One(big), cross_entropy, config=FitConfig(1, clip_norm=free.norm / 4), step=0
    )
    assert clipped.norm == free.norm
    norm = torch.stack([p.grad.norm() for p in clipped_net.parameters()]).norm().item()
    assert norm == pytest.approx(free.norm / 4, rel=1e-4)


def test_a_step_that_is_not_finite_is_refused_with_evidence(job, tmp_path):
    net = job.model()

    def objective(model, batch, calls=[]):  # noqa: B006  the list is the counter
        calls.append(1)
        loss_sum, count, metrics = cross_entropy(model, batch)
        return loss_sum * (math.inf if len(calls) == 5 else 1.0), count, metrics

    with pytest.raises(
        DivergedError, match=r"Step 4 was refused: its loss is inf.*step 4, is unharmed"
    ) as caught:
        job.train(tmp_path, net=net, objective=objective, steps=12, save_every=0)
    assert isinstance(caught.value, UserError)
    evidence = json.loads((tmp_path / "diverged.json").read_text())
    assert (evidence["step"], evidence["loss"]) == (4, "inf")
    assert set(evidence["grad_norms"]) == {name for name, _ in net.named_parameters()}
    assert all(value.isfinite().all() for value in net.state_dict().values())  # the step was not taken
    assert same(net.state_dict(), weights(tmp_path / "last"))


def test_the_evidence_says_which_weight_diverged(job, tmp_path):
    """One bad gradient must not be spread over the others by clipping."""
    net = job.model(dropout=0.0)
    bad = net.embedding.weight
    handle = bad.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(DivergedError):
        job.train(tmp_path, net=net, steps=2, save_every=0)
    handle.remove()
    norms = json.loads((tmp_path / "diverged.json").read_text())["grad_norms"]
    names = {name for name, parameter in net.named_parameters() if parameter is bad}
    assert {name for name, norm in norms.items() if isinstance(norm, str)} == names  # "inf" or "nan"


def test_a_batch_without_targets_refuses(job, tmp_path):
    nothing = Batch(torch.zeros(1, 4, dtype=torch.int64), torch.full((1, 4), -1))
    with pytest.raises(DataError, match="step 0 has a target"):
        job.train(tmp_path, batches=One(nothing))


def test_best_is_the_lowest_loss_and_last_is_the_end(job, tmp_path):
    losses = iter([3.0, 1.0, 2.0, 5.0])
    result = job.train(tmp_path, steps=12, eval_every=4, evaluate=lambda net: {"loss": next(losses)})
    assert result.best_loss == 1.0
    assert checkpoint.load(result.best).step == 4
    assert checkpoint.load(result.best).manifest.extra == {"evaluation": {"loss": 1.0}}
    assert checkpoint.load(result.last).step == 12
    assert not same(weights(result.best), weights(result.last))


def test_without_an_evaluation_the_last_is_the_best(job, tmp_path):
    result = job.train(tmp_path, steps=3, evaluate=None)
    assert result.best == result.last == tmp_path / "last"
    assert result.best_loss is None


def test_it_is_saved_before_it_is_evaluated(job, tmp_path):
    def broken(net):
        raise RuntimeError("a bug in the evaluation")

    saved_at_start = []
    with pytest.raises(RuntimeError, match="a bug"):
        job.train(tmp_path, evaluate=broken)
    saved_at_start.append(checkpoint.load(tmp_path / "last").step)
    assert saved_at_start == [0]
    assert job.train(tmp_path).step == 12  # and goes on when the bug is gone


def test_looking_changes_nothing(job, tmp_path):
    """Evaluations and samples see eval mode, may draw random numbers, and leave the training alone."""
    modes = []

    def nosy(net):
        modes.append(net.training)
        assert not torch.is_grad_enabled()
        return {"loss": float(torch.rand(()))}

    job.train(
        tmp_path / "a", evaluate=nosy, eval_every=1, sample=lambda net: f"{torch.rand(())}", sample_every=2
    )
    job.train(tmp_path / "b", evaluate=None)
    assert not any(modes)
    assert same(weights(tmp_path / "a" / "last"), weights(tmp_path / "b" / "last"))
    samples = [e for e in EventLog(tmp_path / "a" / "events.jsonl").read() if e["kind"] == "sample"]
    assert [e["step"] for e in samples] == [0, 2, 4, 6, 8, 10, 12]


def test_other_settings_refuse_and_say_which(job, tmp_path):
    job.train(tmp_path, steps=6)
    with pytest.raises(CheckpointError, match=r"steps: 6 -> 8"):
        job.train(tmp_path, steps=8)
    with pytest.raises(CheckpointError, match=r"n_layer: 2 -> 1"):
        job.train(tmp_path, steps=6, net=job.model(n_layer=1))
    assert job.train(tmp_path, steps=6, log_every=3).step == 6  # how often we look is not part of the run


def test_a_damaged_last_is_refused_and_names_the_best(job, tmp_path):
    losses = iter([3.0, 1.0, 2.0, 5.0])
    job.train(tmp_path, steps=12, evaluate=lambda net: {"loss": next(losses)})
    path = tmp_path / "last" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is truncated.*best \(step 4\)"):
        job.train(tmp_path, steps=12)


def test_a_finished_run_does_nothing_more(job, tmp_path):
    first = job.train(tmp_path)
    again = job.train(tmp_path)
    assert same(weights(first.last), weights(again.last))
    assert again.step == 12
    assert again.seconds > 0
    assert again.flops == first.flops == 6 * sum(p.numel() for p in job.model().parameters()) * 12 * 4 * 16


def test_the_log_has_the_numbers_of_every_step(job, tmp_path):
    job.train(tmp_path, label="pretrain", objective=lambda m, b: (*cross_entropy(m, b)[:2], {"reward": 0.5}))
    events = [e for e in EventLog(tmp_path / "events.jsonl").read() if e["kind"] == "train"]
    assert [e["step"] for e in events] == list(range(1, 13))
    assert all(e["label"] == "pretrain" and e["reward"] == 0.5 and e["tokens_per_second"] > 0 for e in events)
    assert "mfu" not in events[0]  # nobody knows the peak of a CPU
    assert events[-1]["loss"] < events[0]["loss"]


def test_bfloat16_activations_train_float32_weights(job, tmp_path):
    net = job.model()
    result = job.train(tmp_path, net=net, precision="bfloat16", steps=40)
    assert net.embedding.weight.dtype == torch.float32
    assert result.best_loss < 1.9 < math.log(8)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"accumulate": 0}, {"clip_norm": -1.0}, {"save_every": -1}])
def test_impossible_numbers_refuse(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        FitConfig(**{"steps": 1, **wrong})


@pytest.mark.slow
def test_killed_at_many_random_moments(job, tmp_path):
    """Twenty kills at times that nobody chose, in and between saves, and the last bits are the same."""
    import random

    rng, out = random.Random(0), tmp_path / "out"
    for _ in range(20):
        process = subprocess.Popen(command(out, 60, 0.05), stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(1.5, 4.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command(out, 60, 0), check=True, capture_output=True)
    subprocess.run(command(tmp_path / "whole", 60, 0), check=True, capture_output=True)
    assert same(weights(tmp_path / "whole" / "last"), weights(out / "last"))


def test_a_signal_during_the_last_look_is_not_forgotten(job, tmp_path):
    """It used to be: the caller went on to its next stage, after "Stopping after this step"."""
    sent = []

    def evaluate(net):
        if not sent and (tmp_path / "last").exists() and checkpoint.verify(tmp_path / "last").step == 12:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return {"loss": 1.0}

    stopped = job.train(tmp_path, evaluate=evaluate)
    assert (stopped.step, stopped.interrupted) == (12, True)
    resumed = job.train(tmp_path, evaluate=evaluate)
    assert (resumed.step, resumed.interrupted) == (12, False)
    assert resumed.tokens == stopped.tokens  # nothing was trained twice
