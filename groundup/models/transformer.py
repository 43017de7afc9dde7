"""A decoder-only transformer: one file, a few closed choices, no behaviour that depends on a model's name.

Letters: B batch, T query time, C channels, V vocabulary, L layers.
Source:  GPT-2 (Radford et al. 2019); Llama (Touvron et al. 2023, arXiv 2302.13971); Qwen3 (arXiv 2505.09388).
         The constructors at the end of this file set the choices of each, so that their weights fit.
         LayerScale: Touvron et al. 2021, arXiv 2103.17239, eq. 4.
Not here: losses, sampling, optimizers, foreign weight names.
Next:    cost.py for what it costs, infer/generate.py for what it says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.base.errors import ConfigError
from groundup.nn.attention import Allowed, SelfAttention, segment_mask
from groundup.nn.cache import Cache
from groundup.nn.mlp import build_mlp
from groundup.nn.norm import build_norm
from groundup.nn.position import rotary_tables, segment_runs


@dataclass(frozen=True)
class TransformerConfig:
    """What a transformer is. The defaults are Qwen3 shaped: rotary, RMSNorm, QK-norm, SwiGLU, no biases."""

    vocab_size: int
    context_len: int
    n_layer: int
    n_head: int
    n_embd: int
    n_kv_head: int | None = None  # None: as many as n_head; fewer: query heads share keys and values
    head_dim: int | None = None  # None: n_embd / n_head
    mlp: Literal["swiglu", "gelu", "gelu_erf", "relu2"] = "swiglu"  # gelu: GPT-2's tanh form
    mlp_width: int | None = (
        None  # None: 4 n_embd, or its 2/3 for swiglu (three matrices), to a multiple of 32
    )
    norm: Literal["rms", "layer"] = "rms"
    position: Literal["rotary", "learned", "none"] = "rotary"
    qk_norm: bool = True
    bias: bool = False
    qkv_bias: bool | None = None  # None: as `bias`
    tie: bool = False  # one matrix embeds the ids and scores the next one
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6
    dropout: float = 0.0
    init_std: float | None = (
        None  # None: 1/sqrt(fan-in) for matrices, 1 for embeddings; GPT-2 and Llama: 0.02
    )
    zero_init_out: bool = (
        False  # every block starts as the identity: what writes to the residual stream is zero
    )
    # LayerScale: a learned gain per channel on what a block adds, this at first. The paper: 0.1 up to 18
    # layers, 1e-5 for 24, 1e-6 beyond. What it is worth here: docs/log.md.
    layer_scale: float | None = None

    def __post_init__(self) -> None:
        for name in (
            "vocab_size",
            "context_len",
            "n_layer",
            "n_head",
            "n_embd",
            "kv_heads",
            "head_width",
            "mlp_hidden",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 1 or more.")
        if self.head_dim is None and self.n_embd % self.n_head:
            raise ConfigError(
                f"n_embd={self.n_embd} is not divisible by n_head={self.n_head}. "
                f"Choose n_head from {_divisors(self.n_embd)}, or set head_dim."
            )
        if self.n_head % self.kv_heads:
            raise ConfigError(
                f"n_head={self.n_head} is not divisible by n_kv_head={self.kv_heads}: every key/value head "
                f"serves equally many query heads. Choose n_kv_head from {_divisors(self.n_head)}."
            )
        if self.position == "rotary" and self.head_width % 2:
            raise ConfigError(
                f"head_dim={self.head_width} is odd, but rotary positions turn pairs of channels. "
                "Choose an even head_dim (n_embd / n_head), or position='learned'."
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout={self.dropout} is not a probability. Choose 0 <= dropout < 1.")
        if self.layer_scale is not None and not self.layer_scale > 0:
            raise ConfigError(
                f"layer_scale={self.layer_scale} would add nothing, or the opposite. Choose above 0, such as "
                "0.1, or leave it out for none."
            )

    @property
    def kv_heads(self) -> int:
        """Key/value heads: n_kv_head, or n_head."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    @property
    def head_width(self) -> int:
        """Channels of one head: head_dim, or n_embd / n_head."""
        return self.n_embd // self.n_head if self.head_dim is None else self.head_dim

    @property
    def mlp_hidden(self) -> int:
        """Feed-forward width: mlp_width, or 4 n_embd; for swiglu 8/3 n_embd, up to a multiple of 32.

        >>> TransformerConfig(vocab_size=512, context_len=128, n_layer=5, n_head=4, n_embd=128).mlp_hidden
        352
        """
        if self.mlp_width is not None:
            return self.mlp_width
        return 32 * math.ceil(8 * self.n_embd / 3 / 32) if self.mlp == "swiglu" else 4 * self.n_embd


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): the pre-norm residual block."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        c = config
        self.attention_norm = build_norm(c.norm, c.n_embd, eps=c.norm_eps, bias=c.bias)
        self.attention = SelfAttention(
            c.n_embd,
            c.n_head,
            c.kv_heads,
            c.head_width,
            bias=c.bias,
            qkv_bias=c.bias if c.qkv_bias is None else c.qkv_bias,
            qk_norm=c.qk_norm,
            norm_eps=c.norm_eps,
            dropout=c.dropout,
        )
        self.mlp_norm = build_norm(c.norm, c.n_embd, eps=c.norm_eps, bias=c.bias)
        self.mlp = build_mlp(c.mlp, c.n_embd, c.mlp_hidden, bias=c.bias)
        self.attention_scale, self.mlp_scale = _layer_scale(c), _layer_scale(c)
        self.dropout = c.dropout

    def forward(self, x_BTC: Tensor, *, asked_BT: Tensor | None = None, **context: Any) -> Tensor:
        """`context` (positions, mask, cache) goes to the attention as it is. With `asked_BT` only the N
        places where it is True go on behind the attention, as x_NC.
        """
        y_BTC = self.attention(self.attention_norm(x_BTC), **context)
        x_BTC = x_BTC + self._written(y_BTC, self.attention_scale)
        if asked_BT is not None:
            x_BTC = x_BTC[asked_BT]
        return x_BTC + self._written(self.mlp(self.mlp_norm(x_BTC)), self.mlp_scale)

    def _written(self, y_BTC: Tensor, scale_C: Tensor | None) -> Tensor:
        """What of y is added to the residual stream."""
        if scale_C is not None:
            y_BTC = y_BTC * scale_C
        return F.dropout(y_BTC, self.dropout) if self.training and self.dropout else y_BTC


def _layer_scale(config: TransformerConfig) -> nn.Parameter | None:
    if config.layer_scale is None:
        return None
    return nn.Parameter(torch.full((config.n_embd,), config.layer_scale))


class Transformer(nn.Module):
    """Ids to logits: `hidden` (embed, blocks, norm) and `head` (score every id of the vocabulary)."""

    cos_TD: Tensor
    sin_TD: Tensor

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        c = config
        self.embedding = nn.Embedding(c.vocab_size, c.n_embd)
        self.positions = nn.Embedding(c.context_len, c.n_embd) if c.position == "learned" else None
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.n_layer))
        self.norm = build_norm(c.norm, c.n_embd, eps=c.norm_eps, bias=c.bias)
        self.unembedding = None if c.tie else nn.Linear(c.n_embd, c.vocab_size, bias=False)
        if c.position == "rotary":
            cos_TD, sin_TD = rotary_tables(c.context_len, c.head_width, c.rope_theta)
            self.register_buffer("cos_TD", cos_TD, persistent=False)
            self.register_buffer("sin_TD", sin_TD, persistent=False)
        self.reset()

    def forward(
        self, tokens_BT: Tensor, cache: Cache | None = None, segments_BT: Tensor | None = None
    ) -> Tensor:
        """logits_BTV."""
        return self.head(self.hidden(tokens_BT, cache, segments_BT))

    def hidden(
        self,
        tokens_BT: Tensor,
        cache: Cache | None = None,
        segments_BT: Tensor | None = None,
        asked_BT: Tensor | None = None,
    ) -> Tensor:
        """x_BTC, normed: what the head scores.

        With a cache the tokens continue its rows (the caller then advances it). With `segments_BT` a row
        holds several texts: a token sees only its own run of equal ids, and positions restart in each. With
        `asked_BT` only the N places where it is True are wanted, as x_NC in reading order: no other place
        goes through the last feed-forward, for nothing looks at it there.
        """
        T = tokens_BT.size(1)
        allowed: Allowed = "causal"
        positions_BT = None  # None: 0 .. T-1 in every row
        if cache is not None:
            if segments_BT is not None:
                raise ValueError(
                    "segments_BT and a cache cannot be combined: a cached row is one text. Pass one of them."
                )
            positions_BT, allowed = cache.positions_BT(T), cache.allowed(T)
        elif segments_BT is not None:
            runs_BT, positions_BT = segment_runs(segments_BT)
            allowed = segment_mask(runs_BT)
        self._check_length(T if cache is None else cache.length_after(T))
        x_BTC = self.embedding(tokens_BT)
        if self.positions is not None:
            x_BTC = x_BTC + (
                self.positions.weight[:T] if positions_BT is None else self.positions(positions_BT)
            )
        if self.training and self.config.dropout:
            x_BTC = F.dropout(x_BTC, self.config.dropout)
        rotary = self._rotary(T, positions_BT)
        for layer, block in enumerate(self.blocks):
            last = layer + 1 == len(self.blocks)
            x_BTC = block(
                x_BTC,
                asked_BT=asked_BT if last else None,
                rotary=rotary,
                allowed=allowed,
                cache=cache,
                layer=layer,
            )
        return self.norm(x_BTC)

    def head(self, x_BTC: Tensor) -> Tensor:
        """logits_BTV of normed activations."""
        return F.linear(x_BTC, self.embedding.weight if self.unembedding is None else self.unembedding.weight)

    def fused_rows(self) -> dict[str, tuple[int, ...]]:
        """Parameters that hold several matrices above each other, and the rows of each: q, k, v and gate, up.

        What treats each matrix by itself (export to other names, an orthogonalising optimizer) splits them.
        """
        c = self.config
        heads = (c.n_head * c.head_width, c.kv_heads * c.head_width, c.kv_heads * c.head_width)
        kinds = {"attention.qkv": heads, "mlp.gate_up": (c.mlp_hidden, c.mlp_hidden)}
        return {
            name: rows
            for name, _ in self.named_parameters()
            for kind, rows in kinds.items()
            if f".{kind}." in name
        }

    @torch.no_grad()
    def reset(self) -> None:
        """Draws fresh weights from torch's global generator: seed it first."""
        c = self.config
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                std = c.init_std or module.in_features**-0.5
                if name.endswith(("attention.out", "mlp.down")):
                    # 2 n_layer of these add up in the residual stream (GPT-2, section 2.3)
                    std *= 0.0 if c.zero_init_out else (2 * c.n_layer) ** -0.5
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=c.init_std or (0.02 if c.tie else 1.0))
        if self.unembedding is not None:  # near zero: the first loss is log(vocab_size)
            nn.init.normal_(self.unembedding.weight, std=c.init_std or 0.02)

    def _rotary(self, T: int, positions_BT: Tensor | None) -> tuple[Tensor, Tensor] | None:
        if self.config.position != "rotary":
            return None
        if positions_BT is None:
            return self.cos_TD[:T], self.sin_TD[:T]
        return self.cos_TD[positions_BT], self.sin_TD[positions_BT]

    def _check_length(self, length: int) -> None:
        if length > self.config.context_len:
            raise ValueError(
                f"{length} tokens do not fit context_len={self.config.context_len}. "
                "Shorten the text, or train a model with a longer context."
            )


def gpt2(**choices: Any) -> TransformerConfig:
    """GPT-2: learned positions, LayerNorm, GELU, biases, one matrix for embedding and head."""
    parts = {"norm": "layer", "position": "learned", "mlp": "gelu", "qk_norm": False, "norm_eps": 1e-5}
    return TransformerConfig(**{**parts, "bias": True, "tie": True, "init_std": 0.02, **choices})


def llama(**choices: Any) -> TransformerConfig:
    """Llama: rotary positions, RMSNorm, SwiGLU, no biases, no QK-norm."""
    return TransformerConfig(**{"qk_norm": False, "norm_eps": 1e-5, **choices})


def qwen3(**choices: Any) -> TransformerConfig:
    """Qwen3: Llama with QK-norm and slower rotation; heads may be wider than n_embd / n_head."""
    return TransformerConfig(**{"rope_theta": 1e6, **choices})


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]
