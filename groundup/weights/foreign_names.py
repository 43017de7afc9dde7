"""What others call the weights, and how they lie: one table for each way, used to read and to write.

Three things differ besides the names. Where we keep one matrix (q, k, v above each other; gate above up),
others keep several. GPT-2's files of Hugging Face's hold matrices transposed. And GGUF files of the
architecture `llama` have the rows of q and k in another order: the rotation pairs neighbours there
(2i, 2i + 1) and halves here (i, i + D/2), and a permutation of the rows makes one of the other.

Letters: C channels, D head width, R rows.
Source:  transformers' modeling_gpt2.py, modeling_llama.py, modeling_qwen3.py; llama.cpp's
         convert_hf_to_gguf.py, `permute`; ggml's docs/gguf.md.
Next:    hugging_face.py and gguf_read.py, which know the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from groundup.base.errors import CheckpointError
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.nn.position import rotary_tables

SCALES = ("attention_scale", "mlp_scale")  # LayerScale: folded into matrices by who writes them
Turn = Literal["", "transposed", "paired"]


@dataclass(frozen=True)
class Part:
    """One of their tensors: its name, how many of our rows it is, and how it lies.

    `turn` "transposed" for a matrix with columns and rows exchanged, "paired" for q and k of `heads` heads
    whose channels are ordered for a rotation of neighbours.
    """

    name: str
    rows: int
    turn: Turn = ""
    heads: int = 1

    def theirs(self, ours_R: Tensor) -> Tensor:
        """Our rows as they write them."""
        if self.turn == "transposed" and ours_R.dim() == 2:
            return ours_R.T.contiguous()
        if self.turn == "paired":
            return ours_R.unflatten(0, (self.heads, 2, -1)).transpose(1, 2).reshape(ours_R.shape)
        return ours_R

    def ours(self, theirs: Tensor) -> Tensor:
        """The inverse of `theirs`.

        >>> q = torch.arange(8.0)  # two heads of four channels
        >>> Part("q", 8, "paired", heads=2).theirs(q)
        tensor([0., 2., 1., 3., 4., 6., 5., 7.])
        """
        if self.turn == "transposed" and theirs.dim() == 2:
            return theirs.T
        if self.turn == "paired":
            return theirs.unflatten(0, (self.heads, -1, 2)).transpose(1, 2).reshape(theirs.shape)
        return theirs


@dataclass(frozen=True)
class Names:
    """One way to name weights. `inside` maps our names within a block to theirs, one or several."""

    embedding: str
    norm: str
    head: str
    block: str  # with {} for the number of the layer
    inside: Mapping[str, tuple[str, ...]]
    positions: str = ""
    transposed: bool = False
    paired: bool = False
    outside: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        outside = {"embedding": self.embedding, "norm": self.norm, "unembedding": self.head}
        object.__setattr__(self, "outside", {**outside, "positions": self.positions})


_LLAMA = {
    "attention_norm": ("input_layernorm",),
    "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.out": ("self_attn.o_proj",),
    "attention.q_norm": ("self_attn.q_norm",),
    "attention.k_norm": ("self_attn.k_norm",),
    "mlp_norm": ("post_attention_layernorm",),
    "mlp.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down": ("mlp.down_proj",),
}
_GPT2 = {
    "attention_norm": ("ln_1",),
    "attention.qkv": ("attn.c_attn",),
    "attention.out": ("attn.c_proj",),
    "mlp_norm": ("ln_2",),
    "mlp.up": ("mlp.c_fc",),
    "mlp.down": ("mlp.c_proj",),
}
_GGUF = {
    "attention_norm": ("attn_norm",),
    "attention.qkv": ("attn_q", "attn_k", "attn_v"),
    "attention.out": ("attn_output",),
    "attention.q_norm": ("attn_q_norm",),
    "attention.k_norm": ("attn_k_norm",),
    "mlp_norm": ("ffn_norm",),
    "mlp.gate_up": ("ffn_gate", "ffn_up"),
    "mlp.up": ("ffn_up",),
    "mlp.down": ("ffn_down",),
}
HF_LLAMA = Names("model.embed_tokens", "model.norm", "lm_head", "model.layers.{}.", _LLAMA)
NANOGPT = Names(
    "transformer.wte", "transformer.ln_f", "lm_head", "transformer.h.{}.", _GPT2, positions="transformer.wpe"
)
HF_GPT2 = replace(NANOGPT, transposed=True)
GGUF = Names("token_embd", "output_norm", "output", "blk.{}.", _GGUF, positions="position_embd")
GGUF_LLAMA = replace(GGUF, paired=True)
GGUF_GPT2 = replace(GGUF, inside={**_GGUF, "attention.qkv": ("attn_qkv",)})


class _NoDraws(TorchFunctionMode):
    """Leaves out the drawing of first weights: on tensors without memory it would load torch's compiler."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def hollow(config: TransformerConfig) -> Transformer:
    """The model of this config without memory for its weights."""
    with torch.device("meta"), _NoDraws():
        return Transformer(config)


def parts(model: Transformer, names: Names) -> dict[str, tuple[Part, ...]]:
    """For each of our parameters the tensors of theirs that make it, from above to below."""
    rows = model.fused_rows()
    found: dict[str, tuple[Part, ...]] = {}
    for name, weight in model.named_parameters():
        if name.endswith(SCALES):
            continue
        inside, kind = name.rsplit(".", 1)
        if not inside.startswith("blocks."):
            found[name] = (Part(f"{names.outside[inside]}.{kind}", weight.size(0)),)
            continue
        _, layer, inside = inside.split(".", 2)
        theirs = names.inside[inside]
        heights = rows.get(name, ()) if len(theirs) > 1 else (weight.size(0),)
        found[name] = tuple(
            _part(f"{names.block.format(layer)}{their}.{kind}", height, names, which, inside, model.config)
            for which, (their, height) in enumerate(zip(theirs, heights, strict=True))
        )
    return found


def _part(name: str, rows: int, names: Names, which: int, inside: str, config: TransformerConfig) -> Part:
    if names.transposed and not inside.endswith("norm"):
        return Part(name, rows, "transposed")
    if names.paired and inside == "attention.qkv" and which < 2:
        return Part(name, rows, "paired", (config.n_head, config.kv_heads)[which])
    if names.paired and inside in ("attention.q_norm", "attention.k_norm"):
        return Part(name, rows, "paired")
    return Part(name, rows)


# ---- Reading -------------------------------------------------------------------------------------

Read = Callable[[str, Tensor], None]  # (one of their names, a float32 tensor to write it to)


def filled(
    config: TransformerConfig, names: Names, shapes: Mapping[str, tuple[int, ...]], read: Read, *, where: str
) -> Transformer:
    """The model of this config with their weights, which `read` gives one by one.

    `shapes` are those of all tensors there are. Raises CheckpointError if one is missing, too many or of
    another shape, before any memory is taken.
    """
    if config.n_layer > len(shapes):
        raise CheckpointError(f"{where} says {config.n_layer:,} layers, and has {len(shapes):,} tensors.")
    model = hollow(config)
    wanted = parts(model, names)
    _check_shapes(model, wanted, shapes, where)
    weights = {}
    for name, weight in model.named_parameters():
        out = torch.empty(weight.shape)
        start = 0
        for part in wanted[name]:
            rows = out[start : start + part.rows]
            if part.turn:
                theirs = torch.empty(shapes[part.name])
                read(part.name, theirs)
                rows.copy_(part.ours(theirs))
            else:
                read(part.name, rows)
            start += part.rows
        weights[name] = out
    return assigned(model, weights)


def assigned(model: Transformer, weights: Mapping[str, Tensor]) -> Transformer:
    """A hollow model with these weights (not copied), in eval mode."""
    model.load_state_dict(weights, strict=True, assign=True)
    c = model.config
    if c.position == "rotary":
        model.cos_TD, model.sin_TD = rotary_tables(c.context_len, c.head_width, c.rope_theta)
    return model.eval()


def _check_shapes(
    model: Transformer,
    wanted: Mapping[str, tuple[Part, ...]],
    shapes: Mapping[str, tuple[int, ...]],
    where: str,
) -> None:
    expected = {
        part.name: _their_shape(part, tuple(weight.shape))
        for name, weight in model.named_parameters()
        for part in wanted[name]
    }
    if missing := sorted(expected.keys() - shapes.keys()):
        raise CheckpointError(f"{where} lacks {_listed(missing)}. It is not whole: fetch it again.")
    if spare := sorted(shapes.keys() - expected.keys()):
        raise CheckpointError(
            f"{where} has {_listed(spare)}, which a model of its settings has no place for: it computes "
            "something that is not known here, and the answers would differ."
        )
    for name, shape in expected.items():
        if tuple(shapes[name]) != shape:
            raise CheckpointError(
                f"{where}: the tensor {name} has shape {tuple(shapes[name])}, and its settings ask for "
                f"{shape}. Settings and weights belong to different models, or one of them is damaged."
            )


def _their_shape(part: Part, ours: tuple[int, ...]) -> tuple[int, ...]:
    shape = (part.rows, *ours[1:])
    return shape[::-1] if part.turn == "transposed" else shape


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"the tensor{'s' * (len(names) > 1)} {', '.join(names[:4])}{more}"


# ---- Writing -------------------------------------------------------------------------------------


def their_tensors(
    model: Transformer, names: Names, overrides: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Our weights under their names, as they lie there. `overrides` replaces some of ours before."""
    found = {}
    weights = {**model.state_dict(), **(overrides or {})}
    for name, made_of in parts(model, names).items():
        for part, rows in zip(made_of, weights[name].split([part.rows for part in made_of]), strict=True):
            found[part.name] = part.theirs(rows.detach()).contiguous()
    return found
