"""The bigram, the trigram and so on, by counting: the only models here that are not trained.

    P(w | h) = (c(h w) + smoothing) / (c(h) + smoothing V)

for the last K tokens h. With smoothing 0 it is the maximum likelihood, and what never happened has
probability 0 and a loss of infinity; a context that never happened then says nothing: 1/V for all.

Letters: B batch, T time, K context, N examples, V vocabulary.
Source:  the lecture "makemore" 1, and its exercises E01 and E03. Lidstone smoothing.
Not here: mixing orders, which does much better: ngram.py.
Next:    bigram.py, the same table found by gradient descent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from groundup.base.errors import ConfigError

MOST = 50_000_000  # numbers in the table: 200 MB


@dataclass(frozen=True)
class CountsConfig:
    """`context_len` 1 makes a bigram, 2 a trigram; `smoothing` is added to every count."""

    vocab_size: int
    context_len: int = 1
    smoothing: float = 1.0

    def __post_init__(self) -> None:
        if self.vocab_size < 1 or self.context_len < 1 or not 0 <= self.smoothing < float("inf"):
            raise ConfigError(
                f"vocab_size={self.vocab_size}, context_len={self.context_len}, smoothing={self.smoothing}: "
                "choose sizes of 1 or more, smoothing of 0 or more."
            )
        if (size := self.vocab_size ** (self.context_len + 1)) > MOST:
            raise ConfigError(
                f"A table of {self.vocab_size} ** {self.context_len + 1} = {size:,} counts is too large. "
                "Lower context_len, or use models/ngram.py, which keeps only what it saw."
            )


class Counts(nn.Module):
    """`hidden` looks up the smoothed counts of what followed the last K tokens, `head` makes logits of them.

    >>> model = Counts(CountsConfig(vocab_size=2, smoothing=1.0))
    >>> model.learn(torch.tensor([[0], [0], [1]]), torch.tensor([1, 1, 0]))
    >>> model(torch.tensor([[0, 1]])).exp()  # (0 + 1) / 4 and (2 + 1) / 4 after 0; 2/3 and 1/3 after 1
    tensor([[[0.2500, 0.7500],
             [0.6667, 0.3333]]], dtype=torch.float64)
    """

    reads: ClassVar[Literal["windows", "prefixes"]] = "windows"
    counts_HV: Tensor
    place_K: Tensor

    def __init__(self, config: CountsConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        V, K = config.vocab_size, config.context_len
        # float64 holds every count exactly, and its logarithms agree with arithmetic on paper
        self.register_buffer("counts_HV", torch.zeros(V**K, V, dtype=torch.float64))
        self.register_buffer("place_K", V ** torch.arange(K - 1, -1, -1), persistent=False)

    def learn(self, tokens_NK: Tensor, targets_N: Tensor) -> None:
        """Add these examples to the counts."""
        flat_N = self._context(tokens_NK)[:, 0] * self.config.vocab_size + targets_N
        self.counts_HV += torch.bincount(flat_N, minlength=self.counts_HV.numel()).view_as(self.counts_HV)

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """Smoothed counts, at the T - K + 1 places that have K tokens behind them."""
        return self.counts_HV[self._context(tokens_BT)] + self.config.smoothing

    def head(self, x_BTV: Tensor) -> Tensor:
        """Log-probabilities: the logits whose softmax are the shares of these counts."""
        total_BT1 = x_BTV.sum(-1, keepdim=True)
        uniform = torch.full_like(x_BTV, 1 / self.config.vocab_size)
        return torch.where(total_BT1 > 0, x_BTV / total_BT1, uniform).log()

    def forward(self, tokens_BT: Tensor) -> Tensor:
        return self.head(self.hidden(tokens_BT))

    def _context(self, tokens_BT: Tensor) -> Tensor:
        """The number, in base V, of the K tokens that end at each place."""
        return (tokens_BT.unfold(1, self.config.context_len, 1) * self.place_K).sum(-1)
