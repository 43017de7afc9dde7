"""Spelling a word, and counting a letter in it, by writing every letter as a token of its own.

    spell      Spelling strawberry: s t r a w b e r r y
    count r    Counting r in strawberry: s t r1 a w b e r2 r3 y. The letter r occurs 3 times.

A model reads a word as a few multi-letter tokens and must learn which letters are inside each; a space
before every letter makes the answer the same token for a letter wherever it stands. The reply begins by
saying what it does with what: finding the word (and the letter) in a request and walking through it are then
two easy steps instead of one hard one (counting in untrained wording: 54 % without, 94 % with; docs/log.md).
The running count sits on the hits only, so counting is a short walk and never a sum at the end. Words come
from the caller; wordings are in spelling_frames.py.
"""

import random
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from groundup.base.errors import DataError
from groundup.data.skills import spelling_frames as table
from groundup.data.skills.frames import CHINESE_SHARE, Part, chinese_phrase, fill, phrase
from groundup.data.skills.skill import Reply, text_of
from groundup.data.skills.split import SPLITS, Split, split_of_word
from groundup.tokenizer.chat import Message

DOUBLED = re.compile(r"(.)\1")
DOUBLED_SHARE = 0.35  # of words drawn with a doubled letter: rare in text, and the hard case


def spelled(word: str) -> str:
    """The word, and every letter of it behind a space.

    >>> spelled("Beer")
    'Spelling beer: b e e r'
    """
    return f"Spelling {word.lower()}:" + "".join(" " + letter for letter in word.lower())


def counted(word: str, letter: str) -> str:
    """Letter and word, the spelling with a running count on each hit, and the sentence that repeats it.

    >>> counted("strawberry", "r")
    'Counting r in strawberry: s t r1 a w b e r2 r3 y. The letter r occurs 3 times.'
    >>> counted("cat", "c")
    'Counting c in cat: c1 a t. The letter c occurs 1 time.'
    """
    hits, out = 0, f"Counting {letter} in {word.lower()}:"
    for c in word.lower():
        out += " " + c
        if c == letter:
            hits += 1
            out += str(hits)
    return f"{out}. The letter {letter} occurs {hits} time{'' if hits == 1 else 's'}."


@dataclass(frozen=True)
class Word:
    """A word to spell."""

    word: str

    @property
    def expected(self) -> str:
        """The letters, space-separated."""
        return " ".join(self.word.lower())


@dataclass(frozen=True)
class Letter:
    """A letter to count in a word."""

    word: str
    letter: str

    @property
    def count(self) -> int:
        """How often the letter occurs."""
        return self.word.lower().count(self.letter)

    @property
    def expected(self) -> str:
        """The count in digits."""
        return str(self.count)


@dataclass(frozen=True)
class WordPool:
    """The words that both skills draw from, by split; doubled letters oversampled."""

    words: Sequence[str]

    @cached_property
    def _sides(self) -> dict[Split, tuple[list[str], list[str]]]:
        sides: dict[Split, tuple[list[str], list[str]]] = {split: ([], []) for split in SPLITS}
        for word in dict.fromkeys(w.lower() for w in self.words):
            if word.isascii() and word.isalpha() and 2 <= len(word) <= 16:
                plain, doubled = sides[split_of_word(word)]
                (doubled if DOUBLED.search(word) else plain).append(word)
        return sides

    def draw(self, rng: random.Random, split: Split) -> str:
        """One word of the split."""
        plain, doubled = self._sides[split]
        words = (doubled if rng.random() < DOUBLED_SHARE else plain) or plain or doubled
        if not words:
            raise DataError(
                f"None of the {len(self.words)} words may be used for {split!r}. A word needs 2 to 16 "
                "letters a-z; pass a few hundred, for each belongs to one split."
            )
        return words[int(rng.random() * len(words))]


class Spelling:
    """Requests to spell a word."""

    name = "spelling"

    def __init__(self, words: Sequence[str]) -> None:
        self.pool = WordPool(words)

    def problems(self, rng: random.Random, split: Split, n: int) -> list[Word]:
        """n words of the split."""
        return [Word(self.pool.draw(rng, split)) for _ in range(n)]

    def ask(self, problem: Word, rng: random.Random, frames: Part = "train") -> str:
        """The word in one of the SPELL frames."""
        slots = {"w": _dressed(problem.word, rng)}
        if rng.random() < CHINESE_SHARE:
            return chinese_phrase(table.SPELL_CHINESE.draw(rng, frames), slots, rng, part=frames)
        return phrase(table.SPELL.draw(rng, frames), slots, rng, part=frames)

    def answer(self, problem: Word, rng: random.Random) -> Reply:
        """The word and its letters."""
        return (spelled(problem.word),)

    def score(self, problem: Word, reply: Message) -> bool:
        """Exactly the letters, after a colon if there is one; a full stop and hyphens are forgiven."""
        letters = text_of(reply).rpartition(":")[2]
        return re.sub(r"[\s.\-]+", " ", letters).strip().lower() == problem.expected


class Counting:
    """Requests to count a letter in a word."""

    name = "counting"

    def __init__(self, words: Sequence[str]) -> None:
        self.pool = WordPool(words)

    def problems(self, rng: random.Random, split: Split, n: int) -> list[Letter]:
        """n pairs; the letter repeats in the word (45 %), is in it (37 %) or is any at all (18 %)."""
        return [self._problem(rng, split) for _ in range(n)]

    def _problem(self, rng: random.Random, split: Split) -> Letter:
        word, u = self.pool.draw(rng, split), rng.random()
        repeated = sorted({c for c in word if word.count(c) > 1})
        choices = repeated if u < 0.45 and repeated else word if u < 0.82 else string.ascii_lowercase
        return Letter(word, choices[int(rng.random() * len(choices))])

    def ask(self, problem: Letter, rng: random.Random, frames: Part = "train") -> str:
        """Word and letter in one of the COUNT frames, the letter in one of its dresses."""
        bare = {"L": problem.letter, "U": problem.letter.upper()}
        slots = {"w": _dressed(problem.word, rng), **bare}
        chinese = rng.random() < CHINESE_SHARE
        text = (table.COUNT_CHINESE if chinese else table.COUNT).draw(rng, frames)
        if "{ls}" in text:
            slots = {"ls": fill(table.LETTERS.draw(rng, "all"), bare), **slots}
        if "{l}" in text:
            slots = {"l": fill(table.LETTER.draw(rng, "all"), bare), **slots}
        return (chinese_phrase if chinese else phrase)(text, slots, rng, part=frames)

    def answer(self, problem: Letter, rng: random.Random) -> Reply:
        """The spelling with running counts and the total."""
        return (counted(problem.word, problem.letter),)

    def score(self, problem: Letter, reply: Message) -> bool:
        """The last number is the count; `score_working` asks for more."""
        numbers = re.findall(r"\d+", text_of(reply))
        return bool(numbers) and int(numbers[-1]) == problem.count

    def score_working(self, problem: Letter, reply: Message) -> bool:
        """The whole working is exact: every letter, every running count, the sentence."""
        return text_of(reply).split() == counted(problem.word, problem.letter).split()


def _dressed(word: str, rng: random.Random) -> str:
    """The word as typed: mostly plain, sometimes with a capital or in capitals, in or out of quotes."""
    u = rng.random()
    word = word.capitalize() if u < 0.08 else word.upper() if u < 0.11 else word
    return fill(table.WORD.draw(rng, "all"), {"w": word})
