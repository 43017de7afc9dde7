"""Numbers in blocks: float32 weights in 4, 8 and 16 bits, as GGUF files write them, and back.

A block is 32 neighbours in a row with a scale of their own, so one large weight spoils only its block:

    Q8_0  2 bytes scale d, 32 signed bytes q                     w = d q          8.5  bits a weight
    Q4_0  2 bytes scale d, 16 bytes of two 4-bit q each          w = d (q - 8)    4.5
    Q4_1  2 bytes scale d, 2 bytes least m, 16 bytes as above    w = d q + m      5.0

The 4-bit numbers are not in order: the low halves of the 16 bytes are the first 16 weights, the high halves
the other 16. Scales are float16. To write a block is to choose d so that its largest weight can be written:
for Q4_0 the largest, with its sign, is -8, because there is a -8 and no 8.

Source: ggml's `ggml-common.h`; the tests compare every bit with the `gguf` package.
Not here: K-quants and the other formats, which are refused by name (gguf_file.py).
Next:   gguf_file.py, which finds the bytes; quantize.py, the same idea for our own checkpoints.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Decode = Callable[[np.ndarray, np.ndarray], None]  # bytes [n, bytes of a block], float32 [n, its weights]
Encode = Callable[[np.ndarray], np.ndarray]  # float32 [n, its weights], bytes [n, bytes of a block]
AT_ONCE = 1 << 17  # weights: what is worked on stays in the processor's cache


@dataclass(frozen=True)
class Format:
    """A way to write weights: `weights` of them take `bytes` bytes; `encode` gives, `decode` reads them."""

    name: str
    weights: int
    bytes: int
    decode: Decode
    encode: Encode

    def size(self, elements: int) -> int:
        """Bytes of so many weights, a multiple of `weights`.

        >>> FORMATS[2].name, FORMATS[2].size(64)
        ('Q4_0', 36)
        """
        return elements // self.weights * self.bytes


def _f32(blocks: np.ndarray, out: np.ndarray) -> None:
    out[:] = blocks.view("<f4")


def _f16(blocks: np.ndarray, out: np.ndarray) -> None:
    out[:] = blocks.view("<f2")


def _bf16(blocks: np.ndarray, out: np.ndarray) -> None:
    """The upper half of a float32."""
    out[:] = (blocks.view("<u2").astype(np.uint32) << 16).view(np.float32)


def _float16(blocks: np.ndarray, start: int) -> np.ndarray:
    """The float16 at this byte of every block, as a column of float32."""
    return np.ascontiguousarray(blocks[:, start : start + 2]).view("<f2").astype(np.float32)


def _halves(blocks: np.ndarray, start: int, out: np.ndarray) -> None:
    """The 32 numbers of 4 bits that begin at this byte, in the order of the weights."""
    packed = blocks[:, start : start + 16]
    out[:, :16] = packed & 15
    out[:, 16:] = packed >> 4


def _q8_0(blocks: np.ndarray, out: np.ndarray) -> None:
    out[:] = blocks[:, 2:].view(np.int8)
    out *= _float16(blocks, 0)


def _q4_0(blocks: np.ndarray, out: np.ndarray) -> None:
    _halves(blocks, 2, out)
    out -= 8
    out *= _float16(blocks, 0)


def _q4_1(blocks: np.ndarray, out: np.ndarray) -> None:
    _halves(blocks, 4, out)
    out *= _float16(blocks, 0)
    out += _float16(blocks, 2)


# ---- Writing -------------------------------------------------------------------------------------


def _to_f32(blocks: np.ndarray) -> np.ndarray:
    return _bytes(blocks.astype("<f4"))


def _to_f16(blocks: np.ndarray) -> np.ndarray:
    return _bytes(blocks.astype("<f2"))


def _to_bf16(blocks: np.ndarray) -> np.ndarray:
    """The upper half, rounded to the nearer, and of two equally near ones to the even."""
    bits = blocks.view("<u4")
    return _bytes(((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2"))


def _to_q8_0(blocks: np.ndarray) -> np.ndarray:
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
    q = blocks * _inverse(scale)
    whole = np.trunc(q)
    whole += np.trunc(2 * (q - whole))  # a half goes away from zero; q + 0.5 would round 0.49999997 up
    return np.concatenate([_bytes(scale.astype("<f2")), _bytes(whole.astype(np.int8))], axis=1)


def _to_q4_0(blocks: np.ndarray) -> np.ndarray:
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1, keepdims=True), axis=1)
    scale = largest / -8
    q = blocks * _inverse(scale) + np.float32(8.5)
    return np.concatenate([_bytes(scale.astype("<f2")), _packed(q)], axis=1)


def _to_q4_1(blocks: np.ndarray) -> np.ndarray:
    least = blocks.min(axis=1, keepdims=True)
    scale = (blocks.max(axis=1, keepdims=True) - least) / 15
    q = (blocks - least) * _inverse(scale) + np.float32(0.5)
    return np.concatenate([_bytes(scale.astype("<f2")), _bytes(least.astype("<f2")), _packed(q)], axis=1)


def _bytes(numbers: np.ndarray) -> np.ndarray:
    """The same memory as bytes, a row for a block."""
    return np.ascontiguousarray(numbers).view(np.uint8)


def _inverse(scale: np.ndarray) -> np.ndarray:
    """1 / scale; a block of zeros has the scale 0, and any inverse will do."""
    return np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)


def _packed(q: np.ndarray) -> np.ndarray:
    """Positive numbers cut down to 0..15, the first 16 in the low halves of 16 bytes."""
    small = np.minimum(q.astype(np.uint8), 15)
    return small[:, :16] | small[:, 16:] << 4


FORMATS = {  # by the number that GGUF gives them
    0: Format("F32", 1, 4, _f32, _to_f32),
    1: Format("F16", 1, 2, _f16, _to_f16),
    2: Format("Q4_0", 32, 18, _q4_0, _to_q4_0),
    3: Format("Q4_1", 32, 20, _q4_1, _to_q4_1),
    8: Format("Q8_0", 32, 34, _q8_0, _to_q8_0),
    30: Format("BF16", 1, 2, _bf16, _to_bf16),
}
OTHER_FORMATS = {  # what we cannot read, so that an error can name it
    6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K",
    16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
    23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0",
    35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip


def decode(data: np.ndarray, form: Format, out: np.ndarray) -> None:
    """Write the weights in these bytes (uint8) to `out` (float32), both flat.

    >>> block = np.frombuffer(np.float16(0.5).tobytes() + bytes(range(32)), np.uint8)
    >>> weights = np.empty(32, np.float32)
    >>> decode(block, FORMATS[8], weights)
    >>> weights[:4]
    array([0. , 0.5, 1. , 1.5], dtype=float32)
    """
    step = AT_ONCE // form.weights
    blocks = data.reshape(-1, form.bytes)
    rows = out.reshape(-1, form.weights)
    for start in range(0, len(blocks), step):
        form.decode(blocks[start : start + step], rows[start : start + step])


def encode(weights: np.ndarray, form: Format) -> np.ndarray:
    """The bytes (uint8, flat) of these weights (float32, any shape of whole blocks); `decode` reads them.

    >>> weights = np.linspace(-1, 1, 32, dtype=np.float32)
    >>> data = encode(weights, FORMATS[8])
    >>> data.size, data[2:6].view(np.int8)
    (34, array([-127, -119, -111, -102], dtype=int8))
    """
    step = AT_ONCE // form.weights
    blocks = np.ascontiguousarray(weights, np.float32).reshape(-1, form.weights)
    return np.concatenate(
        [form.encode(blocks[start : start + step]).reshape(-1) for start in range(0, len(blocks), step)]
    )
