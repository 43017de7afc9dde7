"""A rung of the GPT ladder: its run, its scores, the order of the rungs, bad input."""

import dataclasses
import json

import pytest
import torch

from groundup.base.config import to_dict
from groundup.base.errors import ConfigError, DataError
from groundup.base.rundir import RunDir
from groundup.cli import compare, run
from groundup.evals.reference import references
from groundup.recipes import gpt_ladder
from groundup.recipes.gpt_ladder import PUBLISHED, GPTLadderJob
from groundup.weights import checkpoint

POEM = "the cat sat on the mat,\nthe rat sat on the hat.\nwhere is my hat? where is my cat?\n"


def job(path, rung="head", steps=20, **changes):
    settings = GPTLadderJob()
    return dataclasses.replace(
        settings,
        rung=rung,
        data=dataclasses.replace(settings.data, path=path),
        fit=dataclasses.replace(settings.fit, steps=steps, eval_every=0),
        **changes,
    )


def ran(recipe, out):
    run_dir = RunDir.open(out, recipe="gpt-ladder", config=to_dict(recipe), seed=1337, console=False)
    return recipe.run(run_dir)


@pytest.fixture
def poem(tmp_path):
    path = tmp_path / "poem.txt"
    path.write_text(POEM * 60, encoding="utf-8")
    return path


@pytest.mark.parametrize("rung", ["bigram", "head", "bare", "small"])
def test_a_rung_is_trained_scored_and_compared(rung, poem, tmp_path, capsys):
    said = ran(job(poem, rung), tmp_path / "run")
    found = json.loads((tmp_path / "run" / "report" / "summary.json").read_text())
    assert ("the lecture" in said) == (rung in PUBLISHED)
    assert found["kind"] == rung and len(found["text"]) == gpt_ladder.WRITTEN
    assert found["loss"]["dev"]["low"] <= found["loss"]["dev"]["value"] <= found["loss"]["dev"]["high"]
    loaded = checkpoint.load(tmp_path / "run" / "model")
    dev = gpt_ladder.ids_of(gpt_ladder_text(poem), loaded.tokenizer, context_len=job(poem, rung).context_len)[
        "dev"
    ]
    again = gpt_ladder.nats(loaded.model, dev, job(poem, rung).context_len)
    assert again.mean() == pytest.approx(found["loss"]["dev"]["value"])
    assert [text["name"] for text in loaded.manifest.extra["data"]] == [poem.name]
    assert compare.main([str(tmp_path / "run")]) == 0
    assert "parameters" in capsys.readouterr().out


def gpt_ladder_text(path):
    from groundup.recipes.pretrain_stages import Text

    whole = path.read_text(encoding="utf-8")
    keep = int(len(whole) * 0.9)
    return Text([whole[:keep]], [whole[keep:]], "")


def test_what_the_rungs_add_pays_and_depth_alone_does_not(poem, tmp_path):
    """Three steps up the ladder on a text that repeats itself: each hears more of what came before."""
    loss = {}
    for rung in ("bigram", "bare", "norm"):
        recipe = job(poem, rung, steps=250)
        recipe = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, lr=5e-3))
        ran(recipe, tmp_path / rung)
        found = json.loads((tmp_path / rung / "report" / "summary.json").read_text())
        loss[rung] = found["loss"]["dev"]["value"]
    assert loss["norm"] < loss["bare"] < loss["bigram"]


def test_every_published_loss_is_in_the_reference():
    known = {each.id for each in references("08")}
    assert set(PUBLISHED.values()) <= known


def test_the_loss_counts_every_character_once(poem):
    text = gpt_ladder_text(poem)
    recipe = job(poem)
    from groundup.tokenizer.chars import CharTokenizer

    tokenizer = CharTokenizer.train(POEM)
    torch.manual_seed(0)
    model = gpt_ladder.build(recipe, tokenizer.vocab_size)
    ids = gpt_ladder.ids_of(text, tokenizer, context_len=8)["dev"][:30]
    by_hand = []
    for first in range(0, 29, 8):
        piece = torch.tensor(ids[first : first + 9])
        logits_TV = model(piece[None, :-1])[0]
        by_hand += (-logits_TV.log_softmax(-1)[range(len(piece) - 1), piece[1:]]).tolist()
    assert gpt_ladder.nats(model, ids, 8).tolist() == pytest.approx(by_hand, rel=1e-5)


def test_input_that_does_not_fit(tmp_path):
    short = tmp_path / "short.txt"
    short.write_text("too short", encoding="utf-8")
    with pytest.raises(DataError, match="Give a longer text"):
        ran(job(short), tmp_path / "run")
    with pytest.raises(ConfigError, match="batch_size=0"):
        job(short, batch_size=0)
    with pytest.raises(ConfigError, match="rung"):
        run.from_dict(GPTLadderJob, {"rung": "ladder"})
