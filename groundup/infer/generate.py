"""The plain generate loop: prompts of different lengths, together, one token a step.

Letters: B batch, T time, N new tokens, V vocabulary.
How:     read the distinct prompts, padded on the right; repeat a prompt's cache for its copies (sixteen
         rollouts of one prompt read it once); then decode all rows together, and drop the finished ones when
         they are half of what is left.
Equal:   greedy, the same ids with and without the cache, and alone as in a batch (up to float rounding, where
         two logits tie). Every row has uniforms of its own: when others finish does not change its draws.
For:     rollouts and samples in training, where all prompts are there at once; and as an oracle of engine.py.
Not here: text, tools, requests that come while others run (engine.py).
Next:    engine.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from groundup.base.errors import UserError
from groundup.infer.sampling import SamplingParams, choose
from groundup.models.transformer import Transformer
from groundup.nn.cache import KVCache

OnToken = Callable[[int, int], None]  # (row, id), called for each new id in order


@dataclass(frozen=True)
class Generation:
    """What one prompt grew into: new ids (a stop id included), their log-probabilities, and why it ended."""

    ids: list[int]
    logprobs: list[float]  # of the model's own distribution at this temperature: see sampling.choose
    finish: Literal["stop", "length"]


def generate(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    params: SamplingParams,
    generator: torch.Generator | None = None,
    *,
    use_cache: bool = True,
    on_token: OnToken | None = None,
) -> list[Generation]:
    """One Generation for each prompt, in order.

    A row ends at a stop id ("stop"), or after params.max_tokens or with context_len tokens in all ("length").
    Without a generator, params.seed seeds one, else torch's global one draws. Dropout is off meanwhile.
    Raises UserError for an empty prompt, one that fills the context, or ids outside the vocabulary.
    """
    if not prompts:
        return []
    c = model.config
    for row, prompt in enumerate(prompts):
        check_request(
            prompt, params, vocab_size=c.vocab_size, context_len=c.context_len, name=f"Prompt {row}"
        )
    if generator is None and params.seed is not None:
        generator = torch.Generator().manual_seed(params.seed)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            reader = (
                CachedReader(model, prompts, params.max_tokens) if use_cache else PlainReader(model, prompts)
            )
            return _decode(reader, prompts, params, generator, model.config.context_len, on_token)
    finally:
        model.train(was_training)


class Reader(Protocol):
    """Rows of tokens, and the logits after the last one of each."""

    def logits(self) -> Tensor:
        """logits_BV after what each row holds."""

    def push(self, ids_B: Tensor) -> None:
        """Adds one id to every row."""

    def keep(self, rows: Tensor) -> None:
        """Forgets all other rows."""


class CachedReader:
    """Reads each token once: the keys and values of the past are in a cache."""

    def __init__(self, model: Transformer, prompts: Sequence[Sequence[int]], max_tokens: int):
        c = model.config
        self.model = model
        distinct: dict[tuple[int, ...], int] = {}
        copy_of_B = [distinct.setdefault(tuple(prompt), len(distinct)) for prompt in prompts]
        tokens_BT, counts_B = _padded(list(distinct), model)
        self.cache = KVCache(
            n_layer=c.n_layer,
            batch=len(distinct),
            n_kv_head=c.kv_heads,
            head_dim=c.head_width,
            capacity=tokens_BT.size(1) + max_tokens,
            device=tokens_BT.device,
            dtype=model.embedding.weight.dtype,
        )
        last_BT = torch.arange(tokens_BT.size(1), device=tokens_BT.device) == counts_B[:, None] - 1
        x_BC = model.hidden(tokens_BT, self.cache, asked_BT=last_BT)
        self.cache.advance(tokens_BT.size(1), counts_B.tolist())
        self.last_BV = model.head(x_BC)
        if len(distinct) < len(prompts):
            self.keep(torch.tensor(copy_of_B, device=tokens_BT.device))

    def logits(self) -> Tensor:
        return self.last_BV

    def push(self, ids_B: Tensor) -> None:
        x_B1C = self.model.hidden(ids_B[:, None], self.cache)
        self.cache.advance(1)
        self.last_BV = self.model.head(x_B1C[:, 0])

    def keep(self, rows: Tensor) -> None:
        self.cache, self.last_BV = self.cache.select(rows), self.last_BV[rows]


class PlainReader:
    """Reads every row again for each token: slow, with nothing to go wrong. The oracle of CachedReader."""

    def __init__(self, model: Transformer, prompts: Sequence[Sequence[int]]):
        self.model = model
        self.rows = [list(prompt) for prompt in prompts]

    def logits(self) -> Tensor:
        tokens_BT, counts_B = _padded(self.rows, self.model)
        x_BTC = self.model.hidden(tokens_BT)
        return self.model.head(x_BTC[torch.arange(len(self.rows)), counts_B - 1])

    def push(self, ids_B: Tensor) -> None:
        for row, new in zip(self.rows, ids_B.tolist(), strict=True):
            row.append(new)

    def keep(self, rows: Tensor) -> None:
        self.rows = [self.rows[row] for row in rows.tolist()]


def _decode(
    reader: Reader,
    prompts: Sequence[Sequence[int]],
    params: SamplingParams,
    generator: torch.Generator | None,
    context_len: int,
    on_token: OnToken | None,
) -> list[Generation]:
    """The loop: rows_B are the prompts still in the batch, alive_B says which of them have not finished."""
    B, V, device = len(prompts), reader.logits().size(-1), reader.logits().device
    limits_B = torch.tensor(
        [min(params.max_tokens, context_len - len(prompt)) for prompt in prompts], device=device
    )
    N = int(limits_B.max())
    source = device if generator is None else generator.device
    uniforms_BN = torch.rand(B, N, generator=generator, dtype=torch.float64, device=source).to(device)
    ids_BN = torch.zeros(B, N, dtype=torch.long, device=device)
    logprobs_BN = torch.zeros(B, N, device=device)
    counts_B = limits_B.clone()
    stops_V = torch.zeros(V, dtype=torch.bool, device=device)
    stops_V[list(params.stop)] = True
    seen_BV = _seen(prompts, V, device) if params.repetition_penalty != 1 else None
    rows_B = torch.arange(B, device=device)
    alive_B = torch.ones(B, dtype=torch.bool, device=device)
    for n in range(N):
        seen = None if seen_BV is None else seen_BV[rows_B]
        new_B, logprob_B = choose(reader.logits(), params, uniforms_BN[rows_B, n], seen)
        ids_BN[rows_B, n], logprobs_BN[rows_B, n] = new_B, logprob_B
        if on_token is not None:
            for row, new in zip(rows_B[alive_B].tolist(), new_B[alive_B].tolist(), strict=True):
                on_token(row, new)
        stopped_B = stops_V[new_B] & alive_B
        counts_B[rows_B[stopped_B]] = n + 1
        full_B = (
            limits_B[rows_B] <= n + 1
        )  # a row that stopped earlier goes on decoding, unheard, until it is full
        alive_B &= ~(stopped_B | full_B)
        left = int(alive_B.sum())
        if left == 0:
            break
        if seen_BV is not None:
            seen_BV[rows_B, new_B] = True
        if 2 * left <= len(rows_B) or bool(full_B.any()):
            kept = alive_B.nonzero()[:, 0]
            reader.keep(kept)
            rows_B, new_B, alive_B = rows_B[kept], new_B[kept], alive_B[kept]
        reader.push(new_B)
    stops = set(params.stop)
    return [
        Generation(ids[:count], logprobs[:count], "stop" if ids[count - 1] in stops else "length")
        for ids, logprobs, count in zip(ids_BN.tolist(), logprobs_BN.tolist(), counts_B.tolist(), strict=True)
    ]


def _padded(rows: Sequence[Sequence[int]], model: Transformer) -> tuple[Tensor, Tensor]:
    """(tokens_BT, counts_B): rows padded on the right with id 0, which nothing before it can see."""
    device = model.embedding.weight.device
    counts_B = torch.tensor([len(row) for row in rows], device=device)
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=device), counts_B


def _seen(prompts: Sequence[Sequence[int]], V: int, device: torch.device) -> Tensor:
    seen_BV = torch.zeros(len(prompts), V, dtype=torch.bool, device=device)
    for row, prompt in enumerate(prompts):
        seen_BV[row, list(prompt)] = True
    return seen_BV


def check_request(
    prompt: Sequence[int],
    params: SamplingParams,
    *,
    vocab_size: int,
    context_len: int,
    name: str = "The prompt",
) -> None:
    """Raises UserError for a prompt that cannot be continued, and for stop ids that can never come."""
    for token in params.stop:
        if token >= vocab_size:
            raise UserError(
                f"stop holds the id {token}, but the model knows 0 to {vocab_size - 1}. "
                "Take stop ids from the tokenizer that the model was trained with."
            )
    if not prompt:
        raise UserError(f"{name} is empty: there is nothing to continue. Give it at least one id.")
    if len(prompt) >= context_len:
        raise UserError(
            f"{name} has {len(prompt)} tokens and leaves no room to answer: the model reads "
            f"{context_len} in all. Shorten it to {context_len - 1} or fewer."
        )
    if min(prompt) < 0 or max(prompt) >= vocab_size:
        wrong = next(token for token in prompt if not 0 <= token < vocab_size)
        raise UserError(
            f"{name} holds the id {wrong}, but the model knows 0 to {vocab_size - 1}. "
            "Encode the prompt with the tokenizer that the model was trained with."
        )
