"""Byte-pair encoding from scratch, in the order in which one would think of it.

A text is bytes, so 256 ids are enough to write anything, but then every reply costs one step of the model for
each letter. Byte-pair encoding makes frequent neighbours one token: count all pairs of neighbours, give the
most frequent pair a new id, replace it everywhere, and do that again until the vocabulary is as large as you
like. The example of Wikipedia's article on it, `aaabdaaabac`, three times over:

    a a a b d a a a b a c    (a, a) occurs 4 times      -> 256 = aa
    256 a b d 256 a b a c    (a, b) occurs 2 times (1)  -> 257 = ab
    256 257 d 256 257 a c    (256, 257) occurs 2 times  -> 258 = aaab
    258 d 258 a c

>>> tokenizer = BytePairTokenizer.train(["aaabdaaabac"], vocab_size=259)
>>> tokenizer.merges
((97, 97), (97, 98), (256, 257))
>>> tokenizer.encode("aaabdaaabac")
[258, 100, 258, 97, 99]
>>> tokenizer.decode([258, 100, 258, 97, 99]), tokenizer.bytes_of(258)
('aaabdaaabac', b'aaab')

(1) So does (256, 97). The tie rule: the most frequent pair wins, and among equals the pair with the smallest
ids, left id first. It makes training exact and independent of the order of the texts. rustbpe has the same
rule; minbpe takes the pair that it met first, so it may number equally frequent pairs differently. Like both,
we count (a, a) twice in `aaa`, although only one can be merged.

Source: Gage 1994, "A new algorithm for data compression"; for words Sennrich et al. 2016, arXiv 1508.07909;
        over bytes and with a split pattern Radford et al. 2019 (GPT-2).
Ids:    0-255 the bytes, then the merges in the order in which they were learned, then the special tokens.
Does not: go fast. This is the readable reference: plain Python, nothing to compile, and exact. fast_path.py
        is the same, compiled.
Next:   patterns.py for the split, long_piece.py for pieces of more than a few hundred bytes, vocabulary.py.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from groundup.base.errors import TokenizerError
from groundup.tokenizer.long_piece import merge_long
from groundup.tokenizer.patterns import GPT2, split
from groundup.tokenizer.pieces import PieceTokenizer, well_formed
from groundup.tokenizer.table import check_specials

if TYPE_CHECKING:
    from groundup.tokenizer.fast_pairs import Pairs

SCHEMA = 1
LONG_BYTES = 256  # beyond this the heap of long_piece.py beats looking at every pair again

Pair = tuple[int, int]


# ---- The algorithm -------------------------------------------------------------------------------


def merge(ids: list[int], pair: Pair, new: int) -> list[int]:
    """The ids with every `pair` replaced by `new`, from left to right.

    >>> merge([97, 97, 97, 98], (97, 97), 256)
    [256, 97, 98]
    """
    left, right = pair
    merged = []
    i = 0
    while i < len(ids):
        if ids[i] == left and i + 1 < len(ids) and ids[i + 1] == right:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def train_merges(pieces: Mapping[bytes, int], n_merges: int) -> list[Pair]:
    """The first `n_merges` merges, fewer if the pieces run out of pairs.

    `pieces` maps each different piece to how often it occurs: English repeats itself so much that a megabyte
    of it has some 15,000 different pieces. Two more savings over counting everything again for each merge:

    - `places` remembers which pieces hold a pair, so a merge visits only those;
    - the counts of existing pairs only ever fall, since every pair that a merge creates contains the new id.
      So a heap may hold old counts: what comes out on top with an old count is put back with the true one.
    """
    words = [list(piece) for piece in pieces]
    times = list(pieces.values())
    counts: defaultdict[Pair, int] = defaultdict(int)
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            counts[pair] += times[index]
            places[pair].add(index)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)

    merges: list[Pair] = []
    while heap and len(merges) < n_merges:
        minus_count, best = heapq.heappop(heap)  # largest count; among equals the smallest pair: the tie rule
        if counts[best] != -minus_count:
            if counts[best]:
                heapq.heappush(heap, (-counts[best], best))
            continue
        new = 256 + len(merges)
        merges.append(best)
        created = set()
        for index in places.pop(best):
            before = words[index]
            words[index] = after = merge(before, best, new)
            for pair in pairwise(before):
                counts[pair] -= times[index]
            for pair in pairwise(after):
                counts[pair] += times[index]
                if new in pair:
                    places[pair].add(index)
                    created.add(pair)
        for pair in created:
            heapq.heappush(heap, (-counts[pair], pair))
    return merges


def merge_by_rank(ids: list[int], ranks: Mapping[Pair, int]) -> list[int]:
    """The ids with all merges done, earliest learned first: training, replayed on a new piece.

    `ranks` maps a pair to its id, which is also its rank.
    """
    while len(ids) > 1:
        new, pair = min((ranks.get(pair, _NEVER), pair) for pair in pairwise(ids))
        if new == _NEVER:
            break
        ids = merge(ids, pair, new)
    return ids


_NEVER = 1 << 62  # the rank of a pair that is not a merge


# ---- The tokenizer -------------------------------------------------------------------------------


class BytePairTokenizer(PieceTokenizer):
    """Byte-pair encoding with a split pattern and special tokens: trained here, or given its merges.

    `encode` and the rest are in pieces.py. `pattern` None means no split: a merge may join anything.

    >>> BytePairTokenizer([]).encode_bytes(b"a\\xff")
    [97, 255]
    """

    def __init__(self, merges: Sequence[Pair], *, pattern: str | None = GPT2, specials: Sequence[str] = ()):
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in merges:
            if not (0 <= left < len(tokens) and 0 <= right < len(tokens)):
                raise TokenizerError(
                    f"Merge {len(tokens) - 256} joins {(left, right)}, but only ids 0 to {len(tokens) - 1} "
                    "exist before it. The merges are damaged or out of order; train or copy them again."
                )
            tokens.append(tokens[left] + tokens[right])
        super().__init__(tokens, specials, pattern)
        self.merges: tuple[Pair, ...] = tuple((left, right) for left, right in merges)
        self._ranks = {pair: 256 + i for i, pair in enumerate(self.merges)}
        if len(self._ranks) < len(self.merges):
            twice = next(pair for pair, times in Counter(self.merges).items() if times > 1)
            raise TokenizerError(f"The pair {twice} is merged twice. The merges are damaged; train again.")

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int,
        pattern: str | None = GPT2,
        specials: Sequence[str] = (),
    ) -> "BytePairTokenizer":
        """The tokenizer with `vocab_size` ids in all that the texts teach, in whatever order they come.

        Raises TokenizerError if vocab_size leaves no room for the 256 bytes and the special tokens, or asks
        for more merges than the texts allow. Only the different pieces of the texts are kept in memory.
        """
        n_merges = merges_asked_for(vocab_size, specials)
        pieces: Counter[str] = Counter()
        for text in [texts] if isinstance(texts, str) else texts:
            pieces.update(split(pattern, well_formed(text)))
        merges = train_merges({piece.encode("utf-8"): n for piece, n in pieces.items()}, n_merges)
        check_learned(len(merges), n_merges, specials, any_text=bool(pieces))
        return cls(merges, pattern=pattern, specials=specials)

    def piece_ids(self, piece: bytes) -> Sequence[int]:
        """The ids of one piece of text: its bytes, with all merges done.

        >>> BytePairTokenizer([(97, 98), (256, 99)]).piece_ids(b"abcab")
        [257, 256]
        """
        if len(piece) > LONG_BYTES:
            return merge_long(list(piece), self._ranks)
        return merge_by_rank(list(piece), self._ranks)

    def join(self, left: int, right: int) -> tuple[int, int] | None:
        made = self._ranks.get((left, right))
        return None if made is None else (made, made)

    def pairs(self) -> "Pairs":
        import numpy as np

        from groundup.tokenizer.fast_pairs import of_merges

        merges = np.array(self.merges, np.int64).reshape(-1, 2)
        made = np.arange(256, 256 + len(merges), dtype=np.uint32)
        return of_merges(self._tokens(), merges, made, whole=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": "bpe",
            "pattern": self.pattern,
            "specials": list(self.specials),
            "merges": [list(pair) for pair in self.merges],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "BytePairTokenizer":
        """The inverse of `to_dict`; load.py has already checked the types."""
        merges = [(left, right) for left, right in content["merges"]]
        return cls(merges, pattern=content["pattern"], specials=content["specials"])


# ---- What can be learned -------------------------------------------------------------------------


def merges_asked_for(vocab_size: int, specials: Sequence[str]) -> int:
    """How many merges such a vocabulary has; TokenizerError if it has no room for bytes and specials."""
    least = 256 + len(check_specials(specials))
    if vocab_size < least:
        raise TokenizerError(
            f"vocab_size={vocab_size} is too small: 256 bytes and {len(specials)} special tokens need "
            f"{least}. Choose at least that."
        )
    return vocab_size - least


def check_learned(learned: int, asked: int, specials: Sequence[str], *, any_text: bool) -> None:
    """TokenizerError, with the largest vocabulary there is, if a text allows fewer merges than asked for."""
    if asked and not any_text:
        raise TokenizerError("There is no text to learn merges from: all texts are empty. Give it some text.")
    if learned < asked:
        least = 256 + len(specials)
        raise TokenizerError(
            f"vocab_size={least + asked} asks for {asked} merges, but this text allows only {learned}: after "
            f"them every piece is one token. Give it more text, or choose vocab_size <= {least + learned}."
        )
