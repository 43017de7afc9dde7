"""Greetings, thanks, goodbye and "who are you?", answered in the language of the request.

    user       Who made you?
    assistant  I was trained from scratch by the groundup project.
    user       你是谁？
    assistant  我是 groundup，一个小语言模型。

Seven intents in two languages, one canonical reply each (the table allows more): few replies make a small
model certain, and make scoring exact. The wordings are in smalltalk_frames.py. Does not hold an open
conversation: anything else is scope.py's.
"""

import random
from dataclasses import dataclass
from typing import Literal

from groundup.data.skills.frames import Part, chinese_phrase, phrase
from groundup.data.skills.skill import Reply, text_of
from groundup.data.skills.smalltalk_frames import CHINESE, ENGLISH
from groundup.data.skills.split import Split
from groundup.tokenizer.chat import Message

Language = Literal["en", "zh"]
Intent = Literal["greeting", "wellbeing", "identity", "maker", "ability", "thanks", "goodbye"]
INTENTS: tuple[Intent, ...] = ("greeting", "wellbeing", "identity", "maker", "ability", "thanks", "goodbye")

REPLIES: dict[Language, dict[Intent, tuple[str, ...]]] = {
    "en": {
        "greeting": ("Hello! How can I help you?",),
        "wellbeing": ("I am fine, thank you! How can I help you?",),
        "identity": ("I am groundup, a small language model.",),
        "maker": ("I was trained from scratch by the groundup project.",),
        "ability": ("I can do sums, spell words, count letters and tell you a few facts.",),
        "thanks": ("You are welcome!",),
        "goodbye": ("Goodbye! See you soon.",),
    },
    "zh": {
        "greeting": ("你好！有什么可以帮你？",),
        "wellbeing": ("我很好，谢谢！有什么可以帮你？",),
        "identity": ("我是 groundup，一个小语言模型。",),
        "maker": ("我是由 groundup 项目从零训练的。",),
        "ability": ("我会算术、拼写、数字母和小知识。",),
        "thanks": ("不客气！",),
        "goodbye": ("再见！",),
    },
}


@dataclass(frozen=True)
class Talk:
    """An intent in a language."""

    intent: Intent
    language: Language

    @property
    def expected(self) -> str:
        """The first canonical reply."""
        return REPLIES[self.language][self.intent][0]


class SmallTalk:
    """Small talk in English and Chinese. The problems are the same in every split; only wordings differ."""

    name = "small_talk"

    def __init__(self, chinese: float = 0.4) -> None:
        self.chinese = chinese  # share of requests in Chinese

    def problems(self, rng: random.Random, split: Split, n: int) -> list[Talk]:
        """n intents, all as likely, but identity and ability twice: they can be asked in most ways."""
        intents = (*INTENTS, "identity", "ability")
        return [
            Talk(intents[int(rng.random() * len(intents))], "zh" if rng.random() < self.chinese else "en")
            for _ in range(n)
        ]

    def ask(self, problem: Talk, rng: random.Random, frames: Part = "train") -> str:
        """The intent in one of its wordings; an English opener is rare, because most of these are openers."""
        if problem.language == "zh":
            return chinese_phrase(CHINESE[problem.intent].draw(rng, frames), {}, rng, part=frames, bare=0.8)
        return phrase(ENGLISH[problem.intent].draw(rng, frames), {}, rng, part=frames, bare=0.8)

    def answer(self, problem: Talk, rng: random.Random) -> Reply:
        """One of the intent's canonical replies."""
        replies = REPLIES[problem.language][problem.intent]
        return (replies[int(rng.random() * len(replies))],)

    def score(self, problem: Talk, reply: Message) -> bool:
        """One of the intent's canonical replies, in the language of the request."""
        return text_of(reply).strip() in REPLIES[problem.language][problem.intent]
