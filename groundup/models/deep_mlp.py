"""Many hidden layers over the last K tokens: what is easy to write and hard to train.

Without BatchNorm the size of the first weights decides whether a signal survives the layers (a gain of 5/3
for tanh). With it nearly any size will do, since each layer is normalised anyway. Afterwards BatchNorm is a
straight line, and `folded` puts it into the matrices: the same function with nothing to normalise.

Letters: B batch, T time, K context, C channels, F hidden width, V vocabulary, N rows.
Source:  the lecture "makemore" 3: one hidden layer with BatchNorm, then five; Ioffe and Szegedy 2015.
Next:    nn/batch_norm.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from groundup.base.errors import ConfigError
from groundup.nn.batch_norm import BatchNorm


@dataclass(frozen=True)
class DeepMLPConfig:
    """The defaults are the lecture's deep net: 47,024 weights for 27 characters."""

    vocab_size: int
    context_len: int = 3
    n_embd: int = 10
    n_hidden: int = 100
    n_layer: int = 5
    norm: Literal["batch", "none"] = "batch"  # of the hidden layers
    head_norm: bool = True  # and of the logits, whose gain then begins at head_scale
    bias: bool = False  # of the hidden layers; behind a BatchNorm it would be subtracted again
    gain: float = 1.0  # hidden weights begin with deviation gain / sqrt(fan-in); without norm 5/3 (tanh's)
    head_scale: float = 0.1  # below 1: all tokens begin nearly equally likely
    momentum: float = 0.1  # of the running statistics

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context_len", "n_embd", "n_hidden", "n_layer"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 1 or more.")
        if self.norm not in ("batch", "none"):
            raise ConfigError(f'norm={self.norm!r} is unknown. Choose "batch" or "none".')
        if not self.gain > 0 or not self.head_scale > 0:
            raise ConfigError(
                f"gain={self.gain}, head_scale={self.head_scale}: with 0 nothing is learned. Choose above 0."
            )


class Linear(nn.Module):
    """x @ weight + bias, the matrix (in, out) as in the lectures and drawn as there."""

    def __init__(self, fan_in: int, fan_out: int, *, bias: bool, generator: torch.Generator | None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_in, fan_out, generator=generator) / fan_in**0.5)
        self.bias = nn.Parameter(torch.zeros(fan_out)) if bias else None

    def forward(self, x_NC: Tensor) -> Tensor:
        return x_NC @ self.weight if self.bias is None else torch.addmm(self.bias, x_NC, self.weight)


class Layer(nn.Module):
    """tanh of a normalised linear map."""

    def __init__(self, config: DeepMLPConfig, fan_in: int, *, generator: torch.Generator | None):
        super().__init__()
        self.linear = Linear(fan_in, config.n_hidden, bias=config.bias, generator=generator)
        with torch.no_grad():
            self.linear.weight.mul_(config.gain)
        self.norm = BatchNorm(config.n_hidden, momentum=config.momentum) if config.norm == "batch" else None
        self.tanh = nn.Tanh()

    def forward(self, x_NC: Tensor) -> Tensor:
        y_NF = self.linear(x_NC)
        return self.tanh(y_NF if self.norm is None else self.norm(y_NF))


class DeepMLP(nn.Module):
    """Embeddings of K tokens, `n_layer` layers, a head. Drawn in this order, as in the lecture."""

    reads: ClassVar[Literal["windows", "prefixes"]] = "windows"

    def __init__(self, config: DeepMLPConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = c = config
        self.embedding = nn.Embedding(
            c.vocab_size, c.n_embd, _weight=torch.randn(c.vocab_size, c.n_embd, generator=generator)
        )
        widths = [c.context_len * c.n_embd, *[c.n_hidden] * (c.n_layer - 1)]
        self.layers = nn.ModuleList(Layer(c, width, generator=generator) for width in widths)
        self.unembedding = Linear(c.n_hidden, c.vocab_size, bias=not c.head_norm, generator=generator)
        self.head_norm = BatchNorm(c.vocab_size, momentum=c.momentum) if c.head_norm else None
        with torch.no_grad():
            quiet = self.unembedding.weight if self.head_norm is None else self.head_norm.gain
            quiet.mul_(c.head_scale)

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """x_BTF at the T - K + 1 places that have K tokens behind them."""
        B, T = tokens_BT.shape
        K, C = self.config.context_len, self.config.n_embd
        x_BTC = self.embedding(tokens_BT)
        if T != K:
            x_BTC = x_BTC.unfold(1, K, 1).transpose(2, 3)
        x_NF = x_BTC.reshape(-1, K * C)
        for layer in self.layers:
            x_NF = layer(x_NF)
        return x_NF.view(B, T - K + 1, -1)

    def head(self, x_BTF: Tensor) -> Tensor:
        logits_NV = self.unembedding(x_BTF.flatten(0, -2))
        if self.head_norm is not None:
            logits_NV = self.head_norm(logits_NV)
        return logits_NV.view(*x_BTF.shape[:-1], -1)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        return self.head(self.hidden(tokens_BT))

    @torch.no_grad()
    def folded(self) -> DeepMLP:
        """The same function as this model outside training, without a BatchNorm: for inference only.

        x W scaled by s and shifted by t is x (W s) + (b s + t), so each norm disappears into its matrix.
        """
        config = replace(self.config, norm="none", head_norm=False, bias=True, head_scale=1.0)
        plain = DeepMLP(config, generator=torch.Generator())
        plain.embedding.weight.copy_(self.embedding.weight)
        for mine, its in zip(self._linear_parts(), plain._linear_parts(), strict=True):
            _fold(*mine, its[0])
        return plain.eval()

    def _linear_parts(self) -> list[tuple[Linear, BatchNorm | None]]:
        """Each matrix with the norm behind it, from the first to the head."""
        layers = [layer for layer in self.layers if isinstance(layer, Layer)]
        return [*((layer.linear, layer.norm) for layer in layers), (self.unembedding, self.head_norm)]


def _fold(linear: Linear, norm: BatchNorm | None, into: Linear) -> None:
    """`into` becomes `linear` followed by `norm`; it has a bias."""
    assert into.bias is not None, "a folded model has biases"
    ones, zeros = torch.ones_like(into.bias), torch.zeros_like(into.bias)
    scale, shift = (ones, zeros) if norm is None else norm.line()
    into.weight.copy_(linear.weight * scale)
    into.bias.copy_(shift if linear.bias is None else linear.bias * scale + shift)


@torch.no_grad()
def calibrate(model: nn.Module, tokens_NK: Tensor) -> None:
    """Replace the running statistics of every BatchNorm by those over all these rows, as at the end of the
    lecture: one pass in training mode with all the weight on it.
    """
    norms = [module for module in model.modules() if isinstance(module, BatchNorm)]
    was_training, momenta = model.training, [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()
    model(tokens_NK)
    model.train(was_training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
