"""A GGUF file: what its header says, and its tensors. Every size is checked before it is believed.

    "GGUF" version  number of tensors  number of keys
    key, type, value              ... what the model is: sizes, tokens, merges, chat template
    name, shape, format, offset   ... where each tensor lies in the rest of the file
    (up to the next multiple of the alignment)  the tensors

A header is a list of numbers that say how much comes next, and a file from somewhere may lie: a list of 2^60
strings, a tensor of 2^62 rows, two hundred tensors over the same bytes, a key that is there twice. Nothing is
read past the end of the file and nothing allocated that the file has no bytes for, so the memory and time
that a header can cost grow with the length of the file only.

Source: the GGUF specification, ggml `docs/gguf.md`, versions 2 and 3, little-endian.
Oracle: the `gguf` package. It is not used here because it takes three seconds for the header of a model of
        135 million weights, and for ever for a list whose length is a lie.
Next:   gguf_read.py, which makes a model of it.
"""

import itertools
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundup.base.errors import CheckpointError
from groundup.weights.gguf_blocks import FORMATS, OTHER_FORMATS, Format, decode

MAGIC = b"GGUF"
VERSIONS = (2, 3)
STRING, ARRAY = 8, 9
SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
LEAST_KEY, LEAST_TENSOR = 8 + 4 + 1, 8 + 4 + 4 + 8  # bytes that the shortest of its kind takes
MOST_DIMENSIONS = 4
ALIGNMENT = 32  # where the file does not say


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor lies. `shape` is as torch writes it: rows first (GGUF lists them the other way)."""

    shape: tuple[int, ...]
    format: Format
    start: int
    end: int


class GGUFFile:
    """An open file: `metadata` (key to value), `tensors` (name to where), and `read`. A context manager."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            with open(self.path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise CheckpointError(f"{self.path} does not exist. Give the path of a GGUF file.") from None
        except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            raise CheckpointError(f"{self.path} cannot be read as a GGUF file: {error}.") from None
        try:
            self.metadata, self.tensors = _Header(self._map, str(self.path)).read()
        except BaseException:
            self.close()
            raise

    def read(self, name: str, out: np.ndarray) -> None:
        """Write one tensor to `out`, float32 of its size in any shape that is contiguous."""
        at = self.tensors[name]
        data = np.frombuffer(self._map, np.uint8, count=at.end - at.start, offset=at.start)
        decode(data, at.format, out.reshape(-1))

    def close(self) -> None:
        self._map.close()

    def __enter__(self) -> "GGUFFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def is_gguf(path: str | Path) -> bool:
    """Whether the file begins as a GGUF file does."""
    path = Path(path)
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(4) == MAGIC


class _Header:
    """Reads a header from its first byte to its last, and says where in the file something is wrong."""

    def __init__(self, data: mmap.mmap, where: str):
        self.data, self.size, self.at, self.where = data, len(data), 0, where

    def read(self) -> tuple[dict[str, Any], dict[str, TensorInfo]]:
        if self.data[:4] != MAGIC:
            raise self._wrong(f"it begins with {self.data[:4]!r} and not with {MAGIC!r}")
        self.at = 4
        (version,) = self._take("I")
        if version not in VERSIONS:
            kind = "big-endian or damaged" if version & 0xFFFF == 0 else "not one that is read here"
            raise self._wrong(f"its version {version} is {kind}; versions 2 and 3, little-endian, are read")
        n_tensors, n_keys = self._take("QQ")
        self._fits(n_keys, LEAST_KEY, "keys")
        self._fits(n_tensors, LEAST_TENSOR, "tensors")
        metadata: dict[str, Any] = {}
        for _ in range(n_keys):
            key = self._string()
            if key in metadata:
                raise self._wrong(f"the key {key!r} is there twice")
            metadata[key] = self._value(*self._take("I"))
        found: dict[str, tuple[tuple[int, ...], int, int]] = {}
        for _ in range(n_tensors):
            name = self._string()
            if name in found:
                raise self._wrong(f"the tensor {name!r} is there twice")
            found[name] = self._tensor(name)
        return metadata, self._placed(found, self._alignment(metadata))

    # ---- Values ----------------------------------------------------------------------------------

    def _take(self, form: str) -> tuple[Any, ...]:
        """The next numbers, written without gaps."""
        end = self.at + struct.calcsize(f"<{form}")
        if end > self.size:
            raise self._wrong(f"it is truncated: it ends within its header, at byte {self.size:,}")
        values = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at = end
        return values

    def _fits(self, count: int, least: int, what: str) -> None:
        """Refuse a count of things that the rest of the file has no bytes for."""
        if count * least > self.size - self.at:
            raise self._wrong(
                f"it announces {count:,} {what} at byte {self.at:,}, and only {self.size - self.at:,} bytes "
                "follow: it is truncated or damaged"
            )

    def _string(self) -> str:
        (length,) = self._take("Q")
        self._fits(length, 1, "bytes of a string")
        start, self.at = self.at, self.at + length
        try:
            return self.data[start : self.at].decode()
        except UnicodeDecodeError:
            raise self._wrong(f"the string at byte {start:,} is not UTF-8") from None

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._string()
        if kind in SCALARS:
            return self._take(SCALARS[kind])[0]
        if kind != ARRAY:
            raise self._wrong(f"a value at byte {self.at:,} is of the unknown type {kind}")
        inner, count = self._take("IQ")
        if inner == STRING:
            self._fits(count, 8, "strings")
            return [self._string() for _ in range(count)]
        if inner not in SCALARS:
            raise self._wrong(f"a list at byte {self.at:,} holds values of the type {inner}")
        self._fits(count, struct.calcsize(f"<{SCALARS[inner]}"), "values of a list")
        return list(self._take(f"{count}{SCALARS[inner]}"))

    # ---- Tensors ---------------------------------------------------------------------------------

    def _tensor(self, name: str) -> tuple[tuple[int, ...], int, int]:
        """(shape, number of the format, offset among the tensors)."""
        (n_dimensions,) = self._take("I")
        if not 1 <= n_dimensions <= MOST_DIMENSIONS:
            raise self._wrong(f"the tensor {name!r} has {n_dimensions} dimensions; 1 to {MOST_DIMENSIONS}")
        shape = self._take(f"{n_dimensions}Q")[::-1]
        number, offset = self._take("IQ")
        if number not in FORMATS:
            known = ", ".join(form.name for form in FORMATS.values())
            raise CheckpointError(
                f"{self.where}: the tensor {name!r} is written as {OTHER_FORMATS.get(number, number)}, which "
                f"is not read here. {known} are; ask for the model in one of these, such as Q8_0."
            )
        return shape, number, offset

    def _alignment(self, metadata: Mapping[str, Any]) -> int:
        alignment = metadata.get("general.alignment", ALIGNMENT)
        if type(alignment) is not int or alignment < 8 or alignment & (alignment - 1):
            raise self._wrong(f"general.alignment is {alignment!r}, and not a power of two from 8")
        return alignment

    def _placed(
        self, found: Mapping[str, tuple[tuple[int, ...], int, int]], alignment: int
    ) -> dict[str, TensorInfo]:
        """Where each tensor lies, once none reaches past the end or into another."""
        first = -(-self.at // alignment) * alignment
        placed = {}
        for name, (shape, number, offset) in found.items():
            form, elements = FORMATS[number], 1
            for length in shape:
                elements *= length
            if elements == 0 or shape[-1] % form.weights:
                raise self._wrong(f"the tensor {name!r} of shape {shape} cannot be written as {form.name}")
            start = first + offset
            end = start + form.size(elements)
            if offset % alignment or end > self.size:
                raise self._wrong(
                    f"the tensor {name!r} of shape {shape} would lie in bytes {start:,} to {end:,}, and the "
                    f"file has {self.size:,}: it is truncated or damaged"
                )
            placed[name] = TensorInfo(shape, form, start, end)
        ordered = sorted(placed.items(), key=lambda item: item[1].start)
        for (before, one), (after, two) in itertools.pairwise(ordered):
            if two.start < one.end:
                raise self._wrong(f"the tensors {before!r} and {after!r} lie over each other")
        return placed

    def _wrong(self, what: str) -> CheckpointError:
        return CheckpointError(f"{self.where} is no GGUF file that can be read: {what}. Fetch it again.")
