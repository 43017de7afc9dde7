"""The C program, compiled: its logits, greedy ids, tokens and chat are ours; and files made to break it."""

import random
import shutil
import struct
import subprocess
from collections import Counter

import pytest
import torch
from torch.testing import assert_close

from groundup.agent.conversation import reply
from groundup.base.errors import CheckpointError
from groundup.cli.main import main
from groundup.infer.continuation import write_on
from groundup.infer.sampling import SamplingParams, filtered
from groundup.models.transformer import Transformer, gpt2, llama, qwen3
from groundup.tokenizer import chat, layouts
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.chat import Conversation, Message, system, user
from groundup.tokenizer.hugging_face import DIGITS_FIRST
from groundup.tokenizer.patterns import CL100K, DIGITS, GPT2, O200K
from groundup.tokenizer.vocabulary import VocabularyTokenizer
from groundup.weights import checkpoint
from groundup.weights.c_export import HEADER, source, write_c
from groundup.weights.gguf_read import PATTERNS

STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
POEM = "the cat sat on the mat, the hat on the cat; it's 1234 o'clock!\n\n  don't  "
TOKENIZER = BytePairTokenizer.train(POEM * 9, vocab_size=290, specials=chat.SPECIALS, pattern=DIGITS)
SIZE = {"vocab_size": TOKENIZER.vocab_size, "context_len": 24, "n_layer": 2, "n_head": 4, "n_embd": 32}
MODELS = {
    "qwen3": qwen3(**SIZE, n_kv_head=2, head_dim=12),
    "llama": llama(**SIZE, n_kv_head=1, tie=True, rope_theta=5e3),
    "llama with biases": llama(**SIZE, bias=True),
    "qwen2": llama(**SIZE, n_kv_head=2, qkv_bias=True),
    "gpt2": gpt2(**SIZE),
    "gpt2 without biases": gpt2(**SIZE, bias=False, mlp="gelu_erf", norm_eps=1e-3),
    "relu2": llama(**SIZE, norm="layer", mlp="relu2", mlp_width=44),
    "no positions": qwen3(**SIZE, position="none", tie=True),
    "layer scale": llama(**SIZE, layer_scale=0.1),
}


GREEDY = SamplingParams(temperature=0, max_tokens=60)
ENCODE = ("-i", "-n", 0)  # the ids of the prompt, and no more


ASKED_IDS = """
#define main groundup_main
#include "groundup.c"
#undef main
int main(int n, char **words) { /* or: ids MODEL N ID...: N ids after these; 0: logits */
    Ids ids = {0};
    if (n < 4 || strcmp(words[1], "ids")) return groundup_main(n, words);
    load(words[2]);
    for (int i = 4; i < n; i++) push(&ids, (uint32_t)atoi(words[i]));
    asked.most = (uint32_t)atoi(words[3]), asked.temperature = 0, asked.ids = 1;
    if (asked.most) return go_on(&ids, NULL), 0;
    for (size_t i = 1; i <= ids.n; i++) {
        read_ids(ids.at, i);
        for (uint32_t v = 0; v < h.vocab; v++) printf("%.9g ", (double)logits[v]);
        putchar('\\n');
    }
    return 0;
}
"""


def compiled(request, folder, *flags):
    """The program, with a door for ids that no text has."""
    if shutil.which("cc") is None:
        request.node.add_marker("may_skip")
        pytest.skip("no C compiler here")
    (folder / "groundup.c").write_text(source())
    (folder / "asked_ids.c").write_text(ASKED_IDS)
    command = ["cc", *STRICT, *flags, str(folder / "asked_ids.c"), "-lm", "-o", str(folder / "groundup")]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0 and made.stderr == "", made.stderr
    return folder / "groundup"


@pytest.fixture(scope="module")
def program(request, tmp_path_factory):
    return compiled(request, tmp_path_factory.mktemp("plain"), "-O3")


@pytest.fixture(scope="module")
def guarded(request, tmp_path_factory):
    """The program with every memory access and every shift watched."""
    flags = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return compiled(request, tmp_path_factory.mktemp("guarded"), *flags)


def run(program, *words, given=b"", rc=0):
    env = {"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096"}
    done = subprocess.run(
        [str(program), *map(str, words)], input=given, capture_output=True, env=env, timeout=60
    )
    assert done.returncode == rc, (done.returncode, done.stderr[-2000:])
    return done


def ids_of(done):
    return [int(word) for word in done.stdout.split()]


def saved(path, config, tokenizer=TOKENIZER, *, extra=None, seed=0):
    """A checkpoint of random weights in which no gain is 1 and no bias 0."""
    torch.manual_seed(seed)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    checkpoint.save(path, model=model, tokenizer=tokenizer, step=3, extra=extra)
    return checkpoint.load(path)


def exported(tmp_path, config, tokenizer=TOKENIZER, *, extra=None, dtype="float32"):
    ours = saved(tmp_path / "ours", config, tokenizer, extra=extra)
    write_c(ours, tmp_path / "c", dtype=dtype)
    return ours, tmp_path / "c" / "model.bin"


def with_tokenizer(tmp_path, tokenizer, **more):
    return exported(tmp_path, llama(**{**SIZE, "vocab_size": tokenizer.vocab_size}), tokenizer, **more)


def logits_of(program, model_bin, ids):
    done = run(program, "ids", model_bin, 0, *ids)
    return torch.tensor([[float(word) for word in line.split()] for line in done.stdout.splitlines()])


# ---- The same numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_greedy_ids_are_those_of_the_model(name, program, tmp_path):
    ours, model_bin = exported(tmp_path, MODELS[name])
    ids = torch.randint(SIZE["vocab_size"], (24,)).tolist()
    found = logits_of(program, model_bin, ids)
    with torch.no_grad():
        wanted = ours.model(torch.tensor([ids]))[0]
    assert_close(found, wanted, rtol=0, atol=1e-4)
    assert (wanted[1:] - wanted[:-1]).abs().max() > 0.1  # the logits do differ from place to place
    for prompt in (ids[:1], ids[:7], ids * 2):  # it writes on beyond its context of 24
        greedy = write_on(ours.model, prompt, GREEDY, torch.Generator())
        assert ids_of(run(program, "ids", model_bin, 60, *prompt)) == greedy
    greedy = write_on(ours.model, TOKENIZER.encode("the cat"), GREEDY, torch.Generator())
    shown = run(program, model_bin, "-t", 0, "-n", 60, "the cat").stdout
    assert shown == b"the cat" + TOKENIZER.decode_bytes(greedy) + b"\n"


def test_int8_is_the_model_with_rounded_weights(program, tmp_path):
    config = qwen3(**{**SIZE, "n_embd": 64}, n_kv_head=2, head_dim=16, mlp_width=96)
    ours, model_bin = exported(tmp_path, config, dtype="int8")
    write_c(ours, tmp_path / "f32")
    assert model_bin.stat().st_size < 0.5 * (tmp_path / "f32" / "model.bin").stat().st_size
    ids = torch.randint(SIZE["vocab_size"], (20,)).tolist()
    with torch.no_grad():
        before = ours.model(torch.tensor([ids]))[0]
        for parameter in ours.model.parameters():
            if parameter.dim() == 2:
                groups = parameter.view(-1, 32)
                scale = groups.abs().amax(1, keepdim=True) / 127
                groups.copy_((groups / scale).round() * scale)
        wanted = ours.model(torch.tensor([ids]))[0]
    assert_close(logits_of(program, model_bin, ids), wanted, rtol=0, atol=1e-3)
    assert 1e-2 < (wanted - before).abs().max() < 0.5 * before.std()


def test_a_text_ends_where_it_ends(program, tmp_path):
    first = MODELS["llama"]
    ours, model_bin = exported(tmp_path, first)
    text = ids_of(run(program, model_bin, "-t", 0, "-n", 40, "-i", "the cat"))
    again = tmp_path / "again"
    prompt = TOKENIZER.encode("the cat")
    assert text[: len(prompt)] == prompt
    new = text[len(prompt) :]
    ours = saved(again / "ours", first, extra={"stop": [new[5]], "bos": 3})
    write_c(ours, again / "c")
    ended = ids_of(run(program, "ids", again / "c" / "model.bin", 40, *prompt))
    assert ended == new[: new.index(new[5]) + 1]
    assert ids_of(run(program, again / "c" / "model.bin", *ENCODE, "the cat")) == [3, *prompt]
    assert ids_of(run(program, model_bin, *ENCODE)) == [TOKENIZER.special(chat.BOS)]


# ---- The same draws ------------------------------------------------------------------------------


def test_samples_follow_the_distribution(program, tmp_path):
    ours, model_bin = exported(tmp_path, MODELS["gpt2"])
    with torch.no_grad():
        logits_1V = ours.model(torch.tensor([TOKENIZER.encode("the cat")]))[:, -1]
    params = SamplingParams(temperature=0.7, top_k=9, top_p=0.8)
    weights_V = filtered((logits_1V / 0.7).softmax(-1), params)[0]
    n, words = 300, (model_bin, "-t", 0.7, "-k", 9, "-p", 0.8, "-n", 1, "-i")
    drawn = Counter(ids_of(run(program, *words, "-s", seed, "the cat"))[-1] for seed in range(n))
    allowed = weights_V.nonzero().flatten().tolist()
    assert 2 < len(allowed) <= 9 and set(drawn) <= set(allowed)
    for id in allowed:
        p = float(weights_V[id] / weights_V.sum())
        assert abs(drawn[id] / n - p) < 4 * (p * (1 - p) / n) ** 0.5 + 1 / n
    one, two, other = (run(program, model_bin, "-s", seed, "the").stdout for seed in (5, 5, 6))
    assert one == two != other


# ---- The same tokens -----------------------------------------------------------------------------

SIGNS = "aZéßñДж你好あ한ٱ \t\n\r\f\x85\xa0\u2003\u3000'’.,!?-_/0159٣½Ⅷ²\u0301\u0903\u200d😀"
SIGNS += "\U00020000\x00\x1b\u017f"
SNIPPETS = (
    "'s",
    "'LL",
    "don't",
    " the",
    "  ",
    "\n\n",
    "\r\n",
    "1234",
    "<|end|>",
    "cat",
    "你好",
    "'\u017f",
    " ?!",
)


def texts(n, seed=1):
    draw = random.Random(seed)
    for _ in range(n):
        parts = draw.choices((*SIGNS, *SNIPPETS), k=draw.randrange(40))
        yield "".join(parts)


def vocabulary(merges):
    """Tokens of a byte-pair tokenizer under other ids, as other people's are."""
    base = BytePairTokenizer.train(POEM * 9, vocab_size=285)
    tokens = [None, *(base.bytes_of(id) for id in reversed(range(285))), None]
    moved = [(285 - left, 285 - right) for left, right in base.merges]
    specials = {"<|end|>": 0}
    return VocabularyTokenizer(
        tokens, moved if merges else None, pattern=CL100K, specials=specials, whole_pieces=merges
    )


SPLITS = {
    "gpt2": GPT2,
    "cl100k": CL100K,
    "digits": DIGITS,
    "smollm": DIGITS_FIRST,
    "llama3": PATTERNS["llama3"],
    "qwen2": PATTERNS["qwen2"],
    "none": None,
}
TOKENIZERS = {
    **{
        name: BytePairTokenizer.train(POEM * 9, vocab_size=282, pattern=pattern, specials=["<|end|>"])
        for name, pattern in SPLITS.items()
    },
    "tiktoken": vocabulary(merges=False),
    "whole pieces": vocabulary(merges=True),
    "bytes": BytePairTokenizer([]),
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_text_has_the_same_ids(name, program, guarded, tmp_path):
    tokenizer = TOKENIZERS[name]
    _, model_bin = with_tokenizer(tmp_path, tokenizer)
    merged = 0
    for i, text in enumerate([*texts(80), "", "a" * 1500 + "the cat" * 200]):
        done = run(program if i % 8 else guarded, model_bin, *ENCODE, "-", given=text.encode())
        wanted = tokenizer.encode(text) or [layouts.beginning(tokenizer)]
        assert ids_of(done) == wanted, text
        assert not set(wanted) & {tokenizer.special(s) for s in tokenizer.specials} or not text
        merged += len(wanted) < len(text.encode())
    assert merged > 30 or name == "bytes"


@pytest.mark.parametrize("name", ["gpt2", "digits"])
def test_bytes_that_are_no_text(name, guarded, tmp_path):
    tokenizer, draw = TOKENIZERS[name], random.Random(2)
    _, model_bin = with_tokenizer(tmp_path, tokenizer)
    for _ in range(25):
        data = draw.choice((b"", b" ", b"a")) + draw.randbytes(20) + "é你😀".encode()[: draw.randrange(9)]
        assert ids_of(run(guarded, model_bin, *ENCODE, "-", given=data)) == tokenizer.encode_bytes(data)


def test_characters(program, tmp_path):
    tokenizer = CharTokenizer.train("helo é你😀\n", specials=("<|bos|>",))
    ours, model_bin = with_tokenizer(tmp_path, tokenizer)
    text = "hello 你 é😀\n"
    assert ids_of(run(program, model_bin, *ENCODE, text)) == tokenizer.encode(text)
    assert ids_of(run(program, model_bin, *ENCODE, "")) == [tokenizer.special("<|bos|>")]
    said = run(program, model_bin, *ENCODE, "hex", rc=2).stderr.decode()
    assert 'no token for the character "x"' in said
    greedy = write_on(ours.model, tokenizer.encode("hell"), GREEDY, torch.Generator())
    shown = run(program, model_bin, "-t", 0, "-n", 60, "hell").stdout.decode()
    assert shown == "hell" + tokenizer.decode(greedy) + "\n" and len(shown) > 30


# ---- The same conversation -----------------------------------------------------------------------

LETTERS = CharTokenizer.train("abcdefghijklmnopqrstuvwxyz ?!.\n", specials=chat.SPECIALS)
CHATML_LETTERS = CharTokenizer.train(
    "abcdefghijklmnopqrstuvwxyz ?!.\n", specials=("<|im_start|>", "<|im_end|>", "<|endoftext|>")
)
CHATML = {"chat": {"layout": "chatml", "system": "be kind"}}


@pytest.mark.parametrize(
    ("tokenizer", "extra", "told"),
    [
        (LETTERS, None, None),
        (LETTERS, None, "be brief"),
        (CHATML_LETTERS, CHATML, None),
        (CHATML_LETTERS, CHATML, "be brief"),
    ],
)
def test_a_conversation_has_the_same_replies(tokenizer, extra, told, guarded, tmp_path):
    """Three questions to a context that holds not even two: the oldest exchange is forgotten."""
    config = llama(**{**SIZE, "vocab_size": tokenizer.vocab_size, "context_len": 130})
    ours = saved(tmp_path / "ours", config, tokenizer, extra=extra)
    ends = {tokenizer.special(name) for name in tokenizer.specials if name.endswith("end|>")}
    for id in {tokenizer.special(name) for name in tokenizer.specials} - ends:
        ours.model.unembedding.weight.data[id] = 0  # so that it talks, and ends a reply now and then
    write_c(ours, tmp_path / "c")
    model_bin = tmp_path / "c" / "model.bin"
    layout = layouts.OWN if extra is None else layouts.from_dict(extra["chat"])
    params = SamplingParams(temperature=0, max_tokens=30)
    talk, wanted = Conversation((system(told),) if told else ()), []
    questions = ["who are you?", "what is a cat? and a mat?", "is that all you know?"]
    for question in questions:
        talk = talk.add(user(question))
        (message,) = reply(ours.model, tokenizer, [talk], params=params, layout=layout)
        assert all(isinstance(part, str) for part in message.parts)
        talk = talk.add(Message("assistant", message.parts))
        wanted.append(tokenizer.encode(message.text))
    told_words = ("-S", told) if told else ()
    given = "\n".join(["", f"  {questions[0]} ", *questions[1:]]).encode()
    done = run(guarded, model_bin, "-c", "-t", 0, "-n", 30, "-i", *told_words, given=given)
    found = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    stops = layout.stops(tokenizer)
    assert [[id for id in ids if id not in stops] for ids in found] == wanted
    assert any(len(ids) > 5 for ids in wanted) and wanted[0] != wanted[1]
    long = run(guarded, model_bin, "-c", "-t", 0, "-n", 3, given=b"x" * 200 + b"\nhi\n")
    assert b"Shorten it" in long.stderr and len(long.stdout.splitlines()) >= 1


def test_a_model_that_was_never_taught_to_chat(program, tmp_path):
    _, model_bin = with_tokenizer(tmp_path, TOKENIZERS["bytes"])
    assert b"never taught to chat" in run(program, model_bin, "-c", rc=2).stderr
    assert "-c" not in (tmp_path / "c" / "README.md").read_text().split()


# ---- Files that are damaged, or made to do damage ------------------------------------------------


def sealed(header, body):
    """A file whose length is right, so that what is wrong inside is reached."""
    fields = list(header)
    fields[1] = HEADER.size + len(body)
    return HEADER.pack(*fields) + body


def survives(guarded, path, data, *words):
    """The program on this file: done, or a clear refusal; never a crash."""
    path.write_bytes(data)
    env = {"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096"}
    command = [str(guarded), str(path), "-n", "3", "-s", "1", *words, "the cat"]
    done = subprocess.run(command, capture_output=True, env=env, timeout=60)
    said = done.stderr.decode(errors="replace")
    assert done.returncode in (0, 2) and "Sanitizer" not in said and "runtime error" not in said, said
    assert done.returncode == 0 or said.startswith("groundup: ")
    return done.returncode


@pytest.mark.parametrize("name", ["qwen3", "gpt2"])
def test_mutated_files_are_refused_or_harmless(name, guarded, tmp_path):
    _, model_bin = exported(tmp_path, MODELS[name])
    whole, draw, bad = model_bin.read_bytes(), random.Random(3), tmp_path / "bad.bin"
    header, body = HEADER.unpack(whole[: HEADER.size]), whole[HEADER.size :]
    assert sealed(header, body) == whole and survives(guarded, bad, whole) == 0
    results = Counter()
    for field in range(5, len(header)):
        for value in (0, header[field] + 1, (1 << 32) - 1):
            changed = list(header)
            changed[field] = value & 0xFFFFFFFF
            results[survives(guarded, bad, sealed(changed, body))] += 1
    for eps, theta in ((float("nan"), 1e4), (-1.0, 1e4), (1e-6, 0.0), (1e-6, float("inf"))):
        assert survives(guarded, bad, sealed((*header[:2], eps, theta, *header[4:]), body)) == 2
    tokens = 4 * header[5] + header[-4] + 16 * header[-3] + 4 * header[-2] + 4 * header[-1]
    for _ in range(30):
        changed = bytearray(body)
        for _ in range(draw.choice((1, 3))):
            at = draw.randrange(0, tokens if draw.random() < 0.8 else len(body), 4)
            changed[at : at + 4] = struct.pack("<I", draw.choice((0, 1, 300, 1 << 31, (1 << 32) - 1)))
        results[survives(guarded, bad, sealed(header, bytes(changed)), "-p", "0.9")] += 1
    for cut in (0, 7, HEADER.size - 1, HEADER.size, len(whole) // 2, len(whole) - 1):
        assert survives(guarded, bad, whole[:cut]) == 2
        assert survives(guarded, bad, sealed(header, whole[HEADER.size : cut])) == 2
    assert survives(guarded, bad, whole + b"\0\0\0\0") == 2
    assert results[2] > 50 and results[0] > 0


def test_words_that_make_no_sense(guarded, tmp_path):
    _, model_bin = exported(tmp_path, MODELS["llama"])
    for words, says in (
        ((), "Which model?"),
        ((tmp_path / "none.bin",), "cannot be read"),
        ((tmp_path,), "cannot be read|no model file"),
        ((model_bin, "-t"), "-t needs a number"),
        ((model_bin, "-t", "nan"), "-t needs a number"),
        ((model_bin, "-p", "0"), "-p needs a number"),
        ((model_bin, "-n", "x"), "-n needs a number"),
        ((model_bin, "-z"), "no option -z"),
        ((model_bin, "-S"), "lacks its value"),
        ((model_bin, "-c", "hi"), "takes no prompt"),
        ((model_bin, "a", "b"), "two prompts"),
    ):
        said = run(guarded, *words, rc=2).stderr.decode()
        assert any(part in said for part in says.split("|")) and said.startswith("groundup: "), said
    assert b"temperature" in run(guarded, "-h").stdout
    long = run(guarded, model_bin, "-n", 2, "cat " * 40)
    assert b"Only the end of it is read" in long.stderr


# ---- What is not exported ------------------------------------------------------------------------


def test_what_cannot_be_faithful_is_refused(tmp_path):
    def refused(words, config=MODELS["llama"], tokenizer=TOKENIZER, *, extra=None, dtype="float32"):
        ours = saved(tmp_path / "ours", config, tokenizer, extra=extra)
        with pytest.raises(CheckpointError, match=words):
            write_c(ours, tmp_path / "c", dtype=dtype)
        assert not (tmp_path / "c").exists()

    sized = {"vocab_size": 257, "context_len": 8, "n_layer": 1, "n_head": 2, "n_embd": 32}
    for pattern, words in ((O200K, "split pattern o200k"), (r"\S+|\s+", r"split pattern .*allowed is: gpt2")):
        refused(words, llama(**sized), BytePairTokenizer([(97, 98)], pattern=pattern))
    refused("n_embd=36", llama(**{**SIZE, "n_embd": 36}, head_dim=8), dtype="int8")
    refused("mlp_width=44", MODELS["relu2"], dtype="int8")
    refused("context_len=1", llama(**{**SIZE, "context_len": 1}))
    names = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    refused(
        "chat template llama3, which strips", llama(**{**sized, "vocab_size": 260}),
        BytePairTokenizer([], specials=names), extra={"chat": {"layout": "llama3", "system": ""}},
    )  # fmt: skip


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "ours", MODELS["qwen3"])
    assert main(["export", "c", "ours", "-o", "c"]) == 0
    assert "cc -O3" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        "README.md",
        "groundup.c",
        "model.bin",
    ]
    card = (tmp_path / "c" / "README.md").read_text()
    assert "Model card" in card and "cc -O3" in card and "let a user write them" not in card
    assert "the tokens that groundup writes" in card
    for words, says in (
        (["c", "ours", "-o", "c"], "not empty"),
        (["c", "none", "-o", "d"], "does not exist"),
        (["c", "ours", "-o", "d", "--dtype", "int8"], "head_dim=48"),
        (["c", "ours", "-o", "d", "--dtype", "int4"], "Choose float32, int8"),
        (["hf", "ours", "-o", "d", "--dtype", "int8"], "Choose float32"),
    ):
        assert main(["export", *words]) == 2
        assert says in " ".join(capsys.readouterr().err.split())
        assert not (tmp_path / "d").exists()
