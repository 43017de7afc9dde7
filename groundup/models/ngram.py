"""The model to beat: counting what followed the last few tokens.

Source:  interpolated Witten-Bell smoothing: Witten & Bell 1991, as written by Chen & Goodman 1998 (TR-10-98,
         Harvard). With c(h) tokens seen after the context h, t(h) of them distinct:

             P(w | h) = (c(h w) + t(h) P(w | h without its first token)) / (c(h) + t(h))

         and 1 / vocab_size below the empty context. A context never seen leaves it all to the shorter one.
Why:     a network that cannot beat these counts on the same text has learned less than a table would.
How:     no dictionaries. An n-gram is the number (rank of its first n-1 tokens among such) * V + its last,
         which fits 64 bits for every n, so counting is one sort per order and looking up a binary search.
Not here: Kneser-Ney, which is usually a little better and needs a second kind of count.
Next:    evals/bits_per_byte.py, which puts the network's figure beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundup.base.errors import ConfigError, DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
UNSEEN = -1  # the rank of a context that the training text does not have


@dataclass(frozen=True)
class Order:
    """The counts of one order: sorted n-grams, and what each context (by its rank) was followed by."""

    grams: Ints  # context rank * V + token, ascending
    counts: Ints  # c(h w) of each
    followers: Ints  # c(h) of each context
    distinct: Ints  # t(h) of each context


class NGram:
    """Interpolated Witten-Bell n-gram model over token ids, or over bytes (vocab_size 256).

    >>> model = NGram.train([0, 1, 0, 1, 0, 1], order=2, vocab_size=2)
    >>> probability = 2 ** model.log2_probs([0, 1])  # of 0 at the start, then of 1 after 0
    >>> probability.round(3).tolist()  # unigram (3 + 2/2)/(6 + 2); then (3 + 1 * 0.5)/(3 + 1)
    [0.5, 0.875]
    """

    def __init__(self, orders: tuple[Order, ...], vocab_size: int):
        self.orders, self.vocab_size = orders, vocab_size

    @classmethod
    def train(cls, ids: ArrayLike, *, order: int, vocab_size: int) -> NGram:
        """Counts every n-gram of 1 to `order` tokens of one stream of ids; seconds for millions of tokens.

        Raises ConfigError for an order below 1, DataError for ids outside the vocabulary or fewer tokens than
        the order.
        """
        tokens = _checked(ids, vocab_size)
        if order < 1:
            raise ConfigError(f"order={order} is not allowed. Choose 1 or more: 3 to 6 are usual.")
        if len(tokens) < order:
            raise DataError(f"{len(tokens)} tokens are too few for n-grams of {order}. Give a longer text.")
        orders: list[Order] = []
        context: Ints = np.zeros(len(tokens), dtype=np.int64)  # rank of what stands before each token
        contexts = 1
        for n in range(1, order + 1):
            grams, rank, counts = ranked(context * vocab_size + tokens[n - 1 :])
            of_gram = grams // vocab_size
            followers = np.bincount(of_gram, weights=counts, minlength=contexts).astype(np.int64)
            orders.append(Order(grams, counts, followers, np.bincount(of_gram, minlength=contexts)))
            context, contexts = rank[:-1], len(grams)  # the n-gram that ends at token i stands before i + 1
        return cls(tuple(orders), vocab_size)

    def log2_probs(self, ids: ArrayLike) -> Floats:
        """log2 P of each token after those before it; the first ones have shorter contexts."""
        tokens = _checked(ids, self.vocab_size)
        probability = np.full(len(tokens), 1 / self.vocab_size)
        context: Ints = np.zeros(len(tokens), dtype=np.int64)
        for order in self.orders:
            keys = context * self.vocab_size + tokens  # negative, so never found, behind an unseen context
            place = np.minimum(np.searchsorted(order.grams, keys), len(order.grams) - 1)
            found = order.grams[place] == keys
            count = np.where(found, order.counts[place], 0)
            followers = np.where(context == UNSEEN, 0, order.followers[context])
            distinct = np.where(context == UNSEEN, 0, order.distinct[context])
            # the text's last n-gram may have no follower: then too the shorter context has all the say
            mixed = (count + distinct * probability) / np.maximum(followers + distinct, 1)
            probability = np.where(followers > 0, mixed, probability)
            context = np.concatenate(([UNSEEN], np.where(found, place, UNSEEN)[:-1]))
        return np.log2(probability)

    def bits_per_byte(self, ids: ArrayLike, n_bytes: int) -> float:
        """Bits that coding these ids would take, per byte of the text that they spell."""
        if n_bytes < 1:
            raise DataError(
                f"n_bytes={n_bytes}, but bits per byte need a text. Give one of at least one byte."
            )
        return float(-self.log2_probs(ids).sum() / n_bytes)


def ranked(keys: Ints) -> tuple[Ints, Ints, Ints]:
    """(unique keys ascending, rank of each key, count of each): np.unique, three times as fast on text.

    >>> [a.tolist() for a in ranked(np.array([30, 10, 30]))]
    [[10, 30], [1, 0, 1], [1, 2]]
    """
    bits = (len(keys) - 1).bit_length()
    if (
        int(keys.max()).bit_length() + bits <= 63
    ):  # sorting (key, place) as one number is vectorised; argsort is not
        pairs = np.sort(keys << bits | np.arange(len(keys)))
        place, in_order = pairs & ((1 << bits) - 1), pairs >> bits
    else:
        place = np.argsort(keys)
        in_order = keys[place]
    first = np.concatenate(([True], in_order[1:] != in_order[:-1]))
    rank = np.empty_like(keys)
    rank[place] = np.cumsum(first) - 1
    return in_order[first], rank, np.diff(np.append(np.flatnonzero(first), len(keys)))


def _checked(ids: ArrayLike, vocab_size: int) -> Ints:
    tokens = np.asarray(ids).astype(np.int64)
    if len(tokens) and not 0 <= tokens.min() <= tokens.max() < vocab_size:
        wrong = tokens[(tokens < 0) | (tokens >= vocab_size)][0]
        raise DataError(
            f"id {wrong} is not in a vocabulary of {vocab_size}. Pass the tokenizer's own vocab_size."
        )
    return tokens
