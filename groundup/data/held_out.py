"""What of a text is held out, decided in one reading of a stream, and kept as a few numbers.

Where there are documents enough, whole ones are held out, by their names (split.py): a model that has seen
half of a letter knows too much about the other half. Where there are few, or where that would hold out far
more or less than asked because one document is most of the text, the end of the text is held out instead.

Next:    read_text.py and passages.py, where the stream comes from; shards.py, where it goes.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from groundup.base.errors import DataError
from groundup.data.passages import Passage
from groundup.data.split import split_of

WHOLE_DOCUMENTS = 20  # from so many on, whole ones are held out
LOPSIDED = 3  # times more or less than asked is too far off

Side = str  # "train" or "held_out"


@dataclass(frozen=True)
class Survey:
    """What one reading of a text found. `keep` is None if whole documents are held out; else the text is
    learned from up to there, counted in characters, and its end is held out.
    """

    documents: int
    characters: int
    held_out: int  # characters
    bytes: int  # of all characters, as UTF-8
    alphabet: str  # its characters, each once, sorted
    digest: str
    share: float
    seed: int
    keep: int | None

    @property
    def train(self) -> int:
        """Characters to learn from."""
        return self.characters - self.held_out

    @property
    def bytes_per_character(self) -> float:
        """1 for English, about 3 for Chinese."""
        return self.bytes / self.characters


def survey(passages: Iterable[Passage], *, share: float, seed: int) -> Survey:
    """Read a text once and decide what is held out. Raises DataError if nothing is left on either side."""
    documents = characters = size = by_name = 0
    alphabet: set[str] = set()
    digest = hashlib.sha256()
    for passage in passages:
        documents += passage.number == 0
        characters += len(passage.text)
        by_name += len(passage.text) * (_by_name(passage, share, seed) == "held_out")
        alphabet.update(passage.text)
        size += _add(digest, passage)
    enough = documents >= WHOLE_DOCUMENTS and share / LOPSIDED < by_name / characters < share * LOPSIDED
    keep = None if enough and by_name < characters else round(characters * (1 - share))
    held_out = by_name if keep is None else characters - keep
    if not 0 < held_out < characters:
        raise DataError(
            f"Of {characters:,} characters none is left to {'hold out' if not held_out else 'learn from'} at "
            f"held_out={share}. Give more text, or another share."
        )
    return Survey(
        documents=documents,
        characters=characters,
        held_out=held_out,
        bytes=size,
        alphabet="".join(sorted(alphabet)),
        digest=digest.hexdigest(),
        share=share,
        seed=seed,
        keep=keep,
    )


def sides(passages: Iterable[Passage], found: Survey) -> Iterator[tuple[Side, Passage]]:
    """Each passage with the side that it is on; one that lies across the border comes in two parts.

    Raises DataError at the end if this is not the text that was surveyed.

    >>> text = [Passage("0123456789", "d")]
    >>> [(side, p.text) for side, p in sides(text, survey(text, share=0.2, seed=0))]
    [('train', '01234567'), ('held_out', '89')]
    """
    read, digest = 0, hashlib.sha256()
    for passage in passages:
        _add(digest, passage)
        if found.keep is None:
            yield _by_name(passage, found.share, found.seed), passage
            continue
        before = min(max(found.keep - read, 0), len(passage.text))
        read += len(passage.text)
        if before:
            yield "train", dataclasses.replace(passage, text=passage.text[:before])
        if before < len(passage.text):
            number = passage.number + (before > 0)  # the second part is not the beginning of the document
            yield "held_out", dataclasses.replace(passage, text=passage.text[before:], number=number)
    if digest.hexdigest() != found.digest:
        raise DataError(
            "The text changed while it was being read: a second reading found other words than the first. "
            "Run the same command again when nothing writes to it."
        )


def _by_name(passage: Passage, share: float, seed: int) -> Side:
    return split_of(passage.id, seed, {"train": 1 - share, "held_out": share})


def _add(digest: "hashlib._Hash", passage: Passage) -> int:
    """Make the passage part of the digest; returns the bytes of its text."""
    content = passage.text.encode()
    digest.update(f"{passage.id}\0{passage.number}\0{len(content)}\0".encode())
    digest.update(content)
    return len(content)
