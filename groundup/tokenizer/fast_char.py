"""One character of UTF-8, and short runs of them: what the compiled splitter reads text with.

`_char` also decides what is not UTF-8: such a byte is a character of its own, of class OTHER, so it is split
like punctuation. Python's decoder with "surrogateescape" draws the same line, byte for byte.

Source: RFC 3629, section 4, for what is UTF-8.
Next:   fast_split.py.
"""
# mypy: disable-error-code="assignment,arg-type,return-value"
# In compiled code np.int64 and np.uint64 are what int is elsewhere.

from typing import Any

from groundup.tokenizer.unicode_classes import LETTER, LOWER, MARK, NEWLINE, NUMBER, OTHER, SPACE, UPPER

GPT2, CL100K, O200K, DIGITS = range(4)
CODES = {"gpt2": GPT2, "cl100k": CL100K, "o200k": O200K, "digits": DIGITS}

# Sets of classes, one bit each.
CASELESS = 1 << LETTER | 1 << MARK  # o200k puts these with capitals and with small letters
CAPITALS = 1 << UPPER | CASELESS
SMALL = 1 << LOWER | CASELESS
LETTERS = 1 << UPPER | 1 << LOWER | 1 << LETTER
NUMBERS = 1 << NUMBER
WHITE = 1 << SPACE | 1 << NEWLINE
OTHERS = 1 << OTHER | 1 << MARK

BLANK, APOSTROPHE, SLASH, LINE_FEED, RETURN = 0x20, 0x27, 0x2F, 0x0A, 0x0D


def _char(b: Any, i: int, n: int, classes: Any) -> int:
    """class << 3 | length in bytes of the character at i < n.

    The ranges are those of UTF-8 (RFC 3629): no longer writings of a smaller number, no surrogates, nothing
    over U+10FFFF. Whatever does not fit is one byte of class OTHER.
    """
    lead = int(b[i])
    point = 0
    length = 1
    if lead < 0x80:
        point = lead
    elif lead < 0xE0:
        if lead >= 0xC2 and i + 1 < n and b[i + 1] & 0xC0 == 0x80:
            point = (lead & 0x1F) << 6 | b[i + 1] & 0x3F
            length = 2
    elif lead < 0xF0:
        if i + 2 < n and b[i + 1] & 0xC0 == 0x80 and b[i + 2] & 0xC0 == 0x80:
            found = (lead & 0x0F) << 12 | (b[i + 1] & 0x3F) << 6 | b[i + 2] & 0x3F
            if found >= 0x800 and not 0xD800 <= found < 0xE000:
                point = found
                length = 3
    elif lead < 0xF5 and i + 3 < n and b[i + 1] & 0xC0 == b[i + 2] & 0xC0 == b[i + 3] & 0xC0 == 0x80:
        found = (lead & 7) << 18 | (b[i + 1] & 0x3F) << 12 | (b[i + 2] & 0x3F) << 6 | b[i + 3] & 0x3F
        if 0x10000 <= found < 0x110000:
            point = found
            length = 4
    return int(classes[point]) << 3 | length


def run_end(b: Any, i: int, n: int, classes: Any, kinds: int) -> int:
    """Where the run of characters whose class is in `kinds` ends."""
    while i < n:
        char = _char(b, i, n, classes)
        if not kinds >> (char >> 3) & 1:
            break
        i += char & 7
    return i


def numbers_end(b: Any, i: int, n: int, classes: Any) -> int:
    r"""The end of \p{N}{1,3} whose first character ends at i."""
    for _ in range(2):
        if i < n:
            char = _char(b, i, n, classes)
            if char >> 3 == NUMBER:
                i += char & 7
    return i


def contraction(b: Any, i: int, n: int, any_case: bool) -> int:
    """How many bytes an English ending such as 's or 'll at i has, 0 if there is none."""
    if i + 1 >= n or b[i] != APOSTROPHE:
        return 0
    fold = 0x20 if any_case else 0  # capital letters lack this bit
    one = b[i + 1] | fold
    if one == 0x73 or one == 0x74 or one == 0x6D or one == 0x64:  # s t m d
        return 2
    if i + 2 >= n:
        return 0
    two = b[i + 2] | fold
    if (two == 0x65 and (one == 0x72 or one == 0x76)) or (one == 0x6C and two == 0x6C):  # re ve ll
        return 3
    return 3 if any_case and b[i + 1] == 0xC5 and b[i + 2] == 0xBF else 0  # U+017F, long s, is an s too


CHAR_HELPERS = (_char, run_end, numbers_end, contraction)
