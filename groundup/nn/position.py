"""Where a token stands: rotary position embedding, and positions that restart in every packed text.

Letters: B batch, T query time, H heads, D head width.
Source:  Su et al. 2021, arXiv 2104.09864, eq. 34, in the half-split layout of Llama and Qwen: channel i is
         paired with channel i + D/2 (the paper pairs 2i with 2i + 1: a fixed permutation of the channels).
Not here: learned positions, which are an nn.Embedding in models/transformer.py.
Next:    attention.py.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def rotary_tables(context_len: int, head_dim: int, theta: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """cos_TD and sin_TD: the angle of position t in channel i, and in i + D/2, is t * theta^(-2i/D).

    Computed in float64: the product loses digits in float32 long before its cosine is rounded to float32.

    >>> cos_TD, sin_TD = rotary_tables(3, 2)
    >>> cos_TD[2]  # cos(2 * 1) in both channels
    tensor([-0.4161, -0.4161])
    """
    if head_dim % 2:
        raise ValueError(f"head_dim={head_dim} is odd, but rotation turns pairs of channels. Make it even.")
    frequency_D = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angle_TD = torch.outer(torch.arange(context_len, dtype=torch.float64), frequency_D).repeat(1, 2)
    return angle_TD.cos().float(), angle_TD.sin().float()


def rotate_written_out(x_BTHD: Tensor, cos_TD: Tensor, sin_TD: Tensor) -> Tensor:
    """(a cos - b sin, b cos + a sin) for the halves a, b of each head: the oracle of `rotate`."""
    a, b = x_BTHD.chunk(2, -1)
    return x_BTHD * cos_TD.unsqueeze(-2) + torch.cat((-b, a), -1) * sin_TD.unsqueeze(-2)


def rotate(x_BTHD: Tensor, cos_TD: Tensor, sin_TD: Tensor) -> Tensor:
    """x with every channel pair (i, i + D/2) turned by the angle of its position.

    cos and sin are [T, D], or [B, T, D] where every row has positions of its own.
    """
    cos, sin = cos_TD.unsqueeze(-2), sin_TD.unsqueeze(-2)
    if not x_BTHD.requires_grad:  # the same numbers, without what autograd notes down
        return Rotation.turn(x_BTHD, cos, sin, 1)
    return Rotation.apply(x_BTHD, cos, sin)


class Rotation(torch.autograd.Function):
    """The rotation without its two copies: a fifth faster than written out, with the norm before it.

    A rotation is orthogonal, so its derivative turns the gradient back by the same angle.
    """

    @staticmethod
    def forward(ctx: Any, x_BTHD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return Rotation.turn(x_BTHD, cos, sin, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BTHD: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return Rotation.turn(grad_BTHD, cos, sin, -1), None, None

    @staticmethod
    def turn(x_BTHD: Tensor, cos: Tensor, sin: Tensor, direction: int) -> Tensor:
        """x turned by the angle (direction 1) or back (-1)."""
        half = x_BTHD.size(-1) // 2
        y_BTHD, half_sin = x_BTHD * cos, sin[..., :half]
        y_BTHD[..., :half].addcmul_(x_BTHD[..., half:], half_sin, value=-direction)
        y_BTHD[..., half:].addcmul_(x_BTHD[..., :half], half_sin, value=direction)
        return y_BTHD


def segment_runs(segments_BT: Tensor) -> tuple[Tensor, Tensor]:
    """(runs_BT, positions_BT) of packed rows: the run of equal ids that a token is in, and its place there.

    A segment id that comes back after another one starts a new run: two texts never become one.

    >>> runs, positions = segment_runs(torch.tensor([[7, 7, 7, 2, 2, 7]]))
    >>> runs.tolist(), positions.tolist()
    ([[0, 0, 0, 1, 1, 2]], [[0, 1, 2, 0, 1, 0]])
    """
    starts_BT = torch.zeros_like(segments_BT, dtype=torch.bool)
    starts_BT[:, 1:] = segments_BT[:, 1:] != segments_BT[:, :-1]
    index_T = torch.arange(segments_BT.size(1), device=segments_BT.device)
    positions_BT = index_T - torch.where(starts_BT, index_T, 0).cummax(1).values
    return starts_BT.cumsum(1), positions_BT
