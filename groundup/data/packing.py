"""Conversations as batches: whole, never cropped, loss only where the mask says so.

Letters: B rows of this rank, T positions in a row.
A conversation arrives as (ids, mask); mask[i] says whether predicting ids[i] is trained. It fills
len(ids) - 1 positions: position t holds ids[t] and the target ids[t + 1], or IGNORED where mask[t + 1] is 0.

PackedBatches puts several conversations into rows of one length; `segments_BT` tells them apart so that
attention can stay inside each. Which lengths share a row is decided once, by best-fit decreasing (Johnson
1973: never more than 11/9 of the fewest rows); which conversation fills which place of its length is drawn
anew each epoch. So every epoch has the same number of rows, holds every conversation once, and any step can
be computed without the steps before it.
Next:    bucketing.py, one conversation a row, which is cheaper on a CPU.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Literal

import numpy as np
import torch

from groundup.base.errors import ConfigError, DataError
from groundup.base.seeds import numpy_rng
from groundup.data.batches import IGNORED, Batch, rank_samples

Example = tuple[Sequence[int], Sequence[int]]  # (ids, mask), as tokenizer/chat.py renders them


class Examples:
    """Conversations stored flat (8 bytes a position), with what does not fit counted or refused.

    lengths:  positions of each kept conversation (len(ids) - 1), int64.
    dropped:  how many were longer than `longest` and left out; 0 unless too_long="drop".
    Raises DataError for no conversation at all, one without anything to train on, ids and mask that differ in
    length, or one longer than `longest` positions while too_long="refuse".
    """

    def __init__(
        self, examples: Sequence[Example], *, longest: int, too_long: Literal["refuse", "drop"] = "refuse"
    ) -> None:
        for number, (ids, mask) in enumerate(examples):
            _refuse_misfits(number, ids, mask, longest if too_long == "refuse" else len(ids))
        kept = [number for number, (ids, _) in enumerate(examples) if len(ids) - 1 <= longest]
        self.dropped = len(examples) - len(kept)
        if not kept:
            raise DataError(
                f"there is no conversation to train on: {len(examples)} given, {self.dropped} dropped as"
                f" longer than {longest} positions. Give some, or make rows longer."
            )
        sizes = np.array([len(examples[number][0]) for number in kept])
        flat_ids = _flat((examples[number][0] for number in kept), total=int(sizes.sum()))
        flat_mask = _flat((examples[number][1] for number in kept), total=int(sizes.sum())) != 0
        ends = np.cumsum(sizes)
        first, last = np.zeros(len(flat_ids), bool), np.zeros(len(flat_ids), bool)
        first[(ends - sizes)[sizes > 0]] = True
        last[(ends - 1)[sizes > 0]] = True
        trained = np.bincount(np.repeat(np.arange(len(kept)), sizes), flat_mask & ~first, minlength=len(kept))
        if not trained.all():
            number = kept[int(np.argmin(trained))]
            raise DataError(
                f"conversation {number} ({len(examples[number][0])} ids) has no token to train on."
                " It needs an assistant message: leave out conversations that have none."
            )
        self.lengths = sizes - 1
        self._offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        self._tokens = flat_ids[~last]
        self._targets = np.where(flat_mask, flat_ids, IGNORED)[~first]

    def __len__(self) -> int:
        return len(self.lengths)

    def piece(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """tokens_T and targets_T of one conversation."""
        here = slice(self._offsets[index], self._offsets[index + 1])
        return self._tokens[here], self._targets[here]


def _refuse_misfits(number: int, ids: Sequence[int], mask: Sequence[int], longest: int) -> None:
    if len(ids) != len(mask):
        raise DataError(f"conversation {number}: {len(ids)} ids but {len(mask)} mask entries. One each.")
    if len(ids) - 1 > longest:
        raise DataError(
            f"conversation {number} needs {len(ids) - 1} positions, a row has {longest}. Conversations are"
            " never cropped: raise context_len (or batch_tokens), or pass too_long='drop'."
        )


def _flat(parts: Iterable[Sequence[int]], *, total: int) -> np.ndarray:
    return np.fromiter(chain.from_iterable(parts), dtype=np.int32, count=total)


class PackedBatches:
    """Rows of context_len positions, each holding as many whole conversations as fit.

    batch_tokens: positions of the global batch, padding included: batch_tokens // context_len rows.
    .rows_per_epoch, .dropped, .fill (share of positions that are not padding) say what the plan came to.

    >>> talk = [([1, 2, 3], [0, 0, 1]), ([4, 5], [0, 1])]
    >>> batch = PackedBatches(talk, batch_tokens=4, context_len=4, seed=0).batch(step=0)
    >>> batch.tokens_BT.tolist(), batch.targets_BT.tolist(), batch.segments_BT.tolist()
    ([[1, 2, 4, 0]], [[-1, 3, 5, -1]], [[1, 1, 2, 0]])
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        batch_tokens: int,
        context_len: int,
        seed: int,
        world: int = 1,
        too_long: Literal["refuse", "drop"] = "refuse",
    ) -> None:
        self.batch_size = batch_tokens // max(1, context_len)
        if self.batch_size < 1 or self.batch_size % world:
            raise ConfigError(
                f"batch_tokens={batch_tokens} holds {self.batch_size} rows of context_len={context_len},"
                f" which {world} rank(s) cannot share. Choose batch_tokens as a multiple of"
                f" {context_len * world}."
            )
        self.examples = Examples(examples, longest=context_len, too_long=too_long)
        self.context_len, self.seed, self.world = context_len, seed, world
        longest_first = np.sort(self.examples.lengths)[::-1]
        self._rows = best_fit(longest_first.tolist(), capacity=context_len)
        self._plan = lru_cache(maxsize=2)(self._plan_epoch)

    @property
    def rows_per_epoch(self) -> int:
        return len(self._rows)

    @property
    def dropped(self) -> int:
        return self.examples.dropped

    @property
    def fill(self) -> float:
        return float(self.examples.lengths.sum()) / (self.rows_per_epoch * self.context_len)

    def batch(self, step: int, rank: int = 0) -> Batch:
        """This rank's rows of global batch `step`."""
        samples = rank_samples(step, rank, batch_size=self.batch_size, world=self.world)
        shape = (len(samples), self.context_len)
        tokens_BT, segments_BT = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        targets_BT = np.full(shape, IGNORED, np.int64)
        for b, sample in enumerate(samples.tolist()):
            position = 0
            for segment, index in enumerate(self.conversations(sample), start=1):
                tokens, targets = self.examples.piece(index)
                here = slice(position, position + len(tokens))
                tokens_BT[b, here], targets_BT[b, here], segments_BT[b, here] = tokens, targets, segment
                position += len(tokens)
        return Batch(*(torch.from_numpy(array) for array in (tokens_BT, targets_BT, segments_BT)))

    def conversations(self, sample: int) -> list[int]:
        """Which conversations (by number among the kept ones) fill row `sample` of the global order."""
        epoch, row = divmod(sample, self.rows_per_epoch)
        place_of_slot, row_order = self._plan(epoch)
        return [int(place_of_slot[slot]) for slot in self._rows[row_order[row]]]

    def _plan_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """(the conversation in each slot of the pattern, the order of the rows) of one epoch."""
        rng = numpy_rng(self.seed, "data/packing", step=epoch)
        return longest_first_shuffled(self.examples.lengths, rng), rng.permutation(self.rows_per_epoch)


def longest_first_shuffled(lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices by falling length, those of one length in random order: only who has a length changes."""
    shuffled = rng.permutation(len(lengths))
    return shuffled[np.argsort(-lengths[shuffled], kind="stable")]


def best_fit(lengths: Sequence[int], *, capacity: int) -> list[list[int]]:
    """Rows of indices into `lengths`; each index goes to the fullest row that still has room for it.

    >>> best_fit([5, 4, 3, 2, 1], capacity=6)
    [[0, 4], [1, 3], [2]]
    """
    rows: list[list[int]] = []
    with_room: list[list[int]] = [
        [] for _ in range(capacity + 1)
    ]  # with_room[r]: rows that have r positions left
    rooms = (
        0  # bit r is set when with_room[r] is not empty, so the smallest sufficient r is one bit trick away
    )
    for index, length in enumerate(lengths):
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = with_room[room].pop()
            if not with_room[room]:
                rooms &= ~(1 << room)
        else:
            room, row = capacity, len(rows)
            rows.append([])
        rows[row].append(index)
        left = room - length
        with_room[left].append(row)
        rooms |= 1 << left
    return rows
