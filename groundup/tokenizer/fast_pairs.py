"""Which pairs merge, as tables that compiled code can look things up in.

    a pair of ids  ->  its rank: the pair of the smallest rank merges first
    a rank         ->  the id that the merge makes
    bytes          ->  the id of the token that is just them

A tokenizer that was trained here has one pair for each merge. A vocabulary of tiktoken's has no merges: any
two tokens join whose bytes together are a token, and that token's id is the rank. So its table holds every
split of every token into two tokens, 233,378 pairs for the 100,256 tokens of cl100k.

Letters: P pairs, S slots of a hash table (a power of two, at most half full), V ids, R ranks.
Next:    fast_encode.py.
"""
# mypy: disable-error-code="assignment,arg-type,return-value"
# In compiled code np.int64 and np.uint64 are what int is elsewhere.

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from groundup.base.errors import TokenizerError
from groundup.tokenizer.fast_compile import compiled

RANK_BITS, ID_BITS = 22, 21  # a slot holds left << 43 | right << 22 | rank
MOST_IDS, MOST_RANKS = 1 << ID_BITS, (1 << RANK_BITS) - 1
NEVER = 0xFFFFFFFF  # the rank of a pair that does not merge
EMPTY = np.uint64(2**64 - 1)
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: Knuth, TAOCP 3, section 6.4


class Pairs(NamedTuple):
    """All of it. Ids and ranks are uint32."""

    pairs_S: np.ndarray  # uint64, packed as above, or EMPTY
    byte_ranks: np.ndarray  # uint32 [65536]: the rank of two bytes, first << 8 | second
    byte_ids: np.ndarray  # uint32 [256]: the id of each byte
    made_R: np.ndarray  # uint32: what each rank makes
    index_S: np.ndarray  # uint32: id + 1 in a slot chosen by the token's bytes, or 0
    bytes_N: np.ndarray  # uint8: all tokens, one after the other, and 8 bytes more
    ends_V: np.ndarray  # int64: where each token ends in bytes_N; a special one has no bytes
    whole: (
        np.ndarray
    )  # int64 [1]: the longest piece that may be looked up as a token before merging, 0 for none


def of_merges(tokens: Sequence[bytes | None], merges: np.ndarray, made: np.ndarray, *, whole: bool) -> Pairs:
    """Tables for merges_P2 in the order of their ranks; made_P[r] is the id that merge r makes.

    `whole`: a piece that is a token is that token, whatever its merges would give.
    """
    left, right = merges[:, 0].astype(np.int64), merges[:, 1].astype(np.int64)
    return _tables(tokens, left, right, np.asarray(made, np.uint32), by_rank=False, whole=whole)


def of_ranks(tokens: Sequence[bytes | None]) -> Pairs:
    """Tables for a vocabulary where any two tokens join that together are a token, smallest id first."""
    none = np.empty(0, np.int64)
    return _tables(tokens, none, none, np.arange(len(tokens), dtype=np.uint32), by_rank=True, whole=True)


def _tables(
    tokens: Sequence[bytes | None],
    left: np.ndarray,
    right: np.ndarray,
    made: np.ndarray,
    *,
    by_rank: bool,
    whole: bool,
) -> Pairs:
    if len(made) > MOST_RANKS or len(tokens) > MOST_IDS:
        raise TokenizerError(
            f"{len(tokens):,} ids and {len(made):,} ranks are too many for the fast path, which can count "
            f"{MOST_IDS:,} and {MOST_RANKS:,}."
        )
    flat = np.frombuffer(b"".join(token or b"" for token in tokens) + b"\0" * 8, np.uint8)
    lengths = np.fromiter((len(token or b"") for token in tokens), np.int64, len(tokens))
    fill = compiled(make_tables, put_tokens, find_token, all_splits, put_pairs, rank_of, table_size)
    pairs, byte_ranks, byte_ids, index = fill(flat, np.cumsum(lengths), left, right, by_rank)
    if (byte_ids == NEVER).any():
        missing = int((byte_ids == NEVER).argmax())
        raise TokenizerError(
            f"The vocabulary has no token for the byte 0x{missing:02x}, so not every text can be written "
            "with it. Byte-level byte-pair encoding needs all 256."
        )
    longest = np.array([int(lengths.max(initial=0)) if whole else 0])
    return Pairs(pairs, byte_ranks, byte_ids, made, index, flat, np.cumsum(lengths), longest)


# ---- Compiled ------------------------------------------------------------------------------------


def make_tables(flat: Any, ends_V: Any, left_P: Any, right_P: Any, by_rank: bool) -> Any:
    """pairs_S, byte_ranks, byte_ids, index_S; `by_rank`: all splits of all tokens instead of these pairs."""
    index_S = np.zeros(table_size(len(ends_V)), np.uint32)
    put_tokens(flat, ends_V, index_S)
    byte, byte_ids = np.zeros(1, np.uint8), np.empty(256, np.uint32)
    for value in range(256):
        byte[0] = value
        found = find_token(byte, 0, 1, flat, ends_V, index_S)
        byte_ids[value] = found if found >= 0 else NEVER
    if by_rank:
        left, right, rank = (
            np.empty(len(flat), np.int64),
            np.empty(len(flat), np.int64),
            np.empty(len(flat), np.int64),
        )
        count = all_splits(flat, ends_V, index_S, left, right, rank)
        left, right, rank = left[:count], right[:count], rank[:count]
    else:
        left, right, rank = left_P, right_P, np.arange(len(left_P))
    pairs_S = np.full(table_size(len(left)), EMPTY, np.uint64)
    put_pairs(pairs_S, left, right, rank)
    byte_ranks = np.empty(65536, np.uint32)
    for first in range(256):
        for second in range(256):
            byte_ranks[first << 8 | second] = rank_of(pairs_S, byte_ids[first], byte_ids[second])
    return pairs_S, byte_ranks, byte_ids, index_S


def table_size(n: int) -> int:
    """The power of two that n entries fill by half at most."""
    size = 16
    while size < 2 * n:
        size *= 2
    return size


def rank_of(pairs_S: Any, left: int, right: int) -> int:
    """The rank of a pair of ids, or NEVER."""
    key = np.uint64(left) << np.uint64(ID_BITS) | np.uint64(right)
    last = np.uint64(len(pairs_S) - 1)
    slot = (key * SPREAD) >> np.uint64(32) & last
    while True:
        found = pairs_S[slot]
        if found >> np.uint64(RANK_BITS) == key:
            return np.int64(found & np.uint64(MOST_RANKS))
        if found == EMPTY:
            return NEVER
        slot = slot + np.uint64(1) & last


def put_pairs(pairs_S: Any, left_P: Any, right_P: Any, rank_P: Any) -> None:
    """Fill the table of pairs. Of equal pairs the one with the smallest rank stays."""
    last = np.uint64(len(pairs_S) - 1)
    for p in range(len(left_P)):
        key = np.uint64(left_P[p]) << np.uint64(ID_BITS) | np.uint64(right_P[p])
        packed = key << np.uint64(RANK_BITS) | np.uint64(rank_P[p])
        slot = (key * SPREAD) >> np.uint64(32) & last
        while pairs_S[slot] != EMPTY and pairs_S[slot] >> np.uint64(RANK_BITS) != key:
            slot = slot + np.uint64(1) & last
        pairs_S[slot] = min(pairs_S[slot], packed)


def find_token(b: Any, i: int, e: int, flat: Any, ends_V: Any, index_S: Any) -> int:
    """The id of the token whose bytes are b[i:e], or -1. FNV-1a over the bytes chooses the slot."""
    mixed = np.uint64(0xCBF29CE484222325)
    for k in range(i, e):
        mixed = (mixed ^ np.uint64(b[k])) * np.uint64(0x100000001B3)
    last = np.uint64(len(index_S) - 1)
    slot = (mixed ^ mixed >> np.uint64(32)) & last
    while index_S[slot] != 0:
        token = np.int64(index_S[slot]) - 1
        start = ends_V[token - 1] if token > 0 else 0
        if ends_V[token] - start == e - i:
            k = 0
            while k < e - i and b[i + k] == flat[start + k]:
                k += 1
            if k == e - i:
                return token
        slot = slot + np.uint64(1) & last
    return -1


def put_tokens(flat: Any, ends_V: Any, index_S: Any) -> None:
    """Fill the table of tokens. Of equal tokens the first stays."""
    last = np.uint64(len(index_S) - 1)
    start = 0
    for token in range(len(ends_V)):
        end = ends_V[token]
        if end > start and find_token(flat, start, end, flat, ends_V, index_S) < 0:
            mixed = np.uint64(0xCBF29CE484222325)
            for k in range(start, end):
                mixed = (mixed ^ np.uint64(flat[k])) * np.uint64(0x100000001B3)
            slot = (mixed ^ mixed >> np.uint64(32)) & last
            while index_S[slot] != 0:
                slot = slot + np.uint64(1) & last
            index_S[slot] = token + 1
        start = end


def all_splits(flat: Any, ends_V: Any, index_S: Any, left_P: Any, right_P: Any, rank_P: Any) -> int:
    """Every way to make a token of two tokens; returns how many."""
    count = 0
    start = 0
    for token in range(len(ends_V)):
        end = ends_V[token]
        for middle in range(start + 1, end):
            left = find_token(flat, start, middle, flat, ends_V, index_S)
            if left >= 0:
                right = find_token(flat, middle, end, flat, ends_V, index_S)
                if right >= 0:
                    left_P[count], right_P[count], rank_P[count] = left, right, token
                    count += 1
        start = end
    return count
