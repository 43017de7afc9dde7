"""A GGUF file as a model of ours: settings, weights, tokenizer, chat template.

Read are the architectures llama (Llama 2 and 3 with a byte-level tokenizer, SmolLM2), qwen2, qwen3 and gpt2,
as float32. Whatever the header says of the architecture is either understood or refused by its name: a
setting that is ignored gives a model that answers, and a little wrongly.

Two traps, both silent: files of the architecture llama have the rows of q and k in the order of a rotation of
neighbours, the others do not (foreign_names.py); and where there is no `output.weight`, the embedding is the
head as well.

Source: ggml's docs/gguf.md; llama.cpp's llama-vocab.cpp for the names of split patterns.
Next:   source.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from groundup.base.errors import CheckpointError, TokenizerError
from groundup.models.transformer import TransformerConfig
from groundup.tokenizer.byte_level import from_strings
from groundup.tokenizer.hugging_face import DIGITS_FIRST
from groundup.tokenizer.patterns import GPT2
from groundup.tokenizer.patterns import PATTERNS as OURS
from groundup.tokenizer.protocol import Tokenizer
from groundup.weights.foreign_names import GGUF, GGUF_GPT2, GGUF_LLAMA, Names, filled
from groundup.weights.gguf_file import GGUFFile
from groundup.weights.imported import Imported, config_of, fitting

_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = {  # tokenizer.ggml.pre: how text is cut before byte-pair encoding
    "gpt-2": GPT2,
    "smollm": DIGITS_FIRST,
    "llama-bpe": _ENDINGS + r"\p{N}{1,3}" + _REST,
    "llama3": _ENDINGS + r"\p{N}{1,3}" + _REST,
    "qwen2": _ENDINGS + r"\p{N}" + _REST,
}
PRE = {"gpt2": "gpt-2", "digits": "qwen2", "cl100k": "llama-bpe"}  # our name of a pattern; the nearest there
WHOLE_PIECES = ("llama-bpe", "llama3")  # a piece that is a token is that token, before any merging
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # tokenizer.ggml.token_type; only the first is text
FAMILIES: dict[str, tuple[Names, dict[str, Any]]] = {
    "llama": (GGUF_LLAMA, {"qk_norm": False}),
    "qwen2": (GGUF, {"qk_norm": False}),
    "qwen3": (GGUF, {"qk_norm": True}),
    "gpt2": (
        GGUF_GPT2,
        {"qk_norm": False, "norm": "layer", "position": "learned", "mlp": "gelu", "bias": True},
    ),
}
SETTINGS = {  # what follows the name of the architecture, and our name for it
    "block_count": "n_layer",
    "context_length": "context_len",
    "embedding_length": "n_embd",
    "feed_forward_length": "mlp_width",
    "attention.head_count": "n_head",
    "attention.head_count_kv": "n_kv_head",
    "attention.layer_norm_rms_epsilon": "norm_eps",
    "attention.layer_norm_epsilon": "norm_eps",
    "attention.key_length": "head_dim",
    "rope.freq_base": "rope_theta",
}
WITHOUT_EFFECT = {  # settings that say nothing new, or only that something is off
    "vocab_size": None,
    "attention.value_length": None,
    "rope.dimension_count": None,
    "rope.scaling.type": ("none",),
    "rope.scaling.factor": (1.0, 0.0),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "attention.sliding_window": (0,),
    "attention.causal": (True,),
}


def read_gguf(path: str | Path) -> Imported:
    """The model in this file, in float32. CheckpointError for one that is damaged, or does what we do not."""
    with GGUFFile(path) as file:
        where, metadata = str(path), file.metadata
        architecture = metadata.get("general.architecture")
        if architecture not in FAMILIES:
            raise CheckpointError(
                f"{where} holds a model of the architecture {architecture!r}. {', '.join(FAMILIES)} can be "
                "read."
            )
        names, _ = FAMILIES[architecture]
        config = config_of(_settings(file, architecture, where), where=where)
        tokenizer = _tokenizer(metadata, config.vocab_size, where)
        shapes = {name: info.shape for name, info in file.tensors.items()}
        model = filled(config, names, shapes, lambda name, out: file.read(name, out.numpy()), where=where)
        formats = sorted({info.format.name for info in file.tensors.values() if len(info.shape) > 1})
    return Imported(
        model,
        fitting(tokenizer, config.vocab_size, where=where),
        source=f"GGUF {'+'.join(formats)}, {metadata.get('general.name', Path(path).stem)}",
        template=_template(metadata, where),
        bos=_id(metadata, "bos", config, where) if _adds_bos(metadata) else None,
        stop=tuple(
            sorted({id for kind in ("eos", "eot") if (id := _id(metadata, kind, config, where)) is not None})
        ),
    )


def _settings(file: GGUFFile, architecture: str, where: str) -> dict[str, Any]:
    """Our settings. Raises CheckpointError for one that is not understood."""
    metadata, tensors = file.metadata, file.tensors
    own = {
        key.removeprefix(f"{architecture}."): value
        for key, value in metadata.items()
        if key.startswith(f"{architecture}.")
    }
    for key, value in own.items():
        allowed = WITHOUT_EFFECT.get(key, ()) if key not in SETTINGS else None
        if allowed is not None and value not in allowed:
            raise CheckpointError(
                f"{where} sets {architecture}.{key} to {value!r}, which is not done here: the answers would "
                "differ."
            )
    settings = {**FAMILIES[architecture][1]}
    settings |= {ours: own[key] for key, ours in SETTINGS.items() if key in own}
    if missing := {"n_layer", "context_len", "n_embd", "n_head", "mlp_width"} - settings.keys():
        raise CheckpointError(f"{where} does not say {', '.join(sorted(missing))}. It is not whole.")
    embedding = tensors.get("token_embd.weight")
    if embedding is None:
        raise CheckpointError(f"{where} lacks the tensor token_embd.weight. It is not whole: fetch it again.")
    settings |= {"vocab_size": embedding.shape[0], "tie": "output.weight" not in tensors}
    settings["bias"] = settings.get("bias", False) or "blk.0.attn_output.bias" in tensors
    settings["qkv_bias"] = "blk.0.attn_q.bias" in tensors or "blk.0.attn_qkv.bias" in tensors
    # a float32 in the file: 1e-6, and not 9.99999997e-07, is what was meant
    settings["norm_eps"] = float(str(np.float32(settings.get("norm_eps", 1e-5))))
    width = settings.get("head_dim") or settings["n_embd"] // max(1, settings["n_head"])
    for key in ("attention.value_length", "rope.dimension_count"):
        if architecture != "gpt2" and own.get(key, width) != width:
            raise CheckpointError(
                f"{where}: {architecture}.{key} is {own[key]}, and a head has {width} channels. Both must be "
                "equal here."
            )
    return settings


# ---- Tokenizer and template ----------------------------------------------------------------------


def _tokenizer(metadata: Mapping[str, Any], rows: int, where: str) -> Tokenizer:
    """From the tokens and merges alone."""

    def get(key: str) -> Any:
        return metadata.get(f"tokenizer.ggml.{key}")

    if get("model") != "gpt2":
        raise CheckpointError(
            f"{where} has a tokenizer of the kind {get('model')!r}; byte-level byte-pair encoding, which "
            "GGUF calls 'gpt2', can be read."
        )
    if get("pre") not in PATTERNS:
        raise CheckpointError(
            f"{where} cuts text in the way {get('pre')!r}, which is not known here: the ids would differ. "
            f"Known are {', '.join(PATTERNS)}."
        )
    tokens, merges, kinds = get("tokens"), get("merges"), get("token_type")
    for key, value, kind in (("tokens", tokens, str), ("merges", merges, str), ("token_type", kinds, int)):
        if not isinstance(value, list) or not all(isinstance(one, kind) for one in value):
            raise CheckpointError(
                f"{where} has no list tokenizer.ggml.{key}. It is not whole: fetch it again."
            )
    if len(kinds) != len(tokens):
        raise CheckpointError(f"{where} has {len(tokens):,} tokens and the kinds of {len(kinds):,}.")
    blank = [t for t, kind in zip(tokens, kinds, strict=True) if kind == USER_DEFINED and not t.strip()]
    if blank:
        raise CheckpointError(f"{where} has tokens of white space outside its merges, such as {blank[0]!r}.")
    specials = {
        token: id for id, (token, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind != NORMAL
    }
    try:
        return from_strings(
            tokens,
            merges,
            pattern=_pattern(metadata, where),
            specials=specials,
            whole_pieces=get("pre") in WHOLE_PIECES,
        )
    except TokenizerError as error:
        raise CheckpointError(f"{where} has a tokenizer that cannot be used: {error}") from None


def _pattern(metadata: Mapping[str, Any], where: str) -> str:
    """How text is cut; a file that we wrote says it exactly (gguf_export.py)."""
    pre, ours = metadata["tokenizer.ggml.pre"], metadata.get("groundup.split")
    if ours is None:
        return PATTERNS[pre]
    if PRE.get(ours) != pre:
        raise CheckpointError(
            f"{where} cuts text in the way {pre!r}, and its groundup.split says {ours!r}: it was altered."
        )
    return OURS[ours]


def _template(metadata: Mapping[str, Any], where: str) -> str:
    template = metadata.get("tokenizer.chat_template", "")
    if not isinstance(template, str):
        raise CheckpointError(f"{where} has a chat template that is no text, but {type(template).__name__}.")
    return template


def _adds_bos(metadata: Mapping[str, Any]) -> bool:
    """llama.cpp's default for these tokenizers: only where text is cut as Llama 3 does."""
    return bool(
        metadata.get("tokenizer.ggml.add_bos_token", metadata.get("tokenizer.ggml.pre") in WHOLE_PIECES)
    )


def _id(metadata: Mapping[str, Any], kind: str, config: TransformerConfig, where: str) -> int | None:
    id = metadata.get(f"tokenizer.ggml.{kind}_token_id")
    if id is not None and not (type(id) is int and 0 <= id < config.vocab_size):
        raise CheckpointError(
            f"{where}: {kind}_token_id is {id!r}, and ids end at {config.vocab_size - 1:,}."
        )
    return id
