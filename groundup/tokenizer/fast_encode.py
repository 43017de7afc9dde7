"""Text to ids, compiled: split, look up, and merge only what was never seen.

Text repeats itself, so nearly every piece was met before, and encoding is looking up. A piece of up to 15
bytes is two words, the bytes and their number, and its row in the table is 32 bytes: those two words and up
to three ids with their number, written out whether they are three or not, which costs less than asking. Two
rows share a line of the processor's cache. Two passes over some sixty pieces: the first asks the memory for
all their lines, the second reads them. A piece of up to 2,047 bytes is its hash and is compared byte by byte;
longer ones are not remembered.

    row of a short piece    bytes 0-7 | bytes 8-14 and length | id 0, id 1        | id 2, number of ids
    more than three ids     ...                               | where in kept_ids | 0, number of ids
    row of a long piece     hash | length and where its bytes | as above

The table begins small, so that little text stays in the caches near the processor, and grows with what it
holds. Memory is bounded: when all is full, all is forgotten. What is remembered never changes an id, only
when it is known.

Threads share an Encoder: each borrows a memory of its own, and the compiled code runs without the interpreter
lock. 48 MB a thread at most.

Letters: N bytes, D documents, T ids.
Next:    fast_decode.py.
"""
# mypy: disable-error-code="assignment,arg-type,return-value"
# In compiled code np.int64 and np.uint64 are what int is elsewhere.

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from groundup.tokenizer.fast_compile import Function, compiled
from groundup.tokenizer.fast_pairs import Pairs
from groundup.tokenizer.fast_piece import PIECE_HELPERS, SHORT, piece_ids
from groundup.tokenizer.fast_split import CODES, HELPERS, fill_ends
from groundup.tokenizer.fast_words import fetch_soon, load8
from groundup.tokenizer.unicode_classes import class_table

PADDING = bytes(128)  # the splitter reads up to 64 bytes beyond the text, a key up to 16
GROUP = (
    1 << 20
)  # bytes that one task of a thread encodes: long enough to be worth its start, short enough to share
ROOM = 1 << 18  # ids that a call may write before they are copied away
PIECES = 128  # looked up together, at most: some eighty lines of memory are on their way at once
UNSPLIT = -1  # instead of a pattern: each document is one piece

FIRST_ROWS, MOST_ROWS = 1 << 14, 1 << 20  # 512 kB and 32 MB
KEPT_IDS, KEPT_BYTES = 1 << 21, 1 << 23
KEYED, KEPT = (
    15,
    2_047,
)  # bytes: the longest piece with a key of two words, and the longest that is remembered
LINE = 64  # bytes of the processor's cache that come together


class Memory(NamedTuple):
    """What one thread remembers, and its scratch."""

    rows: np.ndarray  # uint64, 4 words a row; a row is free if its second word is 0
    kept_ids: np.ndarray  # uint32
    kept_bytes: np.ndarray  # uint8
    used: np.ndarray  # int64 [3]: of rows, of kept_ids, of kept_bytes
    keys: np.ndarray  # uint64 [4 * PIECES]: two words and the place in `rows` of each piece
    ends: np.ndarray  # int64 [PIECES]
    symbols: np.ndarray  # uint32 [SHORT]
    ranks: np.ndarray  # uint32 [SHORT]


def new_memory() -> Memory:
    return Memory(
        rows=empty_rows(FIRST_ROWS),
        kept_ids=np.empty(KEPT_IDS, np.uint32),
        kept_bytes=np.empty(KEPT_BYTES, np.uint8),
        used=np.zeros(3, np.int64),
        keys=np.empty(4 * PIECES, np.uint64),
        ends=np.empty(PIECES, np.int64),
        symbols=np.empty(SHORT, np.uint32),
        ranks=np.empty(SHORT, np.uint32),
    )


def empty_rows(n: int) -> np.ndarray:
    """So many rows of 0, none of them across the border of two lines of the cache."""
    words = np.zeros(4 * n + LINE // 8, np.uint64)
    begin = -words.ctypes.data % LINE // 8
    return words[begin : begin + 4 * n]


class Encoder:
    """A vocabulary and a pattern, ready to encode. `pattern` is a key of CODES, or None for no split."""

    def __init__(self, pairs: Pairs, pattern: str | None):
        self._pairs = pairs
        self._code = UNSPLIT if pattern is None else CODES[pattern]
        self._encode = compiled(*COMPILED)
        self._grow = compiled(copy_rows)
        self._memories: list[tuple[Memory, np.ndarray]] = []  # not in use now

    def documents(self, texts: Sequence[bytes], *, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """(ids_T, ends_D): all ids as uint32, and where each document's ids end, as int64."""
        if len(texts) == 1:
            return self._group(texts)
        groups = list(_groups(texts))
        if threads > 1 and len(groups) > 1:
            with ThreadPoolExecutor(min(threads, len(groups))) as pool:
                return _joined(list(pool.map(self._group, groups)), pool.map)
        return _joined([self._group(group) for group in groups], map)

    def _group(self, texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        text_N = np.frombuffer(b"".join((*texts, PADDING)), np.uint8)
        ends_D = np.array([*accumulate(map(len, texts))])  # np.cumsum of one number takes 5 microseconds
        id_ends_D = np.empty(len(texts), np.int64)
        state = np.zeros(5, np.int64)
        memory, out = self._borrow()
        parts = []
        while True:
            count = self._encode(
                text_N, ends_D, state, class_table(), self._code, out, id_ends_D, *self._pairs, *memory
            )
            parts.append(out[:count].copy())
            if state[DOCUMENT] == len(texts):
                break
            state[WRITTEN] += count
            if state[NEEDED] > len(out):
                out = np.empty(state[NEEDED], np.uint32)
            if state[FULL]:
                memory = self._with_room(memory)
        self._memories.append((memory, out if len(out) == ROOM else np.empty(ROOM, np.uint32)))
        return (parts[0] if len(parts) == 1 else np.concatenate(parts)), id_ends_D

    def _with_room(self, memory: Memory) -> Memory:
        """The memory with four times the rows; one that knows nothing if it may not grow or need not."""
        n_rows, used = len(memory.rows) // 4, memory.used
        if 2 * (used[OF_ROWS] + PIECES) > n_rows and n_rows < MOST_ROWS:
            larger = memory._replace(rows=empty_rows(4 * n_rows))
            self._grow(memory.rows, larger.rows)
            return larger
        used[:] = 0
        return memory._replace(rows=empty_rows(n_rows))

    def _borrow(self) -> tuple[Memory, np.ndarray]:
        try:
            return self._memories.pop()
        except IndexError:
            return new_memory(), np.empty(ROOM, np.uint32)

    def forget(self) -> None:
        """Drop what was remembered, and give its memory back: the next call is as the first."""
        self._memories.clear()


def _joined(
    done: Sequence[tuple[np.ndarray, np.ndarray]], share: Callable[..., Iterable[None]]
) -> tuple[np.ndarray, np.ndarray]:
    """The ids and ends of all groups as one. `share` is a `map`: copying is a tenth of the work, too."""
    if len(done) == 1:
        return done[0]
    starts = np.cumsum([0, *(len(ids) for ids, _ in done)])
    ids_T = np.empty(starts[-1], np.uint32)

    def copy(start: int, part: tuple[np.ndarray, np.ndarray]) -> None:
        ids_T[start : start + len(part[0])] = part[0]

    deque(share(copy, starts, done), maxlen=0)
    ends = [ends + start for (_, ends), start in zip(done, starts, strict=False)]
    return ids_T, np.concatenate(ends or [np.empty(0, np.int64)])


def _groups(texts: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The documents in runs of about GROUP bytes."""
    start = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= GROUP:
            yield texts[start : place + 1]
            start, size = place + 1, 0
    if start < len(texts):
        yield texts[start:]


# ---- Compiled ------------------------------------------------------------------------------------

DOCUMENT, PLACE, WRITTEN, NEEDED, FULL = range(5)  # of `state`
OF_ROWS, OF_IDS, OF_BYTES = range(3)  # of `used`
ZERO, ONE, TWO, THREE, FOUR = (np.uint64(n) for n in range(5))
HALF = np.uint64(32)  # where a row's number of ids begins
LENGTH = np.uint64(56)  # where the length of a short piece begins
LONG = np.uint64(0xFF << 56)  # in its place: a long piece
KIND = np.uint64(40)  # where the length of a long piece begins, of which 40 bits say where its bytes are
PLACES = np.uint64((1 << 40) - 1)
MIX1, MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
LOW = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(16)], np.uint64)
HIGH = np.array([(1 << 8 * max(n - 8, 0)) - 1 for n in range(16)], np.uint64)


def encode_documents(
    b: Any, ends_D: Any, state: Any, classes: Any, pattern: int, out: Any, id_ends_D: Any, *tables: Any
) -> int:
    """Encode from where `state` says, until all is done or room is short; returns how many ids are in `out`.

    Call it again, with WRITTEN raised by that, until DOCUMENT is the number of documents. NEEDED is the room
    that the next pieces may take, FULL whether the memory is. `tables` are the arrays of a Pairs and of a
    Memory, one by one: a short text, too, is a call, and a named tuple costs as much as ten arrays.
    """
    pairs, memory = Pairs(*tables[:8]), Memory(*tables[8:])
    ends = memory.ends
    o = 0
    d, i = state[DOCUMENT], state[PLACE]
    while d < len(ends_D):
        n = ends_D[d]
        while i < n:
            if pattern == UNSPLIT:
                ends[0] = n
                count = 1
            else:
                count = fill_ends(b, i, n, classes, pattern, ends)
            needed = ends[count - 1] - i + 4
            state[FULL] = is_full(memory)
            if o + needed > len(out) or state[FULL]:
                state[DOCUMENT], state[PLACE], state[NEEDED] = d, i, needed
                return o
            o = encode_pieces(b, i, count, pairs, memory, out, o)
            i = ends[count - 1]
        id_ends_D[d] = state[WRITTEN] + o
        d += 1
    state[DOCUMENT], state[PLACE] = d, i
    return o


def is_full(memory: Any) -> bool:
    """Whether the next pieces could fill more than half of the rows, or what is kept beside them."""
    used = memory.used
    return (
        2 * (used[OF_ROWS] + PIECES) > len(memory.rows) // 4
        or used[OF_IDS] + PIECES * KEPT > len(memory.kept_ids)
        or used[OF_BYTES] + PIECES * KEPT > len(memory.kept_bytes)
    )


def encode_pieces(b: Any, i: int, count: int, pairs: Any, memory: Any, out: Any, o: int) -> int:
    """Write the ids of `count` pieces from i on; returns the place after them."""
    rows, keys, ends, kept_ids = memory.rows, memory.keys, memory.ends, memory.kept_ids
    last = np.uint64(len(rows) - 1)
    start = i
    key = ZERO
    for p in range(count):
        end = ends[p]
        n = end - start
        if n <= KEYED:
            low = load8(b, start) & LOW[n]
            high = load8(b, start + 8) & HIGH[n] | np.uint64(n) << LENGTH
        else:
            low, high = ZERO, LONG
            if n <= KEPT:
                low, high = _hash(b, start, end), LONG | np.uint64(n) << KIND
        row = ((low ^ high * MIX2) * MIX1) >> HALF << TWO & last
        keys[key], keys[key + ONE], keys[key + TWO] = low, high, row
        fetch_soon(rows, row)
        key += FOUR
        start = end
    start = i
    key = ZERO
    for p in range(count):
        end = ends[p]
        low, high, row = keys[key], keys[key + ONE], keys[key + TWO]
        key += FOUR
        if high < LONG:
            while (rows[row] != low or rows[row + ONE] != high) and rows[row + ONE] != ZERO:
                row = row + FOUR & last
        elif high > LONG:
            row = long_row(b, start, end, low, high, row, memory)
        else:
            o = piece_ids(b, start, end, pairs, memory.symbols, memory.ranks, out, o)
            start = end
            continue
        if rows[row + ONE] == ZERO:
            o = learn(b, start, end, low, high, row, pairs, memory, out, o)
        else:
            first, rest = rows[row + TWO], rows[row + THREE]
            n_ids = np.int64(rest >> HALF)
            if n_ids <= 3:
                out[o] = np.uint32(first)
                out[o + 1] = np.uint32(first >> HALF)
                out[o + 2] = np.uint32(rest)
            else:
                for k in range(n_ids):
                    out[o + k] = kept_ids[np.int64(first) + k]
            o += n_ids
        start = end
    return o


def long_row(b: Any, i: int, e: int, low: Any, high: Any, row: Any, memory: Any) -> Any:
    """The row of a piece of 16 to KEPT bytes, or the free one where it belongs."""
    rows, last = memory.rows, np.uint64(len(memory.rows) - 1)
    while rows[row + ONE] != ZERO:
        found = rows[row + ONE]
        alike = rows[row] == low and found >> KIND == high >> KIND
        if alike and _same_bytes(b, i, e - i, memory.kept_bytes, np.int64(found & PLACES)):
            break
        row = row + FOUR & last
    return row


def learn(
    b: Any, i: int, e: int, low: Any, high: Any, row: Any, pairs: Any, memory: Any, out: Any, o: int
) -> int:
    """Work out the ids of a piece, write them, and remember them in a free row."""
    rows, used, before = memory.rows, memory.used, o
    o = piece_ids(b, i, e, pairs, memory.symbols, memory.ranks, out, o)
    n_ids = o - before
    if high >= LONG:
        at = used[OF_BYTES]
        for k in range(e - i):
            memory.kept_bytes[at + k] = b[i + k]
        used[OF_BYTES] += e - i
        high |= np.uint64(at)
    first, rest = np.uint64(out[before]), np.uint64(n_ids) << HALF
    if n_ids > 3:
        first = np.uint64(used[OF_IDS])
        for k in range(n_ids):
            memory.kept_ids[used[OF_IDS] + k] = out[before + k]
        used[OF_IDS] += n_ids
    elif n_ids > 1:
        first |= np.uint64(out[before + 1]) << HALF
        if n_ids > 2:
            rest |= np.uint64(out[before + 2])
    rows[row], rows[row + ONE] = low, high
    rows[row + TWO], rows[row + THREE] = first, rest
    used[OF_ROWS] += 1
    return o


def copy_rows(old: Any, rows: Any) -> None:
    """Put all rows of a table into a larger one that is empty."""
    last = np.uint64(len(rows) - 1)
    for at in range(0, len(old), 4):
        low, high = old[at], old[at + 1]
        if high == ZERO:
            continue
        key = high if high < LONG else high & ~PLACES
        row = ((low ^ key * MIX2) * MIX1) >> HALF << TWO & last
        while rows[row + ONE] != ZERO:
            row = row + FOUR & last
        for k in range(4):
            rows[row + np.uint64(k)] = old[at + k]


def _hash(b: Any, i: int, e: int) -> Any:
    """A word from the bytes of a piece of at least 8."""
    mixed = np.uint64(e - i) * MIX2
    k = i
    while k + 8 < e:
        mixed = (mixed ^ load8(b, k)) * MIX1
        mixed ^= mixed >> np.uint64(29)
        k += 8
    mixed = (mixed ^ load8(b, e - 8)) * MIX1
    return mixed ^ mixed >> np.uint64(32)


def _same_bytes(b: Any, i: int, n: int, kept: Any, at: int) -> bool:
    """Whether b[i : i + n] == kept[at : at + n], for n of at least 8."""
    k = 0
    while k + 8 < n:
        if load8(b, i + k) != load8(kept, at + k):
            return False
        k += 8
    return load8(b, i + n - 8) == load8(kept, at + n - 8)


COMPILED: tuple[Function, ...] = (
    encode_documents,
    encode_pieces,
    is_full,
    long_row,
    learn,
    _hash,
    _same_bytes,
    load8,
    fetch_soon,
    *PIECE_HELPERS,
    fill_ends,
    *HELPERS,
)
