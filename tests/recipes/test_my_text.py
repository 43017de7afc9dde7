"""my-text from the text to the report, on texts of seconds."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundup.base.config import from_dict, load_toml, replace_path, to_dict
from groundup.base.errors import ConfigError, DataError
from groundup.base.log import EventLog
from groundup.base.rundir import RunDir
from groundup.data.shards import TokenShards
from groundup.recipes import my_text_plan, my_text_stages
from groundup.recipes.my_text import MyText, OwnFitConfig, OwnModelConfig, OwnTextConfig
from groundup.recipes.my_text_report import gap_in_words
from groundup.weights import checkpoint

POEM = "The cat sat on the mat,\nthe rat sat on the hat.\n"
TINY = {
    "model.n_layer": 1,
    "model.n_embd": 32,
    "model.context_len": 16,
    "fit.steps": 40,
    "fit.batch_size": 4,
    "fit.looks": 4,
    "device": "cpu",
}


def recipe(text: str | None = POEM * 60, **changes) -> MyText:
    if text is not None:
        Path("poem.txt").write_text(text, encoding="utf-8")
    made = MyText(data=OwnTextConfig(path=Path("poem.txt")))
    for path, value in {
        **TINY,
        **{name.replace("__", "."): value for name, value in changes.items()},
    }.items():
        made = replace_path(made, path, value)
    return made


def run(settings: MyText, out: str | Path = "run") -> str:
    opened = RunDir.open(
        Path(out), recipe="my-text", config=to_dict(settings), seed=settings.seed, console=False
    )
    return settings.run(opened)


def summary(out: str = "run") -> dict:
    return json.loads((Path(out) / "report" / "summary.json").read_text())


def weights(out: str | Path) -> bytes:
    return (Path(out) / "model" / "model.safetensors").read_bytes()


def test_a_text_becomes_a_model_and_the_gap_is_told():
    said = run(recipe(fit__steps=100))
    found = summary()
    assert found["held_out_loss"] < 0.6 and found["steps_taken"] == 100  # a fresh model: ln 17 = 2.8
    assert found["bits_per_byte"]["low"] < found["bits_per_byte"]["value"] < found["bits_per_byte"]["high"]
    assert f"a gap of {found['gap_bits_per_byte']:.3f}" in said and "(15 min were given)" in said
    assert "sat on the" in found["samples"][-1]["text"]
    assert Path("run/report/loss.png").read_bytes().startswith(b"\x89PNG")
    assert (
        checkpoint.load("run/model").tokenizer.decode(checkpoint.load("run/model").tokenizer.encode("hat"))
        == "hat"
    )


def test_the_choice_is_written_down_and_makes_the_same_model_again():
    """With nothing open but the tokenizer no clock is asked; with the file there is nothing open at all."""
    run(recipe())
    content = load_toml(Path("run/plan/chosen.toml"))
    assert content.pop("recipe") == "my-text"
    chosen = from_dict(MyText, content)
    assert chosen.tokenizer.kind == "chars" and chosen.fit.steps == 40 and chosen.data.use == 1.0
    run(chosen, "again")
    assert weights("again") == weights("run")
    run(recipe(seed=5), "other")
    assert weights("other") != weights("run")  # the comparison can fail


def test_a_plan_that_was_made_by_the_clock_is_kept(monkeypatch):
    """A machine that is ten times as slow when the run is resumed changes nothing."""
    speeds = iter([0.5, 50.0, 5.0])
    monkeypatch.setattr(my_text_plan, "seconds_per_step", lambda *a, **k: next(speeds))
    settings = recipe(fit__steps=None, minutes=1.0)
    run(settings)
    steps = json.loads(Path("run/plan/stage.json").read_text())["record"]["trials"][0]["steps"]
    before = weights("run")
    assert run(settings) and weights("run") == before
    assert next(speeds) == 50.0  # asked once
    assert 10 < steps < 120  # what a minute has of half seconds


def test_a_second_run_finds_everything_done_and_a_changed_text_starts_again():
    first = run(recipe())
    stamps = {p: p.stat().st_mtime_ns for p in Path("run/train").rglob("*") if p.is_file()}
    assert run(recipe()) == first
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    run(recipe((POEM + "xyz\n") * 60))
    assert "z" in checkpoint.load("run/model").tokenizer.characters


def test_early_stopping_is_said_and_the_best_is_kept():
    """Learn one half, be examined on letters in another order: soon nothing gets better."""
    rng = random.Random(0)
    noise = "".join(rng.choices("abcdefgh", k=400))
    text = "abcdefgh" * 400 + noise
    said = run(recipe(text, data__held_out=0.11, fit__steps=400, fit__looks=100, fit__patience=3))
    found = summary()
    assert found["steps_taken"] < 400 == found["steps_planned"]
    assert f"stopped early, at step {found['steps_taken']} of 400" in said
    assert found["step"] == found["steps_taken"] - 3 * 4  # looked at every fourth step
    assert checkpoint.load("run/model").step == found["step"]


def test_every_kind_of_file_in_one_folder():
    folder = Path("texts")
    folder.mkdir()
    (folder / "a.txt").write_text(POEM * 9)
    (folder / "b.md.gz").write_bytes(gzip.compress((POEM * 9).encode()))
    (folder / "c.jsonl").write_text("\n".join(json.dumps({"body": POEM * 3, "id": i}) for i in range(30)))
    run(recipe(data__path=folder, data__field="body"))
    found = json.loads(Path("run/text/survey.json").read_text())
    assert found["documents"] == 32 and found["keep"] is None  # enough to hold out whole ones
    tokens = TokenShards.open("run/tokens/train")
    tokenizer = checkpoint.load("run/model").tokenizer
    begins = int((tokens.tokens == tokenizer.special("<|bos|>")).sum())
    held = TokenShards.open("run/tokens/held_out")
    assert begins + int((held.tokens == tokenizer.special("<|bos|>")).sum()) == 32
    assert len(tokens.tokens) + len(held.tokens) == found["characters"] + 32


def test_byte_pairs_where_they_are_better_or_asked_for(monkeypatch):
    run(recipe(tokenizer__vocab_size=270))
    assert checkpoint.load("run/model").tokenizer.vocab_size == 270
    chinese = "".join(chr(0x4E00 + (i * 7919) % 3000) for i in range(4000))
    run(recipe(chinese, fit__steps=2), "chinese")
    assert checkpoint.load("chinese/model").tokenizer.vocab_size == 512


def test_a_text_too_large_for_the_time_is_read_in_part(monkeypatch):
    """Pieces of it, the same ones each time, from all over."""
    monkeypatch.setattr("groundup.recipes.own_text.PIECE", 100)
    text = "".join(f"{number:06d}\n" for number in range(4000))
    run(recipe(text, data__use=0.25))
    tokens = TokenShards.open("run/tokens/train").tokens
    assert 0.15 < len(tokens) / (0.9 * len(text)) < 0.35
    read = checkpoint.load("run/model").tokenizer.decode(tokens.tolist())
    numbers = [int(line) for line in read.split("\n") if len(line) == 6]
    assert numbers == sorted(set(numbers)) and numbers[0] < 300 and numbers[-1] > 3300
    run(recipe(text, data__use=0.25), "again")
    assert weights("again") == weights("run")


@pytest.mark.parametrize(
    ("text", "changes", "says"),
    [
        ("a short one", {}, r"Only 10 tokens are to learn from, but one window needs context_len \+ 1 = 17"),
        (
            POEM * 3,
            {"data__held_out": 0.05},
            r"Only 7 tokens are held out at held_out=0.05, but one window needs",
        ),
        ("x", {}, "Of 1 characters none is left"),
        ("", {}, "is empty"),
    ],
)
def test_a_text_that_is_too_short_says_on_which_side(text, changes, says):
    with pytest.raises(DataError, match=says):
        run(recipe(text, **changes))


def test_a_small_text_is_warned_of_before_it_is_trained_on():
    run(recipe(POEM * 20))
    warnings = [e["text"] for e in EventLog(Path("run/events.jsonl"), console=False).read("warning")]
    assert any("too small to learn a language from" in text for text in warnings)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MyText(minutes=0), "minutes=0 is no time to train"),
        (lambda: MyText(minutes=float("nan")), "minutes=nan"),
        (lambda: OwnTextConfig(held_out=1.5), r"held_out=1\.5"),
        (lambda: OwnTextConfig(use=0.0), r"use=0\.0 is not a share"),
        (OwnModelConfig(n_layer=2).check, r"model\.n_layer=2 is only a part of a shape"),
        (OwnModelConfig(n_head=2).check, r"model\.n_head=2 is only a part of a shape"),
        (lambda: OwnModelConfig(n_layer=2, n_embd=128, n_head=5), "not divisible by n_head=5"),
        (lambda: OwnFitConfig(steps=0), "steps=0 is too small"),
        (lambda: OwnFitConfig(patience=-1), "patience=-1"),
        (lambda: OwnFitConfig(diagnose_every=-1), "diagnose_every=-1"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_read(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


def test_a_part_of_a_shape_is_refused_before_anything_is_read():
    with pytest.raises(ConfigError, match="part of a shape"):
        run(recipe(None, data__path=Path("nowhere.txt"), model__n_embd=None))


def test_the_gap_in_words_has_two_endings():
    small = {"train_bits_per_byte": 2.0, "gap_bits_per_byte": 0.05}
    assert "holds for text" in gap_in_words(small)
    assert "by heart" in gap_in_words({**small, "gap_bits_per_byte": 0.5})


def test_the_preset_is_this_recipe():
    content = load_toml(Path(my_text_stages.__file__).with_name("presets") / "my-text.toml")
    assert content.pop("recipe") == "my-text"
    assert from_dict(MyText, content).minutes == 15


@pytest.mark.parametrize("every", [0, 10])
def test_it_looks_inside_when_asked(every):
    run(recipe(fit__steps=20, fit__diagnose_every=every))
    assert any(Path().rglob("diagnostics.jsonl")) == bool(every)


@pytest.mark.slow
@pytest.mark.parametrize("patience", [0, 2])
def test_killed_at_random_and_carried_on_equals_uninterrupted(tmp_path, patience):
    """kill -9 anywhere, also in the plan; the choice is made once, and the model is the same to the last bit.

    With patience the text is one on which the held-out loss rises, so both runs stop early.
    """
    rng = random.Random(1)
    text = "abcdefgh" * 500 + "".join(rng.choices("abcdefgh", k=500)) if patience else POEM * 100
    Path("poem.txt").write_text(text)
    flags = ["--model.n_layer", "1", "--model.n_embd", "32", "--fit.batch_size", "4", "--fit.looks", "40"]
    flags += ["--data.path", "poem.txt", "--fit.patience", str(patience), "--device", "cpu"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def command(*more: str) -> list[str]:
        return [sys.executable, "-m", "groundup", "run", *more]

    # First of all the plan, by the clock; then what it chose, killed again and again.
    began = [*command("my-text", "--minutes", "0.3"), *flags, "--out", str(killed)]
    kills = 0
    for attempt in range(60):
        process = subprocess.Popen(
            began, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while attempt == 0 and process.poll() is None and not killed.exists():
            time.sleep(0.01)  # the first is killed as it begins, for on a fast machine the second may end
        try:
            process.wait(timeout=rng.uniform(2, 8) if attempt else 0.3)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        if process.wait(timeout=60) == 0:
            break
        time.sleep(0.05)
    assert process.returncode == 0 and kills > 0
    chosen = [*command(str(killed / "plan" / "chosen.toml")), "--out", str(whole)]
    subprocess.run(chosen, env=environment, check=True, capture_output=True, timeout=600)
    for file in (
        "model/model.safetensors",
        "train/last/model.safetensors",
        "train/last/training.safetensors",
    ):
        assert (killed / file).read_bytes() == (whole / file).read_bytes(), file
    found = [json.loads((out / "report" / "summary.json").read_text()) for out in (killed, whole)]
    assert found[0]["steps_taken"] == found[1]["steps_taken"]
    assert (found[0]["steps_taken"] < found[0]["steps_planned"]) == bool(patience)
