"""Keeping activations at unit size: RMSNorm and LayerNorm.

Letters: C channels (any last dimension: the model also uses RMSNorm over D, the width of one head).
Source:  RMSNorm: Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4. LayerNorm: Ba et al. 2016, arXiv 1607.06450.
Not here: BatchNorm, which mixes the rows of a batch and so would leak between sequences.
Next:    position.py.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def rms_norm_written_out(x_C: Tensor, weight_C: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight, over the last dimension: the oracle of RMSNorm.

    >>> rms_norm_written_out(torch.tensor([3.0, 4.0]), torch.ones(2), 0.0)  # sqrt((9 + 16) / 2) = 3.5355
    tensor([0.8485, 1.1314])
    """
    return x_C * torch.rsqrt(x_C.square().mean(-1, keepdim=True) + eps) * weight_C


class RMSNorm(nn.Module):
    """Divides by the root mean square of the last dimension, then multiplies by a learned gain (starts at one)."""

    def __init__(self, width: int, eps: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x_C: Tensor) -> Tensor:
        return F.rms_norm(x_C, self.weight.shape, self.weight, self.eps)


def build_norm(kind: str, width: int, *, eps: float, bias: bool) -> nn.Module:
    """The norm called `kind` ("rms" or "layer"); only LayerNorm can have a bias."""
    if kind == "rms":
        return RMSNorm(width, eps)
    if kind == "layer":
        return nn.LayerNorm(width, eps=eps, bias=bias)
    raise ValueError(f"norm={kind!r} is unknown. Choose 'rms' or 'layer'.")
