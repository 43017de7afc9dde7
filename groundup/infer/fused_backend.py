"""Decoding at the speed of memory: a whole step in one call of compiled C, on weights of 8 or 4 bits.

For one new token every weight is read once, and nothing else is large; so what a step costs is the bytes of
the weights, if nothing stands in between: no tensors made, no operation started, no Python. Weights are
rounded as in weights/quantized.py, activations to 8 bits at each matrix, keys and values kept as float16.

Promise: a row's logits are the same bits for any batch, any way to cut a prompt, one thread or two, and any
of the three kinds of processor in kernels.c. So a reply, greedy or drawn, does not depend on who else asks.

Where it cannot be (`why_not`), cli/backend.py says so and takes the next.

Oracle: the model itself with the rounded weights (fused_layout.py: as_rounded); what is left is the rounding
        of activations.
Next:   engine.py, who drives it. Not here: GPUs.
"""

from __future__ import annotations

import ctypes
import os
import weakref

import numpy as np
import torch
from torch import Tensor

from groundup.base.device import usable_cores
from groundup.base.errors import ConfigError
from groundup.infer.compiled_kernels import Unavailable, cpu_kind, library
from groundup.infer.fused_layout import LANES, Packed, Step, aligned, not_taken
from groundup.infer.paged_cache import Chunk
from groundup.models.transformer import Transformer
from groundup.weights.quantized import Bits

ROWS = 64  # tokens at once: enough to read every weight for many, few enough to stay in the cache


def why_not(model: Transformer) -> str:
    """Why the fused backend is not for this model or machine, in words; empty if it is."""
    if said := not_taken(model):
        return said
    try:
        library()
    except Unavailable as error:
        return str(error)
    return ""


def default_threads() -> int:
    """$OMP_NUM_THREADS, or the cores that this process may use; as base/device.py gives torch."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else usable_cores()


class Fused:
    """A model, rounded, with its cache and its threads."""

    def __init__(
        self,
        model: Transformer,
        *,
        bits: Bits = 8,
        cache_mb: int = 512,
        block_len: int = 16,
        threads: int | None = None,
        cpu: str | None = None,
        packed: Packed | None = None,
    ):
        """`packed` are weights made before, for another backend of the same model."""
        if said := not_taken(model):
            raise ConfigError(f"The fused kernels do not take this model: {said}. Use another backend.")
        threads = threads or default_threads()
        self.cpu = cpu or cpu_kind()
        self._library = library(self.cpu)
        self.packed = packed or Packed(model, bits)
        c = model.config
        self.vocab_size, self.context_len, self.block_len = c.vocab_size, c.context_len, block_len
        padded = next(LANES << i for i in range(4) if LANES << i >= c.head_width)
        block_bytes = 2 * 2 * c.n_layer * c.kv_heads * padded * block_len  # keys and values, float16
        self.blocks = max(-(-c.context_len // block_len), cache_mb * 2**20 // block_bytes)
        shape = (c.n_layer, c.kv_heads, self.blocks, block_len, padded)
        self.keys, self.values = np.empty(shape, np.float16), np.empty(shape, np.float16)
        m = type(self.packed.model).from_buffer_copy(self.packed.model)
        m.blocks, m.block_len, m.threads = self.blocks, block_len, threads
        m.keys, m.values = self.keys.ctypes.data, self.values.ctypes.data
        self._scratch = aligned((self._library.scratch_bytes(ctypes.byref(m), ROWS),), np.uint8)
        m.scratch = self._scratch.ctypes.data
        self._model = m
        self.threads = threads
        self._open()

    def _open(self) -> None:
        """Start the threads; they end with this object."""
        self._pool = self._library.pool_open(self.threads)
        weakref.finalize(self, self._library.pool_close, self._pool)

    @property
    def bytes_per_token(self) -> int:
        """What one place of a text costs in all layers."""
        return (self.keys.nbytes + self.values.nbytes) // (self.blocks * self.block_len)

    def run(self, chunks: list[Chunk]) -> Tensor:
        """logits_NV of the last `asked` tokens of each chunk, in order; their keys and values are kept."""
        ids = np.array([id for chunk in chunks for id in chunk.ids], np.int32)
        places = np.array([place for chunk in chunks for place in range(chunk.start, chunk.end)], np.int32)
        self._check(ids, places, chunks)
        if not len(ids):
            return torch.empty(0, self.vocab_size)
        starts = np.cumsum([0] + [len(chunk.table) for chunk in chunks])
        tables = np.array([block for chunk in chunks for block in chunk.table], np.int32)
        table = np.repeat(starts[:-1], [len(chunk.ids) for chunk in chunks]).astype(np.int32)
        ends = np.cumsum([len(chunk.ids) for chunk in chunks])
        asked = np.array([row for chunk, end in zip(chunks, ends, strict=True)
                          for row in range(end - chunk.asked, end)], np.int32)  # fmt: skip
        logits_NV = torch.empty(len(asked), self.vocab_size)
        done = 0
        for first in range(0, len(ids), ROWS):
            last = min(first + ROWS, len(ids))
            here = asked[(asked >= first) & (asked < last)] - np.int32(first)
            self._step(ids[first:last], places[first:last], tables, table[first:last], here, logits_NV[done:])
            done += len(here)
        return logits_NV

    def _step(self, ids: np.ndarray, places: np.ndarray, tables: np.ndarray, table: np.ndarray,
              asked: np.ndarray, logits_NV: Tensor) -> None:  # fmt: skip
        step = Step(
            ctypes.pointer(self._model), len(ids), len(asked), ids.ctypes.data, places.ctypes.data,
            tables.ctypes.data, table.ctypes.data, asked.ctypes.data, logits_NV.data_ptr(),
        )  # fmt: skip
        if self._library.step_run(self._pool, ctypes.byref(step)):
            self._open()  # a forked child: the threads stayed with the parent
            self._library.step_run(self._pool, ctypes.byref(step))

    def _check(self, ids: np.ndarray, places: np.ndarray, chunks: list[Chunk]) -> None:
        """C does not look: an id, place or block outside would read or write what is not there."""
        if len(ids) and not (ids.min() >= 0 and ids.max() < self.vocab_size):
            raise ValueError(f"An id is outside of the vocabulary of {self.vocab_size}.")
        if len(places) and places.max() >= self.context_len:
            raise ValueError(
                f"{places.max() + 1} tokens do not fit context_len={self.context_len}. "
                "Shorten the text, or train a model with a longer context."
            )
        for chunk in chunks:
            needed = -(-chunk.end // self.block_len)
            if len(chunk.table) < needed or not all(0 <= block < self.blocks for block in chunk.table):
                raise ValueError(
                    f"{chunk.end} tokens need {needed} blocks of the {self.blocks} that there are, but the "
                    f"table is {chunk.table}."
                )
