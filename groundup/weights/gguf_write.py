"""A GGUF file, written: the header, then one tensor after the other, so that only one is in memory twice.

The layout is that at the head of gguf_file.py, which reads it. A tensor begins at a multiple of 32 bytes; its
shape is listed with the columns first, and its bytes lie row after row all the same.

Source: the GGUF specification, ggml `docs/gguf.md`, version 3, little-endian.
Oracle: `gguf.GGUFReader` finds the same values, the same formats and the same bytes (tests).
Next:   gguf_export.py, which decides what is written.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from torch import Tensor

from groundup.base.errors import CheckpointError
from groundup.base.files import atomic_file
from groundup.weights.gguf_blocks import FORMATS, encode
from groundup.weights.gguf_file import ALIGNMENT, ARRAY, MAGIC, STRING

Value = str | bool | int | float | Sequence[str] | Sequence[int]
UINT32, INT32, FLOAT32, BOOL = 4, 5, 6, 7
VERSION = 3
LARGEST_FLOAT16 = 65504.0  # F16's weights, and the scales of the blocks


@dataclass(frozen=True)
class Written:
    """A tensor to be written: its name there, its weights, and the number of its format."""

    name: str
    weights: Tensor
    form: int

    @property
    def bytes(self) -> int:
        """What it takes, without the gap after it."""
        return FORMATS[self.form].size(self.weights.numel())


def write_gguf(path: str | Path, metadata: Mapping[str, Value], tensors: Sequence[Written]) -> None:
    """Write the file, whole or not at all. CheckpointError for a weight that its format cannot hold."""
    for tensor in tensors:
        _check(tensor)
    with atomic_file(path) as file:
        start = file.write(_header(metadata, tensors))
        file.write(bytes(-start % ALIGNMENT))
        for tensor in tensors:
            file.write(encode(tensor.weights.float().numpy(), FORMATS[tensor.form]).data)
            file.write(bytes(-tensor.bytes % ALIGNMENT))


def _check(tensor: Written) -> None:
    form = FORMATS[tensor.form]
    if tensor.weights.shape[-1] % form.weights:
        raise CheckpointError(
            f"{form.name} writes blocks of {form.weights} weights, and the rows of {tensor.name} have "
            f"{tensor.weights.shape[-1]}. Choose --dtype f16, or a model whose widths are multiples of "
            f"{form.weights}."
        )
    largest = tensor.weights.abs().max().item()
    if form.name != "F32" and not largest <= LARGEST_FLOAT16:
        raise CheckpointError(
            f"{tensor.name} has a weight of size {largest:g}, and {form.name} ends at {LARGEST_FLOAT16:g}. "
            "Choose --dtype f32."
        )


def _header(metadata: Mapping[str, Value], tensors: Sequence[Written]) -> bytes:
    parts = [MAGIC, struct.pack("<IQQ", VERSION, len(tensors), len(metadata))]
    parts += [_string(key) + _value(value) for key, value in metadata.items()]
    offset = 0
    for tensor in tensors:
        shape = tuple(tensor.weights.shape)[::-1]
        assert prod(shape), f"{tensor.name} is empty"
        parts.append(_string(tensor.name))
        parts.append(struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, tensor.form, offset))
        offset += -(-tensor.bytes // ALIGNMENT) * ALIGNMENT
    return b"".join(parts)


def _string(text: str) -> bytes:
    """Its length in bytes, and its bytes.

    >>> _string("né")
    b'\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00n\\xc3\\xa9'
    """
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Value) -> bytes:
    """The number of its type, and the value; a list says the type and the number of what is in it."""
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    if isinstance(value, bool):
        return struct.pack("<I?", BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", FLOAT32, value)
    texts = [_string(one) for one in value if isinstance(one, str)]
    if texts or not value:
        return struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(texts)
    return struct.pack("<IIQ", ARRAY, INT32, len(value)) + np.array(value, "<i4").tobytes()
