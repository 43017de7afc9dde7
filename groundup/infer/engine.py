"""One engine for everyone: texts come and go at any time, and every step takes all of them one token further.

    engine = Engine.of(model)
    sequence = engine.add(prompt_ids, SamplingParams(temperature=0))
    while engine.busy:
        for event in engine.step():
            ...                                  Token(sequence, id, logprob), Finished(sequence, why)

Promises: a reply does not depend on who else is in the batch, on preemption, on chunks or on what the cache
held: draws belong to (seed, sample, place), and logits are equal up to the rounding of the arithmetic, so ids
are, except where that rounding decides between two of them. A draft is only ever a guess: with it come the
same ids, sooner. A cancelled sequence has given its blocks back when `cancel` returns.
Ids only: no text and no tools. A `constraint` says which ids may come next; it is built above, from bytes.
Not here: threads. One thread owns an engine; what comes from others waits in a queue of theirs.
While an engine is used the weights must not change: after that, `forget`.

Next: speculate.py, who guesses; agent/conversation.py and cli/generate.py, who ask.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from collections.abc import Sequence as Ids
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from groundup.base.errors import ConfigError, UserError
from groundup.infer.backend import Backend, Eager
from groundup.infer.blocks import BlockManager
from groundup.infer.generate import Generation, check_request
from groundup.infer.paged_cache import Chunk, Int8PagedCache, PagedCache
from groundup.infer.sampling import SamplingParams, choose, likeliest
from groundup.infer.scheduler import Scheduler, Share
from groundup.infer.sequence import Constraint, Finish, Sequence
from groundup.infer.speculate import Drafter
from groundup.models.transformer import Transformer


@dataclass(frozen=True)
class EngineConfig:
    """How much runs at once. None of it changes what is said."""

    cache_mb: int = 512  # of keys and values at most; at least one text of full length
    block_len: int = 16  # tokens of a block: shorter ones share more and are gathered more slowly
    max_running: int = 64  # sequences that hold blocks
    batch_tokens: int = 512  # tokens of a step, prompts and replies
    chunk_tokens: int = 32  # of these for prompts, while replies are being written
    max_drafts: int = 8  # guesses a step, where somebody guesses
    share_prefixes: bool = True
    kv: Literal["model", "int8"] = "model"  # keys and values: as precise as the model, or in 8 bits
    seed: int | None = None  # of the seeds of requests that bring none; None: from the system

    def __post_init__(self) -> None:
        for name in ("cache_mb", "block_len", "max_running", "chunk_tokens", "max_drafts"):
            if getattr(self, name) < 1:
                raise ConfigError(f"engine.{name}={getattr(self, name)} is not allowed. Choose 1 or more.")
        if self.batch_tokens < self.max_running:
            raise ConfigError(
                f"engine.batch_tokens={self.batch_tokens} is less than max_running={self.max_running}: not "
                f"all that run could add a token in a step. Choose {self.max_running} or more."
            )


# For work that nobody watches word by word: prompts are read as fast as they come.
OFFLINE = EngineConfig(max_running=256, batch_tokens=1024, chunk_tokens=1024)


@dataclass(frozen=True, slots=True)
class Token:
    """A sequence has one more id; `top` are the likeliest ids there, with their log-probabilities."""

    sequence: Sequence
    id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """A sequence has come to its end and holds no blocks any more."""

    sequence: Sequence
    finish: Finish


Event = Token | Finished


@dataclass
class Stats:
    """What an engine has done since it was built."""

    steps: int = 0
    tokens_read: int = 0  # computed: prompts, replies, and what was read again
    tokens_written: int = 0
    tokens_reused: int = 0  # of prompts, found in the cache
    drafted: int = 0
    accepted: int = 0  # of the drafted
    preempted: int = 0


class Engine:
    """A backend, a scheduler, and the draws."""

    def __init__(
        self, backend: Backend, config: EngineConfig | None = None, *, drafter: Drafter | None = None
    ):
        self.backend, self.config, self.drafter = backend, config or EngineConfig(), drafter
        self.blocks = BlockManager(backend.blocks, backend.block_len, share=self.config.share_prefixes)
        self.scheduler = Scheduler(
            self.blocks,
            max_running=self.config.max_running,
            batch_tokens=self.config.batch_tokens,
            chunk_tokens=self.config.chunk_tokens,
        )
        self.stats = Stats()
        self._seeds = random.Random(self.config.seed)
        self._told: list[Event] = []  # to be told with the next step
        self._arrivals = 0

    @classmethod
    def of(
        cls, model: Transformer, config: EngineConfig | None = None, *, drafter: Drafter | None = None
    ) -> Engine:
        """An engine on the reference backend: this model, where and as precise as it is."""
        config = config or EngineConfig()
        return cls(Eager(model, cache_for(model, config)), config, drafter=drafter)

    @property
    def busy(self) -> bool:
        """Is there anything to compute, or to tell?"""
        return bool(self.scheduler.running or self.scheduler.waiting or self._told)

    def add(
        self,
        prompt: Ids[int],
        params: SamplingParams,
        *,
        sample: int = 0,
        constraint: Constraint | None = None,
        salt: str = "",
        top: int = 0,
    ) -> Sequence:
        """A new sequence, which the next steps will continue.

        `sample` tells apart the answers to one prompt at one seed; `salt` keeps the cached prefixes of those
        who use it from all others; `top` asks for the likeliest ids at each place.
        Raises UserError for a prompt that cannot be continued, and for one that could never fit.
        """
        self.check(prompt, params)
        if sample < 0 or not 0 <= top <= self.backend.vocab_size:
            raise UserError(
                f"sample={sample} and top={top} are not allowed. Choose sample 0 or more, and top from 0 to "
                f"{self.backend.vocab_size}."
            )
        seed = self._seeds.getrandbits(63) if params.seed is None else params.seed
        self._arrivals += 1
        sequence = Sequence(
            tuple(prompt), params, seed, sample, constraint, salt, top, arrival=self._arrivals
        )
        self.scheduler.add(sequence)
        return sequence

    def check(self, prompt: Ids[int], params: SamplingParams) -> None:
        """Raises UserError for what `add` would refuse."""
        check_request(
            prompt, params, vocab_size=self.backend.vocab_size, context_len=self.backend.context_len
        )
        longest = min(len(prompt) + params.max_tokens, self.backend.context_len)
        if (needed := self.blocks.blocks_for(longest)) > len(self.blocks.refs):
            raise UserError(
                f"A prompt of {len(prompt)} tokens with max_tokens={params.max_tokens} may need {needed} "
                f"blocks of {self.blocks.block_len} tokens, but the cache has {len(self.blocks.refs)}: it "
                "could never fit. Ask for fewer tokens, or give the engine a larger cache_mb."
            )

    def add_n(self, prompt: Ids[int], params: SamplingParams, n: int) -> list[Sequence]:
        """`n` answers to one prompt, which is read once; the draws of each are its own."""
        if params.seed is None:
            params = replace(params, seed=self._seeds.getrandbits(63))
        return [self.add(prompt, params, sample=sample) for sample in range(n)]

    def cancel(self, sequence: Sequence) -> None:
        """Ends a sequence now: its blocks are free, and the next step tells it. If it has ended: nothing."""
        if sequence.state != "finished":
            self._told.append(self._end(sequence, "cancelled"))

    def preempt(self, sequence: Sequence) -> None:
        """Takes a running sequence's blocks away; it goes on later, with the same ids."""
        if sequence.state == "running":
            self.scheduler.preempt(sequence)

    def forget(self) -> None:
        """Drops all cached prefixes. Raises RuntimeError while sequences are under way."""
        if self.scheduler.running or self.scheduler.waiting:
            raise RuntimeError("an engine cannot forget while sequences are under way: finish or cancel them")
        self.blocks.forget()

    def step(self) -> list[Event]:
        """One token for each sequence that writes (more, where drafts were right), and pieces of prompts."""
        events, self._told = self._told, []
        if self.drafter is not None:
            self._guess(self.drafter)
        shares = self.scheduler.schedule()
        if not shares:
            return events
        chunks = [_chunk(share) for share in shares]
        logits_NV = self.backend.run(chunks)
        self.stats.steps += 1
        self.stats.tokens_read += sum(share.count for share in shares)
        rows: list[tuple[Sequence, int]] = []  # of logits: whose, and after how many of its drafts
        for share, chunk in zip(shares, chunks, strict=True):
            self.stats.drafted += len(share.sequence.drafts)
            rows += [(share.sequence, n) for n in range(chunk.asked)]
            if chunk.asked == 0:
                share.sequence.computed += share.count
                self.blocks.remember(share.sequence)
            if chunk.start == share.sequence.reused:
                self.stats.tokens_reused += chunk.start
        return events + self._write(rows, logits_NV)

    def complete(
        self,
        prompts: Ids[Ids[int]],
        params: SamplingParams,
        *,
        on_token: Callable[[int, int], None] | None = None,
    ) -> list[Generation]:
        """What each prompt grows into, in order; prompt i draws as sample i. For an engine that is idle."""
        if self.busy:
            raise RuntimeError("`complete` needs an idle engine: its events would be mixed with others'")
        sequences = [self.add(prompt, params, sample=row) for row, prompt in enumerate(prompts)]
        row_of = {id(sequence): row for row, sequence in enumerate(sequences)}
        while self.busy:
            for event in self.step():
                if isinstance(event, Token) and on_token is not None:
                    on_token(row_of[id(event.sequence)], event.id)
        return [
            Generation(s.new_ids, s.logprobs, "stop" if s.finish == "stop" else "length") for s in sequences
        ]

    def _guess(self, drafter: Drafter) -> None:
        for sequence in self.scheduler.running:
            if sequence.left == 1 and sequence.constraint is None:
                room = min(
                    self.config.max_drafts,
                    sequence.params.max_tokens - sequence.made - 1,
                    self.backend.context_len - len(sequence.ids) - 1,
                )
                sequence.drafts = drafter.propose(sequence, room)[:room] if room > 0 else []

    def _write(self, rows: list[tuple[Sequence, int]], logits_NV: Tensor) -> list[Event]:
        """Chooses ids and gives them to their sequences: of one with drafts, up to the first wrong guess."""
        events: list[Event] = []
        allowed: dict[int, Collection[int] | None] = {}
        ended: dict[int, Finish] = {}  # by their constraints
        for sequence, _ in rows:
            if sequence.constraint is not None:
                ids = sequence.constraint(sequence.ids)
                if ids == "stop":
                    ended[id(sequence)] = "stop"
                elif ids is not None and len(ids) == 0:
                    ended[id(sequence)] = "constraint"
                else:
                    allowed[id(sequence)] = ids
        chosen = self._choose(rows, logits_NV, allowed)
        done: set[int] = set()  # sequences that take no more of their rows
        for i, ((sequence, n), (new, logprob)) in enumerate(zip(rows, chosen, strict=True)):
            key = id(sequence)
            if key in done:
                continue
            if key in ended:
                events.append(self._end(sequence, ended[key]))
                continue
            guessed = sequence.drafts[n] if n < len(sequence.drafts) else None
            top = likeliest(logits_NV[i], sequence.rule, sequence.top) if sequence.top else ()
            finish = sequence.push(new, logprob, self.backend.context_len)
            events.append(Token(sequence, new, logprob, top))
            self.stats.tokens_written += 1
            self.stats.accepted += guessed == new
            if finish is None and guessed == new:
                continue
            done.add(key)
            sequence.drafts = []
            sequence.computed = len(sequence.ids) - 1  # the last one was chosen, not read
            self.blocks.remember(sequence)
            if finish is not None:
                events.append(self._end(sequence, finish))
        return events

    def _choose(
        self,
        rows: list[tuple[Sequence, int]],
        logits_NV: Tensor,
        allowed: dict[int, Collection[int] | None],
    ) -> list[tuple[int, float]]:
        """(id, log-probability) for each row; rows with equal parameters are drawn together."""
        groups: dict[SamplingParams, list[int]] = {}
        for i, (sequence, _) in enumerate(rows):
            groups.setdefault(sequence.rule, []).append(i)
        chosen: list[tuple[int, float]] = [(0, 0.0)] * len(rows)
        for rule, members in groups.items():
            logits_BV = logits_NV if len(groups) == 1 else logits_NV[members]
            picked = [rows[i] for i in members]
            drawn = [0.0 if rule.temperature == 0 else s.uniform(s.made + n) for s, n in picked]
            uniforms_B = torch.tensor(drawn, dtype=torch.float64, device=logits_NV.device)
            seen_BV = allowed_BV = None
            if rule.repetition_penalty != 1:
                seen_BV = _marked([s.ids + s.drafts[:n] for s, n in picked], logits_BV)
            if any(allowed.get(id(s)) is not None for s, _ in picked):
                everything = range(logits_BV.size(-1))
                ids = [everything if (a := allowed.get(id(s))) is None else a for s, _ in picked]
                allowed_BV = _marked(ids, logits_BV)
            ids_B, logprobs_B = choose(logits_BV, rule, uniforms_B, seen_BV, allowed_BV)
            for i, new, logprob in zip(members, ids_B.tolist(), logprobs_B.tolist(), strict=True):
                chosen[i] = (new, logprob)
        return chosen

    def _end(self, sequence: Sequence, finish: Finish) -> Finished:
        self.scheduler.end(sequence)
        self.stats.preempted += sequence.preempted
        sequence.finish, sequence.drafts = finish, []
        return Finished(sequence, finish)


def cache_for(model: Transformer, config: EngineConfig) -> PagedCache:
    """Pages for `max_running` texts of full length, or as many as the memory allows, but for one at least."""
    c, weight = model.config, model.embedding.weight
    kind = Int8PagedCache if config.kv == "int8" else PagedCache

    def pages(blocks: int) -> PagedCache:
        return kind(
            n_layer=c.n_layer,
            n_kv_head=c.kv_heads,
            head_dim=c.head_width,
            blocks=blocks,
            block_len=config.block_len,
            device=weight.device,
            dtype=weight.dtype,
        )

    whole_text = -(-c.context_len // config.block_len)
    allowed = config.cache_mb * 2**20 // (pages(1).bytes_per_token * config.block_len)
    return pages(max(whole_text, min(config.max_running * whole_text, allowed)))


def _chunk(share: Share) -> Chunk:
    sequence, start = share.sequence, share.sequence.computed
    ids = [*sequence.ids[start : start + share.count], *sequence.drafts]
    asked = 1 + len(sequence.drafts) if start + share.count >= len(sequence.ids) else 0
    return Chunk(ids, start, sequence.table, asked)


def _marked(ids: list[Collection[int]] | list[list[int]], logits_BV: Tensor) -> Tensor:
    """marked_BV: True at the ids of each row."""
    marked_BV = torch.zeros(logits_BV.shape, dtype=torch.bool, device=logits_BV.device)
    for row, of_row in enumerate(ids):
        marked_BV[row, list(of_row)] = True
    return marked_BV
