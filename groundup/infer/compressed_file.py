"""A compressed file: who can read it, and what it must come to; then the coded bytes.

    magic "GULM", version, lanes, threads, start id, items, bytes of the text, bytes coded     33 bytes
    model        SHA-256 of config, tokenizer and every weight, its first 16 bytes
    probe        of the numbers that this model gives on the machine that wrote it, 8 bytes
    content      SHA-256 of the text, its first 16 bytes
    machine      in words, for the message that refuses another
    CRC-32 of all that; the coded bytes; CRC-32 of those

Everything is checked before the first token is decoded (a torn or altered file, another model, a machine that
computes other bits), and the text before it is handed out. The checks find accidents: who can write the file
can make it say anything, and decodes to anything.

Next: cli/compress.py.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from groundup.base.config import to_dict
from groundup.base.errors import CheckpointError, ConfigError, DataError
from groundup.infer.compression import (
    OnBytes,
    cumulated,
    decode,
    encode,
    items_of,
    pick_lanes,
    spelled,
)
from groundup.infer.reading import reading
from groundup.models.catalog import kind_of
from groundup.tokenizer.protocol import Tokenizer

MAGIC, VERSION = b"GULM", 1
FIXED = struct.Struct(">4sBHHIIQQ16s8s16sB")  # the last: bytes of the machine's words
MOST_ITEMS = (1 << 32) - 1
MOST_LANES_ASKED, MOST_THREADS = 4096, 1024
PROBE_STEPS = 6


@dataclass(frozen=True)
class Header:
    """What a compressed file says about itself."""

    lanes: int
    threads: int
    start: int
    items: int
    size: int  # bytes of the text
    coded: int  # bytes that it was coded to
    model: bytes
    probe: bytes
    content: bytes
    machine: str

    def packed(self) -> bytes:
        """As bytes, with their CRC-32."""
        words = self.machine.encode()[:255]
        numbers = (self.lanes, self.threads, self.start, self.items, self.size, self.coded)
        fixed = FIXED.pack(MAGIC, VERSION, *numbers, self.model, self.probe, self.content, len(words)) + words
        return fixed + zlib.crc32(fixed).to_bytes(4, "big")


def compress(
    data: bytes,
    model: nn.Module,
    tokenizer: Tokenizer,
    *,
    start: int,
    lanes: int | None = None,
    on_bytes: OnBytes | None = None,
) -> bytes:
    """The bytes as a compressed file. `start` is the id that stands before a text; without `lanes`, as many
    as pay.

    Raises ConfigError for lanes that do not fit, DataError for a tokenizer that loses something.
    """
    items = items_of(data, tokenizer)
    if len(items) > MOST_ITEMS:
        raise DataError(f"{len(items):,} tokens are more than {MOST_ITEMS:,}. Compress the file in parts.")
    lanes = pick_lanes(model, len(items)) if lanes is None else lanes
    if not 1 <= lanes <= MOST_LANES_ASKED:
        raise ConfigError(f"lanes={lanes} is not possible. Choose 1 to {MOST_LANES_ASKED}, or leave it out.")
    lanes = max(1, min(lanes, len(items)))
    coded = encode(model, items, start=start, lanes=lanes, on_item=counting(tokenizer, on_bytes))
    header = Header(
        lanes=lanes,
        threads=torch.get_num_threads(),
        start=start,
        items=len(items),
        size=len(data),
        coded=len(coded),
        model=fingerprint(model, tokenizer),
        probe=probe(model, lanes),
        content=hashlib.sha256(data).digest()[:16],
        machine=machine(),
    )
    return header.packed() + coded + zlib.crc32(coded).to_bytes(4, "big")


def decompress(
    file: bytes, model: nn.Module, tokenizer: Tokenizer, *, on_bytes: OnBytes | None = None
) -> bytes:
    """The bytes that were compressed, exactly, or DataError or CheckpointError.

    Uses as many threads as the file was written with, and gives them back.
    """
    header, coded = parsed(file)
    if fingerprint(model, tokenizer) != header.model:
        raise CheckpointError(
            f"This file was compressed with the model {header.model.hex()}, and this one is "
            f"{fingerprint(model, tokenizer).hex()}. Only the same weights and tokenizer can read it: give "
            "the model that it was compressed with."
        )
    if header.start >= model.config.vocab_size:  # type: ignore[union-attr, operator]
        raise DataError(f"The file begins with the id {header.start}, which this model does not have.")
    before = torch.get_num_threads()
    torch.set_num_threads(header.threads)
    try:
        if probe(model, header.lanes) != header.probe:
            raise DataError(
                f"This machine ({machine()}) does not compute the same bits as the one that compressed the "
                f"file ({header.machine}), and one other bit would spoil everything after it. Decompress it "
                "there, or with the same processor and version of torch."
            )
        items = decode(
            model,
            coded,
            header.items,
            start=header.start,
            lanes=header.lanes,
            on_item=counting(tokenizer, on_bytes),
        )
    finally:
        torch.set_num_threads(before)
    data = spelled(items, tokenizer)
    if len(data) != header.size or hashlib.sha256(data).digest()[:16] != header.content:
        raise DataError(
            "What came out is not what went in: its checksum does not fit, though file and model are whole. "
            f"The file was written on {header.machine}; decompress it there."
        )
    return data


def parsed(file: bytes) -> tuple[Header, bytes]:
    """(header, coded bytes), once every byte has been found as it was written. Raises DataError otherwise."""
    if file[:4] != MAGIC:
        raise DataError("This is no file of `groundup compress`: it does not begin with GULM. Give one.")
    if len(file) < FIXED.size:
        raise torn(len(file), FIXED.size)
    _, version, *numbers, model, probe_, content, words = FIXED.unpack_from(file)
    if version != VERSION:
        raise DataError(
            f"The file has version {version}, and this groundup reads {VERSION}. Use the one that wrote it."
        )
    end = FIXED.size + words + 4
    if len(file) < end:
        raise torn(len(file), end)
    if zlib.crc32(file[: end - 4]) != int.from_bytes(file[end - 4 : end], "big"):
        raise DataError("The file's header was altered after it was written. Compress the original again.")
    lanes, threads, start, items, size, coded = numbers
    if not (1 <= lanes <= max(1, items) <= max(1, size) and 1 <= threads <= MOST_THREADS):
        raise DataError(  # none that we wrote: every item has a byte, every lane an item
            f"The file's header says what cannot be ({items:,} tokens of {size:,} bytes in {lanes} lanes, "
            f"{threads} threads). It was not written by `groundup compress`."
        )
    if len(file) != (whole := end + coded + 4):
        raise torn(len(file), whole)
    body = file[end : end + coded]
    if zlib.crc32(body) != int.from_bytes(file[-4:], "big"):
        raise DataError("The file was altered after it was written. Compress the original again.")
    text = file[FIXED.size : end - 4].decode("utf-8", errors="replace")
    header = Header(lanes, threads, start, items, size, coded, model, probe_, content, text)
    return header, body


def torn(have: int, whole: int) -> DataError:
    """The error for a file of another length than it says."""
    what = "was cut short" if have < whole else "has something behind its end"
    return DataError(f"The file {what}: it has {have:,} bytes and should have {whole:,}. Copy it again.")


def fingerprint(model: nn.Module, tokenizer: Tokenizer) -> bytes:
    """16 bytes that only this model with this tokenizer has: kind, config, every weight."""
    about = {"kind": kind_of(model), "config": to_dict(model.config), "tokenizer": tokenizer.fingerprint}
    seen = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        seen.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        seen.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return seen.digest()[:16]


def probe(model: nn.Module, lanes: int) -> bytes:
    """8 bytes of what the model computes here for a few made-up tokens, in the shapes of this file.

    Equal probes do not prove that every later number is equal, but another processor, another torch or
    another number of threads that rounds otherwise is nearly always seen.
    """
    config: Any = model.config
    V, seen = config.vocab_size, hashlib.sha256()
    read = reading(model, torch.arange(lanes)[:, None] % V)
    for step in range(1, PROBE_STEPS):
        seen.update(cumulated(read.logits()).tobytes())
        read.push((torch.arange(lanes) * 7 + step * 31) % V)
    return seen.digest()[:8]


def machine() -> str:
    """What decides the last bits, in words; never a host name.

    >>> "torch" in machine() and "thread" in machine()
    True
    """
    kind = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {kind}, {torch.get_num_threads()} threads"


def counting(tokenizer: Tokenizer, on_bytes: OnBytes | None) -> OnBytes | None:
    """`on_bytes` as something that can be told items."""
    if on_bytes is None:
        return None
    return lambda item: on_bytes(len(tokenizer.bytes_of(item)) if item >= 0 else 1)
