"""Going on after a stop: when it is the same run, and what is said where it is not quite."""

import json
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from groundup.base.errors import CheckpointError
from groundup.base.log import EventLog
from groundup.data.batches import WindowBatches
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig
from groundup.weights import checkpoint


class Killed(Exception):
    pass


def killed_after(calls_left: int):
    def objective(net, batch, calls=[]):  # noqa: B006  the list is the counter
        calls.append(1)
        if len(calls) > calls_left:
            raise Killed
        return cross_entropy(net, batch)

    return objective


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(path).model.state_dict()


def warnings(out: Path) -> list[str]:
    return [event["text"] for event in EventLog(out / "events.jsonl").read("warning")]


def windows(job, size: int, seed: int = 1) -> WindowBatches:
    return WindowBatches(job.tokens(), context_len=16, batch_size=size, seed=seed)


def written_by(path: Path, **others: object) -> None:
    """Make the checkpoint say that it was written under other conditions, and be whole all the same."""
    found = json.loads((path / "training.json").read_text())
    found["made_by"].update(others)
    net = checkpoint.load(path)
    tensors = checkpoint._tensors(path / "training.safetensors")
    checkpoint.save(
        path, model=net.model, tokenizer=net.tokenizer, step=net.step, training={**found, **tensors}
    )


def test_resumed_with_other_micro_batches_is_the_same_run_to_rounding(job, tmp_path):
    """Eight rows a step: as 2 x 4 until it is killed, then as 4 x 2, then at once."""
    whole, pieces = job.model(dropout=0.0), job.model(dropout=0.0)
    job.train(tmp_path / "whole", net=whole, batches=windows(job, 8), steps=9)
    out = tmp_path / "pieces"
    for size, calls in ((4, 2 * 4), (2, 4 * 3)):
        with pytest.raises(Killed):
            job.train(
                out, net=pieces, batches=windows(job, size), accumulate=8 // size, steps=9,
                objective=killed_after(calls),
            )  # fmt: skip
    job.train(out, net=pieces, batches=windows(job, 8), steps=9)
    for a, b in zip(whole.parameters(), pieces.parameters(), strict=True):
        assert_close(a, b, atol=1e-4, rtol=1e-3)
    said = warnings(out)
    assert len(said) == 2 and "accumulate: 2 -> 4" in said[0] and "to rounding" in said[0]
    other = job.model(dropout=0.0)
    job.train(tmp_path / "other", net=other, batches=windows(job, 8, seed=2), steps=9)
    assert not torch.allclose(other.embedding.weight, whole.embedding.weight, atol=1e-3)  # it can differ


def test_other_rows_a_step_are_another_run(job, tmp_path):
    job.train(tmp_path, net=job.model(dropout=0.0), batches=windows(job, 4), accumulate=2, steps=6)
    with pytest.raises(CheckpointError, match="accumulate: 2 -> 4"):
        job.train(tmp_path, net=job.model(dropout=0.0), batches=windows(job, 4), accumulate=4, steps=6)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"optim": OptimConfig(muon_lr=0.5)}, r"optim\.muon_lr: 0\.02 -> 0\.5"),
        ({"schedule": ScheduleConfig("cosine")}, 'schedule.kind: "wsd" -> "cosine"'),
        ({"clip_norm": 0.5}, r"clip_norm: 1\.0 -> 0\.5"),
        ({"precision": "bfloat16"}, 'precision: "float32" -> "bfloat16"'),
        ({"seed": 8}, "seed: 7 -> 8"),
    ],
)
def test_other_settings_are_refused_by_name_and_nothing_is_touched(job, tmp_path, changed, says):
    job.train(tmp_path, steps=3)
    before = (tmp_path / "last" / "manifest.json").read_bytes()
    with pytest.raises(CheckpointError, match=says) as caught:
        job.train(tmp_path, steps=3, **changed)
    assert str(caught.value).count(" -> ") == 1  # that key and no other
    assert (tmp_path / "last" / "manifest.json").read_bytes() == before


def test_another_torch_or_number_of_threads_is_said_and_goes_on(job, tmp_path):
    with pytest.raises(Killed):
        job.train(tmp_path, steps=6, objective=killed_after(4))
    written_by(tmp_path / "last", torch="1.0.0", threads=64)
    assert job.train(tmp_path, steps=6).step == 6
    (said,) = warnings(tmp_path)
    assert f'torch: "1.0.0" -> "{torch.__version__}"' in said and "threads: 64 -> 1" in said
    assert "no longer equal bit for bit" in said
    job.train(tmp_path, steps=6)
    assert len(warnings(tmp_path)) == 1  # written by this torch since: nothing to say


def test_a_checkpoint_from_before_the_conditions_were_written_down_goes_on_in_silence(job, tmp_path):
    whole = job.train(tmp_path / "whole", steps=6)
    with pytest.raises(Killed):
        job.train(tmp_path / "old", steps=6, objective=killed_after(4))
    path = tmp_path / "old" / "last"
    found = json.loads((path / "training.json").read_text())
    for name in ("made_by", "rows", "loss_scale"):
        del found[name]
    del found["position"]["first_loss"]
    net = checkpoint.load(path)
    tensors = checkpoint._tensors(path / "training.safetensors")
    checkpoint.save(
        path, model=net.model, tokenizer=net.tokenizer, step=net.step, training={**found, **tensors}
    )
    old = job.train(tmp_path / "old", steps=6)
    assert not warnings(tmp_path / "old")
    assert all(torch.equal(value, weights(old.last)[name]) for name, value in weights(whole.last).items())
