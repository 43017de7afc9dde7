"""A list of names, or of anything else with one item a line, split and spelled out in characters.

The mark of start and end is the line break, which is what it is in such a file; the course writes it as a
dot. It is id 0 in every file, because no item holds a lower character (one that does is refused). So the 27
ids of the course's names are the course's: 0, then a to z. An item may hold a dot, a blank or a hyphen.

Rules: blanks at both ends of a line and empty lines are dropped, and counted. Equal lines stay: how often a
name occurs is part of the data (2,539 of the course's lines repeat an earlier one), though what is in two
splits then flatters the score; `seen` says how many, and `unique=True` keeps each line once. The alphabet is
that of the whole file, as in the course, so that no split can hold a letter without an id.

Source: the split of the lectures "makemore" 2 to 5: shuffled with `random.seed(42)`, then 80, 10, 10 %.
Next:   windows.py, which makes batches of them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundup.base.errors import DataError
from groundup.base.files import read_text
from groundup.data.fetch import archive
from groundup.data.sources import source
from groundup.tokenizer.chars import CharTokenizer

SOURCE = "course-names"
MARK = "\n"  # start and end of an item: id 0
SPLIT_SEED = 42
SHARES = (0.8, 0.9)  # where train ends, where dev ends


@dataclass(frozen=True)
class Names:
    """The items of each split, and the characters that they are made of."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]
    tokenizer: CharTokenizer
    empty: int = 0  # lines that were dropped
    repeated: int = 0  # lines equal to an earlier one
    seen: int = 0  # items of dev that are in train too

    @property
    def longest(self) -> int:
        """Characters of the longest item of any split."""
        return max(map(len, (*self.train, *self.dev, *self.test)))

    def split(self, name: str) -> tuple[str, ...]:
        """The items of "train", "dev" or "test"."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[name]


def read_names(path: Path | None = None, *, unique: bool = False, seed: int = SPLIT_SEED) -> Names:
    """The items of a file, or of the course's `names.txt`, split. Raises DataError if it cannot be split."""
    path = archive(source(SOURCE)) if path is None else path
    lines = [line.strip() for line in read_text(path).split("\n")]
    if lines and not lines[-1]:
        lines.pop()  # what follows the last line break is no line
    items = [line for line in lines if line]
    _check(items, path)
    different = list(dict.fromkeys(items))
    train, dev, test = split(different if unique else items, seed)
    known = set(train)
    return Names(
        train,
        dev,
        test,
        CharTokenizer("".join(sorted({MARK, *"".join(items)}))),
        empty=len(lines) - len(items),
        repeated=len(items) - len(different),
        seen=sum(item in known for item in dev),
    )


def split(
    items: Sequence[str], seed: int = SPLIT_SEED
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(train, dev, test): 80, 10 and 10 % after the course's shuffle.

    Raises DataError if there are too few items for one of them.

    >>> split("a b c d e f g h i j".split())
    (('h', 'd', 'c', 'i', 'f', 'g', 'j', 'e'), ('a',), ('b',))
    """
    shuffled = list(items)
    random.Random(seed).shuffle(shuffled)
    first, second = (int(share * len(shuffled)) for share in SHARES)
    parts = tuple(shuffled[:first]), tuple(shuffled[first:second]), tuple(shuffled[second:])
    if not all(parts):
        few = "1 item" if len(shuffled) == 1 else f"{len(shuffled)} items"
        raise DataError(
            f"{few} cannot be split into 80 % to learn from, 10 % to choose by and 10 % to test: one part "
            "would be empty. Give a file with at least 10 different lines."
        )
    return parts


def _check(items: Sequence[str], path: Path) -> None:
    if not items:
        raise DataError(f"{path} has no lines with anything on them. Give a file with one item a line.")
    for item in items:
        if low := next((character for character in item if character < " "), None):
            raise DataError(
                f"{path}: the line {item!r} holds the control character U+{ord(low):04X}. Items are written "
                "with letters, signs and blanks: replace it, a tab by a blank for instance."
            )
