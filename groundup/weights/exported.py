"""What every export of a model must know: which family it is, and what its layout has no place for.

Others have a program for each family, we have settings: an export finds the family that computes exactly what
the settings say, or refuses, with the setting that stands in the way. Squared ReLU, for example, is in none
of them. LayerScale is no obstacle: a gain on what a matrix writes is a gain on its rows.

Source: transformers' modeling files and llama.cpp's `src/models/`, which agree about the four families.
Next:   hugging_face_export.py and gguf_export.py.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from groundup.base.errors import CheckpointError
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer import layouts
from groundup.weights.checkpoint import Checkpoint
from groundup.weights.imported import layout_or_none

Family = Literal["gpt2", "llama", "qwen2", "qwen3"]
BEFORE_TEXT = ("<|bos|>", "<|begin_of_text|>", "<|endoftext|>")


def transformer_of(checkpoint: Checkpoint) -> Transformer:
    """Its model. CheckpointError for one that is none."""
    if not isinstance(checkpoint.model, Transformer):
        raise CheckpointError(
            f"A model of the kind {checkpoint.manifest.kind!r} cannot be exported. Give a transformer."
        )
    return checkpoint.model


def family_of(c: TransformerConfig) -> Family:
    """The family whose program computes what these settings say. CheckpointError says what hinders."""
    if c.position == "learned" and c.norm == "layer":
        return _gpt2(c)
    for name, allowed in (("position", "rotary"), ("norm", "rms"), ("mlp", "swiglu")):
        if getattr(c, name) != allowed:
            raise refused(f"{name}={getattr(c, name)!r}", f"with rotary positions {name} is {allowed!r}")
    qkv_bias = c.bias if c.qkv_bias is None else c.qkv_bias
    if c.qk_norm and (c.bias or qkv_bias):
        raise refused("a bias together with qk_norm", "qwen3 has the one, llama and qwen2 the other")
    if c.bias and not qkv_bias:
        raise refused("bias without qkv_bias", "llama has both or none")
    if c.qk_norm:
        return "qwen3"
    if not qkv_bias or c.bias:
        return "llama"
    if c.head_width * c.n_head != c.n_embd:
        raise refused(f"head_dim={c.head_width}", "in qwen2 it is n_embd / n_head")
    return "qwen2"


def _gpt2(c: TransformerConfig) -> Family:
    checks = (
        (c.mlp in ("gelu", "gelu_erf"), f"mlp={c.mlp!r}", "with learned positions it is 'gelu'"),
        (not c.qk_norm, "qk_norm", "gpt2 has none"),
        (c.kv_heads == c.n_head, f"n_kv_head={c.kv_heads}", "in gpt2 every head has keys of its own"),
        (c.head_width * c.n_head == c.n_embd, f"head_dim={c.head_width}", "in gpt2 it is n_embd / n_head"),
    )
    for fits, what, instead in checks:
        if not fits:
            raise refused(what, instead)
    return "gpt2"


def refused(what: str, instead: str) -> CheckpointError:
    """The error for a model that has `what`, where `instead` is what a format can say."""
    return CheckpointError(
        f"This model cannot be exported: it has {what}, and {instead}. Another program would compute "
        "something else. Use it here, or train one without: the presets for chat can be exported."
    )


def folded(model: Transformer) -> dict[str, Tensor]:
    """Weights as they must be where LayerScale has no place."""
    weights, found = model.state_dict(), {}
    for layer in range(model.config.n_layer):
        for scale, matrix in (("attention_scale", "attention.out"), ("mlp_scale", "mlp.down")):
            gain_C = weights.get(f"blocks.{layer}.{scale}")
            for kind in ("weight", "bias"):
                name = f"blocks.{layer}.{matrix}.{kind}"
                if gain_C is not None and name in weights:
                    found[name] = weights[name] * (gain_C[:, None] if kind == "weight" else gain_C)
    return found


# ---- How it is talked to -------------------------------------------------------------------------


def ends_of(checkpoint: Checkpoint) -> tuple[int, ...]:
    """The ids that end a reply or a text; the one that closes a message first."""
    if isinstance(layout_or_none(checkpoint), layouts.Own):
        return (checkpoint.tokenizer.special("<|end|>"),)
    return tuple(checkpoint.manifest.extra.get("stop", ()))


def bos_of(checkpoint: Checkpoint) -> int | None:
    """The id with which a text begins, if there is one."""
    if (bos := checkpoint.manifest.extra.get("bos")) is not None:
        return int(bos)
    tokenizer = checkpoint.tokenizer
    return next((tokenizer.special(name) for name in BEFORE_TEXT if name in tokenizer.specials), None)
