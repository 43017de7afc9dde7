import json
from dataclasses import replace

import pytest
import torch

from groundup.base.config import from_dict, load_toml, to_dict
from groundup.base.errors import ConfigError
from groundup.base.rundir import RunDir
from groundup.cli import run as cli
from groundup.recipes import pretrain_by_size
from groundup.recipes.memory_estimate import training_need
from groundup.recipes.pretrain import DataConfig, Pretrain
from groundup.recipes.pretrain_by_size import PretrainBySize
from groundup.weights import checkpoint

CPU = PretrainBySize(device="cpu")


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(pretrain_by_size, "usable_cores", lambda: 2)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_the_derived_recipe_is_the_dial(size):
    recipe = replace(CPU, size=size)
    at, made = recipe.dial, recipe.derived()
    assert made.batch_size * made.fit.accumulate * made.model.context_len == at.batch
    assert (made.model.n_layer, made.model.n_embd, made.model.n_head) == (size, 64 * size, size)
    assert made.tokenizer.vocab_size == at.vocab_size
    assert made.fit.steps == at.steps and made.optim == at.optim
    assert made.data.web.tokens == at.tokens
    assert made.fit.precision == "float32"
    assert made.fit.accumulate % made.fit.workers == 0


def test_the_cores_share_small_steps_and_not_long_ones():
    assert replace(CPU, size=2).derived().fit.workers == 2
    assert replace(CPU, size=6).derived().fit.workers == 1


def test_a_size_too_large_for_the_memory_is_refused_with_the_largest_that_fits(monkeypatch):
    monkeypatch.setattr(pretrain_by_size, "memory_there", lambda device: 2 * 10**9)
    with pytest.raises(
        ConfigError, match=r"size=24 needs about .* GB .*largest size that fits here is (\d+)"
    ) as said:
        replace(CPU, size=24).derived()
    largest = int(str(said.value).rsplit(" ", 1)[1].rstrip("."))
    assert 4 < largest < 24
    made = replace(CPU, size=largest).derived()
    model = pretrain_by_size.shape(largest, vocab_size=made.tokenizer.vocab_size, context_len=256)
    assert training_need(model, rows=made.batch_size, optim=made.optim, fit=made.fit).peak < 2 * 10**9
    with pytest.raises(ConfigError):
        replace(CPU, size=largest + 1).derived()


def test_little_memory_makes_smaller_micro_batches_and_the_same_step(monkeypatch):
    free = 80 * 10**9
    monkeypatch.setattr(pretrain_by_size, "memory_there", lambda device: free)
    roomy = replace(CPU, size=4).derived()
    free = 25 * 10**7
    tight = replace(CPU, size=4).derived()
    assert tight.batch_size < roomy.batch_size
    assert tight.batch_size * tight.fit.accumulate == roomy.batch_size * roomy.fit.accumulate


def test_the_refusal_comes_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pretrain_by_size, "memory_there", lambda device: 10**8)
    with pytest.raises(ConfigError, match="size=8 needs about"):
        cli.main(["pretrain", "--size", "8", "--device", "cpu", "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_rows_that_do_not_divide_the_step_are_refused():
    with pytest.raises(ConfigError, match=r"rows=5 does not divide the 24 rows"):
        replace(CPU, rows=5).derived()
    assert replace(CPU, rows=4).derived().batch_size == 4


@pytest.mark.slow
def test_a_run_leaves_its_derived_recipe_and_warns_of_a_text_read_too_often(tmp_path):
    (tmp_path / "text.txt").write_text("The cat sat on the mat, and so did the rat.\n" * 400)
    recipe = replace(
        CPU, size=1, data=DataConfig(path=tmp_path / "text.txt"), context_len=16, vocab_size=270,
        tokens_per_weight=0.6,
    )  # fmt: skip
    out = RunDir.open(
        tmp_path / "run", recipe="pretrain-by-size", config=to_dict(recipe), seed=1, console=False
    )
    said = recipe.run(out)
    assert "bits per byte" in said
    content = load_toml(tmp_path / "run" / "derived.toml")
    assert content.pop("recipe") == "pretrain"
    assert from_dict(Pretrain, content) == recipe.derived()
    assert checkpoint.load(tmp_path / "run" / "model").tokenizer.vocab_size == 270
    warned = [event["text"] for event in out.events.read("warning")]
    assert len(warned) == 1 and "would be read" in warned[0]


def test_the_dry_run_builds_nothing_and_says_everything(tmp_path, capsys):
    assert cli.main(["pretrain", "--size", "2", "--device", "cpu", "--dry-run"]) == 0
    said = capsys.readouterr().out
    for part in (
        "blocks.*.mlp.up.weight           512 x 128  x 2",
        "parameters   918,400",
        "6,144 tokens a step",
    ):
        assert part in said
    assert list(tmp_path.iterdir()) == []


def test_on_a_gpu_micro_batches_are_as_large_as_fits(monkeypatch):
    monkeypatch.setattr(pretrain_by_size, "memory_there", lambda device: 80 * 10**9)
    monkeypatch.setattr(pretrain_by_size, "pick_dtype", lambda name, device: torch.bfloat16)
    recipe = replace(CPU, size=12, context_len=1024)
    rows = recipe.fitting_rows(recipe.dial, torch.device("cuda"))
    assert rows > 4
    fit = recipe._fit(recipe.dial, rows, torch.device("cuda"))
    assert (fit.precision, fit.workers) == ("bfloat16", 1)
    assert json.loads(json.dumps(fit.steps)) == recipe.dial.steps
