r"""The merges of byte-pair encoding as compiled code: `train_merges` of bpe.py on flat arrays.

All different pieces stand one after the other in `cells_N`, one cell a byte, with an END before and after
each. A token keeps the cells of its bytes and writes its id into the first and the last of them, so both of
its neighbours are found without links. The cells between are DEAD. So " the" looks when "the" is merged:

    END  ' '  the  DEAD  the  END          left neighbour: cell p - 1, right neighbour: cell p + length

Beside the id each cell holds how often its piece occurs. And what bpe.py knows of pairs is used again:

- A pair that a merge creates contains the new id. So all its places are known when it is created, in
  ascending order, and later the list only goes stale: a place counts as long as both ids are still there.
- So counts only fall, and the heap may hold old ones: what comes out on top with an old count goes back in
  with the true one.
- A merge first adds up what it does to each neighbour, then looks each different neighbour up in the table of
  pairs, once.

Where room runs out, `merge_pairs` returns before the merge that might not fit; fast_train.py then lets `move`
drop what is stale or gone or below a floor, into arrays that are large enough, and goes on.

Letters: N cells, V ids, R rows of the table of pairs, Q entries of the heap, L places in lists.
Does not: know texts or patterns (fast_count.py does).
Next:     fast_train.py.
"""

from typing import Any

from groundup.tokenizer.fast_compile import Function
from groundup.tokenizer.fast_words import fetch_soon

SYMBOL_BITS = 21  # of a cell; the bits above are the count of its piece, below 2**42
SYMBOL = (1 << SYMBOL_BITS) - 1
END, DEAD = SYMBOL, SYMBOL - 1
MOST_IDS = DEAD

KEY, COUNT, FIRST, LISTED = range(4)  # columns of pairs_R4; its places are LISTED numbers from FIRST on
NO_PAIR = -1
LOW = 0xFFFFFFFF  # a key is left << 32 | right: in the order of keys, smaller ids come first
LEFT_COUNT, LEFT_PLACES, RIGHT_COUNT, RIGHT_PLACES = range(4)  # columns of sums_V4, one row a neighbour
# of `used`: merges done; rows, places, heap entries in use; the count below which a pair is forgotten
MERGES, PAIRS, PLACES, QUEUED, FLOOR = range(5)
NOWHERE = -1
AHEAD = 12  # places between fetching a cell from memory and using it
MIX = 0x1E3779B97F4A7C15  # odd, with its bits well mixed; Knuth, TAOCP 3, section 6.4


def merge_pairs(cells_N: Any, lengths_V: Any, pairs_R4: Any, places_L: Any, heap_Q2: Any, sums_V4: Any,
                touched_V: Any, merges_M2: Any, used: Any) -> None:  # fmt: skip
    """Merge the most frequent pair, among equals the smallest, until merges_M2 is full or room runs out.

    It also ends when the heap is empty: then no pair is left whose count is not below the floor.
    """
    while used[MERGES] < len(merges_M2) and used[QUEUED] > 0:
        key = heap_Q2[0, 1]
        row = find(pairs_R4, key)
        now, listed = pairs_R4[row, COUNT], pairs_R4[row, LISTED]
        if used[FLOOR] <= now < heap_Q2[0, 0]:  # an old count
            heap_Q2[0, 0] = now
            sift_down(heap_Q2, used[QUEUED])
            continue
        if now >= used[FLOOR]:
            most = min(2 * listed, 2 * (256 + used[MERGES]) + 1)  # so many pairs it may create
            if 2 * (used[PAIRS] + most) > len(pairs_R4) or used[PLACES] + 2 * listed > len(places_L):
                return
        used[QUEUED] -= 1
        heap_Q2[0, 0], heap_Q2[0, 1] = heap_Q2[used[QUEUED], 0], heap_Q2[used[QUEUED], 1]
        sift_down(heap_Q2, used[QUEUED])
        if now >= used[FLOOR]:
            merge_pair(cells_N, lengths_V, pairs_R4, places_L, heap_Q2, sums_V4, touched_V, row, used)
            merges_M2[used[MERGES], 0] = key >> 32
            merges_M2[used[MERGES], 1] = key & LOW
            used[MERGES] += 1


def merge_pair(cells_N: Any, lengths_V: Any, pairs_R4: Any, places_L: Any, heap_Q2: Any, sums_V4: Any,
               touched_V: Any, row: int, used: Any) -> None:  # fmt: skip
    """Replace one pair by a new id wherever it is, and enter the pairs that this creates."""
    left, right, new = pairs_R4[row, KEY] >> 32, pairs_R4[row, KEY] & LOW, 256 + used[MERGES]
    begin, end = pairs_R4[row, FIRST], pairs_R4[row, FIRST] + pairs_R4[row, LISTED]
    lengths_V[new] = lengths_V[left] + lengths_V[right]
    end, n_touched = replace(cells_N, lengths_V, places_L, sums_V4, touched_V, left, right, new, begin, end)
    twins, twin_places = sums_V4[new, LEFT_COUNT], sums_V4[new, LEFT_PLACES]  # the pair (new, new)
    for k in range(n_touched):
        other = int(touched_V[k])
        count, listed = sums_V4[other, LEFT_COUNT], sums_V4[other, LEFT_PLACES]
        if listed:
            if other != new:
                lower(pairs_R4, other << 32 | left, count)
            sums_V4[other, LEFT_PLACES] = enter(pairs_R4, heap_Q2, other << 32 | new, count, listed, used)
        count, listed = sums_V4[other, RIGHT_COUNT], sums_V4[other, RIGHT_PLACES]
        if listed:
            lower(pairs_R4, right << 32 | other, count)
            if other == left:  # where it was the left half of another place, it has since become `new`
                count, listed = count - twins, listed - twin_places
            sums_V4[other, RIGHT_PLACES] = enter(pairs_R4, heap_Q2, new << 32 | other, count, listed, used)
    pairs_R4[row, COUNT] = 0
    for k in range(begin, end):
        p = places_L[k]
        before, after = cells_N[p - 1] & SYMBOL, cells_N[p + lengths_V[new]] & SYMBOL
        if before < DEAD and sums_V4[before, LEFT_PLACES] != NOWHERE:
            places_L[sums_V4[before, LEFT_PLACES]] = p - lengths_V[before]
            sums_V4[before, LEFT_PLACES] += 1
        if after < DEAD and after != new and sums_V4[after, RIGHT_PLACES] != NOWHERE:
            places_L[sums_V4[after, RIGHT_PLACES]] = p
            sums_V4[after, RIGHT_PLACES] += 1
    for k in range(n_touched):
        for column in range(4):
            sums_V4[touched_V[k], column] = 0


def replace(cells_N: Any, lengths_V: Any, places_L: Any, sums_V4: Any, touched_V: Any, left: int, right: int,
            new: int, begin: int, end: int) -> tuple[int, int]:  # fmt: skip
    """Write `new` at those of places_L[begin:end] where the pair still is, from left to right.

    These places are moved together; returns where they now end, and how many different neighbours there are.
    The neighbours are in `touched_V`, their counts and places in `sums_V4`. One on the left that is `new`
    already was, one place before, counted on the right as `left`.
    """
    to_right, length = lengths_V[left], lengths_V[new]
    kept, n_touched = begin, 0
    for k in range(begin, end):
        if k + AHEAD < end:
            fetch_soon(cells_N, places_L[k + AHEAD])
        p = places_L[k]
        if cells_N[p] & SYMBOL != left or cells_N[p + to_right] & SYMBOL != right:
            continue
        places_L[kept] = p
        kept += 1
        count = cells_N[p] >> SYMBOL_BITS
        before, after = cells_N[p - 1] & SYMBOL, cells_N[p + length] & SYMBOL
        cells_N[p + to_right - 1] = DEAD
        cells_N[p + to_right] = DEAD
        cells_N[p] = cells_N[p + length - 1] = count << SYMBOL_BITS | new
        if before < DEAD:
            if sums_V4[before, LEFT_PLACES] == 0 and sums_V4[before, RIGHT_PLACES] == 0:
                touched_V[n_touched] = before
                n_touched += 1
            sums_V4[before, LEFT_COUNT] += count
            sums_V4[before, LEFT_PLACES] += 1
        if after < DEAD:
            if sums_V4[after, LEFT_PLACES] == 0 and sums_V4[after, RIGHT_PLACES] == 0:
                touched_V[n_touched] = after
                n_touched += 1
            sums_V4[after, RIGHT_COUNT] += count
            sums_V4[after, RIGHT_PLACES] += 1
    return kept, n_touched


# ---- The table of pairs and the heap ---------------------------------------------------------------


def lower(pairs_R4: Any, key: int, count: int) -> None:
    """Take `count` from the count of a pair, if that is not forgotten."""
    row = find(pairs_R4, key)
    if pairs_R4[row, KEY] == key:
        pairs_R4[row, COUNT] -= count


def enter(pairs_R4: Any, heap_Q2: Any, key: int, count: int, listed: int, used: Any) -> int:
    """Enter a new pair; returns where its places begin, for the caller to fill in.

    A pair below the floor, or without a place, is not entered: NOWHERE.
    """
    if listed == 0 or count < used[FLOOR]:
        return NOWHERE
    first = used[PLACES]
    row = find(pairs_R4, key)
    pairs_R4[row, KEY], pairs_R4[row, COUNT] = key, count
    pairs_R4[row, FIRST], pairs_R4[row, LISTED] = first, listed
    sift_up(heap_Q2, used[QUEUED], count, key)
    used[PAIRS] += 1
    used[PLACES] += listed
    used[QUEUED] += 1
    return first


def find(pairs_R4: Any, key: int) -> int:
    """The row of a pair, or the empty row where it belongs."""
    mask = len(pairs_R4) - 1
    row = (key * MIX >> 32) & mask
    while pairs_R4[row, KEY] != key and pairs_R4[row, KEY] != NO_PAIR:
        row = (row + 1) & mask
    return row


def sift_up(heap_Q2: Any, i: int, count: int, key: int) -> None:
    """Put an entry into the heap whose i entries come before it."""
    while i > 0:
        above = (i - 1) >> 1
        if heap_Q2[above, 0] > count or (heap_Q2[above, 0] == count and heap_Q2[above, 1] < key):
            break
        heap_Q2[i, 0], heap_Q2[i, 1] = heap_Q2[above, 0], heap_Q2[above, 1]
        i = above
    heap_Q2[i, 0], heap_Q2[i, 1] = count, key


def sift_down(heap_Q2: Any, n: int) -> None:
    """Move the first of n entries to where it belongs."""
    count, key = heap_Q2[0, 0], heap_Q2[0, 1]
    i, below = 0, 1
    while below < n:
        if below + 1 < n:
            rival = heap_Q2[below + 1, 0]
            if rival > heap_Q2[below, 0] or (
                rival == heap_Q2[below, 0] and heap_Q2[below + 1, 1] < heap_Q2[below, 1]
            ):
                below += 1
        if heap_Q2[below, 0] < count or (heap_Q2[below, 0] == count and heap_Q2[below, 1] > key):
            break
        heap_Q2[i, 0], heap_Q2[i, 1] = heap_Q2[below, 0], heap_Q2[below, 1]
        i, below = below, 2 * below + 1
    heap_Q2[i, 0], heap_Q2[i, 1] = count, key


# ---- Beginning, and making room --------------------------------------------------------------------


def begin(bytes_N: Any, ends_W: Any, times_W: Any, cells_N: Any, seen_B2: Any, pairs_R4: Any, places_L: Any,
          heap_Q2: Any, used: Any) -> None:  # fmt: skip
    """Lay out the pieces as cells and enter all pairs of bytes. `seen_B2`, 256 * 256 rows of 0, is used up.

    Piece w is bytes_N[ends_W[w - 1] : ends_W[w]].
    """
    at = start = 0
    cells_N[0] = END
    for w in range(len(ends_W)):
        times = times_W[w] << SYMBOL_BITS
        left = 0
        for k in range(start, ends_W[w]):
            at += 1
            byte = int(bytes_N[k])
            cells_N[at] = times | byte
            if k > start:
                both = left << 8 | byte
                seen_B2[both, 0] += times_W[w]
                seen_B2[both, 1] += 1
            left = byte
        at += 1
        cells_N[at] = END
        start = ends_W[w]
    for both in range(len(seen_B2)):
        key = (both >> 8) << 32 | both & 0xFF
        seen_B2[both, 1] = enter(pairs_R4, heap_Q2, key, seen_B2[both, 0], seen_B2[both, 1], used)
    for p in range(1, at):
        left, right = cells_N[p] & SYMBOL, cells_N[p + 1] & SYMBOL
        if left < DEAD and right < DEAD:
            both = left << 8 | right
            places_L[seen_B2[both, 1]] = p
            seen_B2[both, 1] += 1


def move(cells_N: Any, lengths_V: Any, old_R4: Any, old_places: Any, pairs_R4: Any, places_L: Any,
         heap_Q2: Any, used: Any) -> None:  # fmt: skip
    """Enter the pairs from the floor up into a new table, list and heap, with the places that are left."""
    used[PAIRS] = used[PLACES] = used[QUEUED] = 0
    for row in range(len(old_R4)):
        if old_R4[row, KEY] == NO_PAIR or old_R4[row, COUNT] < used[FLOOR]:
            continue
        key = old_R4[row, KEY]
        left, right = key >> 32, key & LOW
        at = used[PLACES]
        for k in range(old_R4[row, FIRST], old_R4[row, FIRST] + old_R4[row, LISTED]):
            p = old_places[k]
            if cells_N[p] & SYMBOL == left and cells_N[p + lengths_V[left]] & SYMBOL == right:
                places_L[at] = p
                at += 1
        enter(pairs_R4, heap_Q2, key, old_R4[row, COUNT], at - used[PLACES], used)


MERGE_HELPERS: tuple[Function, ...] = (
    merge_pair, replace, lower, enter, find, sift_up, sift_down, fetch_soon
)  # fmt: skip
