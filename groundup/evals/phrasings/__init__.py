"""The exam's wordings: what a person might type for each thing that the small assistant can do.

Two sets, written without sight of the training phrasings: `dev` for choosing mixes and settings,
`test` for the published figures, used once. They share no line; most of their small talk and of what is out
of scope has one writer, so that some topics are in both.

Skills (a list of templates each) and their placeholders:
  calculator_add, calculator_sub, calculator_mul   {a} {b}, up to three digits; sub asks for a - b, a >= b
  head_addition                                    {a} {b}, two digits; the person forbids the calculator
  spell                                            {word}
  count                                            {letter} {word}
  capital                                          {name}, a country or an invented one; the answer is a city
  character                                        {name}, of Shakespeare or invented; the answer is a play
  president                                        {ordinal} ("16th") or {number} ("16"), US; answer: a person
Intents (a list for each language, "en" and "zh"; no placeholders):
  greeting, identity, abilities, thanks, goodbye, out_of_scope

Does not draw words, names or numbers, and does not judge answers: the tasks of `evals` do.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from importlib.resources import files

SETS = ("dev", "test")
LANGUAGES = ("en", "zh")
INTENTS = ("greeting", "identity", "abilities", "thanks", "goodbye", "out_of_scope")

# For each skill the sets of placeholders that a template may have: exactly one of them.
PLACEHOLDERS: dict[str, tuple[frozenset[str], ...]] = {
    "calculator_add": (frozenset({"a", "b"}),),
    "calculator_sub": (frozenset({"a", "b"}),),
    "calculator_mul": (frozenset({"a", "b"}),),
    "head_addition": (frozenset({"a", "b"}),),
    "spell": (frozenset({"word"}),),
    "count": (frozenset({"letter", "word"}),),
    "capital": (frozenset({"name"}),),
    "character": (frozenset({"name"}),),
    "president": (frozenset({"ordinal"}), frozenset({"number"})),
}

_OPERATORS = {"+": "plus", "-": "minus", "−": "minus", "*": "times", "×": "times", "x": "times"}


@dataclass(frozen=True)
class Phrasings:
    """One set: templates by skill, to fill with `str.format`, and plain lines by intent and language."""

    skills: dict[str, list[str]]
    intents: dict[str, dict[str, list[str]]]


def load(name: str) -> Phrasings:
    """The set named "dev" or "test". Raises ValueError for another name."""
    if name not in SETS:
        raise ValueError(f"no set of exam phrasings is named {name!r}. Choose one of {', '.join(SETS)}.")
    tables = tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    intents = {intent: tables.pop(intent) for intent in INTENTS}
    return Phrasings(skills=tables, intents=intents)


def normalise(template: str) -> str:
    """The template without what does not make it another wording: equal results are one wording.

    Capitals, spaces, punctuation, full-width forms and the placeholders' names go; an operator between two
    placeholders becomes its word.

    >>> normalise("What's {a} + {b}?") == normalise("whats {x} plus {y}")
    True
    >>> normalise("{a} - {b}") == normalise("{a} + {b}")
    False
    """
    text = re.sub(r"\{\w+\}", "_", unicodedata.normalize("NFKC", template).casefold())
    text = re.sub(r"_\s*([-−+*×x])\s*(?=_)", lambda match: f"_{_OPERATORS[match[1]]}", text)
    return "".join(character for character in text if character.isalnum() or character == "_")
