"""Text to ids, compiled: split, look up, and merge only what was never seen.

Text repeats itself, so nearly every piece was met before, and encoding is looking up. A piece of up to 15
bytes is two words, the bytes and their number, and its row in the table is 32 bytes: those two words and up
to three ids with their number, written out whether they are three or not, which costs less than asking. Two
rows share a line of the processor's cache. Two passes over some hundred pieces: the first asks the memory for
all their lines, the second reads them. Pieces of 16 to 255 bytes have a table of their own, longer ones none.

    row of a short piece    bytes 0-7 | bytes 8-14 and length | id 0, id 1 | id 2, number of ids
    more than three ids     ...                               | where in kept_ids | 0, number of ids
    row of a long piece     hash | where in kept_bytes, length | where in kept_ids | number of ids

Memory is bounded: a new piece takes the place of an old one, and when what is kept beside the tables is full,
all is forgotten. What is remembered never changes an id, only when it is known.

Threads share an Encoder: each borrows a memory of its own, and the compiled code runs without the interpreter
lock. 64 MB a thread, of which the operating system gives what is used.

Letters: N bytes, D documents, T ids.
Next:    fast_decode.py.
"""
# mypy: disable-error-code="assignment,arg-type,return-value"
# In compiled code np.int64 and np.uint64 are what int is elsewhere.

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
PIECES = 512  # looked up together: their keys fit the first-level cache beside the text
UNSPLIT = -1  # instead of a pattern: each document is one piece

SHORT_ROWS, LONG_ROWS = 1 << 20, 1 << 17  # 32 MB and 4 MB
KEPT_IDS, KEPT_BYTES = 1 << 21, 1 << 23
KEYED, KEPT = 15, 255  # bytes: the longest piece with a key of two words, and the longest that is remembered


class Memory(NamedTuple):
    """What one thread remembers, and its scratch."""

    short: np.ndarray  # uint64, 4 words a row
    long: np.ndarray  # uint64, 4 words a row
    kept_ids: np.ndarray  # uint32
    kept_bytes: np.ndarray  # uint8
    used: np.ndarray  # int64 [2]: of kept_ids, of kept_bytes
    keys: np.ndarray  # uint64 [3, PIECES]: two words and the slot of each piece
    ends: np.ndarray  # int64 [PIECES]
    symbols: np.ndarray  # uint32 [SHORT]
    ranks: np.ndarray  # uint32 [SHORT]


def new_memory() -> Memory:
    return Memory(
        short=np.zeros(4 * SHORT_ROWS, np.uint64),
        long=np.zeros(4 * LONG_ROWS, np.uint64),
        kept_ids=np.empty(KEPT_IDS, np.uint32),
        kept_bytes=np.empty(KEPT_BYTES, np.uint8),
        used=np.zeros(2, np.int64),
        keys=np.empty((3, PIECES), np.uint64),
        ends=np.empty(PIECES, np.int64),
        symbols=np.empty(SHORT, np.uint32),
        ranks=np.empty(SHORT, np.uint32),
    )


class Encoder:
    """A vocabulary and a pattern, ready to encode. `pattern` is a key of CODES, or None for no split."""

    def __init__(self, pairs: Pairs, pattern: str | None):
        self._pairs = pairs
        self._code = UNSPLIT if pattern is None else CODES[pattern]
        self._encode = compiled(*COMPILED)
        self._memories: list[tuple[Memory, np.ndarray]] = []  # not in use now

    def documents(self, texts: Sequence[bytes], *, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """(ids_T, ends_D): all ids as uint32, and where each document's ids end, as int64."""
        groups = list(_groups(texts))
        if threads > 1 and len(groups) > 1:
            with ThreadPoolExecutor(min(threads, len(groups))) as pool:
                done = list(pool.map(self._group, groups))
        else:
            done = [self._group(group) for group in groups]
        if len(done) == 1:
            return done[0]
        starts = np.cumsum([0, *(len(ids) for ids, _ in done)])
        ends = [ends + start for (_, ends), start in zip(done, starts, strict=False)]
        none: tuple[list[np.ndarray], list[np.ndarray]] = ([np.empty(0, np.uint32)], [np.empty(0, np.int64)])
        return np.concatenate([ids for ids, _ in done] or none[0]), np.concatenate(ends or none[1])

    def _group(self, texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        text_N = np.frombuffer(b"".join((*texts, PADDING)), np.uint8)
        ends_D = np.cumsum([len(text) for text in texts])
        id_ends_D = np.empty(len(texts), np.int64)
        state = np.zeros(4, np.int64)
        memory, out = self._borrow()
        parts = []
        while True:
            count = self._encode(
                text_N, ends_D, state, class_table(), self._code, self._pairs, memory, out, id_ends_D
            )
            parts.append(out[:count].copy())
            if state[DOCUMENT] == len(texts):
                break
            state[WRITTEN] += count
            if state[NEEDED] > len(out):
                out = np.empty(state[NEEDED], np.uint32)
        self._memories.append((memory, out if len(out) == ROOM else np.empty(ROOM, np.uint32)))
        return (parts[0] if len(parts) == 1 else np.concatenate(parts)), id_ends_D

    def _borrow(self) -> tuple[Memory, np.ndarray]:
        try:
            return self._memories.pop()
        except IndexError:
            return new_memory(), np.empty(ROOM, np.uint32)

    def forget(self) -> None:
        """Drop what was remembered, and give its memory back: the next call is as the first."""
        self._memories.clear()


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

DOCUMENT, PLACE, WRITTEN, NEEDED = range(4)  # of `state`
BYTE = np.uint64(8)
COUNT = np.uint64(32)  # where a row's number of ids begins
LENGTH = np.uint64(56)  # where a key's length begins
MIX1, MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
LOW = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(16)], np.uint64)
HIGH = np.array([(1 << 8 * max(n - 8, 0)) - 1 for n in range(16)], np.uint64)
LOW32 = np.uint64(0xFFFFFFFF)


def encode_documents(
    b: Any,
    ends_D: Any,
    state: Any,
    classes: Any,
    pattern: int,
    pairs: Any,
    memory: Any,
    out: Any,
    id_ends_D: Any,
) -> int:
    """Encode from where `state` says, until all is done or `out` is full; returns how many ids are in `out`.

    Call it again, with WRITTEN raised by that, until DOCUMENT is the number of documents. NEEDED is the room
    that the next pieces may take.
    """
    o = 0
    d, i = state[DOCUMENT], state[PLACE]
    while d < len(ends_D):
        n = ends_D[d]
        while i < n:
            if pattern == UNSPLIT:
                memory.ends[0] = n
                count = 1
            else:
                count = fill_ends(b, i, n, classes, pattern, memory.ends)
            needed = memory.ends[count - 1] - i + 4
            if o + needed > len(out):
                state[DOCUMENT], state[PLACE], state[NEEDED] = d, i, needed
                return o
            o = encode_pieces(b, i, count, pairs, memory, out, o)
            i = memory.ends[count - 1]
        id_ends_D[d] = state[WRITTEN] + o
        d += 1
    state[DOCUMENT], state[PLACE] = d, i
    return o


def encode_pieces(b: Any, i: int, count: int, pairs: Any, memory: Any, out: Any, o: int) -> int:
    """Write the ids of `count` pieces from i on; returns the place after them."""
    keys, ends, short = memory.keys, memory.ends, memory.short
    buckets = np.uint64(len(short) // 8 - 1)
    start = i
    for p in range(count):
        end = ends[p]
        n = end - start
        if n <= KEYED:
            low = load8(b, start) & LOW[n]
            high = load8(b, start + 8) & HIGH[n] | np.uint64(n) << LENGTH
            slot = (((low ^ high * MIX2) * MIX1) >> np.uint64(32) & buckets) << np.uint64(3)
            keys[0, p], keys[1, p], keys[2, p] = low, high, slot
            fetch_soon(short, slot)
        elif n <= KEPT:
            keys[0, p] = _hash(b, start, end)
            fetch_soon(memory.long, keys[0, p] & np.uint64(len(memory.long) // 4 - 1) << np.uint64(2))
        start = end
    start = i
    for p in range(count):
        end = ends[p]
        if end - start <= KEYED:
            low, high, row = keys[0, p], keys[1, p], keys[2, p]
            if short[row] != low or short[row + np.uint64(1)] != high:
                row += np.uint64(4)
                if short[row] != low or short[row + np.uint64(1)] != high:
                    before = o
                    o = piece_ids(b, start, end, pairs, memory.symbols, memory.ranks, out, o)
                    _remember_short(memory, low, high, row - np.uint64(4), out, before, o)
                    start = end
                    continue
            first, rest = short[row + np.uint64(2)], short[row + np.uint64(3)]
            n_ids = np.int64(rest >> COUNT)
            if n_ids <= 3:
                out[o] = np.uint32(first & LOW32)
                out[o + 1] = np.uint32(first >> COUNT)
                out[o + 2] = np.uint32(rest & LOW32)
            else:
                kept = np.int64(first)
                for k in range(n_ids):
                    out[o + k] = memory.kept_ids[kept + k]
            o += n_ids
        elif end - start <= KEPT:
            o = _long_ids(b, start, end, keys[0, p], pairs, memory, out, o)
        else:
            o = piece_ids(b, start, end, pairs, memory.symbols, memory.ranks, out, o)
        start = end
    return o


def _remember_short(memory: Any, low: Any, high: Any, row: Any, out: Any, before: int, o: int) -> None:
    """Put a piece into the first row of its bucket, what was there into the second."""
    short, n_ids = memory.short, o - before
    first, rest = np.uint64(0), np.uint64(n_ids) << COUNT
    if n_ids <= 3:
        first = np.uint64(out[before])
        if n_ids > 1:
            first |= np.uint64(out[before + 1]) << COUNT
        if n_ids > 2:
            rest |= np.uint64(out[before + 2])
    else:
        if memory.used[0] + n_ids > len(memory.kept_ids):
            _forget(memory)
        first = np.uint64(memory.used[0])
        for k in range(n_ids):
            memory.kept_ids[memory.used[0] + k] = out[before + k]
        memory.used[0] += n_ids
    for k in range(np.uint64(4)):
        short[row + np.uint64(4) + k] = short[row + k]
    short[row], short[row + np.uint64(1)] = low, high
    short[row + np.uint64(2)], short[row + np.uint64(3)] = first, rest


def _long_ids(b: Any, i: int, e: int, mixed: Any, pairs: Any, memory: Any, out: Any, o: int) -> int:
    """The ids of a piece of 16 to 255 bytes, remembered by its hash and compared byte by byte."""
    rows, n = memory.long, e - i
    row = mixed & np.uint64(len(rows) // 4 - 1) << np.uint64(2)
    where = rows[row + np.uint64(1)]
    known = rows[row] == mixed and np.int64(where & np.uint64(KEPT)) == n
    if known and _same_bytes(b, i, n, memory.kept_bytes, np.int64(where >> BYTE)):
        kept, n_ids = np.int64(rows[row + np.uint64(2)]), np.int64(rows[row + np.uint64(3)])
        for k in range(n_ids):
            out[o + k] = memory.kept_ids[kept + k]
        return o + n_ids
    before = o
    o = piece_ids(b, i, e, pairs, memory.symbols, memory.ranks, out, o)
    n_ids = o - before
    if memory.used[0] + n_ids > len(memory.kept_ids) or memory.used[1] + n > len(memory.kept_bytes):
        _forget(memory)
    for k in range(n):
        memory.kept_bytes[memory.used[1] + k] = b[i + k]
    for k in range(n_ids):
        memory.kept_ids[memory.used[0] + k] = out[before + k]
    rows[row], rows[row + np.uint64(1)] = mixed, np.uint64(memory.used[1]) << BYTE | np.uint64(n)
    rows[row + np.uint64(2)], rows[row + np.uint64(3)] = np.uint64(memory.used[0]), np.uint64(n_ids)
    memory.used[0] += n_ids
    memory.used[1] += n
    return o


def _forget(memory: Any) -> None:
    memory.short[:] = 0
    memory.long[:] = 0
    memory.used[:] = 0


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
    _long_ids,
    _remember_short,
    _forget,
    _hash,
    _same_bytes,
    load8,
    fetch_soon,
    *PIECE_HELPERS,
    fill_ends,
    *HELPERS,
)
