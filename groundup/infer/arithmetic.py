"""Arithmetic coding: symbols and their probabilities to a number between 0 and 1, and back.

Begin with the interval [0, 1). Each symbol takes its share of it, as wide as the symbol is probable; any
number in the last interval names the whole sequence. The interval's width is the product of the
probabilities, so writing the number takes -log2 of that many bits: the surprise, to within one byte in all.

    P(a) = 3/4, P(b) = 1/4      "ab": [0, 1) -> a: [0, 0.75) -> b: [0.5625, 0.75)
    0.101 in binary is 0.625, which lies in it: 3 bits, for a surprise of -log2(0.1875) = 2.4

Real numbers would need ever more digits. Here the interval is kept as two integers, `low` and `width`, below
2^64; as soon as its top byte cannot matter to the width any more it is written and both are shifted. A sum
that overflows carries into the bytes already written, as in addition by hand.

Probabilities are whole numbers: a symbol is [start, start + size) of total. Both sides must pass the same
ones in the same order; a decoder that was passed others goes on without noticing, and gives nonsense.

Source: Rissanen 1976; Martin 1979 (range encoding, byte by byte); Witten, Neal & Cleary 1987, CACM 30(6), for
        the whole idea of a model beside a coder.
Next:   compression.py, whose probabilities are a language model's.
"""

from __future__ import annotations

WHOLE = 1 << 64  # the interval at first, and what `low` stays below
SHIFT_BELOW = 1 << 56  # a narrower interval than this has a byte that is settled
MOST_TOTAL = 1 << 40  # of the frequencies: leaves 2^16 steps of width for the rarest symbol


class Encoder:
    """Symbols in, bytes out.

    >>> encoder = Encoder()
    >>> for start, size in [(0, 3), (3, 1)]:  # "ab" of the example above
    ...     encoder.encode(start, size, 4)
    >>> encoder.finish().hex()
    '90'
    """

    def __init__(self) -> None:
        self._low, self._width = 0, WHOLE
        self._out = bytearray()

    def encode(self, start: int, size: int, total: int) -> None:
        """The symbol that has [start, start + size) of `total`. Raises ValueError for an empty share."""
        _check(start, size, total)
        step = self._width // total
        self._low += start * step
        self._width = size * step
        if self._low >= WHOLE:
            self._low -= WHOLE
            self._carry()
        while self._width < SHIFT_BELOW:
            self._out.append(self._low >> 56)
            self._low = self._low << 8 & (WHOLE - 1)
            self._width <<= 8

    def finish(self) -> bytes:
        """All bytes: those written, and the fewest more that name a number within the interval."""
        for count in range(9):
            unit = 1 << (64 - 8 * count)
            number = -(-self._low // unit) * unit  # the first multiple of `unit` that is not below
            if number < self._low + self._width:
                break
        if number >= WHOLE:
            number -= WHOLE
            self._carry()
        return bytes(self._out) + (number >> (64 - 8 * count)).to_bytes(count, "big")

    def _carry(self) -> None:
        place = len(self._out) - 1
        while self._out[place] == 255:
            self._out[place] = 0
            place -= 1
        self._out[place] += 1  # never before the first byte: the interval lies within [0, 1)


class Decoder:
    """Bytes in, symbols out: ask where in the total the next one lies, find it, and say which it was.

    >>> decoder = Decoder(bytes.fromhex("90"))
    >>> decoder.place(4); decoder.take(0, 3, 4)  # within [0, 3): an a
    2
    >>> decoder.place(4); decoder.take(3, 1, 4)  # a b
    3
    """

    def __init__(self, data: bytes):
        self._data, self._next = data, 8
        self._above = int.from_bytes(data[:8].ljust(8, b"\0"), "big")  # the number, less the interval's low
        self._width = WHOLE

    def place(self, total: int) -> int:
        """Where in 0 .. total - 1 the next symbol lies."""
        return min(self._above // (self._width // total), total - 1)

    def take(self, start: int, size: int, total: int) -> None:
        """The next symbol was [start, start + size): go on behind it."""
        _check(start, size, total)
        step = self._width // total
        self._above -= start * step
        self._width = size * step
        while self._width < SHIFT_BELOW:
            new = self._data[self._next] if self._next < len(self._data) else 0  # the end was cut: zeros
            self._above = self._above << 8 | new
            self._width <<= 8
            self._next += 1


def _check(start: int, size: int, total: int) -> None:
    if not (0 <= start < start + size <= total <= MOST_TOTAL):
        raise ValueError(
            f"[{start}, {start + size}) of {total} is no share. A symbol needs a size of 1 or more, within a "
            f"total of at most {MOST_TOTAL}."
        )
