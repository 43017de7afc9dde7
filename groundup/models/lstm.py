"""Long short-term memory: a second state that is only ever scaled and added to.

    i, f, o = sigmoid(W [x, h])        what to write, what to keep, what to show
    g = tanh(W_g [x, h])               what could be written
    c' = f c + i g                     the memory
    h' = o tanh(c')                    what is shown

The gradient goes back through c by factors f, which the network chooses; it starts by keeping (f about 0.73,
from a bias of 1), so that a memory lives for some steps before anything was learned.

Letters: B batch, T time, C channels of the embedding, H channels of each state, V vocabulary.
Source:  Hochreiter and Schmidhuber 1997; the forget gate: Gers et al. 2000, "Learning to Forget"; its bias of
         1: Jozefowicz et al. 2015, "An Empirical Exploration of Recurrent Network Architectures", 2.2.
         makemore names the LSTM and leaves it out; sizes and start state here are those of its GRU.
Next:    bag_of_words.py, which looks at everything at once and forgets the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.base.errors import ConfigError

State = tuple[Tensor, Tensor]  # (h_BH, c_BH): what is shown, and the memory


@dataclass(frozen=True)
class LSTMConfig:
    """36,635 weights with the defaults."""

    vocab_size: int = 27
    n_embd: int = 64
    n_hidden: int = 64

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_embd", "n_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 1 or more.")


class LSTM(nn.Module):
    """Ids to logits of the next id at every place. The four matrices lie above each other: i, f, g, o."""

    reads: ClassVar[Literal["windows", "prefixes"]] = "prefixes"

    def __init__(self, config: LSTMConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        V, C, H = config.vocab_size, config.n_embd, config.n_hidden
        std = (C + H) ** -0.5  # C + H products a unit: a sum of variance about 1, as in rnn.py
        self.start_SH = nn.Parameter(torch.zeros(2, H))
        self.embedding = nn.Embedding(V, C, _weight=torch.randn(V, C, generator=generator))
        self.w_x_GC = nn.Parameter(torch.randn(4 * H, C, generator=generator) * std)  # G = 4 H
        self.w_h_GH = nn.Parameter(torch.randn(4 * H, H, generator=generator) * std)
        self.b_G = nn.Parameter(torch.zeros(4 * H))
        self.unembedding = nn.utils.skip_init(nn.Linear, H, V)
        with torch.no_grad():
            self.b_G[H : 2 * H] = 1.0  # the forget gate
            self.unembedding.weight.copy_(torch.randn(V, H, generator=generator) * 0.02)
            self.unembedding.bias.zero_()

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """logits_BTV."""
        return self.head(self.hidden(tokens_BT))

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """x_BTH: what is shown after each id."""
        added_BTG = F.linear(self.embedding(tokens_BT), self.w_x_GC, self.b_G)
        state, shown = self.start(tokens_BT.size(0)), []
        for added_BG in added_BTG.unbind(1):
            state = self._next(added_BG, state)
            shown.append(state[0])
        return torch.stack(shown, 1)

    def head(self, x_BTH: Tensor) -> Tensor:
        """logits_BTV."""
        return self.unembedding(x_BTH)

    def start(self, batch: int) -> State:
        """(h_BH, c_BH) before anything was read."""
        h_H, c_H = self.start_SH
        return h_H.expand(batch, -1), c_H.expand(batch, -1)

    def step(self, tokens_B: Tensor, state: State) -> tuple[Tensor, State]:
        """(x_BH, state) after one more id."""
        state = self._next(F.linear(self.embedding(tokens_B), self.w_x_GC, self.b_G), state)
        return state[0], state

    def fused_rows(self) -> dict[str, tuple[int, ...]]:
        """Parameters that hold several matrices above each other, and the rows of each: i, f, g, o."""
        return dict.fromkeys(("w_x_GC", "w_h_GH"), (self.config.n_hidden,) * 4)

    def _next(self, added_BG: Tensor, state: State) -> State:
        h_BH, c_BH = state
        i_BH, f_BH, g_BH, o_BH = torch.addmm(added_BG, h_BH, self.w_h_GH.T).chunk(4, -1)
        c_BH = torch.sigmoid(f_BH) * c_BH + torch.sigmoid(i_BH) * torch.tanh(g_BH)
        return torch.sigmoid(o_BH) * torch.tanh(c_BH), c_BH
