import re
from pathlib import Path

import pytest

from groundup.base.config import from_dict, load_toml, replace_path
from groundup.base.errors import ConfigError, DataError
from groundup.cli import run as cli
from groundup.models.transformer import Transformer
from groundup.recipes import dry_run
from groundup.recipes.pretrain import Pretrain
from groundup.recipes.pretrain_stages import transformer_config

PRESETS = Path(dry_run.__file__).with_name("presets")


def preset(name: str) -> Pretrain:
    content = load_toml(PRESETS / f"{name}.toml")
    assert content.pop("recipe") == "pretrain"
    return from_dict(Pretrain, content, where=name)


def line(said: str, name: str) -> str:
    return next(row for row in said.splitlines() if row.startswith(name))


@pytest.mark.parametrize("name", ["shakespeare-char", "shakespeare-bpe", "shakespeare-course"])
def test_what_it_counts_is_what_would_be_built(name):
    recipe = preset(name)
    said = dry_run.describe(recipe)
    vocab_size, _ = dry_run.vocabulary(recipe)
    model = Transformer(transformer_config(recipe, vocab_size))
    assert f"{sum(p.numel() for p in model.parameters()):,}" in line(said, "parameters")
    for parameter, weight in model.named_parameters():
        row = line(said, re.sub(r"\.\d+\.", ".*.", parameter))
        assert " x ".join(map(str, weight.shape)) in row
    rows, T = recipe.batch_size, recipe.model.context_len
    assert dry_run.first_batch(recipe).tokens_BT.shape == (rows, T)
    assert f"{rows * T * recipe.fit.accumulate:,} tokens a step" in line(said, "batch")


def test_gpt2_small_is_the_published_one(capsys):
    assert cli.main(["gpt2-124m", "--device", "cpu", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert line(said, "parameters").endswith("124,439,808")
    assert line(said, "vocabulary").endswith("50,257")
    assert "524,288 tokens a step: 32 x 16 rows x 1024" in line(said, "batch")
    assert "19,073 steps, 9,999,745,024 tokens" in line(said, "horizon")
    assert "16 x 1024 tokens" in line(said, "loader")
    assert "embedding.weight                 50257 x 768" in said
    # 6 N a token, without the table of positions and with the attention square: the course's notebook.
    assert "8.5" in line(said, "arithmetic") and "e+18 in all" in line(said, "arithmetic")


def test_it_says_when_it_does_not_fit(monkeypatch):
    monkeypatch.setattr(dry_run, "memory_there", lambda device: 10**6)
    assert "IT DOES NOT FIT" in dry_run.describe(preset("shakespeare-char"))
    monkeypatch.setattr(dry_run, "memory_there", lambda device: None)
    assert "unknown" in line(dry_run.describe(preset("shakespeare-char")), "memory")


def test_a_tokenizer_that_exists_gives_its_vocabulary(tmp_path):
    from groundup.tokenizer.chars import CharTokenizer

    CharTokenizer("abc").save(tmp_path / "tokenizer.json")
    recipe = replace_path(preset("shakespeare-char"), "tokenizer.path", tmp_path / "tokenizer.json")
    assert dry_run.vocabulary(recipe)[0] == 3


def test_a_context_longer_than_the_fixture_is_refused():
    recipe = replace_path(preset("shakespeare-char"), "model.context_len", 10**6)
    with pytest.raises(DataError, match=r"fewer than one window of context_len=1,000,000"):
        dry_run.first_batch(recipe)


def test_a_recipe_without_one_says_so():
    with pytest.raises(ConfigError, match="zero-to-chat has no dry run"):
        cli.main(["zero-to-chat", "--dry-run"])
