"""Passages: documents in stretches of bounded length, so that a text larger than the memory can be read.

A document of up to PASSAGE characters is one passage. A longer one is cut after a line break where there is
one, else after a blank, else where it must be. Where the cuts fall depends on the text alone, never on how
the disk hands it out, so two readings give the same passages. Joined in order, the passages of a document
are the document, character for character.

Next:    read_text.py, which makes them of files; held_out.py, which says which are learned from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from groundup.data.documents import Document

PASSAGE = 1 << 20  # characters; a cut splits at most one word or token in a million characters


@dataclass(frozen=True)
class Passage:
    """A stretch of the document `id`; `number` counts from 0, where the document begins."""

    text: str
    id: str
    number: int = 0


def passages_of(documents: Iterable[Document]) -> Iterator[Passage]:
    """The same documents, in passages."""
    for document in documents:
        yield from cut([document.text], document.id)


def cut(blocks: Iterable[str], document_id: str, size: int = PASSAGE) -> Iterator[Passage]:
    """The text that the blocks make together, as passages of at most `size` characters.

    >>> [passage.text for passage in cut(["one two\\nthr", "ee four five"], "d", size=9)]
    ['one two\\n', 'three ', 'four five']
    """
    held, number = "", 0
    for block in blocks:
        held += block
        begin = 0
        while len(held) - begin > size:
            end = _end(held, begin, begin + size)
            yield Passage(held[begin:end], document_id, number)
            begin, number = end, number + 1
        held = held[begin:]
    if held:
        yield Passage(held, document_id, number)


def _end(text: str, begin: int, limit: int) -> int:
    """Where the passage that begins there ends: after its last line break, else blank, else at the limit."""
    for sign in ("\n", " "):
        if (found := text.rfind(sign, begin, limit)) >= 0:
            return found + 1
    return limit
