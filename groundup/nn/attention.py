"""Attention written out, and the fused kernel that must agree with it.

Letters: B batch, T query time, S key time, C channels, H query heads, G key/value heads, D head width.
Source:  Vaswani et al. 2017, arXiv 1706.03762, eq. 1; grouped heads: Ainslie et al. 2023, arXiv 2305.13245;
         norm of queries and keys (over D, before the rotation): Henry et al. 2020, arXiv 2010.04245, Qwen3.
Next:    cache.py, for why S can be longer than T.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.nn.norm import RMSNorm
from groundup.nn.position import rotate

if TYPE_CHECKING:
    from groundup.nn.cache import Cache

Allowed = Tensor | str | None  # a boolean mask that broadcasts to BTS, "causal", or None: every key


def causal_mask(T: int, S: int, device: torch.device | None = None) -> Tensor:
    """allowed_TS: True where query t may look at key s.

    The T queries are the last T of S positions, so a cached prefix is always visible.
    Raises ValueError if T > S.
    """
    if T > S:
        raise ValueError(f"{T} queries but only {S} keys: every query needs its own key. Pass S >= T.")
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(diagonal=S - T)


def segment_mask(runs_BT: Tensor) -> Tensor:
    """allowed_BTT: causal, and only within the same run of a packed row (position.py: segment_runs)."""
    T = runs_BT.size(1)
    return (runs_BT[:, :, None] == runs_BT[:, None, :]) & causal_mask(T, T, runs_BT.device)


def attend(
    q_BHTD: Tensor, k_BGSD: Tensor, v_BGSD: Tensor, allowed: Allowed = None, *, dropout: float = 0.0
) -> Tensor:
    """y_BHTD: each query's mix of the values whose keys it may see, through the fused kernel.

    `allowed` is None (all keys), "causal", or a boolean mask that broadcasts to [B, T, S].
    """
    T, S = q_BHTD.size(2), k_BGSD.size(2)
    causal = False
    if isinstance(allowed, str):
        _check_causal(allowed)
        causal = T == S
        allowed = None if causal or T == 1 else causal_mask(T, S, q_BHTD.device)
    elif allowed is not None and allowed.dim() == 3:
        allowed = allowed[:, None]
    grouped = q_BHTD.size(1) != k_BGSD.size(1)
    return F.scaled_dot_product_attention(
        q_BHTD, k_BGSD, v_BGSD, attn_mask=allowed, dropout_p=dropout, is_causal=causal, enable_gqa=grouped
    )


def attend_written_out(q_BHTD: Tensor, k_BGSD: Tensor, v_BGSD: Tensor, allowed: Allowed = None) -> Tensor:
    """The same y_BHTD, softmax(q k^T / sqrt(D)) v, with all of BHTS in memory: the oracle of `attend`."""
    repeat = q_BHTD.size(1) // k_BGSD.size(1)  # H/G query heads share one key/value head
    k_BHSD, v_BHSD = k_BGSD.repeat_interleave(repeat, 1), v_BGSD.repeat_interleave(repeat, 1)
    scores_BHTS = q_BHTD @ k_BHSD.transpose(-1, -2) / math.sqrt(q_BHTD.size(-1))
    if isinstance(allowed, str):
        _check_causal(allowed)
        allowed = causal_mask(q_BHTD.size(2), k_BGSD.size(2), q_BHTD.device)
    if allowed is not None:
        allowed = allowed[:, None] if allowed.dim() == 3 else allowed
        scores_BHTS = scores_BHTS.masked_fill(~allowed, -torch.inf)
    return scores_BHTS.softmax(-1) @ v_BHSD


def _check_causal(allowed: str) -> None:
    if allowed != "causal":
        raise ValueError(f"allowed={allowed!r} is unknown. Pass None, 'causal' or a boolean mask.")


class SelfAttention(nn.Module):
    """Project to queries, keys and values; attend; project back.

    One matrix makes all three: `qkv.weight` is H*D rows of queries, then G*D of keys, then G*D of values.
    """

    def __init__(
        self,
        n_embd: int,
        n_head: int,
        n_kv_head: int,
        head_dim: int,
        *,
        bias: bool,
        qkv_bias: bool,
        qk_norm: bool,
        norm_eps: float,
        dropout: float,
    ):
        super().__init__()
        self.n_head, self.n_kv_head, self.head_dim, self.dropout = n_head, n_kv_head, head_dim, dropout
        self.qkv = nn.Linear(n_embd, (n_head + 2 * n_kv_head) * head_dim, bias=qkv_bias)
        self.out = nn.Linear(n_head * head_dim, n_embd, bias=bias)
        self.q_norm = RMSNorm(head_dim, norm_eps) if qk_norm else None
        self.k_norm = RMSNorm(head_dim, norm_eps) if qk_norm else None

    def forward(
        self,
        x_BTC: Tensor,
        *,
        rotary: tuple[Tensor, Tensor] | None,
        allowed: Allowed,
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """y_BTC; `rotary` is (cos, sin) of the positions of x, `allowed` as in `attend`."""
        B, T, _ = x_BTC.shape
        H, G = self.n_head, self.n_kv_head
        heads = self.qkv(x_BTC).view(B, T, H + 2 * G, self.head_dim)
        q, k, v = heads.split((H, G, G), dim=2)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if rotary is not None and self.q_norm is None and not heads.requires_grad:
            q, k = rotate(heads[:, :, : H + G], *rotary).split((H, G), dim=2)  # in one go: the same numbers
        elif rotary is not None:
            q, k = rotate(q, *rotary), rotate(k, *rotary)
        q_BHTD, k_BGSD, v_BGSD = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if cache is None:
            y_BHTD = attend(q_BHTD, k_BGSD, v_BGSD, allowed, dropout=self.dropout if self.training else 0.0)
        else:
            y_BHTD = cache.attend(layer, q_BHTD, k_BGSD, v_BGSD, allowed)
        return self.out(y_BHTD.transpose(1, 2).reshape(B, T, H * self.head_dim))
