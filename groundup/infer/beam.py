"""Beam search: the few likeliest continuations, kept side by side.

Greedy decoding takes the likeliest id each time and may miss a likelier text that begins less well. A beam of
`width` texts looks `width` first choices further: of all their continuations the likeliest `width` go on.

    score = log p(text) / length ^ length_penalty        0: the likeliest text; 1: the likeliest per id

It ends when no text that is still open can beat those that have ended: a text only becomes less likely, so
log p so far, over the greatest length there may be, is the best that it could still score.

Source: Graves 2012, arXiv 1211.3711; the length penalty as Hugging Face's `generate` has it.
Not here: sampling, and sharing a step with other requests: a beam is a batch of its own.
Next:   engine.py, for everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from groundup.base.errors import ConfigError
from groundup.infer.generate import CachedReader, check_request
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer


@dataclass(frozen=True)
class Beam:
    """One continuation (a stop id included), its log-probability, and the score that it was ranked by."""

    ids: list[int]
    logprob: float
    score: float
    stopped: bool


def beam_search(
    model: Transformer,
    prompt: Sequence[int],
    *,
    width: int,
    max_tokens: int,
    stop: tuple[int, ...] = (),
    length_penalty: float = 0.0,
) -> list[Beam]:
    """Up to `width` continuations, best first. Raises UserError as `generate` does."""
    c = model.config
    if width < 1 or length_penalty < 0:
        raise ConfigError(
            f"width={width}, length_penalty={length_penalty}: choose a width of 1 or more and a penalty of 0 "
            "or more."
        )
    check_request(
        prompt,
        SamplingParams(max_tokens=max_tokens, stop=stop),
        vocab_size=c.vocab_size,
        context_len=c.context_len,
    )
    longest = min(max_tokens, c.context_len - len(prompt))
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return _search(CachedReader(model, [prompt], longest), width, longest, set(stop), length_penalty)
    finally:
        model.train(was_training)


def _search(reader: CachedReader, width: int, longest: int, stop: set[int], penalty: float) -> list[Beam]:
    open_: list[tuple[float, list[int]]] = [(0.0, [])]
    ended: list[Beam] = []
    for length in range(1, longest + 1):
        so_far_B1 = torch.tensor([[logprob] for logprob, _ in open_], dtype=torch.float64)
        totals_BV = so_far_B1 + reader.logits().double().log_softmax(-1).cpu()
        V = totals_BV.size(1)
        # At most width * len(stop) candidates end here; the best `width` of the others go on.
        best = totals_BV.flatten().topk(min(width * (1 + len(stop)), totals_BV.numel()))
        chosen: list[tuple[int, int, float]] = []
        for total, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            row, id = divmod(place, V)
            ids = [*open_[row][1], id]
            if id in stop or length == longest:
                ended.append(Beam(ids, total, total / length**penalty, id in stop))
            elif len(chosen) < width:
                chosen.append((row, id, total))
        ended = sorted(ended, key=lambda beam: -beam.score)[:width]
        if not chosen or (len(ended) == width and ended[-1].score >= chosen[0][2] / longest**penalty):
            break
        open_ = [(total, [*open_[row][1], id]) for row, id, total in chosen]
        device = reader.logits().device
        reader.keep(torch.tensor([row for row, _, _ in chosen], device=device))
        reader.push(torch.tensor([id for _, id, _ in chosen], device=device))
    return ended
