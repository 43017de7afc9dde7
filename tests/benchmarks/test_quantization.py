"""The claims say what was measured; the gate holds where it should and nowhere else."""

import dataclasses

import pytest
import torch

from benchmarks.quantization import GATE, WAYS, measured, passes
from groundup.models.transformer import Transformer, llama
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.weights import checkpoint

TEXT = "the cat sat on the mat, the hat on the cat. " * 60
TOKENIZER = BytePairTokenizer.train(TEXT, vocab_size=270, specials=("<|bos|>",))


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    config = llama(vocab_size=TOKENIZER.vocab_size, context_len=32, n_layer=1, n_head=2, n_embd=32)
    checkpoint.save(tmp_path / "m", model=Transformer(config), tokenizer=TOKENIZER, step=3)
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path / "m", tmp_path / "text.txt"


def test_a_claim_for_each_way(model):
    claims = {claim.id: claim for claim in measured("chat", *model)}
    assert claims.keys() == {f"chat.{way}.perplexity" for way in WAYS}
    for way in WAYS:
        claim = claims[f"chat.{way}.perplexity"]
        assert claim.n > 300 and claim.spread[0] <= claim.ours <= claim.spread[1]
        assert "text.txt" in claim.note and ("gate" in claim.note) == (way in GATE)
    assert abs(claims["chat.int8.perplexity"].ours) < abs(claims["chat.int4-nearest.perplexity"].ours)


def test_the_gate(model):
    claims = {claim.id: claim for claim in measured("smollm2", *model)}
    for way in WAYS:
        claim = claims[f"smollm2.{way}.perplexity"]
        assert "gates nothing" in claim.note
        bad = dataclasses.replace(claim, ours=0.05, spread=None)
        ours = dataclasses.replace(bad, id=f"chat.{way}.perplexity")
        assert passes(bad) and passes(ours) == (way not in GATE)


def test_a_small_model_is_not_the_larger_one(model):
    with pytest.raises(SystemExit, match="10,000,000 or more"):
        list(measured("larger", *model))
