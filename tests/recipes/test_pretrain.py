import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from groundup.base.config import from_dict, load_toml, replace_path, to_dict
from groundup.base.errors import ConfigError, DataError, TokenizerError
from groundup.base.rundir import RunDir
from groundup.recipes import pretrain_stages
from groundup.recipes.pretrain import DataConfig, Pretrain
from groundup.weights import checkpoint

PRESETS = Path(pretrain_stages.__file__).with_name("presets")
POEM = "The cat sat on the mat,\nthe rat sat on the hat.\n"


def recipe(tmp_path: Path, text: str | None = None, **changes) -> Pretrain:
    """A run of seconds: a tiny model on a poem that repeats itself."""
    if text is not None:
        (tmp_path / "poem.txt").write_text(text, encoding="utf-8")
    settings = {
        "data.path": tmp_path / "poem.txt",
        "model.n_layer": 1,
        "model.n_head": 2,
        "model.n_embd": 32,
        "model.context_len": 16,
        "batch_size": 4,
        "fit.steps": 40,
        "fit.eval_every": 20,
        "fit.sample_every": 20,
        "fit.save_every": 5,
        "device": "cpu",
        **changes,
    }
    made = Pretrain()
    for path, value in settings.items():
        made = replace_path(made, path, value)
    return made


def run(settings: Pretrain, out: Path, *, update: bool = False) -> str:
    opened = RunDir.open(
        out, recipe="pretrain", config=to_dict(settings), seed=settings.seed, update=update, console=False
    )
    return settings.run(opened)


def test_a_text_becomes_a_model_that_continues_it(tmp_path):
    said = run(recipe(tmp_path, POEM * 60, **{"fit.steps": 100}), tmp_path / "run")
    assert "bits per byte" in said
    summary = json.loads((tmp_path / "run" / "report" / "summary.json").read_text())
    assert summary["held_out_loss"] < 0.5  # a fresh model: ln 16 = 2.8
    assert (
        summary["bits_per_byte"]["low"] < summary["bits_per_byte"]["value"] < summary["bits_per_byte"]["high"]
    )
    assert summary["samples"][-1]["step"] == 100
    assert "sat on the" in summary["samples"][-1]["text"]
    assert "sat on the" not in summary["samples"][0]["text"]
    assert (tmp_path / "run" / "report" / "loss.png").read_bytes().startswith(b"\x89PNG")
    trained = checkpoint.load(checkpoint.find(tmp_path / "run"))
    assert trained.tokenizer.decode(trained.tokenizer.encode("the cat")) == "the cat"
    assert "not known" in trained.manifest.extra["data"][0]["licence"]  # a text of one's own


def test_a_second_run_finds_everything_done(tmp_path):
    settings = recipe(tmp_path, POEM * 20)
    first = run(settings, tmp_path / "run")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "train").rglob("*") if p.is_file()}
    assert run(settings, tmp_path / "run") == first
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_a_changed_text_starts_again_downstream(tmp_path):
    settings = recipe(tmp_path, POEM * 20)
    run(settings, tmp_path / "run")
    old = checkpoint.load(tmp_path / "run" / "model").manifest.tokenizer
    (tmp_path / "poem.txt").write_text((POEM + "xyz\n") * 20)
    run(settings, tmp_path / "run")
    assert checkpoint.load(tmp_path / "run" / "model").manifest.tokenizer != old


def test_many_documents_are_held_out_whole(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.txt").write_text(f"{number} " + POEM)
    out = RunDir.open(tmp_path / "run", recipe="pretrain", config={}, seed=1, console=False)
    text = pretrain_stages.read(DataConfig(path=folder, held_out=0.2), 1, out)
    assert len(text.train) + len(text.held_out) == 40
    assert 2 <= len(text.held_out) <= 16
    assert not set(text.train) & set(text.held_out)


def test_byte_pairs_serve_a_large_alphabet(tmp_path):
    chinese = "".join(chr(0x4E00 + (i * 7919) % 3000) for i in range(4000))
    run(recipe(tmp_path, chinese, **{"tokenizer.vocab_size": 300, "fit.steps": 2}), tmp_path / "run")
    assert checkpoint.load(tmp_path / "run" / "model").tokenizer.vocab_size == 300


def test_bad_texts_are_refused_in_a_sentence(tmp_path):
    def refuse(text: str | bytes, error: type[Exception], says: str, **changes) -> None:
        settings = recipe(tmp_path, "x", **changes)
        (tmp_path / "poem.txt").write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(error, match=says):
            run(settings, tmp_path / f"run-{says[:4]}")

    refuse("", DataError, "empty")
    refuse(b"\xff\xfe\x00\x01", DataError, "not UTF-8")
    refuse("a short one", DataError, r"9 tokens, but one window needs")
    refuse(POEM, DataError, r"At held_out=0\.02 only 1 of \d+ tokens are", **{"data.held_out": 0.02})
    refuse(POEM * 3, TokenizerError, "only", **{"tokenizer.kind": "bpe", "tokenizer.vocab_size": 5000})
    with pytest.raises(DataError, match="no file or folder"):
        run(recipe(tmp_path, **{"data.path": tmp_path / "poen.txt"}), tmp_path / "gone")


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"held_out=1\.5"):
        DataConfig(held_out=1.5)


@pytest.mark.parametrize("name", ["shakespeare-char", "shakespeare-bpe"])
def test_presets_are_recipes(name):
    content = load_toml(PRESETS / f"{name}.toml")
    assert content.pop("recipe") == "pretrain"
    settings = from_dict(Pretrain, content, where=name)
    assert settings.fit.steps >= 1000


@pytest.mark.slow
def test_stopped_and_carried_on_equals_uninterrupted(tmp_path):
    (tmp_path / "poem.txt").write_text(POEM * 60)
    flags = ["--data.path", str(tmp_path / "poem.txt"), "--model.n_layer", "1", "--model.n_head", "2"]
    flags += ["--model.n_embd", "32", "--fit.steps", "200", "--device", "cpu", "--seed", "3"]
    command = [sys.executable, "-m", "groundup", "run", "my-text", *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    process = subprocess.Popen(
        [*command, "--out", str(stopped)], env=environment, stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    log = stopped / "events.jsonl"
    while not log.exists() or '"step": 10,' not in log.read_text():
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "The same command carries on" in said
    for out in (stopped, whole):
        subprocess.run(
            [*command, "--out", str(out)], env=environment, check=True, capture_output=True, timeout=300
        )
    for file in (
        "model/model.safetensors",
        "train/last/model.safetensors",
        "train/last/training.safetensors",
    ):
        assert (stopped / file).read_bytes() == (whole / file).read_bytes(), file


def test_other_micro_batches_and_looks_go_on_and_another_rate_begins_again(tmp_path, monkeypatch):
    """They used to set the training aside and begin at step 0, after `--update` had promised to carry on."""
    settings = recipe(tmp_path, POEM * 20)
    run(settings, tmp_path / "straight")
    score = pretrain_stages.bits_per_byte

    def stopping(*args, **choices):
        os.kill(os.getpid(), signal.SIGINT)
        return score(*args, **choices)

    monkeypatch.setattr(pretrain_stages, "spread", lambda tokens, wanted: [tokens[:200]])  # one call a look
    monkeypatch.setattr(pretrain_stages, "bits_per_byte", stopping)
    assert "carries on" in run(settings, tmp_path / "stopped")
    monkeypatch.undo()
    smaller = {
        "batch_size": 2,
        "fit.accumulate": 2,
        "fit.workers": 2,
        "fit.log_every": 3,
        "fit.save_every": 9,
    }
    run(recipe(tmp_path, **smaller), tmp_path / "stopped", update=True)
    events = [json.loads(line) for line in (tmp_path / "stopped" / "events.jsonl").read_text().splitlines()]
    assert [e["step"] for e in events if e["kind"] == "resumed"] == [1]
    assert any("equal bit for bit" in e.get("text", "") for e in events if e["kind"] == "warning")
    ends = [checkpoint.load(tmp_path / name / "train" / "last").model for name in ("straight", "stopped")]
    for (name, one), other in zip(ends[0].named_parameters(), ends[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4, msg=name)
    assert not (tmp_path / "stopped" / "replaced").exists()
    run(recipe(tmp_path, **smaller, **{"optim.muon_lr": 0.01}), tmp_path / "stopped", update=True)
    assert (tmp_path / "stopped" / "replaced").exists()
