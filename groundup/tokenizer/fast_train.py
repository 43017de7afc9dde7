"""Training at speed: the merges of `BytePairTokenizer.train`, in the same order, in a fraction of the time.

    texts -> blocks of a megabyte -> different pieces and their counts (fast_count.py)
          -> cells of bytes -> merges (fast_merge.py)

Nothing of it is approximate, and the tie rule is that of bpe.py: the most frequent pair first, among equals
the one with the smallest ids, left id first (so is rustbpe's). Memory: a block of text for each thread, some
64 bytes for each different piece, 14 to 20 for each of its bytes, and the pairs that may still be merged. To
keep these few, whenever their table is full only the most frequent ones stay, several times as many as there
are merges to do. A pair below that floor hardly ever gets its turn; should one ever, everything is merged
again without a floor.

Does not: begin at once: its compiled code loads in about a second, and is made in some twenty, once a
          machine. Below a megabyte bpe.py is done before (train.py).
Next:     train.py.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy as np

from groundup.base.errors import TokenizerError
from groundup.tokenizer.bpe import Pair
from groundup.tokenizer.cuts import cut
from groundup.tokenizer.fast_compile import compiled, is_kept
from groundup.tokenizer.fast_count import COUNT_HELPERS, PieceCounter, Pieces, count_block
from groundup.tokenizer.fast_merge import (
    COUNT,
    FLOOR,
    LISTED,
    MERGE_HELPERS,
    MERGES,
    NO_PAIR,
    QUEUED,
    begin,
    merge_pairs,
    move,
)
from groundup.tokenizer.patterns import name_of, split
from groundup.tokenizer.pieces import utf8, well_formed

BLOCK_BYTES = 1 << 20  # of text, counted at once
KEPT = 3  # pairs kept for each merge still to do; measured: 1.1 to 1.4 are enough, so the rest is margin
KEPT_ANYWAY = 1 << 12
MOST_PAIRS_AT_FIRST = (
    1 << 18
)  # 40 MB of table and heap; a half of that takes a tenth longer, for one move more


def is_compiled() -> bool:
    """Whether the trainer's machine code is on this machine's disk."""
    return is_kept((count_block, *COUNT_HELPERS)) and is_kept((merge_pairs, *MERGE_HELPERS))


def count_pieces(texts: Iterable[str], pattern: str | None, *, threads: int = 1) -> Pieces:
    """The different pieces of the texts and how often each occurs; the texts are not kept.

    The four named patterns are split by compiled code, on as many threads as asked for: while they count,
    the interpreter is free to read on. Another regular expression, or none, is split by its engine.
    """
    name = name_of(pattern)
    if name is None:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(split(pattern, well_formed(text)))
        return Pieces.of({piece.encode(): times for piece, times in counts.items()})
    blocks, taking = _blocks(texts, name), Lock()

    def count(counter: PieceCounter) -> None:
        while True:
            with taking:
                block = next(blocks, None)
            if block is None:
                return
            counter.add(block)

    first, *others = counters = [PieceCounter(name) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(count, counters))
    for other in others:
        first.add_counter(other)
    return first.pieces()


def _blocks(texts: Iterable[str], pattern: str) -> Iterator[list[bytes]]:
    """The texts as UTF-8, about BLOCK_BYTES of them together; a longer one is cut between pieces."""
    block: list[bytes] = []
    size = 0
    for text in texts:
        for part in cut(utf8(text), pattern, BLOCK_BYTES):
            block.append(part)
            size += len(part)
            if size >= BLOCK_BYTES:
                yield block
                block, size = [], 0
    if block:
        yield block


def train_merges(pieces: Pieces, n_merges: int) -> list[Pair]:
    """The first `n_merges` merges, fewer if the pieces run out of pairs: those of bpe.py."""
    merger = Merger(pieces, n_merges)
    if not merger.run():  # a pair that was forgotten would have had its turn
        merger = Merger(pieces, n_merges, kept=None)
        merger.run()
    return [(left, right) for left, right in merger.merges_M2[: merger.used[MERGES]].tolist()]


class Merger:
    """The state of one training, as arrays that compiled code works on.

    Letters as in fast_merge.py: N cells, V ids, R rows of the table of pairs, Q heap entries, L places.
    """

    def __init__(self, pieces: Pieces, n_merges: int, *, kept: int | None = KEPT):
        self.kept = kept  # None: forget no pair
        n_bytes = len(pieces.bytes_N)
        n_cells = n_bytes + len(pieces.ends_W) + 1
        if n_cells >= 1 << 31:
            raise TokenizerError(
                f"The different pieces of this text have {n_cells:,} bytes together, and 2,147,483,647 are "
                "the most that can be trained on. Split it into smaller pieces, or take less of it."
            )
        self.cells_N = np.empty(n_cells, np.int64)
        self.lengths_V = np.ones(256 + n_merges, np.int32)
        self.sums_V4 = np.zeros((256 + n_merges, 4), np.int64)
        self.touched_V = np.empty(256 + n_merges, np.int32)
        self.merges_M2 = np.empty((n_merges, 2), np.int32)
        self.used = np.zeros(5, np.int64)
        self.used[FLOOR] = 1
        byte_pairs = min(n_bytes, 1 << 16)
        self._allocate(max(byte_pairs, min(n_bytes // 8, MOST_PAIRS_AT_FIRST)), 3 * n_bytes // 2, 0)
        seen_B2 = np.zeros((1 << 16, 2), np.int64)
        compiled(begin, *MERGE_HELPERS)(
            *pieces, self.cells_N, seen_B2, self.pairs_R4, self.places_L, self.heap_Q2, self.used
        )

    def run(self) -> bool:
        """Do all merges; False if a pair that was forgotten would have had its turn."""
        merge = compiled(merge_pairs, *MERGE_HELPERS)
        while True:
            merge(self.cells_N, self.lengths_V, self.pairs_R4, self.places_L, self.heap_Q2, self.sums_V4,
                  self.touched_V, self.merges_M2, self.used)  # fmt: skip
            if self.used[MERGES] == len(self.merges_M2):
                return True
            if self.used[QUEUED] == 0:
                return bool(self.used[FLOOR] == 1)
            self._make_room()

    def _make_room(self) -> None:
        """Forget what is stale, gone or below the floor, and have twice the room that the rest takes."""
        old_R4, old_places = self.pairs_R4, self.places_L
        living = old_R4[(old_R4[:, COUNT] >= self.used[FLOOR]) & (old_R4[:, 0] != NO_PAIR)]
        counts, listed = living[:, COUNT], living[:, LISTED]
        keep = len(counts)
        if self.kept is not None:
            keep = min(keep, KEPT_ANYWAY + self.kept * (len(self.merges_M2) - int(self.used[MERGES])))
            self.used[FLOOR] = np.partition(counts, len(counts) - keep)[len(counts) - keep]
        stay = counts >= self.used[FLOOR]
        self._allocate(int(stay.sum()), int(listed[stay].sum()), int(listed.max()))
        compiled(move, *MERGE_HELPERS)(self.cells_N, self.lengths_V, old_R4, old_places, self.pairs_R4,
                                       self.places_L, self.heap_Q2, self.used)  # fmt: skip

    def _allocate(self, pairs: int, places: int, most_places: int) -> None:
        """Arrays for so many pairs and places, as many again, and at least for one merge at `most_places`."""
        most_pairs = min(2 * most_places, 2 * (256 + int(self.used[MERGES])) + 1)
        rows = 1 << (2 * (pairs + max(pairs, most_pairs)) - 1).bit_length()
        self.pairs_R4 = np.full((rows, 4), NO_PAIR, np.int64)
        self.heap_Q2 = np.empty((rows // 2, 2), np.int64)
        self.places_L = np.empty(places + max(places, 2 * most_places), np.int32)
