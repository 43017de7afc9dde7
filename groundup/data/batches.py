"""Batches as a pure function of (seed, step, rank), so a resumed run needs no loader state.

Letters: B rows of this rank, T positions in a row.
Sample k of the global order is row k % batch_size of step k // batch_size. Each epoch visits every window
of the corpus once, in an order of its own (permute.py), and starts its windows at a phase of its own, so a
token is not always predicted from the same few neighbours. A rank takes a slice of the *global* batch:
the same batch comes out of one process or of eight.

Does not: keep windows inside documents; a window may cross a boundary, as in GPT-2's and nanoGPT's training.
Next:    packing.py, for conversations that must stay whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from groundup.base.errors import ConfigError, DataError
from groundup.base.seeds import derive
from groundup.data.permute import permutation

IGNORED = -1  # a target that carries no loss


@dataclass(frozen=True)
class Batch:
    """What a training step sees.

    tokens_BT:   int64 ids.
    targets_BT:  int64, the id that should follow tokens_BT[b, t], or IGNORED.
    segments_BT: int64, which conversation of its row a position belongs to (1, 2, ...; 0 is padding);
                 None where a row is one piece of text.
    """

    tokens_BT: Tensor
    targets_BT: Tensor
    segments_BT: Tensor | None = None

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        segments_BT = None if self.segments_BT is None else self.segments_BT.to(device, non_blocking=True)
        return Batch(
            self.tokens_BT.to(device, non_blocking=True),
            self.targets_BT.to(device, non_blocking=True),
            segments_BT,
        )


class Batches(Protocol):
    """Anything that answers "what does rank r see at step s?" without remembering what it was asked."""

    def batch(self, step: int, rank: int = 0) -> Batch: ...


class WindowBatches:
    """Windows of context_len tokens from one long stream of ids, each once per epoch, in shuffled order.

    tokens:     1-D integers; a memory map stays on disk.
    batch_size: rows of the global batch, over all ranks.
    world:      number of ranks; must divide batch_size.
    Raises DataError if the stream is shorter than one window, ConfigError if the numbers do not fit.

    >>> batches = WindowBatches(np.arange(9), context_len=4, batch_size=1, seed=0)
    >>> batch = batches.batch(step=0)
    >>> (batch.targets_BT - batch.tokens_BT).tolist()  # in this stream the next id is always one more
    [[1, 1, 1, 1]]
    """

    def __init__(
        self, tokens: np.ndarray, *, context_len: int, batch_size: int, seed: int, world: int = 1
    ) -> None:
        _check_sizes(context_len=context_len, batch_size=batch_size, world=world)
        if len(tokens) < context_len + 1:
            raise DataError(
                f"the corpus has {len(tokens):,} tokens, but one window needs context_len + 1 ="
                f" {context_len + 1:,}. Give more text, or lower context_len to {max(1, len(tokens) - 1)}"
                " or less."
            )
        self.tokens, self.context_len, self.batch_size = tokens, context_len, batch_size
        self.seed, self.world = seed, world
        # One window less than would fit, so that every epoch can start at any phase in 0..context_len-1.
        self.windows_per_epoch = max(1, (len(tokens) - context_len) // context_len)
        self._room = len(tokens) - 1 - self.windows_per_epoch * context_len
        self._offsets_T = np.arange(context_len + 1)
        self._epoch = lru_cache(maxsize=4)(self._plan)

    @property
    def tokens_per_step(self) -> int:
        """Targets in one global batch."""
        return self.batch_size * self.context_len

    def batch(self, step: int, rank: int = 0) -> Batch:
        """Rows rank * B .. (rank + 1) * B - 1 of global batch `step`."""
        starts_B = self.starts(step, rank)
        gathered = self.tokens[starts_B[:, None] + self._offsets_T]  # (B, T + 1): inputs and targets overlap
        window_BT = torch.from_numpy(gathered.astype(np.int64))
        return Batch(window_BT[:, :-1].contiguous(), window_BT[:, 1:].contiguous())

    def starts(self, step: int, rank: int = 0) -> np.ndarray:
        """Where in the stream each row of this rank begins: int64, B of them."""
        sample_B = rank_samples(step, rank, batch_size=self.batch_size, world=self.world)
        epoch_B, index_B = np.divmod(sample_B, self.windows_per_epoch)
        starts_B = np.empty_like(index_B)
        for epoch in range(int(epoch_B[0]), int(epoch_B[-1]) + 1):  # usually one; two at an epoch's end
            shuffle, phase = self._epoch(epoch)
            here = epoch_B == epoch
            starts_B[here] = phase + shuffle(index_B[here]) * self.context_len
        return starts_B

    def _plan(self, epoch: int) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
        phase = derive(self.seed, "data/window phase", step=epoch) % (
            min(self._room, self.context_len - 1) + 1
        )
        return permutation(self.windows_per_epoch, seed=self.seed, purpose="data/windows", epoch=epoch), phase


def windows_in_order(tokens: np.ndarray, *, context_len: int, batch_size: int) -> Iterator[Batch]:
    """Every token but the first as a target exactly once, front to back: for a held-out score.

    The last window is padded with token 0 and IGNORED targets. Raises DataError for fewer than two tokens.

    >>> [batch.targets_BT.tolist() for batch in windows_in_order(np.arange(6), context_len=4, batch_size=8)]
    [[[1, 2, 3, 4], [5, -1, -1, -1]]]
    """
    _check_sizes(context_len=context_len, batch_size=batch_size, world=1)
    if len(tokens) < 2:
        raise DataError(
            f"{len(tokens)} token(s) hold nothing to predict. A held-out text needs at least two."
        )
    starts = range(0, len(tokens) - 1, context_len)
    for first in range(0, len(starts), batch_size):
        rows = starts[first : first + batch_size]
        tokens_BT = np.zeros((len(rows), context_len), dtype=np.int64)
        targets_BT = np.full((len(rows), context_len), IGNORED, dtype=np.int64)
        for row, start in enumerate(rows):
            piece = np.asarray(tokens[start : start + context_len + 1], dtype=np.int64)
            tokens_BT[row, : len(piece) - 1], targets_BT[row, : len(piece) - 1] = piece[:-1], piece[1:]
        yield Batch(torch.from_numpy(tokens_BT), torch.from_numpy(targets_BT))


def rank_samples(step: int, rank: int, *, batch_size: int, world: int) -> np.ndarray:
    """The global sample numbers that `rank` of `world` takes at `step`.

    >>> rank_samples(3, 1, batch_size=4, world=2).tolist()
    [14, 15]
    """
    if step < 0 or not 0 <= rank < world:
        raise ValueError(
            f"step={step}, rank={rank} of {world}: steps start at 0, ranks lie in 0..{world - 1}."
        )
    rows = batch_size // world
    first = step * batch_size + rank * rows
    return np.arange(first, first + rows, dtype=np.int64)


def _check_sizes(*, context_len: int, batch_size: int, world: int) -> None:
    for name, value in (("context_len", context_len), ("batch_size", batch_size), ("world", world)):
        if value < 1:
            raise ConfigError(f"{name}={value} is not a positive number. Choose {name} >= 1.")
    if batch_size % world:
        raise ConfigError(
            f"batch_size={batch_size} rows cannot be shared equally by world={world} ranks."
            f" Choose a multiple of {world}, for example {-(-batch_size // world) * world}."
        )
