"""What a run that breaks leaves, and what it says of the cause."""

import json
import math

import pytest
import torch

from groundup.base.errors import DivergedError
from groundup.base.log import EventLog
from groundup.data.batches import WindowBatches
from groundup.train.evidence import LOOK_BACK, Step, dead, risen, verdict
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig


def steps(*losses: float) -> list[Step]:
    return [Step(number, loss, 1.0, 1.0) for number, loss in enumerate(losses, 1)]


def test_a_loss_has_risen_when_the_last_steps_lie_a_nat_above_the_first():
    assert risen(steps(*[5.1] * LOOK_BACK), 4.0) == pytest.approx(5.1)
    assert risen(steps(*[4.9] * LOOK_BACK), 4.0) is None
    assert risen(steps(*[9.0] * (LOOK_BACK - 1)), 4.0) is None  # too few to be a trend
    assert risen(steps(*[4.0] * LOOK_BACK, 20.0), 4.0) is None  # one bad batch is none
    assert risen(steps(*[9.0] * LOOK_BACK), None) is None


def test_the_verdict_tells_the_causes_apart():
    bad, good = {"micro_batch": 7, "loss_sum": math.nan}, {"micro_batch": 8, "loss_sum": 1.0}
    assert "first step" in verdict([], None, [bad])
    assert "risen from 4 at first to 9 at step 2: the learning rate" in verdict(steps(4.0, 9.0), 4.0, [bad])
    assert "came from micro-batch 7." in verdict(steps(4.0, 3.0), 4.0, [bad, good])
    assert "the backward pass, with finite losses" in verdict(steps(4.0, 3.0), 4.0, [good])


def test_the_evidence_names_the_micro_batch_its_windows_and_the_steps_before(job, tmp_path):
    """The sixth micro-batch is bad, of two a step: the second of step 2."""
    batches = WindowBatches(job.tokens(), context_len=16, batch_size=4, seed=1)
    culprit = batches.batch(5).tokens_BT
    net = job.model(dropout=0.0)

    def objective(model, batch):
        loss, count, metrics = cross_entropy(model, batch)
        return loss * (math.nan if torch.equal(batch.tokens_BT, culprit) else 1), count, metrics

    with pytest.raises(DivergedError, match=r"came from micro-batch 5\."):
        job.train(tmp_path, net=net, batches=batches, objective=objective, accumulate=2)
    found = json.loads((tmp_path / "diverged.json").read_text())
    assert [part["micro_batch"] for part in found["micro_batches"]] == [4, 5]
    assert [part["loss_sum"] == "nan" for part in found["micro_batches"]] == [False, True]
    start = found["micro_batches"][1]["starts"][0]
    window = torch.from_numpy(job.tokens()[start : start + 16])
    assert torch.equal(window, culprit[0])  # the evidence leads to the text
    assert [step["step"] for step in found["before"]] == [1, 2]
    assert found["before"][1]["loss"] > 0
    assert set(found["weight_norms"]) == {name for name, _ in net.named_parameters()}
    assert found["settings"]["seed"] == 7
    assert [e["step"] for e in EventLog(tmp_path / "events.jsonl").read("diverged")] == [2]


def test_a_learning_rate_that_diverges_is_said_once_and_early(job, tmp_path):
    """Without a norm that holds it, a model at rate 3 is lost; no loss is infinite, so no step is refused."""
    hot = OptimConfig("adamw", lr=3.0)
    job.train(tmp_path / "hot", net=job.model(dropout=0.0), optim=hot, steps=80, save_every=0)
    (said,) = [event["text"] for event in EventLog(tmp_path / "hot" / "events.jsonl").read("warning")]
    assert "this run diverges" in said and "lower learning rate" in said and "groundup lr-find" in said
    job.train(tmp_path / "cool", net=job.model(dropout=0.0), steps=80, save_every=0)
    assert not list(EventLog(tmp_path / "cool" / "events.jsonl").read("warning"))


def test_clipping_is_an_event_with_both_norms_and_only_where_it_acts(job, tmp_path):
    job.train(tmp_path, clip_norm=0.5, steps=12)
    norms = {e["step"]: e["grad_norm"] for e in EventLog(tmp_path / "events.jsonl").read("train")}
    clips = list(EventLog(tmp_path / "events.jsonl").read("clip"))
    assert {e["step"] for e in clips} == {step for step, norm in norms.items() if norm > 0.5}
    assert all(e["grad_norm"] == norms[e["step"]] and e["clipped_to"] == 0.5 for e in clips)
    assert len(clips) > 0
    job.train(tmp_path / "off", clip_norm=0.0, steps=12)
    assert not list(EventLog(tmp_path / "off" / "events.jsonl").read("clip"))


def test_a_run_without_gradients_is_dead():
    still = [Step(n + 1, 4.2, 0.0, 1.0) for n in range(LOOK_BACK)]
    assert dead(still)
    assert not dead(still[1:])  # too few to tell
    assert not dead([*still[1:], Step(LOOK_BACK + 1, 4.2, 1e-9, 1.0)])
    assert dead([Step(0, 4.0, 3.0, 1.0), *still])
