"""What is read from event logs: every stage of every run, by names that tell them apart."""

from pathlib import Path

import pytest

from groundup.base.errors import RunDirError, UserError
from groundup.base.log import EventLog
from groundup.train.curves import read_curves, short_names


def logged(folder: Path, *stages: str, loss: float = 4.0) -> Path:
    """A log as fit writes it: a few steps of each stage, one of them run twice, one evaluation."""
    log = EventLog(folder / "events.jsonl", console=False)
    log.write("stage", text="begins")
    for stage in stages:
        for step in (1, 2, 2, 3):
            log.write(
                "train", label=stage, step=step, loss=loss / step, grad_norm=2.0, lr=0.02, lr_scale=1.0,
                tokens=step * 100, tokens_per_second=1000.0,
            )  # fmt: skip
        log.write("clip", label=stage, step=2, grad_norm=2.0, clipped_to=1.0)
        log.write("eval", label=stage, step=3, loss=loss / 2)
    return folder


def test_the_stages_of_runs_in_the_order_in_which_they_ran(tmp_path):
    runs = [logged(tmp_path / "a", "pretrain", "finetune"), logged(tmp_path / "b", "pretrain")]
    found = read_curves(runs)
    assert [each.name for each in found] == ["a pretrain", "a finetune", "b pretrain"]
    assert found[0].loss == [(1, 4.0), (2, 2.0), (3, pytest.approx(4 / 3))]  # the repeated step once
    assert (found[0].held_out, found[0].clipped, found[0].lr) == (
        [(3, 2.0)],
        [(2, 1.0)],
        [(1, 0.02), (2, 0.02), (3, 0.02)],
    )
    assert [each.name for each in read_curves(runs, "finetune")] == ["a finetune"]
    assert [each.name for each in read_curves(runs[:1])] == ["pretrain", "finetune"]  # one run needs no name


def test_a_training_without_a_label_is_a_stage_too(tmp_path):
    (found,) = read_curves([logged(tmp_path / "a", "")])
    assert found.name == "" and len(found.loss) == 3


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(UserError, match=r"No stage is called 'pretrian'\. Did you mean 'pretrain'"):
        read_curves([logged(tmp_path / "a", "pretrain")], "pretrian")
    with pytest.raises(RunDirError, match=r"no events\.jsonl"):
        read_curves([tmp_path])
    with pytest.raises(RunDirError, match="no training step yet"):
        read_curves([logged(tmp_path / "empty")])


def test_names_are_as_short_as_they_can_be():
    assert short_names([Path("p/a/run"), Path("p/b/run"), Path("p/c/run")]) == ["a", "b", "c"]
    assert short_names([Path("p/a"), Path("p/a/b")]) == ["p/a", "p/a/b"]  # nothing is left of the first
    assert short_names([Path("p/a"), Path("p/a")]) == ["p/a", "p/a"]
