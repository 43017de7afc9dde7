"""Ids to bytes, compiled: a row of 16 bytes for each token, and two stores for each id.

A token of up to 15 bytes is its row, its length in the last byte. Both words are written out whole and the
place moves on by the length, so the next token overwrites what was too much. Longer tokens are copied from
the joined vocabulary. All ids are checked first, and the bytes counted, so nothing is written out of place.

Letters: T ids, V ids of the vocabulary, N bytes, D documents.
Next:    load.py.
"""
# mypy: disable-error-code="assignment,arg-type,return-value"
# In compiled code np.int64 and np.uint64 are what int is elsewhere.

from collections.abc import Sequence
from typing import Any

import numpy as np

from groundup.tokenizer.fast_compile import compiled
from groundup.tokenizer.fast_words import store8

SHORT = 15  # bytes of a token that fit beside their number
LONG = 255  # in the place of the number: longer
UNKNOWN = -1
SLACK = 16  # bytes that the last token may write beyond the end


class Decoder:
    """The bytes of a vocabulary, ready to decode; None for an id that is no token."""

    def __init__(self, tokens: Sequence[bytes | None]):
        lengths = [UNKNOWN if token is None else len(token) for token in tokens]
        self._lengths_V = np.array(lengths, np.int64)
        self._ends_V = np.cumsum(np.maximum(self._lengths_V, 0))
        self._flat = np.frombuffer(b"".join(token or b"" for token in tokens) + bytes(SLACK), np.uint8)
        rows = b"".join(
            (token[:SHORT] if token else b"").ljust(SHORT, b"\0")
            + bytes([length if 0 <= length <= SHORT else LONG])
            for token, length in zip(tokens, lengths, strict=True)
        )
        self._rows_V2 = np.frombuffer(rows, "<u8").astype(np.uint64)
        self._measure, self._write = compiled(measure), compiled(write_bytes, store8)

    def unknown(self, ids_T: np.ndarray) -> int | None:
        """The first id that is no token, if there is one."""
        place = self._measure(ids_T, self._lengths_V)
        return int(ids_T[-1 - place]) if place < 0 else None

    def decode(self, ids_T: np.ndarray) -> memoryview:
        """The bytes of these ids (int64), which must all be known."""
        n = self._measure(ids_T, self._lengths_V)
        bytes_N = np.empty(n + SLACK, np.uint8)
        self._write(ids_T, self._rows_V2, self._flat, self._ends_V, bytes_N)
        return bytes_N[:n].data


# ---- Compiled ------------------------------------------------------------------------------------


def measure(ids_T: Any, lengths_V: Any) -> int:
    """How many bytes the ids have in all; -1 - place of the first one that is no token."""
    total = 0
    for t in range(len(ids_T)):
        token = ids_T[t]
        if not 0 <= token < len(lengths_V) or lengths_V[token] < 0:
            return -1 - t
        total += lengths_V[token]
    return total


def write_bytes(ids_T: Any, rows_V2: Any, flat: Any, ends_V: Any, bytes_N: Any) -> None:
    """Write the bytes of all ids; needs SLACK bytes more than they have."""
    place = 0
    for t in range(len(ids_T)):
        token = np.uint64(ids_T[t])
        row = token << np.uint64(1)
        last = rows_V2[row + np.uint64(1)]
        store8(bytes_N, place, rows_V2[row])
        store8(bytes_N, place + 8, last)
        n = np.int64(last >> np.uint64(56))
        if n == LONG:
            start = ends_V[token - np.uint64(1)] if token > np.uint64(0) else np.int64(0)
            n = ends_V[token] - start
            for k in range(n):
                bytes_N[place + k] = flat[start + k]
        place += n
