"""The command: smaller, measured on the same pieces, loadable everywhere; and what is refused."""

import json
import math

import numpy as np
import pytest
import torch

from groundup.base.config import replace_path, to_dict
from groundup.base.rundir import RunDir
from groundup.cli.main import main
from groundup.data.shards import write_shards
from groundup.models.transformer import Transformer, llama
from groundup.recipes import chat_text, chat_training
from groundup.recipes.quantize import run
from groundup.recipes.zero_to_chat import ZeroToChat
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.weights import checkpoint
from groundup.weights.gguf_export import write_file
from groundup.weights.source import load

TEXT = "the cat sat on the mat, the hat on the cat. " * 60
TOKENIZER = BytePairTokenizer.train(TEXT, vocab_size=270, specials=("<|bos|>",))
SMALL = {
    "workers": 1,
    "corpus.sources": ("stdlib-text",),
    "tokenizer.vocab_size": 512,
    "tokenizer.text_bytes": 200_000,
    "tokenizer.chats": 3_000,
    "model.n_layer": 2,
    "model.n_embd": 96,
    "model.n_head": 3,
    "pretrain.steps": 40,
    "finetune.conversations": 14_000,
    "finetune.real_dialogues": 0.0,
}
SIZE = {"vocab_size": 272, "context_len": 32, "n_layer": 2, "n_head": 4, "n_embd": 64}


def saved(path, **choices):
    torch.manual_seed(0)
    model = Transformer(llama(**{**SIZE, **choices}))
    checkpoint.save(path, model=model, tokenizer=TOKENIZER, step=3, extra={"what": "a model of a test"})
    return path


def test_the_command(tmp_path, capsys):
    saved(tmp_path / "ours")
    (tmp_path / "text.txt").write_text(TEXT)
    words = ["quantize", str(tmp_path / "ours"), "-o", str(tmp_path / "small")]
    assert main([*words, "--bits", "4", "--text", str(tmp_path / "text.txt")]) == 0
    said = capsys.readouterr().out
    assert "method     gptq" in said and "held-out tokens before and after" in said
    about = json.loads((tmp_path / "small" / "quantize.json").read_text())
    assert about["bits"] == 4 and about["difference"][1] < about["difference"][0] < about["difference"][2]
    found = load(tmp_path / "small")
    assert found.manifest.extra["what"] == "a model of a test"
    assert found.manifest.extra["quantized"].items() <= about.items()
    written = (tmp_path / "small" / "model.safetensors").stat().st_size
    assert about["bytes_after"] < written < about["bytes_after"] + 6000 < about["bytes_before"] / 4
    assert (tmp_path / "small" / "quantize.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["inspect", str(tmp_path / "small")]) == 0
    assert main(["generate", "--model", str(tmp_path / "small"), "--prompt", "the", "--max-tokens", "3"]) == 0
    capsys.readouterr()
    assert main(words) == 2 and "not empty" in capsys.readouterr().err


def test_fewer_bits_cost_more(tmp_path):
    saved(tmp_path / "ours")
    (tmp_path / "text.txt").write_text(TEXT)
    done = {
        bits: run(
            tmp_path / "ours", tmp_path / f"{bits}", bits=bits, method="nearest", text=tmp_path / "text.txt"
        )
        for bits in (8, 4)
    }
    moved = {bits: abs(found.cost.difference.value) for bits, found in done.items()}
    assert 0 < 3 * moved[8] < moved[4]
    assert done[8].bytes[0] == done[4].bytes[0] and done[8].bytes[1] > 1.3 * done[4].bytes[1]


def test_the_text_of_its_own_run(tmp_path):
    """What the run learned calibrates, what it held out measures."""
    ids = np.array(TOKENIZER.encode(TEXT))
    for side, tokens in (("train", ids), ("held_out", ids[:400])):
        write_shards(
            tmp_path / "run" / "tokens" / side, [tokens], vocab_size=270,
            tokenizer_fingerprint=TOKENIZER.fingerprint,
        )  # fmt: skip
    saved(tmp_path / "run" / "model")
    done = run(tmp_path / "run", tmp_path / "small", bits=4)
    assert done.method == "gptq" and 300 < done.cost.before.tokens < 400


def test_without_a_text_nothing_is_measured(tmp_path, capsys):
    saved(tmp_path / "ours")
    assert main(["quantize", str(tmp_path / "ours"), "-o", str(tmp_path / "small")]) == 0
    said = capsys.readouterr().out
    assert "not measured" in said and "method     nearest" in said
    words = ["quantize", str(tmp_path / "ours"), "-o", str(tmp_path / "other"), "--method", "gptq"]
    assert main(words) == 2 and "needs a text" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("bits", "dtype"), [(8, "q8_0"), (4, "q4_0")])
def test_an_export_keeps_the_codes(bits, dtype, tmp_path):
    """Quantized here to the nearest, written as GGUF and read back: not one weight differs."""
    saved(tmp_path / "ours")
    run(tmp_path / "ours", tmp_path / "small", bits=bits)
    small = load(tmp_path / "small")
    write_file(small, tmp_path / "m.gguf", dtype=dtype)
    again = load(tmp_path / "m.gguf").model.state_dict()
    for name, weight in small.model.state_dict().items():
        assert torch.equal(again[name], weight), name


def test_widths_that_are_no_whole_blocks(tmp_path, capsys):
    saved(tmp_path / "ours", n_embd=48)
    assert main(["quantize", str(tmp_path / "ours"), "-o", str(tmp_path / "small")]) == 2
    assert "a block has 32" in capsys.readouterr().err
    assert not (tmp_path / "small").exists()


@pytest.mark.slow
def test_the_gate_on_a_small_assistant(tmp_path):
    """The limits of the recipe, on a small zero-to-chat model trained in float32: about a minute."""
    settings = ZeroToChat()
    for path, value in SMALL.items():
        settings = replace_path(settings, path, value)
    opened = RunDir.open(
        tmp_path / "run", recipe="zero-to-chat", config=to_dict(settings), seed=1, console=False
    )
    text = chat_text.corpus(settings, opened)
    spoken, tokenizer = chat_text.tokenizer(settings, opened, text)
    ids = chat_text.tokens(opened, text, spoken, tokenizer)
    base = chat_training.pretrain(settings, opened, text, ids, tokenizer)
    tuned = chat_training.finetune(settings, opened, text, spoken, base, tokenizer)
    checkpoint.copy(tuned.dir / "last", opened.path / "model", extra={"can_do": ["sums"]}, training=False)
    grew = {}
    for bits, method in ((8, "nearest"), (4, "nearest"), (4, "gptq")):
        done = run(opened.path, tmp_path / f"{bits}{method}", bits=bits, method=method)
        assert "as it was taught" in done.cost.text and done.cost.before.tokens > 5_000
        assert math.exp(done.cost.before.loss) < 2.2, "it has learned to answer, or nothing is shown"
        grew[bits, method] = done.cost.perplexity
    assert abs(grew[8, "nearest"]) <= 0.001
    assert 0.001 < grew[4, "gptq"] <= 0.03
    assert grew[4, "gptq"] < grew[4, "nearest"]
