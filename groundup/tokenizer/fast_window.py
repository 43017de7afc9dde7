r"""The starts of all pieces among 64 bytes at once, with a word of 64 bits for each kind of character.

A window begins at the start of a piece, and the patterns look forward only, so nothing has to be remembered
from before it. Which byte is a letter, a digit, a blank is one comparison of 64 bytes (fast_words.py); then
`letters & ~(letters << 1)` are the first letters of all words at once. With `x << 1` read as "the byte before
is x", every alternative of the patterns becomes a line or two:

    text       Hi  you, 42
    letters    ##  ###
    starts     #  ##  ## #      of "Hi", " ", " you", ",", " ", "42"   (cl100k)

Characters beyond ASCII are read one by one: letters and symbols join the masks with all their bytes; before a
digit or a blank beyond ASCII the window ends, as it does before a letter without case under o200k, whose rule
for them is not a matter of neighbours. Every start but the last is an end of a piece; the last is where the
next window begins. Where a window finds no second start, `piece_end` in fast_split.py finds one.

Compiled only: it computes with 64-bit words that wrap around. Its oracle is `piece_end`.
Source: our own; words of 64 bits for 64 bytes as in Langdale and Lemire 2019, arXiv 1902.08318 (simdjson).
Next:   fast_encode.py.
"""
# mypy: disable-error-code="assignment,arg-type,return-value"
# In compiled code np.int64 and np.uint64 are what int is elsewhere.

from typing import Any

import numpy as np

from groundup.tokenizer.fast_char import DIGITS, GPT2, O200K, SLASH, _char, contraction
from groundup.tokenizer.fast_words import lowest, masks64
from groundup.tokenizer.unicode_classes import LETTER, LOWER, MARK, NUMBER, SPACE, UPPER

NONE, ONE, TWO, THREE = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
ALL = np.uint64(2**64 - 1)
WINDOW = 64


def window_ends(b: Any, i: int, n: int, classes: Any, pattern: int, ends: Any, count: int) -> int:
    """Write the ends of the pieces that begin in b[i : i + 64] to ends[count:]; returns how many it found.

    Needs i + 64 <= len(b), 64 places in `ends`, and the start of a piece at i. Finds none if the first piece
    is longer than the window, or begins with a character that ends the window.
    """
    upper, lower, digits, blank, other_blank, newline, high, quote = masks64(b, i)
    size = min(WINDOW, n - i)
    valid = ALL >> np.uint64(WINDOW - size)
    whole = valid
    caseless = first2 = first3 = first4 = NONE
    if high & valid != NONE:
        upper, lower, caseless, first2, first3, first4, valid = _beyond_ascii(
            b, i, n, classes, pattern, upper, lower, high & valid, valid
        )
    letters = (upper | lower | caseless) & valid
    digits, newline = digits & valid, newline & valid
    blanks = (blank | other_blank) & valid
    others = valid & ~(letters | digits | blanks | newline)
    final = i + size == n and valid == whole

    if pattern == GPT2:
        eaten = NONE
        starts = _starts_gpt2(letters, digits, blank, blanks | newline, others, valid)
        symbol = others & ~((others | blank) << ONE)
    else:
        eaten = _eaten(b, i, newline, others, pattern)
        symbol = others & ~eaten & (~((others | blank) << ONE) | (eaten << ONE))
        starts = symbol | _starts_white(blanks, newline, eaten, valid, final and pattern == O200K)
        prefix = blanks | (symbol & ~(first2 | first3 | first4))
        prefix |= (symbol & first2) << ONE | (symbol & first3) << TWO | (symbol & first4) << THREE
        starts |= letters & ~((letters | prefix) << ONE)
        starts |= digits if pattern == DIGITS else _every_third(digits)
    if pattern == O200K:
        starts |= upper & (lower << ONE) & valid
    if quote & others != NONE:
        starts = _contractions(b, i, n, pattern, quote & others, symbol, letters, starts)

    starts &= valid & ~ONE  # the first piece's own start is known
    found = count
    while starts != NONE:
        ends[found] = i + lowest(starts)
        found += 1
        starts &= starts - ONE
    if final:
        ends[found] = n
        found += 1
    return found - count


def _beyond_ascii(
    b: Any, i: int, n: int, classes: Any, pattern: int, upper: Any, lower: Any, left: Any, valid: Any
) -> Any:
    """upper, lower, caseless with the bytes of longer characters; the first bytes of symbols of two, of three
    and of four bytes; valid, cut before a character that `piece_end` must read.
    """
    caseless = first2 = first3 = first4 = NONE
    while left != NONE:
        place = lowest(left)
        bit = ONE << np.uint64(place)
        char = _char(b, i + place, n, classes)
        kind, length = char >> 3, char & 7
        bits = ((ONE << np.uint64(length)) - ONE) << np.uint64(place)
        if (
            kind in (NUMBER, SPACE)
            or (pattern == O200K and kind in (LETTER, MARK))
            or place + length > WINDOW
        ):
            valid &= bit - ONE
            break
        if kind == UPPER:
            upper |= bits
        elif kind == LOWER:
            lower |= bits
        elif kind == LETTER:
            caseless |= bits
        elif length == 2:
            first2 |= bit
        elif length == 3:
            first3 |= bit
        elif length == 4:
            first4 |= bit
        left &= ~bits
    return upper, lower, caseless, first2, first3, first4, valid


def _starts_gpt2(letters: Any, digits: Any, blank: Any, white: Any, others: Any, valid: Any) -> Any:
    r"""' '?\p{L}+, ' '?\p{N}+, ' '?[^\s\p{L}\p{N}]+, \s+(?!\S): the last of a run of blanks starts anew."""
    runs = letters & ~((letters | blank) << ONE)
    runs |= digits & ~((digits | blank) << ONE)
    runs |= others & ~((others | blank) << ONE)
    return runs | (white & ~(white << ONE)) | (white & ~(white >> ONE) & (valid >> ONE))


def _eaten(b: Any, i: int, newline: Any, others: Any, pattern: int) -> Any:
    r"""Newlines of [^\s\p{L}\p{N}]+[\r\n]*; under o200k, [\r\n/]*, and slashes after the first of them."""
    first = newline & (others << ONE)
    if first == NONE:
        return NONE
    if pattern != O200K:
        return newline & ~(newline + first)  # the sum carries through each run from its first bit
    eater, eaten = newline, NONE
    slashes = others
    while slashes != NONE:
        place = lowest(slashes)
        if b[i + place] == SLASH:
            eater |= ONE << np.uint64(place)
        slashes &= slashes - ONE
    while first != NONE:
        run = eater & ~(eater + (first & (NONE - first)))
        eaten |= run
        first &= ~run
    return eaten


def _starts_white(blanks: Any, newline: Any, eaten: Any, valid: Any, decided: bool) -> Any:
    r"""\s*[\r\n], \s+(?!\S), \s: runs, what follows their last newline, and their last blank.

    Undecided, so left out, is what depends on the byte after the window; `decided` says there is none.
    """
    white = blanks | newline
    starts = (white & ~(white << ONE)) | (white & (eaten << ONE))
    starts |= blanks & ~(white >> ONE) & (valid >> ONE)
    after = blanks & (newline << ONE)
    while after != NONE:
        bit = after & (NONE - after)
        end = (blanks + bit) & ~blanks  # the sum carries through the run: one past it, 0 past the word
        if end & valid & ~newline != NONE or (decided and end & valid == NONE):
            starts |= bit
        after ^= bit
    return starts & ~eaten


def _every_third(digits: Any) -> Any:
    r"""\p{N}{1,3}: the first of each run of digits, and every third after it."""
    full = digits & digits << ONE & digits << TWO & digits << THREE
    at = digits & ~(digits << ONE)
    starts = at
    while at != NONE:
        at = at << THREE & full
        starts |= at
    return starts


def _contractions(
    b: Any, i: int, n: int, pattern: int, quote: Any, symbol: Any, letters: Any, starts: Any
) -> Any:
    """The starts with those of 's, 'll ... put right: what they hold is no start, what follows them is one.

    An apostrophe counts that starts a run of symbols; under o200k one that ends a word, and is in its piece.
    """
    end = -1
    while quote != NONE:
        place = lowest(quote)
        bit = ONE << np.uint64(place)
        quote ^= bit
        length = 0
        if pattern != O200K:
            if symbol & bit != NONE:
                length = contraction(b, i + place, n, pattern != GPT2)
        elif bit & (letters << ONE) != NONE and place != end:
            length = contraction(b, i + place, n, True)
        if length == 0:
            continue
        end = place + length
        inside = ((ONE << np.uint64(length)) - ONE) << np.uint64(place)
        if pattern != O200K:
            inside ^= bit
        starts &= ~inside
        if end < WINDOW:
            starts |= letters & (ONE << np.uint64(end))
    return starts


WINDOW_HELPERS = (
    window_ends,
    _beyond_ascii,
    _starts_gpt2,
    _eaten,
    _starts_white,
    _every_third,
    _contractions,
    lowest,
    masks64,
)
