r"""The split patterns as compiled code over UTF-8 bytes: the same pieces as patterns.py, without an engine.

A regular expression engine tries alternatives; these four patterns never need to. The class of the first one
or two characters says which alternative it will be, and a run of one class where it ends. `piece_end` is that
transcription, alternative by alternative. `fast_window.py` finds the ends in 64 bytes at once, and leaves to
`piece_end` what it cannot decide. What is not UTF-8 is as in `BytePairTokenizer.encode_bytes`.

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
from groundup.tokenizer.fast_char import (
    APOSTROPHE,
    BLANK,
    CAPITALS,
    CHAR_HELPERS,
    CODES,
    DIGITS,
    GPT2,
    LETTERS,
    LINE_FEED,
    NUMBERS,
    O200K,
    OTHERS,
    RETURN,
    SLASH,
    SMALL,
    WHITE,
    _char,
    contraction,
    numbers_end,
    run_end,
)
from groundup.tokenizer.fast_compile import Function, compiled
from groundup.tokenizer.fast_window import WINDOW, WINDOW_HELPERS, window_ends
from groundup.tokenizer.unicode_classes import LOWER, MARK, NEWLINE, NUMBER, OTHER, SPACE, UPPER, class_table

BUFFER = 1 << 16  # ends that `piece_ends` asks for at a time


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
    with i = the last end, until that is n. Text is read up to 64 bytes beyond n, if b has them, for speed:
    they change nothing. For compiled code only.
    """
    count = 0
    while i < n and count < len(ends):
        if i + WINDOW <= len(b):
            if count + WINDOW > len(ends) and count > 0:
                break  # rather call again than read the rest one by one
            if count + WINDOW <= len(ends):
                found = window_ends(b, i, n, classes, pattern, ends, count)
                if found > 0:
                    count += found
                    i = ends[count - 1]
                    continue
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


HELPERS: tuple[Function, ...] = (
    piece_end,
    o200k_end,
    word_end,
    white_end,
    *CHAR_HELPERS,
    *WINDOW_HELPERS,
)
