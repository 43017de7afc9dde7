"""The feed-forward half of a block: widen, bend, narrow.

Letters: C channels, F feed-forward width.
Source:  SwiGLU: Shazeer 2020, arXiv 2002.05202, eq. 6. GELU: Hendrycks & Gimpel 2016, arXiv 1606.08415, in the tanh
         form that GPT-2 uses. Squared ReLU: So et al. 2021 (Primer), arXiv 2109.08668.
Next:    models/transformer.py, where the parts meet.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class MLP(nn.Module):
    """x_BTC -> up to F channels -> "gelu" or "relu2" -> down to C channels."""

    def __init__(self, n_embd: int, width: int, *, kind: str, bias: bool):
        super().__init__()
        if kind not in ("gelu", "relu2"):
            raise ValueError(f"mlp={kind!r} is unknown. Choose 'swiglu', 'gelu' or 'relu2'.")
        self.kind = kind
        self.up = nn.Linear(n_embd, width, bias=bias)
        self.down = nn.Linear(width, n_embd, bias=bias)

    def forward(self, x_BTC: Tensor) -> Tensor:
        h_BTF = self.up(x_BTC)
        h_BTF = F.gelu(h_BTF, approximate="tanh") if self.kind == "gelu" else F.relu(h_BTF).square()
        return self.down(h_BTF)


class GatedMLP(nn.Module):
    """SwiGLU: silu(gate) * up. One matrix makes both: the rows of `gate_up.weight` are F of gate, then F of up."""

    def __init__(self, n_embd: int, width: int, *, bias: bool):
        super().__init__()
        self.gate_up = nn.Linear(n_embd, 2 * width, bias=bias)
        self.down = nn.Linear(width, n_embd, bias=bias)

    def forward(self, x_BTC: Tensor) -> Tensor:
        gate_BTF, up_BTF = self.gate_up(x_BTC).chunk(2, -1)
        return self.down(F.silu(gate_BTF) * up_BTF)


def build_mlp(kind: str, n_embd: int, width: int, *, bias: bool) -> nn.Module:
    """The feed-forward part called `kind`: "swiglu", "gelu" or "relu2"."""
    return (
        GatedMLP(n_embd, width, bias=bias) if kind == "swiglu" else MLP(n_embd, width, kind=kind, bias=bias)
    )
