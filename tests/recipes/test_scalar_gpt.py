"""The scalar GPT learns names, writes new ones, and loses nothing when it is stopped."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from groundup.base.config import replace_path, to_dict
from groundup.base.errors import ConfigError, DataError, FetchError
from groundup.base.rundir import RunDir
from groundup.recipes import scalar_gpt as recipe
from groundup.recipes.scalar_gpt import Job, NamesData, ScalarGPTJob, ScalarModel
from groundup.recipes.training_state import load_state

FEW = ["ana", "nana", "ada", "hana", "dana", "hanna"] * 2


@pytest.fixture
def small() -> ScalarGPTJob:
    """A model of a few hundred scalars; NumPy replays it, so that nothing is compiled."""
    return ScalarGPTJob(
        data=NamesData(source="names", held_out=20),
        model=ScalarModel(context_len=6, n_head=2, n_embd=4),
        steps=30,
        samples=3,
        sample_every=20,
        runner="numpy",
    )


@pytest.fixture
def few(monkeypatch):
    """Six names instead of five thousand."""
    names = list(dict.fromkeys(FEW))
    monkeypatch.setattr(recipe, "read", lambda config, run_dir: names)
    return names


def run(settings: ScalarGPTJob, out: str) -> str:
    opened = RunDir.open(
        Path(out), recipe="scalar-gpt", config=to_dict(settings), seed=settings.seed, console=False
    )
    return settings.run(opened)


def test_it_learns_a_handful_of_names(small, few):
    settings = replace_path(replace_path(small, "steps", 250), "data.held_out", 1)
    said = run(settings, "run")
    events = [json.loads(line) for line in Path("run/events.jsonl").read_text().splitlines()]
    losses = [event["loss"] for event in events if event["kind"] == "train"]
    letters = len(set("".join(few))) + 1
    assert abs(losses[0] - np.log(letters)) < 0.1 and np.mean(losses[-10:]) < 0.75 < losses[0]
    summary = json.loads(Path("run/report/summary.json").read_text())
    assert summary["held_out_loss"]["n"] == 1 and summary["already_real"] >= 1
    assert Path("run/report/names.txt").read_text().split() == summary["names"]
    assert summary["names"][0] in said and Path("run/report/loss.png").exists()


def test_real_names_are_split_and_every_one_has_ids(small):
    opened = RunDir.open(Path("run"), recipe="scalar-gpt", config={}, seed=1, console=False)
    names = recipe.read(small.data, opened)
    job = Job(small, names)
    assert len(names) > 5000 and len(job.held_out) == 20 and not set(job.held_out) & set(job.train)
    assert job.tokenizer.vocab_size == 27
    long, short = job.tokens("christopher"), job.tokens("al")
    assert len(long) == 7 and [token.number for token in short] == [26, 0, 11, 26]
    learned = {job.name_of(step) for step in range(len(job.train))}
    assert len(learned) == len(job.train) and job.name_of(0) != job.name_of(len(job.train))


def test_stopped_and_carried_on_equals_uninterrupted(small, few, monkeypatch):
    settings = replace_path(small, "data.held_out", 1)
    run(settings, "whole")
    name_of = Job.name_of

    def stop_at_9(self, step):
        if step == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return name_of(self, step)

    monkeypatch.setattr(Job, "name_of", stop_at_9)
    assert "carries on" in run(settings, "stopped")
    monkeypatch.setattr(Job, "name_of", name_of)
    assert load_state(Path("stopped/train")).step == 10
    run(settings, "stopped")
    whole, stopped = (load_state(Path(name, "train")).arrays for name in ("whole", "stopped"))
    assert whole.keys() == stopped.keys() and all(np.array_equal(whole[k], stopped[k]) for k in whole)
    assert not np.array_equal(whole["parameters"], [p.data for p in Job(settings, few).model().parameters()])


def test_names_are_drawn_from_the_models_own_distribution(small, few):
    """One letter at a time with the eager engine gives the shares that the padded program uses."""
    job = Job(replace_path(small, "data.held_out", 1), few)
    model = job.model()
    ids = [job.tokenizer.special(recipe.MARK), 0, 1]
    by_hand = [logit.data for logit in model(ids)[-1]]
    padded = [recipe.Index(id) for id in [*ids, 0, 0, 0]]
    np.testing.assert_allclose(job.logits.forward(padded).reshape(6, -1)[2], by_hand, rtol=1e-12)
    assert not np.allclose(job.logits.forward(padded).reshape(6, -1)[3], by_hand)


def test_a_source_that_cannot_be_had_is_replaced_and_said_so(small, monkeypatch):
    def documents(name):
        if name == "course-names":
            raise FetchError("no network.")
        return [type("Document", (), {"text": text}) for text in ("ann", "bob", "ann", "")]

    monkeypatch.setattr(recipe, "documents", documents)
    opened = RunDir.open(Path("run"), recipe="scalar-gpt", config={}, seed=1, console=False)
    assert recipe.read(NamesData(held_out=1), opened) == ["ann", "bob"]
    assert "Going on with names instead" in Path("run/events.jsonl").read_text()
    with pytest.raises(FetchError):
        recipe.read(NamesData(fallback=""), opened)
    with pytest.raises(DataError, match="2 names are too few to hold 5 out"):
        recipe.read(NamesData(held_out=5), opened)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"lr": 0.0}, {"lr": float("nan")}, {"temperature": 0.0}, {"betas": (0.9, 1.0)},
     {"model.n_head": 3}, {"data.held_out": 0}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(small, wrong):
    ((path, value),) = wrong.items()
    with pytest.raises(ConfigError, match=path.rsplit(".", maxsplit=1)[-1]):
        replace_path(small, path, value)
