r"""How text is cut into pieces before byte-pair encoding, so that no token crosses from one kind to another.

Without a split the most frequent pairs would soon join a word to its full stop, and "dog." "dog!" "dog?"
would each cost a token. A split pattern says what belongs together: at most one leading blank with a word,
digits, punctuation, runs of white space. Merges happen inside a piece, never across.

Where each comes from:
    GPT2    Radford et al. 2019, openai/gpt-2 `encoder.py`.
    CL100K  GPT-3.5 and GPT-4, as published in tiktoken 0.14.0: contractions in any case, and at most three
            digits together, so that numbers do not each become one unrelated symbol.
    O200K   GPT-4o, tiktoken 0.14.0: also cuts before a capital inside a word ("camelCase").
    DIGITS  ours: CL100K, but every digit is a piece of its own. A model that is to add numbers in columns
            must see columns; with {1,3} the digit 2 of "12" and of "123" hides in two unrelated tokens.

`\p{L}` is any letter, `\p{N}` any digit, `\s` any white space, and a `+` after another quantifier
(`++`, `?+`) means "take it and never give back", which changes the speed and not the pieces.

>>> compile_pattern(GPT2).findall("It's 1234 dogs!")
['It', "'s", ' 1234', ' dogs', '!']
>>> compile_pattern(CL100K).findall("It's 1234 dogs!")
['It', "'s", ' ', '123', '4', ' dogs', '!']
>>> compile_pattern(DIGITS).findall("It's 1234 dogs!")
['It', "'s", ' ', '1', '2', '3', '4', ' dogs', '!']

`regex` follows the Unicode version of its release; under the four patterns above a character is what it was
in the version that unicode_classes.py pins, so that a text has the same ids everywhere and for ever.

What they do not do: find words in scripts without blanks. A Chinese sentence up to its comma is one piece.
"""

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

import regex

from groundup.base.errors import TokenizerError
from groundup.tokenizer.unicode_classes import class_of

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"""
    r"""|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)

O200K = "|".join(
    [
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""\p{N}{1,3}""",
        r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
        r"""\s*[\r\n]+""",
        r"""\s+(?!\S)""",
        r"""\s+""",
    ]
)

DIGITS = CL100K.replace(r"\p{N}{1,3}+", r"\p{N}")

PATTERNS = {"gpt2": GPT2, "cl100k": CL100K, "o200k": O200K, "digits": DIGITS}

# The same pieces, as others write them: here by tiktoken, 0.14 and older.
_SPELLINGS = {pattern: name for name, pattern in PATTERNS.items()} | {
    r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""": "gpt2",
    r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""": "gpt2",
}


def name_of(pattern: str | None) -> str | None:
    r"""The name of the pattern, if it is one of PATTERNS in any of its usual spellings, else None.

    >>> name_of(CL100K), name_of(r"\S+|\s+")
    ('cl100k', None)
    """
    return _SPELLINGS.get(pattern) if pattern else None


@lru_cache(maxsize=16)
def compile_pattern(pattern: str) -> "regex.Pattern[str]":
    """The pattern compiled; TokenizerError if it is no regular expression or has capturing groups."""
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise TokenizerError(
            f"The split pattern {pattern!r} is not a regular expression: {error}. The ready ones are "
            f"{', '.join(name.upper() for name in PATTERNS)} in groundup.tokenizer.patterns."
        ) from None
    if compiled.groups:
        # findall would return the groups instead of the pieces
        raise TokenizerError(f"The split pattern {pattern!r} has capturing groups. Write (?:...), not (...).")
    return compiled


def split(pattern: str | None, text: str) -> list[str]:
    """The pieces of the text, which joined are the text again; TokenizerError if the pattern skips any of it.

    >>> split(None, "no pattern, one piece")
    ['no pattern, one piece']
    """
    if pattern is None:
        return [text] if text else []
    if not text.isascii() and name_of(pattern):
        seen = pinned(text)
        if seen is not text:
            return list(_cut(text, map(len, compile_pattern(pattern).findall(seen))))
    pieces: list[str] = compile_pattern(pattern).findall(text)
    if name_of(pattern) is None and sum(map(len, pieces)) != len(text):  # the named ones leave nothing out
        skipped = compile_pattern(pattern).sub("", text)[:20]
        raise TokenizerError(
            f"The split pattern {pattern!r} skips {skipped!r}, so that text would be lost. Add an "
            r"alternative that takes what is left, such as |\s+|\S+ at its end."
        )
    return pieces


def pinned(text: str) -> str:
    """The text as the pinned Unicode version sees it; nearly always `text` itself.

    A character that the installed `regex` puts into another class than unicode_classes.py is replaced by one
    of the right class that all versions agree on. Only the four named patterns may look at the result: they
    treat all characters of a class alike, but for a few in ASCII.
    """
    strange = set(text) - _AGREED
    for character in list(strange):
        if _class_by_regex(character) == class_of(character):
            _AGREED.add(character)
            strange.remove(character)
    if not strange:
        return text
    return text.translate({ord(character): _SAMPLES[class_of(character)] for character in strange})


_AGREED: set[str] = set()  # characters that `regex` and we see alike: memory, never behaviour
_SAMPLES = "!Aa\u4e00\u03010 \n"  # one character of each class, in the order of their numbers


def _class_by_regex(character: str) -> int:
    found = _classes().match(character)
    return int(found.lastgroup[1:]) if found and found.lastgroup else 0


@cache
def _classes() -> "regex.Pattern[str]":
    return regex.compile(
        r"(?P<c1>[\p{Lu}\p{Lt}])|(?P<c2>\p{Ll})|(?P<c3>\p{L})|(?P<c4>\p{M})|(?P<c5>\p{N})|(?P<c7>[\r\n])|(?P<c6>\s)"
    )


def _cut(text: str, lengths: Iterable[int]) -> Iterator[str]:
    start = 0
    for length in lengths:
        yield text[start : start + length]
        start += length
