r"""Which different pieces a corpus has, and how often each occurs: the first half of training, compiled.

The text comes in blocks and is not kept: memory grows with the different pieces, not with the text. A piece
of up to 15 bytes, and nearly all are, is two words, so that one row of a hash table holds all of it:

    LOW    bytes 0 to 7, little-endian, 0 beyond the end        HIGH   bytes 8 to 14, and the length on top
    TIMES  how often it occurs

A longer piece has a hash in LOW, LONG and its number in HIGH, and its bytes elsewhere. Rows are fetched from
memory some hundred pieces ahead: waiting for memory is most of the work.

Letters: N bytes, D documents of a block, E pieces at a time, R rows, W different pieces.
Next:    fast_merge.py.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from groundup.tokenizer.fast_char import CODES
from groundup.tokenizer.fast_compile import Function, compiled
from groundup.tokenizer.fast_split import HELPERS, fill_ends
from groundup.tokenizer.fast_words import fetch_soon, load8
from groundup.tokenizer.unicode_classes import class_table

LOW, HIGH, TIMES = range(3)  # columns of table_R4; the fourth makes a row half a cache line
DOCUMENT, BYTE, PIECES, LONG_PIECES, LONG_BYTES = range(5)  # of `at`: where we are, and what is in use
SPARE = 64  # bytes after a block that may be read, and change nothing
AT_ONCE = 512  # pieces between two looks at whether there is room
FIRST_ROWS = 1 << 12

ZERO, ONE, LONG = np.uint64(0), np.uint64(1), np.uint64(0xFF << 56)
LENGTH_AT, HALF, NUMBER = np.uint64(56), np.uint64(32), np.uint64((1 << 56) - 1)
BYTE_BITS = np.uint64(0xFF)
MIX_LOW, MIX_HIGH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # odd, well mixed bits
FIRST_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)  # a word's first n bytes


class Pieces(NamedTuple):
    """Different pieces and how often each occurs. Piece w is bytes_N[ends_W[w - 1] : ends_W[w]]."""

    bytes_N: np.ndarray
    ends_W: np.ndarray
    times_W: np.ndarray

    @classmethod
    def of(cls, counts: Mapping[bytes, int]) -> "Pieces":
        """
        >>> Pieces.of({b"ab": 3, b"c": 1}).ends_W
        array([2, 3])
        """
        joined = np.frombuffer(b"".join(counts), np.uint8)
        ends_W = np.cumsum([len(piece) for piece in counts], dtype=np.int64)
        return cls(joined, ends_W, np.array(list(counts.values()), np.int64))


class PieceCounter:
    """Counts the pieces of one named split pattern; one thread at a time."""

    def __init__(self, pattern: str, rows: int = FIRST_ROWS):
        self.code = CODES[pattern]
        self.table_R4 = np.zeros((rows, 4), np.uint64)
        self.long_bytes = np.empty(1 << 12, np.uint8)
        self.long_ends = np.empty(1 << 8, np.int64)
        self.at = np.zeros(5, np.int64)
        self._count = compiled(count_block, *COUNT_HELPERS)  # here, where there is one thread yet

    def add(self, documents: Iterable[bytes]) -> None:
        """Count the pieces of some documents of UTF-8; best a megabyte of them together."""
        documents = list(documents)
        ends_D = np.cumsum([len(document) for document in documents], dtype=np.int64)
        text_N = np.frombuffer(b"".join([*documents, bytes(SPARE)]), np.uint8)
        self._make_room_for_long(len(text_N))
        self.at[DOCUMENT] = self.at[BYTE] = 0
        ends_E, rows_E = np.empty(AT_ONCE, np.int64), np.empty(AT_ONCE, np.int64)
        while self.at[DOCUMENT] < len(ends_D):
            self._make_room(AT_ONCE)
            self._count(text_N, ends_D, class_table(), self.code, ends_E, rows_E, self.table_R4,
                        self.long_bytes, self.long_ends, self.at)  # fmt: skip

    def add_counter(self, other: "PieceCounter") -> None:
        """Count again what another counter has counted."""
        self._make_room(int(other.at[PIECES]))
        self._make_room_for_long(int(other.at[LONG_BYTES]))
        compiled(count_again, *COUNT_HELPERS)(
            other.table_R4, other.long_bytes, other.long_ends, self.table_R4, self.long_bytes,
            self.long_ends, self.at,
        )  # fmt: skip

    def pieces(self) -> "Pieces":
        """All that was counted."""
        counted = self.table_R4[:, HIGH]
        n_bytes = int((counted[(counted > ZERO) & (counted < LONG)] >> LENGTH_AT).sum() + self.at[LONG_BYTES])
        pieces = Pieces(*(np.empty(n, kind) for n, kind in
                          ((n_bytes, np.uint8), (len(self), np.int64), (len(self), np.int64))))  # fmt: skip
        compiled(write_out)(self.table_R4, self.long_bytes, self.long_ends, *pieces)
        return pieces

    def __len__(self) -> int:
        return int(self.at[PIECES])

    def _make_room(self, pieces: int) -> None:
        """A table that is at most half full after so many new pieces."""
        rows = len(self.table_R4)
        while 2 * (len(self) + pieces) > rows:
            rows *= 2
        if rows > len(self.table_R4):
            table_R4 = np.zeros((rows, 4), np.uint64)
            compiled(spread, *COUNT_HELPERS)(self.table_R4, table_R4)
            self.table_R4 = table_R4

    def _make_room_for_long(self, n_bytes: int) -> None:
        self.long_bytes = with_room(self.long_bytes, int(self.at[LONG_BYTES]), n_bytes + SPARE)
        self.long_ends = with_room(self.long_ends, int(self.at[LONG_PIECES]), n_bytes // 16 + 1)


def with_room(array: np.ndarray, used: int, more: int) -> np.ndarray:
    """The array, or a copy of what is in use that has room for so many more, and for as many again."""
    if used + more <= len(array):
        return array
    larger = np.empty(2 * (used + more), array.dtype)
    larger[:used] = array[:used]
    return larger


# ---- Compiled --------------------------------------------------------------------------------------


def count_block(text_N: Any, ends_D: Any, classes: Any, pattern: int, ends_E: Any, rows_E: Any, table_R4: Any,
                long_bytes: Any, long_ends: Any, at: Any) -> None:  # fmt: skip
    """Count from where `at` stands until the block is done or the table may become more than half full."""
    while at[DOCUMENT] < len(ends_D):
        begin, end = at[BYTE], ends_D[at[DOCUMENT]]
        if begin == end:
            at[DOCUMENT] += 1
            continue
        if 2 * (at[PIECES] + len(ends_E)) > len(table_R4):
            return
        found = fill_ends(text_N, begin, end, classes, pattern, ends_E)
        i = begin
        for k in range(found):
            j = ends_E[k]
            if j - i <= 15:
                rows_E[k] = home(low_word(text_N, i, j), high_word(text_N, i, j), len(table_R4))
                fetch_soon(table_R4, 4 * rows_E[k])
            i = j
        i = begin
        for k in range(found):
            j = ends_E[k]
            if j - i <= 15:
                low, high = low_word(text_N, i, j), high_word(text_N, i, j)
                count_short(table_R4, rows_E[k], low, high, ONE, at)
            else:
                count_long(table_R4, long_bytes, long_ends, text_N, i, j, ONE, at)
            i = j
        at[BYTE] = i


def count_again(other_R4: Any, other_bytes: Any, other_ends: Any, table_R4: Any, long_bytes: Any,
                long_ends: Any, at: Any) -> None:  # fmt: skip
    """Add the counts of another table; there must be room."""
    for row in range(len(other_R4)):
        low, high, times = other_R4[row, LOW], other_R4[row, HIGH], other_R4[row, TIMES]
        if high >= LONG:
            number = np.int64(high & NUMBER)
            begin = other_ends[number - 1] if number > 0 else 0
            count_long(table_R4, long_bytes, long_ends, other_bytes, begin, other_ends[number], times, at)
        elif high > ZERO:
            count_short(table_R4, home(low, high, len(table_R4)), low, high, times, at)


def spread(old_R4: Any, table_R4: Any) -> None:
    """Put all rows of a table into a larger one, which is empty."""
    for old in range(len(old_R4)):
        low, high = old_R4[old, LOW], old_R4[old, HIGH]
        if high > ZERO:
            row = home(low, LONG if high >= LONG else high, len(table_R4))
            while table_R4[row, HIGH] > ZERO:
                row = (row + 1) & (len(table_R4) - 1)
            table_R4[row, LOW], table_R4[row, HIGH] = low, high
            table_R4[row, TIMES] = old_R4[old, TIMES]


def count_short(table_R4: Any, row: int, low: Any, high: Any, times: Any, at: Any) -> None:
    """Count a piece of up to 15 bytes; `row` is its home."""
    while table_R4[row, LOW] != low or table_R4[row, HIGH] != high:
        if table_R4[row, HIGH] == ZERO:
            table_R4[row, LOW], table_R4[row, HIGH] = low, high
            at[PIECES] += 1
            break
        row = (row + 1) & (len(table_R4) - 1)
    table_R4[row, TIMES] += times


def count_long(table_R4: Any, long_bytes: Any, long_ends: Any, b: Any, i: int, j: int, times: Any,
               at: Any) -> None:  # fmt: skip
    """Count b[i:j], 16 bytes or more."""
    hashed = hash_of(b, i, j)
    row = home(hashed, LONG, len(table_R4))
    while table_R4[row, HIGH] > ZERO:
        if table_R4[row, HIGH] >= LONG and table_R4[row, LOW] == hashed:
            number = np.int64(table_R4[row, HIGH] & NUMBER)
            begin = long_ends[number - 1] if number > 0 else 0
            if long_ends[number] - begin == j - i and equal(long_bytes, begin, b, i, j - i):
                table_R4[row, TIMES] += times
                return
        row = (row + 1) & (len(table_R4) - 1)
    begin = at[LONG_BYTES]
    for k in range(j - i):
        long_bytes[begin + k] = b[i + k]
    at[LONG_BYTES] += j - i
    long_ends[at[LONG_PIECES]] = at[LONG_BYTES]
    table_R4[row, LOW], table_R4[row, HIGH] = hashed, LONG | np.uint64(at[LONG_PIECES])
    table_R4[row, TIMES] = times
    at[LONG_PIECES] += 1
    at[PIECES] += 1


def write_out(
    table_R4: Any, long_bytes: Any, long_ends: Any, bytes_N: Any, ends_W: Any, times_W: Any
) -> None:
    """All pieces of a table, one after the other."""
    at = w = 0
    for row in range(len(table_R4)):
        low, high = table_R4[row, LOW], table_R4[row, HIGH]
        if high >= LONG:
            number = np.int64(high & NUMBER)
            for k in range(long_ends[number - 1] if number > 0 else 0, long_ends[number]):
                bytes_N[at] = long_bytes[k]
                at += 1
        elif high > ZERO:
            for k in range(np.int64(high >> LENGTH_AT)):
                bytes_N[at] = (
                    low >> np.uint64(8 * k) if k < 8 else high >> np.uint64(8 * k - 64)
                ) & BYTE_BITS
                at += 1
        else:
            continue
        ends_W[w], times_W[w] = at, np.int64(table_R4[row, TIMES])
        w += 1


def low_word(b: Any, i: int, j: int) -> Any:
    """The first eight bytes of b[i:j]."""
    return load8(b, i) & FIRST_BYTES[min(8, j - i)]


def high_word(b: Any, i: int, j: int) -> Any:
    """The other bytes of b[i:j], at most 15, and its length."""
    return load8(b, i + 8) & FIRST_BYTES[max(0, j - i - 8)] | np.uint64(j - i) << LENGTH_AT


def home(low: Any, high: Any, rows: int) -> Any:
    """The row where a piece belongs, if nobody else is there."""
    mixed = low * MIX_LOW ^ high * MIX_HIGH
    mixed = (mixed ^ mixed >> HALF) * MIX_LOW
    return np.int64(mixed >> HALF) & (rows - 1)


def hash_of(b: Any, i: int, j: int) -> Any:
    """A word that depends on all bytes of b[i:j], eight at a time."""
    hashed = np.uint64(j - i)
    while i < j:
        hashed = (hashed ^ load8(b, i) & FIRST_BYTES[min(8, j - i)]) * MIX_LOW
        hashed ^= hashed >> HALF
        i += 8
    return hashed


def equal(a: Any, i: int, b: Any, j: int, length: int) -> bool:
    """Whether a[i : i + length] and b[j : j + length] are the same bytes."""
    for k in range(0, length, 8):
        first = FIRST_BYTES[min(8, length - k)]
        if load8(a, i + k) & first != load8(b, j + k) & first:
            return False
    return True


COUNT_HELPERS: tuple[Function, ...] = (
    count_short, count_long, low_word, high_word, home, hash_of, equal, load8, fetch_soon, fill_ends, *HELPERS
)  # fmt: skip
