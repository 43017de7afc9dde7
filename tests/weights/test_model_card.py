"""The card: what is known is in it, in every format; what is not known is called that."""

import html
import re

import pytest
import torch

from groundup.cli.main import main
from groundup.data.learned import from_sources, made_by_skills
from groundup.models.transformer import Transformer, llama
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.weights import checkpoint
from groundup.weights.gguf_file import GGUFFile
from groundup.weights.model_card import model_card
from groundup.weights.source import load

TOKENIZER = BytePairTokenizer.train("the cat sat on the mat " * 9, vocab_size=262, specials=("<|bos|>",))
EXTRA = {
    "can_do": ["sums: What is 2 + 2?"],
    "data": [*from_sources(["sotu"]), *made_by_skills()],
    "scores": {"calculator": {"value": 0.975, "low": 0.95, "high": 0.99, "n": 300}},
    "bits_per_byte": 1.23456,
    "source_sha256": "abc",
}


def saved(path, **extra):
    torch.manual_seed(0)
    model = Transformer(
        llama(vocab_size=TOKENIZER.vocab_size, context_len=32, n_layer=1, n_head=2, n_embd=32)
    )
    checkpoint.save(path, model=model, tokenizer=TOKENIZER, step=7, extra=extra)
    return path


def in_format(kind, folder, out):
    """The card of an export."""
    path = out / {"hf": "hf", "gguf": "m.gguf", "c": "c", "html": "m.html"}[kind]
    assert main(["export", kind, str(folder), "-o", str(path)]) == 0
    if kind == "gguf":
        with GGUFFile(path) as file:
            return file.metadata["general.description"]
    if kind == "html":
        return html.unescape(re.findall(r'<pre id="card"[^>]*>(.*?)</pre>', path.read_text(), re.S)[0])
    return (path / "README.md").read_text()


@pytest.mark.parametrize("kind", ["hf", "gguf", "c", "html"])
def test_every_export_has_it(kind, tmp_path):
    card = in_format(kind, saved(tmp_path / "m", **EXTRA), tmp_path)
    for heading in ("What it is", "What it learned from", "What was measured", "Limits"):
        assert f"## {heading}" in card
    assert EXTRA["data"][0]["licence"] in card and "conversations made by a program" in card
    assert "scores calculator: 0.975 [0.95, 0.99], n=300 (share of the questions asked)" in card
    assert "bits_per_byte: 1.235 (bits for a byte of held-out text)" in card
    assert "sums: What is 2 + 2?" in card and "took 7 steps" in card
    assert "abc" not in card  # a checksum is no score
    assert ("let a user write them" in card) == (kind in ("hf", "gguf"))
    assert ("Tools (the calculator)" in card) == (kind != "html")


def test_what_is_not_known_is_said(tmp_path):
    card = model_card(load(saved(tmp_path / "m")), format="x")
    assert "Not known: whoever trained it wrote nothing down." in card
    assert "Nothing that this file knows of" in card and "licences of the texts" not in card


def test_somebody_elses(tmp_path):
    extra = {"source": "GGUF Q8_0, Some Model"}
    card = model_card(load(saved(tmp_path / "m", **extra)), format="x")
    assert "It came from: GGUF Q8_0, Some Model." in card and "licence of the original" in card
    assert "Not known" not in card


@pytest.mark.parametrize(
    ("cost", "says"),
    [
        ({}, "what that cost was not measured"),
        ({"perplexity_grew_by": 0.0123, "scored_tokens": 4096}, "perplexity +1.230 % on 4,096 tokens"),
    ],
)
def test_fewer_bits(cost, says, tmp_path):
    extra = {"quantized": {"bits": 4, "method": "gptq", **cost}}
    assert f"rounded to 4 bits (gptq){';' if not cost else ':'} {says}" in model_card(
        load(saved(tmp_path / "m", **extra)), format="x"
    )
