"""Exercises of lesson 07: the three cells, one step each, and how the past fades."""

from collections.abc import Iterator

import torch
from torch import Tensor

from groundup.evals.exercise import Case, Exercise


def rnn_step(xh_BC: Tensor, weight_CF: Tensor, bias_F: Tensor) -> Tensor:
    """tanh([x, h] W + b)."""
    return torch.tanh(xh_BC @ weight_CF + bias_F)


def gru_step(h_BF: Tensor, update_BF: Tensor, candidate_BF: Tensor) -> Tensor:
    """(1 - z) h + z candidate: the update gate mixes the old with the new."""
    return (1 - update_BF) * h_BF + update_BF * candidate_BF


def lstm_step(
    c_BF: Tensor, forget_BF: Tensor, enter_BF: Tensor, candidate_BF: Tensor, out_BF: Tensor
) -> tuple[Tensor, Tensor]:
    """(c, h): the cell keeps forget times itself and takes enter times the candidate; h shows a part."""
    c_BF = forget_BF * c_BF + enter_BF * candidate_BF
    return c_BF, out_BF * torch.tanh(c_BF)


def fade(weight_FF: Tensor, h_TF: Tensor) -> Tensor:
    """The norm of d h_T / d h_0 of h_t = tanh(h_(t-1) W): a product of W and (1 - h^2), step by step."""
    jacobian_FF = torch.eye(len(weight_FF))
    for h_F in h_TF:
        jacobian_FF = jacobian_FF @ weight_FF * (1 - h_F**2)
    return jacobian_FF.norm()


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _gate(*shape: int, seed: int) -> Tensor:
    return _draw(*shape, seed=seed).sigmoid()


def _rnn_cases() -> Iterator[Case]:
    yield Case("4 rows of 6", (_draw(4, 10, seed=1), _draw(10, 6, seed=2), _draw(6, seed=3)))


def _gru_cases() -> Iterator[Case]:
    yield Case("4 rows of 6", (_draw(4, 6, seed=4), _gate(4, 6, seed=5), _draw(4, 6, seed=6).tanh()))
    yield Case("a closed gate", (_draw(2, 3, seed=7), torch.zeros(2, 3), _draw(2, 3, seed=8)))


def _lstm_cases() -> Iterator[Case]:
    gates = (_gate(4, 6, seed=9), _gate(4, 6, seed=10), _draw(4, 6, seed=11).tanh(), _gate(4, 6, seed=12))
    yield Case("4 rows of 6", (3 * _draw(4, 6, seed=13), *gates))


def _fade_cases() -> Iterator[Case]:
    yield Case("5 steps", (_draw(6, 6, seed=14) / 6**0.5, _draw(5, 6, seed=15).tanh()))
    yield Case("no step", (_draw(3, 3, seed=16), torch.zeros(0, 3)))


EXERCISES = (
    Exercise(
        "rnn_step", "tanh of [x, h], which stand side by side, times the weight, plus the bias.",
        rnn_step, _rnn_cases, atol=1e-6,
    ),
    Exercise(
        "gru_step",
        "The new state of a GRU: where the update gate is 1 the candidate, where it is 0 the old state.",
        gru_step, _gru_cases, atol=1e-6,
    ),
    Exercise(
        "lstm_step",
        "The new cell and the new state of an LSTM from the old cell, the gates forget, enter and out, and "
        "the candidate.",
        lstm_step, _lstm_cases, outputs=("c", "h"), atol=1e-6,
        hint="the cell is a sum, so a gradient passes through it unweakened where forget is 1",
    ),
    Exercise(
        "fade",
        "How much of the first state is left: the norm of d h_T / d h_0 of h_t = tanh(h_(t-1) W), from W and "
        "the states h_1 ... h_T.",
        fade, _fade_cases, hint="a product of T matrices W times diag(1 - h^2); tanh' = 1 - tanh^2",
        atol=1e-6,
    ),
)  # fmt: skip
