"""The gated recurrent unit: a state that is kept unless there is reason to change it.

    r = sigmoid(W_r [x, h])            which part of the state to forget for the proposal
    n = tanh(W_n [x, r * h])           the proposal
    z = sigmoid(W_z [x, h])            how much of it to take
    h' = (1 - z) h + z n

Where z is near 0 the state passes on untouched, and so does its gradient: a product of numbers near 1, where
the plain network multiplies by a matrix in every step.

Letters: B batch, T time, C channels of the embedding, H channels of the state, V vocabulary.
Source:  Cho et al. 2014, arXiv 1406.1078, eq. 5 to 8, with z and 1 - z as in makemore (28,315 weights).
         `reset="after"` resets W_n h instead of h, as cuDNN and torch.nn.GRU do: then one product with h
         serves all three gates.
Next:    lstm.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.base.errors import ConfigError


@dataclass(frozen=True)
class GRUConfig:
    """The defaults are makemore's."""

    vocab_size: int = 27
    n_embd: int = 64
    n_hidden: int = 64
    reset: Literal["before", "after"] = "before"

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_embd", "n_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 1 or more.")
        if self.reset not in ("before", "after"):
            raise ConfigError(f"reset={self.reset!r} is unknown. Choose 'before' or 'after' the product.")


class GRU(nn.Module):
    """Ids to logits of the next id at every place. The three matrices lie above each other: r, z, n."""

    reads: ClassVar[Literal["windows", "prefixes"]] = "prefixes"

    def __init__(self, config: GRUConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        V, C, H = config.vocab_size, config.n_embd, config.n_hidden
        std = (C + H) ** -0.5  # C + H products a unit: a sum of variance about 1, as in rnn.py
        self.start_H = nn.Parameter(torch.zeros(H))
        self.embedding = nn.Embedding(V, C, _weight=torch.randn(V, C, generator=generator))
        self.w_x_GC = nn.Parameter(torch.randn(3 * H, C, generator=generator) * std)  # G = 3 H
        self.w_h_GH = nn.Parameter(torch.randn(3 * H, H, generator=generator) * std)
        self.b_G = nn.Parameter(torch.zeros(3 * H))
        # Within the reset, where torch.nn.GRU has a bias of its own; outside it would add to b_G.
        self.b_reset_H = nn.Parameter(torch.zeros(H)) if config.reset == "after" else None
        self.unembedding = nn.utils.skip_init(nn.Linear, H, V)
        with torch.no_grad():  # near zero, so that the first loss is log(vocab_size)
            self.unembedding.weight.copy_(torch.randn(V, H, generator=generator) * 0.02)
            self.unembedding.bias.zero_()

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """logits_BTV."""
        return self.head(self.hidden(tokens_BT))

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """x_BTH: the state after each id."""
        added_BTG = F.linear(self.embedding(tokens_BT), self.w_x_GC, self.b_G)
        state_BH, states = self.start(tokens_BT.size(0)), []
        for added_BG in added_BTG.unbind(1):
            state_BH = self._next(added_BG, state_BH)
            states.append(state_BH)
        return torch.stack(states, 1)

    def head(self, x_BTH: Tensor) -> Tensor:
        """logits_BTV."""
        return self.unembedding(x_BTH)

    def start(self, batch: int) -> Tensor:
        """state_BH before anything was read."""
        return self.start_H.expand(batch, -1)

    def step(self, tokens_B: Tensor, state_BH: Tensor) -> tuple[Tensor, Tensor]:
        """(x_BH, state_BH) after one more id."""
        state_BH = self._next(F.linear(self.embedding(tokens_B), self.w_x_GC, self.b_G), state_BH)
        return state_BH, state_BH

    def fused_rows(self) -> dict[str, tuple[int, ...]]:
        """Parameters that hold several matrices above each other, and the rows of each: r, z, n."""
        return dict.fromkeys(("w_x_GC", "w_h_GH"), (self.config.n_hidden,) * 3)

    def _next(self, added_BG: Tensor, state_BH: Tensor) -> Tensor:
        H = self.config.n_hidden
        if self.b_reset_H is None:  # before: the product with the reset state has to wait for r
            gates_BG = torch.sigmoid(torch.addmm(added_BG[:, : 2 * H], state_BH, self.w_h_GH[: 2 * H].T))
            r_BH, z_BH = gates_BG.chunk(2, -1)
            n_BH = torch.tanh(torch.addmm(added_BG[:, 2 * H :], r_BH * state_BH, self.w_h_GH[2 * H :].T))
        else:
            from_state_BG = state_BH @ self.w_h_GH.T
            gates_BG = torch.sigmoid(added_BG[:, : 2 * H] + from_state_BG[:, : 2 * H])
            r_BH, z_BH = gates_BG.chunk(2, -1)
            n_BH = torch.tanh(added_BG[:, 2 * H :] + r_BH * (from_state_BG[:, 2 * H :] + self.b_reset_H))
        return torch.lerp(state_BH, n_BH, z_BH)  # (1 - z) h + z n
