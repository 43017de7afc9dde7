"""A model of ours as a GGUF file, which llama.cpp and what is built on it run: weights, tokenizer, template.

    --dtype   matrices in            embedding and head    bits a weight
    f32       float32                float32               32
    f16       float16                float16               16
    q8_0      Q8_0                   Q8_0                  8.5
    q4_0      Q4_0                   Q8_0                  4.5
    q4_1      Q4_1                   Q8_0                  5

Vectors and GPT-2's table of positions stay float32, as llama.cpp asks. Architectures are llama, qwen2, qwen3
and gpt2 (exported.py chooses, or refuses); the rows of q and k in a `llama` are put into the order of a
rotation of neighbours (foreign_names.py).

What a GGUF file cannot say, and what is done about it:

- How text is cut is a name out of llama.cpp's list. `digits` and `cl100k` have no exact name: their nearest
  differs where a text ends in a line break and blanks, and the export says so. For us, the true name goes
  along as `groundup.split`, so that our own reader gives the same ids for any text.
- Characters as tokens are not in the list at all, and refused.
- A byte-level tokenizer without an end is given the token 11 as its end: refused as well.

Oracle: gguf.GGUFReader, our own reader, and, where it is installed, llama.cpp itself (tests).
Next:   quantize.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch

from groundup.base.errors import CheckpointError
from groundup.models.transformer import TransformerConfig
from groundup.tokenizer import layouts
from groundup.tokenizer.byte_level import to_text
from groundup.tokenizer.hugging_face import DIGITS_FIRST, merges_of
from groundup.tokenizer.patterns import name_of
from groundup.tokenizer.pieces import PieceTokenizer
from groundup.tokenizer.vocabulary import VocabularyTokenizer
from groundup.weights.checkpoint import Checkpoint
from groundup.weights.exported import (
    bos_of,
    ends_of,
    family_of,
    folded,
    refused,
    transformer_of,
)
from groundup.weights.foreign_names import their_tensors
from groundup.weights.gguf_read import CONTROL, FAMILIES, NORMAL, PATTERNS, PRE, UNUSED, WHOLE_PIECES
from groundup.weights.gguf_write import Value, Written, write_gguf
from groundup.weights.imported import layout_or_none
from groundup.weights.model_card import model_card

Dtype = Literal["f32", "f16", "q8_0", "q4_0", "q4_1"]
F32, F16, Q4_0, Q4_1, Q8_0 = 0, 1, 2, 3, 8
FORMS = {
    "f32": (F32, F32),
    "f16": (F16, F16),
    "q8_0": (Q8_0, Q8_0),
    "q4_0": (Q4_0, Q8_0),
    "q4_1": (Q4_1, Q8_0),
}
FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7}  # llama.cpp's LLAMA_FTYPE_...
QUANTIZATION_VERSION = 2
INEXACT = ("digits", "cl100k")


def write_file(checkpoint: Checkpoint, path: str | Path, *, dtype: Dtype = "f32") -> tuple[str, list[str]]:
    """Write the file; returns its architecture and what is not the same in other programs.

    CheckpointError, before anything is written, for what cannot be faithful.
    """
    path, model = Path(path), transformer_of(checkpoint)
    if path.exists():
        raise CheckpointError(f"{path} is there already. Choose another with -o PATH.")
    config = model.config
    family = family_of(config)
    if config.mlp == "gelu_erf":
        raise refused("mlp='gelu_erf'", "llama.cpp's gpt2 has the tanh form, 'gelu'")
    tokens, remarks = _tokenizer(checkpoint)
    if dtype.startswith("q4") and checkpoint.manifest.extra.get("quantized", {}).get("method") == "gptq":
        remarks.append("its 4-bit codes were chosen with a text, and are rounded once more; q8_0 is nearer")
    metadata: dict[str, Value] = {
        "general.architecture": family,
        "general.name": path.stem,
        "general.description": model_card(checkpoint, format=f"GGUF, {dtype}"),
        "general.file_type": FILE_TYPES[dtype],
        **({} if dtype in ("f32", "f16") else {"general.quantization_version": QUANTIZATION_VERSION}),
        **{f"{family}.{key}": value for key, value in _sizes(config, family).items()},
        **tokens,
    }
    weights = their_tensors(model, FAMILIES[family][0], overrides=folded(model))
    if family == "gpt2" and not config.bias:
        weights |= _zero_biases(weights)
    written = [Written(name, weight, _form(name, weight.dim(), dtype)) for name, weight in weights.items()]
    write_gguf(path, metadata, written)
    return family, remarks


def _sizes(c: TransformerConfig, family: str) -> dict[str, Value]:
    found: dict[str, Value] = {
        "vocab_size": c.vocab_size,
        "context_length": c.context_len,
        "embedding_length": c.n_embd,
        "block_count": c.n_layer,
        "feed_forward_length": c.mlp_hidden,
        "attention.head_count": c.n_head,
        "attention.head_count_kv": c.kv_heads,
    }
    if family == "gpt2":
        return {**found, "attention.layer_norm_epsilon": c.norm_eps}
    return {
        **found,
        "attention.layer_norm_rms_epsilon": c.norm_eps,
        "attention.key_length": c.head_width,
        "attention.value_length": c.head_width,
        "rope.dimension_count": c.head_width,
        "rope.freq_base": float(c.rope_theta),
    }


def _form(name: str, dimensions: int, dtype: Dtype) -> int:
    if dimensions == 1 or name.startswith("position_embd"):
        return F32
    inside, outside = FORMS[dtype]
    return inside if name.startswith("blk.") else outside


def _zero_biases(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The biases that llama.cpp's gpt2 must have, where ours has none: a bias of zero is none."""
    inside = [name for name in weights if name.startswith(("blk.", "output_norm."))]
    return {name.removesuffix("weight") + "bias": torch.zeros(weights[name].size(0)) for name in inside}


# ---- Tokenizer and template ----------------------------------------------------------------------


def _tokenizer(checkpoint: Checkpoint) -> tuple[dict[str, Value], list[str]]:
    """What the header says of it, and what is not the same."""
    tokenizer = checkpoint.tokenizer
    if not isinstance(tokenizer, PieceTokenizer):
        raise CheckpointError(
            "This model reads characters, and GGUF has no such tokenizer. Train it on byte pairs (such as "
            "the preset shakespeare-bpe), or export it with `groundup export hf`."
        )
    pre, split = _pre(tokenizer)
    texts, kinds = zip(*_tokens(tokenizer), strict=True)
    if len(set(texts)) < len(texts):
        raise CheckpointError(
            "A special token of this tokenizer is spelled like a token of text, and in a GGUF file a token "
            "is its spelling. Export it with `groundup export hf`."
        )
    found: dict[str, Value] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": list(texts),
        "tokenizer.ggml.token_type": list(kinds),
        "tokenizer.ggml.merges": [
            f"{to_text(left)} {to_text(right)}" for left, right in merges_of(tokenizer)
        ],
        "tokenizer.ggml.add_bos_token": "bos" in checkpoint.manifest.extra,
        **_controls(checkpoint),
    }
    if split:
        found["groundup.split"] = split
    if (layout := layout_or_none(checkpoint)) is not None:
        found["tokenizer.chat_template"] = layouts.to_jinja(layout)
    remark = f'text is cut as llama.cpp\'s "{pre}" does: a text that ends in a line break and blanks may be '
    return found, [f"{remark}other tokens there than here"] if split in INEXACT else []


def _controls(checkpoint: Checkpoint) -> dict[str, Value]:
    """The ids that begin and end."""
    bos, ends = bos_of(checkpoint), ends_of(checkpoint)
    end = ends[0] if ends else bos  # between two documents stands the same token as before the first
    if end is None:
        raise CheckpointError(
            "The tokenizer of this model has no special token, and llama.cpp would take its token 11 for the "
            'end of a text. Train it with one, such as "<|endoftext|>".'
        )
    found: dict[str, Value] = {"tokenizer.ggml.eos_token_id": end}
    if len(ends) > 1:
        found["tokenizer.ggml.eot_token_id"] = ends[1]
    if bos is not None:
        found["tokenizer.ggml.bos_token_id"] = bos
    return found


def _tokens(tokenizer: PieceTokenizer) -> Iterator[tuple[str, int]]:
    """Each id's string and kind."""
    specials = {tokenizer.special(name): name for name in tokenizer.specials}
    for id in range(tokenizer.vocab_size):
        if id in specials:
            yield specials[id], UNUSED if specials[id] == f"[PAD{id}]" else CONTROL
        elif token := tokenizer.bytes_or_none(id):
            yield to_text(token), NORMAL
        else:
            yield f"[PAD{id}]", UNUSED


def _pre(tokenizer: PieceTokenizer) -> tuple[str, str]:
    """(llama.cpp's name for how this tokenizer cuts text, ours if it is one of ours)."""
    ours = name_of(tokenizer.pattern)
    if ours in PRE:
        pre, split = PRE[ours], ours
    elif tokenizer.pattern == DIGITS_FIRST:
        pre, split = "smollm", ""
    else:
        names = {pattern: name for name, pattern in reversed(PATTERNS.items())}
        pre, split = names.get(tokenizer.pattern or "", ""), ""
    if not pre:
        raise CheckpointError(
            f"This tokenizer cuts text by the pattern {ours or tokenizer.pattern!r}, for which llama.cpp has "
            f"no name: its ids would differ. Those with one: {', '.join(PRE)}."
        )
    if isinstance(tokenizer, VocabularyTokenizer) and tokenizer.merges is not None:
        _check_whole(tokenizer, whole=pre in WHOLE_PIECES, pre=pre)
    return pre, split or ""


def _check_whole(tokenizer: VocabularyTokenizer, *, whole: bool, pre: str) -> None:
    """Refuse a tokenizer that takes a piece for a token where `pre` merges, or the other way, if it shows."""
    if tokenizer.whole_pieces == whole:
        return
    merging = VocabularyTokenizer(
        [tokenizer.bytes_or_none(id) for id in range(tokenizer.vocab_size)], tokenizer.merges,
        pattern=None, specials={name: tokenizer.special(name) for name in tokenizer.specials},
    )  # fmt: skip
    for id in range(tokenizer.vocab_size):
        token = tokenizer.bytes_or_none(id)
        if token and list(merging.piece_ids(token)) != [id]:
            raise CheckpointError(
                f"The token {token!r} is not what its own merges give, and by the name {pre!r} llama.cpp "
                "would read it otherwise than we do. Export this model with `groundup export hf`."
            )
