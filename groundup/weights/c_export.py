"""A model of ours as a C program: one file of source to read, one of weights, no other code.

    groundup.c      the whole program, the same for every model; its head says what stands in model.bin
    model.bin       header, tokenizer, chat layout, weights
    README.md       the model card, and how to compile

In float32 the program computes what the model computes: with temperature 0 it writes the same ids. What it
does not know is refused here and named: a split pattern of one's own, or o200k; a chat template that strips
messages. Tools are not in it: a reply ends where the model asks for one. LayerScale is folded into the matrix
before it.

int8: every matrix in groups of 32 numbers of a row, which share a scale: number = scale * int8, the largest
of a group being 127. Norms, biases and positions stay float32. The program rounds what a matrix is multiplied
with to 16 bits, in groups of 32 too, and multiplies integers. Source: llama.cpp's Q8_0, which has its scales
in half precision and its activations in 8 bits.

Oracle: the model itself, teacher-forced and greedy, and its tokenizer on fuzzed texts (tests).
Next:   c/groundup.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from groundup.base.errors import CheckpointError
from groundup.base.files import atomic_dir, write_atomic
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer import chat, layouts
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.hugging_face import DIGITS_FIRST
from groundup.tokenizer.patterns import name_of
from groundup.tokenizer.protocol import Tokenizer
from groundup.tokenizer.table import Table
from groundup.tokenizer.unicode_classes import runs
from groundup.tokenizer.vocabulary import VocabularyTokenizer
from groundup.weights.checkpoint import Checkpoint
from groundup.weights.exported import folded
from groundup.weights.gguf_read import PATTERNS as GGUF_PATTERNS
from groundup.weights.imported import layout_or_none
from groundup.weights.model_card import model_card

Dtype = Literal["float32", "int8"]

VERSION = 1
HEADER = struct.Struct("<8sQdd24I")  # as struct Header of groundup.c
GROUP = 32  # numbers of a row that share a scale
DTYPES: dict[Dtype, int] = {"float32": 0, "int8": 1}
NORMS = {"rms": 0, "layer": 1}
POSITIONS = {"none": 0, "learned": 1, "rotary": 2}
MLPS = {"swiglu": 0, "gelu": 1, "gelu_erf": 2, "relu2": 3}
CHARACTERS, WHOLE = 0, 1
SPLITS = {"gpt2": 2, "smollm": 3, "cl100k": 4, "llama3": 5, "digits": 6, "qwen2": 7}
OTHERS_PATTERNS = {DIGITS_FIRST: "smollm", GGUF_PATTERNS["llama3"]: "llama3", GGUF_PATTERNS["qwen2"]: "qwen2"}
LIMITS = {  # groundup.c allows no more
    "vocab_size": 1 << 24, "context_len": 1 << 20, "n_layer": 1 << 10, "n_head": 1 << 12,
    "head_width": 1 << 12, "n_embd": 1 << 17, "mlp_hidden": 1 << 19,
}  # fmt: skip
RUN = """
## Run it

    cc -O3 -march=native groundup.c -lm -o groundup
    ./groundup model.bin "Once upon a time"{chat}

`./groundup -h` lists the options. {same}
"""
SAME: dict[Dtype, str] = {
    "float32": "With `-t 0` it writes the tokens that groundup writes.",
    "int8": "Its weights are rounded to 8 bits, so it may write other tokens than groundup does.",
}


def write_c(checkpoint: Checkpoint, path: str | Path, *, dtype: Dtype = "float32") -> None:
    """Write the folder. CheckpointError, before anything is written, if the program could not be faithful."""
    path, model = Path(path), checkpoint.model
    if not isinstance(model, Transformer):
        raise CheckpointError(
            f"A model of the kind {checkpoint.manifest.kind!r} cannot be a C program: it knows transformers."
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CheckpointError(f"{path} is there and not empty. Choose another with -o PATH.")
    weights = model_bytes(checkpoint, dtype=dtype)
    what = f"C program with {dtype} weights"
    card = model_card(checkpoint, format=what, controls_can_be_typed=False)
    talk = "\n    ./groundup model.bin -c" if layout_or_none(checkpoint) else ""
    with atomic_dir(path) as fresh:
        write_atomic(fresh / "model.bin", weights)
        write_atomic(fresh / "groundup.c", source())
        write_atomic(fresh / "README.md", card + RUN.format(chat=talk, same=SAME[dtype]))


def source() -> str:
    """The text of groundup.c."""
    return (files("groundup.weights") / "c" / "groundup.c").read_text(encoding="utf-8")


def model_bytes(checkpoint: Checkpoint, *, dtype: Dtype = "float32") -> bytes:
    """model.bin, as the head of groundup.c describes it."""
    model = checkpoint.model
    assert isinstance(model, Transformer), "write_c has looked"
    c, tokenizer, layout = model.config, checkpoint.tokenizer, layout_or_none(checkpoint)
    _check(c, dtype)
    split, whole_pieces = _split(tokenizer)
    assert isinstance(tokenizer, Table), "every tokenizer is one"
    tokens = [tokenizer.bytes_or_none(id) or b"" for id in range(c.vocab_size)]
    text = b"".join(tokens)
    merges, classes = _merges(tokenizer), _classes() if split >= min(SPLITS.values()) else _words([])
    lists = _words([word for ids in _lists(checkpoint, layout) for word in (len(ids), *ids)])
    parts = [
        _words(np.cumsum([len(token) for token in tokens])),
        text + bytes(-len(text) % 4),
        merges,
        classes,
        lists,
        *_tensors(model, dtype),
    ]
    length = HEADER.size + sum(map(len, parts))
    qkv_bias = c.bias if c.qkv_bias is None else c.qkv_bias
    header = HEADER.pack(
        b"groundup", length, c.norm_eps, c.rope_theta, VERSION,
        c.vocab_size, c.context_len, c.n_layer, c.n_head, c.kv_heads, c.head_width, c.n_embd, c.mlp_hidden,
        NORMS[c.norm], POSITIONS[c.position], MLPS[c.mlp], DTYPES[dtype],
        c.tie, c.qk_norm, c.bias, qkv_bias, layout is not None, split, whole_pieces,
        len(text), len(merges) // 16, len(classes) // 4, len(lists) // 4,
    )  # fmt: skip
    return b"".join((header, *parts))


def _check(c: TransformerConfig, dtype: Dtype) -> None:
    for name, most in LIMITS.items():
        if getattr(c, name) > most:
            raise _refused(f"{name}={getattr(c, name):,}", f"at most {most:,}")
    if c.context_len < 2:
        raise _refused("context_len=1", "at least 2, one to read and one to write")
    for name, width in (
        ("n_embd", c.n_embd),
        ("mlp_width", c.mlp_hidden),
        ("n_head * head_dim", c.n_head * c.head_width),
    ):
        if dtype == "int8" and width % GROUP:
            raise _refused(f"{name}={width}", f"for int8 multiples of {GROUP}; float32 takes any")


def _refused(what: str, allowed: str) -> CheckpointError:
    return CheckpointError(f"This model cannot be exported so: it has {what}, and allowed is: {allowed}.")


# ---- Weights -------------------------------------------------------------------------------------


def _tensors(model: Transformer, dtype: Dtype) -> Iterator[bytes]:
    """Every tensor, in the order of groundup.c."""
    weights = {**model.state_dict(), **folded(model)}
    names = ["embedding", "positions"]
    for layer in range(model.config.n_layer):
        names += [f"blocks.{layer}.{part}" for part in _PARTS]
    for name in (*names, "norm", "unembedding"):
        for kind in ("weight", "bias"):
            tensor = weights.get(f"{name}.{kind}")
            if tensor is not None:
                is_matrix = tensor.dim() == 2 and name != "positions"
                yield from quantized(tensor) if is_matrix and dtype == "int8" else [_floats(tensor)]


_PARTS = (
    "attention_norm", "attention.qkv", "attention.q_norm", "attention.k_norm", "attention.out",
    "mlp_norm", "mlp.gate_up", "mlp.up", "mlp.down",
)  # fmt: skip


def _floats(tensor: Tensor) -> bytes:
    return tensor.detach().to("cpu", torch.float32).numpy().astype("<f4").tobytes()


def quantized(matrix: Tensor) -> tuple[bytes, bytes]:
    """(scales, numbers) of a matrix in groups of 32 of a row. A group of zeros has the scale 0."""
    groups = matrix.detach().to("cpu", torch.float32).reshape(-1, GROUP)
    scales = groups.abs().amax(1, keepdim=True) / 127
    numbers = (groups / torch.where(scales > 0, scales, 1)).round().to(torch.int8)
    return _floats(scales), numbers.numpy().tobytes()


# ---- Tokenizer and chat --------------------------------------------------------------------------


def _split(tokenizer: Tokenizer) -> tuple[int, bool]:
    """(how the text is cut, whether a piece that is a token is that token)."""
    if isinstance(tokenizer, CharTokenizer):
        return CHARACTERS, False
    assert isinstance(tokenizer, BytePairTokenizer | VocabularyTokenizer), "there are no others"
    whole = isinstance(tokenizer, VocabularyTokenizer) and tokenizer.whole_pieces
    if tokenizer.pattern is None:
        return WHOLE, whole
    name = name_of(tokenizer.pattern) or OTHERS_PATTERNS.get(tokenizer.pattern)
    if name not in SPLITS:
        raise _refused(
            f"the split pattern {name or repr(tokenizer.pattern)}", f"{', '.join(SPLITS)}, or none"
        )
    return SPLITS[name], whole


def _merges(tokenizer: Tokenizer) -> bytes:
    """left, right, made, rank of each merge, sorted; without a list, of all pairs that make a token."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    if isinstance(tokenizer, BytePairTokenizer):
        for i, pair in enumerate(tokenizer.merges):
            found.setdefault(pair, (256 + i, i))
    elif isinstance(tokenizer, VocabularyTokenizer) and tokenizer.merges is not None:
        for pair in tokenizer.merges:
            rank, made = tokenizer.join(*pair) or (0, 0)
            found.setdefault(pair, (made, rank))
    elif isinstance(tokenizer, VocabularyTokenizer):
        tokens = [tokenizer.bytes_or_none(id) for id in range(tokenizer.vocab_size)]
        ids = {token: id for id, token in enumerate(tokens) if token}
        for made, token in enumerate(tokens):
            for at in range(1, len(token or b"")):
                assert token is not None, "its length is not 0"
                if token[:at] in ids and token[at:] in ids:
                    found[ids[token[:at]], ids[token[at:]]] = made, made
    return _words(np.array([(*pair, *found[pair]) for pair in sorted(found)]).flatten())


def _classes() -> bytes:
    starts, kinds = runs()
    return _words([start << 3 | kind for start, kind in zip(starts, kinds, strict=True)])


def _words(numbers: Sequence[int] | np.ndarray) -> bytes:
    return np.asarray(numbers, dtype="<u4").tobytes()


def _lists(checkpoint: Checkpoint, layout: layouts.Layout | None) -> Iterator[Sequence[int]]:
    """The ids of enum List of groundup.c, in its order."""
    tokenizer, extra = checkpoint.tokenizer, checkpoint.manifest.extra
    yield [extra["bos"]] if "bos" in extra else []
    yield [layouts.beginning(tokenizer)]
    yield extra.get("stop", [])
    if layout is None:
        yield from ([] for _ in range(13))
        return
    special = tokenizer.special
    if isinstance(layout, layouts.Framed):
        yield from _framed(tokenizer, layout)
    else:
        yield from ([special(chat.BOS)], [])
        for role in (chat.SYSTEM, chat.USER, chat.ASSISTANT):
            yield from ([special(role)], b"", [special(chat.END)])
    yield sorted(layout.stops(tokenizer) | set(extra.get("stop", [])))
    yield [special(chat.CALL), special(chat.RESULT)] if layout.tools else []


def _framed(tokenizer: Tokenizer, layout: layouts.Framed) -> Iterator[Sequence[int]]:
    if layout.strips:
        raise _refused(f"the chat template {layout.name}, which strips messages", "groundup's, chatml")
    empty = chat.Conversation(())
    opening = [tokenizer.special(layout.first)] if layout.first else []
    yield opening
    yield layout.render(tokenizer, empty)[0][len(opening) :]
    for role in chat.ROLES:
        head = [tokenizer.special(layout.opener)]
        if layout.header:
            head += [*tokenizer.encode(role), tokenizer.special(layout.header)]
        yield head
        yield (("" if layout.header else role) + layout.gap).encode()
        yield [tokenizer.special(layout.closer), *tokenizer.encode(layout.after)]
