"""The sampling study, a little of it on a run of our own: every claim is there and can differ."""

import json

import numpy as np
import pytest
import torch

from benchmarks import sampling_study
from benchmarks.result import read
from benchmarks.sampling_study import distinct, judged, openings, point
from groundup.data.shards import TokenShards, write_shards
from groundup.infer.sampling import SamplingParams
from groundup.models.ngram import NGram
from groundup.models.transformer import Transformer, qwen3
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chat import SPECIALS
from groundup.weights import checkpoint

POEM = "The cat sat on the mat,\nthe rat sat on the hat.\n" * 40
TOKENIZER = BytePairTokenizer([], specials=SPECIALS)


@pytest.fixture
def run(tmp_path):
    """The parts of a run of zero-to-chat that are read: three checkpoints, two texts."""
    torch.manual_seed(0)
    net = Transformer(qwen3(vocab_size=TOKENIZER.vocab_size, context_len=256, n_layer=1, n_head=1, n_embd=8))
    for part in ("pretrain/best", "finetune/last", "reinforce/last"):
        checkpoint.save(tmp_path / "run" / part, model=net, tokenizer=TOKENIZER, step=1)
    for part in ("train", "held_out"):
        write_shards(
            tmp_path / "run" / "tokens" / part,
            [TOKENIZER.encode(POEM)],
            vocab_size=TOKENIZER.vocab_size,
            tokenizer_fingerprint=TOKENIZER.fingerprint,
        )
    return tmp_path / "run"


def test_every_setting_is_claimed_and_drawn(run, tmp_path, monkeypatch):
    few = {"temperature": [("0", SamplingParams(0)), ("1", SamplingParams())]}
    monkeypatch.setattr(sampling_study, "FAMILIES", few)
    out, picture = tmp_path / "s.json", tmp_path / "s.svg"
    words = [str(run), "--samples", "3", "--problems", "4", "--attempts", "2"]
    assert sampling_study.main([*words, "--out", str(out), "--picture", str(picture)]) == 0
    claims = {claim.id: claim for claim in read(out).claims}
    assert len(claims) == 2 * 3 + 2 * (1 + 3 * 2)
    assert claims["text.the-documents-themselves.judge"].ours < 1 < claims["text.temperature.1.judge"].ours
    assert claims["text.temperature.0.distinct"].ours < claims["text.temperature.1.distinct"].ours
    assert claims["answers.finetuned.greedy"].ours == 0  # it has learned nothing
    assert "The course" not in json.dumps(list(claims))
    assert picture.read_text().startswith("<?xml")


def test_the_prompts_are_spread_over_the_text(run):
    found = openings(TokenShards.open(run / "tokens" / "held_out"), 4)
    ids = TOKENIZER.encode(POEM)
    assert found[0][0] == ids[:24] and found[0][1] == ids[24:120]
    assert found[-1][1] == ids[-96:] and len({tuple(prompt) for prompt, _ in found}) > 1


def test_the_judge_hears_the_prompt_and_scores_the_rest():
    judge = NGram.train(TOKENIZER.encode(POEM), order=4, vocab_size=TOKENIZER.vocab_size)
    prompt, text = TOKENIZER.encode("The cat "), TOKENIZER.encode("sat on")
    assert judged(judge, prompt, text) < judged(judge, TOKENIZER.encode("zzzzzzzz"), text)
    assert judged(judge, prompt, text) == pytest.approx(-judge.log2_probs(prompt + text)[8:].sum())
    sizes = np.ones(TOKENIZER.vocab_size)
    good, bad = (
        point("", "", [(prompt, ids)] * 2, judge, sizes) for ids in (text, TOKENIZER.encode("qqqqqq"))
    )
    assert good.bits[0] < bad.bits[0] and good.distinct == 0.5


def test_diversity_is_a_share():
    assert distinct([[1, 1, 1, 1, 1, 1]]) == pytest.approx(1 / 3)
    assert distinct([[1, 2, 3, 4], [2, 3, 4, 5]]) == 1
