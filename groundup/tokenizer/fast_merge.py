r"""The merges of byte-pair encoding as compiled code: the trainer of bpe.py on flat arrays.

All different pieces stand one after the other in `symbols_N`, one slot a byte, END before and after each. A
token keeps the slots of its bytes and writes its id into the first and the last of them, so both neighbours
are found without links; the slots between are DEAD. (" the" after merging t+h and then th+e:)

    END  ' '  the  DEAD  the  END        left neighbour: slot p - 1, right neighbour: slot p + length

- A pair that a merge creates contains the new id. So all its places are known when it is created, in
  ascending order, and later the list only goes stale: a place still counts if both ids are still there.
- So counts only fall, and a heap may hold old ones: what comes out on top with an old count goes back in with
  the true one.
- A merge adds up what it does to each neighbour before it looks into the table of pairs: one look for each
  different neighbour instead of one for each place.

Where room runs out `merge_pairs` stops before the merge that would not fit; `train_merges` then drops what is
stale, makes room and goes on.

Letters: N slots, W different pieces, V ids, S rows of the table of pairs, H places in the heap.
Does not: know texts or patterns; fast_count.py does. Order of equals and counts as in bpe.py, its oracle.
Next:    train.py, which chooses between this and bpe.py.
"""

from typing import Any, NamedTuple

import numpy as np

from groundup.tokenizer.fast_compile import Function, compiled

END, DEAD = -1, -2
NOT_THERE = -1
KEY, COUNT, FIRST, LISTED = range(4)  # a row: the pair, how often it occurs, its places[FIRST:FIRST + LISTED]
MERGED, PAIRS, PLACES, QUEUED = range(4)  # `used`: merges done, rows, places and heap entries in use
MIX = 0x1E3779B97F4A7C15  # an odd number near 2**64 / golden ratio / 4: Knuth, TAOCP 3, 6.4


def merge_pairs(symbols_N: Any, owner_N: Any, times_W: Any, lengths_V: Any, pairs: Any, places: Any,
                heap: Any, sums: Any, merges: Any, used: Any) -> None:  # fmt: skip
    """Merge the most frequent pair, among equals the smallest, until `merges` is full or room runs out."""
    room = len(pairs) >> 1  # more than half full, looking up gets slow
    while used[MERGED] < len(merges) and used[QUEUED] > 0:
        count, key = heap[0, 0], heap[0, 1]
        row = find(pairs, key)
        now = pairs[row, COUNT]
        if now < count:
            heap[0, 0] = now
            if now == 0:
                used[QUEUED] -= 1
                heap[0] = heap[used[QUEUED]]
            sift_down(heap, 0, used[QUEUED])
            continue
        most = min(2 * pairs[row, LISTED], 2 * (256 + used[MERGED])) + 1
        if used[PAIRS] + most > room or used[PLACES] + 2 * pairs[row, LISTED] > len(places):
            return
        used[QUEUED] -= 1
        heap[0] = heap[used[QUEUED]]
        sift_down(heap, 0, used[QUEUED])
        merge_pair(symbols_N, owner_N, times_W, lengths_V, pairs, places, heap, sums, row, used)
        merges[used[MERGED], 0] = key >> 32
        merges[used[MERGED], 1] = key & 0xFFFFFFFF
        used[MERGED] += 1


def merge_pair(symbols_N: Any, owner_N: Any, times_W: Any, lengths_V: Any, pairs: Any, places: Any,
               heap: Any, sums: Any, row: int, used: Any) -> None:  # fmt: skip
    pass
