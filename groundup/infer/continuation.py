"""Texts longer than the context: write until it is full, keep its second half, and write on.

A character model with a context of 64 should still write a page. Dropping the oldest token for each new one
(as nanoGPT does) would move every position, so nothing could be cached and each token would cost a whole
pass. Keeping half costs one pass in every `context_len / 2` tokens; a token then sees between a half and all
of the context.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch

from groundup.infer.engine import Engine, Token
from groundup.infer.generate import Generation, generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer

Continue = Callable[[list[int], SamplingParams], Generation]


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
    new id. All windows draw from one generator, as samples in training do.
    """

    def window(ids: list[int], left: SamplingParams) -> Generation:
        seen = None if on_token is None else (lambda row, id: on_token(id))
        return generate(model, [ids], left, generator, on_token=seen)[0]

    return _windows(window, prompt, params, model.config.context_len)


def stream_on(
    engine: Engine, prompt: Sequence[int], params: SamplingParams, *, on_token: Callable[[int], bool]
) -> list[int]:
    """`write_on` with an engine that is idle; `on_token` says whether to go on. Each window has its draws."""
    windows = 0

    def window(ids: list[int], left: SamplingParams) -> Generation:
        nonlocal windows
        sequence = engine.add(ids, left, sample=windows)
        windows += 1
        finish: Literal["stop", "length"] = "length"
        try:
            while sequence.finish is None:
                for event in engine.step():
                    if isinstance(event, Token) and finish == "length" and not on_token(event.id):
                        finish = "stop"
                        engine.cancel(sequence)
        finally:  # also where somebody stopped it with Ctrl-C
            engine.cancel(sequence)
            engine.step()
        return Generation(
            sequence.new_ids, sequence.logprobs, "stop" if sequence.finish == "stop" else finish
        )

    return _windows(window, prompt, params, engine.backend.context_len)


def _windows(window: Continue, prompt: Sequence[int], params: SamplingParams, context_len: int) -> list[int]:
    text, new = list(prompt), 0
    while new < params.max_tokens:
        room = context_len - 1 if new == 0 else max(1, context_len // 2)
        left = replace(params, max_tokens=params.max_tokens - new)
        made = window(text[-room:], left)
        text += made.ids
        new += len(made.ids)
        if made.finish == "stop":
            break
    return text[len(prompt) :]
