"""`groundup lr-find`, from the words to the picture and the flags that it suggests."""

import json

import pytest

from groundup.cli.main import main
from groundup.cli.run import load, with_flags

TINY = [
    "--data.path", "poem.txt", "--model.n_layer", "1", "--model.n_head", "2", "--model.n_embd", "16",
    "--model.context_len", "16", "--batch_size", "4", "--device", "cpu",
]  # fmt: skip


@pytest.fixture
def poem(tmp_path):
    (tmp_path / "poem.txt").write_text("The cat sat on the mat,\nthe rat sat on the hat.\n" * 40)
    (tmp_path / "poem.toml").write_text('recipe = "pretrain"\n')


def test_the_suggestion_is_flags_that_the_preset_takes(poem, tmp_path, capsys):
    assert main(["lr-find", "poem.toml", *TINY, "--steps", "40"]) == 0
    said = capsys.readouterr().out
    out = tmp_path / "runs" / "lr-find-poem"
    assert (out / "lr-find.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((out / "lr-find.json").read_text())
    assert found["rate"] == "muon_lr" and len(found["rates"]) == len(found["losses"]) <= 40
    assert found["rates"][0] == pytest.approx(0.02 * 1e-3)
    flags = said[said.index("--optim") :].split("\n")[0].split()
    settings = with_flags(load("poem.toml"), [*TINY, *flags])
    assert settings.optim.muon_lr == pytest.approx(found["suggestion"], rel=0.05)
    assert settings.optim.head_lr / settings.optim.muon_lr == pytest.approx(0.003 / 0.02, rel=0.1)


def test_adamw_has_one_rate(poem, capsys):
    words = ["--optim.kind", "adamw", "--steps", "20", "--low", "0.1", "--high", "10", "--out", "x"]
    assert main(["lr-find", "poem.toml", *TINY, *words]) == 0
    said = capsys.readouterr().out
    assert "lr from 0.0001 to " in said and "--optim.lr " in said and "muon" not in said


def test_a_run_with_the_same_words_finds_the_tokens_there(poem, tmp_path, capsys):
    words = [*TINY, "--fit.steps", "2", "--out", "shared"]
    assert main(["lr-find", "poem.toml", *words, "--steps", "20"]) == 0
    tokens = tmp_path / "shared" / "tokens" / "stage.json"
    before = tokens.stat().st_mtime_ns
    assert main(["run", "poem.toml", *words]) == 0
    assert tokens.stat().st_mtime_ns == before


def test_other_recipes_are_refused(capsys):
    assert main(["lr-find", "zero-to-chat"]) == 2
    assert "this preset is a zero-to-chat" in capsys.readouterr().err
    assert main(["lr-find", "--help"]) == 0
    assert "usage: groundup lr-find" in capsys.readouterr().out
