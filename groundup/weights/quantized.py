"""Weights as whole numbers of 8 or 4 bits, 32 neighbours to a scale; and how a checkpoint keeps them.

    8 bits   scale d = largest / 127       codes -127..127   w = d code    8.5 bits a weight
    4 bits   scale d = largest / -8        codes -8..7       w = d code    4.5

For 4 bits the largest weight, with its sign, becomes -8: there is a -8 and no 8. Scales are float16, and the
codes are the nearest for the scale as rounded. These are the levels of Q8_0 and Q4_0 in GGUF files, so such a
weight can be exported without a change (tests).

In model.safetensors, row by row as in the matrix: NAME.codes, int8 [R, C], or uint8 [R, C/2] with the first
of two neighbours in the low half and 8 added; and NAME.scales, float16 [R, C/32]. On loading they become
float32 again; who computes with the codes repacks them for its processor.

Letters: R rows, C columns, K blocks of a row.
Source:  ggml's Q8_0 and Q4_0 (gguf_blocks.py); round-to-nearest as in Dettmers et al. 2022, arXiv 2208.07339,
         section 2.1, with blocks in place of rows.
Next:    quantize.py, which chooses codes with more care.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from groundup.base.errors import CheckpointError

Bits = Literal[4, 8]
GROUP = 32
CODES, SCALES = ".codes", ".scales"
LIMITS = {8: (-127, 127), 4: (-8, 7)}


@dataclass(frozen=True)
class Quantized:
    """A matrix as codes_RC (int8) and scales_RK (float16)."""

    codes_RC: Tensor
    scales_RK: Tensor
    bits: Bits

    def weights(self) -> Tensor:
        """weights_RC, float32."""
        codes_RKG = self.codes_RC.unflatten(1, (-1, GROUP)).float()
        return (codes_RKG * self.scales_RK.float()[..., None]).flatten(1)

    @property
    def bytes(self) -> int:
        """What it takes on the disk."""
        return self.codes_RC.numel() * self.bits // 8 + 2 * self.scales_RK.numel()


def scales_of(weights_RC: Tensor, bits: Bits) -> Tensor:
    """scales_RK, float16: a scale for every 32 neighbours, such that the largest of them can be written.

    >>> scales_of(torch.linspace(-1, 4, 32)[None], 4)
    tensor([[-0.5000]], dtype=torch.float16)
    """
    blocks_RKG = weights_RC.unflatten(1, (-1, GROUP))
    at_RK = blocks_RKG.abs().argmax(-1, keepdim=True)
    largest_RK = blocks_RKG.gather(-1, at_RK).squeeze(-1)
    return (largest_RK.abs() / 127 if bits == 8 else largest_RK / -8).half()


def nearest(weights: Tensor, scales: Tensor, bits: Bits) -> Tensor:
    """The codes (as float32) of these weights; a scale of zero, or too small for float16, gives zeros."""
    scales = scales.float()
    safe = torch.where(scales == 0, torch.ones_like(scales), scales)
    codes = (weights / safe).round().clamp(*LIMITS[bits])
    return torch.where(scales == 0, torch.zeros_like(codes), codes)


def rounded(weights_RC: Tensor, bits: Bits) -> Quantized:
    """The nearest codes. Raises ValueError if the rows are not whole blocks."""
    if weights_RC.dim() != 2 or weights_RC.size(1) % GROUP:
        raise ValueError(
            f"A matrix of shape {tuple(weights_RC.shape)} has no rows of whole blocks of {GROUP}."
        )
    scales_RK = scales_of(weights_RC, bits)
    codes_RC = nearest(weights_RC, scales_RK.repeat_interleave(GROUP, 1), bits)
    return Quantized(codes_RC.to(torch.int8), scales_RK, bits)


# ---- In a file -----------------------------------------------------------------------------------


def stored(name: str, matrix: Quantized) -> dict[str, Tensor]:
    """The two tensors of a checkpoint."""
    codes_RC = matrix.codes_RC
    if matrix.bits == 4:
        high_low = (codes_RC + 8).to(torch.uint8)
        codes_RC = high_low[:, ::2] | high_low[:, 1::2] << 4
    return {name + CODES: codes_RC.contiguous(), name + SCALES: matrix.scales_RK.contiguous()}


def restored(tensors: Mapping[str, Tensor], *, where: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint with its codes as float32 again. CheckpointError if they do not fit."""
    found = dict(tensors)
    for name, matrix in quantized_in(tensors, where=where).items():
        del found[name + CODES], found[name + SCALES]
        found[name] = matrix.weights()
    return found


def quantized_in(tensors: Mapping[str, Tensor], *, where: str) -> dict[str, Quantized]:
    """The quantized matrices among the tensors of a checkpoint."""
    found = {}
    for name in tensors:
        if not name.endswith(CODES):
            continue
        matrix = name.removesuffix(CODES)
        codes_RC, scales_RK = tensors[name], tensors.get(matrix + SCALES)
        bits: Bits = 4 if codes_RC.dtype == torch.uint8 else 8
        if bits == 4:
            codes_RC = torch.stack([codes_RC & 15, codes_RC >> 4], dim=-1).flatten(1).to(torch.int8) - 8
        if (
            scales_RK is None
            or codes_RC.dtype != torch.int8
            or scales_RK.dtype != torch.float16
            or (codes_RC.size(0), codes_RC.size(1)) != (scales_RK.size(0), GROUP * scales_RK.size(1))
        ):
            raise CheckpointError(
                f"{where}: the codes of {matrix} have no scales that fit. Quantize it again."
            )
        found[matrix] = Quantized(codes_RC, scales_RK, bits)
    return found
