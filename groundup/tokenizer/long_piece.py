"""Merging a long piece in n log n steps instead of n for every merge.

Words are short, so bpe.py looks at all their pairs again after each merge. A piece is only as short as the
text allows, though: a file of base64 or a page of Chinese without a comma may be one piece of a megabyte,
and a server must not be stopped by one request. Here the ids are a linked list, and a heap holds the pairs
that could be merged, smallest rank first, leftmost among equals.

Same result as `merge_by_rank`, which is its oracle in the tests. That both agree is not obvious: the plain
version merges all places of a pair in one go. But every pair that a merge creates contains the new id and so
has a larger rank than the merge itself; hence the heap too finishes a rank before it starts a later one.

Next: chat.py.
"""

import heapq
from collections.abc import Mapping
from itertools import pairwise


def merge_long(ids: list[int], ranks: Mapping[tuple[int, int], int]) -> list[int]:
    """The ids with all merges done, earliest learned first; `ids` is used up.

    >>> merge_long([97, 97, 97, 98], {(97, 97): 256, (256, 97): 257})
    [257, 98]
    """
    end = len(ids)
    following = list(range(1, end + 1))  # place of the next living id
    previous = list(range(-1, end - 1))
    heap = [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
    heapq.heapify(heap)
    while heap:
        new, i = heapq.heappop(heap)
        j = following[i]
        # an old entry: one of its two ids has since been merged with another neighbour
        if j == end or ids[i] == _DEAD or ranks.get((ids[i], ids[j])) != new:
            continue
        ids[i], ids[j] = new, _DEAD
        after = following[i] = following[j]
        if after < end:
            previous[after] = i
            _offer(heap, ranks, (new, ids[after]), i)
        if previous[i] >= 0:
            _offer(heap, ranks, (ids[previous[i]], new), previous[i])
    return [id for id in ids if id != _DEAD]


_DEAD = -1


def _offer(
    heap: list[tuple[int, int]], ranks: Mapping[tuple[int, int], int], pair: tuple[int, int], i: int
) -> None:
    if pair in ranks:
        heapq.heappush(heap, (ranks[pair], i))
