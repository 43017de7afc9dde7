"""A tokenizer from texts, whatever their size: the readable trainer for a little, the compiled one for much.

    train(texts, vocab_size=8192, pattern="cl100k")
    train([Path("a.txt"), Path("b.txt")], vocab_size=32_000, threads=2)

Both learn the same merges in the same order, so which one worked cannot be told from the result. The
readable one reads a megabyte in the time in which the compiled one loads, and eight megabytes in the time
that it takes to be compiled, once on each machine.

Next: chat.py, for the special tokens of a chat model; load.py, to have the tokenizer back tomorrow.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from groundup.base.errors import TokenizerError, suggest
from groundup.tokenizer.bpe import BytePairTokenizer, check_learned, merges_asked_for
from groundup.tokenizer.cuts import blocks
from groundup.tokenizer.fast_compile import has_numba
from groundup.tokenizer.patterns import CL100K, PATTERNS, compile_pattern, name_of

LITTLE = 1 << 20  # characters, below which compiled code is not even loaded
LITTLE_TO_COMPILE_FOR = 8 << 20
AT_ONCE = 1 << 20  # bytes of a file
MOST_IDS = 1 << 20


def train(
    texts: Iterable[str | Path],
    *,
    vocab_size: int,
    pattern: str | None = CL100K,
    specials: Sequence[str] = (),
    threads: int = 1,
) -> BytePairTokenizer:
    """The tokenizer with `vocab_size` ids in all that the texts teach, in whatever order they come.

    `texts` may be a stream: only its different pieces are kept. A Path among them is a file of UTF-8, read a
    megabyte at a time, so it may be larger than the memory. `pattern` is a name (gpt2, cl100k, o200k,
    digits), a regular expression, or None for no split; under the last two a file is read whole. `threads` of
    compiled code split and count at once, which changes the time and not the result.

    Raises TokenizerError if vocab_size leaves no room for the 256 bytes and the special tokens, or asks for
    more merges than the texts allow (it says how many they do), for a pattern that does not compile or skips
    text, for special tokens named twice, and for a file that is not UTF-8. DataError if it cannot be read.

    >>> train(["aaabdaaabac"], vocab_size=259).merges
    ((97, 97), (97, 98), (256, 257))
    """
    pattern = expression(pattern)
    n_merges = merges_asked_for(vocab_size, specials)
    if vocab_size > MOST_IDS:
        raise TokenizerError(
            f"vocab_size={vocab_size:,} is larger than any that was ever of use (GPT-4o's has 200,000 ids). "
            f"Choose up to {MOST_IDS:,}."
        )
    if threads < 1:
        raise TokenizerError(f"threads={threads}, but at least one has to do the work. Choose 1 or more.")
    stream = _texts([texts] if isinstance(texts, str | Path) else texts, name_of(pattern))
    read = _take(LITTLE, stream)
    if _size(read) >= LITTLE and has_numba():
        from groundup.tokenizer import fast_train

        little = LITTLE if fast_train.is_compiled() else LITTLE_TO_COMPILE_FOR
        read += _take(little - _size(read), stream)
        if _size(read) >= little:
            pieces = fast_train.count_pieces(chain(read, stream), pattern, threads=threads)
            merges = fast_train.train_merges(pieces, n_merges)
            check_learned(len(merges), n_merges, specials, any_text=True)
            return BytePairTokenizer(merges, pattern=pattern, specials=specials)
    return BytePairTokenizer.train(
        chain(read, stream), vocab_size=vocab_size, pattern=pattern, specials=specials
    )


def expression(pattern: str | None) -> str | None:
    r"""The regular expression that a name means, or the one that was given; TokenizerError if it is neither.

    >>> expression("gpt2") == PATTERNS["gpt2"], expression(r"\w+|\W+")
    (True, '\\w+|\\W+')
    """
    if pattern is None or pattern in PATTERNS:
        return None if pattern is None else PATTERNS[pattern]
    if re.fullmatch(r"[\w-]*", pattern):
        raise TokenizerError(
            f"There is no split pattern named {pattern!r}.{suggest(pattern, PATTERNS)} Choose from "
            f"{', '.join(PATTERNS)}, give a regular expression that takes all text, or None for no split."
        )
    compile_pattern(pattern)
    return pattern


def _texts(texts: Iterable[str | Path], name: str | None) -> Iterator[str]:
    """The texts, with files in parts that are cut between pieces."""
    for text in texts:
        if isinstance(text, str):
            yield text
            continue
        at = 0
        for block in blocks(text, name, AT_ONCE):
            try:
                yield block.decode("utf-8")
            except UnicodeDecodeError as error:
                raise TokenizerError(
                    f"{text} is not UTF-8: {error.reason} at byte {at + error.start:,}. Convert it "
                    "first, for example with: iconv -f latin1 -t utf-8."
                ) from None
            at += len(block)


def _take(characters: int, stream: Iterator[str]) -> list[str]:
    """The next texts of the stream, up to so many characters and the rest of the text that has the last."""
    texts: list[str] = []
    while characters > 0 and (text := next(stream, None)) is not None:
        characters -= len(text)
        texts.append(text)
    return texts


def _size(texts: list[str]) -> int:
    return sum(map(len, texts))
