"""The recipe for every model of the ladder: a run, its resumption, its scores, and bad input."""

import dataclasses
import json

import numpy as np
import pytest
import torch.nn.functional as F

from groundup.base.config import to_dict
from groundup.base.errors import ConfigError, DataError, TokenizerError, UserError
from groundup.base.rundir import RunDir
from groundup.cli import compare, generate, run
from groundup.data.names import read_names
from groundup.data.windows import examples, padded
from groundup.models.bengio_mlp import BengioMLP, BengioMLPConfig
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.recipes.names_scores import nats
from groundup.train.fit import FitConfig
from groundup.train.schedule import ScheduleConfig
from groundup.weights import checkpoint

SHORT = {"n_layer": 1, "n_head": 1, "n_embd": 8, "context_len": 4}
PRESETS = [path.stem for path in run.preset_files() if path.stem.startswith("names-")]


@pytest.fixture
def path(tmp_path):
    draws = np.random.default_rng(0)
    lines = ["".join(draws.choice(list("abcdef"), draws.integers(3, 9))) for _ in range(60)]
    path = tmp_path / "items.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def job(preset, path, steps=6, **changes):
    settings = run.load(preset).settings
    return dataclasses.replace(
        settings,
        data=dataclasses.replace(settings.data, path=path),
        fit=dataclasses.replace(settings.fit, steps=steps, eval_every=3),
        **changes,
    )


def ran(recipe, out):
    run_dir = RunDir.open(out, recipe="names", config=to_dict(recipe), seed=recipe.seed, console=False)
    return recipe.run(run_dir)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains_scores_and_writes_names(preset, path, tmp_path):
    said = ran(job(preset, path), tmp_path / "run")
    found = json.loads((tmp_path / "run" / "report" / "summary.json").read_text())
    assert set(found["loss"]) == {"train", "dev"} and " test " not in said
    loaded = checkpoint.load(tmp_path / "run" / "model")
    names = read_names(path)
    again = nats(loaded.model, names.dev, loaded.tokenizer)
    assert again.mean == pytest.approx(found["loss"]["dev"]["value"])
    assert found["loss"]["dev"]["low"] < again.mean < found["loss"]["dev"]["high"]
    assert len(found["samples"]) == 20
    (learned,) = loaded.manifest.extra["data"]
    assert learned["name"] == "items.txt" and "not known" in learned["licence"]


@pytest.mark.parametrize("preset", ["names-bigram-counts", "names-mlp", "names-gru", "names-transformer"])
def test_generate_writes_names(preset, path, tmp_path, capsys):
    ran(job(preset, path), tmp_path / "run")
    words = [str(tmp_path / "run"), "--prompt", "ab", "--count", "5", "--seed", "1"]
    assert generate.main(words) == 0
    written = capsys.readouterr().out.splitlines()
    assert len(written) == 5 and all(name.startswith("ab") for name in written)
    assert generate.main([*words[:-1], "2"]) == 0
    assert capsys.readouterr().out.splitlines() != written
    with pytest.raises(TokenizerError, match="'Z'"):
        generate.main([*words[:2], "Z"])
    with pytest.raises(UserError, match="--count 0"):
        generate.main([*words[:4], "0"])


def test_the_test_split_is_read_only_when_asked(path, tmp_path):
    ran(job("names-mlp", path, test=True), tmp_path / "run")
    found = json.loads((tmp_path / "run" / "report" / "summary.json").read_text())
    assert set(found["loss"]) == {"train", "dev", "test"}


def test_windows_and_whole_items_are_scored_as_a_mean_over_characters(path):
    names = read_names(path)
    for model in (
        BengioMLP(BengioMLPConfig(7)),
        Transformer(TransformerConfig(vocab_size=7, context_len=9, n_layer=1, n_head=1, n_embd=8)),
    ):
        if isinstance(model, BengioMLP):
            found = examples(names.dev, names.tokenizer, 3)
            wanted = F.cross_entropy(model(found.tokens_NK)[:, 0], found.targets_N)
        else:
            tokens_NT, targets_NT = padded(names.dev, names.tokenizer)
            wanted = F.cross_entropy(model(tokens_NT).flatten(0, 1), targets_NT.flatten(), ignore_index=-1)
        scored = nats(model, names.dev, names.tokenizer)
        assert scored.mean == pytest.approx(wanted.item(), rel=1e-5)
        alone = nats(model, names.dev[1:2], names.tokenizer)
        assert alone.nats_I[0] == pytest.approx(scored.nats_I[1], rel=1e-5)


def test_an_unseen_letter_in_what_is_scored_is_named(path):
    names = read_names(path)
    with pytest.raises(TokenizerError, match="'z'"):
        nats(BengioMLP(BengioMLPConfig(7)), ["abz"], names.tokenizer)


@pytest.mark.parametrize(
    ("preset", "changes", "error", "says"),
    [
        ("names-batchnorm", {"batch_size": 1}, DataError, "batch_size to 2 or"),
        ("names-mlp", {"model": {"context_len": 99}}, ConfigError, "context_len=99"),
        ("names-mlp", {"model": {"hidden": 3}}, ConfigError, "hidden"),
        ("names-mlp", {"kind": "bengio"}, ConfigError, "bengio-mlp"),
        ("names-transformer", {"model": SHORT}, ConfigError, "too short"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(preset, changes, error, says, path, tmp_path):
    with pytest.raises(error, match=says):
        ran(job(preset, path, **changes), tmp_path / "run")


@pytest.mark.needs("course-names")
def test_the_first_losses_are_the_lecture_s(tmp_path):
    """The course's names, weights and first batch."""
    for preset, first in (("names-batchnorm", 3.3239), ("names-mlp", 3.3179), ("names-deep-mlp", 3.2870)):
        recipe = job(preset, None)
        recipe = dataclasses.replace(recipe, fit=FitConfig(steps=1, clip_norm=0.0, log_every=1))
        ran(recipe, tmp_path / preset)
        events = [json.loads(line) for line in (tmp_path / preset / "events.jsonl").read_text().splitlines()]
        assert next(e["loss"] for e in events if e["kind"] == "train") == pytest.approx(first, abs=6e-5)


@pytest.mark.slow
@pytest.mark.needs("course-names")
@pytest.mark.parametrize(
    ("preset", "printed"),
    [("names-batchnorm", 2.0322), ("names-wavenet", 2.0576)],
)
def test_after_ten_thousand_steps_the_loss_is_still_the_lecture_s(preset, printed, tmp_path):
    """By the preset itself: its weights, batches and gradients by hand. The notebooks print four places."""
    recipe = job(preset, None)
    fit = FitConfig(steps=10_001, clip_norm=0.0, log_every=10_001)
    ran(dataclasses.replace(recipe, fit=fit, schedule=ScheduleConfig("constant")), tmp_path / preset)
    events = [json.loads(line) for line in (tmp_path / preset / "events.jsonl").read_text().splitlines()]
    last = [e for e in events if e["kind"] == "train"][-1]
    assert last["step"] == 10_001 and last["loss"] == pytest.approx(printed, abs=1e-4)


def test_runs_are_compared(path, tmp_path, capsys):
    for preset in ("names-bigram-counts", "names-mlp"):
        ran(job(preset, path), tmp_path / preset)
    runs = [str(tmp_path / preset) for preset in ("names-mlp", "names-bigram-counts")]
    assert compare.main([*runs, "--out", "ladder.png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "parameters" in lines[0] and {line.split()[0] for line in lines[1:3]} == {
        "names-mlp",
        "names-bigram-counts",
    }
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(compare.UserError, match="is no run"):
        compare.main([str(tmp_path)])
