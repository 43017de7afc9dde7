"""Who computes: tokens of many texts in, logits out. One small protocol, so that the engine knows no model.

`Eager` is the reference: the model as it was trained, torch operation by operation, in its own precision, on
any device. Every other backend answers to it.

Next: engine.py. Not here: who runs, and what becomes of the logits.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from groundup.infer.paged_cache import Chunk, PagedCache, PagedStep
from groundup.models.transformer import Transformer


class Backend(Protocol):
    """Keeps keys and values in blocks; the engine says which block is whose."""

    vocab_size: int
    context_len: int
    blocks: int
    block_len: int

    def run(self, chunks: list[Chunk]) -> Tensor:
        """logits_NV of the last `asked` tokens of each chunk, in order; their keys and values are kept."""


class Eager:
    """The model itself over a paged cache."""

    def __init__(self, model: Transformer, cache: PagedCache):
        self.model, self.cache = model, cache
        self.vocab_size, self.context_len = model.config.vocab_size, model.config.context_len
        self.blocks, self.block_len = cache.blocks, cache.block_len

    def run(self, chunks: list[Chunk]) -> Tensor:
        """logits_NV; dropout is off meanwhile."""
        was_training = self.model.training
        if was_training:
            self.model.eval()
        try:
            with torch.inference_mode():
                return self._run(chunks)
        finally:
            if was_training:
                self.model.train()

    def _run(self, chunks: list[Chunk]) -> Tensor:
        ids = [id for chunk in chunks for id in chunk.ids]
        step = PagedStep(self.cache, chunks)
        tokens_1T = torch.tensor([ids], device=self.cache.device)
        asked = [asks for chunk in chunks for asks in _asks(chunk)]
        if all(asked):
            return self.model.head(self.model.hidden(tokens_1T, step)[0])
        asked_1T = torch.tensor([asked], device=self.cache.device)
        return self.model.head(self.model.hidden(tokens_1T, step, asked_BT=asked_1T))


def _asks(chunk: Chunk) -> list[bool]:
    silent = len(chunk.ids) - chunk.asked
    return [False] * silent + [True] * chunk.asked
