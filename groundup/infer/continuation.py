"""Texts longer than the context: write until it is full, keep its second half, and write on.

A character model with a context of 64 should still write a page. Dropping the oldest token for each new one
(as nanoGPT does) would move every position, so nothing could be cached and each token would cost a whole
pass. Keeping half costs one pass in every `context_len / 2` tokens; a token then sees between a half and all
of the context.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer


def write_on(
    model: Transformer,
    prompt: Sequence[int],
    params: SamplingParams,
    generator: torch.Generator,
    *,
    on_token: Callable[[int], None] | None = None,
) -> list[int]:
    """`params.max_tokens` new ids after `prompt`, or fewer if one of `params.stop` comes, which is then last.

    Prompts of any length but 0; of one that fills the context, the end is read. `on_token` is called for each
    new id.
    """
    context_len = model.config.context_len
    text, new = list(prompt), 0
    while new < params.max_tokens:
        room = context_len - 1 if new == 0 else max(1, context_len // 2)
        left = replace(params, max_tokens=params.max_tokens - new)
        seen = None if on_token is None else (lambda row, id: on_token(id))
        made = generate(model, [text[-room:]], left, generator, on_token=seen)[0]
        text += made.ids
        new += len(made.ids)
        if made.finish == "stop":
            break
    return text[len(prompt) :]
