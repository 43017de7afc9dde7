r"""Places where a text can be cut without changing its pieces, so that parts can be encoded one by one.

A piece begins there under every named pattern, whatever comes before and after:

- at a blank or tab that follows an ASCII character which is not white space: no alternative goes from one
  into white space, but for newlines after punctuation;
- after a newline with an ASCII character before it, if what follows is ASCII and neither white space nor a
  slash: nothing that begins with a newline goes on (o200k lets punctuation eat newlines and slashes);
- at a symbol, not an apostrophe or a combining mark, that follows a letter: the word ends there, and only an
  apostrophe could belong to it. So Chinese can be cut too, at its punctuation.

A text with none of these, say a gigabyte of one letter, is one part.

Next: fast_encode.py.
"""

from collections.abc import Iterator
from pathlib import Path

from groundup.base.errors import DataError
from groundup.tokenizer.unicode_classes import LETTER, LOWER, OTHER, UPPER, class_of

NEAR = 4_096  # bytes before the wanted place that are looked at first


def cut(data: bytes, pattern: str | None, size: int) -> list[bytes]:
    """The text in parts of about `size` bytes, which encoded one by one give the ids of the whole.

    `pattern` is the name of one; under None, which splits nothing, the text is one part.

    >>> cut(b"one two three four", "gpt2", 8)
    [b'one two', b' three', b' four']
    """
    parts, start = [], 0
    while pattern is not None and len(data) - start > size:
        place = last_cut(data, max(start + 1, start + size - NEAR), start + size)
        if place < 0:
            place = first_cut(data, start + size)
        if place < 0:
            break
        parts.append(data[start:place])
        start = place
    parts.append(data[start:])
    return parts


def last_cut(data: bytes, low: int, high: int) -> int:
    """The last place in [low, high) where a piece begins for certain, -1 if there is none."""
    for place in range(high - 1, low - 1, -1):
        if begins(data, place):
            return place
    return -1


def first_cut(data: bytes, low: int) -> int:
    """The first such place from `low` on, -1 if there is none."""
    for place in range(low, len(data) - 1):
        if begins(data, place):
            return place
    return -1


def begins(data: bytes, place: int) -> bool:
    """Whether a piece begins at 0 < place < len(data) - 1 for certain."""
    here, before = data[place], data[place - 1]
    if here in b" \t":
        return 0x20 < before < 0x7F
    if before == 0x0A:
        return 0x20 < here < 0x7F and here != 0x2F and place > 1 and 0x20 < data[place - 2] < 0x7F
    symbol = _character(data, place)
    if symbol is None or symbol == "'" or class_of(symbol) != OTHER:
        return False
    start = place - 1
    while start > 0 and place - start < 4 and data[start] & 0xC0 == 0x80:
        start -= 1
    letter = _character(data, start)
    whole = letter is not None and start + len(letter.encode()) == place
    return whole and class_of(str(letter)) in (UPPER, LOWER, LETTER)


def _character(data: bytes, place: int) -> str | None:
    """The character that begins there, if one does and it is UTF-8."""
    lead = data[place]
    length = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    try:
        found = data[place : place + length].decode("utf-8")
    except UnicodeDecodeError:
        return None
    return found if len(found) == 1 else None


def blocks(path: str | Path, pattern: str | None, size: int) -> Iterator[bytes]:
    """The bytes of a file in parts like those of `cut`, with about twice `size` in memory at a time
    (more where a stretch of that length has no place to cut).

    Under None the file is read whole. DataError if it cannot be opened.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed by the `with` below
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Give the path of a text file.") from None
    with file:
        held = b"" if pattern else file.read()
        seen = 1  # no piece is known to begin before this place of `held`, or it would have been cut there
        while more := file.read(size):
            held += more
            end = len(held) - 8  # what the last bytes are is only known with the next
            place = last_cut(held, seen, end)
            seen = max(seen, end)
            if place > 0:
                yield held[:place]
                held, seen = held[place:], 1
    if held:
        yield held
