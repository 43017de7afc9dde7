"""Who computes what in the next step: replies that are being written first, then prompts, a piece at a time.

In every step each reply gets its one token (and its drafts), and what is left of the budget goes to prompts.
While somebody waits for the next word, the budget for prompts is small: a prompt of a thousand tokens that
arrives is read in pieces beside the replies and holds none of them up for long. With nobody waiting it is
large. This is what a scheduler that reads prompts first, and whole, cannot do.

When the blocks run out, the youngest sequence gives its own back and waits; it will be read again, and what
is still in the cache need not be. The oldest is never preempted for a younger one, so everybody finishes.

A sequence whose beginning another one is reading right now waits until it can share it.

Source: Yu et al. 2022 (Orca, iteration-level scheduling); Agrawal et al. 2024 (Sarathi-Serve, chunked
        prefill), arXiv 2403.02310.
Next:   engine.py.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass

from groundup.infer.blocks import BlockManager
from groundup.infer.sequence import Sequence


@dataclass(frozen=True, slots=True)
class Share:
    """So many of a sequence's next tokens are computed in this step, its drafts included."""

    sequence: Sequence
    count: int


class Scheduler:
    """Two lists in order of arrival: `waiting` holds no blocks, `running` holds blocks for all its ids."""

    def __init__(self, blocks: BlockManager, *, max_running: int, batch_tokens: int, chunk_tokens: int):
        self.blocks = blocks
        self.max_running, self.batch_tokens, self.chunk_tokens = max_running, batch_tokens, chunk_tokens
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []

    def add(self, sequence: Sequence) -> None:
        """It waits from now on."""
        sequence.state = "waiting"
        insort(self.waiting, sequence, key=_arrival)

    def end(self, sequence: Sequence) -> None:
        """It leaves, and its blocks are free."""
        (self.running if sequence.state == "running" else self.waiting).remove(sequence)
        self.blocks.release(sequence)
        sequence.state = "finished"

    def preempt(self, sequence: Sequence) -> None:
        """It gives its blocks back and waits again; its ids and its draws stay."""
        self.running.remove(sequence)
        self.blocks.release(sequence)
        sequence.drafts = []
        sequence.preempted += 1
        self.add(sequence)

    def schedule(self) -> list[Share]:
        """The shares of the next step, those that write before those that read; empty if nobody is there."""
        shares = self._writing()
        budget = self.batch_tokens - sum(share.count for share in shares)
        if shares:  # twice the tokens in a step take at most about twice the time
            budget = min(budget, max(self.chunk_tokens, len(shares)))
        for sequence in self.running:
            if sequence.left > 1 and budget > 0:
                budget -= self._read(sequence, budget, shares)
        return self._admit(budget, shares)

    def _writing(self) -> list[Share]:
        """One token for each sequence that has one left, oldest first; preempts where blocks are lacking."""
        shares: list[Share] = []
        budget, i = self.batch_tokens, 0
        while i < len(self.running) and budget > 0:
            sequence = self.running[i]
            if sequence.left == 1:
                del sequence.drafts[budget - 1 :]
                if not self._has_room(sequence):
                    break  # it was the youngest, and is waiting now
                shares.append(Share(sequence, 1 + len(sequence.drafts)))
                budget -= shares[-1].count
            i += 1
        return shares

    def _has_room(self, sequence: Sequence) -> bool:
        if self.blocks.grow(sequence, len(sequence.ids) + len(sequence.drafts)):
            return True
        sequence.drafts = []  # nobody is preempted for a guess
        while not self.blocks.grow(sequence, len(sequence.ids)):
            youngest = self.running[-1]
            self.preempt(youngest)
            if youngest is sequence:
                return False
        return True

    def _read(self, sequence: Sequence, budget: int, shares: list[Share]) -> int:
        count = min(sequence.left, budget)
        shares.append(Share(sequence, count))
        return count

    def _admit(self, budget: int, shares: list[Share]) -> list[Share]:
        i = 0
        while i < len(self.waiting) and budget > 0 and len(self.running) < self.max_running:
            sequence = self.waiting[i]
            if self._is_being_read(sequence):
                i += 1
                continue
            if not self.blocks.admit(sequence):
                break  # nobody overtakes: the one that needs most would wait for ever
            del self.waiting[i]
            sequence.state = "running"
            insort(self.running, sequence, key=_arrival)
            budget -= self._read(sequence, budget, shares)
        return shares

    def _is_being_read(self, sequence: Sequence) -> bool:
        """Is somebody computing the next block that this sequence could share?"""
        if not self.blocks.share:
            return False
        length = (len(self.blocks.cached(sequence)) + 1) * self.blocks.block_len
        if length >= len(sequence.ids):
            return False
        return any(
            other.computed < length <= len(other.ids)
            and other.salt == sequence.salt
            and other.ids[:length] == sequence.ids[:length]
            for other in self.running
            if other.left > 1 and other is not sequence
        )


def _arrival(sequence: Sequence) -> int:
    return sequence.arrival
