"""Texts of any length read side by side, a token at a time: what does the model expect next?

Letters: B texts side by side, T time, V vocabulary, K the tokens kept when the context is full.
Windows: a model reads at most `context_len` tokens. When they are there and one more comes, the first half of
         them is forgotten, the second half is read again at its new positions (one pass), and reading goes
         on. So a token sees between a half and all of the context, and each costs two passes' worth at most.
         They are the windows of evals/bits_per_byte.py with its usual stride: equal sums, token for token.
Same bits: the same tokens pushed in the same order give the same logits to the last bit, in one process or
         another, on one machine with one number of threads; the operations and their shapes depend on how
         many tokens were pushed and on nothing else. A batch of another size may round otherwise.
Next:    compression.py, which lives on that.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from groundup.models.transformer import Transformer
from groundup.nn.cache import KVCache

FAR = 64  # tokens that a model without a limit of its own is shown


class Reading(Protocol):
    """B texts that grow by one token each at a time."""

    def logits(self) -> Tensor:
        """logits_BV after the last token of each."""

    def push(self, ids_B: Tensor) -> None:
        """Adds one token to each."""


def reading(model: nn.Module, start_BT: Tensor) -> Reading:
    """A reading that begins with these tokens, at most a context of them; cached for a transformer.

    Raises ValueError unless the model is in eval mode.
    """
    if model.training:
        raise ValueError("A model in training mode is not the same function twice. Call model.eval() first.")
    kind = CachedReading if isinstance(model, Transformer) else PlainReading
    return kind(model, start_BT)  # type: ignore[arg-type]


def kept(context_len: int) -> int:
    """How many of a full context's tokens are read again: all but the first half.

    >>> kept(256), kept(5), kept(1)
    (128, 3, 0)
    """
    return context_len - max(1, context_len // 2)


class CachedReading:
    """A transformer with a key-value cache: one token costs one step."""

    def __init__(self, model: Transformer, start_BT: Tensor):
        self.model, self.context_len = model, model.config.context_len
        self.ids_TB: list[Tensor] = []  # what the cache holds
        self.cache = self._empty(len(start_BT))
        self._read(start_BT)

    def logits(self) -> Tensor:
        return self.last_BV

    @torch.inference_mode()
    def push(self, ids_B: Tensor) -> None:
        if len(self.ids_TB) == self.context_len:
            self._forget()
        self._read(ids_B[:, None])

    @torch.inference_mode()
    def _read(self, tokens_BT: Tensor) -> None:
        x_BTC = self.model.hidden(tokens_BT, self.cache)
        self.cache.advance(tokens_BT.size(1))
        self.ids_TB += tokens_BT.unbind(1)
        self.last_BV = self.model.head(x_BTC[:, -1])

    def _forget(self) -> None:
        K = kept(self.context_len)
        self.ids_TB = self.ids_TB[self.context_len - K :]
        self.cache = self._empty(self.cache.lengths_B.numel())
        if K:
            self.model.hidden(torch.stack(self.ids_TB, 1), self.cache)
            self.cache.advance(K)

    def _empty(self, rows: int) -> KVCache:
        c, weight = self.model.config, self.model.embedding.weight
        return KVCache(
            n_layer=c.n_layer,
            batch=rows,
            n_kv_head=c.kv_heads,
            head_dim=c.head_width,
            capacity=c.context_len,
            device=weight.device,
            dtype=weight.dtype,
        )


class PlainReading:
    """Any other model, with the same windows, each read anew for every token: slow, and no cache to be wrong.

    One that reads windows of a fixed length gets id 0 where there is nothing yet, as it was trained.
    """

    def __init__(self, model: nn.Module, start_BT: Tensor):
        self.model = model
        self.context_len = getattr(model.config, "context_len", None) or FAR
        self.fixed = getattr(model, "reads", "prefixes") == "windows"
        self.window_BT = start_BT

    @torch.inference_mode()
    def logits(self) -> Tensor:
        window_BT = self.window_BT
        if self.fixed:
            missing = self.context_len - window_BT.size(1)
            window_BT = torch.cat((window_BT.new_zeros(window_BT.size(0), missing), window_BT), 1)
        return self.model(window_BT)[:, -1]

    def push(self, ids_B: Tensor) -> None:
        if self.window_BT.size(1) == self.context_len:
            forgotten = 1 if self.fixed else self.context_len - kept(self.context_len)
            self.window_BT = self.window_BT[:, forgotten:]
        self.window_BT = torch.cat((self.window_BT, ids_B[:, None]), 1)
