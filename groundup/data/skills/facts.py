"""Facts that it was taught, and saying so when it was not taught.

    user       In which play does Ophelia appear?   user       What is the capital of Zorvania?
    assistant  Ophelia appears in Hamlet.           assistant  The capital of Zorvania is a city I don't know.

Both skills use the same wordings (fact_frames.py), so only the name can tell them apart. A model that falls
back to "I don't know" on any unfamiliar wording fails the first; one that always names a city fails the
second. Names that are not taught are invented (syllables), real (other countries, other books) or one
letter away from a taught one.
"""

import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from groundup.data.skills import fact_frames as frame_table
from groundup.data.skills.fact_table import (
    CAPITALS,
    LAST_UNKNOWN_PRESIDENT,
    OTHER_CHARACTERS,
    OTHER_PLACES,
    PLAYS,
    PRESIDENTS,
    names_in,
)
from groundup.data.skills.frames import Part, phrase
from groundup.data.skills.names import invented_name, near_miss
from groundup.data.skills.skill import Reply, text_of
from groundup.data.skills.split import Split, split_of_name
from groundup.tokenizer.chat import Message

Relation = Literal["capital", "play", "president"]
RELATIONS: tuple[Relation, ...] = ("capital", "play", "president")
FRAMES = {"capital": frame_table.CAPITAL, "play": frame_table.PLAY, "president": frame_table.PRESIDENT}
# A refusal begins as an answer does: the name is said first, and known or not is decided only then.
REFUSALS_BY_RELATION = {
    "capital": "The capital of {key} is a city I don't know.",
    "play": "{key} appears in a play I don't know.",
    "president": "President {key} was somebody I don't know.",
}
REFUSALS = ("don't know", "do not know", "don’t know", "dont know", "not taught", "no idea", "never heard")


@dataclass(frozen=True)
class Fact:
    """One thing that is taught; `key` is a country, a character or a number."""

    relation: Relation
    key: str
    value: str

    @property
    def expected(self) -> str:
        """The name that the answer must contain."""
        return self.value


@dataclass(frozen=True)
class Unknown:
    """Something that nobody taught it."""

    relation: Relation
    key: str

    @property
    def expected(self) -> None:
        """There is no answer to expect."""
        return None


@cache
def taught() -> tuple[Fact, ...]:
    """Every fact, in the order of the tables.

    >>> len(taught()), taught()[0].value
    (127, 'Paris')
    """
    capitals = tuple(Fact("capital", country, city) for country, city in CAPITALS.items())
    plays = tuple(Fact("play", character, play) for character, play in PLAYS.items())
    presidents = tuple(Fact("president", str(i), name) for i, name in enumerate(PRESIDENTS, 1))
    return capitals + plays + presidents


def refuses(text: str) -> bool:
    """Whether the text says that it does not know."""
    return any(words in text.lower() for words in REFUSALS)


def mentions(text: str, name: str) -> int:
    """How often the name stands in the text as whole words.

    >>> mentions("Romeo left Rome.", "Rome")
    1
    """
    return len(re.findall(rf"(?<!\w){re.escape(name)}(?!\w)", text))


def question(problem: Fact | Unknown, rng: random.Random, part: Part) -> str:
    """The relation in one of its wordings, about the problem's key."""
    text = FRAMES[problem.relation].draw(rng, part)
    if text[0].islower() and rng.random() < 0.6:
        text = text[0].upper() + text[1:]
    if problem.relation == "president":
        n = int(problem.key)
        nth = ordinal_word(n) if rng.random() < 0.2 and n < 100 else ordinal(n)
        return phrase(text, {"n": problem.key, "nth": nth}, rng, part=part)
    u = rng.random()
    quoted = f"'{problem.key}'" if u < 0.02 else f'"{problem.key}"' if u < 0.04 else problem.key
    return phrase(text, {"x": quoted}, rng, part=part)


class KnownFacts:
    """Questions about what is taught; the same facts in every split, for they are the lesson."""

    name = "known_facts"

    def problems(self, rng: random.Random, split: Split, n: int) -> list[Fact]:
        """n facts, each as likely as any other."""
        facts = taught()
        return [facts[int(rng.random() * len(facts))] for _ in range(n)]

    def ask(self, problem: Fact, rng: random.Random, frames: Part = "train") -> str:
        """The question in one of its wordings."""
        return question(problem, rng, frames)

    def answer(self, problem: Fact, rng: random.Random) -> Reply:
        """One sentence that repeats what was asked, then says the value."""
        if problem.relation == "capital":
            return (f"The capital of {problem.key} is {problem.value}.",)
        if problem.relation == "play":
            return (f"{problem.key} appears in {problem.value}.",)
        return (f"President {problem.key} was {problem.value}.",)

    def score(self, problem: Fact, reply: Message) -> bool:
        """The expected name is there, and not only inside the question's own (Macbeth in Lady Macbeth)."""
        text, value, key = text_of(reply).lower(), problem.value.lower(), problem.key.lower()
        own = mentions(key, value) if key in text else 0
        return mentions(text, value) > own and not refuses(text)


class UnknownFacts:
    """The same questions about names that are not taught; every split has names of its own."""

    name = "unknown_facts"

    def problems(self, rng: random.Random, split: Split, n: int) -> list[Unknown]:
        """n presidents by a number too high, or invented (66 %), real (27 %) and near-miss (7 %) names."""
        return [self._problem(rng, split) for _ in range(n)]

    def _problem(self, rng: random.Random, split: Split) -> Unknown:
        relation = RELATIONS[int(rng.random() * 2.5)]  # fewer presidents: only 152 numbers
        known = CAPITALS if relation == "capital" else PLAYS
        real = _real_names(relation)
        while True:
            u = rng.random()
            if relation == "president":
                key = str(rng.randint(len(PRESIDENTS) + 1, LAST_UNKNOWN_PRESIDENT))
            elif u < 0.66:
                key = invented_name(relation, rng)
            elif u < 0.93:
                key = real[int(rng.random() * len(real))]
            else:
                key = near_miss(list(known)[int(rng.random() * len(known))], rng)
            if split_of_name(key) == split and key not in known:
                return Unknown(relation, key)

    def ask(self, problem: Unknown, rng: random.Random, frames: Part = "train") -> str:
        """The question in one of its wordings."""
        return question(problem, rng, frames)

    def answer(self, problem: Unknown, rng: random.Random) -> Reply:
        """That it does not know."""
        return (REFUSALS_BY_RELATION[problem.relation].format(key=problem.key),)

    def score(self, problem: Unknown, reply: Message) -> bool:
        """It says that it does not know, and names no taught value except in the name itself."""
        text = text_of(reply).replace(problem.key, "")
        values = {fact.value for fact in taught() if fact.relation == problem.relation}
        return refuses(text) and not any(value in text for value in values)


@cache
def _real_names(relation: Relation) -> tuple[str, ...]:
    return names_in(OTHER_PLACES if relation == "capital" else OTHER_CHARACTERS)


def ordinal(n: int) -> str:
    """The number as an ordinal in digits.

    >>> [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112, 123)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '112th', '123rd']
    """
    suffix = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


_LOW = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def ordinal_word(n: int) -> str:
    """The ordinal of 1..99 in words.

    >>> [ordinal_word(n) for n in (1, 12, 20, 32, 99)]
    ['first', 'twelfth', 'twentieth', 'thirty-second', 'ninety-ninth']
    """
    if n < 20:
        return _LOW[n - 1]
    tens = _TENS[n // 10 - 2]
    return tens[:-1] + "ieth" if n % 10 == 0 else f"{tens}-{_LOW[n % 10 - 1]}"
