"""Exercises of lesson 06: neighbours side by side, a level of the tree, the same as a convolution."""

from collections.abc import Iterator

import torch
from torch import Tensor

from groundup.evals.exercise import Case, Exercise


def flatten_consecutive(x_BTC: Tensor, n: int) -> Tensor:
    """x[B, T/n, n C]."""
    B, T, C = x_BTC.shape
    return x_BTC.view(B, T // n, n * C)


def reach(n_level: int) -> int:
    """How many places the top of a tree of pairs has heard of."""
    return 2**n_level


def dilated(x_BTC: Tensor, weight_FC: Tensor, apart: int) -> Tensor:
    """W [x at t, x at t + apart] for every t that has both."""
    pairs_BTC = torch.cat((x_BTC[:, :-apart], x_BTC[:, apart:]), -1)
    return pairs_BTC @ weight_FC.T


def statistics(x_BTC: Tensor) -> tuple[Tensor, Tensor]:
    """(mean_C, variance_C) over batch and places, the variance over N - 1."""
    rows_NC = x_BTC.flatten(0, 1)
    return rows_NC.mean(0), rows_NC.var(0)


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _flatten_cases() -> Iterator[Case]:
    yield Case("pairs of 8 places", (_draw(4, 8, 10, seed=1), 2))
    yield Case("all 4 places", (_draw(2, 4, 3, seed=2), 4))


def _reach_cases() -> Iterator[Case]:
    yield Case("the lecture's three levels", (3,))
    yield Case("ten levels", (10,))


def _dilated_cases() -> Iterator[Case]:
    for apart in (1, 2, 4):
        yield Case(f"{apart} apart", (_draw(2, 11, 5, seed=3), _draw(6, 10, seed=4), apart))


def _statistics_cases() -> Iterator[Case]:
    yield Case("32 rows of 4 places", (3 * _draw(32, 4, 8, seed=5) + _draw(8, seed=6),))


EXERCISES = (
    Exercise(
        "flatten_consecutive",
        "Every n neighbours side by side: (B, T, C) becomes (B, T / n, n C), and no number moves.",
        flatten_consecutive,
        _flatten_cases,
    ),
    Exercise(
        "reach",
        "How many characters the top of a tree has heard of, when each of its levels fuses pairs.",
        reach,
        _reach_cases,
    ),
    Exercise(
        "dilated",
        "The level of the tree as a convolution: weight times [x at t, x at t + apart] for every t that has "
        "both, so (B, T, C) becomes (B, T - apart, F). The weight is (F, 2 C).",
        dilated,
        _dilated_cases,
        hint="two slices of x, torch.cat in the last dimension, one matrix product",
        atol=1e-5,
    ),
    Exercise(
        "statistics",
        "What BatchNorm needs of x_BTC: mean and variance (over N - 1) of each channel, over batch and "
        "places.",
        statistics,
        _statistics_cases,
        outputs=("mean", "variance"),
        hint="the lecture's bug: over the batch alone every place would have its own",
        atol=1e-5,
    ),
)
