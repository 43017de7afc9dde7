"""Exercises of lesson 02: counting pairs and triples, the loss of a table, drawing by darts, a gradient."""

from collections.abc import Iterator

import torch
from torch import Tensor

from groundup.evals.exercise import Case, Exercise

WORDS = ("emma", "olivia", "ava", "isabella", "sophia", "mia")


def count_pairs(words: list[str]) -> dict[str, int]:
    """How often each pair of neighbours occurs; "." stands before and after every word."""
    counts: dict[str, int] = {}
    for word in words:
        marked = f".{word}."
        for i in range(len(marked) - 1):
            pair = marked[i : i + 2]
            counts[pair] = counts.get(pair, 0) + 1
    return counts


def count_trigrams(x_N2: Tensor, y_N: Tensor, vocab_size: int) -> Tensor:
    """counts_VVV[a, b, c]: how often c followed a and then b."""
    counts_VVV = torch.zeros(vocab_size, vocab_size, vocab_size)
    for (a, b), c in zip(x_N2.tolist(), y_N.tolist(), strict=True):
        counts_VVV[a, b, c] += 1
    return counts_VVV


def smoothed_loss(counts_VV: Tensor, smoothing: float, x_N: Tensor, y_N: Tensor) -> Tensor:
    """Mean -log p of y after x, `smoothing` added to every count."""
    shares_VV = counts_VV + smoothing
    shares_VV = shares_VV / shares_VV.sum(1, keepdim=True)
    return -shares_VV[x_N, y_N].log().mean()


def throw(shares_V: Tensor, darts: list[float]) -> list[int]:
    """The id whose part of the line from 0 to 1 each dart lands in."""
    ends_V = shares_V.cumsum(0).tolist()
    return [next((id for id, end in enumerate(ends_V) if dart < end), len(ends_V) - 1) for dart in darts]


def bigram_gradient(weight_VV: Tensor, x_N: Tensor, y_N: Tensor) -> Tensor:
    """d(mean cross-entropy)/dW of the bigram as a matrix: softmax minus one-hot, row by row."""
    delta_NV = weight_VV[x_N].softmax(1)
    delta_NV[torch.arange(len(x_N)), y_N] -= 1
    return torch.zeros_like(weight_VV).index_add_(0, x_N, delta_NV / len(x_N))


def _draw(*shape: int, high: int, seed: int) -> Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def _pair_cases() -> Iterator[Case]:
    yield Case("one word", (["emma"],))
    yield Case("six words", (list(WORDS),))


def _trigram_cases() -> Iterator[Case]:
    yield Case("300 of 5 letters", (_draw(300, 2, high=5, seed=1), _draw(300, high=5, seed=2), 5))


def _loss_cases() -> Iterator[Case]:
    counts_VV = _draw(6, 6, high=20, seed=3).float() + 1
    x_N, y_N = _draw(50, high=6, seed=4), _draw(50, high=6, seed=5)
    yield Case("nothing added", (counts_VV, 0.0, x_N, y_N))
    counts_VV = counts_VV.clone()
    counts_VV[2, 3] = 0  # without smoothing infinitely surprising
    yield Case("1 added, a pair never seen", (counts_VV, 1.0, torch.tensor([2]), torch.tensor([3])))


def _throw_cases() -> Iterator[Case]:
    yield Case("four parts", (torch.tensor([0.5, 0.25, 0.125, 0.125]), [0.0, 0.49, 0.5, 0.8, 0.99]))
    yield Case("a part of nothing", (torch.tensor([0.0, 0.5, 0.0, 0.5]), [0.0, 0.5, 0.75]))


def _gradient_cases() -> Iterator[Case]:
    weight_VV = torch.randn(7, 7, generator=torch.Generator().manual_seed(6))
    yield Case("40 pairs", (weight_VV, _draw(40, high=7, seed=7), _draw(40, high=7, seed=8)))
    yield Case("the same pair twice", (weight_VV, torch.tensor([3, 3]), torch.tensor([1, 1])))


EXERCISES = (
    Exercise(
        "count_pairs",
        'How often each pair of neighbours occurs in these words, as a dict from "em" to its count; "." '
        "stands before and after every word.",
        count_pairs,
        _pair_cases,
        hint='walk through "." + word + "."',
    ),
    Exercise(
        "count_trigrams",
        "counts[a, b, c]: how often the id c followed a and then b. x_N2 holds the pairs, y_N what followed.",
        count_trigrams,
        _trigram_cases,
        hint="one loop, or index_put_ with accumulate=True",
    ),
    Exercise(
        "smoothed_loss",
        "The mean of -log p of y after x, with `smoothing` added to every count before the rows are divided "
        "by their sums.",
        smoothed_loss,
        _loss_cases,
    ),
    Exercise(
        "throw",
        "Put the probabilities end to end on a line from 0 to 1: the id in whose part each dart lands. A "
        "part begins with its left end and does not hold its right end.",
        throw,
        _throw_cases,
        hint="torch.searchsorted of the cumulated sums, with right=True",
    ),
    Exercise(
        "bigram_gradient",
        "The gradient of the mean cross-entropy with respect to W, where row x of W, through softmax, is the "
        "distribution of what follows x. No autograd.",
        bigram_gradient,
        _gradient_cases,
        hint="softmax minus one-hot, over N, added into the rows that were read",
        atol=1e-7,
    ),
)
