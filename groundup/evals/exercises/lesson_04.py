"""Exercises of lesson 04: how large to begin, how to see what is stuck, BatchNorm, how far a step moves."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from groundup.evals.exercise import Case, Exercise


def first_std(fan_in: int, bend: str) -> float:
    """The deviation that keeps a layer's outputs as large as its inputs: gain / sqrt(fan_in)."""
    return {"tanh": 5 / 3, "relu": math.sqrt(2), "linear": 1.0}[bend] / math.sqrt(fan_in)


def stuck(h_NH: Tensor) -> tuple[Tensor, Tensor]:
    """(share of |h| beyond 0.99, number of units that are beyond it in every row)."""
    beyond_NH = h_NH.abs() > 0.99
    return beyond_NH.float().mean(), beyond_NH.all(0).sum()


def batch_norm(x_NC: Tensor, gain_C: Tensor, bias_C: Tensor, eps: float) -> Tensor:
    """The course's, with a variance over N - 1."""
    return gain_C * (x_NC - x_NC.mean(0)) / torch.sqrt(x_NC.var(0) + eps) + bias_C


def update_ratio(before: Tensor, after: Tensor) -> Tensor:
    """log10 of the deviation of the change over that of the weight."""
    return ((after - before).std() / after.std()).log10()


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _first_std_cases() -> Iterator[Case]:
    yield Case("tanh after 30", (30, "tanh"))
    yield Case("relu after 100", (100, "relu"))
    yield Case("linear after 7", (7, "linear"))


def _stuck_cases() -> Iterator[Case]:
    yield Case("32 rows of 50", (torch.tanh(3 * _draw(32, 50, seed=1) + 5 * _draw(50, seed=2)),))


def _batch_norm_cases() -> Iterator[Case]:
    yield Case("32 rows of 8", (4 * _draw(32, 8, seed=3) + 2, _draw(8, seed=4), _draw(8, seed=5), 1e-5))
    yield Case("2 rows of 3", (_draw(2, 3, seed=6), _draw(3, seed=7), _draw(3, seed=8), 1e-5))


def _update_cases() -> Iterator[Case]:
    weight = _draw(30, 20, seed=9)
    yield Case("a small step", (weight, weight - 1e-3 * _draw(30, 20, seed=10)))


EXERCISES = (
    Exercise(
        "first_std",
        "The deviation of the weights of a layer with so many inputs, before 'tanh', 'relu' or nothing "
        "('linear'), that keeps what comes out as large as what went in.",
        first_std,
        _first_std_cases,
        hint="a gain over sqrt(fan_in); the gains are 5/3, sqrt(2) and 1",
    ),
    Exercise(
        "stuck",
        "Of the outputs of tanh: the share that is beyond 0.99 either way, and how many units (columns) are "
        "beyond it in every row.",
        stuck,
        _stuck_cases,
        outputs=("share", "dead"),
    ),
    Exercise(
        "batch_norm",
        "Every channel with mean 0 and deviation 1 over the rows (a variance over N - 1, eps under the "
        "root), then times the gain, plus the bias.",
        batch_norm,
        _batch_norm_cases,
        atol=1e-5,
    ),
    Exercise(
        "update_ratio",
        "log10 of the deviation of the change of a weight over the deviation of the weight after it.",
        update_ratio,
        _update_cases,
    ),
)
