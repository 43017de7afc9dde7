"""What every skill promises, so that training and the exam can treat them alike.

A skill makes bare problems (`problems`), words one as a request (`ask`), knows the reply it teaches
(`answer`) and judges any reply (`score`). The exam keeps problems and scoring and brings wordings of its
own.
Next: calculator.py, then mix.py, which joins all skills into a training set.
"""

import random
import re
from collections.abc import Sequence
from typing import Any, Protocol

from groundup.data.skills.frames import Part
from groundup.data.skills.split import Split
from groundup.tokenizer.chat import Call, Message, Result

Reply = tuple[str | Call | Result, ...]


class Skill(Protocol):
    """One thing that the assistant can do."""

    name: str

    def problems(self, rng: random.Random, split: Split, n: int) -> Sequence[Any]:
        """n problems of the split, drawn with replacement; each has `.expected`, a string or None."""
        ...

    def ask(self, problem: Any, rng: random.Random, frames: Part = "train") -> str:
        """The problem as a request, in one of very many wordings."""
        ...

    def answer(self, problem: Any, rng: random.Random) -> Reply:
        """The parts of the reply that is taught."""
        ...

    def score(self, problem: Any, reply: Message) -> bool:
        """Whether the reply is right."""
        ...


def text_of(reply: Message) -> str:
    """The words of a reply, without its tool calls and their results."""
    return "".join(part for part in reply.parts if isinstance(part, str))


def calls_of(reply: Message) -> list[Call]:
    """The tool calls of a reply, in order."""
    return [part for part in reply.parts if isinstance(part, Call)]


def last_integer(text: str) -> int | None:
    """The last whole number in the text; a minus sign counts unless it follows a digit.

    >>> last_integer("7+5=12 4+8+1=13 132"), last_integer("12 - 34 = -22."), last_integer("none")
    (132, -22, None)
    """
    found = re.findall(r"(?<![\d\w])-?\d+|\d+", text)
    return int(found[-1]) if found else None
