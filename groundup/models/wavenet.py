"""WaveNet as the course's tree, and the same weights as dilated convolutions over a whole text.

A window of 8 characters is fused in pairs: 8 embeddings become 4 vectors, those become 2, those 1, and that
one predicts the next character. Each fusing is a linear layer over two neighbours, BatchNorm and tanh. Slide
the window along a text and most of the work is repeated: the pair (c, d) is fused in every window that holds
it. A convolution computes each pair once. Level i pairs what lies 2^i places apart, so after three levels a
place has heard of 8; the weights are those of the tree, and so is the answer.

    tree          ((a b)(c d)) ((e f)(g h))        T = 8 places fall to 4, 2, 1
    convolution   level i: place t and t - 2^i     T places fall by 1, 2, 4: the windows of T - 7 predictions

Letters: B batch, T time, C channels, V vocabulary, K context_len.
Source:  van den Oord et al. 2016, arXiv 1609.03499, section 2.1 and figure 3 (dilation); makemore, lecture 5
         (the tree, its sizes and its initial weights).
Not here: WaveNet's gates, skip connections and residuals; the lecture leaves them out too.
Next:    rnn.py, which remembers instead of looking back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.base.errors import ConfigError
from groundup.nn.batch_norm import BatchNorm


@dataclass(frozen=True)
class WaveNetConfig:
    """The defaults are the lecture's largest: 76,579 weights. n_embd=10, n_hidden=68: its 22,397."""

    vocab_size: int = 27
    context_len: int = 8  # a power of two: each level halves what is left
    n_embd: int = 24
    n_hidden: int = 128

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_embd", "n_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 1 or more.")
        if self.context_len < 2 or self.context_len & (self.context_len - 1):
            raise ConfigError(
                f"context_len={self.context_len} cannot be halved down to 1: the tree fuses pairs. "
                "Choose 2, 4, 8, 16 or another power of two."
            )

    @property
    def n_level(self) -> int:
        """Levels of the tree: log2 of the context.

        >>> WaveNetConfig(context_len=8).n_level
        3
        """
        return self.context_len.bit_length() - 1


def flatten_consecutive(x_BTC: Tensor, n: int) -> Tensor:
    """x[B, T/n, n C]: every n neighbours side by side. A view: no number is moved.

    >>> flatten_consecutive(torch.zeros(4, 8, 10), 2).shape
    torch.Size([4, 4, 20])
    """
    B, T, C = x_BTC.shape
    if T % n:
        raise ValueError(f"{T} places do not fall into groups of {n}. Pass a multiple of {n}.")
    return x_BTC.view(B, T // n, n * C)


class Level(nn.Module):
    """Fuse two neighbours: tanh(BatchNorm(W [older, newer])). No bias: BatchNorm would take it away again."""

    def __init__(self, channels: int, n_hidden: int, generator: torch.Generator | None):
        super().__init__()
        # 2 C inputs of variance 1 and weights of variance 1 / 2C: the sum has variance 1 (the lecture's
        # initialisation). BatchNorm makes that sure for the first batch, whatever the weights were.
        drawn = torch.randn(2 * channels, n_hidden, generator=generator) / (2 * channels) ** 0.5
        self.weight = nn.Parameter(drawn.T.contiguous())
        self.norm = BatchNorm(n_hidden)

    def forward(self, pairs_BTC: Tensor) -> Tensor:
        """In training one mean a channel, over batch and places. Later BatchNorm is folded in."""
        if self.training:
            return torch.tanh(self.norm(F.linear(pairs_BTC, self.weight)))
        return torch.tanh(F.linear(pairs_BTC, *self.folded()))

    def folded(self) -> tuple[Tensor, Tensor]:
        """(weight, bias) of the linear layer that is this one's with running statistics."""
        scale_C, shift_C = self.norm.line()
        return self.weight * scale_C[:, None], shift_C


class WaveNet(nn.Module):
    """The next id after each window of K ids. The generator draws in the lecture's order: bottom up."""

    reads: ClassVar[Literal["windows", "prefixes"]] = "windows"

    def __init__(self, config: WaveNetConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = c = config
        self.embedding = nn.Embedding(
            c.vocab_size, c.n_embd, _weight=torch.randn(c.vocab_size, c.n_embd, generator=generator)
        )
        widths = [c.n_embd, *[c.n_hidden] * (c.n_level - 1)]
        self.levels = nn.ModuleList(Level(width, c.n_hidden, generator) for width in widths)
        # A tenth of variance 1: a last layer that is not sure of anything yet, so a first loss near log V.
        drawn = torch.randn(c.n_hidden, c.vocab_size, generator=generator) / c.n_hidden**0.5 * 0.1
        self.unembedding = nn.utils.skip_init(nn.Linear, c.n_hidden, c.vocab_size)
        with torch.no_grad():
            self.unembedding.weight.copy_(drawn.T)
            self.unembedding.bias.zero_()

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """logits of the T - K + 1 windows."""
        return self.head(self.hidden(tokens_BT))

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """x of each of the T - K + 1 windows: a single one goes up the tree, several by convolution."""
        T, K = tokens_BT.size(1), self.config.context_len
        if T < K:
            raise ValueError(
                f"{T} tokens are no window of context_len={K}. Pad on the left, as data/windows.py does."
            )
        return self.tree(tokens_BT) if T == K else self.convolution(tokens_BT)

    def head(self, x_BTC: Tensor) -> Tensor:
        """logits_BTV."""
        return self.unembedding(x_BTC)

    def tree(self, tokens_BK: Tensor) -> Tensor:
        """x_B1C of one window a row: 8 places, then 4, 2, 1."""
        x_BTC = self.embedding(tokens_BK)
        for level in self.levels:
            x_BTC = level(flatten_consecutive(x_BTC, 2))
        return x_BTC

    def convolution(self, tokens_BT: Tensor) -> Tensor:
        """The same of every window of a longer row, each pair fused once.

        In training BatchNorm then counts a pair once, where the tree counts it in every window that has it.
        """
        x_BTC = self.embedding(tokens_BT)
        for i, level in enumerate(self.levels):
            apart = 2**i
            x_BTC = level(torch.cat((x_BTC[:, :-apart], x_BTC[:, apart:]), -1))
        return x_BTC
