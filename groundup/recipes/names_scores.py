"""The loss of each item under any model of the ladder, and how sure the mean over characters is.

Items are drawn again, not characters: what follows a letter depends on the letters before it, so characters
of one item are not independent.

Letters: N examples, B batch, I items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from groundup.data.batches import IGNORED
from groundup.data.windows import examples, padded
from groundup.evals.intervals import Interval
from groundup.tokenizer.protocol import Tokenizer

AT_ONCE = 8192  # examples scored together
DRAWS = 2000  # of the bootstrap: the ends of an interval wobble by about 4 % of its width


@dataclass(frozen=True)
class ItemNats:
    """nats_I that each item costs, and characters_I that it has, its end included."""

    nats_I: np.ndarray
    characters_I: np.ndarray

    @property
    def mean(self) -> float:
        """Nats per character, as the lectures report it."""
        return float(self.nats_I.sum() / self.characters_I.sum())

    def interval(self, rng: np.random.Generator, *, level: float = 0.95, draws: int = DRAWS) -> Interval:
        """The mean with a percentile interval over items drawn again.

        >>> found = ItemNats(np.full(30, 6.0), np.full(30, 3))
        >>> found.interval(np.random.default_rng(0))
        Interval(value=2.0, low=2.0, high=2.0)
        """
        many = len(self.nats_I)
        means = np.empty(draws)
        for draw in range(draws):
            chosen = rng.integers(0, many, many)
            means[draw] = self.nats_I[chosen].sum() / self.characters_I[chosen].sum()
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        return Interval(self.mean, float(low), float(high))


@torch.no_grad()
def nats(model: Any, items: Sequence[str], tokenizer: Tokenizer) -> ItemNats:
    """What each item costs. The model should be in eval mode: BatchNorm would see the other items."""
    characters_I = np.array([len(item) + 1 for item in items])
    nats_I = np.zeros(len(items))
    if getattr(model, "reads", "prefixes") == "windows":
        found = examples(items, tokenizer, model.config.context_len)
        for start in range(0, len(found), AT_ONCE):
            here = slice(start, start + AT_ONCE)
            logits_BV = model(found.tokens_NK[here])[:, -1].double()
            losses_B = F.cross_entropy(logits_BV, found.targets_N[here], reduction="none")
            nats_I += np.bincount(found.item_N[here].numpy(), losses_B.numpy(), len(items))
        return ItemNats(nats_I, characters_I)
    tokens_NT, targets_NT = padded(items, tokenizer)
    rows = max(1, AT_ONCE // tokens_NT.size(1))
    for start in range(0, len(items), rows):
        here = slice(start, start + rows)
        logits_BTV = model(tokens_NT[here]).double()
        losses_BT = F.cross_entropy(
            logits_BTV.transpose(1, 2), targets_NT[here], ignore_index=IGNORED, reduction="none"
        )
        nats_I[here] = losses_BT.sum(1).numpy()
    return ItemNats(nats_I, characters_I)
