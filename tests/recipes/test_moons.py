"""The moons demo: the course's losses, a line that holds on new points, and a stop that loses nothing."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from groundup.base.config import replace_path, to_dict
from groundup.base.errors import ConfigError, DivergedError
from groundup.base.rundir import RunDir
from groundup.evals.reference import references
from groundup.recipes import moons as recipe
from groundup.recipes.moons import Moons
from groundup.recipes.training_state import load_state

EAGER = "numpy"  # no compiler in the tests


def run(settings: Moons, out: str) -> str:
    return settings.run(
        RunDir.open(Path(out), recipe="moons", config=to_dict(settings), seed=settings.seed, console=False)
    )


@pytest.fixture
def small() -> Moons:
    return Moons(n=12, hidden=(4,), steps=30, runner=EAGER)


def test_the_losses_are_those_of_the_course_and_the_line_holds_on_new_points():
    said = run(Moons(runner=EAGER), "run")
    events = [json.loads(line) for line in Path("run/events.jsonl").read_text().splitlines()]
    losses = {event["step"]: event["loss"] for event in events if event["kind"] == "train"}
    published = {result.id: result for result in references("01")}
    for step in (0, 1, 4, 99):
        assert losses[step] == pytest.approx(published[f"moons.loss.{step}"].expected, rel=1e-9)
    summary = json.loads(Path("run/report/summary.json").read_text())
    assert summary["accuracy"] == 1.0 and summary["parameters"] == 337
    assert summary["new_points"]["n"] == 1000 and summary["new_points"]["low"] > 0.97
    assert "100% of its 100 points right, loss 0.0109784" in said
    for picture in ("loss.png", "boundary.png"):
        assert Path("run/report", picture).read_bytes().startswith(b"\x89PNG")


def test_another_seed_gives_other_losses(small):
    run(small, "a")
    run(replace_path(small, "seed", 3), "b")
    first, second = (load_state(Path(name, "train")).arrays["parameters"] for name in "ab")
    assert not np.array_equal(first, second)


def test_stopped_and_carried_on_equals_uninterrupted(small, monkeypatch):
    run(small, "whole")
    asked = recipe.Progress.advance
    monkeypatch.setattr(recipe.Progress, "advance", lambda *a, **k: os.kill(os.getpid(), signal.SIGINT))
    assert "carries on" in run(small, "stopped")
    monkeypatch.setattr(recipe.Progress, "advance", asked)
    assert load_state(Path("stopped/train")).step == 1
    said = run(small, "stopped")
    assert said.splitlines()[0] == run(small, "whole").splitlines()[0]
    whole, stopped = (load_state(Path(name, "train")).arrays["parameters"] for name in ("whole", "stopped"))
    assert np.array_equal(whole, stopped)


def test_a_rate_that_is_too_large_stops_with_evidence(small):
    with pytest.raises(DivergedError, match=r"Step \d+ was refused: .*too large for a float"):
        run(replace_path(replace_path(small, "lr", 1e9), "lr_last", 1e9), "run")
    found = json.loads(Path("run/train/diverged.json").read_text())
    assert found["step"] > 0 and found["lr"] == 1e9 and "parameters" in found["norms"]


def test_a_second_run_finds_everything_done(small):
    assert run(small, "run") == run(small, "run")


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 1},
        {"noise": -1.0},
        {"hidden": ()},
        {"hidden": (0,)},
        {"lr": 0.0},
        {"steps": 0},
        {"seed": -1},
        {"noise": float("nan")},
        {"lr": float("inf")},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Moons(**wrong)
