"""A model as the C kernels want it: codes in tiles, and structures that C and Python both know.

A tile is sixteen outputs side by side (kernels.c says why): codes_RC [R, C] becomes [tile, group, piece,
lane, 4 neighbours], plus 128; in 4 bits, plus 8, with pieces j and j + 4 in the halves of one byte.

Letters: R rows (outputs), C columns, K groups of 32 columns, N tiles, J pieces, A lanes.
Not here: how codes are chosen (weights/quantized.py).
Next:     fused_backend.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import POINTER, Structure, c_float, c_int32, c_void_p
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.models.transformer import Transformer
from groundup.weights.quantized import GROUP, Bits, Quantized, rounded

LANES, PIECES = 16, 8
BENDS = {"swiglu": 0, "gelu": 1, "gelu_erf": 2, "relu2": 3}
WIDEST_HEAD = 128


class Matrix(Structure):
    _fields_ = [("outputs", c_int32), ("cols", c_int32), ("bits", c_int32), ("unused", c_int32),
                ("codes", c_void_p), ("scales", c_void_p), ("bias", c_void_p)]  # fmt: skip


class Norm(Structure):
    _fields_ = [("gain", c_void_p), ("bias", c_void_p)]


class Layer(Structure):
    _fields_ = [("attention_norm", Norm), ("mlp_norm", Norm),
                ("qkv", Matrix), ("out", Matrix), ("up", Matrix), ("down", Matrix),
                ("q_gain", c_void_p), ("k_gain", c_void_p),
                ("attention_scale", c_void_p), ("mlp_scale", c_void_p)]  # fmt: skip


class Model(Structure):
    _fields_ = [*[(name, c_int32) for name in (
                    "n_layer", "n_head", "n_kv_head", "head_dim", "width", "hidden", "context_len",
                    "bend", "layer_norm", "blocks", "block_len", "threads")],
                ("norm_eps", c_float), ("unused", c_float),
                ("cos", c_void_p), ("sin", c_void_p), ("positions", c_void_p),
                ("embedding", Matrix), ("head", Matrix), ("norm", Norm), ("layers", POINTER(Layer)),
                ("keys", c_void_p), ("values", c_void_p), ("scratch", c_void_p)]  # fmt: skip


class Step(Structure):
    _fields_ = [("model", POINTER(Model)), ("rows", c_int32), ("asked", c_int32),
                *[(name, c_void_p) for name in (
                    "ids", "places", "tables", "table", "asked_rows", "logits")]]  # fmt: skip


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros that begins where a line of the processor's cache does."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def tiles(codes_RC: np.ndarray, bits: int) -> np.ndarray:
    """uint8 [N, K, 8 or 4, 16, 4] of int8 codes; rows that fill the last tile up are zeros.

    >>> packed = tiles(np.arange(32, dtype=np.int8)[None], 8)
    >>> packed.shape, packed[0, 0, 1, 0]  # the second piece of output 0: codes 4 to 7, plus 128
    ((1, 1, 8, 16, 4), array([132, 133, 134, 135], dtype=uint8))
    """
    R, C = codes_RC.shape
    N = -(-R // LANES)
    whole = aligned((N * LANES, C), np.uint8)
    whole[:] = 128 if bits == 8 else 8
    np.add(codes_RC.view(np.uint8), 128 if bits == 8 else 8, out=whole[:R])  # modulo 256
    whole_NKJA4 = whole.reshape(N, LANES, C // GROUP, PIECES, 4).transpose(0, 2, 3, 1, 4)
    if bits == 4:
        whole_NKJA4 = whole_NKJA4[:, :, :4] | whole_NKJA4[:, :, 4:] << 4
    packed = aligned(whole_NKJA4.shape, np.uint8)
    packed[:] = whole_NKJA4
    return packed


class Packed:
    """A model's weights in the kernels' layout, and what keeps their memory alive."""

    def __init__(self, model: Transformer, bits: Bits):
        self.kept: list[Any] = []
        self.bytes = 0  # of codes and scales: what is read for a token
        self.bits: Bits = bits
        c = model.config
        self.model = Model(
            n_layer=c.n_layer, n_head=c.n_head, n_kv_head=c.kv_heads, head_dim=c.head_width,
            width=c.n_embd, hidden=c.mlp_hidden, context_len=c.context_len,
            bend=BENDS[c.mlp], layer_norm=int(c.norm == "layer"), norm_eps=c.norm_eps,
        )  # fmt: skip
        if c.position == "rotary":
            self.model.cos, self.model.sin = self._floats(model.cos_TD), self._floats(model.sin_TD)
        if model.positions is not None:
            self.model.positions = self._floats(model.positions.weight)
        self.model.embedding = self.model.head = self._matrix(model.embedding.weight, None, 8)
        if model.unembedding is not None:
            self.bytes = 0  # only a row of the embedding is read
            self.model.head = self._matrix(model.unembedding.weight, None, 8)
        self.model.norm = self._norm(model.norm)
        layers = (Layer * c.n_layer)(*[self._layer(block) for block in model.blocks])
        self.kept.append(layers)
        self.model.layers = layers

    def _layer(self, block: Any) -> Layer:
        attention, mlp = block.attention, block.mlp
        up = mlp.gate_up if hasattr(mlp, "gate_up") else mlp.up
        layer = Layer(
            attention_norm=self._norm(block.attention_norm),
            mlp_norm=self._norm(block.mlp_norm),
            **{name: self._matrix(linear.weight, linear.bias, self.bits) for name, linear in (
                ("qkv", attention.qkv), ("out", attention.out), ("up", up), ("down", mlp.down))},
        )  # fmt: skip
        if attention.q_norm is not None:
            layer.q_gain, layer.k_gain = (
                self._floats(attention.q_norm.weight),
                self._floats(attention.k_norm.weight),
            )
        if block.attention_scale is not None:
            layer.attention_scale, layer.mlp_scale = (
                self._floats(block.attention_scale),
                self._floats(block.mlp_scale),
            )
        return layer

    def _norm(self, norm: Any) -> Norm:
        bias = getattr(norm, "bias", None)
        return Norm(self._floats(norm.weight), None if bias is None else self._floats(bias))

    def _matrix(self, weight_RC: Tensor, bias_R: Tensor | None, bits: Bits) -> Matrix:
        made: Quantized = rounded(weight_RC.detach().float().cpu(), bits)
        codes, (R, C) = tiles(made.codes_RC.numpy(), bits), made.codes_RC.shape
        scales = aligned((len(codes), C // GROUP, LANES), np.float16)
        by_row = np.zeros((len(codes) * LANES, C // GROUP), np.float16)
        by_row[:R] = made.scales_RK.numpy()
        scales[:] = by_row.reshape(len(codes), LANES, -1).transpose(0, 2, 1)
        self.kept += [codes, scales]
        self.bytes += codes.nbytes + scales.nbytes
        bias = None if bias_R is None else self._floats(bias_R)
        return Matrix(R, C, bits, 0, codes.ctypes.data, scales.ctypes.data, bias)

    def _floats(self, values: Tensor) -> int:
        array = aligned(tuple(values.shape), np.float32)
        array[:] = values.detach().float().cpu().numpy()
        self.kept.append(array)
        return array.ctypes.data


def not_taken(model: Transformer) -> str:
    """Why the kernels cannot compute this model, in words; empty if they can."""
    return next(_misfits(model), "")


def _misfits(model: Transformer) -> Iterator[str]:
    c = model.config
    for name, size in (("n_embd", c.n_embd), ("n_head x head_dim", c.n_head * c.head_width),
                       ("mlp_width", c.mlp_hidden)):  # fmt: skip
        if size % GROUP:
            yield f"{name}={size} is no multiple of {GROUP}"
    if c.head_width > WIDEST_HEAD:
        yield f"head_dim={c.head_width} is more than {WIDEST_HEAD}"
    if c.mlp not in BENDS:
        yield f"mlp={c.mlp!r} is none of {', '.join(BENDS)}"
    if next(model.parameters()).device.type != "cpu":
        yield f"the model is on {next(model.parameters()).device}, and the kernels are for a CPU"


@torch.no_grad()
def as_rounded(model: Transformer, bits: Bits) -> Transformer:
    """The model itself, now with the weights that the codes stand for; positions stay: the oracle's."""
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and not name.startswith("positions."):
            weight.copy_(
                rounded(weight.detach().float(), bits if name.startswith("blocks.") else 8).weights()
            )
    return model
