"""Layers of arrays: linear, multi-layer perceptron, convolution, and the attention block of a GPT.

The block is that of Radford et al. 2019 (GPT-2): `x + heads(norm(x))`, then `x + think(norm(x))`, here with
ReLU as in Karpathy's lecture. Weights are [in, out], so that a layer is `x @ weight + bias`; torch keeps
them transposed.

Letters:  B batch, T time, C channels, H heads, D = C / H head width.
Does not: dropout, a key-value cache. What trains at scale is nn/ and models/, on torch.
Next:     array_optim.py, what moves these weights.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from groundup.autograd.array import Array
from groundup.autograd.array_functions import conv2d, layer_norm, softmax
from groundup.base.errors import GraphError


class Module:
    """Something with parameters: its Arrays, those of its parts, and of lists of parts."""

    def named_parameters(self) -> dict[str, Array]:
        """Every parameter by its path, such as "layers.0.weight", always in the same order.

        One that two parts share has the name of the first.
        """
        found: dict[str, Array] = {}
        for name, part in vars(self).items():
            parts = enumerate(part) if isinstance(part, list) else [("", part)]
            for place, one in parts:
                path = f"{name}.{place}" if place != "" else name
                if isinstance(one, Array):
                    found[path] = one
                elif isinstance(one, Module):
                    found |= {f"{path}.{rest}": p for rest, p in one.named_parameters().items()}
        seen: dict[int, str] = {}
        return {name: p for name, p in found.items() if seen.setdefault(id(p), name) == name}

    def parameters(self) -> list[Array]:
        """Every parameter, always in the same order."""
        return list(self.named_parameters().values())

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter: `backward` adds to what is there."""
        for p in self.parameters():
            p.zero_grad()


class Linear(Module):
    """x @ weight + bias: [..., n_in] to [..., n_out]. The weight is normal with variance gain² / n_in.

    With gain 1 the output varies as much as the input; sqrt(2) makes up for a ReLU that follows (He et al.
    2015, arXiv 1502.01852, eq. 10).
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        rng: np.random.Generator,
        *,
        gain: float = 1.0,
        bias: bool = True,
        dtype: Any = np.float32,
    ):
        if n_in < 1 or n_out < 1:
            raise GraphError(f"Linear({n_in}, {n_out}) has no weights: give widths of 1 or more.")
        self.weight = _normal((n_in, n_out), gain / math.sqrt(n_in), rng, dtype)
        self.bias = Array(np.zeros(n_out, dtype)) if bias else None

    def __call__(self, x: Any) -> Array:
        out = x @ self.weight
        return out if self.bias is None else out + self.bias


class MLP(Module):
    """Linear layers of these sizes with a ReLU after all but the last.

    >>> model = MLP([2, 16, 16, 1], np.random.default_rng(0))
    >>> sum(p.size for p in model.parameters())      # 16 * 3 + 16 * 17 + 17, as in the course
    337
    """

    def __init__(self, sizes: list[int], rng: np.random.Generator, *, dtype: Any = np.float32):
        if len(sizes) < 2 or min(sizes) < 1:
            raise GraphError(f"sizes={sizes} make no network: give the width of the input and of each layer.")
        last = len(sizes) - 2
        self.layers = [
            Linear(sizes[i], sizes[i + 1], rng, gain=1.0 if i == last else math.sqrt(2), dtype=dtype)
            for i in range(len(sizes) - 1)
        ]

    def __call__(self, x: Any) -> Array:
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


class Conv(Module):
    """`n_out` kernels over images [B, n_in, H, W]; initialised for a ReLU that follows."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        rng: np.random.Generator,
        *,
        stride: int = 1,
        pad: int = 0,
        dtype: Any = np.float32,
    ):
        deviation = math.sqrt(2 / (n_in * kernel * kernel))
        self.weight = _normal((n_out, n_in, kernel, kernel), deviation, rng, dtype)
        self.bias = Array(np.zeros((n_out, 1, 1), dtype))
        self.stride, self.pad = stride, pad

    def __call__(self, images: Any) -> Array:
        return conv2d(images, self.weight, stride=self.stride, pad=self.pad) + self.bias


class LayerNorm(Module):
    """Mean 0 and variance 1 along the channels, then a learned scale and shift."""

    def __init__(self, n_embd: int, *, dtype: Any = np.float32):
        self.scale, self.shift = Array(np.ones(n_embd, dtype)), Array(np.zeros(n_embd, dtype))

    def __call__(self, x: Array) -> Array:
        return layer_norm(x, self.scale, self.shift)


class Attention(Module):
    """Causal self-attention with `n_head` heads: x_BTC to [B, T, C]. Vaswani et al. 2017, eq. 1."""

    def __init__(self, n_embd: int, n_head: int, rng: np.random.Generator, *, dtype: Any = np.float32):
        if n_head < 1 or n_embd % n_head:
            fits = [h for h in range(1, n_embd + 1) if n_embd % h == 0]
            raise GraphError(f"n_embd={n_embd} is not divisible by n_head={n_head}. Choose from {fits}.")
        self.n_head = n_head
        self.qkv = Linear(n_embd, 3 * n_embd, rng, bias=False, dtype=dtype)
        self.project = Linear(n_embd, n_embd, rng, bias=False, dtype=dtype)

    def __call__(self, x_BTC: Array) -> Array:
        if x_BTC.ndim != 3:
            raise GraphError(f"attention takes x_BTC [batch, time, channels], not {list(x_BTC.shape)}.")
        B, T, C = x_BTC.shape
        H, D = self.n_head, C // self.n_head
        qkv = self.qkv(x_BTC).reshape(B, T, 3, H, D).transpose(2, 0, 3, 1, 4)
        q_BHTD, k_BHTD, v_BHTD = qkv[0], qkv[1], qkv[2]
        scores_BHTT = q_BHTD @ k_BHTD.transpose(0, 1, 3, 2) * (1 / math.sqrt(D))
        past_TT = np.tril(np.ones((T, T), bool))
        mixed_BHTD = softmax(scores_BHTT, past_TT) @ v_BHTD
        return self.project(mixed_BHTD.transpose(0, 2, 1, 3).reshape(B, T, C))


class Block(Module):
    """Listen to the past (attention), then think alone (two layers), each added to what came in."""

    def __init__(self, n_embd: int, n_head: int, rng: np.random.Generator, *, dtype: Any = np.float32):
        self.norm_1, self.norm_2 = LayerNorm(n_embd, dtype=dtype), LayerNorm(n_embd, dtype=dtype)
        self.attention = Attention(n_embd, n_head, rng, dtype=dtype)
        self.think = MLP([n_embd, 4 * n_embd, n_embd], rng, dtype=dtype)

    def __call__(self, x_BTC: Array) -> Array:
        x_BTC = x_BTC + self.attention(self.norm_1(x_BTC))
        return x_BTC + self.think(self.norm_2(x_BTC))


def _normal(shape: tuple[int, ...], deviation: float, rng: np.random.Generator, dtype: Any) -> Array:
    return Array((rng.standard_normal(shape) * deviation).astype(dtype))
