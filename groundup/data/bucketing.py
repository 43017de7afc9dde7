"""Conversations of like length together: one a row, right-padded, about batch_tokens positions a batch.

Letters: B rows of this rank, T positions in a row (differs from batch to batch).
Right padding cannot be seen by a causal model from any position that carries loss, so no segment mask is
needed, the fused causal attention kernel applies, and short conversations make short, cheap rows.
Each epoch sorts the conversations by length, those of one length in a fresh random order, cuts that line into
batches, and shuffles the batches. The sorted lengths are the same every epoch, so the cuts are too.
Next:    packing.py, for rows of one fixed length.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import torch

from groundup.base.errors import ConfigError
from groundup.base.seeds import numpy_rng
from groundup.data.batches import IGNORED, Batch
from groundup.data.packing import Example, Examples, longest_first_shuffled


class BucketBatches:
    """One conversation a row; rows x longest row <= batch_tokens, padding included.

    batch_tokens also bounds one conversation: a longer one is refused, or dropped and counted in `.dropped`.
    A rank that is left without a row (fewer rows than ranks) gets one row of padding, whose loss count is 0.
    .batches_per_epoch, .dropped, .fill (share of positions that are not padding) say what the cuts came to.

    >>> talk = [([1, 2, 3], [0, 0, 1]), ([4, 5], [0, 1])]
    >>> batch = BucketBatches(talk, batch_tokens=4, seed=0).batch(step=0)
    >>> batch.tokens_BT.tolist(), batch.targets_BT.tolist()
    ([[1, 2], [4, 0]], [[-1, 3], [5, -1]])
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        batch_tokens: int,
        seed: int,
        world: int = 1,
        too_long: Literal["refuse", "drop"] = "refuse",
    ) -> None:
        if batch_tokens < 1 or world < 1:
            raise ConfigError(f"batch_tokens={batch_tokens}, world={world}: both must be at least 1.")
        self.examples = Examples(examples, longest=batch_tokens, too_long=too_long)
        self.batch_tokens, self.seed, self.world = batch_tokens, seed, world
        self._cuts = cut(np.sort(self.examples.lengths)[::-1].tolist(), batch_tokens=batch_tokens)
        self._plan = lru_cache(maxsize=2)(self._plan_epoch)

    @property
    def batches_per_epoch(self) -> int:
        return len(self._cuts)

    @property
    def dropped(self) -> int:
        return self.examples.dropped

    @property
    def fill(self) -> float:
        longest_first = np.sort(self.examples.lengths)[::-1]
        padded = sum(len(places) * int(longest_first[places.start]) for places in self._cuts)
        return float(longest_first.sum()) / padded

    def batch(self, step: int, rank: int = 0) -> Batch:
        """Every world-th row of global batch `step`, beginning with row `rank`."""
        if step < 0 or not 0 <= rank < self.world:
            raise ValueError(
                f"step={step}, rank={rank} of {self.world}: steps start at 0, ranks in 0..{self.world - 1}."
            )
        everyone = self.conversations(step)
        shape = (max(1, len(everyone[rank :: self.world])), int(self.examples.lengths[everyone].max()))
        tokens_BT, targets_BT = np.zeros(shape, np.int64), np.full(shape, IGNORED, np.int64)
        for b, index in enumerate(everyone[rank :: self.world]):
            tokens, targets = self.examples.piece(index)
            tokens_BT[b, : len(tokens)], targets_BT[b, : len(tokens)] = tokens, targets
        return Batch(torch.from_numpy(tokens_BT), torch.from_numpy(targets_BT))

    def conversations(self, step: int) -> list[int]:
        """Which conversations (by number among the kept ones) make up global batch `step`."""
        epoch, place = divmod(step, self.batches_per_epoch)
        order, batch_order = self._plan(epoch)
        places = self._cuts[batch_order[place]]
        return order[places.start : places.stop].tolist()

    def _plan_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        rng = numpy_rng(self.seed, "data/buckets", step=epoch)
        return longest_first_shuffled(self.examples.lengths, rng), rng.permutation(self.batches_per_epoch)


def cut(longest_first: Sequence[int], *, batch_tokens: int) -> list[range]:
    """Where a line of falling lengths is cut so that rows x longest row <= batch_tokens.

    >>> cut([4, 3, 3, 1, 1], batch_tokens=6)
    [range(0, 1), range(1, 3), range(3, 5)]
    """
    cuts, start = [], 0
    while start < len(longest_first):
        stop = min(len(longest_first), start + batch_tokens // longest_first[start])
        cuts.append(range(start, stop))
        start = stop
    return cuts
