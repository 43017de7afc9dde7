"""Items as training rows: windows of a fixed context, or whole items side by side.

Letters: N examples, K context, B rows of a batch, T positions, S steps.

    Windows   each character from the K before it, padded on the left with the mark: (B, K) -> (B, 1)
    Words     each item from its start, padded on the right with targets that carry no loss: (B, T) -> (B, T)

Both draw rows with replacement, as the course does, from a stream that goes on from step to step. Yet a batch
is a pure function of its step: the stream starts from the state that the generator had when it was given, and
the rows of step s are its draws B s to B (s + 1) - 1. Hand over the generator that drew the model's first
weights, seeded with 2147483647, and the batches are those of the lectures.

Source:  the lectures "makemore" 2 to 5: `torch.randint(0, N, (32,), generator=g)`; makemore.py for Words.
Next:    models/bengio_mlp.py, which reads windows; train/fit.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundup.base.errors import ConfigError, DataError
from groundup.data.batches import IGNORED, Batch
from groundup.tokenizer.protocol import Tokenizer

MARK_ID = 0  # the start and the end of an item: names.py
AT_ONCE = 512  # steps drawn together: one call of torch for them all
# Its number, the state of the generator behind it, and tokens_BT and targets_BT of each of its steps.
Chunk = tuple[int, Tensor, Sequence[Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class Examples:
    """Every prediction of a list of items: tokens_NK, targets_N, and item_N, the item that each is of."""

    tokens_NK: Tensor
    targets_N: Tensor
    item_N: Tensor

    def __len__(self) -> int:
        return len(self.targets_N)


def examples(items: Sequence[str], tokenizer: Tokenizer, context_len: int) -> Examples:
    """The windows of all items in order: each character and the end mark, from the `context_len` before it.

    Raises TokenizerError for a character that has no id.

    >>> from groundup.tokenizer.chars import CharTokenizer
    >>> found = examples(["ab", "c"], CharTokenizer("\\nabc"), 2)
    >>> found.tokens_NK.tolist(), found.targets_N.tolist(), found.item_N.tolist()
    ([[0, 0], [0, 1], [1, 2], [0, 0], [0, 3]], [1, 2, 0, 3, 0], [0, 0, 0, 1, 1])
    """
    marks = [MARK_ID] * context_len
    spelled = [[*marks, *tokenizer.encode(item), MARK_ID] for item in items]
    if not spelled:
        raise DataError("There are no items to make windows of. Give at least one.")
    length_I = np.array([len(ids) for ids in spelled])
    place_N = np.arange(length_I.sum()) - np.repeat(length_I.cumsum() - length_I, length_I)  # within its item
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate(spelled), context_len + 1)
    rows = windows[place_N[context_len:] >= context_len]
    return Examples(
        torch.from_numpy(rows[:, :-1].copy()),
        torch.from_numpy(rows[:, -1].copy()),
        torch.from_numpy(np.repeat(np.arange(len(items)), length_I - context_len)),
    )


def padded(
    items: Sequence[str], tokenizer: Tokenizer, context_len: int | None = None
) -> tuple[Tensor, Tensor]:
    """(tokens_NT, targets_NT): the mark and the item; the item and the mark, then IGNORED.

    T is `context_len`, or what the longest item needs. Raises ConfigError if an item does not fit.

    >>> from groundup.tokenizer.chars import CharTokenizer
    >>> [each.tolist() for each in padded(["ab", "c"], CharTokenizer("\\nabc"))]
    [[[0, 1, 2], [0, 3, 0]], [[1, 2, 0], [3, 0, -1]]]
    """
    longest = max(items, key=len)
    context_len = len(longest) + 1 if context_len is None else context_len
    if len(longest) >= context_len:
        raise ConfigError(
            f"context_len={context_len} is too short for {longest!r}: with the start mark it has "
            f"{len(longest) + 1} tokens. Choose {len(longest) + 1} or more, or leave it out."
        )
    tokens_NT = torch.full((len(items), context_len), MARK_ID)
    targets_NT = torch.full((len(items), context_len), IGNORED)
    for row, item in enumerate(items):
        ids = torch.tensor(tokenizer.encode(item))
        tokens_NT[row, 1 : len(ids) + 1] = ids
        targets_NT[row, : len(ids)] = ids
        targets_NT[row, len(ids)] = MARK_ID
    return tokens_NT, targets_NT


class Drawn:
    """Batches of rows of two tables, drawn with replacement: `batch(step)` is a pure function of its step.

    `generator` lives on the CPU and is not moved on; None: a stream of `seed`.

    >>> table = torch.arange(8)[:, None]
    >>> batches = Drawn(table, table, batch_size=3, generator=torch.Generator().manual_seed(0))
    >>> late = batches.batch(1000).tokens_BT
    >>> batches.batch(0).tokens_BT.flatten().tolist()
    [4, 7, 5]
    >>> bool((batches.batch(1000).tokens_BT == late).all())
    True
    """

    def __init__(
        self, tokens_NT: Tensor, targets_NT: Tensor, *, batch_size: int, generator: torch.Generator
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size} is not allowed. Choose 1 or more.")
        self.tokens_NT, self.targets_NT, self.batch_size = tokens_NT, targets_NT, batch_size
        self._start = generator.get_state()
        self._held = self._next(-1, self._start)

    def batch(self, step: int, rank: int = 0) -> Batch:
        """The rows of this step. One process only: a second rank would draw the same."""
        chunk, place = divmod(step, AT_ONCE)
        number, _, tokens, targets = self._held
        if number != chunk:
            number, _, tokens, targets = self._held = self._chunk(chunk)
        return Batch(tokens[place], targets[place])

    def _chunk(self, wanted: int) -> Chunk:
        """The draws of AT_ONCE steps. To look back means to draw from the start again: 5 ms a million."""
        held = self._held if self._held[0] < wanted else self._next(-1, self._start)
        while held[0] < wanted:
            held = self._next(held[0], held[1])
        return held

    def _next(self, number: int, state: Tensor) -> Chunk:
        """Chunk `number` + 1 from the state that chunk `number` left, and the state behind it.

        Nothing is changed in place, so that workers may ask at the same time.
        """
        generator = torch.Generator()
        generator.set_state(state)
        rows_SB = torch.randint(0, len(self.tokens_NT), (AT_ONCE, self.batch_size), generator=generator)
        tokens_SBT, targets_SBT = self.tokens_NT[rows_SB], self.targets_NT[rows_SB]
        return number + 1, generator.get_state(), tokens_SBT.unbind(), targets_SBT.unbind()


class Windows(Drawn):
    """Windows of `context_len` characters of these items, each with the one character that follows."""

    def __init__(
        self,
        items: Sequence[str],
        tokenizer: Tokenizer,
        *,
        context_len: int,
        batch_size: int,
        generator: torch.Generator,
    ) -> None:
        longest = max(map(len, items))
        if not 1 <= context_len <= longest:
            raise ConfigError(
                f"context_len={context_len} does not fit these items: the longest has {longest} characters, "
                f"so what lies further back would always be padding. Choose 1 to {longest}."
            )
        found = examples(items, tokenizer, context_len)
        super().__init__(
            found.tokens_NK, found.targets_N[:, None], batch_size=batch_size, generator=generator
        )


class Words(Drawn):
    """Whole items, each in a row of `context_len` tokens (None: as many as the longest needs)."""

    def __init__(
        self,
        items: Sequence[str],
        tokenizer: Tokenizer,
        *,
        batch_size: int,
        generator: torch.Generator,
        context_len: int | None = None,
    ) -> None:
        super().__init__(*padded(items, tokenizer, context_len), batch_size=batch_size, generator=generator)
