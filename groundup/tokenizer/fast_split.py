r"""The split patterns as compiled code over UTF-8 bytes: the same pieces as patterns.py, without an engine.

A regular expression engine tries alternatives; these four patterns never need to. The class of the first one
or two characters says which alternative it will be, and a run of one class where it ends. `piece_end` is that
transcription, alternative by alternative, and reads characters with `_char`, which also decides what is not
UTF-8: such a byte is a character of its own, of class OTHER, as in `BytePairTokenizer.encode_bytes`.

    piece_ends(b"Hello world!", "gpt2")  ->  [5, 11, 12]

For compiled code of others: `fill_ends` fills a small buffer and can be called again, so that pieces need not
be kept; `filler()` is it compiled, and `HELPERS` is what `compiled` needs to compile code that calls it.

Letters: N bytes of text, P pieces.
Next:    fast_encode.py.
"""

import functools
from typing import Any

import numpy as np

from groundup.base.errors import TokenizerError, suggest
from groundup.tokenizer.fast_compile import Function, compiled
from groundup.tokenizer.unicode_classes import (
    LETTER,
    LOWER,
    MARK,
    NEWLINE,
    NUMBER,
    OTHER,
    SPACE,
    UPPER,
    class_table,
)

GPT2, CL100K, O200K, DIGITS = range(4)
CODES = {"gpt2": GPT2, "cl100k": CL100K, "o200k": O200K, "digits": DIGITS}

BUFFER = 1 << 16  # ends that `piece_ends` asks for at a time

# Sets of classes, one bit each.
CASELESS = 1 << LETTER | 1 << MARK  # o200k puts these with capitals and with small letters
CAPITALS = 1 << UPPER | CASELESS
SMALL = 1 << LOWER | CASELESS
LETTERS = 1 << UPPER | 1 << LOWER | 1 << LETTER
NUMBERS = 1 << NUMBER
WHITE = 1 << SPACE | 1 << NEWLINE
OTHERS = 1 << OTHER | 1 << MARK

BLANK, APOSTROPHE, SLASH, LINE_FEED, RETURN = 0x20, 0x27, 0x2F, 0x0A, 0x0D


def piece_ends(text_N: np.ndarray, pattern: str) -> np.ndarray:
    """ends_P: where each piece of the text ends, int64, ascending; the last one is N.

    `text_N` is UTF-8 as a one-dimensional, contiguous uint8 array (np.frombuffer of bytes will do), `pattern`
    one of CODES. Piece p is text_N[ends_P[p - 1] : ends_P[p]]. No bytes are refused: one that is no UTF-8 is
    split like punctuation. Runs without the interpreter lock. TokenizerError for an unknown pattern.
    """
    code, fill = pattern_code(pattern), filler()
    buffer = np.empty(BUFFER, np.int64)
    parts, at = [], 0
    while at < len(text_N):
        count = fill(text_N, at, len(text_N), class_table(), code, buffer)
        parts.append(buffer[:count].copy())
        at = int(buffer[count - 1])
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def pattern_code(pattern: str) -> int:
    """The number of a pattern's name for compiled code."""
    if pattern not in CODES:
        raise TokenizerError(
            f"There is no fast split named {pattern!r}.{suggest(pattern, CODES)} Choose from "
            f"{', '.join(CODES)}, or encode with BytePairTokenizer, which takes any regular expression."
        )
    return CODES[pattern]


@functools.cache
def filler() -> Function:
    """`fill_ends`, compiled."""
    return compiled(fill_ends, *HELPERS)


def fill_ends(b: Any, i: int, n: int, classes: Any, pattern: int, ends: Any) -> int:
    """Fill `ends` with the ends of the pieces of b[i:n], as many as fit or are left; returns how many.

    i must be the start of a piece, and n the end of a document: no piece crosses it. To go on, call again
    with i = the last end, until that is n.
    """
    count = 0
    while i < n and count < len(ends):
        i = piece_end(b, i, n, classes, pattern)
        ends[count] = i
        count += 1
    return count


# ---- One piece -----------------------------------------------------------------------------------


def piece_end(b: Any, i: int, n: int, classes: Any, pattern: int) -> int:
    """Where the piece ends that starts at i < n. The comments name the alternatives of the pattern."""
    if pattern == O200K:
        return o200k_end(b, i, n, classes)
    if b[i] == APOSTROPHE:
        length = contraction(b, i, n, pattern != GPT2)
        if length:
            return i + length  # 's|'t|...
    char = _char(b, i, n, classes)
    kind, after = char >> 3, i + (char & 7)
    if LETTERS >> kind & 1:
        return run_end(b, after, n, classes, LETTERS)  # \p{L}+
    if kind == NUMBER:
        if pattern == GPT2:
            return run_end(b, after, n, classes, NUMBERS)  # \p{N}+
        return after if pattern == DIGITS else numbers_end(b, after, n, classes)  # \p{N}{1,3}
    if after < n and kind != NEWLINE and (pattern != GPT2 or b[i] == BLANK):
        follows = _char(b, after, n, classes)
        kind2, after2 = follows >> 3, after + (follows & 7)
        if LETTERS >> kind2 & 1:
            return run_end(b, after2, n, classes, LETTERS)  # [^\r\n\p{L}\p{N}]?\p{L}+, gpt2: ' '?\p{L}+
        if kind2 == NUMBER and pattern == GPT2:
            return run_end(b, after2, n, classes, NUMBERS)  # ' '?\p{N}+
        if b[i] == BLANK and OTHERS >> kind2 & 1:
            kind, after = kind2, after2
    if OTHERS >> kind & 1:
        end = run_end(b, after, n, classes, OTHERS)  # ' '?[^\s\p{L}\p{N}]+
        while pattern != GPT2 and end < n and (b[end] == LINE_FEED or b[end] == RETURN):
            end += 1  # [\r\n]*
        return end
    return white_end(b, i, n, classes, pattern)


def o200k_end(b: Any, i: int, n: int, classes: Any) -> int:
    char = _char(b, i, n, classes)
    kind, after = char >> 3, i + (char & 7)
    if kind == NUMBER:
        return numbers_end(b, after, n, classes)  # \p{N}{1,3}
    if kind != NEWLINE:
        begin = i if LETTERS >> kind & 1 else after  # [^\r\n\p{L}\p{N}]?
        word = word_end(b, begin, n, classes, after if kind == MARK else -1)
        if word >= 0:
            return word + contraction(b, word, n, True)  # (?i:'s|'t|...)?
    if kind == SPACE and b[i] == BLANK and after < n:
        follows = _char(b, after, n, classes)
        if OTHERS >> (follows >> 3) & 1:
            kind, after = OTHER, after + (follows & 7)
    if OTHERS >> kind & 1:
        end = run_end(b, after, n, classes, OTHERS)  # ' '?[^\s\p{L}\p{N}]+
        while end < n and (b[end] == LINE_FEED or b[end] == RETURN or b[end] == SLASH):
            end += 1  # [\r\n/]*
        return end
    return white_end(b, i, n, classes, O200K)


def word_end(b: Any, i: int, n: int, classes: Any, mark_end: int) -> int:
    """Where o200k's word that begins at i ends, or -1 if no letter is there.

    [CAPITALS]*[SMALL]+ or else [CAPITALS]+: a word may begin with capitals, and a capital after a small
    letter begins the next one. Letters without case are in both sets. Where no small letter follows the
    capitals, the first alternative gives characters back until one of these can be its [SMALL]+; `mark_end`
    >= 0 says that a mark stands before i, which it would take as the last resort.
    """
    caseless_end = -1
    end = i
    kind = OTHER
    while end < n:
        char = _char(b, end, n, classes)
        kind = char >> 3
        if not CAPITALS >> kind & 1:
            break
        end += char & 7
        if kind != UPPER:
            caseless_end = end
    if end < n and kind == LOWER:
        return run_end(b, end, n, classes, SMALL)
    if caseless_end >= 0:
        return caseless_end
    if mark_end >= 0:
        return mark_end
    return end if end > i else -1


def white_end(b: Any, i: int, n: int, classes: Any, pattern: int) -> int:
    r"""Where the piece of white space ends that starts at i: \s*[\r\n] and \s+(?!\S) and \s.

    Up to the last newline of the run; else all but its last character, which belongs to what follows.
    """
    end = last = newline_end = i
    while end < n:
        char = _char(b, end, n, classes)
        kind = char >> 3
        if not WHITE >> kind & 1:
            break
        last = end
        end += char & 7
        if kind == NEWLINE:
            newline_end = end
    if newline_end > i and (pattern == O200K or (pattern != GPT2 and end < n)):
        return newline_end
    return last if i < last and end < n else end


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


HELPERS: tuple[Function, ...] = (
    piece_end,
    o200k_end,
    word_end,
    white_end,
    contraction,
    run_end,
    numbers_end,
    _char,
)
