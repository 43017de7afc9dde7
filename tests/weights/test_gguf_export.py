"""GGUF files of ours: the `gguf` package finds every bit, our reader the same model, llama.cpp equal text."""

import json
import subprocess
import sys

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Q

from groundup.base.errors import CheckpointError
from groundup.cli.main import main
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, gpt2, llama, qwen3
from groundup.tokenizer import chat
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.layouts import CHATML, OWN, to_jinja
from groundup.tokenizer.patterns import CL100K, DIGITS, GPT2, O200K
from groundup.tokenizer.vocabulary import VocabularyTokenizer
from groundup.weights import checkpoint
from groundup.weights.foreign_names import GGUF, GGUF_GPT2, GGUF_LLAMA, their_tensors
from groundup.weights.gguf_blocks import FORMATS, encode
from groundup.weights.gguf_export import write_file
from groundup.weights.gguf_file import GGUFFile
from groundup.weights.gguf_read import read_gguf
from groundup.weights.gguf_write import Written, write_gguf
from groundup.weights.source import load

TEXT = "the cat sat on the mat, the hat on the cat " * 9


def tokenizer_of(pattern=DIGITS, specials=chat.SPECIALS):
    return BytePairTokenizer.train(TEXT, vocab_size=270 + len(specials), pattern=pattern, specials=specials)


TOKENIZER = tokenizer_of()
SIZE = {"vocab_size": TOKENIZER.vocab_size, "context_len": 64, "n_layer": 2, "n_head": 4, "n_embd": 64}
MODELS = {
    "llama": (llama(**SIZE, n_kv_head=2, tie=True, rope_theta=5e3), GGUF_LLAMA),
    "llama with biases": (llama(**SIZE, bias=True), GGUF_LLAMA),
    "qwen2": (llama(**SIZE, n_kv_head=2, qkv_bias=True), GGUF),
    "qwen3": (qwen3(**SIZE, n_kv_head=2, head_dim=24), GGUF),
    "gpt2": (gpt2(**SIZE), GGUF_GPT2),
}
FORMS = {"f32": Q.F32, "f16": Q.F16, "q8_0": Q.Q8_0, "q4_0": Q.Q4_0, "q4_1": Q.Q4_1}


def saved(path, config, tokenizer=TOKENIZER, extra=None):
    """A checkpoint of random weights in which no gain is 1 and no bias 0."""
    torch.manual_seed(0)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    checkpoint.save(path, model=model, tokenizer=tokenizer, step=3, extra=extra)
    return checkpoint.load(path)


def exported(tmp_path, name, dtype="f32"):
    ours = saved(tmp_path / "ours", MODELS[name][0])
    write_file(ours, tmp_path / "m.gguf", dtype=dtype)
    return ours, tmp_path / "m.gguf"


# ---- Blocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [Q.F16, Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1])
def test_blocks_are_bit_for_bit_those_of_the_package(form):
    random = np.random.default_rng(0)
    weights = random.normal(size=(300, 96)).astype(np.float32)
    weights[0], weights[1, :40], weights[2], weights[3] = (
        0,
        1e-9,
        0.5,
        -3,
    )  # zeros, a vanishing scale, all alike
    weights[4:40] = random.integers(-127, 128, size=(36, 96)) / np.float32(2)  # halves, which round away
    weights[40, 0], weights[40, 1:] = 127, np.nextafter(np.float32(0.5), np.float32(0))
    expected = gguf.quants.quantize(weights, form).view(np.uint8).reshape(-1)
    assert np.array_equal(encode(weights, FORMATS[form]), expected)
    weights[200, 7] *= 3
    assert not np.array_equal(encode(weights, FORMATS[form]), expected)


# ---- The file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype"), [(name, "f32") for name in MODELS] + [("gpt2", "q4_1")])
def test_the_package_reads_every_field_and_every_bit(name, dtype, tmp_path):
    ours, path = exported(tmp_path, name, dtype)
    reader = gguf.GGUFReader(path)
    config, names = MODELS[name]
    kind = name.split()[0]

    def field(key):
        return reader.fields[key].contents()

    assert field("general.architecture") == kind
    assert field(f"{kind}.block_count") == config.n_layer
    assert field(f"{kind}.context_length") == config.context_len
    assert field(f"{kind}.attention.head_count_kv") == config.kv_heads
    assert field("tokenizer.ggml.pre") == "qwen2" and field("tokenizer.ggml.add_bos_token") is False
    assert field("tokenizer.ggml.eos_token_id") == TOKENIZER.special("<|end|>")
    assert field("tokenizer.chat_template") == to_jinja(OWN)
    assert "# Model card" in field("general.description")
    tokens, kinds = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    assert len(tokens) == len(kinds) == TOKENIZER.vocab_size
    for special in TOKENIZER.specials:
        id = TOKENIZER.special(special)
        assert tokens[id] == special and kinds[id] == gguf.TokenType.CONTROL
    assert tokens[ord(" ")] == "Ġ" and kinds[ord(" ")] == gguf.TokenType.NORMAL
    assert len(field("tokenizer.ggml.merges")) == len(TOKENIZER.merges)

    expected = their_tensors(ours.model, names)
    assert {tensor.name for tensor in reader.tensors} == expected.keys()
    for tensor in reader.tensors:
        weight = expected[tensor.name].numpy()
        assert tuple(tensor.shape.tolist()) == weight.shape[::-1]
        form = FORMS[dtype]
        if weight.ndim == 1 or tensor.name.startswith("position_embd"):
            form = Q.F32
        elif dtype.startswith("q4") and not tensor.name.startswith("blk."):
            form = Q.Q8_0
        assert tensor.tensor_type == form
        packed = gguf.quants.quantize(weight, form) if form != Q.F32 else weight
        assert np.array_equal(tensor.data.view(np.uint8).reshape(-1), packed.view(np.uint8).reshape(-1))


@pytest.mark.parametrize("name", MODELS)
def test_out_and_in_again_is_the_identity(name, tmp_path):
    ours, path = exported(tmp_path, name)
    again = load(path)
    assert again.tokenizer.fingerprint == ours.tokenizer.fingerprint
    for key, weight in ours.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[key], weight), key
    tokens_BT = torch.randint(SIZE["vocab_size"], (2, 20))
    assert torch.equal(again.model(tokens_BT), ours.model(tokens_BT))
    assert again.model.config.norm_eps == ours.model.config.norm_eps
    assert again.manifest.extra["chat"] == {"layout": "groundup"}


@pytest.mark.parametrize(("dtype", "bound"), [("f16", 0.003), ("q8_0", 0.03), ("q4_1", 0.25), ("q4_0", 0.3)])
def test_fewer_bits_cost_so_much_and_no_more(dtype, bound, tmp_path):
    """The error of the logits beside their spread, for random weights; each format is worse than the last."""
    ours, path = exported(tmp_path, "qwen3", dtype)
    tokens_BT = torch.randint(SIZE["vocab_size"], (2, 40), generator=torch.Generator().manual_seed(1))
    expected = ours.model(tokens_BT)
    error = ((load(path).model(tokens_BT) - expected).std() / expected.std()).item()
    assert bound / 30 < error < bound


def test_writing_once_more_changes_no_code(tmp_path):
    for dtype in ("q8_0", "q4_0"):
        _, path = exported(tmp_path / dtype, "qwen3", dtype)
        write_file(load(path), tmp_path / dtype / "again.gguf", dtype=dtype)
        with GGUFFile(path) as one, GGUFFile(tmp_path / dtype / "again.gguf") as two:
            assert one.tensors.keys() == two.tensors.keys()
            for name, info in one.tensors.items():
                other = two.tensors[name]
                assert one._map[info.start : info.end] == two._map[other.start : other.end], name


def test_layer_scale_and_missing_biases(tmp_path):
    tokens_BT = torch.randint(SIZE["vocab_size"], (2, 20))
    for number, config in enumerate((llama(**SIZE, layer_scale=0.1), gpt2(**SIZE, bias=False))):
        ours = saved(tmp_path / f"{number}", config)
        write_file(ours, tmp_path / f"{number}.gguf")
        torch.testing.assert_close(load(tmp_path / f"{number}.gguf").model(tokens_BT), ours.model(tokens_BT))


# ---- Tokenizers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("pattern", "pre"), [(GPT2, "gpt-2"), (DIGITS, "qwen2"), (CL100K, "llama-bpe")])
def test_the_way_text_is_cut_goes_along(pattern, pre, tmp_path):
    tokenizer = tokenizer_of(pattern)
    _, remarks = write_file(saved(tmp_path / "ours", MODELS["llama"][0], tokenizer), tmp_path / "m.gguf")
    with GGUFFile(tmp_path / "m.gguf") as file:
        assert file.metadata["tokenizer.ggml.pre"] == pre
    assert bool(remarks) == (pattern != GPT2)
    again = read_gguf(tmp_path / "m.gguf").tokenizer
    assert again.fingerprint == tokenizer.fingerprint
    text = "the cat's 12345 hats\n\n   ok, naïve 你好\n  "
    assert again.encode(text) == tokenizer.encode(text)


def test_an_altered_split_is_refused(tmp_path):
    _, path = exported(tmp_path, "llama")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"\x06\0\0\0\0\0\0\0digits", b"\x06\0\0\0\0\0\0\0cl100k"))
    assert path.read_bytes() != whole
    with pytest.raises(CheckpointError, match="it was altered"):
        read_gguf(path)


def test_another_layout_goes_along(tmp_path):
    names = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tokenizer = tokenizer_of(GPT2, names)
    extra = {"chat": CHATML.to_dict(), "stop": [tokenizer.special("<|im_end|>")], "bos": 270}
    ours = saved(tmp_path / "ours", llama(**{**SIZE, "vocab_size": 273}), tokenizer, extra)
    write_file(ours, tmp_path / "m.gguf")
    again = load(tmp_path / "m.gguf").manifest.extra
    assert {key: again[key] for key in extra} == extra


def test_a_vocabulary_of_others_goes_along(tmp_path):
    tokens = [bytes([byte]) for byte in range(255, -1, -1)] + [b"ab", None, b"abc"]
    joins = [(255 - ord("a"), 255 - ord("b")), (256, 255 - ord("c"))]
    tokenizer = VocabularyTokenizer(tokens, joins, pattern=GPT2, specials={"<|endoftext|>": 259})
    ours = saved(tmp_path / "ours", llama(**{**SIZE, "vocab_size": 260}), tokenizer)
    write_file(ours, tmp_path / "m.gguf")
    again = load(tmp_path / "m.gguf").tokenizer
    assert again.encode("abcab a") == tokenizer.encode("abcab a") == [258, 256, 223, 158]
    assert again.special("[PAD257]") == 257


# ---- Refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"mlp": "relu2"}, "it has mlp='relu2'"),
        ({"position": "none"}, "it has position='none'"),
        ({"norm": "layer", "position": "learned", "mlp": "gelu_erf"}, "it has mlp='gelu_erf'"),
        ({"qk_norm": True, "bias": True}, "a bias together with qk_norm"),
    ],
)
def test_models_that_cannot_be_faithful(choices, words, tmp_path):
    ours = saved(tmp_path / "ours", llama(**{**SIZE, **choices}))
    with pytest.raises(CheckpointError, match=words):
        write_file(ours, tmp_path / "m.gguf")
    assert not (tmp_path / "m.gguf").exists()


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        (CharTokenizer.train(TEXT, specials=chat.SPECIALS), "reads characters"),
        (tokenizer_of(O200K), "by the pattern 'o200k'"),
        (tokenizer_of(None), "by the pattern None"),
        (tokenizer_of(specials=()), "no special token"),
        (tokenizer_of(specials=("<|bos|>", "a")), "spelled like a token of text"),
    ],
)
def test_tokenizers_that_have_no_name(tokenizer, words, tmp_path):
    config = llama(**{**SIZE, "vocab_size": tokenizer.vocab_size})
    with pytest.raises(CheckpointError, match=words):
        write_file(saved(tmp_path / "ours", config, tokenizer), tmp_path / "m.gguf")
    assert not (tmp_path / "m.gguf").exists()


def test_weights_that_do_not_fit_their_format(tmp_path):
    path = tmp_path / "m.gguf"
    with pytest.raises(CheckpointError, match="rows of a have 33"):
        write_gguf(path, {}, [Written("a", torch.ones(2, 33), 8)])
    with pytest.raises(CheckpointError, match="size 1e\\+06, and F16 ends"):
        write_gguf(path, {}, [Written("a", torch.tensor([1.0, -1e6]), 1)])
    with pytest.raises(CheckpointError, match="size nan"):
        write_gguf(path, {}, [Written("a", torch.full((32,), torch.nan), 8)])
    assert not list(tmp_path.iterdir())
    write_gguf(path, {}, [Written("a", torch.tensor([1.0, -1e6]), 0)])
    assert path.exists()


def test_the_command(tmp_path, capsys):
    saved(tmp_path / "ours", MODELS["qwen3"][0])
    words = ["export", "gguf", str(tmp_path / "ours"), "-o", str(tmp_path / "m.gguf"), "--dtype", "q8_0"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "a qwen3 in q8_0" in said and "ends in a line break" in said
    assert main(words) == 2 and "is there already" in capsys.readouterr().err
    assert (
        main(["generate", "--model", str(tmp_path / "m.gguf"), "--prompt", "the", "--max-tokens", "3"]) == 0
    )
    hf = ["export", "hf", str(tmp_path / "ours"), "-o", str(tmp_path / "hf"), "--dtype", "q4_0"]
    assert main(hf) == 2 and "Choose float32" in capsys.readouterr().err


# ---- Against llama.cpp ---------------------------------------------------------------------------

LLAMA = """
import json, sys
from llama_cpp import Llama
path, prompt, text, messages, n = json.loads(sys.stdin.read())
model = Llama(path, n_ctx=64, n_threads=1, n_batch=64, verbose=False, logits_all=True)
made = []
for id in model.generate(prompt, temp=0.0, repeat_penalty=1.0):
    made.append(id)
    if len(made) == n:
        break
logits = model.scores[: len(prompt)].tolist()
from jinja2 import Template
template = Template(model.metadata["tokenizer.chat_template"])
rendered = template.render(messages=messages, add_generation_prompt=True)
print("FOUND" + json.dumps([
    made, logits, model.tokenize(text.encode(), add_bos=False, special=False),
    model.tokenize(rendered.encode(), add_bos=False, special=True), model.token_eos(),
]))
"""


@pytest.mark.slow
@pytest.mark.may_skip  # the optional oracle: it is compiled for minutes, so no target installs it
@pytest.mark.parametrize("name", MODELS)
def test_llama_cpp_says_the_same(name, tmp_path):
    pytest.importorskip(
        "llama_cpp", reason="llama-cpp-python is an optional oracle: it takes minutes to compile"
    )
    ours, path = exported(tmp_path, name)
    prompt, text = TOKENIZER.encode("the cat sat"), "the cat's 12345 hats\n\n ok, naïve 你好 "
    talk = chat.Conversation((chat.system("be kind"), chat.user("the <|end|> cat?")))
    asked = json.dumps([str(path), prompt, text, talk.to_dict()["messages"], 20])
    done = subprocess.run([sys.executable, "-c", LLAMA], input=asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    made, logits, ids, rendered, end = json.loads(done.stdout.split("FOUND")[1])
    greedy = generate(ours.model, [prompt], SamplingParams(temperature=0, max_tokens=20))[0].ids
    assert made == greedy and len(set(greedy)) > 1
    expected = ours.model(torch.tensor([prompt]))[0]
    error = (torch.tensor(logits) - expected).std() / expected.std()
    assert error < 0.01  # llama.cpp keeps keys and values in float16, and its GELU in a table of them
    assert ids == TOKENIZER.encode(text)
    assert end == TOKENIZER.special("<|end|>")
    assert rendered[0] == TOKENIZER.special("<|bos|>") and rendered[-1] == TOKENIZER.special("<|assistant|>")
