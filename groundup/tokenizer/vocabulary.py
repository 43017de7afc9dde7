"""Byte-pair encoding with somebody else's vocabulary: tokens with the ids that they have, and how they merge.

bpe.py numbers what it learns: bytes, merges, special tokens. Other vocabularies have the bytes in another
order, special tokens in the middle, ids without a meaning. And they say in two ways what merges:

- `merges` None, as tiktoken does: any two neighbours merge whose bytes together are a token; the smallest id
  first, the leftmost among equals. A piece that is a token is that token, whatever merging would give.
- `merges` a list of pairs of ids, as in a model file (GGUF, Hugging Face): the first in the list first.

>>> tokens = [bytes([byte]) for byte in range(256)] + [b"ab", None, b"abc"]
>>> tokenizer = VocabularyTokenizer(tokens, specials={"<|end|>": 257})
>>> tokenizer.encode("abcab"), tokenizer.special("<|end|>")
([258, 256], 257)
>>> VocabularyTokenizer(tokens, [(97, 98)], specials={"<|end|>": 257}).encode("abcab")
[256, 99, 256]

Next: published.py for the vocabularies of GPT-2 to GPT-4o, hugging_face.py for tokenizer.json.
"""

import base64
import binascii
import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groundup.base.errors import TokenizerError
from groundup.tokenizer.patterns import GPT2
from groundup.tokenizer.pieces import PieceTokenizer
from groundup.tokenizer.table import check_specials

if TYPE_CHECKING:
    from groundup.tokenizer.fast_pairs import Pairs

SCHEMA = 1

Pair = tuple[int, int]
Join = Callable[[int, int], tuple[int, int] | None]


class VocabularyTokenizer(PieceTokenizer):
    """`tokens[id]` are the bytes of that id, None for a special token and where there is no token.

    `specials` gives each special token's name its id. `whole_pieces` says that a piece that is a token is
    that token, before any merging; without merges it always is.
    """

    def __init__(
        self,
        tokens: Sequence[bytes | None],
        merges: Sequence[Pair] | None = None,
        *,
        pattern: str | None = GPT2,
        specials: Mapping[str, int] | None = None,
        whole_pieces: bool = False,
    ):
        specials = {} if specials is None else specials
        size = max(len(tokens), *(id + 1 for id in specials.values())) if specials else len(tokens)
        self._known: list[bytes | None] = [*tokens, *(None for _ in range(size - len(tokens)))]
        super().__init__([token or b"" for token in self._known], (), pattern)
        self._set_specials(specials)
        self._ids = _ids_by_bytes(self._known, few_missing=merges is not None)
        self.merges = None if merges is None else tuple((left, right) for left, right in merges)
        self.whole_pieces = whole_pieces or merges is None
        self._joins = None if self.merges is None else self._check_merges(self.merges)

    def _set_specials(self, specials: Mapping[str, int]) -> None:
        self.specials = check_specials(sorted(specials, key=specials.__getitem__))
        self._special_ids = dict(specials)
        if len(set(specials.values())) < len(specials):
            raise TokenizerError(f"Two special tokens share an id: {dict(specials)}. Give each its own.")
        for name, id in specials.items():
            if id < 0 or self._known[id] is not None:
                raise TokenizerError(
                    f"The special token {name!r} has id {id}, which is that of the token "
                    f"{self._known[id]!r}. A special token needs an id of its own."
                )
        taken = set(specials.values())
        self._gaps = frozenset(
            id for id, token in enumerate(self._known) if token is None and id not in taken
        )

    def _check_merges(self, merges: Sequence[Pair]) -> dict[Pair, tuple[int, int]]:
        joins: dict[Pair, tuple[int, int]] = {}
        for rank, (left, right) in enumerate(merges):
            known = 0 <= left < len(self._known) and 0 <= right < len(self._known)
            first, second = (self._known[left], self._known[right]) if known else (None, None)
            made = self._ids.get(first + second) if first is not None and second is not None else None
            if made is None:
                raise TokenizerError(
                    f"Merge {rank} joins the ids {left} and {right} ({first!r} and {second!r}), which "
                    "does not make a token of this vocabulary. The file is damaged, or its tokens and "
                    "merges belong to different tokenizers."
                )
            joins.setdefault((left, right), (rank, made))
        return joins

    def piece_ids(self, piece: bytes) -> Sequence[int]:
        """The ids of one piece of text."""
        if self.whole_pieces and piece in self._ids:
            return [self._ids[piece]]
        try:
            return merge_in_order([self._ids[bytes([byte])] for byte in piece], self.join)
        except KeyError as error:
            byte = error.args[0][0]
            raise TokenizerError(
                f"The vocabulary has no token for the byte 0x{byte:02x} in {piece[:40]!r}, so this "
                "text cannot be written with it. Leave the character out."
            ) from None

    def join(self, left: int, right: int) -> tuple[int, int] | None:
        if self._joins is not None:
            return self._joins.get((left, right))
        made = self._ids.get(self._bytes[left] + self._bytes[right])
        return None if made is None else (made, made)

    def _can_be_fast(self) -> bool:
        return super()._can_be_fast() and all(bytes([byte]) in self._ids for byte in range(256))

    def pairs(self) -> "Pairs":
        import numpy as np

        from groundup.tokenizer.fast_pairs import of_merges, of_ranks

        if self._joins is None:
            return of_ranks(self._known)
        pairs = np.array(list(self._joins), np.int64).reshape(-1, 2)
        made = np.array([made for _, made in self._joins.values()], np.uint32)
        return of_merges(self._known, pairs, made, whole=self.whole_pieces)

    def _tokens(self) -> list[bytes | None]:
        specials = set(self._special_ids.values())
        return [b"" if id in specials else token for id, token in enumerate(self._known)]

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": "vocabulary",
            "pattern": self.pattern,
            "specials": dict(sorted(self._special_ids.items(), key=lambda item: item[1])),
            "whole_pieces": self.whole_pieces,
            "tokens": [
                None if token is None else base64.b64encode(token).decode("ascii") for token in self._known
            ],
            "merges": None if self.merges is None else [list(pair) for pair in self.merges],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "VocabularyTokenizer":
        """The inverse of `to_dict`; load.py has already checked the types."""
        try:
            tokens = [
                None if text is None else base64.b64decode(text, validate=True) for text in content["tokens"]
            ]
        except binascii.Error as error:
            raise TokenizerError(
                f'A token of the vocabulary is not base64 ({error}): its "tokens" are damaged. Copy the file '
                "again from where it was made."
            ) from None
        merges = content["merges"]
        return cls(
            tokens,
            None if merges is None else [(left, right) for left, right in merges],
            pattern=content["pattern"],
            specials=content["specials"],
            whole_pieces=content["whole_pieces"],
        )


MOST_MISSING = 32  # SmolLM2 lacks 21 bytes: some control characters, and what UTF-8 hardly uses


def _ids_by_bytes(tokens: Sequence[bytes | None], *, few_missing: bool) -> dict[bytes, int]:
    """The id of each token. TokenizerError if two are alike, one is empty, or a byte has none.

    `few_missing`: of some bytes that is all right, until a text has them.
    """
    ids = {token: id for id, token in enumerate(tokens) if token is not None}
    if len(ids) < sum(token is not None for token in tokens):
        twice = next(token for id, token in enumerate(tokens) if token is not None and ids[token] != id)
        raise TokenizerError(f"Two ids have the bytes {twice!r}. The vocabulary is damaged: each token once.")
    if b"" in ids:
        raise TokenizerError(
            f"The token {ids[b'']} has no bytes. Name it as a special token, or leave it out."
        )
    missing = [byte for byte in range(256) if bytes([byte]) not in ids]
    if len(missing) > (MOST_MISSING if few_missing else 0):
        raise TokenizerError(
            f"The vocabulary has no token for {len(missing)} of the 256 bytes (0x{missing[0]:02x}), so "
            "not every text could be written with it. Byte-level byte-pair encoding needs them all."
        )
    return ids


def merge_in_order(ids: list[int], join: Join) -> list[int]:
    """The ids with all merges done: the smallest rank first, the leftmost among equals; `ids` is used up.

    `join(left, right)` is (rank, new id), or None if the two do not merge. As in long_piece.py the ids are a
    linked list, and a heap holds the pairs that could merge.
    """
    end = len(ids)
    following, previous = list(range(1, end + 1)), list(range(-1, end - 1))
    heap: list[tuple[int, int, int, int, int]] = []

    def offer(i: int, j: int) -> None:
        if found := join(ids[i], ids[j]):
            heapq.heappush(heap, (found[0], i, found[1], ids[i], ids[j]))

    for i in range(end - 1):
        offer(i, i + 1)
    while heap:
        _, i, made, left, right = heapq.heappop(heap)
        j = following[i]
        if ids[i] != left or j == end or ids[j] != right:
            continue  # one of the two has since merged with another neighbour
        ids[i], ids[j] = made, _DEAD
        after = following[i] = following[j]
        if after < end:
            previous[after] = i
            offer(i, after)
        if previous[i] >= 0:
            offer(previous[i], i)
    return [id for id in ids if id != _DEAD]


_DEAD = -1
