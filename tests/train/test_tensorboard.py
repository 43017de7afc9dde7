"""What TensorBoard would show is what the event log says, read back with TensorBoard's own reader."""

import math

import pytest

from groundup.base.errors import UserError
from groundup.base.log import EventLog
from groundup.train.tensorboard import export, scalars

pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")


def run(folder, loss=4.0):
    log = EventLog(folder / "events.jsonl", console=False)
    for step in (1, 2, 2, 3):
        log.write("train", label="pretrain", step=step, loss=loss / step, tokens=100 * step)
    log.write("train", label="pretrain", step=4, loss=math.inf, tokens=400)
    log.write("eval", label="pretrain", step=3, loss=2.5, n=7)
    log.write("sample", label="pretrain", step=3, text="To be")
    log.write("note", text="no step, no figure")
    return folder


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_every_figure_comes_back_with_its_step_and_time(tmp_path):
    folder = run(tmp_path / "a")
    times = [event["time"] for event in EventLog(folder / "events.jsonl").read("train")]
    assert export([folder], tmp_path / "tb") == 3 + 4 + 1
    back = read(tmp_path / "tb" / "a")
    tags = back.Tags()["scalars"]
    assert set(tags) == {"pretrain/train/loss", "pretrain/train/tokens", "pretrain/eval/loss"}
    losses = back.Scalars("pretrain/train/loss")
    assert [(point.step, point.value) for point in losses] == [(1, 4.0), (2, 2.0), (3, pytest.approx(4 / 3))]
    assert losses[0].wall_time == pytest.approx(times[0], abs=1e-3)
    assert losses[1].wall_time == pytest.approx(times[2], abs=1e-3)  # of the second time
    assert any("sample" in tag for tag in back.Tags()["tensors"])


def test_an_export_replaces_its_own_and_nothing_else(tmp_path):
    runs = [run(tmp_path / "a"), run(tmp_path / "b", loss=8.0)]
    for _ in range(2):
        export(runs, tmp_path / "tb")
        assert len(read(tmp_path / "tb" / "b").Scalars("pretrain/train/loss")) == 3
    (tmp_path / "tb" / "b" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"thesis\.txt"):
        export(runs, tmp_path / "tb")


def test_what_is_no_figure_is_left_out():
    log = [{"time": 1.0, "kind": "train", "step": 1, "loss": "nan", "names": ["x"], "lr": 0.5}]
    assert list(scalars(log)) == [("train/lr", 0.5, 1, 1.0)]


def test_without_tensorboard_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install groundup\[tensorboard\]"):
        export([run(tmp_path / "a")], tmp_path / "tb")
