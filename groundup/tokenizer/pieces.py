"""What all byte-pair tokenizers share: cut the text into pieces, look each piece up, join the ids.

    text  ->  pieces (patterns.py)  ->  the ids of each piece (bpe.py, vocabulary.py)  ->  ids

A piece that came before is only looked up, and that is most of them. Two machines do this work, and their ids
are equal (the tests compare them on everything that they can think of):

- plain Python, here, which needs nothing and starts at once;
- compiled code (fast_path.py), some ten times faster, which must first be loaded, and once on each machine
  be compiled for some seconds. It comes in when a process has encoded enough for that to pay; a short prompt
  never waits for it.

Bytes that are not UTF-8 are kept: `encode_bytes` and `decode_bytes` are exact inverses for any bytes.

Next: bpe.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.base.errors import TokenizerError
from groundup.tokenizer.fast_compile import has_numba
from groundup.tokenizer.patterns import name_of, split
from groundup.tokenizer.table import Table

if TYPE_CHECKING:
    import numpy as np

    from groundup.tokenizer.fast_pairs import Pairs
    from groundup.tokenizer.fast_path import FastPath

CACHED_PIECES = 1 << 18  # about 60 MB when full; the English vocabulary of a large corpus fits
# In characters. A text below SHORT_TEXT never waits: plain Python answers within a few milliseconds.
# Compiled code is loaded once a tokenizer has encoded LOAD_AFTER in plain Python (0.3 s), or COMPILE_AFTER
# (10 s) if it must be compiled first; once it is there, it takes all texts above FAST_TEXT (calling it costs
# some 10 microseconds, in which plain Python encodes 40 letters).
SHORT_TEXT, FAST_TEXT = 4_096, 40
LOAD_AFTER, COMPILE_AFTER = 500_000, 20_000_000


class PieceTokenizer(Table):
    """`pattern` None means no split: a merge may join anything.

    A subclass says what the ids of one piece are (`piece_ids`), and gives compiled code its merges (`pairs`).
    """

    def __init__(self, tokens: Sequence[bytes], specials: Sequence[str], pattern: str | None):
        super().__init__(tokens, specials)
        split(pattern, "")  # a pattern that does not compile should fail here, not at the first text
        self.pattern = pattern
        self._pieces = _Pieces(self)
        self._path: FastPath | None = None
        self._encoded = 0  # characters, in plain Python

    def piece_ids(self, piece: bytes) -> Sequence[int]:
        """The ids of one piece, worked out from the merges."""
        raise NotImplementedError(f"{type(self).__name__} must say how a piece is merged")

    def join(self, left: int, right: int) -> tuple[int, int] | None:
        """(rank, id) of the token that two neighbours become, None if they do not merge."""
        raise NotImplementedError(f"{type(self).__name__} must give its merges")

    def pairs(self) -> Pairs:
        """The merges as tables for compiled code."""
        raise NotImplementedError(f"{type(self).__name__} must give its merges")

    # ---- Text to ids -----------------------------------------------------------------------------

    def encode(self, text: str) -> list[int]:
        """The ids of the text; never those of special tokens, whatever it spells.

        Half of a surrogate pair, which no UTF-8 can write, is read as U+FFFD, as tiktoken does.
        """
        if path := self._fast(len(text)):
            return path.encode([utf8(text)])[0]
        pieces = split(self.pattern, well_formed(text))
        return list(chain.from_iterable(map(self._pieces.__getitem__, pieces)))

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of any bytes, so that `decode_bytes` gives them back; for UTF-8 the same ids as `encode`.

        A byte that is not UTF-8 is split like punctuation: Python reads it as a lone surrogate (PEP 383),
        which is neither letter, digit nor blank.
        """
        if path := self._fast(len(data)):
            return path.encode([data])[0]
        pieces = split(self.pattern, data.decode("utf-8", errors="surrogateescape"))
        return list(chain.from_iterable(map(self._pieces.__getitem__, pieces)))

    def encode_batch(self, texts: Sequence[str], *, threads: int = 1) -> list[list[int]]:
        """The ids of each text; `threads` of compiled code share the work."""
        _check_several(texts)
        if path := self._fast(sum(map(len, texts))):
            return path.encode([utf8(text) for text in texts], threads=threads)
        return [self.encode(text) for text in texts]

    def encode_array(self, text: str | bytes, *, threads: int = 1) -> np.ndarray:
        """The same ids as uint32, one array: several times faster than a list, and a tenth of its memory."""
        if path := self._fast(len(text)):
            return path.encode_array(utf8(text) if isinstance(text, str) else text, threads=threads)
        import numpy as np

        ids = self.encode(text) if isinstance(text, str) else self.encode_bytes(text)
        return np.array(ids, np.uint32)

    def encode_arrays(self, texts: Sequence[str], *, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """(ids, ends): the ids of all texts as one uint32 array, and where each text's end in it (int64)."""
        import numpy as np

        _check_several(texts)
        if path := self._fast(sum(map(len, texts))):
            return path.encode_arrays([utf8(text) for text in texts], threads=threads)
        ids = [self.encode(text) for text in texts]
        joined = np.fromiter(chain.from_iterable(ids), np.uint32)
        return joined, np.cumsum(np.array([len(some) for some in ids], np.int64))

    def encode_file(
        self, path: str | Path, *, threads: int = 1, at_once: int = 1 << 24
    ) -> Iterator[np.ndarray]:
        """The ids of a file as arrays, which joined are those of its whole text.

        Reads `at_once` bytes at a time and cuts where a piece begins for certain (cuts.py), so memory stays
        bounded however large the file is. A pattern of your own may look any distance ahead: under it, and
        under None, the file is read whole.
        """
        from groundup.tokenizer.cuts import blocks

        for block in blocks(path, name_of(self.pattern), at_once):
            yield self.encode_array(block, threads=threads)

    # ---- Ids to text -----------------------------------------------------------------------------

    def decode_array(self, ids: np.ndarray) -> bytes:
        """The bytes of an array of ids, of any integer type. TokenizerError for an id that is not known."""
        import numpy as np

        if not np.issubdtype(ids.dtype, np.integer):
            raise TokenizerError(f"Ids are whole numbers, but this array has dtype {ids.dtype}.")
        if path := self._fast(len(ids)):
            ids = ids.astype(np.int64, copy=False)
            unknown = path.decoder.unknown(ids)
            if unknown is not None:
                raise self._unknown(unknown)
            return bytes(path.decoder.decode(ids))
        return self.decode_bytes(ids.tolist())

    # ---- The compiled machine --------------------------------------------------------------------

    def _fast(self, size: int) -> FastPath | None:
        """The compiled path if it should do this much, else None. Loads it when enough was asked for."""
        if self._path is not None:
            return self._path if size >= FAST_TEXT else None
        self._encoded += size
        if size < SHORT_TEXT or self._encoded < LOAD_AFTER or not self._can_be_fast():
            return None
        from groundup.tokenizer.fast_path import is_compiled

        if self._encoded < COMPILE_AFTER and not is_compiled():
            return None
        return self._load()

    def _can_be_fast(self) -> bool:
        return has_numba() and (self.pattern is None or name_of(self.pattern) is not None)

    def warm_up(self) -> bool:
        """Load, or on a machine's first time compile, the compiled path now; False if there is none.

        There is none without Numba, and for a split pattern of your own.
        """
        if not self._can_be_fast():
            return False
        import numpy as np

        path = self._load()
        path.decoder.decode(np.array(path.encode([b"a"])[0], np.int64))
        return True

    def _load(self) -> FastPath:
        if self._path is None:
            from groundup.tokenizer.fast_path import FastPath

            self._path = FastPath(self.pairs(), self._tokens(), name_of(self.pattern))
        return self._path

    def _tokens(self) -> list[bytes | None]:
        return list(self._bytes)


class _Pieces(dict[str, Sequence[int]]):
    """A piece's ids, worked out when first asked for. Text repeats itself: encoding is mostly looking up."""

    def __init__(self, tokenizer: PieceTokenizer):
        super().__init__()
        self._ids_of = tokenizer.piece_ids

    def __missing__(self, piece: str) -> Sequence[int]:
        data = piece.encode("utf-8", errors="surrogateescape")
        ids = self._ids_of(data)
        if len(data) <= KEPT_BYTES:  # long pieces hardly ever come again
            if len(self) >= CACHED_PIECES:
                self.clear()
            self[piece] = ids
        return ids


KEPT_BYTES = 256


def _check_several(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise TokenizerError(
            "Here several texts are encoded, and one string was given, which would be read as one text for "
            "each letter. Put it in a list: [text]."
        )


def well_formed(text: str) -> str:
    """The text, surrogate pairs joined and lone surrogates replaced by U+FFFD; nearly always `text` itself.

    >>> well_formed("a\\ud800b") == "a\\ufffdb", well_formed("\\ud83d\\ude00") == "\\U0001f600"
    (True, True)
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")
    return text


def utf8(text: str) -> bytes:
    """The bytes of `well_formed(text)`."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return well_formed(text).encode("utf-8")
