"""Early stopping: where it should, with the best kept, and where the whole run stops also after a kill."""

from pathlib import Path

import pytest
import torch

from groundup.base.errors import CheckpointError, ConfigError
from groundup.base.log import EventLog
from groundup.data.batches import WindowBatches
from groundup.train.fit import FitConfig, FitResult
from groundup.train.objective import cross_entropy
from groundup.weights import checkpoint


def unlearnable(job):
    """An evaluation on another text: it gets better while the letters are learned, then only worse."""
    shuffled = job.tokens()[torch.randperm(2000, generator=torch.Generator().manual_seed(0)).numpy()]
    batch = WindowBatches(shuffled, context_len=16, batch_size=4, seed=5).batch(0)

    def evaluate(net):
        loss, count, _ = cross_entropy(net, batch)
        return {"loss": float(loss / count)}

    return evaluate


def train(job, out: Path, **changes) -> FitResult:
    settings = {"steps": 200, "eval_every": 2, "save_every": 3, "patience": 4, "evaluate": unlearnable(job)}
    return job.train(out, **{**settings, **changes})


def losses(out: Path) -> dict[int, float]:
    events = EventLog(out / "events.jsonl", console=False).read("eval")
    return {event["step"]: event["loss"] for event in events}


def test_it_stops_after_so_many_evaluations_without_a_new_best_and_keeps_the_best(job, tmp_path):
    result = train(job, tmp_path)
    seen = losses(tmp_path)
    best = min(seen, key=lambda step: seen[step])
    assert result.step == best + 4 * 2 < 200 and not result.interrupted
    assert result.best_loss == seen[best] and checkpoint.load(result.best).step == best
    (note,) = (event["text"] for event in EventLog(tmp_path / "events.jsonl", console=False).read("note"))
    assert f"Stopped early at step {result.step}" in note and f"lowest at step {best}" in note


def test_without_patience_or_with_more_of_it_the_run_is_longer(job, tmp_path):
    short = train(job, tmp_path / "short")
    assert train(job, tmp_path / "more", patience=6).step > short.step
    assert train(job, tmp_path / "never", patience=0, steps=30).step == 30 > short.step


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def whole(job, tmp_path_factory) -> FitResult:
    return train(job, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("before_the_end", range(1, 9))
def test_a_run_killed_at_any_step_stops_where_the_whole_one_does(job, tmp_path, whole, before_the_end):
    """The count of evaluations is saved before each, and the evaluation of the saved step is made again."""
    kill_at, calls = whole.step - before_the_end, []

    def objective(net, batch):
        calls.append(1)
        if len(calls) > kill_at:
            raise Killed
        return cross_entropy(net, batch)

    with pytest.raises(Killed):
        train(job, tmp_path / "killed", objective=objective)
    after = train(job, tmp_path / "killed")
    assert (after.step, after.best_loss) == (whole.step, whole.best_loss)
    for kind in ("last", "best"):
        one, other = (checkpoint.load(getattr(run, kind)).model.state_dict() for run in (whole, after))
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_that_stopped_early_stays_stopped(job, tmp_path):
    first = train(job, tmp_path)
    again = train(job, tmp_path)
    assert (again.step, again.best_loss, again.tokens) == (first.step, first.best_loss, first.tokens)


def test_killed_while_it_evaluates(job, tmp_path, whole):
    """Nothing of an evaluation that was not finished is counted."""
    evaluate, calls = unlearnable(job), []

    def dies(net):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return evaluate(net)

    with pytest.raises(Killed):
        train(job, tmp_path / "killed", evaluate=dies)
    assert train(job, tmp_path / "killed").step == whole.step


def test_another_patience_is_another_run_once_it_decides(job, tmp_path):
    train(job, tmp_path, steps=5, patience=3)
    with pytest.raises(CheckpointError, match="patience: 3 -> 2"):
        train(job, tmp_path, steps=5, patience=2)
    with pytest.raises(CheckpointError, match="eval_every: 2 -> 1"):
        train(job, tmp_path, steps=5, patience=3, eval_every=1)
    train(job, tmp_path / "free", steps=5, patience=0)
    train(job, tmp_path / "free", steps=5, patience=0, eval_every=1)  # looking alone changes nothing


def test_patience_needs_evaluations():
    with pytest.raises(ConfigError, match="patience=3 counts evaluations, and eval_every=0 makes none"):
        FitConfig(steps=10, patience=3)
