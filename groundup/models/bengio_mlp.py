"""A neural language model of 2003: embed the last K tokens, one hidden layer, score every next token.

The embedding is what made it better than counting: similar letters get similar vectors, so that what was
learned of one is known of the other.

Letters: B batch, T time, K context, C channels, F hidden width, V vocabulary.
Source:  Bengio et al. 2003, "A Neural Probabilistic Language Model", JMLR 3, eq. 1 without the direct
         connections; sizes and initialisations of the lectures "makemore" 2 and 3.
Not here: depth: deep_mlp.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from groundup.base.errors import ConfigError
from groundup.nn.batch_norm import BatchNorm

Start = Literal["plain", "quiet_head", "small", "kaiming"]
# The scale of W1, b1, W2 and b2 in units of a standard normal; "kaiming" divides W1 by sqrt(fan-in) as well.
# plain:      everything 1. The loss begins at 27: confidently wrong.
# quiet_head: the head nearly 0, so that all tokens begin equally likely: ln 27.
# small:      and W1 so small that no tanh is saturated.
# kaiming:    that by rule: gain / sqrt(fan-in), 5/3 being tanh's gain (He et al. 2015, arXiv 1502.01852).
_SCALES: dict[Start, tuple[float, float, float, float]] = {
    "plain": (1.0, 1.0, 1.0, 1.0),
    "quiet_head": (1.0, 1.0, 0.01, 0.0),
    "small": (0.2, 0.01, 0.01, 0.0),
    "kaiming": (5 / 3, 0.01, 0.01, 0.0),
}


@dataclass(frozen=True)
class BengioMLPConfig:
    """Sizes as in the lecture: 11,897 weights for 27 characters. `start`: how the first weights are drawn."""

    vocab_size: int
    context_len: int = 3
    n_embd: int = 10
    n_hidden: int = 200
    start: Start = "kaiming"
    norm: Literal["none", "batch"] = "none"  # "batch": normalised instead of b1; 12,097 weights

    def __post_init__(self) -> None:
        if self.norm not in ("none", "batch"):
            raise ConfigError(f'norm={self.norm!r} is unknown. Choose "none" or "batch".')
        for name in ("vocab_size", "context_len", "n_embd", "n_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 1 or more.")
        if self.start not in _SCALES:
            raise ConfigError(f"start={self.start!r} is unknown. Choose from {', '.join(_SCALES)}.")


class BengioMLP(nn.Module):
    """tanh(W1 [embeddings of K tokens] + b1), then W2 and b2. The matrices are (in, out), as in the lecture.

    The generator draws embedding, W1, b1, W2, b2 in this order, as the lecture does.
    """

    reads: ClassVar[Literal["windows", "prefixes"]] = "windows"

    def __init__(self, config: BengioMLPConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        V, C, F, KC = config.vocab_size, config.n_embd, config.n_hidden, config.context_len * config.n_embd
        w1, b1, w2, b2 = _SCALES[config.start]

        def drawn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        self.embedding = nn.Embedding(V, C, _weight=drawn(V, C))
        self.w1 = nn.Parameter(drawn(KC, F) * w1 / (KC**0.5 if config.start == "kaiming" else 1))
        # behind a BatchNorm a bias would be subtracted again; 0.001 is the lecture's for batches of 32
        self.b1 = None if config.norm == "batch" else nn.Parameter(drawn(F) * b1)
        self.norm = BatchNorm(F, momentum=0.001) if config.norm == "batch" else None
        self.tanh = nn.Tanh()
        self.w2 = nn.Parameter(drawn(F, V) * w2)
        self.b2 = nn.Parameter(drawn(V) * b2)

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """x_BTF at the T - K + 1 places that have K tokens behind them. One place costs no copies."""
        B, T = tokens_BT.shape
        K, C = self.config.context_len, self.config.n_embd
        x_BTC = self.embedding(tokens_BT)
        if T != K:  # windows side by side: (B, T-K+1, C, K) to (B, T-K+1, K, C)
            x_BTC = x_BTC.unfold(1, K, 1).transpose(2, 3)
        rows_NC = x_BTC.reshape(-1, K * C)
        y_NF = rows_NC @ self.w1 if self.b1 is None else torch.addmm(self.b1, rows_NC, self.w1)
        return self.tanh(y_NF if self.norm is None else self.norm(y_NF)).view(B, T - K + 1, -1)

    def head(self, x_BTF: Tensor) -> Tensor:
        logits_NV = torch.addmm(self.b2, x_BTF.flatten(0, -2), self.w2)
        return logits_NV.view(*x_BTF.shape[:-1], -1)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        return self.head(self.hidden(tokens_BT))
