"""One text in the making: what was asked, what has been written, and what of it is in the cache.

    ids       p p p p p p p g g g g          prompt, then what was generated
    computed  ------------------->            keys and values of these are in the cache
    left                          -           what the next step has to compute

Nothing distinguishes reading a prompt from writing a reply: a sequence with one id left writes one, a new one
has its whole prompt left, one that was preempted has everything left.

Next: blocks.py, where the cache of a sequence lies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Literal

from groundup.infer.sampling import SamplingParams
from groundup.infer.uniforms import uniforms

Finish = Literal["stop", "length", "cancelled", "constraint"]  # constraint: it allowed no id at all
State = Literal["waiting", "running", "finished"]
# Which ids may come next, given all ids so far: None for every id, "stop" for the end of the text.
Constraint = Callable[[list[int]], Collection[int] | Literal["stop"] | None]

DRAWN_AT_ONCE = 64  # a generator takes 10 microseconds to set up, a number of it almost nothing


@dataclass(eq=False, slots=True)
class Sequence:
    """A request and its state. Whoever asked may read all of it and change none of it."""

    prompt: tuple[int, ...]
    params: SamplingParams
    seed: int
    sample: int = 0  # which of the `n` answers to one prompt: its draws are a stream of their own
    constraint: Constraint | None = None
    salt: str = ""  # cached prefixes are shared among sequences of one salt only
    top: int = 0  # so many of the likeliest ids are told with each token
    arrival: int = 0

    ids: list[int] = field(init=False)
    logprobs: list[float] = field(default_factory=list)
    state: State = "waiting"
    finish: Finish | None = None
    computed: int = 0
    reused: int = 0  # tokens of the prompt that the cache had when it was admitted, last time
    preempted: int = 0  # how often
    drafts: list[int] = field(default_factory=list)  # guesses of what comes next, checked in the next step
    table: list[int] = field(default_factory=list)  # the block of each `block_len` tokens
    chain: list[int] = field(default_factory=list)  # the serial number of each whole block: blocks.py
    rule: SamplingParams = field(init=False)  # what of the parameters decides a draw
    _drawn: list[float] = field(default_factory=list)
    _drawn_from: int = 0

    def __post_init__(self) -> None:
        self.ids = list(self.prompt)
        self.rule = replace(self.params, max_tokens=1, stop=(), seed=None)

    @property
    def new_ids(self) -> list[int]:
        """What was generated, a stop id included."""
        return self.ids[len(self.prompt) :]

    @property
    def made(self) -> int:
        """How many ids were generated."""
        return len(self.ids) - len(self.prompt)

    @property
    def left(self) -> int:
        """How many ids have no keys and values yet; drafts are not counted."""
        return len(self.ids) - self.computed

    def uniform(self, n: int) -> float:
        """The number in [0, 1) that draws the n-th generated id, whoever else is in the batch."""
        if not 0 <= n - self._drawn_from < len(self._drawn):
            self._drawn_from = n - n % DRAWN_AT_ONCE
            self._drawn = uniforms(self.seed, self.sample, self._drawn_from, DRAWN_AT_ONCE)
        return self._drawn[n - self._drawn_from]

    def push(self, id: int, logprob: float, context_len: int) -> Finish | None:
        """Adds a generated id; says whether that was the last one."""
        self.ids.append(id)
        self.logprobs.append(logprob)
        if id in self.params.stop:
            return "stop"
        full = self.made >= self.params.max_tokens or len(self.ids) >= context_len
        return "length" if full else None
