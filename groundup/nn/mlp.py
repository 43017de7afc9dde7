"""The feed-forward half of a block: widen, bend, narrow.

Letters: C channels, F feed-forward width.
Source:  SwiGLU: Shazeer 2020, arXiv 2002.05202, eq. 6. GELU: Hendrycks & Gimpel 2016, arXiv 1606.08415,
         section 2: "gelu" is the tanh form that GPT-2 uses, "gelu_erf" the exact one (nanoGPT, BERT).
         Squared ReLU: So et al. 2021 (Primer), arXiv 2109.08668.
Next:    models/transformer.py, where the parts meet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class MLP(nn.Module):
    """C channels up to F, bent by one of `BENDS`, and back down to C."""

    def __init__(self, n_embd: int, width: int, *, kind: str, bias: bool):
        super().__init__()
        if kind not in BENDS:
            raise ValueError(f"mlp={kind!r} is unknown. Choose 'swiglu' or one of {', '.join(BENDS)}.")
        self.bend = BENDS[kind]
        self.up = nn.Linear(n_embd, width, bias=bias)
        self.down = nn.Linear(width, n_embd, bias=bias)

    def forward(self, x_BTC: Tensor) -> Tensor:
        return self.down(self.bend(self.up(x_BTC)))


class GatedMLP(nn.Module):
    """SwiGLU, silu(gate) * up. One matrix makes both: `gate_up.weight` is F rows of gate, then F of up."""

    def __init__(self, n_embd: int, width: int, *, bias: bool):
        super().__init__()
        self.gate_up = nn.Linear(n_embd, 2 * width, bias=bias)
        self.down = nn.Linear(width, n_embd, bias=bias)

    def forward(self, x_BTC: Tensor) -> Tensor:
        gate_BTF, up_BTF = self.gate_up(x_BTC).chunk(2, -1)
        return self.down(F.silu(gate_BTF) * up_BTF)


def relu2(x_F: Tensor) -> Tensor:
    """max(0, x) squared.

    >>> relu2(torch.tensor([-2.0, 3.0]))
    tensor([0., 9.])
    """
    return SquaredReLU.apply(x_F)


class SquaredReLU(torch.autograd.Function):
    """d/dx max(0, x)^2 = 2 max(0, x): one saved tensor, and half the time of F.relu(x).square()."""

    @staticmethod
    def forward(ctx: Any, x_F: Tensor) -> Tensor:
        positive_F = F.relu(x_F)
        ctx.save_for_backward(positive_F)
        return positive_F * positive_F

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_F: Tensor) -> Tensor:
        (positive_F,) = ctx.saved_tensors
        return (grad_F * positive_F).mul_(2)


# What may stand between the two matrices.
BENDS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": partial(F.gelu, approximate="tanh"),
    "gelu_erf": F.gelu,  # on a CPU in less than half the time
    "relu2": relu2,
}


def build_mlp(kind: str, n_embd: int, width: int, *, bias: bool) -> nn.Module:
    """The feed-forward part called `kind`: "swiglu", "gelu", "gelu_erf" or "relu2"."""
    if kind == "swiglu":
        return GatedMLP(n_embd, width, bias=bias)
    return MLP(n_embd, width, kind=kind, bias=bias)
