"""A recurrent network: one vector remembers everything that was read.

    h_t = tanh(W_x x_t + W_h h_(t-1) + b)

A window of K characters forgets what lies K + 1 back; this forgets nothing by construction, but has to keep
all of it in H numbers, and each step squeezes them through the same tanh again. The gradient of a character k
steps back is a product of k matrices W_h^T diag(1 - h^2): it shrinks or grows like a k-th power. gru.py and
lstm.py are two ways out.

Letters: B batch, T time, C channels of the embedding, H channels of the state, V vocabulary.
Source:  Elman 1990, "Finding Structure in Time", eq. 1; makemore's RNN (its start state is learned, so is
         ours: 11,803 weights with the defaults).
Next:    gru.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.base.errors import ConfigError


@dataclass(frozen=True)
class RNNConfig:
    """The defaults are makemore's: 64 channels in, 64 remembered."""

    vocab_size: int = 27
    n_embd: int = 64
    n_hidden: int = 64

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_embd", "n_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 1 or more.")


class RNN(nn.Module):
    """Ids to logits of the next id at every place; `step` goes on from a state, one id at a time."""

    reads: ClassVar[Literal["windows", "prefixes"]] = "prefixes"

    def __init__(self, config: RNNConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        V, C, H = config.vocab_size, config.n_embd, config.n_hidden
        # An embedding has variance 1, a state below 1. Each unit adds C + H products, so weights of variance
        # 1 / (C + H) give a sum of variance about 1: where tanh still has a slope.
        std = (C + H) ** -0.5
        self.start_H = nn.Parameter(torch.zeros(H))
        self.embedding = nn.Embedding(V, C, _weight=torch.randn(V, C, generator=generator))
        self.w_x_HC = nn.Parameter(torch.randn(H, C, generator=generator) * std)
        self.w_h_HH = nn.Parameter(torch.randn(H, H, generator=generator) * std)
        self.b_H = nn.Parameter(torch.zeros(H))
        self.unembedding = nn.utils.skip_init(nn.Linear, H, V)
        with torch.no_grad():  # near zero, so that the first loss is log(vocab_size)
            self.unembedding.weight.copy_(torch.randn(V, H, generator=generator) * 0.02)
            self.unembedding.bias.zero_()

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """logits_BTV."""
        return self.head(self.hidden(tokens_BT))

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """x_BTH: the state after each id. What the ids add is computed for all places at once; only the
        passing on of the state must go step by step.
        """
        added_BTH = F.linear(self.embedding(tokens_BT), self.w_x_HC, self.b_H)
        state_BH, states = self.start(tokens_BT.size(0)), []
        for added_BH in added_BTH.unbind(1):
            state_BH = self._next(added_BH, state_BH)
            states.append(state_BH)
        return torch.stack(states, 1)

    def head(self, x_BTH: Tensor) -> Tensor:
        """logits_BTV."""
        return self.unembedding(x_BTH)

    def start(self, batch: int) -> Tensor:
        """state_BH before anything was read."""
        return self.start_H.expand(batch, -1)

    def step(self, tokens_B: Tensor, state_BH: Tensor) -> tuple[Tensor, Tensor]:
        """(x_BH, state_BH) after one more id: constant work, however long the text is."""
        state_BH = self._next(F.linear(self.embedding(tokens_B), self.w_x_HC, self.b_H), state_BH)
        return state_BH, state_BH

    def _next(self, added_BH: Tensor, state_BH: Tensor) -> Tensor:
        return torch.tanh(torch.addmm(added_BH, state_BH, self.w_h_HH.T))
