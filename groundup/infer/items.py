"""Items from a model of items, one after another: the names that a model of names makes up.

One uniform number a character, in order, so a generator gives the same names on every machine: `infer/
sampling.py` draws by the inverse of the cumulated distribution. With seed 2147483647 and the bigram's counts
come the five names of the first lecture, which torch's own `multinomial` has not given since torch 2.0.

Every model of the ladder can be asked: one that reads windows gets its last K tokens, padded on the left with
the mark; one that reads prefixes gets all there are, up to its context.
Not here: caches, many rows at a time: generate.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from groundup.base.errors import ConfigError
from groundup.infer.sampling import SamplingParams, sample

MARK_ID = 0  # the start and the end of an item: data/names.py
Draw = Callable[[Tensor], int]  # logits_1V -> id


def write_items(
    model: Any, count: int, params: SamplingParams, generator: torch.Generator, *, start: tuple[int, ...] = ()
) -> list[list[int]]:
    """The ids of `count` items, without marks; one that has not ended after `params.max_tokens` is cut there.

    `start` is how each begins. Raises ConfigError for an id that the model does not have.
    """
    return drawn_items(model, count, lambda row: int(sample(row, params, generator)[0]), params, start)


def drawn_items(
    model: Any, count: int, draw: Draw, params: SamplingParams, start: tuple[int, ...] = ()
) -> list[list[int]]:
    """`write_items` with any rule to choose the next id from its logits."""
    V = model.config.vocab_size
    for id in start:
        if not 0 < id < V:
            raise ConfigError(f"An item cannot begin with the id {id}. Choose from 1 to {V - 1}.")
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return [_item(model, draw, params.max_tokens, start) for _ in range(count)]
    finally:
        model.train(was_training)


def _item(model: Any, draw: Draw, max_tokens: int, start: tuple[int, ...]) -> list[int]:
    ids = list(start)
    for _ in range(max_tokens):
        new = draw(model(context(model, ids))[:, -1])
        if new == MARK_ID:
            break
        ids.append(new)
    return ids


def context(model: Any, ids: list[int]) -> Tensor:
    """tokens_1T: what the model reads to say what follows these ids of an item."""
    most = getattr(model.config, "context_len", None) or len(ids) + 1
    if getattr(model, "reads", "prefixes") == "windows":
        return torch.tensor([([MARK_ID] * most + ids)[-most:]])
    return torch.tensor([[MARK_ID, *ids][-most:]])
