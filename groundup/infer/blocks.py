"""Which block of the cache belongs to whom: paging, counted references, and prefixes that are read only once.

The cache is cut into blocks of `block_len` tokens. A sequence has a table of blocks, taken one at a time as
it grows, so nothing is reserved and nothing is moved. A block whose tokens are all computed is remembered
under what it holds, and a later sequence that begins the same way holds the same block too.

What a block holds is *everything from the first token on*: keys depend on all that came before. So it is
known under (serial number of the block before it, its own tokens). A Python dictionary compares the whole key
on a hit, so a prefix is shared only where every token is equal; there is no hash to collide. Serial numbers
are never used again, so what was reached through a block that is gone is never reached.

A block that nobody holds keeps its contents until it is needed: the one that was released first goes first,
and of one sequence the end before the beginning.

Source: Kwon et al. 2023 (vLLM), arXiv 2309.06180, section 4; the shape of the code: nano-vllm.
Not here: the numbers themselves (paged_cache.py). Next: scheduler.py, who may run.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import count

from groundup.infer.sequence import Sequence

Key = tuple[int | str, tuple[int, ...]]  # (serial of the block before, or the salt; the tokens)


class BlockManager:
    """Gives blocks to sequences and takes them back. Every block is free, or held by one sequence or more."""

    def __init__(self, blocks: int, block_len: int, *, share: bool = True):
        self.block_len, self.share = block_len, share
        self.refs = [0] * blocks
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(blocks))
        self._known: dict[Key, int] = {}
        self._key_of: list[Key | None] = [None] * blocks
        self._serial_of = [0] * blocks
        self._serials = count(1)

    @property
    def free(self) -> int:
        """Blocks that nobody holds, those that remember something included."""
        return len(self._free)

    def blocks_for(self, tokens: int) -> int:
        """How many blocks so many tokens need.

        >>> BlockManager(4, 16).blocks_for(17)
        2
        """
        return -(-tokens // self.block_len)

    def cached(self, sequence: Sequence) -> list[int]:
        """The blocks that hold how this sequence begins; never its last id, whose logits are wanted."""
        found: list[int] = []
        before: int | str = sequence.salt
        for i in range((len(sequence.ids) - 1) // self.block_len):
            block = self._known.get((before, self._tokens(sequence, i)))
            if block is None:
                break
            found.append(block)
            before = self._serial_of[block]
        return found

    def admit(self, sequence: Sequence) -> bool:
        """Gives it blocks for all its ids, shared ones first; if there are too few, does nothing: False."""
        cached = self.cached(sequence)
        needed = self.blocks_for(len(sequence.ids)) - len(cached)
        if needed > self.free - sum(self.refs[block] == 0 for block in cached):
            return False
        for block in cached:
            self._hold(block)
        sequence.table = cached
        sequence.chain = [self._serial_of[block] for block in cached]
        sequence.computed = sequence.reused = len(cached) * self.block_len
        self._extend(sequence, needed)
        return True

    def grow(self, sequence: Sequence, tokens: int) -> bool:
        """Makes room for so many tokens in all; False, and nothing is done, if there are too few blocks."""
        needed = self.blocks_for(tokens) - len(sequence.table)
        if needed > self.free:
            return False
        self._extend(sequence, needed)
        return True

    def remember(self, sequence: Sequence) -> None:
        """Its blocks whose tokens are all computed can be found from now on."""
        if not self.share:
            return
        for i in range(len(sequence.chain), sequence.computed // self.block_len):
            key: Key = (sequence.chain[-1] if sequence.chain else sequence.salt, self._tokens(sequence, i))
            block = self._known.get(key)
            if block is None:
                block = sequence.table[i]
                self._known[key], self._key_of[block] = block, key
                self._serial_of[block] = next(self._serials)
            sequence.chain.append(self._serial_of[block])  # of a twin that was computed at the same time

    def release(self, sequence: Sequence) -> None:
        """Takes its blocks back; what they hold can still be found until they are needed."""
        for block in reversed(sequence.table):
            self.refs[block] -= 1
            if self.refs[block] == 0:
                self._free[block] = None
                if self._key_of[block] is None:
                    self._free.move_to_end(block, last=False)  # nothing is lost with it
        sequence.table, sequence.chain, sequence.computed = [], [], 0

    def forget(self) -> None:
        """Nothing can be found any more: what to do after the weights have changed."""
        self._known.clear()
        self._key_of = [None] * len(self._key_of)

    def _tokens(self, sequence: Sequence, i: int) -> tuple[int, ...]:
        return tuple(sequence.ids[i * self.block_len : (i + 1) * self.block_len])

    def _hold(self, block: int) -> None:
        if self.refs[block] == 0:
            del self._free[block]
        self.refs[block] += 1

    def _extend(self, sequence: Sequence, blocks: int) -> None:
        for _ in range(blocks):
            # Neighbours where possible: a run of blocks is read without being gathered first.
            after = sequence.table[-1] + 1 if sequence.table else -1
            fresh = after in self._free and self._key_of[after] is None
            block = after if fresh else next(iter(self._free))
            self._hold(block)
            key = self._key_of[block]
            if key is not None:
                del self._known[key]
                self._key_of[block] = None
            sequence.table.append(block)
