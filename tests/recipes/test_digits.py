"""Digits from scratch, on pictures that the tests draw; the real ones in the slow test."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from groundup.base.config import replace_path, to_dict
from groundup.base.errors import CheckpointError, ConfigError, DataError, DivergedError
from groundup.base.rundir import RunDir
from groundup.data.digits import Digits
from groundup.data.fetch import kept_path, local_copy
from groundup.data.sources import source
from groundup.recipes import digits as recipe
from groundup.recipes.digits import DigitsFromScratch, DigitsModel
from groundup.recipes.training_state import FILE, TrainingState, load_state

# The segments of a pocket calculator: top, upper left, upper right, middle, lower left, lower right, bottom.
SEGMENTS = ["1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111",
            "1111011"]  # fmt: skip
PLACES = [(1, slice(3, 9)), (slice(1, 6), 3), (slice(1, 6), 8), (5, slice(3, 9)), (slice(5, 10), 3),
          (slice(5, 10), 8), (9, slice(3, 9))]  # fmt: skip


def drawn(count: int) -> str:
    """Rows of a CSV file: digits of 12 by 12 pixels with grain in the paper."""
    rng = np.random.Generator(np.random.PCG64(6))
    rows = []
    for number in range(count):
        image = rng.integers(0, 90, (12, 12))
        for lit, place in zip(SEGMENTS[number % 10], PLACES, strict=True):
            if lit == "1":
                image[place] = rng.integers(160, 256)
        rows.append(",".join(map(str, [*image.flat, number % 10])))
    return "\n".join(rows) + "\n"


@pytest.fixture
def settings(tmp_path) -> DigitsFromScratch:
    """A run of a second."""
    (tmp_path / "mine.csv").write_text(drawn(400))
    changes = {"data.path": tmp_path / "mine.csv", "batch_size": 32, "steps": 120, "shift": 0, "lr": 2e-2}
    changes |= {"eval_every": 40, "save_every": 50, "model.channels": (4, 8), "model.kernel": 3}
    made = DigitsFromScratch()
    for path, value in changes.items():
        made = replace_path(made, path, value)
    return made


def run(settings: DigitsFromScratch, out: Path) -> str:
    name = "digits-from-scratch"
    return settings.run(
        RunDir.open(out, recipe=name, config=to_dict(settings), seed=settings.seed, console=False)
    )


def test_it_learns_to_read_and_draws_what_it_misread(settings):
    said = run(settings, Path("run"))
    summary = json.loads(Path("run/report/summary.json").read_text())
    right = summary["accuracy"]
    assert right["n"] == 80 and right["low"] < right["value"] > 0.9
    assert f"{100 * right['value']:.1f} [" in said and "never saw" in said
    for picture in ("loss.png", "mistakes.png"):
        assert Path("run/report", picture).read_bytes().startswith(b"\x89PNG")
    events = [json.loads(line) for line in Path("run/events.jsonl").read_text().splitlines()]
    losses = [event["loss"] for event in events if event["kind"] == "train"]
    assert len(losses) == 120 and losses[0] > 2 > 0.5 > losses[-1]


def test_a_second_run_finds_everything_done(settings):
    first = run(settings, Path("run"))
    before = Path("run/train", FILE).stat().st_mtime_ns
    assert run(settings, Path("run")) == first
    assert Path("run/train", FILE).stat().st_mtime_ns == before


def test_stopped_and_carried_on_equals_uninterrupted(settings, monkeypatch):
    run(settings, Path("whole"))
    batch = recipe.batch

    def stop_at_33(own, digits, step):
        if step == 33:
            os.kill(os.getpid(), signal.SIGINT)
        return batch(own, digits, step)

    monkeypatch.setattr(recipe, "batch", stop_at_33)
    assert "carries on" in run(settings, Path("stopped"))
    assert load_state(Path("stopped/train")).step == 34 and not Path("stopped/report").exists()
    monkeypatch.setattr(recipe, "batch", batch)
    run(settings, Path("stopped"))
    whole, stopped = (load_state(Path(name, "train")).arrays for name in ("whole", "stopped"))
    assert whole.keys() == stopped.keys()
    assert all(np.array_equal(whole[name], stopped[name]) for name in whole)
    run(replace_path(settings, "seed", 1), Path("other"))
    assert not np.array_equal(load_state(Path("other/train")).arrays["head.weight"], whole["head.weight"])


def test_one_flipped_bit_in_a_state_is_found(settings):
    state = TrainingState({"weight": np.arange(6.0).reshape(2, 3)}, step=5, seconds=1.5)
    Path("run/train").mkdir(parents=True)
    state.save(Path("run/train"))
    assert load_state(Path("run/train")).step == 5
    whole = bytearray(Path("run/train", FILE).read_bytes())
    whole[-3] ^= 1  # in a number; safetensors itself looks at the header only
    Path("run/train", FILE).write_bytes(whole)
    with pytest.raises(CheckpointError, match="SHA-256 is not the one"):
        load_state(Path("run/train"))


def test_a_rate_that_is_too_large_stops_with_evidence(settings):
    with pytest.raises(DivergedError, match=r"Step \d+ was refused.*learning rate there was"):
        run(replace_path(settings, "lr", 1e9), Path("run"))
    found = json.loads(Path("run/train/diverged.json").read_text())
    assert (
        found["step"] > 0 and len(found["batch"]) == settings.batch_size and "head.weight" in found["norms"]
    )


def test_a_damaged_state_is_named(settings):
    Path("run/train").mkdir(parents=True)
    Path("run/train", FILE).write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00notjson!")
    with pytest.raises(CheckpointError, match="is damaged"):
        load_state(Path("run/train"))


def test_a_batch_is_a_function_of_its_step_and_an_epoch_has_each_digit_once(settings):
    labels_N = np.arange(96)
    digits = Digits(np.zeros((96, 12, 12), np.uint8), labels_N)
    seen = np.concatenate([recipe.batch(settings, digits, step)[1] for step in range(3)])
    assert sorted(seen) == list(labels_N)
    assert np.array_equal(recipe.batch(settings, digits, 1)[1], seen[32:64])
    assert not np.array_equal(recipe.batch(settings, digits, 3)[1], seen[:32])  # another order next time


def test_a_moved_picture_keeps_its_ink_and_is_somewhere_else():
    image = np.zeros((200, 5, 5), np.uint8)
    image[:, 2, 2] = 9
    moved = recipe.shifted(image, 1, np.random.Generator(np.random.PCG64(7)))
    rows, columns = (set(axis.tolist()) for axis in np.nonzero(moved)[1:])
    assert (moved.sum((1, 2)) == 9).all() and rows == columns == {1, 2, 3}
    assert np.array_equal(recipe.shifted(image, 0, np.random.Generator(np.random.PCG64(7))), image)


def test_nothing_that_is_held_out_is_learned_from():
    digits = Digits(np.arange(50 * 4).reshape(50, 2, 2).astype(np.uint8), np.arange(50))
    train, held_out = recipe.split(digits, 0.2, seed=1)
    assert len(held_out) == 10 and sorted([*train.labels_N, *held_out.labels_N]) == list(range(50))
    assert not np.array_equal(recipe.split(digits, 0.2, seed=2)[1].labels_N, held_out.labels_N)
    with pytest.raises(DataError, match="leave one side empty"):
        recipe.split(Digits(digits.images_NSS[:2], digits.labels_N[:2]), 0.2, seed=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"shift": -1},
        {"data.held_out": 1.0},
        {"model.kernel": 4},
        {"save_every": 0},
    ],
)
def test_settings_that_cannot_be_are_refused(settings, wrong):
    ((path, value),) = wrong.items()
    with pytest.raises(ConfigError, match=path.rsplit(".", maxsplit=1)[-1]):
        replace_path(settings, path, value)
    assert DigitsModel().kernel == 5


@pytest.mark.slow
def test_95_percent_of_real_digits_that_it_never_saw():
    wanted = source("digits")
    if not (local_copy(wanted) or kept_path(wanted).is_file()):
        pytest.fail("digits is not here. Run: groundup data get digits")
    run(DigitsFromScratch(), Path("run"))
    right = json.loads(Path("run/report/summary.json").read_text())["accuracy"]
    assert right["n"] == 1000 and right["low"] > 0.95
