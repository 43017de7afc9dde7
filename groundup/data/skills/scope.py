"""Anything else: one friendly line that says what it can do, in the language of the request.

    user       Write a poem about the sea.
    assistant  Sorry, I can't do that yet. I can do sums, spell words, count letters and tell you a few facts.

The requests come from many themes (scope_frames.py); some name what is taught but ask something else about
it, so that the question decides and not the name. Must not swallow the other skills: keep its weight in the
mix small.
"""

import random
import re
from dataclasses import dataclass
from functools import cache

from groundup.data.skills.frames import Part, chinese_phrase, phrase
from groundup.data.skills.scope_frames import CHINESE, ENGLISH, FILLINGS
from groundup.data.skills.skill import Reply, calls_of, text_of
from groundup.data.skills.smalltalk import REPLIES, Language
from groundup.data.skills.split import Split
from groundup.tokenizer.chat import Message

LINES: dict[Language, str] = {
    "en": f"Sorry, I can't do that yet. {REPLIES['en']['ability'][0]}",
    "zh": f"抱歉，我还不会。{REPLIES['zh']['ability'][0]}",
}
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Request:
    """A request for something that it cannot do; only its language is fixed."""

    language: Language

    @property
    def expected(self) -> str:
        """The friendly line."""
        return LINES[self.language]


@cache
def _fillings(name: str) -> list[str]:
    return FILLINGS[name].split("|")


class OutOfScope:
    """Requests for anything else."""

    name = "out_of_scope"

    def __init__(self, chinese: float = 0.3) -> None:
        self.chinese = chinese  # share of requests in Chinese

    def problems(self, rng: random.Random, split: Split, n: int) -> list[Request]:
        """n languages."""
        return [Request("zh" if rng.random() < self.chinese else "en") for _ in range(n)]

    def ask(self, problem: Request, rng: random.Random, frames: Part = "train") -> str:
        """A theme with its particulars filled in."""
        text = (ENGLISH if problem.language == "en" else CHINESE).draw(rng, frames)

        def particular(slot: re.Match[str]) -> str:
            name = slot.group(1)
            if name in ("n", "m"):
                return str(rng.randint(2, 12) if name == "m" else rng.randint(2, 999))
            options = _fillings(name)
            return options[int(rng.random() * len(options))]

        text = _SLOT.sub(particular, text)
        say = phrase if problem.language == "en" else chinese_phrase
        return say(text, {}, rng, part=frames, bare=0.5)

    def answer(self, problem: Request, rng: random.Random) -> Reply:
        """The friendly line."""
        return (LINES[problem.language],)

    def score(self, problem: Request, reply: Message) -> bool:
        """Exactly the friendly line, in the language of the request, without a tool call."""
        return text_of(reply).strip() == problem.expected and not calls_of(reply)
