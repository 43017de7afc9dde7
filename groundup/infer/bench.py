"""How fast a model writes, and how fast it could: timings of generation beside the speed of memory.

For one token every weight is read once and used once, so a single text is written no faster than memory can
be read: the roof. B texts side by side use each weight B times for one reading, until arithmetic is the
limit.

    time to first token    reading the prompt, and choosing
    time per token         the gap between one token and the next, of all rows together
    throughput             tokens of all rows over all the time, prompt included
    share of the roof      bytes that a step must read / its time / bytes a second that this machine reads

The roof is measured, not looked up, with the threads that the model gets: a copy, a triad (a + 3 b, as in
STREAM) and a matrix-vector product, each over more memory than any cache holds; the fastest of them counts,
because decoding only reads, and a copy also writes. A small model fits the processor's cache, which is faster
than memory: so the same product is also timed over just as many bytes as the model's weights have.

What a step must read: every weight but the rows of the embedding that nobody asked for, and the keys and
values of the past, each once. Time is wall clock: measure on a machine that does nothing else.

Source: Williams et al. 2009, CACM 52(4) (roofline); McCalpin 1995 (STREAM).
Next:   cli/bench.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import torch

from groundup.base.errors import ConfigError
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.cost import kv_bytes
from groundup.models.transformer import Transformer

BEYOND_CACHES = 256 << 20  # bytes; the largest caches of today's servers are of this order, shared by many
Tick = Callable[[], None]
# Writes exactly N tokens for each prompt and calls `tick` whenever every row has one more.
Writer = Callable[[Sequence[Sequence[int]], int, Tick], None]


@dataclass(frozen=True)
class Timing:
    """One measured generation of `batch` rows."""

    batch: int
    first: float  # seconds until every row has its first token
    gaps: tuple[float, ...]  # seconds between one token of all rows and the next

    @property
    def tokens_per_second(self) -> float:
        """Of all rows, the time for the prompt included."""
        return self.batch * (1 + len(self.gaps)) / (self.first + sum(self.gaps))


def timed(write: Writer, prompts: Sequence[Sequence[int]], new_tokens: int) -> Timing:
    """One generation by whatever writes: `writer(model)` for the plain loop, or an engine's own."""
    marks = [time.perf_counter()]
    write(prompts, new_tokens, lambda: marks.append(time.perf_counter()))
    if len(marks) != new_tokens + 1:
        raise ValueError(f"the writer ticked {len(marks) - 1} times for {new_tokens} tokens. Once for each.")
    spans = [after - before for before, after in pairwise(marks)]
    return Timing(len(prompts), spans[0], tuple(spans[1:]))


def writer(model: Transformer) -> Writer:
    """The plain loop of generate.py, greedy, without stops."""

    def write(prompts: Sequence[Sequence[int]], new_tokens: int, tick: Tick) -> None:
        params = SamplingParams(temperature=0, max_tokens=new_tokens)
        last = len(prompts) - 1
        generate(model, prompts, params, on_token=lambda row, id: tick() if row == last else None)

    return write


def made_up_prompts(vocab_size: int, batch: int, tokens: int, *, seed: int = 0) -> list[list[int]]:
    """Prompts that share nothing, so that no cache of prefixes can help."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocab_size, (batch, tokens), generator=generator).tolist()


def check_lengths(context_len: int, prompt_tokens: int, new_tokens: int) -> None:
    """Raises ConfigError if so many tokens cannot be written after such a prompt."""
    if prompt_tokens < 1 or new_tokens < 2:
        raise ConfigError(
            f"a prompt of {prompt_tokens} and {new_tokens} new tokens cannot be timed. Take 1 or more, and 2 "
            "or more."
        )
    if prompt_tokens + new_tokens > context_len:
        raise ConfigError(
            f"a prompt of {prompt_tokens} and {new_tokens} new tokens do not fit the {context_len} that this "
            f"model reads. Take {context_len} or fewer together."
        )


# ---- The roof ------------------------------------------------------------------------------------


def step_bytes(model: Transformer, batch: int, past: int) -> int:
    """Bytes that one step of `batch` rows must read, each with `past` tokens behind it.

    >>> from groundup.models.transformer import qwen3
    >>> tiny = Transformer(qwen3(vocab_size=8, context_len=4, n_layer=1, n_head=1, n_embd=8, tie=True))
    >>> step_bytes(tiny, 1, 0) == 4 * sum(p.numel() for p in tiny.parameters())  # a tied table is read whole
    True
    """
    c, weight = model.config, model.embedding.weight
    every = sum(parameter.nbytes for parameter in model.parameters())
    unasked = 0 if c.tie else weight.nbytes - batch * weight[0].nbytes
    return every - max(0, unasked) + kv_bytes(c, batch * past, weight.element_size())


@dataclass(frozen=True)
class Roof:
    """Bytes a second that this machine moves, by what moves them; of reading a product of `bytes` in all."""

    copy: float  # read and written, each counted
    triad: float  # two read, one written
    read: float  # a matrix-vector product beyond every cache
    read_small: float  # the same over as many bytes as the weights
    bytes: int  # of the small one

    @property
    def memory(self) -> float:
        """The fastest that memory was."""
        return max(self.copy, self.triad, self.read)

    @property
    def model(self) -> float:
        """The fastest for a model of that size: memory, or the cache that it fits."""
        return max(self.memory, self.read_small)


def measure_roof(model_bytes: int, *, size: int = BEYOND_CACHES, rounds: int = 7) -> Roof:
    """The roof with torch's present number of threads; every figure is the best of `rounds`.

    The best and not the median: another program can only take bandwidth away.
    """
    n = size // 8  # two arrays of float32 share the size
    a, b = torch.ones(n), torch.ones(n)
    out = torch.empty(n)
    read, small = _reading(size), _reading(model_bytes)
    again = max(1, size // max(model_bytes, 1) // 4)
    moved = {
        "copy": (lambda: out.copy_(a), 2 * a.nbytes, 1),
        "triad": (lambda: torch.add(a, b, alpha=3.0, out=out), 3 * a.nbytes, 1),
        "read": (read, size, 1),
        "read_small": (small, model_bytes, again),
    }
    best = dict.fromkeys(moved, 0.0)
    for _ in range(rounds):
        for name, (move, nbytes, times) in moved.items():
            began = time.perf_counter()
            for _ in range(times):
                move()
            best[name] = max(best[name], times * nbytes / (time.perf_counter() - began))
    return Roof(**best, bytes=model_bytes)


def _reading(nbytes: int) -> Callable[[], object]:
    """A matrix-vector product over a matrix of about so many bytes, 1,024 columns or fewer."""
    columns = min(1024, max(1, nbytes // 4))
    matrix = torch.ones(max(1, nbytes // 4 // columns), columns)
    vector, out = torch.ones(columns), torch.empty(len(matrix))
    return lambda: torch.mv(matrix, vector, out=out)


# ---- One table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One batch size, over all rounds; seconds, the median with the lowest and the highest round."""

    batch: int
    first: tuple[float, float, float]
    token: tuple[float, float, float]  # the median gap of a round
    p99: float  # of all gaps of all rounds
    tokens_per_second: tuple[float, float, float]
    share_of_memory: float  # of Roof.memory
    share_of_roof: float  # of Roof.model


def summarised(timings: Sequence[Timing], model: Transformer, prompt_tokens: int, roof: Roof) -> Row:
    """The rounds of one batch size."""
    gaps = sorted(gap for timing in timings for gap in timing.gaps)
    token = _spread([median(timing.gaps) for timing in timings])
    batch, past = timings[0].batch, prompt_tokens + len(timings[0].gaps) // 2
    speed = step_bytes(model, batch, past) / token[0]
    return Row(
        batch=batch,
        first=_spread([timing.first for timing in timings]),
        token=token,
        p99=gaps[math.ceil(0.99 * len(gaps)) - 1],
        tokens_per_second=_spread([timing.tokens_per_second for timing in timings]),
        share_of_memory=speed / roof.memory,
        share_of_roof=speed / roof.model,
    )


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return median(values), min(values), max(values)
