"""Exercises of lesson 08: averaging the past, a head of attention, heads side by side, a calm beginning."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from groundup.evals.exercise import Case, Exercise


def average_past(x_BTC: Tensor) -> Tensor:
    """The mean of places 0 to t, for every place t: one product with a triangle."""
    T = x_BTC.size(1)
    triangle_TT = torch.ones(T, T).tril()
    return (triangle_TT / triangle_TT.sum(1, keepdim=True)) @ x_BTC


def head(q_BTD: Tensor, k_BTD: Tensor, v_BTD: Tensor) -> Tensor:
    """softmax(q k' / sqrt(D)) v over the past."""
    T, D = q_BTD.shape[-2:]
    scores_BTT = q_BTD @ k_BTD.transpose(-1, -2) / math.sqrt(D)
    scores_BTT = scores_BTT.masked_fill(torch.ones(T, T).tril() == 0, -math.inf)
    return scores_BTT.softmax(-1) @ v_BTD


def split_heads(x_BTC: Tensor, H: int) -> Tensor:
    """x_BHTD."""
    B, T, C = x_BTC.shape
    return x_BTC.view(B, T, H, C // H).transpose(1, 2)


def layer_norm(x_BTC: Tensor, gain_C: Tensor, bias_C: Tensor) -> Tensor:
    """Each place with mean 0 and variance 1 over its channels, then a gain and a bias."""
    mean, variance = x_BTC.mean(-1, keepdim=True), x_BTC.var(-1, keepdim=True, correction=0)
    return (x_BTC - mean) / torch.sqrt(variance + 1e-5) * gain_C + bias_C


def calm_scale(fan_in: int, gain: float) -> float:
    """gain / sqrt(fan-in)."""
    return gain / math.sqrt(fan_in)


def residual_scale(n_add: int) -> float:
    """1 / sqrt(n): the sum of n independent numbers of this deviation has deviation 1."""
    return 1 / math.sqrt(n_add)


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _past_cases() -> Iterator[Case]:
    yield Case("8 places", (_draw(4, 8, 2, seed=1),))
    yield Case("a single place", (_draw(1, 1, 3, seed=2),))


def _head_cases() -> Iterator[Case]:
    yield Case("8 places of 16 channels", tuple(_draw(2, 8, 16, seed=3 + i) for i in range(3)))
    yield Case("large scores", tuple(30 * _draw(2, 5, 4, seed=6 + i) for i in range(3)))


def _split_cases() -> Iterator[Case]:
    yield Case("32 channels, 4 heads", (_draw(2, 8, 32, seed=9), 4))
    yield Case("one head", (_draw(2, 3, 4, seed=10), 1))


def _norm_cases() -> Iterator[Case]:
    yield Case(
        "mean 5, deviation 3", (5 + 3 * _draw(2, 8, 32, seed=11), _draw(32, seed=12), _draw(32, seed=13))
    )


def _calm_cases() -> Iterator[Case]:
    yield Case("30 inputs, tanh", (30, 5 / 3))
    yield Case("768 inputs, no bend", (768, 1.0))


def _residual_cases() -> Iterator[Case]:
    yield Case("GPT-2 small: 12 blocks add twice each", (24,))


EXERCISES = (
    Exercise(
        "average_past",
        "For every place t the mean of x over the places 0 to t. Loops are right; one matrix product is "
        "attention.",
        average_past,
        _past_cases,
        hint="row t of the matrix holds 1 / (t + 1) up to place t, and 0 after it",
        atol=1e-6,
    ),
    Exercise(
        "head",
        "A head of attention over the past: softmax of the queries times the keys, over the root of D, times "
        "the values; place t may not look at what comes after it.",
        head,
        _head_cases,
        hint="a score of minus infinity has the share 0",
        atol=1e-5,
    ),
    Exercise(
        "split_heads",
        "(B, T, C) as (B, H, T, C / H): head h has the channels h C / H and on.",
        split_heads,
        _split_cases,
        hint="view, then transpose; a view alone would mix places with channels",
    ),
    Exercise(
        "layer_norm",
        "Each place with mean 0 and variance 1 (over C, 1e-5 added) across its channels; then times the "
        "gain, plus the bias.",
        layer_norm,
        _norm_cases,
        atol=1e-5,
    ),
    Exercise(
        "calm_scale",
        "The deviation of the weights of a layer with so many inputs of variance 1, so that what comes out "
        "has the deviation `gain`.",
        calm_scale,
        _calm_cases,
        hint="variances of independent numbers add",
    ),
    Exercise(
        "residual_scale",
        "By what to multiply what each of n independent layers of deviation 1 adds to the residual stream, "
        "so that the sum has deviation 1.",
        residual_scale,
        _residual_cases,
    ),
)
