"""Bits for a byte of text: the one loss that compares models with different tokenizers.

Nats per token cannot: a tokenizer with longer tokens has fewer of them, each harder to predict. Bytes are the
same for everybody:

    bits per byte = (sum of -ln p(token) over the text) / ln 2 / (bytes of those tokens)

It is also what an arithmetic coder would compress the text to: 2.0 is a quarter of the size of the file.

The text is longer than the context, so it is read in windows that overlap. A window is `context_len` long and
starts `stride` after the one before; only targets that no window scored before are scored, so each token is
scored once, with at least `context_len - stride` tokens of context where there are so many. Smaller strides
cost more and flatter less.

The first token has nothing before it: it is neither scored nor are its bytes counted. A special token is
scored and has no bytes: that a document ends is information too.

Letters: B windows at a time, T context, V vocabulary.
Source:  Gao et al. 2020 (The Pile), arXiv 2101.00027, section 3.1; overlapping windows: Press et al. 2021,
         arXiv 2012.15832, section 2.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from groundup.base.errors import DataError
from groundup.tokenizer.protocol import Tokenizer

IGNORED = -1


@dataclass(frozen=True)
class BitsPerByte:
    """The score, and what it is made of."""

    value: float
    low: float | None  # 95 % limits, as if windows were independent; None where there is only one
    high: float | None
    nats: float  # in all
    tokens: int  # scored
    bytes: int  # of the scored tokens

    @property
    def loss(self) -> float:
        """Nats per token: comparable only between models with the same tokenizer."""
        return self.nats / self.tokens


def bits_per_byte(
    model: nn.Module,
    tokens: Sequence[int] | np.ndarray,
    tokenizer: Tokenizer,
    context_len: int,
    *,
    stride: int | None = None,
    batch_size: int = 16,
) -> BitsPerByte:
    """The bits per byte of `model` on the text that `tokens` are the ids of.

    `stride` is half the context if not given. Raises DataError if there are fewer than two tokens, or none
    with bytes.
    """
    stride = stride or max(1, context_len // 2)
    if not 1 <= stride <= context_len:
        raise ValueError(f"stride={stride} is not in 1..context_len={context_len}: tokens would be skipped.")
    ids = np.asarray(tokens, dtype=np.int64)
    if len(ids) < 2:
        raise DataError(f"{len(ids)} tokens are too few: the first is never predicted. Give more text.")
    sizes = np.array([len(tokenizer.bytes_of(id)) for id in range(tokenizer.vocab_size)])
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    nats, counts, lengths = [], [], []
    windows = _windows(ids, context_len, stride)
    with torch.inference_mode():
        while rows := list(islice(windows, batch_size)):
            tokens_BT = torch.from_numpy(np.stack([tokens_T for tokens_T, _ in rows])).to(device)
            targets_BT = torch.from_numpy(np.stack([targets_T for _, targets_T in rows])).to(device)
            logits_BTV = model(tokens_BT).float()
            # .mT: cross_entropy wants the classes second
            nll_BT = F.cross_entropy(logits_BTV.mT, targets_BT, ignore_index=IGNORED, reduction="none")
            nats += nll_BT.double().sum(1).tolist()
            for _, targets_T in rows:
                scored = targets_T[targets_T != IGNORED]
                counts.append(len(scored))
                lengths.append(int(sizes[scored].sum()))
    model.train(was_training)
    if not sum(lengths):
        raise DataError("The text holds only special tokens, which have no bytes. Give it text to score.")
    value, low, high = ratio(np.array(nats) / math.log(2), np.array(lengths))
    return BitsPerByte(value, low, high, sum(nats), sum(counts), sum(lengths))


def _windows(ids: np.ndarray, context_len: int, stride: int) -> Iterator[tuple[Any, Any]]:
    """(tokens_T, targets_T) of each window; targets that were scored before, and padding, are IGNORED.

    >>> for tokens, targets in _windows(np.arange(6), 4, 2): print(tokens, targets)
    [0 1 2 3] [1 2 3 4]
    [2 3 4 0] [-1 -1  5 -1]
    """
    scored = 1  # targets before this place are done; the first token never is one
    start = 0
    while scored < len(ids):
        end = min(start + context_len, len(ids) - 1)
        tokens_T = np.zeros(context_len, dtype=np.int64)
        targets_T = np.full(context_len, IGNORED, dtype=np.int64)
        tokens_T[: end - start] = ids[start:end]
        targets_T[scored - 1 - start : end - start] = ids[scored : end + 1]
        yield tokens_T, targets_T
        scored, start = end + 1, start + stride


def ratio(bits: np.ndarray, lengths: np.ndarray) -> tuple[float, float | None, float | None]:
    """sum(bits) / sum(lengths) and its 95 % limits, from the usual variance of a ratio of means."""
    value, n = float(bits.sum() / lengths.sum()), len(bits)
    if n < 2:
        return value, None, None
    spread = float(np.std(bits - value * lengths, ddof=1) / lengths.mean() / math.sqrt(n))
    return value, value - 1.96 * spread, value + 1.96 * spread
