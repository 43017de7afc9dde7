"""The bag of words: each place hears the plain average of everything up to itself.

    x = x + mean of x so far        listening, to all alike
    x = x + W_2 tanh(W_1 x)         thinking

It is a transformer's block whose attention cannot choose: softmax over equal scores. What it lacks to one is
what queries and keys are for.

Letters: B batch, T time, C channels, F width of the thinking layer, V vocabulary.
Source:  makemore's BoW (12,827 weights with the defaults). It builds a T x T matrix of shares and multiplies;
         a running sum divided by the count is the same and linear in T.
Next:    transformer.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from groundup.base.errors import ConfigError


@dataclass(frozen=True)
class BagOfWordsConfig:
    """The defaults are makemore's on the course's names, whose longest has 15 characters."""

    vocab_size: int = 27
    context_len: int = 16
    n_embd: int = 64
    n_hidden: int = 64

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context_len", "n_embd", "n_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 1 or more.")


class BagOfWords(nn.Module):
    """Ids to logits of the next id at every place."""

    reads: ClassVar[Literal["windows", "prefixes"]] = "prefixes"

    def __init__(self, config: BagOfWordsConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        V, C, F = config.vocab_size, config.n_embd, config.n_hidden

        def drawn(*shape: int, std: float = 1.0) -> Tensor:
            return torch.randn(shape, generator=generator) * std

        # Token and place add up to variance 1; an average of t vectors has 1/t of that, so early places are
        # loud and late ones quiet. The course leaves it so, and LayerNorm (transformer.py) is the remedy.
        self.embedding = nn.Embedding(V, C, _weight=drawn(V, C, std=0.5**0.5))
        self.positions = nn.Embedding(
            config.context_len, C, _weight=drawn(config.context_len, C, std=0.5**0.5)
        )
        self.up, self.down, self.unembedding = (
            nn.utils.skip_init(nn.Linear, *shape) for shape in ((C, F), (F, C), (C, V))
        )
        with torch.no_grad():
            self.up.weight.copy_(drawn(F, C, std=C**-0.5))
            self.down.weight.copy_(drawn(C, F, std=F**-0.5))
            self.unembedding.weight.copy_(drawn(V, C, std=0.02))  # the first loss is log(vocab_size)
            for linear in (self.up, self.down, self.unembedding):
                linear.bias.zero_()

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """logits_BTV."""
        return self.head(self.hidden(tokens_BT))

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """x_BTC. Raises ValueError for more than context_len ids."""
        T = tokens_BT.size(1)
        if self.config.context_len < T:
            raise ValueError(
                f"{T} tokens do not fit context_len={self.config.context_len}. "
                "Shorten the text, or train a model with a longer context."
            )
        x_BTC = self.embedding(tokens_BT) + self.positions.weight[:T]
        x_BTC = x_BTC + causal_mean(x_BTC)
        return x_BTC + self.down(torch.tanh(self.up(x_BTC)))

    def head(self, x_BTC: Tensor) -> Tensor:
        """logits_BTV."""
        return self.unembedding(x_BTC)


def causal_mean(x_BTC: Tensor) -> Tensor:
    """mean_BTC[:, t] = the mean of x_BTC[:, : t + 1].

    >>> causal_mean(torch.tensor([[[3.0], [5.0], [1.0]]])).flatten()
    tensor([3., 4., 3.])
    """
    count_T1 = torch.arange(1, x_BTC.size(1) + 1, device=x_BTC.device, dtype=x_BTC.dtype)[:, None]
    return x_BTC.cumsum(1) / count_T1
