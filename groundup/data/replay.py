"""New text with some of the old between it, in fixed proportion, as a pure function of the step.

Sample k of the global order is an old one exactly when k * share passes a whole number: at a share of 1/4
every fourth, at 5 % every twentieth, never two early and none late. Old and new each keep the order, the
epochs and the shuffles of their own windows (batches.py), so a batch depends on nothing but its step.

Letters: B rows of this rank, T positions in a row.
Source:  mixing old text in against forgetting: Ibrahim et al. 2024, arXiv 2403.08763, section 6.
Next:    recipes/adapt.py.
"""

import math

import numpy as np
import torch

from groundup.base.errors import ConfigError
from groundup.base.seeds import derive
from groundup.data.batches import Batch, WindowBatches, rank_samples


class ReplayBatches:
    """Rows of `context_len` tokens, of which a share comes from the old text.

    share:      of the rows, from 0 up to below 1.
    batch_size: rows of the global batch, over all `world` ranks.
    Raises DataError if one of the texts is shorter than a window, ConfigError if the numbers do not fit.

    >>> old, new = np.zeros(99, int), np.ones(99, int)
    >>> batches = ReplayBatches(new, old, share=0.25, context_len=4, batch_size=4, seed=0)
    >>> batches.batch(step=0).tokens_BT[:, 0].tolist(), batches.batch(step=1).tokens_BT[:, 0].tolist()
    ([1, 1, 1, 0], [1, 1, 1, 0])
    """

    def __init__(
        self,
        new: np.ndarray,
        old: np.ndarray,
        *,
        share: float,
        context_len: int,
        batch_size: int,
        seed: int,
        world: int = 1,
    ) -> None:
        if not 0 <= share < 1:
            raise ConfigError(f"replay={share} is not a share of the rows. Choose from 0 to below 1.")
        if batch_size < 1 or world < 1 or batch_size % world:
            raise ConfigError(
                f"batch_size={batch_size} rows cannot be shared equally by world={world} ranks. Choose a "
                "multiple of it."
            )
        self.share, self.batch_size, self.world = share, batch_size, world
        self._new, self._old = (
            WindowBatches(text, context_len=context_len, batch_size=1, seed=derive(seed, purpose))
            for text, purpose in ((new, "data/replay new"), (old, "data/replay old"))
        )

    def batch(self, step: int, rank: int = 0) -> Batch:
        """Rows rank * B .. (rank + 1) * B - 1 of global batch `step`."""
        rows = [
            (self._old if old else self._new).batch(index) for old, index in self.sources(step, rank)
        ]  # each of one row
        return Batch(torch.cat([row.tokens_BT for row in rows]), torch.cat([row.targets_BT for row in rows]))

    def sources(self, step: int, rank: int = 0) -> list[tuple[bool, int]]:
        """For each row of this rank: whether it is old, and its number among the old or the new."""
        found = []
        for sample in rank_samples(step, rank, batch_size=self.batch_size, world=self.world).tolist():
            before = math.floor(sample * self.share)  # old samples so far
            old = math.floor((sample + 1) * self.share) > before
            found.append((old, before if old else sample - before))
        return found
