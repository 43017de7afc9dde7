"""The bigram as one matrix: which character follows which, learned by gradient descent.

A row of weights per token, read off as logits: one-hot(token) @ W is that row. At the minimum of the loss the
softmax of W is the table of counts (counts.py); a little weight decay, pulling logits to 0 and so shares to
1/V, is its smoothing.

Letters: B batch, T time, V vocabulary.
Source:  the lecture "makemore" 1, second half.
Next:    bengio_mlp.py, which looks further back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class BigramConfig:
    """V² weights. The context is one token: it is a field so that all windowed models are asked alike."""

    vocab_size: int
    context_len: Literal[1] = 1


class Bigram(nn.Module):
    """Logits are a row of `weight_VV`; nothing is hidden, so `head` has nothing left to do."""

    reads: ClassVar[Literal["windows", "prefixes"]] = "windows"

    def __init__(self, config: BigramConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        self.weight_VV = nn.Parameter(torch.randn(config.vocab_size, config.vocab_size, generator=generator))

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        return F.embedding(tokens_BT, self.weight_VV)

    def head(self, x_BTV: Tensor) -> Tensor:
        return x_BTV

    def forward(self, tokens_BT: Tensor) -> Tensor:
        return self.head(self.hidden(tokens_BT))
