"""The compiled encoder and decoder of one tokenizer, for pieces.py.

Next: fast_split.py, fast_encode.py, fast_decode.py.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from groundup.tokenizer import fast_encode
from groundup.tokenizer.cuts import cut
from groundup.tokenizer.fast_compile import is_kept
from groundup.tokenizer.fast_decode import Decoder
from groundup.tokenizer.fast_encode import GROUP, Encoder
from groundup.tokenizer.fast_pairs import Pairs

FEW = 1_000  # ids that are quicker made than looked up


class FastPath:
    """`tokens` are the bytes of each id, None where there is no token; `pattern` is a name, or None."""

    def __init__(self, pairs: Pairs, tokens: Sequence[bytes | None], pattern: str | None):
        self.encoder = Encoder(pairs, pattern)
        self._tokens, self._pattern = tokens, pattern
        # Each id as a Python number, made once: a list of ids that exist costs half of one of new numbers.
        self._numbers_V = np.arange(len(tokens)).astype(object)

    @cached_property
    def decoder(self) -> Decoder:
        return Decoder(self._tokens)

    def encode_array(self, data: bytes, *, threads: int = 1) -> np.ndarray:
        """The ids of one text; several threads share it, cut where a piece begins for certain."""
        parts = [data] if threads == 1 else cut(data, self._pattern, GROUP)
        return self.encoder.documents(parts, threads=threads)[0]

    def encode_arrays(self, texts: Sequence[bytes], *, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
        return self.encoder.documents(texts, threads=threads)

    def encode(self, texts: Sequence[bytes], *, threads: int = 1) -> list[list[int]]:
        """The ids of each text as lists."""
        ids_T, ends_D = self.encoder.documents(texts, threads=threads)
        if len(texts) == 1 and len(ids_T) < FEW:
            return [ids_T.tolist()]
        numbers = self._numbers_V[ids_T]
        return [numbers[start:end].tolist() for start, end in pairwise([0, *ends_D.tolist()])]


def is_compiled() -> bool:
    """Whether the encoder's machine code is on this machine's disk."""
    return is_kept(fast_encode.COMPILED)
