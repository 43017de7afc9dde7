"""One piece to its ids, compiled: the same merges in the same order as the readable tokenizers make.

Of all neighbours that merge, the pair of the smallest rank does, the leftmost among equals, until none is
left. A word has few pairs, and looking at all of them after each merge is the fastest way. A piece of more
than SHORT bytes is a linked list with a heap of `rank << 32 | place`: an entry that is out of date, because a
neighbour has merged since, no longer has the rank that its place has now.

Next: fast_encode.py.
"""
# mypy: disable-error-code="assignment,arg-type,return-value"
# In compiled code np.int64 and np.uint64 are what int is elsewhere.

from typing import Any

import numpy as np

from groundup.tokenizer.fast_pairs import NEVER, find_token, rank_of

SHORT = 64  # bytes
GONE = np.uint32(NEVER)


def piece_ids(b: Any, i: int, e: int, pairs: Any, symbols: Any, ranks: Any, out: Any, o: int) -> int:
    """Write the ids of the piece b[i:e] to out[o:]; returns the place after them.

    `symbols` and `ranks` are uint32 scratch of at least SHORT.
    """
    if e - i <= pairs.whole[0]:
        token = find_token(b, i, e, pairs.bytes_N, pairs.ends_V, pairs.index_S)
        if token >= 0:
            out[o] = token
            return o + 1
    if e - i > SHORT:
        return long_piece_ids(b, i, e, pairs, out, o)
    n = e - i
    for k in range(n):
        symbols[k] = pairs.byte_ids[b[i + k]]
    for k in range(n - 1):
        ranks[k] = pairs.byte_ranks[np.int64(b[i + k]) << 8 | b[i + k + 1]]
    while n > 1:
        lowest, at = np.uint32(NEVER), 0
        for k in range(n - 1):
            if ranks[k] < lowest:
                lowest, at = ranks[k], k
        if lowest == NEVER:
            break
        symbols[at] = pairs.made_R[lowest]
        n -= 1
        for k in range(at + 1, n):
            symbols[k], ranks[k] = symbols[k + 1], ranks[k + 1]
        if at + 1 < n:
            ranks[at] = rank_of(pairs.pairs_S, symbols[at], symbols[at + 1])
        if at > 0:
            ranks[at - 1] = rank_of(pairs.pairs_S, symbols[at - 1], symbols[at])
    for k in range(n):
        out[o + k] = symbols[k]
    return o + n


def long_piece_ids(b: Any, i: int, e: int, pairs: Any, out: Any, o: int) -> int:
    """The same in n log n steps."""
    n = e - i
    symbols, ranks = np.empty(n, np.uint32), np.empty(n, np.uint32)
    following, previous = np.empty(n, np.int64), np.empty(n, np.int64)
    heap = np.empty(2 * n, np.uint64)  # every merge takes one entry out and puts at most two in
    waiting = 0
    for k in range(n):
        symbols[k] = pairs.byte_ids[b[i + k]]
        following[k], previous[k] = k + 1, k - 1
        ranks[k] = NEVER
        if k + 1 < n:
            ranks[k] = pairs.byte_ranks[np.int64(b[i + k]) << 8 | b[i + k + 1]]
        if ranks[k] != NEVER:
            heap[waiting] = np.uint64(ranks[k]) << np.uint64(32) | np.uint64(k)
            waiting += 1
    for k in range(waiting // 2 - 1, -1, -1):
        sink(heap, k, waiting)
    while waiting > 0:
        top = heap[0]
        waiting -= 1
        heap[0] = heap[waiting]
        sink(heap, 0, waiting)
        at, rank = np.int64(top & np.uint64(NEVER)), np.uint32(top >> np.uint64(32))
        if ranks[at] != rank:
            continue
        right = following[at]
        symbols[at] = pairs.made_R[rank]
        ranks[right] = NEVER
        symbols[right] = GONE
        after = following[right]
        following[at] = after
        ranks[at] = NEVER
        if after < n:
            previous[after] = at
            ranks[at] = rank_of(pairs.pairs_S, symbols[at], symbols[after])
            waiting = offer(heap, waiting, ranks[at], at)
        before = previous[at]
        if before >= 0:
            ranks[before] = rank_of(pairs.pairs_S, symbols[before], symbols[at])
            waiting = offer(heap, waiting, ranks[before], before)
    at = 0
    while at < n:
        out[o] = symbols[at]
        o += 1
        at = following[at]
    return o


def offer(heap: Any, waiting: int, rank: int, at: int) -> int:
    """Put a pair that merges into the heap; returns how many wait now."""
    if rank == NEVER:
        return waiting
    entry = np.uint64(rank) << np.uint64(32) | np.uint64(at)
    k = waiting
    while k > 0 and heap[(k - 1) >> 1] > entry:
        heap[k] = heap[(k - 1) >> 1]
        k = (k - 1) >> 1
    heap[k] = entry
    return waiting + 1


def sink(heap: Any, k: int, waiting: int) -> None:
    """Move the entry at k down to where both below it are larger."""
    if k >= waiting:
        return
    entry = heap[k]
    child = 2 * k + 1
    while child < waiting:
        if child + 1 < waiting and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= entry:
            break
        heap[k] = heap[child]
        k = child
        child = 2 * k + 1
    heap[k] = entry


PIECE_HELPERS = (piece_ids, long_piece_ids, offer, sink, find_token, rank_of)
