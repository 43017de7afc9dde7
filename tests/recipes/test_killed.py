"""kill -9 at random steps of every recipe: carried on, it ends in the bits of the run that was not killed."""

import os
import random
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from groundup.recipes.catalog import RECIPES

JOB = runpy.run_path(str(Path(__file__).with_name("killed_job.py")))  # the program, here as a module
SETTINGS, BASE, write_texts = JOB["SETTINGS"], JOB["BASE"], JOB["write_texts"]
KILLS = 3


def run(case: str, out: Path, at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(Path(__file__).with_name("killed_job.py")), case, str(out), str(at)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=600, check=False)


def outcome(out: Path) -> dict[str, bytes]:
    """The bits of every weight and every moment that a run leaves; not the seconds written beside them.

    The control of zero-to-chat follows a clock.
    """
    return {
        f"{path.relative_to(out)} {name}": tensor.tobytes()
        for file in ("model.safetensors", "training.safetensors")
        for path in sorted(out.rglob(file))
        if "control" not in path.parts
        for name, tensor in load_file(path).items()
    }


def test_every_recipe_is_killed_here():
    assert {recipe for recipe, _ in SETTINGS.values()} == set(RECIPES)


@pytest.mark.slow
@pytest.mark.parametrize("case", SETTINGS)
def test_killed_at_random_steps_ends_in_the_same_bits(tmp_path, case):
    write_texts()
    if case == "adapt":
        assert run("pretrain", BASE, 0).returncode == 0
    whole = run(case, tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr[-2000:]
    steps = int(whole.stdout.split()[-1])
    assert steps >= 10
    rng = random.Random(case)
    for _ in range(KILLS):
        killed = run(case, tmp_path / "killed", rng.randint(1, max(1, steps // KILLS)))
        assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    carried_on = run(case, tmp_path / "killed", 0)
    assert carried_on.returncode == 0, carried_on.stderr[-2000:]
    expected = outcome(tmp_path / "whole")
    assert expected and outcome(tmp_path / "killed") == expected
    assert len(set(expected.values())) > 10 or case not in ("pretrain", "adapt")  # what differs does differ
