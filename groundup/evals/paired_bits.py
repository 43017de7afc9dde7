"""By how much a model changed on a text, measured on the same pieces of it before and after.

Pieces of a text differ among themselves far more than one model differs from its successor: 1.62 +- 0.03 and
1.64 +- 0.03 bits per byte look alike although every piece may have become worse. So each piece is compared
with itself, and the interval is that of the differences.

Source:  the usual interval of a ratio of means, on paired differences; Miller 2024, arXiv 2411.00640,
         section 4.2, on why evaluations of two models on the same questions are compared in pairs.
Next:    recipes/adapt_report.py, which shows with it what was gained and what was forgotten.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from groundup.evals.bits_per_byte import BitsPerByte, bits_per_byte, ratio
from groundup.tokenizer.protocol import Tokenizer

PIECES = 32


@dataclass(frozen=True)
class Change:
    """Bits per byte after, less those before: below 0 is better. 95 % limits; None if there is one piece."""

    value: float
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no doubt of the direction."""
        return self.low is not None and self.high is not None and (self.high < 0 or self.low > 0)


def pieces_of(tokens: np.ndarray, *, most: int, context_len: int, pieces: int = PIECES) -> list[np.ndarray]:
    """About `most` tokens as pieces of equal length from all over the text, none shorter than a window.

    >>> [piece.tolist() for piece in pieces_of(np.arange(12), most=6, context_len=1, pieces=3)]
    [[0, 1], [4, 5], [8, 9]]
    """
    most = min(most, len(tokens))
    pieces = max(1, min(pieces, most // (context_len + 1)))
    starts = [len(tokens) * piece // pieces for piece in range(pieces)]
    return [tokens[start : start + most // pieces] for start in starts]


def score(
    model: nn.Module, pieces: Sequence[np.ndarray], tokenizer: Tokenizer, context_len: int
) -> list[BitsPerByte]:
    """The score of each piece, in windows that overlap by half."""
    return [bits_per_byte(model, piece, tokenizer, context_len) for piece in pieces]


def joined(scores: Sequence[BitsPerByte]) -> BitsPerByte:
    """The pieces as one text; its interval as if they were independent."""
    bits = np.array([s.nats for s in scores]) / math.log(2)
    value, low, high = ratio(bits, np.array([s.bytes for s in scores]))
    return BitsPerByte(
        value,
        low,
        high,
        sum(s.nats for s in scores),
        sum(s.tokens for s in scores),
        sum(s.bytes for s in scores),
    )


def change(before: Sequence[BitsPerByte], after: Sequence[BitsPerByte]) -> Change:
    """What became of the same pieces. Raises ValueError if they are not the same."""
    if [s.bytes for s in before] != [s.bytes for s in after]:
        raise ValueError("The scores are of different pieces. Score the same pieces before and after.")
    bits = np.array([b.nats for b in after]) - np.array([a.nats for a in before])
    return Change(*ratio(bits / math.log(2), np.array([s.bytes for s in before])))
