"""The exam of the small assistant: every skill in trained and in untrained wording, on problems it never saw.

A problem (operands, a word, a name) comes from a split that training never draws from
(data/skills/split.py); facts are the exception, for they are what is taught. Its wording is either one that
training uses, or one of evals/phrasings, written by somebody who had not seen the training wordings. An
untrained wording that training happened to produce as well is left out: `Untrained` is told the requests of
the fine-tuning set (not those of replay, of reinforcement's prompts, or of the control).

Scoring is strict and the model answers greedily: the tool must be called with the right expression, every
letter must be right, a refusal must name nothing, small talk must be the right reply in the right language.

Next: recipes/chat_scores.py, which asks all this before and after reinforcement.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from groundup.base.seeds import python_rng
from groundup.data.skills.calculator import Sum
from groundup.data.skills.facts import ordinal, refuses
from groundup.data.skills.mix import Example, skills
from groundup.data.skills.scope import LINES, Request
from groundup.data.skills.skill import calls_of, text_of
from groundup.data.skills.smalltalk import REPLIES, Intent, Language, Talk
from groundup.data.skills.spelling import Counting, Letter
from groundup.data.skills.split import Split
from groundup.evals import phrasings
from groundup.evals.task import Score, Task
from groundup.tokenizer.chat import Conversation, Message, user

Wording = Literal["trained", "untrained"]
WORDINGS: tuple[Wording, ...] = ("trained", "untrained")
SKILLS = ("calculator", "spelling", "counting", "known_facts", "unknown_facts", "head_addition")
INTENTS = ("greeting", "identity", "abilities", "thanks", "goodbye", "out_of_scope")
FAMOUS = (("strawberry", "r"), ("mississippi", "s"), ("banana", "a"), ("raspberry", "r"))
END = r"(?=s?(?!\w))"  # where a name, a word or a letter ends, also in "rs" and "Frances capital"
TEMPLATE = {"+": "calculator_add", "-": "calculator_sub", "*": "calculator_mul", "play": "character"}

# The exam's intents are coarser than the training's: "who are you?" and "who made you?" are one.
ANSWERED_BY: dict[str, tuple[Intent, ...]] = {
    "greeting": ("greeting", "wellbeing"),
    "identity": ("identity", "maker"),
    "abilities": ("ability",),
    "thanks": ("thanks",),
    "goodbye": ("goodbye",),
}


@dataclass(frozen=True)
class Question:
    """A problem, the words in which it is asked, and the rule for its answer."""

    problem: Any
    text: str
    right: Callable[[Message], bool]


class Untrained:
    """The wordings of one exam set, "dev" or "test", without those that training used."""

    def __init__(self, name: str, trained: Iterable[str]) -> None:
        """`trained`: the shape of every request that was trained on, from `shapes`."""
        taken = set(trained)
        every = phrasings.load(name)
        self.dropped: list[str] = []
        self.skills = {skill: self._new(lines, taken) for skill, lines in every.skills.items()}
        self.intents = {intent: {language: self._new(lines, taken) for language, lines in both.items()}
                        for intent, both in every.intents.items()}  # fmt: skip

    def _new(self, lines: Sequence[str], taken: set[str]) -> list[str]:
        self.dropped += [line for line in lines if phrasings.normalise(line) in taken]
        return [line for line in lines if phrasings.normalise(line) not in taken]

    def ask(self, problem: Any, rng: random.Random) -> str:
        """The problem of a skill in one of these wordings."""
        if isinstance(problem, Sum):
            return rng.choice(self.skills[TEMPLATE[problem.op]]).format(a=problem.a, b=problem.b)
        if isinstance(problem, Letter):
            return rng.choice(self.skills["count"]).format(letter=problem.letter, word=problem.word)
        if hasattr(problem, "word"):
            return rng.choice(self.skills["spell"]).format(word=problem.word)
        if hasattr(problem, "relation"):
            nth = ordinal(int(problem.key)) if problem.relation == "president" else ""
            lines = self.skills[TEMPLATE.get(problem.relation, problem.relation)]
            return rng.choice(lines).format(name=problem.key, number=problem.key, ordinal=nth)
        return rng.choice(self.skills["head_addition"]).format(a=problem.a, b=problem.b)


def shapes(examples: Iterable[Example]) -> set[str]:
    """Every request of these conversations, without what was asked about: comparable with an exam wording.

    >>> from groundup.tokenizer.chat import assistant
    >>> talk = Conversation((user("What's 12 plus 7?"), assistant("19")))
    >>> found = shapes([Example(talk, "calculator", "19", (Sum(12, "+", 7),))])
    >>> found == {phrasings.normalise("whats {a} + {b}")}
    True
    """
    found: set[str] = set()
    for example in examples:
        asked = [message.text for message in example.conversation if message.role == "user"]
        for text, problem in zip(asked, example.problems, strict=True):
            found.update(phrasings.normalise(emptied) for emptied in _emptied(text, problem))
    return found


def _emptied(text: str, problem: Any) -> list[str]:
    """The request with operands, words and names replaced by placeholders.

    A letter to count may look like a word ("a", "I"), so there is one reading for each place it may stand.
    """
    for named in (getattr(problem, "word", ""), getattr(problem, "key", "")):
        if named:
            text = re.sub(rf"(?<!\w){re.escape(named)}{END}", "{x}", text, flags=re.IGNORECASE)
    text = re.sub(r"\d+(st|nd|rd|th)?", "{x}", text, flags=re.IGNORECASE)
    letter = getattr(problem, "letter", "")
    places = re.finditer(rf"(?<![\w{{])(?<!\w'){letter}{END}", text, flags=re.IGNORECASE) if letter else ()
    return [text[: m.start()] + "{x}" + text[m.end() :] for m in places] or [text]


def questions(
    skill: str,
    wording: Wording,
    n: int,
    *,
    words: Sequence[str],
    split: Split,
    untrained: Untrained,
    seed: int,
) -> list[Question]:
    """n questions of a skill; the same problems in both wordings, except that an untrained
    subtraction never goes below zero, because the exam tells some of them as stories."""
    rng = python_rng(seed, f"exam.{skill}")
    known = skills(words)[skill]
    problems = list(known.problems(rng, split, n))
    if wording == "untrained":  # the stories of the exam cannot go below zero
        problems = [Sum(max(p.a, p.b), p.op, min(p.a, p.b)) if isinstance(p, Sum) and p.op == "-" else p
                    for p in problems]  # fmt: skip
    ask = untrained.ask if wording == "untrained" else known.ask
    return [Question(p, ask(p, rng), partial(known.score, p)) for p in problems]


def small_talk(
    intent: str, language: Language, wording: Wording, n: int, *, untrained: Untrained, seed: int
) -> list[Question]:
    """Up to n requests of one intent in one language; of an exam set, each wording once."""
    rng = python_rng(seed, f"exam.{intent}.{language}")
    allowed = (
        {LINES[language]}
        if intent == "out_of_scope"
        else {reply for name in ANSWERED_BY[intent] for reply in REPLIES[language][name]}
    )
    if wording == "untrained":
        lines = untrained.intents[intent][language][:n]
    else:
        lines = [_trained_line(intent, language, rng) for _ in range(n)]

    def right(reply: Message) -> bool:
        return text_of(reply).strip() in allowed and not calls_of(reply)

    return [Question(intent, line, right) for line in lines]


def _trained_line(intent: str, language: Language, rng: random.Random) -> str:
    every = skills(())
    if intent == "out_of_scope":
        return every["out_of_scope"].ask(Request(language), rng)
    return every["small_talk"].ask(Talk(rng.choice(ANSWERED_BY[intent]), language), rng)


def famous() -> list[Question]:
    """Strawberry and its sisters, in the wording that everybody uses."""
    counting = Counting(())
    return [
        Question(Letter(word, letter), f"How many {letter}'s are in {word}?",
                 partial(counting.score, Letter(word, letter)))
        for word, letter in FAMOUS
    ]  # fmt: skip


def as_task(name: str, asked: Sequence[Question]) -> Task[Question]:
    """The questions as a task for `evaluate`; the note says when a taught fact was refused."""

    def score(question: Question, reply: Message) -> Score:
        refused = getattr(question.problem, "value", None) is not None and refuses(text_of(reply))
        return Score(float(question.right(reply)), "refused" if refused else "")

    return Task(name, tuple(asked), lambda q: Conversation((user(q.text),)), score)
