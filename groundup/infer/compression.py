"""Lossless compression with a language model: the better it predicts, the smaller the file.

At every token the model says how probable each next one is; an arithmetic coder (arithmetic.py) spends
-log2 p bits on the one that came. All of it is the sum that evals/bits_per_byte.py computes, so the size of
the file is an independent measurement of that figure, and "pretraining is compression" can be held in hand.
The decoder has the same model, computes the same probabilities, reads which token came, and goes on.

Same bits: the decoder must compute the very same integers, so both run the same code on the same shapes: a
      token at a time (reading.py), in float32 on the CPU, then a softmax in float64 and whole numbers. That
      holds on one kind of machine, with one torch and one number of threads; what they were, and a probe of
      what they compute, is in the file (compressed_file.py), and another machine is refused, not tried.
Lanes: a long text is cut into B equal parts that are coded side by side as one batch, several times as fast.
      A part begins without knowing the one before it, which costs a little; so short texts have one lane.
Any bytes: byte-pair tokenizers cover them. A byte for which a tokenizer has no id is a literal: an escape,
      whose probability is counted as it comes, then 8 bits. The model reads `start` in its place.

Letters: B lanes, V vocabulary. An item is an id, or -1 - byte for a literal.
Source:  Shannon 1948; language models as compressors: Mahoney 2000; Delétang et al. 2023, arXiv 2309.10668.
Not here: the size of the model, which whoever unpacks must have; adapting to the file; a GPU.
Next:    compressed_file.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from groundup.base.errors import DataError, TokenizerError
from groundup.infer.arithmetic import Decoder, Encoder
from groundup.infer.reading import reading
from groundup.models.cost import kv_bytes
from groundup.models.transformer import Transformer
from groundup.tokenizer.protocol import Tokenizer

SHARE = 1 << 32  # of the model in the frequencies; each id has one more, so that none is impossible
ESCAPE_AT_FIRST = 64  # before any item, one in so many is expected to be a literal
LANE = 4096  # items that are worth a lane of their own
MOST_LANES, LANE_BYTES = 64, 1 << 29  # at most so many, and such a cache in all

OnBytes = Callable[[int], None]  # so many more bytes of the text are done


def items_of(data: bytes, tokenizer: Tokenizer) -> list[int]:
    """The bytes as items; `spelled` gives them back, always.

    >>> from groundup.tokenizer.chars import CharTokenizer
    >>> items_of("bä".encode(), CharTokenizer("abc"))  # b, and the two bytes of a letter that it lacks
    [1, -196, -165]
    """
    try:
        items = list(tokenizer.encode_bytes(data))  # type: ignore[attr-defined]
    except (AttributeError, TokenizerError):  # characters, or a vocabulary that lacks a byte
        items = _by_character(data, tokenizer)
    if spelled(items, tokenizer) != data:  # such as one that tidies blanks before it encodes
        raise DataError(
            f"The tokenizer of this model does not give back what it encodes ({len(data):,} bytes in, "
            "others out), so nothing can be compressed with it. Use another model."
        )
    return items


def _by_character(data: bytes, tokenizer: Tokenizer) -> list[int]:
    items, known = list[int](), dict[str, list[int]]()
    for character in data.decode("utf-8", errors="surrogateescape"):  # a byte that is no UTF-8: U+DC80 and up
        if character not in known:
            raw = character.encode("utf-8", errors="surrogateescape")
            try:
                ids = tokenizer.encode(character)
            except TokenizerError:
                ids = []
            same = b"".join(map(tokenizer.bytes_of, ids)) == raw
            known[character] = ids if same else [-1 - byte for byte in raw]
        items += known[character]
    return items


def spelled(items: Sequence[int], tokenizer: Tokenizer) -> bytes:
    """The bytes that items stand for."""
    return b"".join(tokenizer.bytes_of(item) if item >= 0 else bytes([-1 - item]) for item in items)


def pick_lanes(model: nn.Module, items: int) -> int:
    """How many lanes are worth it: one for every 4,096 items, at most 64, with half a gigabyte of cache."""
    most = MOST_LANES
    if isinstance(model, Transformer):
        most = min(most, LANE_BYTES // kv_bytes(model.config, model.config.context_len))
    return max(1, min(most, items // LANE))


def cumulated(logits_BV: Tensor) -> np.ndarray:
    """The probabilities as whole numbers, cumulated: int64 [B, V], each row rising by 1 or more a step.

    A sum of float64 shares, rounded down, plus one each: the rounding costs 2^-32 of a probability, nothing
    that a file could show. Raises DataError if a logit is not a number.

    >>> rows = cumulated(torch.tensor([[0.0, 0.0], [-1e9, 0.0]]))
    >>> rows.tolist() == [[SHARE // 2 + 1, SHARE + 2], [1, SHARE + 2]]
    True
    """
    probs_BV = logits_BV.double().softmax(-1)
    if not bool(torch.isfinite(probs_BV).all()):
        raise DataError("The model's answer is not a number: its weights are damaged. Use another model.")
    return ((probs_BV * SHARE).long() + 1).cumsum(-1).numpy()


class Escapes:
    """How probable a literal is: as often as there were some so far; both sides count alike."""

    def __init__(self) -> None:
        self.seen = self.items = 0

    def size(self, total: int) -> int:
        """The escape's share beside `total` of the ids."""
        return max(1, total * (self.seen + 1) // (self.items + ESCAPE_AT_FIRST))

    def count(self, item: int) -> None:
        """This item came."""
        self.items += 1
        self.seen += item < 0


def encode(
    model: nn.Module, items: Sequence[int], *, start: int, lanes: int, on_item: OnBytes | None = None
) -> bytes:
    """The items as coded bytes. `on_item` is called with each item as it is done."""
    coder, escapes = Encoder(), Escapes()
    bounds = lane_bounds(len(items), lanes)

    def put(row: np.ndarray, lane: int, step: int) -> int:
        item, total = items[bounds[lane] + step], int(row[-1])
        escape = escapes.size(total)
        if item >= 0:
            begin = int(row[item - 1]) if item else 0
            coder.encode(begin, int(row[item]) - begin, total + escape)
        else:
            coder.encode(total, escape, total + escape)
            coder.encode(-1 - item, 1, 256)
        escapes.count(item)
        return item

    for item in _walk(model, len(items), start, lanes, put):
        if on_item is not None:
            on_item(item)
    return coder.finish()


def decode(
    model: nn.Module, coded: bytes, count: int, *, start: int, lanes: int, on_item: OnBytes | None = None
) -> list[int]:
    """The items of `encode`, if model, start, lanes and machine are the same; else some others."""
    coder, escapes = Decoder(coded), Escapes()
    bounds = lane_bounds(count, lanes)
    items = [0] * count

    def get(row: np.ndarray, lane: int, step: int) -> int:
        total = int(row[-1])
        escape = escapes.size(total)
        place = coder.place(total + escape)
        if place < total:
            item = int(np.searchsorted(row, place, side="right"))
            begin = int(row[item - 1]) if item else 0
            coder.take(begin, int(row[item]) - begin, total + escape)
        else:
            coder.take(total, escape, total + escape)
            byte = coder.place(256)
            coder.take(byte, 1, 256)
            item = -1 - byte
        escapes.count(item)
        items[bounds[lane] + step] = item
        return item

    for item in _walk(model, count, start, lanes, get):
        if on_item is not None:
            on_item(item)
    return items


def _walk(
    model: nn.Module, count: int, start: int, lanes: int, code: Callable[[np.ndarray, int, int], int]
) -> Iterator[int]:
    """Every item in coding order: step by step, in each step lane by lane. `code` codes one and returns it.

    What encoder and decoder have in common is here, and it is everything that computes: they cannot differ.
    """
    if not count:
        return
    bounds = lane_bounds(count, lanes)
    lengths = [end - begin for begin, end in pairwise(bounds)]
    read = reading(model, torch.full((lanes, 1), start))
    for step in range(lengths[0]):  # the first lane is never the shorter
        rows = cumulated(read.logits())
        ids = [start] * lanes  # what a lane that has ended reads, so that every step has one shape
        for lane in range(lanes):
            if step < lengths[lane]:
                item = code(rows[lane], lane, step)
                ids[lane] = item if item >= 0 else start
                yield item
        if step + 1 < lengths[0]:
            read.push(torch.tensor(ids))


def lane_bounds(count: int, lanes: int) -> list[int]:
    """Where the lanes begin and, last, end; the first ones have one item more if it does not divide.

    >>> lane_bounds(10, 3)
    [0, 4, 7, 10]
    """
    return [-(-count * lane // lanes) for lane in range(lanes + 1)]
